#include "storage/table.h"

#include <string.h>

#include "storage/state.h"

int lt_table_get(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                 MDB_val *ret_record)
{
    MDB_val name = {sizeof key->bytes, (void *)key->bytes};
    return lt_environment_code(mdb_get(transaction, environment->latents, &name, ret_record));
}

/* Its place in the order of arrival stays until eviction comes by and finds nothing there. */
int lt_table_remove(struct lt_store *store, MDB_txn *transaction, const struct lt_span_key *key)
{
    MDB_val name = {sizeof key->bytes, (void *)key->bytes}, record;
    int code = lt_table_get(&store->environment, transaction, key, &record);
    if (code == LT_OK)
        code = lt_ledger_drop(&store->ledger, &store->environment, transaction, key, record.mv_data, record.mv_size);
    if (code == LT_OK)
        code = lt_environment_code(mdb_del(transaction, store->environment.latents, &name, NULL));
    return code;
}

int lt_table_clear(struct lt_store *store, MDB_txn *transaction)
{
    const struct lt_environment *environment = &store->environment;
    const MDB_dbi databases[] = {environment->latents, environment->fifo, environment->members, environment->expiries};
    int code = LT_OK;
    for (size_t i = 0; i < sizeof databases / sizeof *databases && code == LT_OK; i++)
        code = lt_environment_code(mdb_drop(transaction, databases[i], 0));
    if (code == LT_OK)
        lt_ledger_clear(&store->ledger);
    return code;
}

int lt_table_walk_begin(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *after,
                        struct lt_table_walk *ret_walk)
{
    struct lt_table_walk walk = {.from_start = !after};
    if (after)
        walk.after = *after;
    int code = lt_environment_code(mdb_cursor_open(transaction, environment->latents, &walk.cursor));
    if (code == LT_OK)
        *ret_walk = walk;
    return code;
}

int lt_table_walk_next(struct lt_table_walk *walk, struct lt_span_key *ret_key, MDB_val *ret_record)
{
    MDB_val name = {sizeof walk->after.bytes, walk->after.bytes};
    int code;
    if (walk->begun || walk->from_start) {
        code = mdb_cursor_get(walk->cursor, &name, ret_record, walk->begun ? MDB_NEXT : MDB_FIRST);
    } else {
        code = mdb_cursor_get(walk->cursor, &name, ret_record, MDB_SET_RANGE);
        if (!code && name.mv_size == sizeof walk->after.bytes &&
            memcmp(name.mv_data, walk->after.bytes, name.mv_size) == 0)
            code = mdb_cursor_get(walk->cursor, &name, ret_record, MDB_NEXT);
    }
    walk->begun = true;
    if (!code && name.mv_size != sizeof ret_key->bytes)
        return LT_EIO;
    if (!code)
        memcpy(ret_key->bytes, name.mv_data, sizeof ret_key->bytes);
    return lt_environment_code(code);
}

void lt_table_walk_end(struct lt_table_walk *walk)
{
    mdb_cursor_close(walk->cursor);
}
