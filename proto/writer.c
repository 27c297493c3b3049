/* The MessagePack writer: msgpack-c's packer over a bounded buffer. The packer is two pointers, so one is made for each
 * call and nothing outlives it. */
#include "proto/writer.h"

#include <msgpack/pack.h>
#include <string.h>

#include "proto/error.h"

static int append(void *data, const char *bytes, size_t count)
{
    struct lt_writer *writer = data;
    if (!writer->error)
        writer->error = lt_buffer_append(writer->buffer, bytes, count);
    return writer->error;
}

static msgpack_packer packer_of(struct lt_writer *writer)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, writer, append);
    return packer;
}

void lt_writer_init(struct lt_writer *writer, struct lt_buffer *buffer)
{
    *writer = (struct lt_writer){.buffer = buffer};
}

void lt_write_map(struct lt_writer *writer, uint32_t pairs)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_map(&packer, pairs);
}

void lt_write_array(struct lt_writer *writer, uint32_t items)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_array(&packer, items);
}

void lt_write_nil(struct lt_writer *writer)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_nil(&packer);
}

void lt_write_bool(struct lt_writer *writer, bool value)
{
    msgpack_packer packer = packer_of(writer);
    if (value)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
}

void lt_write_uint(struct lt_writer *writer, uint64_t value)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_uint64(&packer, value);
}

void lt_write_int(struct lt_writer *writer, int64_t value)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_int64(&packer, value);
}

void lt_write_real(struct lt_writer *writer, double value)
{
    msgpack_packer packer = packer_of(writer);
    msgpack_pack_double(&packer, value);
}

void lt_write_text(struct lt_writer *writer, const char *text)
{
    lt_write_text_bytes(writer, text, strlen(text));
}

/* MessagePack's lengths have 32 bits; the packer would cut a longer one off. */
static bool length_fits(struct lt_writer *writer, size_t bytes)
{
    if (!writer->error && bytes > UINT32_MAX)
        writer->error = LT_ETOOLARGE;
    return !writer->error;
}

void lt_write_text_bytes(struct lt_writer *writer, const char *text, size_t bytes)
{
    msgpack_packer packer = packer_of(writer);
    if (length_fits(writer, bytes))
        msgpack_pack_str_with_body(&packer, text, bytes);
}

void lt_write_binary(struct lt_writer *writer, const void *data, size_t bytes)
{
    msgpack_packer packer = packer_of(writer);
    if (length_fits(writer, bytes))
        msgpack_pack_bin_with_body(&packer, data, bytes);
}

uint8_t *lt_write_binary_space(struct lt_writer *writer, size_t bytes)
{
    msgpack_packer packer = packer_of(writer);
    if (!length_fits(writer, bytes))
        return NULL;
    msgpack_pack_bin(&packer, bytes);
    if (!writer->error)
        writer->error = lt_buffer_reserve(writer->buffer, bytes);
    if (writer->error)
        return NULL;
    uint8_t *space = writer->buffer->data + writer->buffer->size;
    writer->buffer->size += bytes;
    return space;
}

void lt_write_response(struct lt_writer *writer, uint32_t id)
{
    lt_write_array(writer, 4);
    lt_write_uint(writer, 1);
    lt_write_uint(writer, id);
    lt_write_nil(writer);
}

void lt_write_notification(struct lt_writer *writer, const char *method)
{
    lt_write_array(writer, 3);
    lt_write_uint(writer, 2);
    lt_write_text(writer, method);
    lt_write_array(writer, 1);
}

void lt_write_request(struct lt_writer *writer, uint32_t id, const char *method)
{
    lt_write_array(writer, 4);
    lt_write_uint(writer, 0);
    lt_write_uint(writer, id);
    lt_write_text(writer, method);
    lt_write_array(writer, 1);
}

void lt_write_error(struct lt_writer *writer, bool id_known, uint32_t id, const struct lt_error *error)
{
    lt_write_array(writer, 4);
    lt_write_uint(writer, 1);
    if (id_known)
        lt_write_uint(writer, id);
    else
        lt_write_nil(writer);
    lt_write_map(writer, 3);
    lt_write_text(writer, "code");
    lt_write_int(writer, error->code);
    lt_write_text(writer, "name");
    lt_write_text(writer, lt_error_name(error->code));
    lt_write_text(writer, "message");
    lt_write_text(writer, error->message);
    lt_write_nil(writer);
}
