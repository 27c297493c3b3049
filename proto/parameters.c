/* Typed reading of request parameters. What a peer sent is quoted in messages with everything but printable ASCII
 * replaced, because a message travels as UTF-8 and is printed on terminals. */
#include "proto/parameters.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

#define QUOTED_BYTES_MAX 40
#define RIGHT_BYTES_MAX 120

/* Room for quotes, the dots of a cut, and the end. */
struct quoted {
    char text[QUOTED_BYTES_MAX + 6];
};

static struct quoted quote(const char *text, size_t bytes)
{
    struct quoted quoted;
    size_t shown = bytes < QUOTED_BYTES_MAX ? bytes : QUOTED_BYTES_MAX;
    char *at = quoted.text;
    *at++ = '"';
    for (size_t i = 0; i < shown; i++)
        *at++ = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    strcpy(at, shown < bytes ? "...\"" : "\"");
    return quoted;
}

static bool is_text(const msgpack_object *value, const char *text)
{
    return value->type == MSGPACK_OBJECT_STR && value->via.str.size == strlen(text) &&
           memcmp(value->via.str.ptr, text, value->via.str.size) == 0;
}

static void describe(const msgpack_object *value, char *ret_text, size_t bytes)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        snprintf(ret_text, bytes, "nil");
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        snprintf(ret_text, bytes, "%s", value->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        snprintf(ret_text, bytes, "%" PRIu64, value->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        snprintf(ret_text, bytes, "%" PRId64, value->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        snprintf(ret_text, bytes, "the float %g", value->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        snprintf(ret_text, bytes, "the string %s", quote(value->via.str.ptr, value->via.str.size).text);
        break;
    case MSGPACK_OBJECT_BIN:
        snprintf(ret_text, bytes, "%" PRIu32 " bytes of binary", value->via.bin.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        snprintf(ret_text, bytes, "an array of %" PRIu32, value->via.array.size);
        break;
    case MSGPACK_OBJECT_MAP:
        snprintf(ret_text, bytes, "a map of %" PRIu32, value->via.map.size);
        break;
    default:
        snprintf(ret_text, bytes, "an extension");
    }
}

int lt_parameter_wrong(const struct lt_parameters *parameters, const char *label, const char *right,
                       const msgpack_object *value)
{
    char found[QUOTED_BYTES_MAX + 32];
    if (!value)
        return lt_fail(parameters->error, LT_EPARAM, "%s: %s is missing; it must be %s", parameters->method, label,
                       right);
    describe(value, found, sizeof found);
    return lt_fail(parameters->error, LT_EPARAM, "%s: %s must be %s; found %s", parameters->method, label, right,
                   found);
}

int lt_parameters_init(struct lt_parameters *parameters, const msgpack_object *params, const char *method,
                       struct lt_error *error)
{
    const msgpack_object *map = params;
    *parameters = (struct lt_parameters){.method = method, .error = error};
    if (params->type == MSGPACK_OBJECT_ARRAY) {
        if (params->via.array.size == 0)
            return LT_OK;
        if (params->via.array.size == 1)
            map = params->via.array.ptr;
    }
    if (map->type != MSGPACK_OBJECT_MAP)
        return lt_parameter_wrong(parameters, "params", "[] or [{...}] or {...}", params);
    parameters->pairs = map->via.map.ptr;
    parameters->count = map->via.map.size;
    return LT_OK;
}

static int check_name(const struct lt_parameters *parameters, uint32_t index, const char *const *names)
{
    const msgpack_object *key = &parameters->pairs[index].key;
    if (key->type != MSGPACK_OBJECT_STR)
        return lt_parameter_wrong(parameters, "the name of a parameter", "a string", key);
    struct quoted name = quote(key->via.str.ptr, key->via.str.size);
    while (*names && !is_text(key, *names))
        names++;
    if (!*names)
        return lt_fail(parameters->error, LT_EPARAM, "%s: unknown parameter %s", parameters->method, name.text);
    if (lt_parameter_find(parameters, *names) != &parameters->pairs[index].val)
        return lt_fail(parameters->error, LT_EPARAM, "%s: parameter %s is given twice", parameters->method, name.text);
    return LT_OK;
}

int lt_parameters_check_names(const struct lt_parameters *parameters, const char *const *names)
{
    int error = LT_OK;
    for (uint32_t i = 0; i < parameters->count && !error; i++)
        error = check_name(parameters, i, names);
    return error;
}

const msgpack_object *lt_parameter_find(const struct lt_parameters *parameters, const char *name)
{
    for (uint32_t i = 0; i < parameters->count; i++)
        if (is_text(&parameters->pairs[i].key, name))
            return &parameters->pairs[i].val;
    return NULL;
}

int lt_parameter_uint(const struct lt_parameters *parameters, const char *name, uint64_t min, uint64_t max,
                      uint64_t *ret_value)
{
    const msgpack_object *value = lt_parameter_find(parameters, name);
    if (!value)
        return LT_OK;
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 < min || value->via.u64 > max) {
        char right[RIGHT_BYTES_MAX];
        snprintf(right, sizeof right, "an integer from %" PRIu64 " to %" PRIu64, min, max);
        return lt_parameter_wrong(parameters, name, right, value);
    }
    *ret_value = value->via.u64;
    return LT_OK;
}

bool lt_parameter_real_of(const msgpack_object *value, double *ret_real)
{
    switch (value->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *ret_real = (double)value->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *ret_real = (double)value->via.i64;
        return true;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *ret_real = value->via.f64;
        return !isnan(value->via.f64);
    default:
        return false;
    }
}

int lt_parameter_real(const struct lt_parameters *parameters, const char *name, double min, bool above, double max,
                      double *ret_value)
{
    const msgpack_object *value = lt_parameter_find(parameters, name);
    double real = 0;
    if (!value)
        return LT_OK;
    if (!lt_parameter_real_of(value, &real) || real < min || (above && real <= min) || real > max) {
        char right[RIGHT_BYTES_MAX];
        snprintf(right, sizeof right, above ? "a number above %g and at most %g" : "a number from %g to %g", min, max);
        return lt_parameter_wrong(parameters, name, right, value);
    }
    *ret_value = real;
    return LT_OK;
}

int lt_parameter_bool(const struct lt_parameters *parameters, const char *name, bool *ret_value)
{
    const msgpack_object *value = lt_parameter_find(parameters, name);
    if (!value)
        return LT_OK;
    if (value->type != MSGPACK_OBJECT_BOOLEAN)
        return lt_parameter_wrong(parameters, name, "true or false", value);
    *ret_value = value->via.boolean;
    return LT_OK;
}

int lt_parameter_choice(const struct lt_parameters *parameters, const char *name, const char *const *names,
                        int *ret_index)
{
    const msgpack_object *value = lt_parameter_find(parameters, name);
    char right[RIGHT_BYTES_MAX] = "";
    if (!value)
        return LT_OK;
    for (int i = 0; names[i]; i++) {
        if (is_text(value, names[i])) {
            *ret_index = i;
            return LT_OK;
        }
        size_t used = strlen(right);
        snprintf(right + used, sizeof right - used, "%s\"%s\"", i ? " or " : "", names[i]);
    }
    return lt_parameter_wrong(parameters, name, right, value);
}

int lt_parameter_name(const struct lt_parameters *parameters, const char *name, size_t max, char *ret_name)
{
    const msgpack_object *value = lt_parameter_find(parameters, name);
    return value ? lt_parameter_name_of(parameters, value, name, max, ret_name) : LT_OK;
}

int lt_parameter_name_of(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                         size_t max, char *ret_name)
{
    struct lt_text text;
    int error = lt_parameter_text(parameters, value, label, max, &text);
    if (error)
        return error;
    if (!lt_utf8_is_name(text.text, text.bytes))
        return lt_parameter_wrong(parameters, label, "a name without control characters", value);
    memcpy(ret_name, text.text, text.bytes);
    ret_name[text.bytes] = '\0';
    return LT_OK;
}

int lt_parameter_text(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                      size_t max, struct lt_text *ret_text)
{
    if (value->type != MSGPACK_OBJECT_STR || value->via.str.size == 0)
        return lt_parameter_wrong(parameters, label, "a string that is not empty", value);
    if (value->via.str.size > max)
        return lt_fail(parameters->error, LT_ETOOLARGE, "%s: %s has %" PRIu32 " bytes; the most is %zu",
                       parameters->method, label, value->via.str.size, max);
    size_t offset;
    if (lt_utf8_check(value->via.str.ptr, value->via.str.size, &offset) != LT_OK)
        return lt_fail(parameters->error, LT_EUTF8, "%s: %s is not valid UTF-8 at byte %zu", parameters->method, label,
                       offset);
    *ret_text = (struct lt_text){value->via.str.ptr, value->via.str.size};
    return LT_OK;
}

int lt_parameter_array(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                       uint32_t min, uint32_t max)
{
    char right[RIGHT_BYTES_MAX];
    if (value && value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size >= min && value->via.array.size <= max)
        return LT_OK;
    snprintf(right, sizeof right, "an array of %" PRIu32 " to %" PRIu32, min, max);
    return lt_parameter_wrong(parameters, label, right, value);
}
