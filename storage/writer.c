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

/* Whether a lookup would take what lies at the place. LT_ENOTFOUND: nothing lies there. */
static int check_stored(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry,
                        uint64_t place, bool *ret_serves)
{
    MDB_cursor *cursor;
    MDB_val value;
    int code =
        lt_store_format_code(mdb_cursor_open(transaction, store->environment.queues[lt_place_queue(place)], &cursor));
    if (code)
        return code;
    code = lt_queues_read(cursor, place, &value);
    if (code == LT_OK)
        *ret_serves = lt_record_serves(&entry->key, value.mv_data, value.mv_size, entry->type, entry->dimension,
                                       (uint32_t)time(NULL));
    mdb_cursor_close(cursor);
    return code;
}

/* Stores one latent. One that is there already stays, unless a lookup would not take it. */
static int write_entry(struct lt_store *store, MDB_txn *transaction, const struct lt_pending_entry *entry)
{
    uint64_t place;
    bool serves = false;
    int code = lt_queues_find(&store->environment, transaction, &entry->key, &place);
    if (code == LT_OK)
        code = check_stored(store, transaction, entry, place, &serves);
    if (code == LT_OK)
        return serves ? LT_OK : lt_queues_replace(&store->environment, transaction, place, entry->record, entry->bytes);
    if (code != LT_ENOTFOUND)
        return code;
    return lt_eviction_add(&store->eviction, &store->queues, &store->environment, transaction, &entry->key,
                           entry->record, entry->bytes);
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

static int write_group(struct lt_store *store, const struct lt_pending_entry *first, size_t count,
                       struct lt_changes *changes)
{
    MDB_txn *transaction;
    uint64_t used = 0, entries = 0;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, 0, &transaction));
    if (code)
        return code;
    lt_changes_apply(store, transaction, changes); /* first, since one that fails must cost no latent its place */
    if (count || changes)
        code = lt_eviction_make_room(&store->eviction, &store->queues, &store->environment, transaction,
                                     store->options.budget_bytes, group_cost(store, first, count));
    if (code == LT_OK)
        code = write_entries(store, transaction, first, count);
    if (code == LT_OK)
        code = write_lifetime(store, transaction);
    if (code == LT_OK)
        code = lt_environment_used(&store->environment, transaction, &used, &entries);
    if (code) {
        mdb_txn_abort(transaction);
        return code;
    }
    code = lt_store_format_code(mdb_txn_commit(transaction));
    if (code == LT_OK) {
        atomic_store(&store->bytes, used);
        atomic_store(&store->entries, entries);
        atomic_fetch_add(&store->commits, 1);
    }
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

/* Waits for work; false when there is none and the store is closing. Called and returns with the mutex held. */
static bool wait_for_work(struct lt_store *store)
{
    while (!store->pending.first && !store->changes && !store->stopping) {
        struct timespec when = from_now(1000 * LIFETIME_SECONDS);
        int code = pthread_cond_timedwait(&store->work, &store->mutex, &when);
        if (code == ETIMEDOUT && atomic_load(&store->lifetime_changed))
            return true;
    }
    return store->pending.first || store->changes || atomic_load(&store->lifetime_changed);
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
        bool counted = atomic_exchange(&store->lifetime_changed, false);
        pthread_mutex_unlock(&store->mutex);

        int code = write_group(store, first, count, changes);
        if (code == LT_EFULL) { /* perhaps old pages wait for a reader that is no more */
            lt_store_check_readers(store);
            code = write_group(store, first, count, changes);
        }
        if (code) {
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
        if (code && store->stopping && !store->pending.first && !store->changes)
            break; /* what is left are counters that cannot be written */
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}
