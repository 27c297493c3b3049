/* Sealed values: how documents, their parts and refined latents lie in the store. Like a latent's record, each carries
 * a checksum over its kind, its key and its content, so that a damaged value, or a sound one under the wrong key, is
 * never taken for what it is not.
 *
 *   offset   bytes   field
 *   0        4       kind: "LTDC" document, "LTDP" part of a document, "LTRF" refined latent
 *   4        4       version of the kind's layout, 1
 *   8        n       content
 *   8 + n    8       XXH3-64 of the first 8 bytes, the key and the content, in this order
 *
 * Numbers are little-endian. Pure; any thread. */
#ifndef LT_STORAGE_SEALED_H
#define LT_STORAGE_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

enum lt_sealed_kind { LT_SEALED_DOCUMENT, LT_SEALED_PART, LT_SEALED_REFINED };

#define LT_SEALED_HEAD_BYTES 8
#define LT_SEALED_BYTES(content) (LT_SEALED_HEAD_BYTES + (content) + 8)

/* Writes head and checksum around the content, which stands at value + LT_SEALED_HEAD_BYTES already. */
void lt_sealed_close(enum lt_sealed_kind kind, const void *key, size_t key_bytes, uint8_t *value, size_t content_bytes);

/* Checks a value; the content points into it and needs no alignment. LT_ECORRUPT. */
int lt_sealed_open(enum lt_sealed_kind kind, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                   const uint8_t **ret_content, size_t *ret_content_bytes);

/* The checksum at the end of a value, unchecked; 0 if it is too short to have one. */
uint64_t lt_sealed_checksum(const void *value, size_t value_bytes);

/* Numbers of a content, at any address. */
void lt_put_u32(uint8_t *at, uint32_t value);
void lt_put_u64(uint8_t *at, uint64_t value);
uint32_t lt_take_u32(const uint8_t *at);
uint64_t lt_take_u64(const uint8_t *at);

#endif
