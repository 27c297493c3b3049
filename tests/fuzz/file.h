/* Bytes as a file, for what reads files. */
#ifndef LT_TESTS_FUZZ_FILE_H
#define LT_TESTS_FUZZ_FILE_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/target.h"

/* A file in memory, and in `ret_path` a path to it; the caller closes it. */
static inline int file_of(const uint8_t *data, size_t size, char ret_path[64])
{
    int file = memfd_create("input", MFD_CLOEXEC);
    require(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(ret_path, 64, "/proc/self/fd/%d", file);
    return file;
}

#endif
