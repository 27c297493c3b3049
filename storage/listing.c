#include "storage/listing.h"

#include <string.h>

#include "storage/ledger.h"
#include "storage/state.h"
#include "storage/table.h"

#define LOOKS_MAX 16384 /* records looked at in one transaction */

static int look(const struct lt_span_key *key, const MDB_val *record, lt_list_visit visit, void *context)
{
    struct lt_listed listed = {.key = *key, .data = record->mv_data, .bytes = record->mv_size};
    listed.sound =
        lt_record_read(listed.data, listed.bytes, &listed.record) == LT_OK && lt_record_has_key(&listed.record, key);
    return visit(context, &listed);
}

static int list_table(struct lt_store *store, MDB_txn *transaction, struct lt_listing *listing, uint32_t namespace_id,
                      size_t most, lt_list_visit visit, void *context)
{
    struct lt_table_walk walk;
    struct lt_span_key key;
    struct lt_record_head head;
    MDB_val record;
    size_t visited = 0, looks = 0;
    int code = lt_table_walk_begin(&store->environment, transaction, listing->begun ? &listing->after : NULL, &walk);
    if (code)
        return code;
    while (visited < most && looks++ < LOOKS_MAX) {
        code = lt_table_walk_next(&walk, &key, &record);
        if (code)
            break;
        if (namespace_id == LT_LIST_ALL ||
            (lt_record_head(record.mv_data, record.mv_size, &head) && head.namespace_id == namespace_id)) {
            visited++;
            code = look(&key, &record, visit, context);
        }
        if (code)
            break;
        listing->after = key;
        listing->begun = true;
    }
    lt_table_walk_end(&walk);
    listing->ended = code == LT_ENOTFOUND;
    return listing->ended ? LT_OK : code;
}

/* A namespace's own list leads to its records. */
static int list_members(struct lt_store *store, MDB_txn *transaction, struct lt_listing *listing, uint32_t namespace_id,
                        size_t most, lt_list_visit visit, void *context)
{
    uint8_t bytes[LT_LEDGER_KEY_BYTES];
    MDB_val name = {sizeof bytes, bytes}, nothing, record;
    MDB_cursor *cursor;
    struct lt_span_key key;
    uint32_t id = namespace_id;
    lt_ledger_key(namespace_id, &listing->after, bytes);
    int code = mdb_cursor_open(transaction, store->environment.members, &cursor);
    if (code)
        return lt_store_format_code(code);
    code = lt_store_format_code(mdb_cursor_get(cursor, &name, &nothing, MDB_SET_RANGE));
    for (size_t visited = 0; code == LT_OK && visited < most;) {
        if (!lt_ledger_key_read(&name, &id, &key) || id != namespace_id) {
            code = LT_ENOTFOUND;
            break;
        }
        bool seen = listing->begun && memcmp(&key, &listing->after, sizeof key) == 0;
        if (!seen && lt_table_get(&store->environment, transaction, &key, &record, NULL) == LT_OK) {
            visited++;
            code = look(&key, &record, visit, context);
        }
        if (code)
            break;
        listing->after = key;
        listing->begun = true;
        code = lt_store_format_code(mdb_cursor_get(cursor, &name, &nothing, MDB_NEXT));
    }
    mdb_cursor_close(cursor);
    listing->ended = code == LT_ENOTFOUND;
    return listing->ended ? LT_OK : code;
}

int lt_store_list(struct lt_store *store, struct lt_listing *listing, uint32_t namespace_id, size_t most,
                  lt_list_visit visit, void *context)
{
    MDB_txn *transaction;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    if (namespace_id == LT_LIST_ALL || namespace_id == 0)
        code = list_table(store, transaction, listing, namespace_id, most, visit, context);
    else
        code = list_members(store, transaction, listing, namespace_id, most, visit, context);
    mdb_txn_abort(transaction);
    return code;
}
