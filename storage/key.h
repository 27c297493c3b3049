/* The key of a span: what makes two spans the same.
 *
 * BLAKE2b-256 (libsodium) over a tagged, length-prefixed serialisation, so that no two different inputs serialise
 * alike:
 *
 *   field    tag      length (u32 LE)   value
 *   domain   'D'      12                "latentd-span"
 *   version  'V'      4                 1 (u32 LE)
 *   encoder  'E'      32                encoder fingerprint
 *   salt     'S'      0..64             namespace salt (empty: public)
 *   tokens   'T'      4*count           token ids, u32 LE
 *
 * proto/PROTOCOL.md has test vectors. Pure; any thread. */
#ifndef LT_STORAGE_KEY_H
#define LT_STORAGE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/record.h"

#define LT_SALT_BYTES_MAX 64

/* fingerprint: 32 bytes; salt: salt_bytes <= LT_SALT_BYTES_MAX bytes; tokens: count ids. */
void lt_span_key(const uint8_t *fingerprint, const uint8_t *salt, size_t salt_bytes, const uint32_t *tokens,
                 size_t count, struct lt_span_key *ret_key);

#endif
