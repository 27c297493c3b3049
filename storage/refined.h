/* Refined latents by chain key: what the refiner made of a span inside its segment, for documents. A chain key covers a
 * span and all in front of it in the segment (storage/key.h), so two versions of a document share the refined latents
 * of what both begin with. Raw latents have another database and are not touched.
 *
 * They have a share of the store's budget; the oldest go first. Written with storage/changes.h. When a stored latent
 * was found to be wrong (lt_store_replace), all are forgotten: nothing says which were made of it. */
#ifndef LT_STORAGE_REFINED_H
#define LT_STORAGE_REFINED_H

#include <lmdb.h>

#include "storage/changes.h"
#include "storage/environment.h"

#define LT_REFINED_SHARE 8 /* of the budget: one part in so many */

/* Looks up the refined latents of a segment's spans from the first on, until one is missing. to: [count][dimension]
 * float32. *ret_found says how many were found. LT_EIO: the store could not be read; a damaged value is one that is
 * missing. Any thread. */
int lt_refined_get(struct lt_store *store, const struct lt_span_key *chain, size_t count, uint32_t dimension, float *to,
                   size_t *ret_found);

/* Adds the writing of one to a list of changes. LT_ENOMEM. */
int lt_refined_put(struct lt_changes *changes, const struct lt_span_key *chain, uint32_t dimension,
                   const float *refined);

/* For the writer: removes all. LT_EIO, LT_EFULL. */
int lt_refined_clear(const struct lt_environment *environment, MDB_txn *transaction);

/* For the writer: evicts the oldest until `incoming` bytes fit a share; writes one as the youngest. LT_EIO, LT_EFULL.
 */
int lt_refined_make_room(const struct lt_environment *environment, MDB_txn *transaction, uint64_t share,
                         uint64_t incoming);
int lt_refined_write(const struct lt_environment *environment, MDB_txn *transaction, MDB_val *key, MDB_val *value);

#endif
