#include "proto/keys.h"

#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"

#define KEY_TEXT_BYTES (2 * LT_SPAN_KEY_BYTES)

static int digit_of(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

static bool read_key(const msgpack_object *value, uint8_t *ret_key)
{
    if (value->type == MSGPACK_OBJECT_BIN && value->via.bin.size == LT_SPAN_KEY_BYTES) {
        memcpy(ret_key, value->via.bin.ptr, LT_SPAN_KEY_BYTES);
        return true;
    }
    if (value->type != MSGPACK_OBJECT_STR || value->via.str.size != KEY_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < LT_SPAN_KEY_BYTES; i++) {
        int high = digit_of(value->via.str.ptr[2 * i]);
        int low = digit_of(value->via.str.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int lt_key_read(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                uint8_t ret_key[LT_SPAN_KEY_BYTES])
{
    return read_key(value, ret_key)
               ? LT_OK
               : lt_parameter_wrong(parameters, label, "64 hexadecimal digits or 32 bytes of binary", value);
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
        error = lt_key_read(parameters, &keys->via.array.ptr[i], label, (*ret_keys)[i]);
    }
    return error;
}
