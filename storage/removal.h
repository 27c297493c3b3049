/* How latents go, other than to make room in the whole store (eviction.h): because their time is over, because their
 * namespace is over its quota, because somebody asks. */
#ifndef LT_STORAGE_REMOVAL_H
#define LT_STORAGE_REMOVAL_H

#include <lmdb.h>

#include "storage/ledger.h"
#include "storage/store.h"

/* --- for the writer --- */

/* Whether anything has expired that a sweep would find; `now` in seconds since the epoch. */
bool lt_sweep_due(const struct lt_store *store, uint32_t now);

/* Removes what has expired, LT_SWEEP_RECORDS at most. LT_EIO, LT_EFULL. */
int lt_sweep(struct lt_store *store, MDB_txn *transaction, uint32_t now);

/* Evicts latents of a namespace until `incoming` bytes fit its quota: in the order of their keys, which is as good as
 * chance, sparing once what was read since the walk last came by. LT_EFULL: no room can be made. LT_EIO. */
int lt_quota_make_room(struct lt_store *store, MDB_txn *transaction, struct lt_ledger_entry *entry, uint64_t incoming);

/* Evicts up to `count` latents of a namespace in the same manner; *ret_evicted says how many. LT_EIO, LT_EFULL. */
int lt_quota_evict(struct lt_store *store, MDB_txn *transaction, struct lt_ledger_entry *entry, uint64_t count,
                   uint64_t *ret_evicted);

/* Removes up to `most` latents of a namespace, whatever they are. LT_EIO, LT_EFULL. */
int lt_namespace_empty(struct lt_store *store, MDB_txn *transaction, uint32_t id, uint64_t most, uint64_t *ret_removed);

#endif
