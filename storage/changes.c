/* A list of changes is one nested transaction of the group's: it is there wholly or not at all, and what becomes of it
 * does not touch the latents beside it. */
#include "storage/changes.h"

#include <string.h>

#include "proto/alloc.h"
#include "storage/changes_queue.h"
#include "storage/documents.h"
#include "storage/refined.h"
#include "storage/sealed.h"
#include "storage/state.h"

enum change_kind { WRITES, REMOVES, EXPECTS };

struct change {
    struct change *next;
    enum lt_database database;
    enum change_kind kind;
    size_t key_bytes, value_bytes;
    uint64_t checksum; /* that is expected */
    uint8_t bytes[];   /* key, then value */
};

struct lt_changes {
    struct lt_changes *next;
    struct change *first, **end;
    uint32_t space;
    uint64_t value_bytes; /* of all values */
    bool adds_documents, adds_refined;
    size_t latents_before; /* that wait and go first */
    int code;
    lt_changes_done done;
    void *context;
};

/* --- building --- */

struct lt_changes *lt_changes_create(uint32_t space)
{
    struct lt_changes *changes = lt_calloc(1, sizeof *changes);
    if (changes) {
        changes->end = &changes->first;
        changes->space = space;
    }
    return changes;
}

uint32_t lt_changes_space(const struct lt_changes *changes)
{
    return changes->space;
}

void lt_changes_destroy(struct lt_changes *changes)
{
    if (!changes)
        return;
    for (struct change *change = changes->first, *next; change; change = next) {
        next = change->next;
        lt_free(change);
    }
    lt_free(changes);
}

static struct change *add(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes,
                          size_t value_bytes)
{
    struct change *change = lt_malloc(sizeof *change + key_bytes + value_bytes);
    if (!change)
        return NULL;
    *change = (struct change){.database = database, .key_bytes = key_bytes, .value_bytes = value_bytes};
    memcpy(change->bytes, key, key_bytes);
    *changes->end = change;
    changes->end = &change->next;
    return change;
}

int lt_changes_put(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes,
                   size_t value_bytes, uint8_t **ret_value)
{
    struct change *change = add(changes, database, key, key_bytes, value_bytes);
    if (!change)
        return LT_ENOMEM;
    changes->value_bytes += value_bytes;
    changes->adds_documents |= database != LT_DATABASE_REFINED;
    changes->adds_refined |= database == LT_DATABASE_REFINED;
    *ret_value = change->bytes + key_bytes;
    return LT_OK;
}

int lt_changes_remove(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes)
{
    struct change *change = add(changes, database, key, key_bytes, 0);
    if (!change)
        return LT_ENOMEM;
    change->kind = REMOVES;
    return LT_OK;
}

int lt_changes_expect(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes,
                      uint64_t checksum)
{
    struct change *change = add(changes, database, key, key_bytes, 0);
    if (!change)
        return LT_ENOMEM;
    change->kind = EXPECTS;
    change->checksum = checksum;
    return LT_OK;
}

void lt_changes_join(struct lt_changes *changes, struct lt_changes *from)
{
    if (from->first) {
        *changes->end = from->first;
        changes->end = from->end;
    }
    changes->value_bytes += from->value_bytes;
    changes->adds_documents |= from->adds_documents;
    changes->adds_refined |= from->adds_refined;
    lt_free(from);
}

/* --- queue --- */

void lt_store_change(struct lt_store *store, struct lt_changes *changes, lt_changes_done done, void *context)
{
    changes->done = done;
    changes->context = context;
    pthread_mutex_lock(&store->mutex);
    changes->latents_before = store->pending.count;
    struct lt_changes **link = &store->changes;
    while (*link)
        link = &(*link)->next;
    *link = changes;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
}

struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t written;
    bool done;
    int code;
};

static void on_written(void *context, int code)
{
    struct waiting *waiting = context;
    pthread_mutex_lock(&waiting->mutex);
    waiting->done = true;
    waiting->code = code;
    pthread_cond_signal(&waiting->written);
    pthread_mutex_unlock(&waiting->mutex);
}

int lt_store_change_wait(struct lt_store *store, struct lt_changes *changes)
{
    struct waiting waiting = {.mutex = PTHREAD_MUTEX_INITIALIZER, .written = PTHREAD_COND_INITIALIZER};
    lt_store_change(store, changes, on_written, &waiting);
    pthread_mutex_lock(&waiting.mutex);
    while (!waiting.done)
        pthread_cond_wait(&waiting.written, &waiting.mutex);
    pthread_mutex_unlock(&waiting.mutex);
    pthread_cond_destroy(&waiting.written);
    pthread_mutex_destroy(&waiting.mutex);
    return waiting.code;
}

struct lt_changes *lt_changes_take(struct lt_store *store, size_t latents)
{
    struct lt_changes *taken = store->changes, **link = &taken;
    while (*link && (*link)->latents_before <= latents)
        link = &(*link)->next;
    store->changes = *link;
    *link = NULL;
    return taken;
}

void lt_changes_advance(struct lt_store *store, size_t latents)
{
    for (struct lt_changes *changes = store->changes; changes; changes = changes->next)
        changes->latents_before -= changes->latents_before < latents ? changes->latents_before : latents;
}

void lt_changes_finish(struct lt_changes *changes, int group_code)
{
    for (struct lt_changes *next; changes; changes = next) {
        next = changes->next;
        if (changes->done)
            changes->done(changes->context, group_code ? group_code : changes->code);
        lt_changes_destroy(changes);
    }
}

/* --- applying --- */

static int check_expected(MDB_txn *transaction, MDB_dbi database, MDB_val *key, uint64_t checksum)
{
    MDB_val value;
    int code = lt_store_format_code(mdb_get(transaction, database, key, &value));
    if (code && code != LT_ENOTFOUND)
        return code;
    return checksum == (code ? 0 : lt_sealed_checksum(value.mv_data, value.mv_size)) ? LT_OK : LT_EBUSY;
}

static int apply_one(const struct lt_environment *environment, MDB_txn *transaction, const struct change *change)
{
    const MDB_dbi databases[] = {[LT_DATABASE_DOCUMENTS] = environment->documents,
                                 [LT_DATABASE_PARTS] = environment->parts,
                                 [LT_DATABASE_REFINED] = environment->refined};
    MDB_val key = {change->key_bytes, (void *)change->bytes},
            value = {change->value_bytes, (void *)(change->bytes + change->key_bytes)};
    if (change->kind == EXPECTS)
        return check_expected(transaction, databases[change->database], &key, change->checksum);
    if (change->kind == REMOVES) {
        int code = mdb_del(transaction, databases[change->database], &key, NULL);
        return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
    }
    if (change->database == LT_DATABASE_REFINED)
        return lt_refined_write(environment, transaction, &key, &value);
    return lt_store_format_code(mdb_put(transaction, databases[change->database], &key, &value, 0));
}

/* Documents are what people asked to be kept: none of them is dropped to make room for another. */
static int check_documents(const struct lt_store *store, MDB_txn *transaction)
{
    uint64_t bytes;
    int code = lt_environment_documents_used(&store->environment, transaction, &bytes);
    return code == LT_OK && bytes > store->options.budget_bytes / LT_DOCUMENTS_SHARE ? LT_EFULL : code;
}

static int apply(const struct lt_store *store, MDB_txn *parent, const struct lt_changes *changes)
{
    MDB_txn *transaction;
    if (!lt_ledger_find(&store->ledger, changes->space))
        return LT_ENOTFOUND;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, parent, 0, &transaction));
    if (code)
        return code;
    if (changes->adds_refined)
        code = lt_refined_make_room(&store->environment, transaction, store->options.budget_bytes / LT_REFINED_SHARE,
                                    changes->value_bytes);
    for (const struct change *change = changes->first; change && code == LT_OK; change = change->next)
        code = apply_one(&store->environment, transaction, change);
    if (code == LT_OK && changes->adds_documents)
        code = check_documents(store, transaction);
    if (code) {
        mdb_txn_abort(transaction);
        return code;
    }
    return lt_store_format_code(mdb_txn_commit(transaction));
}

void lt_changes_apply(struct lt_store *store, MDB_txn *transaction, struct lt_changes *changes)
{
    for (; changes; changes = changes->next)
        changes->code = apply(store, transaction, changes);
}
