/* Allocation that can be made to fail. All of latentd allocates through these, so that tests can let the n-th
 * allocation fail and see that every caller copes. Callable from any thread. */
#ifndef LT_PROTO_ALLOC_H
#define LT_PROTO_ALLOC_H

#include <stddef.h>

/* As malloc, calloc, realloc, strdup and free. NULL when memory is out or a test said so. */
void *lt_malloc(size_t bytes);
void *lt_calloc(size_t count, size_t bytes);
void *lt_realloc(void *memory, size_t bytes);
char *lt_strdup(const char *text);
void lt_free(void *memory);

/* `bytes` of memory on a 64-byte boundary, zeroed; freed with lt_free. */
void *lt_alloc_aligned(size_t bytes);

/* For tests: lets the `number`-th allocation from now on fail (1 is the next one); 0 switches this off. Returns what
 * was left of the number before: 0 if that allocation has failed. */
size_t lt_alloc_fail_at(size_t number);

#endif
