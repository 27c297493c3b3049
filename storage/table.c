#include "storage/table.h"

#include <string.h>

#include "proto/alloc.h"
#include "proto/record.h"
#include "storage/refined.h"
#include "storage/state.h"

#define GONE_MAX 65536 /* keys that are named one by one */

/* --- what is gone --- */

void lt_gone_finish(struct lt_gone *gone)
{
    lt_free(gone->keys);
    *gone = (struct lt_gone){0};
}

static void note_gone(struct lt_gone *gone, const struct lt_span_key *key)
{
    if (gone->count == gone->capacity && !gone->all) {
        size_t capacity = gone->capacity ? 2 * gone->capacity : 64;
        struct lt_span_key *grown = capacity > GONE_MAX ? NULL : lt_realloc(gone->keys, capacity * sizeof *grown);
        gone->all = !grown;
        if (grown) {
            gone->keys = grown;
            gone->capacity = capacity;
        }
    }
    if (!gone->all)
        gone->keys[gone->count++] = *key;
}

/* --- one record --- */

int lt_table_get(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                 MDB_val *ret_record, uint64_t *ret_place)
{
    struct lt_span_key claimed;
    uint64_t place;
    int code = lt_queues_find(environment, transaction, key, &place);
    if (code == LT_OK)
        code = lt_queues_read_place(environment, transaction, place, ret_record);
    if (code)
        return code;
    lt_record_claimed_key(ret_record->mv_data, ret_record->mv_size, &claimed);
    /* One that says it has a key of the same beginning is another's. One that cannot have been found by the key that it
     * claims is damaged, and this may be its key. */
    if (memcmp(&claimed, key, sizeof claimed) != 0 && memcmp(&claimed, key, LT_INDEXED_BYTES) == 0)
        return LT_ENOTFOUND;
    if (ret_place)
        *ret_place = place;
    return LT_OK;
}

int lt_table_remove(struct lt_store *store, MDB_txn *transaction, const struct lt_span_key *key)
{
    MDB_val record;
    uint64_t place;
    int code = lt_table_get(&store->environment, transaction, key, &record, &place);
    if (code == LT_OK)
        code = lt_ledger_drop(&store->ledger, &store->environment, transaction, key, record.mv_data, record.mv_size);
    if (code == LT_OK)
        code = lt_queues_remove(&store->environment, transaction, key, place);
    if (code == LT_OK)
        note_gone(&store->gone, key);
    return code;
}

int lt_table_clear(struct lt_store *store, MDB_txn *transaction)
{
    const struct lt_environment *environment = &store->environment;
    const MDB_dbi databases[] = {environment->queues[LT_QUEUE_SMALL], environment->queues[LT_QUEUE_MAIN],
                                 environment->index, environment->members, environment->expiries};
    int code = lt_refined_clear(environment, transaction);
    for (size_t i = 0; i < sizeof databases / sizeof *databases && code == LT_OK; i++)
        code = lt_store_format_code(mdb_drop(transaction, databases[i], 0));
    if (code == LT_OK) {
        lt_ledger_clear(&store->ledger);
        store->gone.all = true;
    }
    return code;
}

/* --- all records --- */

int lt_table_walk_begin(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *after,
                        struct lt_table_walk *ret_walk)
{
    struct lt_table_walk walk = {.environment = environment, .from_start = !after};
    if (after)
        memcpy(&walk.after, after->bytes, sizeof walk.after);
    int code = mdb_cursor_open(transaction, environment->index, &walk.index);
    for (int queue = 0; queue < LT_QUEUE_COUNT && !code; queue++)
        code = mdb_cursor_open(transaction, environment->queues[queue], &walk.queues[queue]);
    if (code) {
        lt_table_walk_end(&walk);
        return lt_store_format_code(code);
    }
    *ret_walk = walk;
    return LT_OK;
}

/* The next entry of the index. */
static int next_place(struct lt_table_walk *walk, uint64_t *ret_place)
{
    MDB_val name = {sizeof walk->after, &walk->after}, value;
    int code;
    if (walk->begun || walk->from_start) {
        code = mdb_cursor_get(walk->index, &name, &value, walk->begun ? MDB_NEXT : MDB_FIRST);
    } else {
        uint64_t found = 0;
        code = mdb_cursor_get(walk->index, &name, &value, MDB_SET_RANGE);
        if (!code)
            memcpy(&found, name.mv_data, sizeof found);
        if (!code && found == walk->after)
            code = mdb_cursor_get(walk->index, &name, &value, MDB_NEXT);
    }
    walk->begun = true;
    if (code)
        return lt_store_format_code(code);
    memcpy(&walk->after, name.mv_data, sizeof walk->after);
    if (value.mv_size != sizeof *ret_place)
        return LT_EIO;
    memcpy(ret_place, value.mv_data, sizeof *ret_place);
    return LT_OK;
}

int lt_table_walk_next(struct lt_table_walk *walk, struct lt_span_key *ret_key, MDB_val *ret_record)
{
    uint64_t place = 0;
    int code;
    do { /* an index entry without a record leads nowhere */
        code = next_place(walk, &place);
        if (code)
            return code;
        code = lt_queues_read(walk->queues[lt_place_queue(place)], place, ret_record);
    } while (code == LT_ENOTFOUND);
    if (code)
        return code;
    lt_record_claimed_key(ret_record->mv_data, ret_record->mv_size, ret_key);
    memcpy(ret_key->bytes, &walk->after, sizeof walk->after);
    return LT_OK;
}

void lt_table_walk_end(struct lt_table_walk *walk)
{
    for (int queue = 0; queue < LT_QUEUE_COUNT; queue++)
        if (walk->queues[queue])
            mdb_cursor_close(walk->queues[queue]);
    if (walk->index)
        mdb_cursor_close(walk->index);
}
