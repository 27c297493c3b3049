/* Records by key, inside a transaction of the caller's, for all that looks at or removes single records.
 *
 * Values are valid until the transaction ends or writes. Errors are those of LMDB: LT_EIO, LT_EFULL, LT_ENOMEM. */
#ifndef LT_STORAGE_TABLE_H
#define LT_STORAGE_TABLE_H

#include "storage/environment.h"
#include "storage/key.h"

/* Keys whose records a transaction has removed: they go from memory when it is committed. */
struct lt_gone {
    struct lt_span_key *keys;
    size_t count, capacity;
    bool all; /* they are too many to be named */
};

void lt_gone_finish(struct lt_gone *gone);

/* LT_ENOTFOUND; *ret_place may be NULL. */
int lt_table_get(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                 MDB_val *ret_record, uint64_t *ret_place);

/* Removes the record of a key and tells the ledger; LT_ENOTFOUND. A damaged record goes also if all that is left of the
 * key is what the index has of it. Writer thread. */
int lt_table_remove(struct lt_store *store, MDB_txn *transaction, const struct lt_span_key *key);

/* Removes all records, and what was refined of them, and tells the ledger. Writer thread. */
int lt_table_clear(struct lt_store *store, MDB_txn *transaction);

/* A walk over all records in the order of the index, which writing does not change: one record more or less moves no
 * other. */
struct lt_table_walk {
    const struct lt_environment *environment;
    MDB_cursor *index, *queues[LT_QUEUE_COUNT];
    bool begun, from_start;
    uint64_t after; /* the walk goes on behind it */
};

/* Begins behind a key, or with the first if `after` is NULL. */
int lt_table_walk_begin(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *after,
                        struct lt_table_walk *ret_walk);

/* LT_ENOTFOUND at the end. The key is what the record says that it is, under the first bytes that the index has. */
int lt_table_walk_next(struct lt_table_walk *walk, struct lt_span_key *ret_key, MDB_val *ret_record);
void lt_table_walk_end(struct lt_table_walk *walk);

#endif
