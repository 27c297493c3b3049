/* Fingerprints of the encoders that have used a store: they tell a span that is new from one that only this encoder has
 * not encoded yet. Kept in the database `meta`, under "encoders", the latest first. */
#ifndef LT_STORAGE_ENCODERS_H
#define LT_STORAGE_ENCODERS_H

#include "storage/environment.h"

struct lt_encoders {
    uint8_t fingerprints[LT_STORE_ENCODERS_MAX][LT_FINGERPRINT_BYTES];
    size_t count;
};

/* Reads them, and writes them with `used` in front; the oldest is forgotten when there are too many. LT_EIO, LT_EFULL.
 */
int lt_encoders_init(struct lt_encoders *encoders, const struct lt_environment *environment, const uint8_t *const *used,
                     size_t used_count);

#endif
