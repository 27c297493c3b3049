/* Latents go because somebody asks. In transactions of bounded size, so that putting is held up for a moment only; all
 * wait for the writer: never the loop or the engine. */
#ifndef LT_STORAGE_CLEARING_H
#define LT_STORAGE_CLEARING_H

#include "storage/pins.h"

/* Evicts latents of a namespace, but for those that are pinned. LT_EIO, LT_EFULL. */
int lt_store_evict_keys(struct lt_store *store, uint32_t namespace_id, const struct lt_span_key *keys, size_t count,
                        struct lt_keys_outcome *ret_outcome);

/* Evicts a share, above 0 to 1, of all latents, those first that room is made of first; pinned ones stay. LT_EIO,
 * LT_EFULL. */
int lt_store_evict_share(struct lt_store *store, double share, uint64_t *ret_evicted);

/* The same of one namespace's. LT_EPARAM for `public`, which has no order of its own. */
int lt_store_evict_share_of(struct lt_store *store, uint32_t namespace_id, double share, uint64_t *ret_evicted);

/* Removes all latents of a namespace that were put before, pinned or not, and its pins. LT_EIO, LT_EFULL. */
int lt_store_empty(struct lt_store *store, uint32_t namespace_id, uint64_t *ret_removed);

/* Removes all latents and pins of all namespaces, in one transaction. LT_EIO, LT_EFULL. */
int lt_store_clear(struct lt_store *store, uint64_t *ret_removed);

#endif
