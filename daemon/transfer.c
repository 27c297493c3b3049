#include "daemon/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/caller.h"
#include "daemon/server.h"
#include "proto/alloc.h"

static void destroy(struct lt_transfer *transfer)
{
    transfer->server->transfer_count--;
    if (transfer->file >= 0)
        close(transfer->file);
    lt_free(transfer);
}

static int begin(struct lt_server *server, struct lt_caller *caller, bool incoming, struct lt_error *error)
{
    if (caller->transfer) {
        destroy(caller->transfer);
        caller->transfer = NULL;
    }
    if (server->transfer_count == LT_TRANSFERS_MAX)
        return lt_fail(error, LT_EBUSY, "%d packs are on their way already; try again later", LT_TRANSFERS_MAX);
    struct lt_transfer *transfer = lt_calloc(1, sizeof *transfer);
    if (!transfer)
        return lt_fail_code(error, LT_ENOMEM);
    transfer->server = server;
    transfer->owner = caller;
    transfer->file = -1;
    transfer->incoming = incoming;
    server->transfer_count++;
    caller->transfer = transfer;
    return LT_OK;
}

int lt_transfer_enter(struct lt_server *server, struct lt_caller *caller, const struct lt_request *request,
                      struct lt_transfer **ret_transfer, struct lt_error *error)
{
    const char *name = lt_method_name(request->method);
    bool incoming = request->method == LT_METHOD_IMPORT_WRITE || request->method == LT_METHOD_IMPORT_END;
    bool begins = request->method == LT_METHOD_EXPORT_BEGIN ||
                  (request->method == LT_METHOD_IMPORT_WRITE && request->pack.offset == 0);
    *ret_transfer = NULL;
    if (!incoming && request->method != LT_METHOD_EXPORT_BEGIN && request->method != LT_METHOD_EXPORT_READ)
        return LT_OK;
    if (caller->transfer && caller->transfer->busy)
        return lt_fail(error, LT_EBUSY, "%s: an earlier request of this connection is at work on its pack", name);
    int code = begins ? begin(server, caller, incoming, error) : LT_OK;
    if (code)
        return code;
    if (!caller->transfer || caller->transfer->incoming != incoming)
        return lt_fail(error, LT_EPARAM, "%s: this connection has begun no %s", name, incoming ? "import" : "export");
    caller->transfer->busy = true;
    *ret_transfer = caller->transfer;
    return LT_OK;
}

void lt_transfer_leave(struct lt_transfer *transfer, bool over)
{
    if (!transfer)
        return;
    transfer->busy = false;
    if (over && transfer->owner)
        transfer->owner->transfer = NULL;
    if (over || !transfer->owner)
        destroy(transfer);
}

void lt_transfer_abandon(struct lt_caller *caller)
{
    struct lt_transfer *transfer = caller->transfer;
    caller->transfer = NULL;
    if (!transfer)
        return;
    transfer->owner = NULL;
    if (!transfer->busy)
        destroy(transfer);
}

int lt_transfer_open(struct lt_transfer *transfer, struct lt_error *error)
{
    char path[LT_PATH_BYTES_MAX + 32];
    snprintf(path, sizeof path, "%s/pack-XXXXXX", transfer->server->config->store);
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0)
        return lt_fail(error, errno == ENOSPC ? LT_EFULL : LT_EIO, "cannot make a file for the pack: %s",
                       strerror(errno));
    unlink(path);
    transfer->file = file;
    return LT_OK;
}
