/* Records, written and read field by field, so that their bytes do not depend on compiler or machine. Pure. */
#include "storage/record.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HEADER_BYTES 16
#define CHECKSUM_BYTES 8
#define RECORD_VERSION 1

static const uint8_t MAGIC[4] = {'L', 'T', 'N', 'T'};

static_assert(LT_RECORD_BYTES_MAX >= HEADER_BYTES + 2 * LT_LATENT_DIMENSION_MAX + CHECKSUM_BYTES,
              "the largest record must fit its limit");

static void store_u16(uint8_t *bytes, uint16_t value)
{
    value = htole16(value);
    memcpy(bytes, &value, sizeof value);
}

static void store_u32(uint8_t *bytes, uint32_t value)
{
    value = htole32(value);
    memcpy(bytes, &value, sizeof value);
}

static uint32_t load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static uint64_t checksum(const struct lt_span_key *key, const uint8_t *record, size_t payload_bytes)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, record, HEADER_BYTES);
    XXH3_64bits_update(&state, key->bytes, sizeof key->bytes);
    XXH3_64bits_update(&state, record + HEADER_BYTES, payload_bytes);
    return XXH3_64bits_digest(&state);
}

/* The numbers of a payload are 16 bits wide; on a little-endian machine this is a copy. */
static void copy_halves(uint8_t *to, const uint8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * (size_t)i, sizeof half);
        half = htole16(half);
        memcpy(to + 2 * (size_t)i, &half, sizeof half);
    }
}

size_t lt_record_bytes(enum lt_latent_type type, uint32_t dimension)
{
    if (type != LT_LATENT_F16 || dimension == 0 || dimension > LT_LATENT_DIMENSION_MAX)
        return 0;
    return HEADER_BYTES + 2 * (size_t)dimension + CHECKSUM_BYTES;
}

void lt_record_write(const struct lt_latent *latent, uint8_t *ret_data)
{
    assert(lt_record_bytes(latent->type, latent->dimension) != 0);
    size_t payload_bytes = 2 * (size_t)latent->dimension;
    memcpy(ret_data, MAGIC, sizeof MAGIC);
    store_u16(ret_data + 4, RECORD_VERSION);
    ret_data[6] = (uint8_t)latent->type;
    ret_data[7] = 0;
    store_u32(ret_data + 8, latent->dimension);
    store_u32(ret_data + 12, latent->tokens);
    copy_halves(ret_data + HEADER_BYTES, latent->payload, latent->dimension);
    uint64_t sum = htole64(checksum(&latent->key, ret_data, payload_bytes));
    memcpy(ret_data + HEADER_BYTES + payload_bytes, &sum, sizeof sum);
}

int lt_record_read(const struct lt_span_key *key, const void *data, size_t bytes, struct lt_record *ret_record)
{
    const uint8_t *record = data;
    if (bytes < HEADER_BYTES + CHECKSUM_BYTES || memcmp(record, MAGIC, sizeof MAGIC) != 0 ||
        record[4] != RECORD_VERSION || record[5] != 0 || record[7] != 0)
        return LT_ECORRUPT;
    enum lt_latent_type type = (enum lt_latent_type)record[6];
    uint32_t dimension = load_u32(record + 8);
    if (bytes != lt_record_bytes(type, dimension))
        return LT_ECORRUPT;
    uint64_t expected;
    memcpy(&expected, record + bytes - CHECKSUM_BYTES, sizeof expected);
    if (le64toh(expected) != checksum(key, record, bytes - HEADER_BYTES - CHECKSUM_BYTES))
        return LT_ECORRUPT;
    *ret_record = (struct lt_record){
        .type = type,
        .dimension = dimension,
        .tokens = load_u32(record + 12),
        .payload = record + HEADER_BYTES,
    };
    return LT_OK;
}

void lt_record_copy_payload(const struct lt_record *record, void *ret_payload)
{
    copy_halves(ret_payload, record->payload, record->dimension);
}
