/* Orders: what somebody wants done in a write transaction besides putting latents. Only the writer thread writes, so
 * whoever orders waits until the writer has run the order, in a transaction of its own behind the group under way.
 *
 * Not for the loop and the engine, which never wait for a disk. */
#ifndef LT_STORAGE_ORDERS_H
#define LT_STORAGE_ORDERS_H

#include <lmdb.h>

#include "storage/store.h"

struct lt_order {
    /* Writer thread. Changes the databases; if it fails, or the commit does, nothing of it remains. */
    int (*apply)(struct lt_store *store, MDB_txn *transaction, void *context);
    /* Writer thread, after the commit: brings up to date what is kept in memory. May be NULL. */
    void (*committed)(struct lt_store *store, void *context);
    void *context;
    /* The writer's. */
    struct lt_order *next;
    int code;
    bool done;
};

/* Waits until the writer has run the order: its code, or that of the commit. Latents that were put before it are
 * committed before it. */
int lt_order_run(struct lt_store *store, struct lt_order *order);

/* For the writer, with the store's mutex held, which is released meanwhile: runs all orders that wait. */
void lt_orders_run_waiting(struct lt_store *store);

#endif
