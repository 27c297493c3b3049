/* One queue after the other, each from its oldest record on. */
#include "storage/scan.h"

#include <string.h>
#include <time.h>

#include "storage/state.h"

static void look_at(const MDB_val *value, uint32_t now, lt_scan_function function, void *context)
{
    struct lt_record record;
    struct lt_span_key key;
    if (lt_record_read(value->mv_data, value->mv_size, &record) != LT_OK || lt_record_expired(&record, now))
        return;
    memcpy(key.bytes, record.key, sizeof key.bytes);
    function(context, &key, &record);
}

/* Looks at up to `count` records of the queue where the walk stands, and goes on to the next one at its end. */
static int walk(const struct lt_environment *environment, MDB_txn *transaction, struct lt_scan *scan, size_t count,
                lt_scan_function function, void *context, size_t *seen)
{
    MDB_cursor *cursor;
    uint32_t now = (uint32_t)time(NULL);
    int code = mdb_cursor_open(transaction, environment->queues[scan->queue], &cursor);
    if (code)
        return code;
    MDB_val number = {sizeof scan->next, &scan->next}, value;
    code = mdb_cursor_get(cursor, &number, &value, MDB_SET_RANGE);
    while (!code && *seen < count) {
        memcpy(&scan->next, number.mv_data, sizeof scan->next);
        scan->next++;
        look_at(&value, now, function, context);
        ++*seen;
        code = mdb_cursor_get(cursor, &number, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (code != MDB_NOTFOUND)
        return code;
    scan->queue++;
    scan->next = 0;
    return MDB_SUCCESS;
}

int lt_store_scan(struct lt_store *store, struct lt_scan *scan, size_t count, lt_scan_function function, void *context,
                  size_t *ret_count)
{
    MDB_txn *transaction;
    int code = mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction);
    if (code)
        return lt_store_format_code(code);
    size_t seen = 0;
    while (!code && seen < count && scan->queue < LT_QUEUE_COUNT)
        code = walk(&store->environment, transaction, scan, count, function, context, &seen);
    mdb_txn_abort(transaction);
    if (!code)
        *ret_count = seen;
    return lt_store_format_code(code);
}
