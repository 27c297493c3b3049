/* Replies and their values. A `struct latent_value` is msgpack-c's object under another name, so that latent.h need not
 * show it.
 *
 * MessagePack's texts have lengths and no end marker. They are terminated in place: once the whole message is unpacked,
 * the byte behind a text is the header of an object that has been read already, or the spare byte behind the message.
 */
#include "clients/c/reply.h"

#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/utf8.h"

/* Depth is bounded by the scanner. */
static bool terminate_texts(msgpack_object *object)
{
    bool valid = true;
    size_t offset;
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        if (object->via.str.size == 0) { /* msgpack-c gives an empty text no address of its own */
            object->via.str.ptr = "";
            break;
        }
        valid = lt_utf8_check(object->via.str.ptr, object->via.str.size, &offset) == LT_OK;
        ((char *)object->via.str.ptr)[object->via.str.size] = '\0';
        break;
    case MSGPACK_OBJECT_ARRAY:
        for (uint32_t i = 0; i < object->via.array.size && valid; i++)
            valid = terminate_texts(&object->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        for (uint32_t i = 0; i < object->via.map.size && valid; i++)
            valid = terminate_texts(&object->via.map.ptr[i].key) && terminate_texts(&object->via.map.ptr[i].val);
        break;
    default:
        break;
    }
    return valid;
}

int latent_reply_create(const uint8_t *message, size_t bytes, struct latent_reply **ret_reply, struct lt_error *error)
{
    struct latent_reply *reply = lt_malloc(sizeof *reply + bytes + 1);
    if (!reply)
        return lt_fail_code(error, LT_ENOMEM);
    msgpack_unpacked_init(&reply->unpacked);
    memcpy(reply->bytes, message, bytes);
    msgpack_unpack_return unpacked = msgpack_unpack_next(&reply->unpacked, reply->bytes, bytes, NULL);
    int code = unpacked == MSGPACK_UNPACK_SUCCESS       ? LT_OK
               : unpacked == MSGPACK_UNPACK_NOMEM_ERROR ? lt_fail_code(error, LT_ENOMEM)
                                                        : lt_fail_code(error, LT_EMALFORMED);
    if (!code && !terminate_texts(&reply->unpacked.data))
        code = lt_fail(error, LT_EMALFORMED, "the daemon sent a text that is not UTF-8");
    if (code) {
        latent_reply_destroy(reply);
        return code;
    }
    reply->result = &reply->unpacked.data;
    *ret_reply = reply;
    return LT_OK;
}

void latent_reply_destroy(struct latent_reply *reply)
{
    if (reply)
        msgpack_unpacked_destroy(&reply->unpacked);
    lt_free(reply);
}

const struct latent_value *latent_reply_at(const struct latent_reply *reply, const char *path)
{
    return latent_value_at(latent_value_of(reply->result), path);
}

static const struct latent_value *find_key(const struct latent_value *value, const char *name, size_t bytes)
{
    const msgpack_object *object = latent_object_of(value);
    if (object->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object *key = &object->via.map.ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == bytes && memcmp(key->via.str.ptr, name, bytes) == 0)
            return latent_value_of(&object->via.map.ptr[i].val);
    }
    return NULL;
}

const struct latent_value *latent_value_at(const struct latent_value *value, const char *path)
{
    while (value && *path) {
        if (*path == '[') {
            char *end;
            unsigned long long index = strtoull(path + 1, &end, 10);
            if (end == path + 1 || *end != ']')
                return NULL;
            value = latent_value_item(value, (size_t)index);
            path = end + 1;
        } else {
            size_t bytes = strcspn(path, ".[");
            value = find_key(value, path, bytes);
            path += bytes;
        }
        if (*path == '.')
            path++;
    }
    return value;
}

size_t latent_value_count(const struct latent_value *value)
{
    const msgpack_object *object = latent_object_of(value);
    if (object && object->type == MSGPACK_OBJECT_ARRAY)
        return object->via.array.size;
    return object && object->type == MSGPACK_OBJECT_MAP ? object->via.map.size : 0;
}

const struct latent_value *latent_value_item(const struct latent_value *value, size_t index)
{
    const msgpack_object *object = latent_object_of(value);
    if (index >= latent_value_count(value))
        return NULL;
    return latent_value_of(object->type == MSGPACK_OBJECT_ARRAY ? &object->via.array.ptr[index]
                                                                : &object->via.map.ptr[index].val);
}

const char *latent_value_key(const struct latent_value *value, size_t index)
{
    const msgpack_object *object = latent_object_of(value);
    if (index >= latent_value_count(value) || object->type != MSGPACK_OBJECT_MAP)
        return NULL;
    return latent_value_text(latent_value_of(&object->via.map.ptr[index].key), NULL);
}

uint64_t latent_value_uint(const struct latent_value *value, uint64_t otherwise)
{
    const msgpack_object *object = latent_object_of(value);
    return object && object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? object->via.u64 : otherwise;
}

double latent_value_real(const struct latent_value *value, double otherwise)
{
    const msgpack_object *object = latent_object_of(value);
    if (!object)
        return otherwise;
    switch (object->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return object->via.f64;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (double)object->via.i64;
    default:
        return otherwise;
    }
}

bool latent_value_bool(const struct latent_value *value, bool otherwise)
{
    const msgpack_object *object = latent_object_of(value);
    return object && object->type == MSGPACK_OBJECT_BOOLEAN ? object->via.boolean : otherwise;
}

const char *latent_value_text(const struct latent_value *value, const char *otherwise)
{
    const msgpack_object *object = latent_object_of(value);
    return object && object->type == MSGPACK_OBJECT_STR ? object->via.str.ptr : otherwise;
}

const void *latent_value_bytes(const struct latent_value *value, size_t *ret_bytes)
{
    const msgpack_object *object = latent_object_of(value);
    if (object && object->type == MSGPACK_OBJECT_STR) {
        *ret_bytes = object->via.str.size;
        return object->via.str.ptr;
    }
    if (object && object->type == MSGPACK_OBJECT_BIN) {
        *ret_bytes = object->via.bin.size;
        return object->via.bin.ptr;
    }
    return NULL;
}
