/* backup: a copy of the store into a folder on this machine. */
#include "daemon/background.h"
#include "proto/pairs.h"
#include "storage/backup.h"

static int progress(void *context, uint64_t done, uint64_t total)
{
    struct lt_background *background = context;
    atomic_store(&background->done, done);
    atomic_store(&background->total, total);
    return atomic_load(&background->job.cancelled);
}

int lt_background_backup(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    const char *path = background->job.request->backup.path;
    uint64_t bytes = 0;
    int code = lt_store_backup(background->server->store, path, progress, background, &bytes, error);
    if (code)
        return code;
    lt_write_map(writer, 2);
    lt_write_text(writer, "path");
    lt_write_text(writer, path);
    lt_pair_uint(writer, "bytes", bytes);
    return LT_OK;
}
