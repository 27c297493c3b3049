/* Preloaded into latentd, lets writes to data.mdb fail as a disk would. The file that LATENTD_FAIL_WRITES names says
 * what fails, and how: "pages" (writes that LMDB syncs later), "meta" (those through a descriptor with O_DSYNC) or
 * "sync", then the number of the error. While it does not exist or is empty, all works. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_data(int descriptor)
{
    static const char name[] = "/data.mdb";
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t bytes = sizeof name - 1;
    return length > (ssize_t)bytes && memcmp(path + length - bytes, name, bytes) == 0;
}

/* Whether a call of this kind must fail; then errno is set. */
static int must_fail(int descriptor, const char *kind)
{
    char wanted[16] = "";
    int number = 0, saved = errno;
    const char *orders = getenv("LATENTD_FAIL_WRITES");
    FILE *file = orders && is_data(descriptor) ? fopen(orders, "re") : NULL;
    if (file) {
        if (fscanf(file, "%15s %d", wanted, &number) != 2)
            number = 0;
        fclose(file);
    }
    errno = number && strcmp(wanted, kind) == 0 ? number : saved;
    return number && strcmp(wanted, kind) == 0;
}

static const char *kind_of(int descriptor)
{
    return fcntl(descriptor, F_GETFL) & O_DSYNC ? "meta" : "pages";
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    ssize_t (*real)(int, const struct iovec *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "writev");
    return must_fail(descriptor, kind_of(descriptor)) ? -1 : real(descriptor, parts, count);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    return must_fail(descriptor, kind_of(descriptor)) ? -1 : real(descriptor, data, bytes, offset);
}

int fdatasync(int descriptor)
{
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    return must_fail(descriptor, "sync") ? -1 : real(descriptor);
}
