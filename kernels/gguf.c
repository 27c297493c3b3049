/* The GGUF reader. One pass over the header with a cursor that never passes the end; what the pass has checked is not
 * checked again. Entries are then sorted by name, which finds duplicates and serves lookups.
 *
 * Little-endian machines only, as all of latentd: numbers are copied out as they lie. */
#include "kernels/gguf_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/limits.h"

#define GGUF_VERSION 3
#define DEFAULT_ALIGNMENT 32
#define ALIGNMENT_MAX 4096
#define SHOWN_NAME_BYTES 80 /* of a name in a message */

struct cursor {
    const struct lt_gguf *gguf;
    size_t at;
    struct lt_error *error;
};

static int shown_bytes(struct lt_gguf_text text)
{
    return (int)(text.bytes < SHOWN_NAME_BYTES ? text.bytes : SHOWN_NAME_BYTES);
}

static int take(struct cursor *cursor, size_t bytes, const uint8_t **ret_data)
{
    if (bytes > cursor->gguf->size - cursor->at) {
        lt_fail(cursor->error, LT_EMODEL,
                "%s: the file ends inside its header: %zu bytes are needed at offset %zu, it has %zu in all",
                cursor->gguf->path, bytes, cursor->at, cursor->gguf->size);
        return LT_EMODEL;
    }
    *ret_data = cursor->gguf->bytes + cursor->at;
    cursor->at += bytes;
    return LT_OK;
}

static int take_u32(struct cursor *cursor, uint32_t *ret_value)
{
    const uint8_t *data;
    int rc = take(cursor, sizeof *ret_value, &data);
    if (rc == LT_OK)
        memcpy(ret_value, data, sizeof *ret_value);
    return rc;
}

static int take_u64(struct cursor *cursor, uint64_t *ret_value)
{
    const uint8_t *data;
    int rc = take(cursor, sizeof *ret_value, &data);
    if (rc == LT_OK)
        memcpy(ret_value, data, sizeof *ret_value);
    return rc;
}

static int take_string(struct cursor *cursor, struct lt_gguf_text *ret_text)
{
    uint64_t bytes;
    const uint8_t *data;
    size_t start = cursor->at;
    int rc = take_u64(cursor, &bytes);
    if (rc != LT_OK)
        return rc;
    if (bytes > LT_MODEL_STRING_MAX)
        return lt_fail(cursor->error, LT_EMODEL,
                       "%s: a string of %" PRIu64 " bytes at offset %zu; at most %u are allowed", cursor->gguf->path,
                       bytes, start, LT_MODEL_STRING_MAX);
    rc = take(cursor, (size_t)bytes, &data);
    if (rc == LT_OK)
        *ret_text = (struct lt_gguf_text){.text = (const char *)data, .bytes = (size_t)bytes};
    return rc;
}

/* Bytes of a value of fixed size, 0 for strings, arrays and types that do not exist. */
static size_t value_bytes(uint32_t type)
{
    switch (type) {
    case LT_GGUF_U8:
    case LT_GGUF_I8:
    case LT_GGUF_BOOL:
        return 1;
    case LT_GGUF_U16:
    case LT_GGUF_I16:
        return 2;
    case LT_GGUF_U32:
    case LT_GGUF_I32:
    case LT_GGUF_FLOAT32:
        return 4;
    case LT_GGUF_U64:
    case LT_GGUF_I64:
    case LT_GGUF_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

static int take_array(struct cursor *cursor, struct lt_gguf_entry *entry)
{
    uint32_t type;
    uint64_t count;
    size_t start = cursor->at;
    int rc = take_u32(cursor, &type);
    if (rc == LT_OK)
        rc = take_u64(cursor, &count);
    if (rc != LT_OK)
        return rc;
    entry->array = (struct lt_gguf_array){.type = type, .count = count};
    size_t bytes = value_bytes(type);
    if (type != LT_GGUF_STRING && bytes == 0)
        return lt_fail(cursor->error, LT_EMODEL,
                       "%s: an array of type %u at offset %zu; only numbers and strings are known", cursor->gguf->path,
                       type, start);
    if (count > (cursor->gguf->size - cursor->at) / (bytes ? bytes : sizeof(uint64_t)))
        return lt_fail(cursor->error, LT_EMODEL,
                       "%s: an array of %" PRIu64 " elements at offset %zu is longer than the file", cursor->gguf->path,
                       count, start);
    if (type != LT_GGUF_STRING)
        return take(cursor, (size_t)count * bytes, &entry->array.data);
    entry->array.data = cursor->gguf->bytes + cursor->at;
    struct lt_gguf_text text;
    for (uint64_t i = 0; i < count && rc == LT_OK; i++)
        rc = take_string(cursor, &text);
    return rc;
}

static int take_entry(struct cursor *cursor, struct lt_gguf_entry *entry)
{
    uint32_t type;
    int rc = take_string(cursor, &entry->key);
    if (rc == LT_OK)
        rc = take_u32(cursor, &type);
    if (rc != LT_OK)
        return rc;
    entry->type = type;
    entry->data = cursor->gguf->bytes + cursor->at;
    if (type == LT_GGUF_ARRAY)
        return take_array(cursor, entry);
    if (type == LT_GGUF_STRING) {
        struct lt_gguf_text text;
        return take_string(cursor, &text);
    }
    size_t bytes = value_bytes(type);
    if (bytes == 0)
        return lt_fail(cursor->error, LT_EMODEL, "%s: key '%.*s' has type %u, which does not exist", cursor->gguf->path,
                       shown_bytes(entry->key), entry->key.text, type);
    return take(cursor, bytes, &entry->data);
}

static bool is_known(uint32_t type)
{
    return type == LT_GGUF_F32 || type == LT_GGUF_F16 || type == LT_GGUF_Q8_0;
}

/* Offsets count from the start of the tensor data, which is not known before all have been read: *ret_offset keeps it.
 */
static int take_tensor(struct cursor *cursor, struct lt_gguf_tensor *tensor, uint64_t *ret_offset)
{
    uint32_t type;
    int rc = take_string(cursor, &tensor->name);
    if (rc == LT_OK)
        rc = take_u32(cursor, &tensor->dimensions);
    if (rc != LT_OK)
        return rc;
    const char *path = cursor->gguf->path;
    int shown = shown_bytes(tensor->name);
    if (tensor->dimensions < 1 || tensor->dimensions > 2)
        return lt_fail(cursor->error, LT_EMODEL, "%s: tensor '%.*s' has %u dimensions; 1 and 2 are known", path, shown,
                       tensor->name.text, tensor->dimensions);
    tensor->outputs = 1;
    rc = take_u64(cursor, &tensor->inputs);
    if (rc == LT_OK && tensor->dimensions == 2)
        rc = take_u64(cursor, &tensor->outputs);
    if (rc == LT_OK)
        rc = take_u32(cursor, &type);
    if (rc == LT_OK)
        rc = take_u64(cursor, ret_offset);
    if (rc != LT_OK)
        return rc;
    if (!is_known(type))
        return lt_fail(cursor->error, LT_EMODEL,
                       "%s: tensor '%.*s' has type %u; F32 (0), F16 (1) and Q8_0 (8) are known", path, shown,
                       tensor->name.text, type);
    tensor->type = type;
    size_t numbers = type == LT_GGUF_Q8_0 ? LT_GGUF_Q8_0_NUMBERS : 1;
    size_t bytes = type == LT_GGUF_Q8_0 ? LT_GGUF_Q8_0_BYTES : type == LT_GGUF_F16 ? 2 : 4;
    if (tensor->inputs % numbers != 0)
        return lt_fail(cursor->error, LT_EMODEL,
                       "%s: tensor '%.*s' has rows of %" PRIu64 " numbers; Q8_0 wants a multiple of %zu", path, shown,
                       tensor->name.text, tensor->inputs, numbers);
    uint64_t blocks = tensor->inputs / numbers, most = cursor->gguf->size / bytes;
    if (blocks == 0 || tensor->outputs == 0 || blocks > most || tensor->outputs > most / blocks)
        return lt_fail(cursor->error, LT_EMODEL, "%s: tensor '%.*s' is empty or larger than the file", path, shown,
                       tensor->name.text);
    tensor->bytes = (size_t)(blocks * tensor->outputs) * bytes;
    return LT_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return lt_gguf_compare(((const struct lt_gguf_entry *)a)->key, ((const struct lt_gguf_entry *)b)->key);
}

static int compare_tensors(const void *a, const void *b)
{
    return lt_gguf_compare(((const struct lt_gguf_tensor *)a)->name, ((const struct lt_gguf_tensor *)b)->name);
}

static int read_entries(struct lt_gguf *gguf, struct cursor *cursor, uint64_t count)
{
    if (count > LT_MODEL_KEYS_MAX)
        return lt_fail(cursor->error, LT_EMODEL, "%s: %" PRIu64 " metadata keys; at most %d are allowed", gguf->path,
                       count, LT_MODEL_KEYS_MAX);
    gguf->entries = lt_calloc(count ? (size_t)count : 1, sizeof *gguf->entries);
    if (!gguf->entries)
        return lt_fail_code(cursor->error, LT_ENOMEM);
    gguf->entry_count = (size_t)count;
    for (size_t i = 0; i < gguf->entry_count; i++) {
        int rc = take_entry(cursor, &gguf->entries[i]);
        if (rc != LT_OK)
            return rc;
    }
    qsort(gguf->entries, gguf->entry_count, sizeof *gguf->entries, compare_entries);
    for (size_t i = 1; i < gguf->entry_count; i++)
        if (compare_entries(&gguf->entries[i - 1], &gguf->entries[i]) == 0)
            return lt_fail(cursor->error, LT_EMODEL, "%s: key '%.*s' occurs twice", gguf->path,
                           shown_bytes(gguf->entries[i].key), gguf->entries[i].key.text);
    return LT_OK;
}

/* Where tensor data starts, and that every tensor lies inside. */
static int place_tensors(struct lt_gguf *gguf, struct cursor *cursor, const uint64_t *offsets)
{
    uint32_t alignment = DEFAULT_ALIGNMENT;
    if (lt_gguf_has(gguf, "general.alignment")) {
        int rc = lt_gguf_u32(gguf, "general.alignment", &alignment, cursor->error);
        if (rc != LT_OK)
            return rc;
        if (alignment < 8 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
            return lt_fail(cursor->error, LT_EMODEL,
                           "%s: general.alignment is %u; a power of two from 8 to %d is allowed", gguf->path, alignment,
                           ALIGNMENT_MAX);
    }
    size_t start = (cursor->at + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        struct lt_gguf_tensor *tensor = &gguf->tensors[i];
        if (offsets[i] % alignment != 0 || start > gguf->size || offsets[i] > gguf->size - start ||
            tensor->bytes > gguf->size - start - offsets[i])
            return lt_fail(cursor->error, LT_EMODEL,
                           "%s: tensor '%.*s' (%zu bytes at data offset %" PRIu64 ") does not lie inside the file",
                           gguf->path, shown_bytes(tensor->name), tensor->name.text, tensor->bytes, offsets[i]);
        tensor->data = gguf->bytes + start + offsets[i];
    }
    return LT_OK;
}

static int read_tensors(struct lt_gguf *gguf, struct cursor *cursor, uint64_t count)
{
    uint64_t *offsets = NULL;
    int rc = LT_OK;
    if (count > LT_MODEL_TENSORS_MAX)
        return lt_fail(cursor->error, LT_EMODEL, "%s: %" PRIu64 " tensors; at most %d are allowed", gguf->path, count,
                       LT_MODEL_TENSORS_MAX);
    size_t room = count ? (size_t)count : 1;
    gguf->tensors = lt_calloc(room, sizeof *gguf->tensors);
    offsets = lt_calloc(room, sizeof *offsets);
    if (!gguf->tensors || !offsets) {
        rc = lt_fail_code(cursor->error, LT_ENOMEM);
        goto cleanup;
    }
    gguf->tensor_count = (size_t)count;
    for (size_t i = 0; i < gguf->tensor_count && rc == LT_OK; i++)
        rc = take_tensor(cursor, &gguf->tensors[i], &offsets[i]);
    if (rc == LT_OK)
        rc = place_tensors(gguf, cursor, offsets);
    if (rc != LT_OK)
        goto cleanup;
    qsort(gguf->tensors, gguf->tensor_count, sizeof *gguf->tensors, compare_tensors);
    for (size_t i = 1; i < gguf->tensor_count && rc == LT_OK; i++)
        if (compare_tensors(&gguf->tensors[i - 1], &gguf->tensors[i]) == 0)
            rc = lt_fail(cursor->error, LT_EMODEL, "%s: tensor '%.*s' occurs twice", gguf->path,
                         shown_bytes(gguf->tensors[i].name), gguf->tensors[i].name.text);
cleanup:
    lt_free(offsets);
    return rc;
}

static int read_header(struct lt_gguf *gguf, struct lt_error *error)
{
    struct cursor cursor = {.gguf = gguf, .error = error};
    if (gguf->size < 4 || memcmp(gguf->bytes, "GGUF", 4) != 0)
        return lt_fail(error, LT_EMODEL, "%s: not a GGUF file: it does not begin with the letters GGUF", gguf->path);
    cursor.at = 4;
    uint32_t version;
    uint64_t tensor_count, entry_count;
    int rc = take_u32(&cursor, &version);
    if (rc == LT_OK && version != GGUF_VERSION)
        return lt_fail(error, LT_EMODEL, "%s: GGUF version %u; version %d is known", gguf->path, version, GGUF_VERSION);
    if (rc == LT_OK)
        rc = take_u64(&cursor, &tensor_count);
    if (rc == LT_OK)
        rc = take_u64(&cursor, &entry_count);
    if (rc == LT_OK)
        rc = read_entries(gguf, &cursor, entry_count);
    if (rc == LT_OK)
        rc = read_tensors(gguf, &cursor, tensor_count);
    return rc;
}

static int read_bytes(const void *bytes, size_t size, bool mapped, const char *name, struct lt_gguf **ret_gguf,
                      struct lt_error *error)
{
    size_t name_bytes = strlen(name) + 1;
    struct lt_gguf *gguf = lt_calloc(1, sizeof *gguf + name_bytes);
    if (!gguf)
        return lt_fail_code(error, LT_ENOMEM);
    memcpy(gguf->path_copy, name, name_bytes);
    gguf->path = gguf->path_copy;
    gguf->bytes = bytes;
    gguf->size = size;
    int rc = read_header(gguf, error);
    if (rc != LT_OK) {
        lt_gguf_close(gguf);
        return rc;
    }
    gguf->mapped = mapped;
    *ret_gguf = gguf;
    return LT_OK;
}

int lt_gguf_read(const void *bytes, size_t size, const char *name, struct lt_gguf **ret_gguf, struct lt_error *error)
{
    return read_bytes(bytes, size, false, name, ret_gguf, error);
}

int lt_gguf_open(const char *path, struct lt_gguf **ret_gguf, struct lt_error *error)
{
    struct stat status;
    int rc;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return lt_fail(error, LT_EMODEL, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(file, &status) != 0) {
        rc = lt_fail(error, LT_EMODEL, "%s: cannot be read: %s", path, strerror(errno));
        goto cleanup;
    }
    if (!S_ISREG(status.st_mode)) {
        rc = lt_fail(error, LT_EMODEL, "%s: not a regular file", path);
        goto cleanup;
    }
    if (status.st_size == 0 || (uint64_t)status.st_size > LT_MODEL_FILE_BYTES_MAX) {
        rc = lt_fail(error, LT_EMODEL, "%s: %lld bytes; a model file has 1 to %llu", path, (long long)status.st_size,
                     LT_MODEL_FILE_BYTES_MAX);
        goto cleanup;
    }
    size_t size = (size_t)status.st_size;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) {
        rc = lt_fail(error, LT_EMODEL, "%s: cannot be mapped: %s", path, strerror(errno));
        goto cleanup;
    }
    rc = read_bytes(bytes, size, true, path, ret_gguf, error);
    if (rc != LT_OK)
        munmap(bytes, size);
cleanup:
    close(file);
    return rc;
}

void lt_gguf_close(struct lt_gguf *gguf)
{
    if (!gguf)
        return;
    if (gguf->mapped)
        munmap((void *)(uintptr_t)gguf->bytes, gguf->size);
    lt_free(gguf->entries);
    lt_free(gguf->tensors);
    lt_free(gguf);
}
