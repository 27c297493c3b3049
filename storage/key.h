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

/* The key of a refined latent: what a refiner makes of a span behind all spans in front of it in its segment. The same
 * serialisation over these fields:
 *
 *   field    tag      length (u32 LE)   value
 *   domain   'D'      15                "latentd-refined"
 *   version  'V'      4                 1 (u32 LE)
 *   refiner  'R'      32                refiner fingerprint
 *   latents  'L'      4                 type in which latents are stored, enum lt_latent_type (u32 LE)
 *   previous 'P'      0 or 32           chain key of the span before; empty for the first of a segment
 *   span     'K'      32                span key
 *
 * previous: NULL for the first. */
void lt_chain_key(const uint8_t *refiner, uint32_t type, const struct lt_span_key *previous,
                  const struct lt_span_key *span, struct lt_span_key *ret_key);

#endif
