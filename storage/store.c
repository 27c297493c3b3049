#include "storage/store.h"

#include <string.h>
#include <time.h>

#include "proto/alloc.h"
#include "storage/record.h"
#include "storage/state.h"

const char *lt_lookup_name(enum lt_lookup lookup)
{
    static const char *const names[] = {
        [LT_LOOKUP_MISS_NEW] = "new",         [LT_LOOKUP_MISS_EVICTED] = "evicted",
        [LT_LOOKUP_MISS_CORRUPT] = "corrupt", [LT_LOOKUP_MISS_EXPIRED] = "expired",
        [LT_LOOKUP_HIT_MEMORY] = "memory",    [LT_LOOKUP_HIT_DISK] = "disk",
    };
    return names[lookup];
}

/* --- open and close --- */

static void free_store(struct lt_store *store)
{
    lt_environment_close(&store->environment);
    lt_pending_finish(&store->pending);
    lt_free(store->eviction);
    lt_ledger_destroy(&store->ledger);
    pthread_rwlock_destroy(&store->ledger.lock);
    pthread_rwlock_destroy(&store->ledger.pins.lock);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->done);
    pthread_mutex_destroy(&store->mutex);
    lt_free(store);
}

static void init_locks(struct lt_store *store)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_rwlock_init(&store->ledger.lock, NULL);
    pthread_rwlock_init(&store->ledger.pins.lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->work, &monotonic);
    pthread_cond_init(&store->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int lt_store_open(const struct lt_store_options *options, struct lt_store **ret_store, struct lt_error *error)
{
    struct lt_store *store = lt_calloc(1, sizeof *store);
    if (!store)
        return lt_fail_code(error, LT_ENOMEM);
    store->options = *options;
    store->options.path = NULL;
    store->environment.lock = -1;
    init_locks(store);
    store->eviction = lt_malloc(sizeof *store->eviction);
    int code = store->eviction && lt_pending_init(&store->pending) == LT_OK ? LT_OK : lt_fail_code(error, LT_ENOMEM);
    if (code == LT_OK)
        code = lt_environment_open(options, &store->environment, error);
    if (code == LT_OK)
        code = lt_ledger_init(&store->ledger, &store->environment, error);
    if (code)
        goto failed;
    code = lt_eviction_init(store->eviction, &store->environment);
    if (code == LT_OK)
        code = lt_writer_read_state(store);
    if (code == LT_OK && pthread_create(&store->writer, NULL, lt_writer_run, store) != 0)
        code = LT_ENOMEM;
    if (code) {
        lt_fail(error, code == LT_ENOMEM ? code : LT_ESTORE, "cannot read the store %s: %s", options->path,
                lt_error_message(code));
        code = code == LT_ENOMEM ? code : LT_ESTORE;
        goto failed;
    }
    *ret_store = store;
    return LT_OK;
failed:
    free_store(store);
    return code;
}

void lt_store_close(struct lt_store *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->writer, NULL);
    mdb_env_sync(store->environment.env, 1);
    free_store(store);
}

static uint32_t seconds_now(void)
{
    return (uint32_t)time(NULL);
}

/* --- get --- */

/* Fills the latent from a record: `hit`, or the miss that it is. */
static enum lt_lookup read_record(const void *data, size_t bytes, uint32_t now, enum lt_lookup hit,
                                  struct lt_latent *latent)
{
    struct lt_record record;
    if (lt_record_read(&latent->key, data, bytes, &record) != LT_OK)
        return LT_LOOKUP_MISS_CORRUPT;
    if (record.type != latent->type || record.dimension != latent->dimension)
        return LT_LOOKUP_MISS_NEW;
    if (lt_record_expired(&record, now))
        return LT_LOOKUP_MISS_EXPIRED;
    latent->namespace_id = record.namespace_id;
    latent->created = record.created;
    latent->expires = record.expires;
    latent->scale = record.scale;
    latent->token_count = record.token_count;
    lt_record_copy_payload(&record, latent->payload);
    return hit;
}

/* Looks at what waits for the writer. Returns how many were found. */
static size_t get_pending(struct lt_store *store, struct lt_latent *latents, size_t count, uint32_t now,
                          enum lt_lookup *ret_lookups)
{
    size_t found = 0;
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count && store->pending.count; i++) {
        const struct lt_pending_entry *entry = lt_pending_find(&store->pending, &latents[i].key);
        if (entry)
            ret_lookups[i] = read_record(entry->record, entry->bytes, now, LT_LOOKUP_HIT_MEMORY, &latents[i]);
        found += lt_lookup_is_hit(ret_lookups[i]);
    }
    pthread_mutex_unlock(&store->mutex);
    return found;
}

static enum lt_lookup get_stored(struct lt_store *store, MDB_txn *transaction, uint32_t now, struct lt_latent *latent)
{
    MDB_val name = {sizeof latent->key.bytes, latent->key.bytes}, value;
    int code = mdb_get(transaction, store->environment.latents, &name, &value);
    if (code == MDB_NOTFOUND)
        return lt_eviction_remembers(store->eviction, &latent->key) ? LT_LOOKUP_MISS_EVICTED : LT_LOOKUP_MISS_NEW;
    enum lt_lookup lookup =
        code ? LT_LOOKUP_MISS_CORRUPT : read_record(value.mv_data, value.mv_size, now, LT_LOOKUP_HIT_DISK, latent);
    if (lookup == LT_LOOKUP_HIT_DISK)
        lt_eviction_visit(store->eviction, &latent->key);
    else if (lookup == LT_LOOKUP_MISS_CORRUPT)
        atomic_fetch_add(&store->corrupt, 1);
    return lookup;
}

int lt_store_get(struct lt_store *store, struct lt_latent *latents, size_t count, enum lt_lookup *ret_lookups)
{
    MDB_txn *transaction;
    uint32_t now = seconds_now();
    for (size_t i = 0; i < count; i++)
        ret_lookups[i] = LT_LOOKUP_MISS_NEW;
    /* Pending first: an entry leaves it only after its commit, which a transaction begun later sees. */
    if (get_pending(store, latents, count, now, ret_lookups) == count)
        return LT_OK;
    int code = lt_environment_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (lt_lookup_is_hit(ret_lookups[i]))
            continue;
        enum lt_lookup stored = get_stored(store, transaction, now, &latents[i]);
        if (stored != LT_LOOKUP_MISS_NEW)
            ret_lookups[i] = stored;
    }
    mdb_txn_abort(transaction);
    return LT_OK;
}

/* --- put --- */

static int queue_latent(struct lt_store *store, const struct lt_latent *latent, uint32_t now)
{
    if (!lt_record_bytes(latent))
        return LT_EPARAM;
    const struct lt_pending_entry *waiting = lt_pending_find(&store->pending, &latent->key);
    if (waiting &&
        lt_record_serves(&latent->key, waiting->record, waiting->bytes, latent->type, latent->dimension, now))
        return LT_OK;
    if (store->pending.count == LT_WRITER_QUEUE_MAX)
        return LT_EBUSY;
    struct lt_latent dated = *latent;
    dated.created = latent->created ? latent->created : now;
    struct lt_pending_entry *entry = lt_pending_entry_create(&dated);
    if (!entry)
        return LT_ENOMEM;
    lt_pending_push(&store->pending, entry);
    return LT_OK;
}

int lt_store_put(struct lt_store *store, const struct lt_latent *latents, size_t count, size_t *ret_queued)
{
    int code = LT_OK;
    size_t queued = 0;
    uint32_t now = seconds_now();
    pthread_mutex_lock(&store->mutex);
    bool first = !store->pending.first;
    for (; queued < count && code == LT_OK; queued += code == LT_OK)
        code = queue_latent(store, &latents[queued], now);
    if (first || store->pending.bytes >= store->options.commit_bytes)
        pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    if (ret_queued)
        *ret_queued = queued;
    return code;
}

int lt_store_flush(struct lt_store *store)
{
    uint64_t failures = atomic_load(&store->write_failures);
    pthread_mutex_lock(&store->mutex);
    /* What waits now is written by the next so many groups, since none leaves room unused. */
    size_t waiting = store->pending.count - store->writing;
    uint64_t target = store->groups_taken + (waiting + LT_GROUP_RECORDS_MAX - 1) / LT_GROUP_RECORDS_MAX;
    store->flushers++;
    pthread_cond_signal(&store->work);
    while (store->groups_finished < target)
        pthread_cond_wait(&store->done, &store->mutex);
    store->flushers--;
    pthread_mutex_unlock(&store->mutex);
    return atomic_load(&store->write_failures) == failures ? LT_OK : LT_EIO;
}

/* --- counters --- */

void lt_store_lifetime_add(struct lt_store *store, unsigned index, uint64_t amount)
{
    atomic_fetch_add(&store->lifetime[index], amount);
    atomic_store(&store->lifetime_changed, true);
}

uint64_t lt_store_lifetime(const struct lt_store *store, unsigned index)
{
    return atomic_load(&store->lifetime[index]);
}

void lt_store_stats(struct lt_store *store, struct lt_store_stats *ret_stats)
{
    pthread_mutex_lock(&store->mutex);
    uint64_t waiting = store->pending.count;
    pthread_mutex_unlock(&store->mutex);
    *ret_stats = (struct lt_store_stats){
        .entries = atomic_load(&store->entries) + waiting,
        .bytes = atomic_load(&store->bytes),
        .budget_bytes = store->options.budget_bytes,
        .map_bytes = store->environment.map_bytes,
        .waiting = waiting,
        .evictions = atomic_load(&store->eviction->count),
        .corrupt = atomic_load(&store->corrupt),
        .commits = atomic_load(&store->commits),
        .write_failures = atomic_load(&store->write_failures),
    };
}

void lt_store_check_readers(struct lt_store *store)
{
    int dead;
    mdb_reader_check(store->environment.env, &dead);
}
