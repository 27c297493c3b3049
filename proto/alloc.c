#include "proto/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t failing_allocation;

size_t lt_alloc_fail_at(size_t number)
{
    return atomic_exchange(&failing_allocation, number);
}

static bool must_fail(void)
{
    size_t left = atomic_load_explicit(&failing_allocation, memory_order_relaxed);
    while (left > 0)
        if (atomic_compare_exchange_weak(&failing_allocation, &left, left - 1))
            return left == 1;
    return false;
}

void *lt_malloc(size_t bytes)
{
    return must_fail() ? NULL : malloc(bytes);
}

void *lt_calloc(size_t count, size_t bytes)
{
    return must_fail() ? NULL : calloc(count, bytes);
}

void *lt_realloc(void *memory, size_t bytes)
{
    return must_fail() ? NULL : realloc(memory, bytes);
}

char *lt_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = lt_malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void lt_free(void *memory)
{
    free(memory);
}

void *lt_alloc_aligned(size_t bytes)
{
    if (must_fail() || bytes > SIZE_MAX - 63)
        return NULL;
    size_t rounded = (bytes + 63) & ~(size_t)63;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    return memory ? memset(memory, 0, rounded) : NULL;
}
