#include "storage/namespaces.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#include "proto/alloc.h"
#include "storage/documents.h"
#include "storage/orders.h"
#include "storage/refined.h"
#include "storage/removal.h"
#include "storage/state.h"

#define REMOVALS_MAX 4096         /* latents in one transaction */
#define DOCUMENT_REMOVALS_MAX 256 /* documents and parts, of some 100 KiB each */

static const char next_name[] = "next_namespace"; /* in the database `meta`: u32 */

const char *lt_namespace_counter_name(enum lt_namespace_counter counter)
{
    static const char *const names[LT_NAMESPACE_COUNTERS] = {
        [LT_NAMESPACE_HITS_MEMORY] = "hits_memory",
        [LT_NAMESPACE_HITS_DISK] = "hits_disk",
        [LT_NAMESPACE_HITS_JOINED] = "hits_joined",
        [LT_NAMESPACE_MISSES_NEW] = "misses_new",
        [LT_NAMESPACE_MISSES_EVICTED] = "misses_evicted",
        [LT_NAMESPACE_MISSES_CORRUPT] = "misses_corrupt",
        [LT_NAMESPACE_MISSES_EXPIRED] = "misses_expired",
        [LT_NAMESPACE_MISSES_ENCODER] = "misses_encoder",
        [LT_NAMESPACE_EVICTED] = "evicted",
        [LT_NAMESPACE_REFUSED] = "refused",
        [LT_NAMESPACE_HITS_REMOTE] = "hits_remote",
    };
    return names[counter];
}

/* --- looking --- */

static struct lt_ledger_entry *find_name(const struct lt_ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (strcmp(ledger->entries[i]->space.name, name) == 0)
            return ledger->entries[i];
    return NULL;
}

static int copy_space(struct lt_ledger *ledger, const struct lt_ledger_entry *entry, struct lt_namespace *ret_space)
{
    if (entry)
        *ret_space = entry->space;
    pthread_rwlock_unlock(&ledger->lock);
    return entry ? LT_OK : LT_ENOTFOUND;
}

int lt_namespace_find(struct lt_store *store, const char *name, struct lt_namespace *ret_space)
{
    pthread_rwlock_rdlock(&store->ledger.lock);
    return copy_space(&store->ledger, find_name(&store->ledger, name), ret_space);
}

int lt_namespace_find_id(struct lt_store *store, uint32_t id, struct lt_namespace *ret_space)
{
    pthread_rwlock_rdlock(&store->ledger.lock);
    return copy_space(&store->ledger, lt_ledger_find(&store->ledger, id), ret_space);
}

size_t lt_namespace_list(struct lt_store *store, uint32_t from, struct lt_namespace_usage *ret_usages, size_t most)
{
    struct lt_ledger *ledger = &store->ledger;
    size_t count = 0;
    pthread_rwlock_rdlock(&ledger->lock);
    for (size_t i = 0; i < ledger->count && count < most; i++) {
        struct lt_ledger_entry *entry = ledger->entries[i];
        if (entry->space.id < from)
            continue;
        struct lt_namespace_usage *usage = &ret_usages[count++];
        usage->space = entry->space;
        usage->entries = atomic_load(&entry->entries_kept);
        usage->bytes = atomic_load(&entry->bytes_kept);
        for (size_t c = 0; c < LT_NAMESPACE_COUNTERS; c++) {
            usage->counts[c] = atomic_load(&entry->counts[c]);
            usage->lifetime[c] = atomic_load(&entry->lifetime[c]);
        }
    }
    pthread_rwlock_unlock(&ledger->lock);
    return count;
}

void lt_namespace_count(struct lt_store *store, uint32_t id, const uint64_t amounts[LT_NAMESPACE_COUNTERS])
{
    pthread_rwlock_rdlock(&store->ledger.lock);
    struct lt_ledger_entry *entry = lt_ledger_find(&store->ledger, id);
    for (int i = 0; entry && i < LT_NAMESPACE_COUNTERS; i++)
        if (amounts[i])
            lt_ledger_count(entry, (enum lt_namespace_counter)i, amounts[i]);
    pthread_rwlock_unlock(&store->ledger.lock);
}

/* --- making and changing --- */

struct putting {
    const char *name;
    const struct lt_namespace_settings *settings;
    struct lt_namespace space;
    struct lt_ledger_entry *entry; /* of a new one, until the ledger has it */
    bool created;
};

/* The number of a new namespace: it was never given before. */
static int take_number(const struct lt_environment *environment, MDB_txn *transaction, uint32_t *ret_id)
{
    MDB_val name = {sizeof next_name - 1, (void *)next_name}, value;
    uint32_t id = htole32(1);
    int code = lt_store_format_code(mdb_get(transaction, environment->meta, &name, &value));
    if (code == LT_OK && value.mv_size == sizeof id)
        memcpy(&id, value.mv_data, sizeof id);
    if (code && code != LT_ENOTFOUND)
        return code;
    *ret_id = le32toh(id);
    id = htole32(*ret_id + 1);
    value = (MDB_val){sizeof id, &id};
    return lt_store_format_code(mdb_put(transaction, environment->meta, &name, &value, 0));
}

static int make_space(const struct lt_store *store, MDB_txn *transaction, struct putting *putting)
{
    struct lt_namespace *space = &putting->space;
    if (store->ledger.count == LT_NAMESPACES_MAX)
        return LT_EFULL;
    putting->entry = lt_calloc(1, sizeof *putting->entry);
    if (!putting->entry)
        return LT_ENOMEM;
    putting->created = true;
    strcpy(space->name, putting->name);
    space->salt_bytes = LT_NAMESPACE_SALT_BYTES;
    randombytes_buf(space->salt, sizeof space->salt);
    return take_number(&store->environment, transaction, &space->id);
}

static int apply_put(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct putting *putting = context;
    const struct lt_namespace_settings *settings = putting->settings;
    const struct lt_ledger_entry *known = find_name(&store->ledger, putting->name);
    int code = LT_OK;
    if (known)
        putting->space = known->space;
    else
        code = make_space(store, transaction, putting);
    if (settings->quota_bytes)
        putting->space.quota_bytes = *settings->quota_bytes;
    if (settings->ttl_seconds)
        putting->space.ttl_seconds = *settings->ttl_seconds;
    return code ? code : lt_ledger_write_space(&store->environment, transaction, &putting->space);
}

static void put_committed(struct lt_store *store, void *context)
{
    struct putting *putting = context;
    struct lt_ledger *ledger = &store->ledger;
    pthread_rwlock_wrlock(&ledger->lock);
    if (putting->created) { /* numbers rise, so it is the last; apply_put has seen that there is room */
        putting->entry->space = putting->space;
        ledger->entries[ledger->count++] = putting->entry;
        putting->entry = NULL;
    } else {
        lt_ledger_find(ledger, putting->space.id)->space = putting->space;
    }
    pthread_rwlock_unlock(&ledger->lock);
}

int lt_namespace_put(struct lt_store *store, const char *name, const struct lt_namespace_settings *settings,
                     struct lt_namespace *ret_space, bool *ret_created, struct lt_error *error)
{
    struct putting putting = {.name = name, .settings = settings};
    struct lt_order order = {.apply = apply_put, .committed = put_committed, .context = &putting};
    if (strcmp(name, LT_NAMESPACE_PUBLIC) == 0 && settings->quota_bytes)
        return lt_fail(error, LT_EPARAM, "the namespace %s has no quota but the budget of the whole store", name);
    int code = lt_order_run(store, &order);
    lt_free(putting.entry);
    if (code == LT_EFULL && store->ledger.count == LT_NAMESPACES_MAX)
        return lt_fail(error, code, "there are %d namespaces already", LT_NAMESPACES_MAX);
    if (code)
        return lt_fail_code(error, code);
    *ret_space = putting.space;
    *ret_created = putting.created;
    return LT_OK;
}

/* --- removing --- */

struct removing {
    struct lt_namespace space;
    uint64_t removed; /* by the last order */
    bool whole;       /* nothing is left, and the entry is gone */
};

static int apply_remove(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct removing *removing = context;
    uint64_t documents = 0;
    int code = lt_namespace_empty(store, transaction, removing->space.id, REMOVALS_MAX, &removing->removed);
    removing->whole = removing->removed < REMOVALS_MAX;
    if (code == LT_OK && removing->whole) {
        code =
            lt_documents_empty(&store->environment, transaction, removing->space.id, DOCUMENT_REMOVALS_MAX, &documents);
        removing->whole = documents < DOCUMENT_REMOVALS_MAX;
    }
    if (code == LT_OK && removing->whole)
        code = lt_refined_clear(&store->environment, transaction); /* their keys do not tell whose they are */
    if (code == LT_OK && removing->whole)
        code = lt_pins_drop(store, transaction, removing->space.id);
    if (code == LT_OK && removing->whole)
        code = lt_ledger_remove_space(&store->environment, transaction, &removing->space);
    return code;
}

static void remove_committed(struct lt_store *store, void *context)
{
    const struct removing *removing = context;
    struct lt_ledger *ledger = &store->ledger;
    size_t at = 0;
    if (!removing->whole)
        return;
    lt_pins_dropped(store, removing->space.id);
    pthread_rwlock_wrlock(&ledger->lock);
    while (at < ledger->count && ledger->entries[at]->space.id != removing->space.id)
        at++;
    if (at < ledger->count) {
        lt_free(ledger->entries[at]);
        for (ledger->count--; at < ledger->count; at++)
            ledger->entries[at] = ledger->entries[at + 1];
    }
    pthread_rwlock_unlock(&ledger->lock);
}

int lt_namespace_remove(struct lt_store *store, const char *name, uint64_t *ret_removed, struct lt_error *error)
{
    struct removing removing = {.whole = false};
    uint64_t removed = 0;
    if (strcmp(name, LT_NAMESPACE_PUBLIC) == 0)
        return lt_fail(error, LT_EPARAM, "the namespace %s cannot be removed; flush empties it", name);
    if (lt_namespace_find(store, name, &removing.space) != LT_OK)
        return lt_fail(error, LT_ENOTFOUND, "there is no namespace '%s'; namespace.list lists them", name);
    while (!removing.whole) {
        struct lt_order order = {.apply = apply_remove, .committed = remove_committed, .context = &removing};
        int code = lt_order_run(store, &order);
        if (code)
            return lt_fail_code(error, code);
        removed += removing.removed;
    }
    *ret_removed = removed;
    return LT_OK;
}
