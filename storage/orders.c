#include "storage/orders.h"

#include "storage/ledger.h"
#include "storage/state.h"

int lt_order_run(struct lt_store *store, struct lt_order *order)
{
    /* Latents that a full disk refused are none of the order's business: it meets the disk itself. */
    (void)lt_store_flush(store);
    order->next = NULL;
    order->done = false;
    pthread_mutex_lock(&store->mutex);
    struct lt_order **link = &store->orders;
    while (*link)
        link = &(*link)->next;
    *link = order;
    pthread_cond_signal(&store->work);
    while (!order->done)
        pthread_cond_wait(&store->done, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    return order->code;
}

static int run(struct lt_store *store, struct lt_order *order)
{
    MDB_txn *transaction;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, 0, &transaction));
    if (code)
        return code;
    code = order->apply(store, transaction, order->context);
    if (code == LT_OK)
        code = lt_ledger_write(&store->ledger, &store->environment, transaction);
    if (code)
        lt_writer_abort(store, transaction);
    else
        code = lt_writer_commit(store, transaction);
    lt_ledger_finish(&store->ledger, code == LT_OK);
    if (code == LT_OK && order->committed)
        order->committed(store, order->context);
    return code;
}

void lt_orders_run_waiting(struct lt_store *store)
{
    while (store->orders) {
        struct lt_order *order = store->orders;
        store->orders = order->next;
        pthread_mutex_unlock(&store->mutex);
        int code = run(store, order);
        pthread_mutex_lock(&store->mutex);
        order->code = code;
        order->done = true;
        pthread_cond_broadcast(&store->done);
    }
}
