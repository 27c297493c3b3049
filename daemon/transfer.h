/* A pack on its way out or in. It lies in a file without a name in the store's folder, and goes when its connection
 * does. A connection has one at most, the daemon LT_TRANSFERS_MAX. The loop owns them; while a thread of the pool works
 * on one it is busy and nobody else touches it. */
#ifndef LT_DAEMON_TRANSFER_H
#define LT_DAEMON_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/messages.h"

struct lt_server;
struct lt_caller;

struct lt_transfer {
    struct lt_server *server;
    struct lt_caller *owner; /* NULL: its connection is gone */
    int file;                /* -1 before there is one */
    uint64_t bytes;          /* in the file */
    bool incoming;
    bool busy;
};

/* Loop thread: finds the transfer that a request goes on with, or makes the one that it begins, and marks it busy. NULL
 * for requests that have none. LT_EPARAM: there is none to go on with; LT_EBUSY: a request before is not done with it,
 * or there are too many; LT_ENOMEM; `error` is filled. */
int lt_transfer_enter(struct lt_server *server, struct lt_caller *caller, const struct lt_request *request,
                      struct lt_transfer **ret_transfer, struct lt_error *error);

/* Loop thread: the request is done; `over` if nothing goes on from here. NULL is allowed. */
void lt_transfer_leave(struct lt_transfer *transfer, bool over);

/* Loop thread: the connection is gone. */
void lt_transfer_abandon(struct lt_caller *caller);

/* Pool: makes the file. LT_EIO, LT_EFULL; `error` is filled. */
int lt_transfer_open(struct lt_transfer *transfer, struct lt_error *error);

#endif
