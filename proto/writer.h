/* Writes MessagePack into a buffer. The first failure sticks: write everything, then look at `error` once. After a
 * failure the buffer may end in half an object; the caller cuts it back to the size it had. One owner, one thread at a
 * time. */
#ifndef LT_PROTO_WRITER_H
#define LT_PROTO_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"

struct lt_writer {
    struct lt_buffer *buffer;
    int error; /* LT_OK, LT_ENOMEM or LT_ETOOLARGE */
};

struct lt_error;

void lt_writer_init(struct lt_writer *writer, struct lt_buffer *buffer);
void lt_write_map(struct lt_writer *writer, uint32_t pairs);
void lt_write_array(struct lt_writer *writer, uint32_t items);
void lt_write_nil(struct lt_writer *writer);
void lt_write_bool(struct lt_writer *writer, bool value);
void lt_write_uint(struct lt_writer *writer, uint64_t value);
void lt_write_int(struct lt_writer *writer, int64_t value);
void lt_write_real(struct lt_writer *writer, double value);
void lt_write_text(struct lt_writer *writer, const char *text); /* terminated */
void lt_write_text_bytes(struct lt_writer *writer, const char *text, size_t bytes);
void lt_write_binary(struct lt_writer *writer, const void *data, size_t bytes);

/* The same with the bytes to come: returns where the caller puts them before anything else is written, or NULL after a
 * failure. With room reserved for all that follows, the place stays valid. */
uint8_t *lt_write_binary_space(struct lt_writer *writer, size_t bytes);

/* Beginnings of messages; what follows is one object (result or parameter), written by the caller.
 * Response: [1, id, nil, <result>]. Notification: [2, method, [<parameter>]]. Request: [0, id, method, [<parameter>]].
 */
void lt_write_response(struct lt_writer *writer, uint32_t id);
void lt_write_notification(struct lt_writer *writer, const char *method);
void lt_write_request(struct lt_writer *writer, uint32_t id, const char *method);

/* A whole error response: [1, id, {"code", "name", "message"}, nil]. id_known false writes nil for the id (the request
 * was too broken to have one). */
void lt_write_error(struct lt_writer *writer, bool id_known, uint32_t id, const struct lt_error *error);

#endif
