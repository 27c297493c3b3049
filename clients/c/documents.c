/* latent_document_put. A text longer than a request may be goes in pieces, each ending between two characters. */
#include <string.h>

#include "clients/c/call.h"
#include "proto/alloc.h"
#include "proto/limits.h"

static uint64_t read_uint(const struct latent_reply *reply, const char *path)
{
    return latent_value_uint(latent_reply_at(reply, path), 0);
}

/* Bytes of the piece that begins at `text`, of which `left` are left. */
static size_t piece_bytes(const char *text, size_t left)
{
    if (left <= LT_PROMPT_BYTES_MAX)
        return left;
    size_t bytes = LT_PROMPT_BYTES_MAX;
    while (bytes > LT_PROMPT_BYTES_MAX - 4 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
        bytes--;
    return bytes;
}

static void write_pair(struct lt_writer *writer, const char *name, const char *text, size_t bytes)
{
    lt_write_text(writer, name);
    lt_write_text_bytes(writer, text, bytes);
}

static int send_piece(struct latent *latent, const char *model, const char *name, const char *text, size_t offset,
                      size_t bytes, bool more, const struct call_listener *listener, struct latent_reply **ret_reply)
{
    struct call call;
    call_begin(&call, latent, "doc.put");
    lt_write_map(&call.writer, 5 + (model != NULL) + (*latent->space != 0));
    call_write_namespace(&call);
    write_pair(&call.writer, "name", name, strlen(name));
    write_pair(&call.writer, "text", text + offset, bytes);
    lt_write_text(&call.writer, "offset");
    lt_write_uint(&call.writer, offset);
    lt_write_text(&call.writer, "more");
    lt_write_bool(&call.writer, more);
    lt_write_text(&call.writer, "progress");
    lt_write_bool(&call.writer, listener->on_progress != NULL);
    if (model)
        write_pair(&call.writer, "model", model, strlen(model));
    return call_finish(&call, listener, ret_reply);
}

int latent_document_put(struct latent *latent, const char *model, const char *name, const char *text, size_t bytes,
                        latent_progress_function on_progress, void *data, struct latent_document_change *ret_change)
{
    const struct call_listener listener = {.on_progress = on_progress, .data = data};
    struct latent_reply *reply = NULL;
    size_t offset = 0;
    int code;
    for (;;) {
        size_t piece = piece_bytes(text + offset, bytes - offset);
        bool more = offset + piece < bytes;
        code = send_piece(latent, model, name, text, offset, piece, more, &listener, &reply);
        if (code)
            return code;
        if (!more)
            break;
        latent_reply_destroy(reply);
        offset += piece;
    }
    *ret_change = (struct latent_document_change){
        .reply = reply,
        .name = latent_value_text(latent_reply_at(reply, "name"), ""),
        .version = read_uint(reply, "version"),
        .unchanged = latent_value_bool(latent_reply_at(reply, "unchanged"), false),
        .bytes = read_uint(reply, "bytes"),
        .tokens = read_uint(reply, "tokens"),
        .spans = read_uint(reply, "spans"),
        .kept = read_uint(reply, "kept"),
        .encoded = read_uint(reply, "encoded"),
        .dropped = read_uint(reply, "dropped"),
        .encode_operations = read_uint(reply, "ops.encode"),
        .total_ms = latent_value_real(latent_reply_at(reply, "timings.total_ms"), 0),
    };
    return LT_OK;
}

void latent_document_change_finish(struct latent_document_change *change)
{
    latent_reply_destroy(change->reply);
    *change = (struct latent_document_change){0};
}
