#include "proto/json.h"

#include <math.h>
#include <stdbool.h>

#include "proto/alloc.h"
#include "proto/limits.h"

/* Counts what a JSON text would become, without building it. Whether it is JSON at all is the parser's business: here
 * only strings are told from the rest, since what stands inside them counts for nothing. */
static int check_size(const char *text, size_t bytes, struct lt_error *error)
{
    size_t elements = 1, depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            elements++;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',' || c == ':') {
            elements++;
        }
        if (elements > LT_FRAME_ELEMENTS_MAX || depth > LT_FRAME_DEPTH_MAX)
            return lt_fail(error, LT_ETOOLARGE, "the JSON is over a limit: %d values, nesting of %d",
                           LT_FRAME_ELEMENTS_MAX, LT_FRAME_DEPTH_MAX);
    }
    return LT_OK;
}

int lt_json_parse(const char *text, size_t bytes, json_t **ret_json, struct lt_error *error)
{
    json_error_t reason;
    int code = check_size(text, bytes, error);
    if (code)
        return code;
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
    for (char *at = reason.text; !json && *at; at++) /* it quotes the peer */
        if (*at < 0x20 || *at >= 0x7f)
            *at = '?';
    if (!json)
        return lt_fail(error, LT_EMALFORMED, "not JSON: %.150s (line %d, column %d)", reason.text, reason.line,
                       reason.column);
    *ret_json = json;
    return LT_OK;
}

static json_t *json_of_binary(const msgpack_object_bin *binary)
{
    static const char digits[] = "0123456789abcdef";
    char *text = lt_malloc(2 * (size_t)binary->size + 1);
    if (!text)
        return NULL;
    for (uint32_t i = 0; i < binary->size; i++) {
        text[2 * i] = digits[(uint8_t)binary->ptr[i] >> 4];
        text[2 * i + 1] = digits[(uint8_t)binary->ptr[i] & 15];
    }
    json_t *json = json_stringn_nocheck(text, 2 * (size_t)binary->size);
    lt_free(text);
    return json;
}

static json_t *json_of_array(const msgpack_object_array *array)
{
    json_t *json = json_array();
    for (uint32_t i = 0; json && i < array->size; i++) {
        if (json_array_append_new(json, lt_json_of(&array->ptr[i]))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* Keys that are no texts are left out: the protocol has none. */
static json_t *json_of_map(const msgpack_object_map *map)
{
    json_t *json = json_object();
    for (uint32_t i = 0; json && i < map->size; i++) {
        if (map->ptr[i].key.type != MSGPACK_OBJECT_STR)
            continue;
        if (json_object_setn_new_nocheck(json, map->ptr[i].key.via.str.ptr, map->ptr[i].key.via.str.size,
                                         lt_json_of(&map->ptr[i].val))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* Depth is bounded by the scanner. */
json_t *lt_json_of(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64)
                                            : json_real((double)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isfinite(object->via.f64) ? json_real(object->via.f64) : json_null();
    case MSGPACK_OBJECT_STR:
        return json_stringn_nocheck(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return json_of_binary(&object->via.bin);
    case MSGPACK_OBJECT_ARRAY:
        return json_of_array(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return json_of_map(&object->via.map);
    default:
        return json_null();
    }
}

void lt_json_write(struct lt_writer *writer, const json_t *json)
{
    const char *key;
    json_t *value;
    size_t index;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        lt_write_map(writer, (uint32_t)json_object_size(json));
        json_object_foreach((json_t *)json, key, value)
        {
            lt_write_text(writer, key);
            lt_json_write(writer, value);
        }
        break;
    case JSON_ARRAY:
        lt_write_array(writer, (uint32_t)json_array_size(json));
        json_array_foreach(json, index, value) lt_json_write(writer, value);
        break;
    case JSON_STRING:
        lt_write_text_bytes(writer, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        lt_write_int(writer, json_integer_value(json));
        break;
    case JSON_REAL:
        lt_write_real(writer, json_real_value(json));
        break;
    case JSON_NULL:
        lt_write_nil(writer);
        break;
    default:
        lt_write_bool(writer, json_is_true(json));
    }
}
