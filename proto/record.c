/* Records, written and read field by field, so that their bytes do not depend on compiler or machine. Pure. */
#include "proto/record.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include <xxh_x86dispatch.h> /* XXH3 with the widest vectors of the processor */

#define HEADER_BYTES 58
#define CHECKSUM_BYTES 8
#define RECORD_VERSION 3

/* Offsets of fields. */
enum {
    VERSION = 4,
    TYPE = 5,
    DIMENSION = 6,
    NAMESPACE = 8,
    CREATED = 12,
    EXPIRES = 16,
    SCALE = 20,
    COUNT = 24,
    WIDTH,
    KEY
};

static const uint8_t MAGIC[4] = {'L', 'T', 'N', 'T'};

static_assert(LT_RECORD_BYTES_MAX ==
                  HEADER_BYTES + 4 * LT_SPAN_TOKENS_MAX + 2 * LT_LATENT_DIMENSION_MAX + CHECKSUM_BYTES,
              "the limit is the largest record");
static_assert(HEADER_BYTES == KEY + LT_SPAN_KEY_BYTES, "the key ends the header");
static_assert(LT_SPAN_TOKENS_MAX <= UINT8_MAX && LT_LATENT_DIMENSION_MAX <= UINT16_MAX, "counts must fit their fields");

static void store_u16(uint8_t *bytes, uint32_t value)
{
    uint16_t stored = htole16((uint16_t)value);
    memcpy(bytes, &stored, sizeof stored);
}

static void store_u32(uint8_t *bytes, uint32_t value)
{
    value = htole32(value);
    memcpy(bytes, &value, sizeof value);
}

static uint32_t load_u16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return le16toh(value);
}

static uint32_t load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

/* Numbers of 16 bits; on a little-endian machine this is a copy. */
static void copy_halves(uint8_t *to, const uint8_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * (size_t)i, sizeof half);
        half = htole16(half);
        memcpy(to + 2 * (size_t)i, &half, sizeof half);
    }
}

static void copy_payload(enum lt_latent_type type, void *to, const void *from, uint32_t dimension)
{
    if (type == LT_LATENT_F16)
        copy_halves(to, from, dimension);
    else
        memcpy(to, from, lt_latent_payload_bytes(type, dimension));
}

const char *lt_latent_type_name(enum lt_latent_type type)
{
    return type == LT_LATENT_I8 ? "i8" : "f16";
}

size_t lt_latent_payload_bytes(enum lt_latent_type type, uint32_t dimension)
{
    if (dimension == 0 || dimension > LT_LATENT_DIMENSION_MAX)
        return 0;
    return type == LT_LATENT_F16 ? 2 * (size_t)dimension : type == LT_LATENT_I8 ? dimension : 0;
}

static uint32_t bytes_of_token(const uint32_t *tokens, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (tokens[i] > UINT16_MAX)
            return 4;
    return 2;
}

/* Of all three, or 0 if one of them cannot be. */
static size_t record_bytes(uint32_t token_count, uint32_t token_bytes, size_t payload_bytes)
{
    if (token_count == 0 || token_count > LT_SPAN_TOKENS_MAX || payload_bytes == 0)
        return 0;
    return HEADER_BYTES + (size_t)token_count * token_bytes + payload_bytes + CHECKSUM_BYTES;
}

size_t lt_record_bytes(const struct lt_latent *latent)
{
    if (latent->token_count == 0 || latent->token_count > LT_SPAN_TOKENS_MAX)
        return 0;
    return record_bytes(latent->token_count, bytes_of_token(latent->tokens, latent->token_count),
                        lt_latent_payload_bytes(latent->type, latent->dimension));
}

void lt_record_write(const struct lt_latent *latent, uint8_t *ret_data)
{
    uint32_t token_bytes = bytes_of_token(latent->tokens, latent->token_count), scale = 0;
    size_t bytes = lt_record_bytes(latent);
    assert(bytes != 0);
    if (latent->type == LT_LATENT_I8)
        memcpy(&scale, &latent->scale, sizeof scale);
    memcpy(ret_data, MAGIC, sizeof MAGIC);
    ret_data[VERSION] = RECORD_VERSION;
    ret_data[TYPE] = (uint8_t)latent->type;
    store_u16(ret_data + DIMENSION, latent->dimension);
    store_u32(ret_data + NAMESPACE, latent->namespace_id);
    store_u32(ret_data + CREATED, latent->created);
    store_u32(ret_data + EXPIRES, latent->expires);
    store_u32(ret_data + SCALE, scale);
    ret_data[COUNT] = (uint8_t)latent->token_count;
    ret_data[WIDTH] = (uint8_t)token_bytes;
    memcpy(ret_data + KEY, latent->key.bytes, sizeof latent->key.bytes);
    uint8_t *next = ret_data + HEADER_BYTES;
    for (uint32_t i = 0; i < latent->token_count; i++, next += token_bytes)
        if (token_bytes == 2)
            store_u16(next, latent->tokens[i]);
        else
            store_u32(next, latent->tokens[i]);
    copy_payload(latent->type, next, latent->payload, latent->dimension);
    uint64_t sum = htole64(XXH3_64bits(ret_data, bytes - CHECKSUM_BYTES));
    memcpy(ret_data + bytes - CHECKSUM_BYTES, &sum, sizeof sum);
}

bool lt_record_salvage(const void *data, size_t bytes, struct lt_record *ret_record)
{
    const uint8_t *record = data;
    if (bytes < HEADER_BYTES + CHECKSUM_BYTES || (record[WIDTH] != 2 && record[WIDTH] != 4))
        return false;
    struct lt_record read = {
        .type = (enum lt_latent_type)record[TYPE],
        .dimension = load_u16(record + DIMENSION),
        .namespace_id = load_u32(record + NAMESPACE),
        .created = load_u32(record + CREATED),
        .expires = load_u32(record + EXPIRES),
        .token_count = record[COUNT],
        .token_bytes = record[WIDTH],
        .key = record + KEY,
        .tokens = record + HEADER_BYTES,
    };
    if (bytes != record_bytes(read.token_count, read.token_bytes, lt_latent_payload_bytes(read.type, read.dimension)))
        return false;
    uint32_t scale = load_u32(record + SCALE);
    memcpy(&read.scale, &scale, sizeof scale);
    read.payload = read.tokens + (size_t)read.token_count * read.token_bytes;
    *ret_record = read;
    return true;
}

int lt_record_read(const void *data, size_t bytes, struct lt_record *ret_record)
{
    const uint8_t *record = data;
    struct lt_record read;
    if (!lt_record_salvage(data, bytes, &read) || memcmp(record, MAGIC, sizeof MAGIC) != 0 ||
        record[VERSION] != RECORD_VERSION)
        return LT_ECORRUPT;
    uint64_t expected;
    memcpy(&expected, record + bytes - CHECKSUM_BYTES, sizeof expected);
    if (le64toh(expected) != XXH3_64bits(record, bytes - CHECKSUM_BYTES))
        return LT_ECORRUPT;
    *ret_record = read;
    return LT_OK;
}

bool lt_record_head(const void *data, size_t bytes, struct lt_record_head *ret_head)
{
    const uint8_t *record = data;
    if (bytes < HEADER_BYTES)
        return false;
    *ret_head = (struct lt_record_head){load_u32(record + NAMESPACE), load_u32(record + EXPIRES)};
    return true;
}

void lt_record_claimed_key(const void *data, size_t bytes, struct lt_span_key *ret_key)
{
    *ret_key = (struct lt_span_key){{0}};
    if (bytes >= HEADER_BYTES)
        memcpy(ret_key->bytes, (const uint8_t *)data + KEY, sizeof ret_key->bytes);
}

bool lt_record_serves(const struct lt_span_key *key, const void *data, size_t bytes, enum lt_latent_type type,
                      uint32_t dimension, uint32_t now)
{
    struct lt_record record;
    return lt_record_read(data, bytes, &record) == LT_OK && lt_record_has_key(&record, key) && record.type == type &&
           record.dimension == dimension && !lt_record_expired(&record, now);
}

void lt_record_copy_payload(const struct lt_record *record, void *ret_payload)
{
    copy_payload(record->type, ret_payload, record->payload, record->dimension);
}

void lt_record_copy_tokens(const struct lt_record *record, uint32_t *ret_tokens)
{
    for (uint32_t i = 0; i < record->token_count; i++) {
        const uint8_t *token = record->tokens + (size_t)i * record->token_bytes;
        ret_tokens[i] = record->token_bytes == 2 ? load_u16(token) : load_u32(token);
    }
}

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

bool lt_digest_parse(const char *text, size_t length, uint8_t ret_digest[LT_DIGEST_BYTES])
{
    uint8_t digest[LT_DIGEST_BYTES];
    if (length != 2 * sizeof digest)
        return false;
    for (size_t i = 0; i < sizeof digest; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret_digest, digest, sizeof digest);
    return true;
}
