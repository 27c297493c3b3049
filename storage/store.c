#include "storage/store.h"

#include <string.h>
#include <time.h>

#include "proto/alloc.h"
#include "proto/record.h"
#include "storage/state.h"

#define AT_ONCE 64
#define CACHE_LINE 64

const char *lt_lookup_name(enum lt_lookup lookup)
{
    static const char *const names[] = {
        [LT_LOOKUP_MISS_NEW] = "new",         [LT_LOOKUP_MISS_EVICTED] = "evicted",
        [LT_LOOKUP_MISS_CORRUPT] = "corrupt", [LT_LOOKUP_MISS_EXPIRED] = "expired",
        [LT_LOOKUP_MISS_ENCODER] = "encoder", [LT_LOOKUP_HIT_MEMORY] = "memory",
        [LT_LOOKUP_HIT_DISK] = "disk",        [LT_LOOKUP_HIT_REMOTE] = "remote",
    };
    return names[lookup];
}

/* --- open and close --- */

static void free_store(struct lt_store *store)
{
    lt_readers_finish(&store->readers);
    lt_environment_close(&store->environment);
    lt_pending_finish(&store->pending);
    lt_eviction_finish(&store->eviction);
    lt_ledger_destroy(&store->ledger);
    lt_gone_finish(&store->gone);
    pthread_rwlock_destroy(&store->ledger.lock);
    pthread_rwlock_destroy(&store->ledger.pins.lock);
    lt_memory_finish(&store->memory);
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
    store->options.encoders = NULL;
    store->environment.lock = -1;
    init_locks(store);
    int code = lt_pending_init(&store->pending);
    if (code == LT_OK)
        code = lt_eviction_init(&store->eviction, options->budget_bytes);
    if (code == LT_OK)
        code = lt_memory_init(&store->memory, options->memory_bytes, options->memory_payload_bytes);
    code = code ? lt_fail_code(error, code) : lt_environment_open(options, &store->environment, error);
    if (code == LT_OK)
        code = lt_ledger_init(&store->ledger, &store->environment, error);
    if (code)
        goto failed;
    code = lt_queues_init(&store->queues, &store->environment);
    if (code == LT_OK)
        code = lt_encoders_init(&store->encoders, &store->environment, options->encoders, options->encoder_count);
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
    if (lt_record_read(data, bytes, &record) != LT_OK)
        return LT_LOOKUP_MISS_CORRUPT;
    if (!lt_record_has_key(&record, &latent->key) || record.type != latent->type ||
        record.dimension != latent->dimension)
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

/* Looks at what is kept in memory. Returns how many were found. */
static size_t get_kept(struct lt_store *store, struct lt_latent *latents, size_t count, uint32_t now,
                       enum lt_lookup *ret_lookups)
{
    size_t found = lt_memory_get(&store->memory, latents, count, now, ret_lookups);
    for (size_t i = 0; found && i < count; i++)
        if (lt_lookup_is_hit(ret_lookups[i]))
            lt_eviction_spare(&store->eviction, &latents[i].key);
    return found;
}

/* Looks at what waits for the writer. Returns how many were found. */
static size_t get_pending(struct lt_store *store, struct lt_latent *latents, size_t count, uint32_t now,
                          enum lt_lookup *ret_lookups)
{
    size_t found = 0;
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count && store->pending.count; i++) {
        if (lt_lookup_is_hit(ret_lookups[i]))
            continue;
        const struct lt_pending_entry *entry = lt_pending_find(&store->pending, &latents[i].key);
        if (entry)
            ret_lookups[i] = read_record(entry->record, entry->bytes, now, LT_LOOKUP_HIT_MEMORY, &latents[i]);
        found += lt_lookup_is_hit(ret_lookups[i]);
    }
    pthread_mutex_unlock(&store->mutex);
    return found;
}

/* When a look began. */
struct look {
    uint32_t now;
    uint64_t age; /* of what is kept in memory */
};

static enum lt_lookup read_stored(struct lt_store *store, uint64_t place, const MDB_val *value, const struct look *look,
                                  struct lt_latent *latent)
{
    if (!value->mv_data)
        return lt_eviction_remembers(&store->eviction, &latent->key) ? LT_LOOKUP_MISS_EVICTED : LT_LOOKUP_MISS_NEW;
    enum lt_lookup lookup = read_record(value->mv_data, value->mv_size, look->now, LT_LOOKUP_HIT_DISK, latent);
    if (lookup == LT_LOOKUP_HIT_DISK && lt_eviction_visit(&store->eviction, place))
        lt_memory_keep(&store->memory, latent, look->age); /* not the first time: it may well be asked for again */
    else if (lookup == LT_LOOKUP_MISS_CORRUPT)
        atomic_fetch_add(&store->corrupt, 1);
    return lookup;
}

/* Looks up to AT_ONCE latents up on disk, but for those that were found before. First all are found, then read: memory
 * is slow, and so it has time to bring what is read. */
static void get_stored(struct lt_store *store, struct lt_reader *reader, struct lt_latent *latents, size_t count,
                       const struct look *look, enum lt_lookup *lookups)
{
    uint64_t places[AT_ONCE] = {0};
    MDB_val values[AT_ONCE] = {{0}};
    for (size_t i = 0; i < count; i++) {
        if (lt_lookup_is_hit(lookups[i]))
            continue;
        if (lt_reader_find(reader, &store->environment, &latents[i].key, &places[i], &values[i]) != LT_OK)
            values[i] = (MDB_val){0, NULL};
        for (size_t byte = 0; byte < values[i].mv_size; byte += CACHE_LINE)
            __builtin_prefetch((const uint8_t *)values[i].mv_data + byte);
    }
    for (size_t i = 0; i < count; i++) {
        if (lt_lookup_is_hit(lookups[i]))
            continue;
        enum lt_lookup stored = read_stored(store, places[i], &values[i], look, &latents[i]);
        if (stored != LT_LOOKUP_MISS_NEW)
            lookups[i] = stored;
    }
}

bool lt_store_get_in_memory(struct lt_store *store, struct lt_latent *latents, size_t count,
                            enum lt_lookup *ret_lookups)
{
    for (size_t i = 0; i < count; i++)
        ret_lookups[i] = LT_LOOKUP_MISS_NEW;
    return get_kept(store, latents, count, seconds_now(), ret_lookups) == count;
}

int lt_store_get(struct lt_store *store, struct lt_latent *latents, size_t count, enum lt_lookup *ret_lookups)
{
    struct lt_reader *reader;
    const struct look look = {seconds_now(), lt_memory_age(&store->memory)};
    uint32_t now = look.now;
    for (size_t i = 0; i < count; i++)
        ret_lookups[i] = LT_LOOKUP_MISS_NEW;
    size_t found = get_kept(store, latents, count, now, ret_lookups);
    /* Pending before the disk: an entry leaves it only after its commit, which a transaction begun later sees. */
    if (found < count)
        found += get_pending(store, latents, count, now, ret_lookups);
    if (found == count)
        return LT_OK;
    int code = lt_reader_begin(&store->readers, &store->environment, &reader);
    if (code)
        return code;
    for (size_t first = 0; first < count; first += AT_ONCE)
        get_stored(store, reader, latents + first, count - first < AT_ONCE ? count - first : AT_ONCE, &look,
                   ret_lookups + first);
    lt_reader_end(&store->readers, reader);
    return LT_OK;
}

void lt_store_spare(struct lt_store *store, const struct lt_span_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lt_eviction_spare(&store->eviction, &keys[i]);
}

void lt_store_holds(struct lt_store *store, const struct lt_span_key *keys, size_t count, bool *ret_holds)
{
    struct lt_reader *reader;
    memset(ret_holds, 0, count * sizeof *ret_holds);
    if (lt_reader_begin(&store->readers, &store->environment, &reader) != LT_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t place;
        MDB_val record;
        struct lt_span_key key;
        if (lt_reader_find(reader, &store->environment, &keys[i], &place, &record) != LT_OK)
            continue;
        lt_record_claimed_key(record.mv_data, record.mv_size, &key);
        ret_holds[i] = memcmp(&key, &keys[i], sizeof key) == 0;
    }
    lt_reader_end(&store->readers, reader);
}

size_t lt_store_encoders(const struct lt_store *store, const uint8_t (**ret_fingerprints)[LT_FINGERPRINT_BYTES])
{
    *ret_fingerprints = store->encoders.fingerprints;
    return store->encoders.count;
}

/* --- put --- */

static int queue_latent(struct lt_store *store, const struct lt_latent *latent, uint32_t now, bool replaces)
{
    if (!lt_record_bytes(latent))
        return LT_EPARAM;
    const struct lt_pending_entry *waiting = lt_pending_find(&store->pending, &latent->key);
    if (waiting && !replaces &&
        lt_record_serves(&latent->key, waiting->record, waiting->bytes, latent->type, latent->dimension, now))
        return LT_OK;
    if (store->pending.count == LT_WRITER_QUEUE_MAX)
        return LT_EBUSY;
    struct lt_latent dated = *latent;
    dated.created = latent->created ? latent->created : now;
    struct lt_pending_entry *entry = lt_pending_entry_create(&dated);
    if (!entry)
        return LT_ENOMEM;
    entry->replaces = replaces;
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
        code = queue_latent(store, &latents[queued], now, false);
    if (first || store->pending.bytes >= store->options.commit_bytes)
        pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    if (ret_queued)
        *ret_queued = queued;
    return code;
}

int lt_store_replace(struct lt_store *store, const struct lt_latent *latent)
{
    pthread_mutex_lock(&store->mutex);
    int code = queue_latent(store, latent, seconds_now(), true);
    atomic_fetch_add(&store->refined_age, 1);
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    /* Last: whoever read the wrong one before keeps it no more, and whoever reads from now on finds the new one. */
    if (code == LT_OK)
        lt_memory_drop(&store->memory, &latent->key, 1);
    return code;
}

int lt_store_flush(struct lt_store *store)
{
    uint64_t failures = atomic_load(&store->write_failures);
    pthread_mutex_lock(&store->mutex);
    /* What waits now is written by the next so many groups, since none leaves room unused. */
    size_t waiting = store->pending.count - store->writing;
    uint64_t groups = (waiting + LT_GROUP_RECORDS_MAX - 1) / LT_GROUP_RECORDS_MAX;
    uint64_t target = store->groups_taken + (groups == 0 && store->changes ? 1 : groups);
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
        .memory_entries = lt_memory_entries(&store->memory),
        .waiting = waiting,
        .evictions = atomic_load(&store->eviction.count),
        .corrupt = atomic_load(&store->corrupt),
        .commits = atomic_load(&store->commits),
        .write_failures = atomic_load(&store->write_failures),
        .write_error = atomic_load(&store->write_error),
    };
}

void lt_store_check_readers(struct lt_store *store)
{
    int dead;
    mdb_reader_check(store->environment.env, &dead);
}
