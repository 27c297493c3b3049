/* LMDB that can be made to fail: the linker has these in place of what storage/ calls (tests/unit/meson.build), and all
 * of them count down to the call that fails, as lt_alloc_fail_at does for memory. A call that fails does nothing; a
 * commit that fails frees its transaction, as LMDB's does. */
#ifndef LT_TESTS_UNIT_FAILING_LMDB_H
#define LT_TESTS_UNIT_FAILING_LMDB_H

#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_size_t failing_call;
static int failing_code; /* what it returns: an errno value or one of LMDB's */

/* Lets the `number`-th call from now on fail; 0 switches this off. Returns what was left of the number before. */
static inline size_t fail_lmdb_at(size_t number)
{
    return atomic_exchange(&failing_call, number);
}

static inline bool lmdb_must_fail(void)
{
    size_t left = atomic_load(&failing_call);
    while (left > 0)
        if (atomic_compare_exchange_weak(&failing_call, &left, left - 1))
            return left == 1;
    return false;
}

#define FAILING(name, declared, passed)                                                                                \
    int __real_##name declared;                                                                                        \
    int __wrap_##name declared;                                                                                        \
    int __wrap_##name declared                                                                                         \
    {                                                                                                                  \
        return lmdb_must_fail() ? failing_code : __real_##name passed;                                                 \
    }

FAILING(mdb_env_create, (MDB_env * *env), (env))
FAILING(mdb_env_set_mapsize, (MDB_env * env, size_t bytes), (env, bytes))
FAILING(mdb_env_set_maxdbs, (MDB_env * env, MDB_dbi count), (env, count))
FAILING(mdb_env_set_maxreaders, (MDB_env * env, unsigned count), (env, count))
FAILING(mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode), (env, path, flags, mode))
FAILING(mdb_env_get_fd, (MDB_env * env, mdb_filehandle_t *file), (env, file))
FAILING(mdb_env_stat, (MDB_env * env, MDB_stat *stat), (env, stat))
FAILING(mdb_env_info, (MDB_env * env, MDB_envinfo *info), (env, info))
FAILING(mdb_env_copyfd2, (MDB_env * env, mdb_filehandle_t file, unsigned flags), (env, file, flags))
FAILING(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **transaction),
        (env, parent, flags, transaction))
FAILING(mdb_txn_renew, (MDB_txn * transaction), (transaction))
FAILING(mdb_dbi_open, (MDB_txn * transaction, const char *name, unsigned flags, MDB_dbi *database),
        (transaction, name, flags, database))
FAILING(mdb_stat, (MDB_txn * transaction, MDB_dbi database, MDB_stat *stat), (transaction, database, stat))
FAILING(mdb_get, (MDB_txn * transaction, MDB_dbi database, MDB_val *key, MDB_val *value),
        (transaction, database, key, value))
FAILING(mdb_put, (MDB_txn * transaction, MDB_dbi database, MDB_val *key, MDB_val *value, unsigned flags),
        (transaction, database, key, value, flags))
FAILING(mdb_del, (MDB_txn * transaction, MDB_dbi database, MDB_val *key, MDB_val *value),
        (transaction, database, key, value))
FAILING(mdb_drop, (MDB_txn * transaction, MDB_dbi database, int removes), (transaction, database, removes))
FAILING(mdb_cursor_open, (MDB_txn * transaction, MDB_dbi database, MDB_cursor **cursor),
        (transaction, database, cursor))
FAILING(mdb_cursor_renew, (MDB_txn * transaction, MDB_cursor *cursor), (transaction, cursor))
FAILING(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *value, MDB_cursor_op operation),
        (cursor, key, value, operation))
FAILING(mdb_cursor_del, (MDB_cursor * cursor, unsigned flags), (cursor, flags))

int __real_mdb_txn_commit(MDB_txn *transaction);
int __wrap_mdb_txn_commit(MDB_txn *transaction);
int __wrap_mdb_txn_commit(MDB_txn *transaction)
{
    if (!lmdb_must_fail())
        return __real_mdb_txn_commit(transaction);
    mdb_txn_abort(transaction);
    return failing_code;
}

#endif
