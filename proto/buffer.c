#include "proto/buffer.h"

#include <string.h>

#include "proto/alloc.h"
#include "proto/error.h"

#define FIRST_CAPACITY 256

void lt_buffer_init(struct lt_buffer *buffer, size_t max)
{
    *buffer = (struct lt_buffer){.max = max};
}

void lt_buffer_finish(struct lt_buffer *buffer)
{
    lt_free(buffer->data);
    lt_buffer_init(buffer, buffer->max);
}

int lt_buffer_reserve(struct lt_buffer *buffer, size_t bytes)
{
    if (bytes > buffer->max - buffer->size)
        return LT_ETOOLARGE;
    size_t needed = buffer->size + bytes;
    if (needed <= buffer->capacity)
        return LT_OK;
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buffer->max)
        capacity = buffer->max;
    uint8_t *data = lt_realloc(buffer->data, capacity);
    if (!data)
        return LT_ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return LT_OK;
}

int lt_buffer_append(struct lt_buffer *buffer, const void *data, size_t bytes)
{
    int error = lt_buffer_reserve(buffer, bytes);
    if (error)
        return error;
    if (bytes)
        memcpy(buffer->data + buffer->size, data, bytes);
    buffer->size += bytes;
    return LT_OK;
}

void lt_buffer_consume(struct lt_buffer *buffer, size_t bytes)
{
    buffer->size -= bytes;
    if (buffer->size)
        memmove(buffer->data, buffer->data + bytes, buffer->size);
}
