/* Preloaded into latentd, keeps a journal of what LMDB does to data.mdb: each write with its place and bytes, and each
 * barrier behind which the writes before it are on the disk for good. From the journal `power_loss.py` makes the files
 * that a power cut could leave. Entries, little-endian: kind (u32), reserved (u32), offset (u64), length (u64), and for
 * writes the bytes.
 *
 *   kind   1   write, on the disk some time before the next barrier
 *          2   write through a descriptor with O_DSYNC: on the disk when it returns
 *          3   fdatasync or fsync
 *
 * An entry is written before the call that it tells of, so a journal cut off anywhere holds all that may have been
 * done. LATENTD_JOURNAL names the file. LMDB writes pages with pwrite, write and lseek + writev; anything else that
 * touched the file would leave the images without it, and the test would see a store that never was. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNCED_WRITE = 2, BARRIER = 3 };

struct entry {
    uint32_t kind, reserved;
    uint64_t offset, length;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;

/* The function that this file hides. */
static void *hidden(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        abort();
    return function;
}

static int is_data(int descriptor)
{
    static const char name[] = "/data.mdb";
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    size_t bytes = sizeof name - 1;
    return length > (ssize_t)bytes && memcmp(path + length - bytes, name, bytes) == 0;
}

static void put(const void *data, size_t bytes)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        *(void **)&real = hidden("write");
    while (bytes) {
        ssize_t written = real(journal, data, bytes);
        if (written <= 0)
            abort(); /* a journal with a gap would prove nothing */
        data = (const char *)data + written;
        bytes -= (size_t)written;
    }
}

static void record(int descriptor, enum kind kind, uint64_t offset, const struct iovec *parts, int count)
{
    struct entry entry = {.kind = kind, .offset = offset};
    if (kind == WRITE && fcntl(descriptor, F_GETFL) & O_DSYNC)
        entry.kind = SYNCED_WRITE;
    for (int i = 0; i < count; i++)
        entry.length += parts[i].iov_len;
    if (journal < 0) {
        const char *path = getenv("LATENTD_JOURNAL");
        journal = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
        if (journal < 0)
            abort();
    }
    put(&entry, sizeof entry);
    for (int i = 0; i < count; i++)
        put(parts[i].iov_base, parts[i].iov_len);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    pthread_mutex_lock(&mutex);
    if (!real)
        *(void **)&real = hidden("writev");
    if (is_data(descriptor))
        record(descriptor, WRITE, (uint64_t)lseek(descriptor, 0, SEEK_CUR), parts, count);
    pthread_mutex_unlock(&mutex);
    return real(descriptor, parts, count);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    const struct iovec part = {(void *)data, bytes};
    pthread_mutex_lock(&mutex);
    if (!real)
        *(void **)&real = hidden("pwrite");
    if (is_data(descriptor))
        record(descriptor, WRITE, (uint64_t)offset, &part, 1);
    pthread_mutex_unlock(&mutex);
    return real(descriptor, data, bytes, offset);
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    static ssize_t (*real)(int, const void *, size_t);
    const struct iovec part = {(void *)data, bytes};
    pthread_mutex_lock(&mutex);
    if (!real)
        *(void **)&real = hidden("write");
    if (is_data(descriptor))
        record(descriptor, WRITE, (uint64_t)lseek(descriptor, 0, SEEK_CUR), &part, 1);
    pthread_mutex_unlock(&mutex);
    return real(descriptor, data, bytes);
}

static int synchronise(int descriptor, const char *name)
{
    int (*real)(int);
    *(void **)&real = hidden(name);
    int status = real(descriptor);
    pthread_mutex_lock(&mutex);
    if (status == 0 && is_data(descriptor))
        record(descriptor, BARRIER, 0, NULL, 0);
    pthread_mutex_unlock(&mutex);
    return status;
}

int fdatasync(int descriptor)
{
    return synchronise(descriptor, "fdatasync");
}

int fsync(int descriptor)
{
    return synchronise(descriptor, "fsync");
}
