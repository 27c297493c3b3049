/* Packs move in pieces, so that neither side holds more than one of them in memory. */
#include <string.h>

#include "clients/c/call.h"
#include "proto/alloc.h"
#include "proto/pairs.h"

static int begin_export(struct latent *latent, const char *model, const char *const *documents, size_t count,
                        struct latent_reply **ret_reply)
{
    struct call call;
    call_begin(&call, latent, "export.begin");
    lt_write_map(&call.writer, (model != NULL) + (*latent->space != 0) + (count > 0));
    if (model)
        lt_pair_text(&call.writer, "model", model);
    call_write_namespace(&call);
    if (count) {
        lt_write_text(&call.writer, "docs");
        lt_write_array(&call.writer, (uint32_t)count);
    }
    for (size_t i = 0; i < count; i++)
        lt_write_text(&call.writer, documents[i]);
    return call_finish(&call, NULL, ret_reply);
}

/* Reads the piece at an offset and hands it on; *ret_bytes says how long it is. */
static int read_piece(struct latent *latent, uint64_t offset, latent_write_function write, void *data,
                      size_t *ret_bytes)
{
    struct latent_reply *reply = NULL;
    struct call call;
    call_begin(&call, latent, "export.read");
    lt_write_map(&call.writer, 1);
    lt_write_text(&call.writer, "offset");
    lt_write_uint(&call.writer, offset);
    int code = call_finish(&call, NULL, &reply);
    if (code)
        return code;
    const void *bytes = latent_value_bytes(latent_reply_at(reply, "data"), ret_bytes);
    if (!bytes || !*ret_bytes)
        code = lt_fail(&latent->error, LT_EMALFORMED, "the daemon sent less of the pack than there is");
    else if (write(bytes, *ret_bytes, data) != 0)
        code = lt_fail(&latent->error, LT_EIO, "the pack could not be written");
    latent_reply_destroy(reply);
    return code;
}

int latent_export(struct latent *latent, const char *model, const char *const *documents, size_t document_count,
                  latent_write_function write, void *data, struct latent_reply **ret_reply)
{
    struct latent_reply *reply = NULL;
    int code = begin_export(latent, model, documents, document_count, &reply);
    if (code)
        return code;
    uint64_t size = latent_value_uint(latent_reply_at(reply, "size"), 0);
    for (uint64_t offset = 0; code == LT_OK && offset < size;) {
        size_t bytes = 0;
        code = read_piece(latent, offset, write, data, &bytes);
        offset += bytes;
        if (code == LT_OK && latent->on_progress)
            latent->on_progress(offset, size, latent->progress_data);
    }
    if (code)
        latent_reply_destroy(reply);
    else
        *ret_reply = reply;
    return code;
}

static int write_piece(struct latent *latent, uint64_t offset, const void *piece, size_t bytes)
{
    struct latent_reply *reply = NULL;
    struct call call;
    call_begin(&call, latent, "import.write");
    lt_write_map(&call.writer, 2);
    lt_write_text(&call.writer, "offset");
    lt_write_uint(&call.writer, offset);
    lt_write_text(&call.writer, "data");
    lt_write_binary(&call.writer, piece, bytes);
    int code = call_finish(&call, NULL, &reply);
    latent_reply_destroy(reply);
    return code;
}

static int end_import(struct latent *latent, struct latent_reply **ret_reply)
{
    struct call call;
    call_begin(&call, latent, "import.end");
    lt_write_map(&call.writer, call_space_pairs(latent));
    call_write_space(&call);
    return call_finish(&call, NULL, ret_reply);
}

int latent_import(struct latent *latent, latent_read_function read, void *data, struct latent_reply **ret_reply)
{
    uint64_t offset = 0;
    long bytes = 1;
    uint8_t *piece = lt_malloc(LT_PACK_PIECE_MAX);
    int code = piece ? LT_OK : lt_fail_code(&latent->error, LT_ENOMEM);
    while (code == LT_OK && (bytes = read(piece, LT_PACK_PIECE_MAX, data)) > 0) {
        code = write_piece(latent, offset, piece, (size_t)bytes);
        offset += (uint64_t)bytes;
    }
    lt_free(piece);
    if (code == LT_OK && bytes < 0)
        code = lt_fail(&latent->error, LT_EIO, "the pack could not be read");
    if (code == LT_OK && offset == 0)
        code = lt_fail(&latent->error, LT_ECORRUPT, "the pack is empty");
    return code ? code : end_import(latent, ret_reply);
}
