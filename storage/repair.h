/* Records that a check has found to be of no use. */
#ifndef LT_STORAGE_REPAIR_H
#define LT_STORAGE_REPAIR_H

#include "storage/store.h"

/* Removes records; what was put in their places since they were looked at, too, which costs an encoding. *ret_removed
 * says how many were there. Waits for the writer: never the loop or the engine. LT_EIO, LT_EFULL. */
int lt_store_remove(struct lt_store *store, const struct lt_span_key *keys, size_t count, uint64_t *ret_removed);

#endif
