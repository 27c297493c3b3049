/* Lookups in an opened GGUF file: values and tensors by name. The header was checked when it was read; numbers may lie
 * at odd addresses and are copied out. */
#include <string.h>

#include "kernels/gguf_layout.h"

int lt_gguf_compare(struct lt_gguf_text a, struct lt_gguf_text b)
{
    int order = memcmp(a.text, b.text, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static const struct lt_gguf_entry *find_entry(const struct lt_gguf *gguf, const char *key)
{
    struct lt_gguf_text wanted = {.text = key, .bytes = strlen(key)};
    size_t low = 0, high = gguf->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = lt_gguf_compare(gguf->entries[middle].key, wanted);
        if (order == 0)
            return &gguf->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const char *type_name(enum lt_gguf_value_type type)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (size_t)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

static int find_typed(const struct lt_gguf *gguf, const char *key, enum lt_gguf_value_type type,
                      const struct lt_gguf_entry **ret_entry, struct lt_error *error)
{
    const struct lt_gguf_entry *entry = find_entry(gguf, key);
    if (!entry)
        return lt_fail(error, LT_EMODEL, "%s: key '%s' is missing", gguf->path, key);
    if (entry->type != type)
        return lt_fail(error, LT_EMODEL, "%s: key '%s' is of type %s; %s is needed", gguf->path, key,
                       type_name(entry->type), type_name(type));
    *ret_entry = entry;
    return LT_OK;
}

bool lt_gguf_has(const struct lt_gguf *gguf, const char *key)
{
    return find_entry(gguf, key) != NULL;
}

const uint8_t *lt_gguf_data(const struct lt_gguf *gguf)
{
    return gguf->bytes;
}

size_t lt_gguf_bytes(const struct lt_gguf *gguf)
{
    return gguf->size;
}

int lt_gguf_u32(const struct lt_gguf *gguf, const char *key, uint32_t *ret_value, struct lt_error *error)
{
    const struct lt_gguf_entry *entry = NULL;
    int rc = find_typed(gguf, key, LT_GGUF_U32, &entry, error);
    if (rc == LT_OK)
        memcpy(ret_value, entry->data, sizeof *ret_value);
    return rc;
}

int lt_gguf_float(const struct lt_gguf *gguf, const char *key, float *ret_value, struct lt_error *error)
{
    const struct lt_gguf_entry *entry = NULL;
    int rc = find_typed(gguf, key, LT_GGUF_FLOAT32, &entry, error);
    if (rc == LT_OK)
        memcpy(ret_value, entry->data, sizeof *ret_value);
    return rc;
}

int lt_gguf_bool(const struct lt_gguf *gguf, const char *key, bool *ret_value, struct lt_error *error)
{
    const struct lt_gguf_entry *entry = NULL;
    int rc = find_typed(gguf, key, LT_GGUF_BOOL, &entry, error);
    if (rc == LT_OK)
        *ret_value = *entry->data != 0;
    return rc;
}

int lt_gguf_string(const struct lt_gguf *gguf, const char *key, struct lt_gguf_text *ret_text, struct lt_error *error)
{
    const struct lt_gguf_entry *entry = NULL;
    int rc = find_typed(gguf, key, LT_GGUF_STRING, &entry, error);
    if (rc == LT_OK) {
        const uint8_t *cursor = entry->data;
        *ret_text = lt_gguf_next_string(&cursor);
    }
    return rc;
}

int lt_gguf_array(const struct lt_gguf *gguf, const char *key, enum lt_gguf_value_type type,
                  struct lt_gguf_array *ret_array, struct lt_error *error)
{
    const struct lt_gguf_entry *entry = NULL;
    int rc = find_typed(gguf, key, LT_GGUF_ARRAY, &entry, error);
    if (rc == LT_OK && entry->array.type != type)
        return lt_fail(error, LT_EMODEL, "%s: key '%s' is an array of %s; of %s is needed", gguf->path, key,
                       type_name(entry->array.type), type_name(type));
    if (rc == LT_OK)
        *ret_array = entry->array;
    return rc;
}

float lt_gguf_array_float(const struct lt_gguf_array *array, uint64_t index)
{
    float value;
    memcpy(&value, array->data + index * sizeof value, sizeof value);
    return value;
}

int32_t lt_gguf_array_i32(const struct lt_gguf_array *array, uint64_t index)
{
    int32_t value;
    memcpy(&value, array->data + index * sizeof value, sizeof value);
    return value;
}

struct lt_gguf_text lt_gguf_next_string(const uint8_t **cursor)
{
    uint64_t bytes;
    memcpy(&bytes, *cursor, sizeof bytes);
    const char *text = (const char *)*cursor + sizeof bytes;
    *cursor += sizeof bytes + bytes;
    return (struct lt_gguf_text){.text = text, .bytes = (size_t)bytes};
}

size_t lt_gguf_tensor_count(const struct lt_gguf *gguf)
{
    return gguf->tensor_count;
}

const struct lt_gguf_tensor *lt_gguf_tensor_at(const struct lt_gguf *gguf, size_t index)
{
    return &gguf->tensors[index];
}

const struct lt_gguf_tensor *lt_gguf_tensor(const struct lt_gguf *gguf, const char *name)
{
    struct lt_gguf_text wanted = {.text = name, .bytes = strlen(name)};
    size_t low = 0, high = gguf->tensor_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = lt_gguf_compare(gguf->tensors[middle].name, wanted);
        if (order == 0)
            return &gguf->tensors[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
