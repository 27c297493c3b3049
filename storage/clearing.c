#include "storage/clearing.h"

#include <math.h>
#include <string.h>

#include "proto/record.h"
#include "storage/orders.h"
#include "storage/refined.h"
#include "storage/removal.h"
#include "storage/state.h"
#include "storage/table.h"

#define REMOVALS_MAX 4096 /* latents in one transaction */
#define LOOKS_MAX 65536   /* latents looked at in one transaction */

struct clearing {
    uint32_t namespace_id;
    const struct lt_span_key *keys;
    size_t count;
    struct lt_keys_outcome outcome;
    uint64_t wanted;          /* still to be removed */
    uint64_t removed;         /* by the last order */
    bool begun, ended;        /* of a walk */
    struct lt_span_key after; /* where the walk goes on */
};

static int run(struct lt_store *store, int (*apply)(struct lt_store *, MDB_txn *, void *),
               void (*committed)(struct lt_store *, void *), struct clearing *clearing)
{
    struct lt_order order = {.apply = apply, .committed = committed, .context = clearing};
    return lt_order_run(store, &order);
}

/* --- by key --- */

static int evict_key(struct lt_store *store, MDB_txn *transaction, struct clearing *clearing,
                     const struct lt_span_key *key)
{
    struct lt_record_head head;
    MDB_val record;
    int code = lt_table_get(&store->environment, transaction, key, &record, NULL);
    if (code == LT_ENOTFOUND || (code == LT_OK && (!lt_record_head(record.mv_data, record.mv_size, &head) ||
                                                   head.namespace_id != clearing->namespace_id))) {
        clearing->outcome.missing++;
        return LT_OK;
    }
    if (code)
        return code;
    if (lt_pins_has(&store->ledger.pins, key)) {
        clearing->outcome.already++;
        return LT_OK;
    }
    struct lt_ledger_entry *entry = lt_ledger_find(&store->ledger, head.namespace_id);
    if (entry)
        lt_ledger_count(entry, LT_NAMESPACE_EVICTED, 1);
    code = lt_table_remove(store, transaction, key);
    if (code == LT_OK) {
        lt_eviction_note(&store->eviction, key, atomic_load(&store->entries));
        clearing->outcome.done++;
    }
    return code;
}

static int apply_evict_keys(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct clearing *clearing = context;
    int code = LT_OK;
    for (size_t i = 0; i < clearing->count && code == LT_OK; i++)
        code = evict_key(store, transaction, clearing, &clearing->keys[i]);
    return code;
}

int lt_store_evict_keys(struct lt_store *store, uint32_t namespace_id, const struct lt_span_key *keys, size_t count,
                        struct lt_keys_outcome *ret_outcome)
{
    struct lt_keys_outcome sum = {0};
    for (size_t begin = 0; begin < count; begin += REMOVALS_MAX) {
        struct clearing clearing = {.namespace_id = namespace_id, .keys = keys + begin};
        clearing.count = count - begin < REMOVALS_MAX ? count - begin : REMOVALS_MAX;
        int code = run(store, apply_evict_keys, NULL, &clearing);
        if (code)
            return code;
        sum.done += clearing.outcome.done;
        sum.already += clearing.outcome.already;
        sum.missing += clearing.outcome.missing;
    }
    *ret_outcome = sum;
    return LT_OK;
}

/* --- a share --- */

static uint64_t slice(const struct clearing *clearing)
{
    return clearing->wanted < REMOVALS_MAX ? clearing->wanted : REMOVALS_MAX;
}

static int apply_evict(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct clearing *clearing = context;
    return lt_eviction_evict(&store->eviction, &store->queues, &store->ledger, &store->environment, transaction,
                             slice(clearing), &clearing->removed);
}

static int apply_evict_of(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct clearing *clearing = context;
    struct lt_ledger_entry *entry = lt_ledger_find(&store->ledger, clearing->namespace_id);
    clearing->removed = 0;
    return entry ? lt_quota_evict(store, transaction, entry, slice(clearing), &clearing->removed) : LT_OK;
}

static int evict_share(struct lt_store *store, int (*apply)(struct lt_store *, MDB_txn *, void *),
                       struct clearing *clearing, uint64_t entries, double share, uint64_t *ret_evicted)
{
    uint64_t evicted = 0;
    clearing->wanted = (uint64_t)ceil((double)entries * share);
    while (clearing->wanted) {
        int code = run(store, apply, NULL, clearing);
        if (code)
            return code;
        evicted += clearing->removed;
        clearing->wanted -= clearing->removed;
        if (!clearing->removed)
            break; /* what is left is pinned */
    }
    *ret_evicted = evicted;
    return LT_OK;
}

int lt_store_evict_share(struct lt_store *store, double share, uint64_t *ret_evicted)
{
    struct clearing clearing = {.wanted = 0};
    (void)lt_store_flush(store);
    return evict_share(store, apply_evict, &clearing, atomic_load(&store->entries), share, ret_evicted);
}

int lt_store_evict_share_of(struct lt_store *store, uint32_t namespace_id, double share, uint64_t *ret_evicted)
{
    struct clearing clearing = {.namespace_id = namespace_id};
    struct lt_namespace_usage usage = {.space.id = 0};
    if (namespace_id == 0)
        return LT_EPARAM;
    (void)lt_store_flush(store);
    if (!lt_namespace_list(store, namespace_id, &usage, 1) || usage.space.id != namespace_id)
        usage.entries = 0;
    return evict_share(store, apply_evict_of, &clearing, usage.entries, share, ret_evicted);
}

/* --- everything --- */

/* Which namespace a refined latent is of its key does not tell, so all of them go: they are made again. */
static int end_emptying(struct lt_store *store, MDB_txn *transaction, uint32_t namespace_id)
{
    int code = lt_refined_clear(&store->environment, transaction);
    return code ? code : lt_pins_drop(store, transaction, namespace_id);
}

/* `public` keeps no list of what is its own, so all latents are walked over. */
static int apply_empty_public(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct clearing *clearing = context;
    struct lt_table_walk walk;
    struct lt_record_head head;
    struct lt_span_key found[REMOVALS_MAX / 8], key;
    MDB_val record;
    size_t count = 0, looks = 0;
    int code = lt_table_walk_begin(&store->environment, transaction, clearing->begun ? &clearing->after : NULL, &walk);
    if (code)
        return code;
    while (count < sizeof found / sizeof *found && looks++ < LOOKS_MAX && code == LT_OK) {
        code = lt_table_walk_next(&walk, &key, &record);
        if (code == LT_OK) {
            clearing->after = key;
            clearing->begun = true;
            if (!lt_record_head(record.mv_data, record.mv_size, &head) || head.namespace_id == 0)
                found[count++] = key;
        }
    }
    lt_table_walk_end(&walk);
    clearing->ended = code == LT_ENOTFOUND;
    if (clearing->ended)
        code = end_emptying(store, transaction, 0);
    for (size_t i = 0; i < count && code == LT_OK; i++)
        code = lt_table_remove(store, transaction, &found[i]);
    clearing->removed = count;
    return code;
}

static int apply_empty(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct clearing *clearing = context;
    int code = lt_namespace_empty(store, transaction, clearing->namespace_id, REMOVALS_MAX, &clearing->removed);
    clearing->ended = clearing->removed < REMOVALS_MAX;
    return code == LT_OK && clearing->ended ? end_emptying(store, transaction, clearing->namespace_id) : code;
}

static void empty_committed(struct lt_store *store, void *context)
{
    const struct clearing *clearing = context;
    if (clearing->ended)
        lt_pins_dropped(store, clearing->namespace_id);
}

int lt_store_empty(struct lt_store *store, uint32_t namespace_id, uint64_t *ret_removed)
{
    struct clearing clearing = {.namespace_id = namespace_id};
    uint64_t removed = 0;
    while (!clearing.ended) {
        int code = run(store, namespace_id ? apply_empty : apply_empty_public, empty_committed, &clearing);
        if (code)
            return code;
        removed += clearing.removed;
    }
    *ret_removed = removed;
    return LT_OK;
}

static int apply_clear(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct clearing *clearing = context;
    uint64_t bytes;
    int code = lt_environment_used(&store->environment, transaction, &bytes, &clearing->removed);
    if (code == LT_OK)
        code = lt_table_clear(store, transaction);
    return code == LT_OK ? lt_pins_drop(store, transaction, UINT32_MAX) : code;
}

static void clear_committed(struct lt_store *store, void *context)
{
    (void)context;
    lt_pins_dropped(store, UINT32_MAX);
    lt_eviction_forget(&store->eviction);
}

int lt_store_clear(struct lt_store *store, uint64_t *ret_removed)
{
    struct clearing clearing = {.wanted = 0};
    int code = run(store, apply_clear, clear_committed, &clearing);
    if (code == LT_OK)
        *ret_removed = clearing.removed;
    return code;
}
