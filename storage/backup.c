/* LMDB writes its compact copy into a pipe, from a thread of its own; what comes out is written here. So progress is
 * known, a backup can be given up in the middle, and it is we who see what the disk says. */
#include "storage/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "storage/state.h"

#define PIECE ((size_t)64 << 10)
#define PATH_BYTES 4352

struct copying {
    MDB_env *env;
    int to; /* the pipe's end; the thread closes it */
    int code;
    pthread_t thread;
};

static void *copy(void *context)
{
    struct copying *copying = context;
    copying->code = mdb_env_copyfd2(copying->env, copying->to, MDB_CP_COMPACT);
    close(copying->to);
    return NULL;
}

/* --- the folder --- */

static int fail_errno(struct lt_error *error, const char *what, const char *path, int reason)
{
    int code = reason == ENOSPC || reason == EDQUOT ? LT_EFULL : LT_EIO;
    return lt_fail(error, code, "backup: cannot %s %s: %s", what, path, strerror(reason));
}

static int check_empty(const char *path, struct lt_error *error)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    if (!folder)
        return lt_fail(error, LT_EPARAM, "backup: %s is no folder that can be read: %s", path, strerror(errno));
    while ((entry = readdir(folder)) && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        ;
    closedir(folder);
    return entry ? lt_fail(error, LT_EPARAM, "backup: %s is not empty; name a new folder", path) : LT_OK;
}

static int prepare_folder(const char *path, bool *ret_made, struct lt_error *error)
{
    *ret_made = mkdir(path, 0700) == 0;
    if (*ret_made)
        return LT_OK;
    return errno == EEXIST ? check_empty(path, error) : fail_errno(error, "make", path, errno);
}

/* --- the copy --- */

static int write_all(int file, const uint8_t *data, size_t bytes)
{
    while (bytes) {
        ssize_t written = write(file, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        data += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* Moves all that comes out of the pipe into the file. */
static int drain(int from, int file, uint64_t total, lt_backup_progress progress, void *context, const char *path,
                 uint64_t *ret_bytes, struct lt_error *error)
{
    uint8_t *piece = lt_malloc(PIECE);
    uint64_t done = 0;
    int code = piece ? LT_OK : lt_fail_code(error, LT_ENOMEM);
    while (code == LT_OK) {
        ssize_t bytes = read(from, piece, PIECE);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes <= 0)
            break; /* what went wrong on the other side, it says itself */
        int reason = write_all(file, piece, (size_t)bytes);
        done += (uint64_t)bytes;
        if (reason)
            code = fail_errno(error, "write", path, reason);
        else if (progress(context, done, total > done ? total : done))
            code = lt_fail_code(error, LT_ECANCELLED);
    }
    lt_free(piece);
    *ret_bytes = done;
    return code;
}

static int copy_into(struct lt_store *store, int file, const char *path, lt_backup_progress progress, void *context,
                     uint64_t *ret_bytes, struct lt_error *error)
{
    int ends[2];
    struct copying copying = {.env = store->environment.env};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(error, "make a pipe for", path, errno);
    copying.to = ends[1];
    if (pthread_create(&copying.thread, NULL, copy, &copying) != 0) {
        close(ends[0]);
        close(ends[1]);
        return lt_fail_code(error, LT_ENOMEM);
    }
    int code = drain(ends[0], file, atomic_load(&store->bytes), progress, context, path, ret_bytes, error);
    close(ends[0]); /* a copy under way fails at its next write */
    pthread_join(copying.thread, NULL);
    if (code == LT_OK && copying.code)
        code = lt_fail(error, lt_store_format_code(copying.code), "backup: cannot read the store: %s",
                       mdb_strerror(copying.code));
    if (code == LT_OK && fsync(file) != 0)
        code = fail_errno(error, "sync", path, errno);
    return code;
}

static void sync_folder(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        fsync(folder);
        close(folder);
    }
}

int lt_store_backup(struct lt_store *store, const char *path, lt_backup_progress progress, void *context,
                    uint64_t *ret_bytes, struct lt_error *error)
{
    char name[PATH_BYTES];
    bool made = false;
    if ((size_t)snprintf(name, sizeof name, "%s/data.mdb", path) >= sizeof name)
        return lt_fail(error, LT_EPARAM, "backup: the path is longer than %d bytes", PATH_BYTES - 16);
    int code = prepare_folder(path, &made, error);
    if (code)
        return code;
    (void)lt_store_flush(store); /* what could not be written is not in the store */
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        code = fail_errno(error, "make", name, errno);
    } else {
        code = copy_into(store, file, name, progress, context, ret_bytes, error);
        if (close(file) != 0 && code == LT_OK)
            code = fail_errno(error, "close", name, errno);
        if (code)
            unlink(name);
    }
    if (code && made)
        rmdir(path);
    if (code == LT_OK)
        sync_folder(path);
    return code;
}
