#include "storage/environment.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/pages.h"

#define PATH_BYTES 4096
#define MAP_SLACK (64ull << 20)
#define READER_TABLE_BYTES (64 * (LT_STORE_READERS_MAX + 2)) /* lock.mdb: its head, and 64 bytes a reader */

/* --- one daemon a store --- */

static int fail_locked(const char *path, int lock, struct lt_error *error)
{
    char holder[16] = "";
    ssize_t bytes = read(lock, holder, sizeof holder - 1);
    long pid = bytes > 0 ? strtol(holder, NULL, 10) : 0;
    return lt_fail(error, LT_ESTORE, "the store %s is in use by another latentd (process %ld); a store has one daemon",
                   path, pid);
}

static int take_lock(const char *path, int *ret_lock, struct lt_error *error)
{
    char file[PATH_BYTES];
    snprintf(file, sizeof file, "%s/latentd.lock", path);
    int lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return lt_fail(error, LT_ESTORE, "cannot open %s: %s", file, strerror(errno));
    int code = LT_OK;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        code = fail_locked(path, lock, error);
    else if (ftruncate(lock, 0) == 0)
        (void)dprintf(lock, "%ld\n", (long)getpid()); /* says who it is; what counts is the lock, on a full disk, too */
    if (code)
        close(lock);
    else
        *ret_lock = lock;
    return code;
}

/* LMDB maps its reader table and makes the file by its length only. On a full disk the first process to touch a page of
 * it would be ended by SIGBUS, so its blocks are reserved first. No process may open the file while it has an LMDB
 * environment there: closing it would drop LMDB's locks. */
static int reserve_readers(const char *path, struct lt_error *error)
{
    char file[PATH_BYTES];
    snprintf(file, sizeof file, "%s/lock.mdb", path);
    int descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return lt_fail(error, LT_ESTORE, "cannot open %s: %s", file, strerror(errno));
    int failed = posix_fallocate(descriptor, 0, READER_TABLE_BYTES);
    close(descriptor);
    return failed ? lt_fail(error, LT_ESTORE, "cannot make room for %s: %s", file, strerror(failed)) : LT_OK;
}

/* --- LMDB --- */

/* LMDB counts pages that a transaction has taken and given back, but does not write them: the file would end before the
 * last page that is counted, as one does that was truncated. So it gets the length of the map, mostly a hole; room on
 * the disk is taken as before, when pages are written. */
static int extend_file(const char *path, MDB_env *env, uint64_t bytes, struct lt_error *error)
{
    int descriptor;
    struct stat file;
    if (mdb_env_get_fd(env, &descriptor) != 0 || fstat(descriptor, &file) != 0)
        return lt_fail(error, LT_ESTORE, "cannot look at %s/data.mdb", path);
    if ((uint64_t)file.st_size < bytes && ftruncate(descriptor, (off_t)bytes) != 0)
        return lt_fail(error, LT_ESTORE, "cannot extend %s/data.mdb to %llu bytes: %s", path, (unsigned long long)bytes,
                       strerror(errno));
    return LT_OK;
}

static int make_env(const struct lt_store_options *options, struct lt_environment *environment, struct lt_error *error)
{
    const char *path = options->path;
    unsigned flags = MDB_NOTLS | (options->durability == LT_DURABILITY_RELAXED ? MDB_NOSYNC : 0);
    int code = mdb_env_create(&environment->env);
    if (code)
        return lt_fail(error, lt_store_format_code(code), "cannot open the store %s: %s", path, mdb_strerror(code));
    /* Copy-on-write needs room for the old pages beside the new ones. */
    environment->map_bytes = 2 * options->budget_bytes + MAP_SLACK;
    mdb_env_set_mapsize(environment->env, environment->map_bytes);
    mdb_env_set_maxdbs(environment->env, LT_STORE_DATABASES_MAX);
    mdb_env_set_maxreaders(environment->env, LT_STORE_READERS_MAX);
    code = mdb_env_open(environment->env, path, flags, 0600);
    if (code)
        return lt_store_format_fail(path, code, error);
    MDB_stat stat;
    mdb_env_stat(environment->env, &stat);
    environment->page_bytes = stat.ms_psize;
    int dead;
    mdb_reader_check(environment->env, &dead);
    code = lt_store_format_check_length(path, environment->env, error);
    return code ? code : extend_file(path, environment->env, environment->map_bytes, error);
}

/* LT_ENOTFOUND: the store is new and empty. */
static int read_format(const char *path, struct lt_environment *environment, MDB_txn *transaction,
                       struct lt_error *error)
{
    MDB_stat main_stat;
    MDB_dbi main_database;
    uint32_t format = 0;
    int code = lt_store_format_check(transaction, &environment->meta, &format);
    if (code == LT_EFORMAT)
        return lt_fail(error, code,
                       "the store %s has format %u; this latentd reads and writes format %d: use the latentd that made "
                       "it, or another --store",
                       path, format, LT_STORE_FORMAT);
    if (code == LT_OK)
        return LT_OK;
    if (code != LT_ENOTFOUND)
        return lt_fail(error, LT_ESTORE, "cannot read the store %s: %s", path, lt_error_message(code));
    if (mdb_dbi_open(transaction, NULL, 0, &main_database) != MDB_SUCCESS ||
        mdb_stat(transaction, main_database, &main_stat) != MDB_SUCCESS || main_stat.ms_entries != 0)
        return lt_fail(error, LT_ESTORE,
                       "%s holds an LMDB environment that latentd did not make; choose another --store", path);
    return LT_ENOTFOUND;
}

static int open_databases(const char *path, struct lt_environment *environment, struct lt_error *error)
{
    MDB_txn *transaction;
    int code = mdb_txn_begin(environment->env, NULL, 0, &transaction);
    if (code)
        return lt_store_format_fail(path, code, error);
    int format = read_format(path, environment, transaction, error);
    if (format != LT_OK && format != LT_ENOTFOUND) {
        mdb_txn_abort(transaction);
        return format;
    }
    uint32_t version = htole32(LT_STORE_FORMAT);
    MDB_val name = {sizeof LT_STORE_FORMAT_KEY - 1, (void *)LT_STORE_FORMAT_KEY}, value = {sizeof version, &version};
    code = mdb_dbi_open(transaction, LT_STORE_META, MDB_CREATE, &environment->meta);
    if (!code && format == LT_ENOTFOUND)
        code = mdb_put(transaction, environment->meta, &name, &value, 0);
    const struct {
        const char *name;
        unsigned flags;
        MDB_dbi *database;
    } databases[] = {
        {lt_queue_name(LT_QUEUE_SMALL), MDB_INTEGERKEY, &environment->queues[LT_QUEUE_SMALL]},
        {lt_queue_name(LT_QUEUE_MAIN), MDB_INTEGERKEY, &environment->queues[LT_QUEUE_MAIN]},
        {LT_STORE_INDEX, MDB_INTEGERKEY, &environment->index},
        {"stats", 0, &environment->stats},
        {"namespaces", 0, &environment->namespaces},
        {"members", 0, &environment->members},
        {"expiries", 0, &environment->expiries},
        {"pins", 0, &environment->pins},
        {"documents", 0, &environment->documents},
        {"parts", 0, &environment->parts},
        {"refined", 0, &environment->refined},
        {"refined_order", 0, &environment->refined_order},
    };
    for (size_t i = 0; !code && i < sizeof databases / sizeof *databases; i++)
        code = mdb_dbi_open(transaction, databases[i].name, MDB_CREATE | databases[i].flags, databases[i].database);
    if (code) {
        mdb_txn_abort(transaction);
        return lt_store_format_fail(path, code, error);
    }
    code = mdb_txn_commit(transaction);
    return code ? lt_store_format_fail(path, code, error) : LT_OK;
}

int lt_environment_open(const struct lt_store_options *options, struct lt_environment *ret_environment,
                        struct lt_error *error)
{
    struct lt_environment environment = {.lock = -1};
    if (options->budget_bytes < LT_STORE_BYTES_MIN)
        return lt_fail(error, LT_ESTORE, "a store needs a budget of at least %llu bytes", LT_STORE_BYTES_MIN);
    if (strlen(options->path) > PATH_BYTES - 32)
        return lt_fail(error, LT_ESTORE, "the store's path is longer than %d bytes", PATH_BYTES - 32);
    if (mkdir(options->path, 0700) != 0 && errno != EEXIST)
        return lt_fail(error, LT_ESTORE, "cannot make the store %s: %s", options->path, strerror(errno));
    int code = take_lock(options->path, &environment.lock, error);
    if (code == LT_OK)
        code = lt_pages_check(options->path, error);
    if (code == LT_OK)
        code = reserve_readers(options->path, error);
    if (code == LT_OK)
        code = make_env(options, &environment, error);
    if (code == LT_OK)
        code = open_databases(options->path, &environment, error);
    if (code) {
        lt_environment_close(&environment);
        return code;
    }
    *ret_environment = environment;
    return LT_OK;
}

void lt_environment_close(struct lt_environment *environment)
{
    if (environment->env)
        mdb_env_close(environment->env);
    if (environment->lock >= 0)
        close(environment->lock);
    *environment = (struct lt_environment){.lock = -1};
}

static int add_used(const struct lt_environment *environment, MDB_txn *transaction, MDB_dbi database, uint64_t *bytes,
                    uint64_t *ret_entries)
{
    MDB_stat stat;
    int code = mdb_stat(transaction, database, &stat);
    if (code)
        return lt_store_format_code(code);
    *bytes += (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * environment->page_bytes;
    *ret_entries = stat.ms_entries;
    return LT_OK;
}

int lt_environment_check_file(const struct lt_environment *environment)
{
    struct stat file;
    int descriptor;
    if (mdb_env_get_fd(environment->env, &descriptor) != 0 || fstat(descriptor, &file) != 0)
        return LT_EIO;
    return file.st_nlink ? LT_OK : LT_ESTORE;
}

int lt_environment_used(const struct lt_environment *environment, MDB_txn *transaction, uint64_t *ret_bytes,
                        uint64_t *ret_entries)
{
    const MDB_dbi databases[] = {environment->queues[LT_QUEUE_SMALL],
                                 environment->queues[LT_QUEUE_MAIN],
                                 environment->index,
                                 environment->meta,
                                 environment->stats,
                                 environment->namespaces,
                                 environment->members,
                                 environment->expiries,
                                 environment->pins,
                                 environment->documents,
                                 environment->parts,
                                 environment->refined,
                                 environment->refined_order};
    uint64_t bytes = 0, entries = 0, of_database = 0;
    int code = LT_OK;
    for (size_t i = 0; code == LT_OK && i < sizeof databases / sizeof *databases; i++) {
        code = add_used(environment, transaction, databases[i], &bytes, &of_database);
        if (i < LT_QUEUE_COUNT)
            entries += of_database;
    }
    if (code)
        return code;
    *ret_bytes = bytes;
    *ret_entries = entries;
    return LT_OK;
}

int lt_environment_documents_used(const struct lt_environment *environment, MDB_txn *transaction, uint64_t *ret_bytes)
{
    uint64_t bytes = 0, entries;
    int code = add_used(environment, transaction, environment->documents, &bytes, &entries);
    if (code == LT_OK)
        code = add_used(environment, transaction, environment->parts, &bytes, &entries);
    if (code == LT_OK)
        *ret_bytes = bytes;
    return code;
}
