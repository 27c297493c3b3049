#include "storage/refined.h"

#include <endian.h>
#include <string.h>

#include "storage/sealed.h"
#include "storage/state.h"

#define BATCH 64 /* evictions between two looks at the pages in use */

/* --- reading --- */

/* False if there is none, or none that is sound. */
static bool read_refined(const struct lt_store *store, MDB_txn *transaction, const struct lt_span_key *chain,
                         uint32_t dimension, float *to)
{
    MDB_val name = {sizeof chain->bytes, (void *)chain->bytes}, value;
    const uint8_t *content;
    size_t bytes;
    if (mdb_get(transaction, store->environment.refined, &name, &value) != MDB_SUCCESS ||
        lt_sealed_open(LT_SEALED_REFINED, chain->bytes, sizeof chain->bytes, value.mv_data, value.mv_size, &content,
                       &bytes) != LT_OK ||
        bytes != 4 * (size_t)dimension)
        return false;
    for (uint32_t i = 0; i < dimension; i++) {
        uint32_t bits = lt_take_u32(content + 4 * (size_t)i);
        memcpy(&to[i], &bits, sizeof bits);
    }
    return true;
}

int lt_refined_get(struct lt_store *store, const struct lt_span_key *chain, size_t count, uint32_t dimension, float *to,
                   size_t *ret_found)
{
    MDB_txn *transaction;
    size_t found = 0;
    *ret_found = 0;
    if (atomic_load(&store->refined_age) != atomic_load(&store->refined_age_stored))
        return LT_OK; /* what is on the disk is to be forgotten */
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    while (found < count && read_refined(store, transaction, &chain[found], dimension, to + found * dimension))
        found++;
    mdb_txn_abort(transaction);
    *ret_found = found;
    return LT_OK;
}

/* --- writing --- */

int lt_refined_put(struct lt_changes *changes, const struct lt_span_key *chain, uint32_t dimension,
                   const float *refined)
{
    uint8_t *value;
    size_t bytes = 4 * (size_t)dimension;
    int code =
        lt_changes_put(changes, LT_DATABASE_REFINED, chain->bytes, sizeof chain->bytes, LT_SEALED_BYTES(bytes), &value);
    if (code)
        return code;
    for (uint32_t i = 0; i < dimension; i++) {
        uint32_t bits;
        memcpy(&bits, &refined[i], sizeof bits);
        lt_put_u32(value + LT_SEALED_HEAD_BYTES + 4 * (size_t)i, bits);
    }
    lt_sealed_close(LT_SEALED_REFINED, chain->bytes, sizeof chain->bytes, value, bytes);
    return LT_OK;
}

static int refined_used(const struct lt_environment *environment, MDB_txn *transaction, uint64_t *ret_bytes,
                        uint64_t *ret_entries)
{
    MDB_stat stat;
    int code = mdb_stat(transaction, environment->refined, &stat);
    if (code)
        return lt_store_format_code(code);
    *ret_bytes = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * environment->page_bytes;
    *ret_entries = stat.ms_entries;
    return LT_OK;
}

/* Removes the `BATCH` oldest. */
static int evict(const struct lt_environment *environment, MDB_txn *transaction, MDB_cursor *cursor)
{
    MDB_val order, key;
    int code = MDB_SUCCESS;
    for (int i = 0; i < BATCH && code == MDB_SUCCESS; i++) {
        code = mdb_cursor_get(cursor, &order, &key, MDB_FIRST);
        if (code)
            break;
        code = mdb_del(transaction, environment->refined, &key, NULL);
        if (code == MDB_SUCCESS || code == MDB_NOTFOUND)
            code = mdb_cursor_del(cursor, 0);
    }
    return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
}

int lt_refined_clear(const struct lt_environment *environment, MDB_txn *transaction)
{
    int code = lt_store_format_code(mdb_drop(transaction, environment->refined, 0));
    return code ? code : lt_store_format_code(mdb_drop(transaction, environment->refined_order, 0));
}

int lt_refined_make_room(const struct lt_environment *environment, MDB_txn *transaction, uint64_t share,
                         uint64_t incoming)
{
    MDB_cursor *cursor;
    uint64_t bytes = 0, entries = 0;
    int code = lt_store_format_code(mdb_cursor_open(transaction, environment->refined_order, &cursor));
    if (code)
        return code;
    code = refined_used(environment, transaction, &bytes, &entries);
    /* A value costs at most twice its bytes in pages. */
    while (code == LT_OK && entries && bytes + 2 * incoming > share) {
        code = evict(environment, transaction, cursor);
        if (code == LT_OK)
            code = refined_used(environment, transaction, &bytes, &entries);
    }
    mdb_cursor_close(cursor);
    return code;
}

/* The order number behind the youngest's; big-endian, so that LMDB's order is that of numbers. */
static int next_order(const struct lt_environment *environment, MDB_txn *transaction, uint64_t *ret_order)
{
    MDB_cursor *cursor;
    MDB_val order, key;
    int code = mdb_cursor_open(transaction, environment->refined_order, &cursor);
    if (code)
        return lt_store_format_code(code);
    *ret_order = 0;
    code = mdb_cursor_get(cursor, &order, &key, MDB_LAST);
    if (code == MDB_SUCCESS && order.mv_size == sizeof *ret_order) {
        memcpy(ret_order, order.mv_data, sizeof *ret_order);
        *ret_order = be64toh(*ret_order) + 1;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? LT_OK : lt_store_format_code(code);
}

int lt_refined_write(const struct lt_environment *environment, MDB_txn *transaction, MDB_val *key, MDB_val *value)
{
    MDB_val there;
    bool known = mdb_get(transaction, environment->refined, key, &there) == MDB_SUCCESS;
    int code = lt_store_format_code(mdb_put(transaction, environment->refined, key, value, 0));
    if (code || known)
        return code;
    uint64_t order;
    code = next_order(environment, transaction, &order);
    if (code)
        return code;
    order = htobe64(order);
    MDB_val name = {sizeof order, &order};
    return lt_store_format_code(mdb_put(transaction, environment->refined_order, &name, key, MDB_APPEND));
}
