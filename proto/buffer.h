/* A growing byte buffer that knows its greatest size from the start. One owner, one thread at a time. */
#ifndef LT_PROTO_BUFFER_H
#define LT_PROTO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct lt_buffer {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t max;      /* bytes that `size` never passes */
};

/* Makes an empty buffer; nothing is allocated before the first byte. */
void lt_buffer_init(struct lt_buffer *buffer, size_t max);

/* Frees the memory; the buffer is as after lt_buffer_init. */
void lt_buffer_finish(struct lt_buffer *buffer);

/* Makes room for `bytes` more behind `size`. LT_ETOOLARGE past max, LT_ENOMEM. */
int lt_buffer_reserve(struct lt_buffer *buffer, size_t bytes);

/* Appends a copy of `bytes` bytes. Errors as lt_buffer_reserve; then nothing was appended. */
int lt_buffer_append(struct lt_buffer *buffer, const void *data, size_t bytes);

/* Removes `bytes` bytes (at most size) from the front. */
void lt_buffer_consume(struct lt_buffer *buffer, size_t bytes);

#endif
