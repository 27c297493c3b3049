/* Span keys and other digests as parameters. Internal to proto/. */
#ifndef LT_PROTO_KEYS_H
#define LT_PROTO_KEYS_H

#include "proto/parameters.h"

#define LT_DIGEST_RIGHT "64 hexadecimal digits or 32 bytes of binary"

/* One key or fingerprint: 32 bytes, as they are or as hexadecimal digits. `label` names it in messages. LT_EPARAM. */
int lt_digest_read(const struct lt_parameters *parameters, const msgpack_object *value, const char *label,
                   uint8_t ret_digest[LT_DIGEST_BYTES]);

/* An array of 1 to LT_LATENT_KEYS_MAX keys, which must be there. *ret_keys is allocated, also if a key of it is wrong.
 * LT_EPARAM, LT_ENOMEM. */
int lt_keys_read(const struct lt_parameters *parameters, const char *name, uint8_t (**ret_keys)[LT_SPAN_KEY_BYTES],
                 size_t *ret_count);

#endif
