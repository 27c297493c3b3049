/* Reading a store beside its daemon: its LMDB environment, opened read-only. How a store is recognised and what a
 * record is comes from proto/, where the daemon has it from, too. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "clients/c/call.h"
#include "clients/c/latent.h"
#include "proto/alloc.h"
#include "proto/record.h"
#include "proto/store_format.h"

struct latent_store {
    MDB_env *env;
    MDB_dbi index, queues[LT_QUEUE_COUNT];
};

struct latent_snapshot {
    const struct latent_store *store;
    MDB_txn *transaction;
};

/* --- attach --- */

static int open_records(struct latent_store *store, MDB_txn *transaction, const char *folder, struct lt_error *error)
{
    int code = mdb_dbi_open(transaction, LT_STORE_INDEX, 0, &store->index);
    for (int queue = 0; queue < LT_QUEUE_COUNT && !code; queue++)
        code = mdb_dbi_open(transaction, lt_queue_name((enum lt_queue)queue), 0, &store->queues[queue]);
    return code ? lt_store_format_fail(folder, code, error) : LT_OK;
}

/* Checks the format and opens what is read. The handles stay valid as long as the environment. */
static int open_databases(struct latent_store *store, const char *folder, struct lt_error *error)
{
    MDB_txn *transaction;
    MDB_dbi meta;
    uint32_t format = 0;
    int lmdb_code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &transaction);
    if (lmdb_code)
        return lt_store_format_fail(folder, lmdb_code, error);
    int code = lt_store_format_check(transaction, &meta, &format);
    if (code == LT_EFORMAT)
        lt_fail(error, code, "the store %s has format %u; this library reads format %d", folder, format,
                LT_STORE_FORMAT);
    else if (code == LT_ENOTFOUND)
        code =
            lt_fail(error, LT_ESTORE, "%s is an LMDB environment, but not a store of latentd, or an empty one", folder);
    else if (code)
        lt_fail(error, code, "cannot read the store %s: %s", folder, lt_error_message(code));
    if (code == LT_OK)
        code = open_records(store, transaction, folder, error);
    if (code)
        mdb_txn_abort(transaction);
    else
        mdb_txn_commit(transaction); /* of a read-only transaction: keeps the handles */
    return code;
}

static int open_store(struct latent_store *store, const char *folder, struct lt_error *error)
{
    struct stat info;
    int code = mdb_env_create(&store->env);
    if (code)
        return lt_store_format_fail(folder, code, error);
    /* LMDB's own words for a folder that is not there would be those for a file in it. */
    if (stat(folder, &info) != 0)
        return lt_fail(error, LT_ESTORE, "cannot open the store %s: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return lt_fail(error, LT_ESTORE, "a store is a folder; %s is none", folder);
    mdb_env_set_maxdbs(store->env, LT_STORE_DATABASES_MAX);
    code = mdb_env_open(store->env, folder, MDB_RDONLY | MDB_NOTLS, 0);
    if (code == ENOENT)
        return lt_fail(error, LT_ESTORE, "there is no store in %s", folder);
    if (code)
        return lt_store_format_fail(folder, code, error);
    code = lt_store_format_check_length(folder, store->env, error);
    return code ? code : open_databases(store, folder, error);
}

static int attach(const char *folder, struct latent_store **ret_store, struct lt_error *error)
{
    struct latent_store *store = lt_calloc(1, sizeof *store);
    if (!store)
        return lt_fail_code(error, LT_ENOMEM);
    int code = open_store(store, folder, error);
    if (code)
        latent_detach(store);
    else
        *ret_store = store;
    return code;
}

int latent_attach(struct latent *latent, const char *folder, struct latent_store **ret_store)
{
    struct latent_reply *info = NULL;
    if (folder)
        return attach(folder, ret_store, &latent->error);
    int code = latent_info(latent, &info);
    if (code)
        return code;
    folder = latent_value_text(latent_reply_at(info, "store.path"), NULL);
    code = folder ? attach(folder, ret_store, &latent->error)
                  : lt_fail(&latent->error, LT_EMALFORMED, "the daemon does not say where its store is");
    latent_reply_destroy(info);
    return code;
}

void latent_detach(struct latent_store *store)
{
    if (store && store->env)
        mdb_env_close(store->env);
    lt_free(store);
}

/* --- snapshots --- */

int latent_snapshot_begin(struct latent_store *store, struct latent_snapshot **ret_snapshot)
{
    struct latent_snapshot *snapshot = lt_malloc(sizeof *snapshot);
    if (!snapshot)
        return LT_ENOMEM;
    snapshot->store = store;
    int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &snapshot->transaction);
    if (code == MDB_READERS_FULL) { /* perhaps of processes that are no more */
        int dead;
        mdb_reader_check(store->env, &dead);
        code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &snapshot->transaction);
    }
    if (code) {
        lt_free(snapshot);
        return lt_store_format_code(code);
    }
    *ret_snapshot = snapshot;
    return LT_OK;
}

int latent_snapshot_renew(struct latent_snapshot *snapshot)
{
    mdb_txn_reset(snapshot->transaction);
    return mdb_txn_renew(snapshot->transaction) ? LT_EIO : LT_OK;
}

void latent_snapshot_end(struct latent_snapshot *snapshot)
{
    if (snapshot)
        mdb_txn_abort(snapshot->transaction);
    lt_free(snapshot);
}

/* What lies where the index has the key: perhaps the record of another key that begins alike. */
static int find_record(const struct latent_snapshot *snapshot, const struct lt_span_key *key, MDB_val *ret_value)
{
    uint64_t place, number;
    int code = lt_store_format_find(snapshot->transaction, snapshot->store->index, key, &place);
    if (code)
        return code;
    number = lt_place_number(place);
    MDB_val name = {sizeof number, &number};
    return lt_store_format_code(
        mdb_get(snapshot->transaction, snapshot->store->queues[lt_place_queue(place)], &name, ret_value));
}

int latent_snapshot_find(struct latent_snapshot *snapshot, const uint8_t key[LATENT_KEY_BYTES],
                         struct latent_stored *ret_stored)
{
    struct lt_span_key wanted;
    struct lt_record record;
    MDB_val value;
    memcpy(wanted.bytes, key, sizeof wanted.bytes);
    int code = find_record(snapshot, &wanted, &value);
    if (code == LT_OK)
        code = lt_record_read(value.mv_data, value.mv_size, &record);
    if (code == LT_OK && (!lt_record_has_key(&record, &wanted) || lt_record_expired(&record, (uint32_t)time(NULL))))
        code = LT_ENOTFOUND;
    if (code)
        return code;
    *ret_stored = (struct latent_stored){
        .type = (enum latent_type)record.type,
        .dimension = record.dimension,
        .scale = record.scale,
        .numbers = record.payload,
        .namespace_id = record.namespace_id,
        .created = record.created,
        .expires = record.expires,
        .token_count = record.token_count,
        .tokens = record.tokens,
        .token_bytes = record.token_bytes,
    };
    return LT_OK;
}
