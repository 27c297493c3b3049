#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/record.h"

static bool read_digest(const msgpack_object *value, uint8_t *ret_digest)
{
    if (value->type == MSGPACK_OBJECT_STR)
        return lt_digest_parse(value->via.str.ptr, value->via.str.size, ret_digest);
    if (value->type != MSGPACK_OBJECT_BIN || value->via.bin.size != LT_DIGEST_BYTES)
        return false;
    memcpy(ret_digest, value->via.bin.ptr, LT_DIGEST_BYTES);
    return true;
}

int lt_digest_read(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                   uint8_t ret_digest[LT_DIGEST_BYTES])
{
    return read_digest(value, ret_digest) ? LT_OK : lt_parameter_wrong(parameters, label, LT_DIGEST_RIGHT, value);
}

int lt_keys_read(const struct lt_parameters *parameters, const char *name, uint8_t (**ret_keys)[LT_SPAN_KEY_BYTES],
                 size_t *ret_count)
{
    const msgpack_object *keys = lt_parameter_find(parameters, name);
    int error = lt_parameter_array(parameters, keys, name, 1, LT_LATENT_KEYS_MAX);
    if (error)
        return error;
    *ret_count = keys->via.array.size;
    *ret_keys = lt_calloc(*ret_count, LT_SPAN_KEY_BYTES);
    if (!*ret_keys)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    for (size_t i = 0; i < *ret_count && !error; i++) {
        char label[48];
        snprintf(label, sizeof label, "%s[%zu]", name, i);
        error = lt_digest_read(parameters, &keys->via.array.ptr[i], label, (*ret_keys)[i]);
    }
    return error;
}
