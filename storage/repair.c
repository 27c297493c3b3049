#include "storage/repair.h"

#include "storage/orders.h"
#include "storage/table.h"

struct removing {
    const struct lt_span_key *keys;
    size_t count;
    uint64_t removed;
};

static int apply_remove(struct lt_store *store, MDB_txn *transaction, void *context)
{
    struct removing *removing = context;
    int code = LT_OK;
    for (size_t i = 0; i < removing->count && code == LT_OK; i++) {
        code = lt_table_remove(store, transaction, &removing->keys[i]);
        removing->removed += code == LT_OK;
        if (code == LT_ENOTFOUND)
            code = LT_OK;
    }
    return code;
}

int lt_store_remove(struct lt_store *store, const struct lt_span_key *keys, size_t count, uint64_t *ret_removed)
{
    struct removing removing = {.keys = keys, .count = count};
    struct lt_order order = {.apply = apply_remove, .context = &removing};
    int code = count ? lt_order_run(store, &order) : LT_OK;
    if (code == LT_OK)
        *ret_removed = removing.removed;
    return code;
}
