/* A record: one latent as it lies in the store. Here and not in storage/, because clients that attach to a store read
 * it, too.
 *
 *   offset    bytes   field
 *   0         4       magic "LTNT"
 *   4         1       version, 3
 *   5         1       type of the payload (enum lt_latent_type)
 *   6         2       dimension d
 *   8         4       namespace, 0 = public
 *   12        4       created: seconds since the epoch
 *   16        4       expires: seconds since the epoch, 0 = never
 *   20        4       scale: float32 bits, of I8; 0 otherwise
 *   24        1       n, tokens of the span
 *   25        1       w, bytes of a token id: 2 if every id of the span is below 65,536, otherwise 4
 *   26        32      span key
 *   58        n * w   token ids
 *   ...       p       payload: d numbers of the type
 *   ...       8       XXH3-64 of all bytes before it
 *
 * All numbers little-endian. A record says everything about itself, its key included, so that nothing has to be
 * believed of the place where it was found. Pure; any thread. */
#ifndef LT_PROTO_RECORD_H
#define LT_PROTO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/error.h"
#include "proto/limits.h"

/* What a span is found by; storage/key.h makes it. */
struct lt_span_key {
    uint8_t bytes[LT_SPAN_KEY_BYTES];
};

/* A key or a fingerprint from its 64 hexadecimal digits; false if the text is something else. */
bool lt_digest_parse(const char *text, size_t length, uint8_t ret_digest[LT_DIGEST_BYTES]);

enum lt_latent_type {
    LT_LATENT_F16 = 1, /* IEEE 754 half precision */
    LT_LATENT_I8 = 2,  /* 8-bit integers, each to be multiplied by the latent's scale */
};

/* "f16", "i8". Never NULL. */
const char *lt_latent_type_name(enum lt_latent_type type);

/* Bytes of the payload of one latent, or 0 if there is no such type or dimension. */
size_t lt_latent_payload_bytes(enum lt_latent_type type, uint32_t dimension);

/* One latent to look up or to put. Times are in seconds since the epoch. */
struct lt_latent {
    struct lt_span_key key;
    enum lt_latent_type type;
    uint32_t dimension;     /* numbers in the latent */
    uint32_t namespace_id;  /* whose it is; 0: public */
    uint32_t created;       /* 0 in a put: now */
    uint32_t expires;       /* from then on it is a miss; 0: never */
    float scale;            /* of I8 */
    uint32_t token_count;   /* of the span it stands for */
    const uint32_t *tokens; /* put: [token_count] ids of the span; get does not touch it */
    void *payload;          /* [dimension] numbers of `type` */
};

/* A record that passed its check; the pointers go into it. */
struct lt_record {
    enum lt_latent_type type;
    uint32_t dimension;
    uint32_t namespace_id;
    uint32_t created, expires;
    float scale;
    uint32_t token_count;
    uint32_t token_bytes; /* of one id */
    const uint8_t *key;   /* [LT_SPAN_KEY_BYTES] */
    const uint8_t *tokens;
    const uint8_t *payload;
};

/* Bytes of the record that lt_record_write makes of a latent, or 0 if its type, dimension or count of tokens cannot be:
 * a span has 1..LT_SPAN_TOKENS_MAX tokens. */
size_t lt_record_bytes(const struct lt_latent *latent);

/* Writes a latent that lt_record_bytes has a size for into `ret_data`, which has that size. */
void lt_record_write(const struct lt_latent *latent, uint8_t *ret_data);

/* Checks and reads a record; the data needs no alignment. LT_ECORRUPT for anything that lt_record_write did not write,
 * cut or damaged. */
int lt_record_read(const void *data, size_t bytes, struct lt_record *ret_record);

/* Whether it is the record of this key. */
static inline bool lt_record_has_key(const struct lt_record *record, const struct lt_span_key *key)
{
    return memcmp(record->key, key->bytes, sizeof key->bytes) == 0;
}

/* What lies there, if it has at least the shape of a record: none of it can be trusted before something confirms it, as
 * a span key confirms the tokens that it is made of. */
bool lt_record_salvage(const void *data, size_t bytes, struct lt_record *ret_record);

/* What the head of a record says, whether or not the record is sound. */
struct lt_record_head {
    uint32_t namespace_id;
    uint32_t expires;
};

/* False if it is too short to have a head. */
bool lt_record_head(const void *data, size_t bytes, struct lt_record_head *ret_head);

/* Whether a record's time is over; `now` in seconds since the epoch. */
static inline bool lt_record_expired(const struct lt_record *record, uint32_t now)
{
    return record->expires && record->expires <= now;
}

/* The key that a record says it has, were it sound: for those who must remove even a damaged one. */
void lt_record_claimed_key(const void *data, size_t bytes, struct lt_span_key *ret_key);

/* Whether this is a sound record of this key, type and dimension whose time is not over. */
bool lt_record_serves(const struct lt_span_key *key, const void *data, size_t bytes, enum lt_latent_type type,
                      uint32_t dimension, uint32_t now);

/* Copies the payload out, in the byte order of this machine. */
void lt_record_copy_payload(const struct lt_record *record, void *ret_payload);

/* Copies the token ids out; `ret_tokens` has room for token_count. */
void lt_record_copy_tokens(const struct lt_record *record, uint32_t *ret_tokens);

#endif
