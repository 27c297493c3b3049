#include "storage/sealed.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHECKSUM_BYTES 8
#define LAYOUT_VERSION 1

static const char KINDS[][5] = {
    [LT_SEALED_DOCUMENT] = "LTDC",
    [LT_SEALED_PART] = "LTDP",
    [LT_SEALED_REFINED] = "LTRF",
};

void lt_put_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

void lt_put_u64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

uint32_t lt_take_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

uint64_t lt_take_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static uint64_t checksum(const void *key, size_t key_bytes, const uint8_t *value, size_t content_bytes)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, value, LT_SEALED_HEAD_BYTES);
    XXH3_64bits_update(&state, key, key_bytes);
    XXH3_64bits_update(&state, value + LT_SEALED_HEAD_BYTES, content_bytes);
    return XXH3_64bits_digest(&state);
}

void lt_sealed_close(enum lt_sealed_kind kind, const void *key, size_t key_bytes, uint8_t *value, size_t content_bytes)
{
    memcpy(value, KINDS[kind], 4);
    lt_put_u32(value + 4, LAYOUT_VERSION);
    lt_put_u64(value + LT_SEALED_HEAD_BYTES + content_bytes, checksum(key, key_bytes, value, content_bytes));
}

uint64_t lt_sealed_checksum(const void *value, size_t value_bytes)
{
    return value_bytes < LT_SEALED_BYTES(0) ? 0 : lt_take_u64((const uint8_t *)value + value_bytes - CHECKSUM_BYTES);
}

int lt_sealed_open(enum lt_sealed_kind kind, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                   const uint8_t **ret_content, size_t *ret_content_bytes)
{
    const uint8_t *bytes = value;
    if (value_bytes < LT_SEALED_BYTES(0) || memcmp(bytes, KINDS[kind], 4) != 0 ||
        lt_take_u32(bytes + 4) != LAYOUT_VERSION)
        return LT_ECORRUPT;
    size_t content_bytes = value_bytes - LT_SEALED_BYTES(0);
    if (lt_sealed_checksum(value, value_bytes) != checksum(key, key_bytes, bytes, content_bytes))
        return LT_ECORRUPT;
    *ret_content = bytes + LT_SEALED_HEAD_BYTES;
    *ret_content_bytes = content_bytes;
    return LT_OK;
}
