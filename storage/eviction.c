#include "storage/eviction.h"

#include <string.h>

#define BATCH 64 /* evictions between two looks at the pages in use */

static uint64_t hash_of(const struct lt_span_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes + 8, sizeof hash);
    return hash ? hash : 1;
}

static void to_big_endian(uint64_t value, uint8_t bytes[8])
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t from_big_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

int lt_eviction_init(struct lt_eviction *eviction, const struct lt_environment *environment)
{
    memset(eviction, 0, sizeof *eviction);
    MDB_txn *transaction;
    MDB_cursor *cursor;
    MDB_val order, key;
    int code = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &transaction);
    if (code)
        return lt_environment_code(code);
    code = mdb_cursor_open(transaction, environment->fifo, &cursor);
    if (!code) {
        code = mdb_cursor_get(cursor, &order, &key, MDB_LAST);
        if (!code && order.mv_size == 8)
            eviction->next_order = from_big_endian(order.mv_data) + 1;
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(transaction);
    return code && code != MDB_NOTFOUND ? lt_environment_code(code) : LT_OK;
}

static uint64_t bit_of(uint64_t hash, size_t *ret_word)
{
    *ret_word = (hash >> 6) % LT_VISITED_WORDS;
    return 1ull << (hash & 63);
}

void lt_eviction_visit(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    size_t word;
    uint64_t bit = bit_of(hash_of(key), &word);
    if (!(atomic_load_explicit(&eviction->visited[word], memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(&eviction->visited[word], bit, memory_order_relaxed);
}

bool lt_eviction_spare(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    size_t word;
    uint64_t bit = bit_of(hash_of(key), &word);
    return atomic_fetch_and_explicit(&eviction->visited[word], ~bit, memory_order_relaxed) & bit;
}

/* Where a key is remembered, and as what. */
static _Atomic(uint32_t) *evicted_set(struct lt_eviction *eviction, const struct lt_span_key *key, uint32_t *ret_tag)
{
    uint64_t hash = hash_of(key);
    *ret_tag = (uint32_t)hash | 1;
    return eviction->evicted[(hash >> 32) % LT_EVICTED_SETS];
}

bool lt_eviction_remembers(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    uint32_t tag;
    _Atomic(uint32_t) *set = evicted_set(eviction, key, &tag);
    for (int way = 0; way < LT_EVICTED_WAYS; way++)
        if (atomic_load_explicit(&set[way], memory_order_relaxed) == tag)
            return true;
    return false;
}

static void remember(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    uint32_t tag;
    _Atomic(uint32_t) *set = evicted_set(eviction, key, &tag);
    for (int way = LT_EVICTED_WAYS - 1; way > 0; way--)
        atomic_store_explicit(&set[way], atomic_load_explicit(&set[way - 1], memory_order_relaxed),
                              memory_order_relaxed);
    atomic_store_explicit(&set[0], tag, memory_order_relaxed);
}

int lt_eviction_append(struct lt_eviction *eviction, const struct lt_environment *environment, MDB_txn *transaction,
                       const struct lt_span_key *key)
{
    uint8_t order[8];
    to_big_endian(eviction->next_order++, order);
    MDB_val name = {sizeof order, order}, value = {sizeof key->bytes, (void *)key->bytes};
    return lt_environment_code(mdb_put(transaction, environment->fifo, &name, &value, MDB_APPEND));
}

void lt_eviction_note(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    remember(eviction, key);
    atomic_fetch_add_explicit(&eviction->count, 1, memory_order_relaxed);
}

/* Evicts the latent under the cursor. Its place in the order goes in any case. */
static int evict(struct lt_eviction *eviction, struct lt_ledger *ledger, const struct lt_environment *environment,
                 MDB_txn *transaction, MDB_cursor *cursor, const struct lt_span_key *key)
{
    MDB_val name = {sizeof key->bytes, (void *)key->bytes}, record;
    int code = lt_environment_code(mdb_get(transaction, environment->latents, &name, &record));
    if (code == LT_OK) {
        code = lt_ledger_evicted(ledger, environment, transaction, key, record.mv_data, record.mv_size);
        if (code == LT_OK)
            code = lt_environment_code(mdb_del(transaction, environment->latents, &name, NULL));
        if (code == LT_OK)
            lt_eviction_note(eviction, key);
    }
    if (code && code != LT_ENOTFOUND)
        return code;
    return lt_environment_code(mdb_cursor_del(cursor, 0));
}

void lt_eviction_forget(struct lt_eviction *eviction)
{
    for (size_t set = 0; set < LT_EVICTED_SETS; set++)
        for (int way = 0; way < LT_EVICTED_WAYS; way++)
            atomic_store_explicit(&eviction->evicted[set][way], 0, memory_order_relaxed);
}

/* Moves the hand until one latent is evicted. LT_ENOTFOUND when there is none but pinned ones. */
static int advance_hand(struct lt_eviction *eviction, struct lt_ledger *ledger,
                        const struct lt_environment *environment, MDB_txn *transaction, MDB_cursor *cursor)
{
    for (size_t pinned = 0;;) {
        uint8_t order[8];
        to_big_endian(eviction->hand, order);
        MDB_val name = {sizeof order, order}, value;
        int code = mdb_cursor_get(cursor, &name, &value, MDB_SET_RANGE);
        if (code == MDB_NOTFOUND) /* past the youngest: start again with the oldest */
            code = mdb_cursor_get(cursor, &name, &value, MDB_FIRST);
        if (code)
            return lt_environment_code(code);
        struct lt_span_key key;
        memcpy(key.bytes, value.mv_data, value.mv_size < sizeof key.bytes ? value.mv_size : sizeof key.bytes);
        eviction->hand = from_big_endian(name.mv_data) + 1;
        if (lt_pins_has(&ledger->pins, &key)) {
            if (pinned++ > 2 * ledger->pins.count) /* each may stand in the order twice */
                return LT_ENOTFOUND;
            continue;
        }
        if (!lt_eviction_spare(eviction, &key))
            return evict(eviction, ledger, environment, transaction, cursor, &key);
    }
}

int lt_eviction_evict(struct lt_eviction *eviction, struct lt_ledger *ledger, const struct lt_environment *environment,
                      MDB_txn *transaction, uint64_t count, uint64_t *ret_evicted)
{
    MDB_cursor *cursor;
    uint64_t before = atomic_load(&eviction->count);
    int code = lt_environment_code(mdb_cursor_open(transaction, environment->fifo, &cursor));
    if (code)
        return code;
    while (code == LT_OK && atomic_load(&eviction->count) - before < count)
        code = advance_hand(eviction, ledger, environment, transaction, cursor);
    mdb_cursor_close(cursor);
    *ret_evicted = atomic_load(&eviction->count) - before;
    return code == LT_ENOTFOUND ? LT_OK : code;
}

int lt_eviction_make_room(struct lt_eviction *eviction, struct lt_ledger *ledger,
                          const struct lt_environment *environment, MDB_txn *transaction, uint64_t budget,
                          uint64_t incoming)
{
    uint64_t used, entries, evicted = 1;
    int code = lt_environment_used(environment, transaction, &used, &entries);
    while (code == LT_OK && entries && evicted && used + incoming > budget) {
        code = lt_eviction_evict(eviction, ledger, environment, transaction, BATCH, &evicted);
        if (code == LT_OK)
            code = lt_environment_used(environment, transaction, &used, &entries);
    }
    return code;
}
