#include "proto/store_format.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int lt_store_format_code(int lmdb_code)
{
    switch (lmdb_code) {
    case MDB_SUCCESS:
        return LT_OK;
    case ENOMEM:
        return LT_ENOMEM;
    case MDB_NOTFOUND:
        return LT_ENOTFOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
        return LT_EFULL;
    case MDB_READERS_FULL:
        return LT_EBUSY;
    case MDB_PANIC: /* a meta page could not be written: LMDB does nothing more until it is opened anew */
        return LT_ESTORE;
    default:
        return LT_EIO;
    }
}

int lt_store_format_fail(const char *folder, int lmdb_code, struct lt_error *error)
{
    if (lmdb_code == MDB_INVALID || lmdb_code == MDB_VERSION_MISMATCH || lmdb_code == MDB_CORRUPTED ||
        lmdb_code == MDB_PAGE_NOTFOUND)
        return lt_fail(error, LT_ESTORE, "%s/data.mdb is not an LMDB file of this version or is damaged (%s)", folder,
                       mdb_strerror(lmdb_code));
    if (lmdb_code == ENOMEM)
        return lt_fail(error, LT_ENOMEM, "the store %s: its map does not fit into the address space", folder);
    return lt_fail(error, LT_ESTORE, "cannot open the store %s: %s", folder, mdb_strerror(lmdb_code));
}

int lt_store_format_check(MDB_txn *transaction, MDB_dbi *ret_meta, uint32_t *ret_format)
{
    MDB_val name = {sizeof LT_STORE_FORMAT_KEY - 1, (void *)LT_STORE_FORMAT_KEY}, value;
    uint32_t format;
    int code = mdb_dbi_open(transaction, LT_STORE_META, 0, ret_meta);
    if (code == MDB_SUCCESS)
        code = mdb_get(transaction, *ret_meta, &name, &value);
    if (code == MDB_INCOMPATIBLE) /* keys of another kind: somebody else's */
        code = MDB_NOTFOUND;
    if (code)
        return lt_store_format_code(code);
    if (value.mv_size != sizeof format)
        return LT_ENOTFOUND;
    memcpy(&format, value.mv_data, sizeof format);
    *ret_format = le32toh(format);
    return *ret_format == LT_STORE_FORMAT ? LT_OK : LT_EFORMAT;
}

int lt_store_format_find(MDB_txn *transaction, MDB_dbi index, const struct lt_span_key *key, uint64_t *ret_place)
{
    uint64_t prefix;
    memcpy(&prefix, key->bytes, sizeof prefix);
    MDB_val name = {sizeof prefix, &prefix}, value;
    int code = lt_store_format_code(mdb_get(transaction, index, &name, &value));
    if (code == LT_OK && value.mv_size != sizeof *ret_place)
        code = LT_ENOTFOUND;
    if (code == LT_OK)
        memcpy(ret_place, value.mv_data, sizeof *ret_place);
    return code;
}

int lt_store_format_check_length(const char *folder, MDB_env *env, struct lt_error *error)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    int descriptor;
    mdb_env_info(env, &info);
    mdb_env_stat(env, &stat);
    if (mdb_env_get_fd(env, &descriptor) != 0 || fstat(descriptor, &file) != 0)
        return lt_fail(error, LT_ESTORE, "cannot look at %s/data.mdb", folder);
    uint64_t needed = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    if ((uint64_t)file.st_size < needed)
        return lt_fail(error, LT_ESTORE,
                       "%s/data.mdb is truncated: %lld bytes of at least %llu; restore it or remove the folder", folder,
                       (long long)file.st_size, (unsigned long long)needed);
    return LT_OK;
}
