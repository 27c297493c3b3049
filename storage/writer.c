/* The writer: the only thread that writes to LMDB. It waits until something was put, lets a group gather for
 * commit_milliseconds or commit_bytes, and writes it in one transaction: first changes to documents, then
 * eviction, so that the budget holds before latents are added, then the records, then the lifetime counters. One
 * commit, and with it one fsync, serves the whole group.
 *
 * A group that cannot be written (a full disk, say) is dropped and counted: its latents will be encoded again. The next
 * group tries anew. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "proto/alloc.h"
#include "proto/record.h"
#include "storage/changes_queue.h"
#include "storage/orders.h"
#include "storage/refined.h"
#include "storage/removal.h"
#include "storage/state.h"

#define LIFETIME_SECONDS 1
#define GROUP_PAGES 16 /* that a group may begin, besides those that its records fill */

static const char lifetime_name[] = "lifetime";

/* --- state --- */

int lt_writer_read_state(struct lt_store *store)
{
    MDB_txn *transaction;
    uint64_t bytes, entries;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    MDB_val name = {sizeof lifetime_name - 1, (void *)lifetime_name}, value;
    if (mdb_get(transaction, store->environment.stats, &name, &value) == MDB_SUCCESS)
        for (size_t i = 0; i < LT_LIFETIME_COUNTERS && 8 * (i + 1) <= value.mv_size; i++) {
            uint64_t counter;
            memcpy(&counter, (const uint8_t *)value.mv_data + 8 * i, sizeof counter);
            atomic_store(&store->lifetime[i], le64toh(counter));
        }
    code = lt_environment_used(&store->environment, transaction, &bytes, &entries);
    if (code == LT_OK) {
        atomic_store(&store->bytes, bytes);
        atomic_store(&store->entries, entries);
    }
    mdb_txn_abort(transaction);
    return code;
}

static int write_lifetime(struct lt_store *store, MDB_txn *transaction)
{
    uint64_t counters[LT_LIFETIME_COUNTERS];
    for (size_t i = 0; i < LT_LIFETIME_COUNTERS; i++)
        counters[i] = htole64(atomic_load(&store->lifetime[i]));
    MDB_val name = {sizeof lifetime_name - 1, (void *)lifetime_name}, value = {sizeof counters, counters};
    return lt_store_format_code(mdb_put(transaction, store->environment.stats, &name, &value, 0));
}

/* --- one group --- */

/* Adds a latent under a key that has none. */
static int add_entry(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry)
{
    int code = lt_eviction_add(&store->eviction, &store->queues, &store->environment, transaction, &entry->key,
                               entry->record, entry->bytes);
    return code ? code
                : lt_ledger_add(&store->ledger, &store->environment, transaction, &entry->key, entry->record,
                                entry->bytes);
}

/* Puts a latent in the place of what lies there, be it of the same key or of another that begins alike. */
static int replace_entry(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry,
                         uint64_t place, const MDB_val *old)
{
    struct lt_record record;
    struct lt_span_key key = entry->key;
    if (lt_record_read(old->mv_data, old->mv_size, &record) == LT_OK)
        memcpy(key.bytes, record.key, sizeof key.bytes);
    int code = lt_ledger_drop(&store->ledger, &store->environment, transaction, &key, old->mv_data, old->mv_size);
    if (code == LT_OK)
        code = lt_queues_replace(&store->environment, transaction, place, entry->record, entry->bytes);
    return code ? code
                : lt_ledger_add(&store->ledger, &store->environment, transaction, &entry->key, entry->record,
                                entry->bytes);
}

/* Whether the latent's namespace has it: not if it is gone, or has a quota in which no room can be made. */
static int admit(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry)
{
    struct lt_record_head head;
    if (!lt_record_head(entry->record, entry->bytes, &head))
        return LT_EINTERNAL;
    struct lt_ledger_entry *space = lt_ledger_find(&store->ledger, head.namespace_id);
    if (!space)
        return LT_ENOTFOUND;
    int code = lt_quota_make_room(store, transaction, space, entry->bytes);
    if (code == LT_EFULL && space->space.quota_bytes) {
        lt_ledger_count(space, LT_NAMESPACE_REFUSED, 1);
        return LT_ENOTFOUND;
    }
    return code;
}

/* Stores one latent. One that is there already stays, unless a lookup would not take it or it is to be replaced. */
static int write_entry(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry)
{
    MDB_val old;
    uint64_t place;
    int code = lt_queues_find(&store->environment, transaction, &entry->key, &place);
    if (code == LT_OK)
        code = lt_queues_read_place(&store->environment, transaction, place, &old);
    if (code == LT_OK)
        return !entry->replaces && lt_record_serves(&entry->key, old.mv_data, old.mv_size, entry->type,
                                                    entry->dimension, (uint32_t)time(NULL))
                   ? LT_OK
                   : replace_entry(store, transaction, entry, place, &old);
    if (code == LT_ENOTFOUND)
        code = admit(store, transaction, entry);
    if (code)
        return code == LT_ENOTFOUND ? LT_OK : code;
    return add_entry(store, transaction, entry);
}

/* Writes `count` entries from `entry` on. The last one's link is not touched: the queue may be growing there. */
static int write_entries(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry,
                         size_t count)
{
    int code = LT_OK;
    for (; count && code == LT_OK; count--) {
        code = write_entry(store, transaction, entry);
        if (count > 1)
            entry = entry->next_queued;
    }
    return code;
}

static uint64_t group_cost(const struct lt_store *store, const struct lt_pending_entry *entry, size_t count)
{
    uint64_t cost = GROUP_PAGES * store->environment.page_bytes;
    for (; count; count--) {
        cost += lt_queues_cost(&store->environment, entry->bytes);
        if (count > 1)
            entry = entry->next_queued;
    }
    return cost;
}

int lt_writer_commit(struct lt_store *store, MDB_txn *transaction)
{
    uint64_t used = 0, entries = 0;
    struct lt_gone *gone = &store->gone;
    int code = lt_environment_check_file(&store->environment);
    if (code == LT_OK)
        code = lt_environment_used(&store->environment, transaction, &used, &entries);
    if (code) {
        lt_writer_abort(store, transaction);
        return code;
    }
    code = lt_store_format_code(mdb_txn_commit(transaction));
    if (code == LT_OK) {
        atomic_store(&store->bytes, used);
        atomic_store(&store->entries, entries);
        atomic_fetch_add(&store->commits, 1);
        if (gone->all)
            lt_memory_clear(&store->memory);
        else if (gone->count)
            lt_memory_drop(&store->memory, gone->keys, gone->count);
    }
    gone->count = 0;
    gone->all = false;
    return code;
}

void lt_writer_abort(struct lt_store *store, MDB_txn *transaction)
{
    mdb_txn_abort(transaction);
    store->gone.count = 0;
    store->gone.all = false;
}

static int write_group(struct lt_store *store, const struct lt_pending_entry *first, size_t count,
                       struct lt_changes *changes)
{
    MDB_txn *transaction;
    uint32_t now = (uint32_t)time(NULL);
    uint64_t refined_age = atomic_load(&store->refined_age);
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, 0, &transaction));
    if (code)
        return code;
    lt_changes_apply(store, transaction, changes); /* first, since one that fails must cost no latent its place */
    if (refined_age != atomic_load(&store->refined_age_stored))
        code = lt_refined_clear(&store->environment, transaction);
    if (lt_sweep_due(store, now) && code == LT_OK)
        code = lt_sweep(store, transaction, now);
    if ((count || changes) && code == LT_OK)
        code = lt_eviction_make_room(&store->eviction, &store->queues, &store->ledger, &store->environment, transaction,
                                     store->options.budget_bytes, group_cost(store, first, count));
    if (code == LT_OK)
        code = write_entries(store, transaction, first, count);
    if (code == LT_OK)
        code = lt_ledger_write(&store->ledger, &store->environment, transaction);
    if (code == LT_OK)
        code = write_lifetime(store, transaction);
    if (code)
        lt_writer_abort(store, transaction);
    else
        code = lt_writer_commit(store, transaction);
    if (code == LT_OK)
        atomic_store(&store->refined_age_stored, refined_age);
    lt_ledger_finish(&store->ledger, code == LT_OK);
    return code;
}

/* --- waiting --- */

static struct timespec from_now(long milliseconds)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += milliseconds / 1000;
    when.tv_nsec += milliseconds % 1000 * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

static bool is_counted(struct lt_store *store)
{
    return atomic_load(&store->lifetime_changed) || lt_ledger_counted(&store->ledger);
}

/* Waits for work; false when there is none and the store is closing. Called and returns with the mutex held. */
static bool wait_for_work(struct lt_store *store)
{
    while (!store->pending.first && !store->orders && !store->changes && !store->stopping) {
        struct timespec when = from_now(1000 * LIFETIME_SECONDS);
        int code = pthread_cond_timedwait(&store->work, &store->mutex, &when);
        if (code == ETIMEDOUT && (is_counted(store) || lt_sweep_due(store, (uint32_t)time(NULL))))
            return true;
    }
    return store->pending.first || store->orders || store->changes || is_counted(store);
}

/* Lets more join the group. */
static void gather(struct lt_store *store)
{
    if (store->options.durability == LT_DURABILITY_SYNC || !store->pending.first)
        return;
    struct timespec when = from_now((long)store->options.commit_milliseconds);
    while (!store->stopping && !store->flushers && !store->changes &&
           store->pending.bytes < store->options.commit_bytes && store->pending.count < LT_GROUP_RECORDS_MAX)
        if (pthread_cond_timedwait(&store->work, &store->mutex, &when) == ETIMEDOUT)
            return;
}

void *lt_writer_run(void *context)
{
    struct lt_store *store = context;
    pthread_mutex_lock(&store->mutex);
    while (wait_for_work(store)) {
        gather(store);
        const struct lt_pending_entry *first = store->pending.first;
        size_t count = store->pending.count < LT_GROUP_RECORDS_MAX ? store->pending.count : LT_GROUP_RECORDS_MAX;
        struct lt_changes *changes = lt_changes_take(store, count);
        store->groups_taken++;
        store->writing = count;
        bool idle =
            !count && !changes && !is_counted(store) && !lt_sweep_due(store, (uint32_t)time(NULL)); /* orders only */
        bool counted = atomic_exchange(&store->lifetime_changed, false);
        pthread_mutex_unlock(&store->mutex);

        int code = idle ? LT_OK : write_group(store, first, count, changes);
        if (code == LT_EFULL) { /* perhaps old pages wait for a reader that is no more */
            lt_store_check_readers(store);
            code = write_group(store, first, count, changes);
        }
        if (code) {
            atomic_store(&store->write_error, code);
            atomic_fetch_add(&store->write_failures, 1);
            if (counted)
                atomic_store(&store->lifetime_changed, true);
        }

        lt_changes_finish(changes, code);

        pthread_mutex_lock(&store->mutex);
        lt_pending_pop(&store->pending, count);
        lt_changes_advance(store, count);
        store->writing = 0;
        store->groups_finished = store->groups_taken;
        pthread_cond_broadcast(&store->done);
        lt_orders_run_waiting(store);
        if (code && store->stopping && !store->pending.first && !store->changes)
            break; /* what is left are counters that cannot be written */
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}
