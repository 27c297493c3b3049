/* Records by key, inside a transaction of the caller's: the one place, besides writer and eviction, that knows how
 * records lie in the databases. All that looks at or removes single records goes through here.
 *
 * Values are valid until the transaction ends or writes. Errors are those of LMDB: LT_EIO, LT_EFULL, LT_ENOMEM. */
#ifndef LT_STORAGE_TABLE_H
#define LT_STORAGE_TABLE_H

#include "storage/environment.h"

/* LT_ENOTFOUND. */
int lt_table_get(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                 MDB_val *ret_record);

/* Removes a record and tells the ledger; LT_ENOTFOUND. Writer thread. */
int lt_table_remove(struct lt_store *store, MDB_txn *transaction, const struct lt_span_key *key);

/* Removes all records and tells the ledger. Writer thread. */
int lt_table_clear(struct lt_store *store, MDB_txn *transaction);

/* A walk over all records in the order of their keys, which writing does not change: one record more or less moves no
 * other. */
struct lt_table_walk {
    MDB_cursor *cursor;
    bool begun;
    struct lt_span_key after; /* the walk goes on behind it */
    bool from_start;
};

/* Begins behind a key, or with the first if `after` is NULL. */
int lt_table_walk_begin(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *after,
                        struct lt_table_walk *ret_walk);

/* LT_ENOTFOUND at the end. */
int lt_table_walk_next(struct lt_table_walk *walk, struct lt_span_key *ret_key, MDB_val *ret_record);
void lt_table_walk_end(struct lt_table_walk *walk);

#endif
