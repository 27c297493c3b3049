#include "storage/scan.h"

#include <string.h>

#include "storage/ledger.h"
#include "storage/state.h"
#include "storage/table.h"

#define LOOKS_MAX 16384 /* records looked at in one transaction */

static int look(const struct lt_span_key *key, const MDB_val *record, lt_scan_visit visit, void *context)
{
    struct lt_scanned scanned = {.key = *key, .data = record->mv_data, .bytes = record->mv_size};
    scanned.sound = lt_record_read(key, scanned.data, scanned.bytes, &scanned.record) == LT_OK;
    return visit(context, &scanned);
}

static int scan_table(struct lt_store *store, MDB_txn *transaction, struct lt_scan *scan, uint32_t namespace_id,
                      size_t most, lt_scan_visit visit, void *context)
{
    struct lt_table_walk walk;
    struct lt_span_key key;
    struct lt_record_head head;
    MDB_val record;
    size_t visited = 0, looks = 0;
    int code = lt_table_walk_begin(&store->environment, transaction, scan->begun ? &scan->after : NULL, &walk);
    if (code)
        return code;
    while (visited < most && looks++ < LOOKS_MAX) {
        code = lt_table_walk_next(&walk, &key, &record);
        if (code)
            break;
        if (namespace_id == LT_SCAN_ALL ||
            (lt_record_head(record.mv_data, record.mv_size, &head) && head.namespace_id == namespace_id)) {
            visited++;
            code = look(&key, &record, visit, context);
        }
        if (code)
            break;
        scan->after = key;
        scan->begun = true;
    }
    lt_table_walk_end(&walk);
    scan->ended = code == LT_ENOTFOUND;
    return scan->ended ? LT_OK : code;
}

/* A namespace's own list leads to its records. */
static int scan_members(struct lt_store *store, MDB_txn *transaction, struct lt_scan *scan, uint32_t namespace_id,
                        size_t most, lt_scan_visit visit, void *context)
{
    uint8_t bytes[LT_LEDGER_KEY_BYTES];
    MDB_val name = {sizeof bytes, bytes}, nothing, record;
    MDB_cursor *cursor;
    struct lt_span_key key;
    uint32_t id = namespace_id;
    lt_ledger_key(namespace_id, &scan->after, bytes);
    int code = mdb_cursor_open(transaction, store->environment.members, &cursor);
    if (code)
        return lt_environment_code(code);
    code = lt_environment_code(mdb_cursor_get(cursor, &name, &nothing, MDB_SET_RANGE));
    for (size_t visited = 0; code == LT_OK && visited < most;) {
        if (!lt_ledger_key_read(&name, &id, &key) || id != namespace_id) {
            code = LT_ENOTFOUND;
            break;
        }
        bool seen = scan->begun && memcmp(&key, &scan->after, sizeof key) == 0;
        if (!seen && lt_table_get(&store->environment, transaction, &key, &record) == LT_OK) {
            visited++;
            code = look(&key, &record, visit, context);
        }
        if (code)
            break;
        scan->after = key;
        scan->begun = true;
        code = lt_environment_code(mdb_cursor_get(cursor, &name, &nothing, MDB_NEXT));
    }
    mdb_cursor_close(cursor);
    scan->ended = code == LT_ENOTFOUND;
    return scan->ended ? LT_OK : code;
}

int lt_store_scan(struct lt_store *store, struct lt_scan *scan, uint32_t namespace_id, size_t most, lt_scan_visit visit,
                  void *context)
{
    MDB_txn *transaction;
    int code = lt_environment_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    if (namespace_id == LT_SCAN_ALL || namespace_id == 0)
        code = scan_table(store, transaction, scan, namespace_id, most, visit, context);
    else
        code = scan_members(store, transaction, scan, namespace_id, most, visit, context);
    mdb_txn_abort(transaction);
    return code;
}
