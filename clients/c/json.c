/* Values as JSON and JSON as parameters, for programs that pass them through without looking: `latentctl --json`,
 * bindings. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/call.h"
#include "clients/c/reply.h"
#include "proto/alloc.h"

/* Fifteen digits: 0.7 stays 0.7. */
#define JSON_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY)

static json_t *json_of(const msgpack_object *object);

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
        if (json_array_append_new(json, json_of(&array->ptr[i]))) {
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
        if (json_object_set_new_nocheck(json, map->ptr[i].key.via.str.ptr, json_of(&map->ptr[i].val))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* Depth is bounded by the scanner. */
static json_t *json_of(const msgpack_object *object)
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

char *latent_reply_json(const struct latent_reply *reply)
{
    return latent_value_json(latent_value_of(reply->result));
}

char *latent_value_json(const struct latent_value *value)
{
    json_t *json = json_of(latent_object_of(value));
    char *text = json ? json_dumps(json, JSON_FLAGS) : NULL;
    json_decref(json);
    return text;
}

/* Depth is bounded by jansson's parser; the daemon refuses more than its own limit. */
static void write_json(struct lt_writer *writer, json_t *json)
{
    const char *key;
    json_t *value;
    size_t index;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        lt_write_map(writer, (uint32_t)json_object_size(json));
        json_object_foreach(json, key, value)
        {
            lt_write_text(writer, key);
            write_json(writer, value);
        }
        break;
    case JSON_ARRAY:
        lt_write_array(writer, (uint32_t)json_array_size(json));
        json_array_foreach(json, index, value) write_json(writer, value);
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

int latent_call(struct latent *latent, const char *method, const char *params, struct latent_reply **ret_reply)
{
    json_error_t reason;
    struct call call;
    if (!params)
        return call_plain(latent, method, ret_reply);
    json_t *json = json_loads(params, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
    if (!json)
        return lt_fail(&latent->error, LT_EPARAM, "params are not JSON: %.150s (column %d)", reason.text,
                       reason.column);
    if (!json_is_object(json)) {
        json_decref(json);
        return lt_fail(&latent->error, LT_EPARAM, "params must be a JSON object");
    }
    call_begin(&call, latent, method);
    write_json(&call.writer, json);
    json_decref(json);
    return call_finish(&call, NULL, NULL, ret_reply);
}
