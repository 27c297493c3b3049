#include "storage/removal.h"

#include <string.h>

#include "storage/state.h"
#include "storage/table.h"

#define SWEEP_RECORDS 4096 /* in one transaction */
#define SPARED_MAX 4096    /* latents of a namespace that are spared in a row */

/* --- time --- */

bool lt_sweep_due(const struct lt_store *store, uint32_t now)
{
    return store->ledger.next_expiry && store->ledger.next_expiry <= now && store->ledger.swept != now;
}

/* Removes the first entry of the order of expiry if its time is over. LT_ENOTFOUND if there is none such, and then says
 * when there will be. */
static int sweep_one(struct lt_store *store, MDB_txn *transaction, MDB_cursor *cursor, uint32_t now)
{
    MDB_val name, value;
    struct lt_span_key key;
    uint32_t expires = 0;
    store->ledger.next_expiry = 0;
    int code = lt_store_format_code(mdb_cursor_get(cursor, &name, &value, MDB_FIRST));
    if (code)
        return code;
    if (lt_ledger_key_read(&name, &expires, &key)) {
        store->ledger.next_expiry = expires;
        if (expires > now)
            return LT_ENOTFOUND;
        code = lt_table_remove(store, transaction, &key);
    }
    /* Should the record have gone without its entry, or another lie there now, the entry is still to go. */
    if (code && code != LT_ENOTFOUND)
        return code;
    code = lt_store_format_code(mdb_cursor_get(cursor, &name, &value, MDB_FIRST));
    uint32_t first = 0;
    struct lt_span_key first_key;
    if (code == LT_OK && (!lt_ledger_key_read(&name, &first, &first_key) ||
                          (first == expires && memcmp(&first_key, &key, sizeof key) == 0)))
        code = lt_store_format_code(mdb_cursor_del(cursor, 0));
    return code == LT_ENOTFOUND ? LT_OK : code;
}

int lt_sweep(struct lt_store *store, MDB_txn *transaction, uint32_t now)
{
    MDB_cursor *cursor;
    store->ledger.swept = now;
    int code = lt_store_format_code(mdb_cursor_open(transaction, store->environment.expiries, &cursor));
    if (code)
        return code;
    for (int i = 0; i < SWEEP_RECORDS && code == LT_OK; i++)
        code = sweep_one(store, transaction, cursor, now);
    mdb_cursor_close(cursor);
    return code == LT_ENOTFOUND ? LT_OK : code;
}

/* --- namespaces --- */

/* Finds the first member of a namespace behind a key. LT_ENOTFOUND. */
static int next_member(MDB_cursor *cursor, uint32_t id, const struct lt_span_key *after, struct lt_span_key *ret_key)
{
    uint8_t bytes[LT_LEDGER_KEY_BYTES];
    MDB_val name = {sizeof bytes, bytes}, value;
    uint32_t found = 0;
    lt_ledger_key(id, after, bytes);
    int code = mdb_cursor_get(cursor, &name, &value, MDB_SET_RANGE);
    if (!code && name.mv_size == sizeof bytes && memcmp(name.mv_data, bytes, sizeof bytes) == 0)
        code = mdb_cursor_get(cursor, &name, &value, MDB_NEXT);
    if (code)
        return lt_store_format_code(code);
    return lt_ledger_key_read(&name, &found, ret_key) && found == id ? LT_OK : LT_ENOTFOUND;
}

/* Removes a member's record, and its membership also if the record is no more. */
static int remove_member(struct lt_store *store, MDB_txn *transaction, uint32_t id, const struct lt_span_key *key)
{
    uint8_t bytes[LT_LEDGER_KEY_BYTES];
    MDB_val name = {sizeof bytes, bytes};
    int code = lt_table_remove(store, transaction, key);
    if (code && code != LT_ENOTFOUND)
        return code;
    lt_ledger_key(id, key, bytes);
    code = mdb_del(transaction, store->environment.members, &name, NULL);
    return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
}

int lt_namespace_empty(struct lt_store *store, MDB_txn *transaction, uint32_t id, uint64_t most, uint64_t *ret_removed)
{
    static const struct lt_span_key start = {{0}};
    struct lt_span_key key;
    MDB_cursor *cursor;
    uint64_t removed = 0;
    int code = lt_store_format_code(mdb_cursor_open(transaction, store->environment.members, &cursor));
    if (code)
        return code;
    while (code == LT_OK && removed < most) {
        code = next_member(cursor, id, &start, &key);
        if (code == LT_OK)
            code = remove_member(store, transaction, id, &key);
        removed += code == LT_OK;
    }
    mdb_cursor_close(cursor);
    *ret_removed = removed;
    return code == LT_ENOTFOUND ? LT_OK : code;
}

/* --- quota --- */

static int evict_member(struct lt_store *store, MDB_txn *transaction, struct lt_ledger_entry *entry,
                        const struct lt_span_key *key)
{
    int code = remove_member(store, transaction, entry->space.id, key);
    if (code)
        return code;
    lt_eviction_note(&store->eviction, key, atomic_load(&store->entries));
    lt_ledger_count(entry, LT_NAMESPACE_EVICTED, 1);
    return LT_OK;
}

/* Moves the namespace's hand until one of its latents is evicted. LT_ENOTFOUND: all are pinned, or there are none. */
static int evict_one(struct lt_store *store, MDB_txn *transaction, MDB_cursor *cursor, struct lt_ledger_entry *entry)
{
    bool wrapped = false;
    for (int spared = 0;;) {
        struct lt_span_key key;
        int code = next_member(cursor, entry->space.id, &entry->hand, &key);
        if (code == LT_ENOTFOUND && !wrapped) {
            wrapped = true;
            memset(&entry->hand, 0, sizeof entry->hand);
            continue;
        }
        if (code)
            return code;
        entry->hand = key;
        if (lt_pins_has(&store->ledger.pins, &key))
            continue;
        uint64_t place;
        if (spared++ < SPARED_MAX && lt_queues_find(&store->environment, transaction, &key, &place) == LT_OK &&
            lt_eviction_spares(&store->eviction, &key, place)) {
            wrapped = false;
            continue;
        }
        return evict_member(store, transaction, entry, &key);
    }
}

int lt_quota_evict(struct lt_store *store, MDB_txn *transaction, struct lt_ledger_entry *entry, uint64_t count,
                   uint64_t *ret_evicted)
{
    MDB_cursor *cursor;
    uint64_t evicted = 0;
    int code = lt_store_format_code(mdb_cursor_open(transaction, store->environment.members, &cursor));
    if (code)
        return code;
    while (code == LT_OK && evicted < count) {
        code = evict_one(store, transaction, cursor, entry);
        evicted += code == LT_OK;
    }
    mdb_cursor_close(cursor);
    *ret_evicted = evicted;
    return code == LT_ENOTFOUND ? LT_OK : code;
}

int lt_quota_make_room(struct lt_store *store, MDB_txn *transaction, struct lt_ledger_entry *entry, uint64_t incoming)
{
    uint64_t quota = entry->space.quota_bytes;
    int code = LT_OK;
    while (code == LT_OK && quota && entry->bytes + incoming > quota) {
        uint64_t evicted = 0;
        code = lt_quota_evict(store, transaction, entry, 1, &evicted);
        if (code == LT_OK && !evicted)
            return LT_EFULL;
    }
    return code;
}
