#include "storage/scan.h"

#include <string.h>
#include <time.h>

#include "storage/state.h"

/* Moves to the first record behind the one that was looked at last. */
static int place_cursor(MDB_cursor *cursor, const struct lt_scan *scan, MDB_val *ret_name, MDB_val *ret_value)
{
    if (!scan->begun)
        return mdb_cursor_get(cursor, ret_name, ret_value, MDB_FIRST);
    struct lt_span_key last = scan->last;
    *ret_name = (MDB_val){sizeof last.bytes, last.bytes};
    int code = mdb_cursor_get(cursor, ret_name, ret_value, MDB_SET_RANGE);
    if (!code && ret_name->mv_size == sizeof last.bytes &&
        memcmp(ret_name->mv_data, last.bytes, sizeof last.bytes) == 0)
        code = mdb_cursor_get(cursor, ret_name, ret_value, MDB_NEXT);
    return code;
}

static void look_at(struct lt_scan *scan, const MDB_val *name, const MDB_val *value, uint32_t now,
                    lt_scan_function function, void *context)
{
    struct lt_record record;
    if (name->mv_size != sizeof scan->last.bytes)
        return;
    memcpy(scan->last.bytes, name->mv_data, sizeof scan->last.bytes);
    scan->begun = true;
    if (lt_record_read(&scan->last, value->mv_data, value->mv_size, &record) == LT_OK &&
        !lt_record_expired(&record, now))
        function(context, &scan->last, &record);
}

int lt_store_scan(struct lt_store *store, struct lt_scan *scan, size_t count, lt_scan_function function, void *context,
                  size_t *ret_count)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    MDB_val name, value;
    uint32_t now = (uint32_t)time(NULL);
    int code = mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction);
    if (code)
        return lt_environment_code(code);
    code = mdb_cursor_open(transaction, store->environment.latents, &cursor);
    if (code)
        goto done;
    size_t seen = 0;
    code = place_cursor(cursor, scan, &name, &value);
    for (; !code && seen < count; seen++) {
        look_at(scan, &name, &value, now, function, context);
        if (seen + 1 < count)
            code = mdb_cursor_get(cursor, &name, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (code == MDB_NOTFOUND)
        code = MDB_SUCCESS;
    if (!code)
        *ret_count = seen;
done:
    mdb_txn_abort(transaction);
    return lt_environment_code(code);
}
