/* A record: one latent as it lies in the store.
 *
 *   offset        bytes   field
 *   0             4       magic "LTNT"
 *   4             2       version, 1
 *   6             1       type (enum lt_latent_type)
 *   7             1       0
 *   8             4       dimension
 *   12            4       tokens of the span
 *   16            n       payload: dimension numbers of the type
 *   16 + n        8       XXH3-64 of the header, the span key and the payload, in this order
 *
 * All numbers little-endian. The key goes into the checksum though it does not lie in the record: a good record under
 * the wrong key is as bad as a broken one. Pure; any thread. */
#ifndef LT_STORAGE_RECORD_H
#define LT_STORAGE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "storage/store.h"

/* A record that passed its check; `payload` points into it. */
struct lt_record {
    enum lt_latent_type type;
    uint32_t dimension;
    uint32_t tokens;
    const uint8_t *payload;
};

/* Bytes of a record, or 0 if there is none of this type or dimension. */
size_t lt_record_bytes(enum lt_latent_type type, uint32_t dimension);

/* Writes a latent that lt_record_bytes has a size for into `ret_data`, which has that size. */
void lt_record_write(const struct lt_latent *latent, uint8_t *ret_data);

/* Checks and reads what lies under `key`; the data needs no alignment. LT_ECORRUPT for anything that lt_record_write
 * did not write for this key, cut or damaged. */
int lt_record_read(const struct lt_span_key *key, const void *data, size_t bytes, struct lt_record *ret_record);

/* Copies the payload out, in the byte order of this machine. */
void lt_record_copy_payload(const struct lt_record *record, void *ret_payload);

#endif
