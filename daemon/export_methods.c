/* export.begin, export.read: the latents of a namespace, or documents of it with theirs, as a pack, which is made as a
 * whole and then read in pieces. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/export_documents.h"
#include "daemon/models.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "storage/listing.h"
#include "storage/pack.h"

#define SLICE 256

struct exporting {
    struct lt_background *background;
    const struct lt_model *model;
    struct lt_pack_writer *writer;
    uint32_t now;
    uint64_t seen, skipped, taken;
    struct lt_export_documents documents; /* if the request names some */
    size_t count;                         /* records of the slice */
    uint8_t *records;                     /* [SLICE][LT_RECORD_BYTES_MAX] as they go into the pack */
    size_t lengths[SLICE];
};

/* Writes a record as one of the public namespace. False if it is not to be exported. */
static bool rewrite(const struct exporting *exporting, const struct lt_listed *listed, uint8_t *ret_record,
                    size_t *ret_bytes)
{
    const struct lt_record *record = &listed->record;
    const struct lt_namespace *space = &exporting->background->job.space;
    const uint8_t *fingerprint = lt_model_encoder_fingerprint(exporting->model);
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
    uint16_t payload[LT_LATENT_DIMENSION_MAX];
    struct lt_span_key key;
    if (!listed->sound || lt_record_expired(record, exporting->now) ||
        record->type != exporting->background->server->config->latent_type ||
        record->dimension != lt_model_shape(exporting->model)->width)
        return false;
    lt_record_copy_tokens(record, tokens);
    lt_span_key(fingerprint, space->salt, space->salt_bytes, tokens, record->token_count, &key);
    if (memcmp(&key, &listed->key, sizeof key) != 0)
        return false; /* of another encoder */
    lt_record_copy_payload(record, payload);
    struct lt_latent latent = {.type = record->type,
                               .dimension = record->dimension,
                               .created = record->created,
                               .expires = record->expires,
                               .scale = record->scale,
                               .token_count = record->token_count,
                               .tokens = tokens,
                               .payload = payload};
    lt_span_key(fingerprint, NULL, 0, tokens, record->token_count, &latent.key);
    *ret_bytes = lt_record_bytes(&latent);
    lt_record_write(&latent, ret_record);
    return true;
}

static int take(void *context, const struct lt_listed *listed)
{
    struct exporting *exporting = context;
    size_t at = exporting->count;
    exporting->seen++;
    if (rewrite(exporting, listed, exporting->records + at * LT_RECORD_BYTES_MAX, &exporting->lengths[at]))
        exporting->count++;
    else
        exporting->skipped++;
    return LT_OK;
}

static int export_namespace(struct exporting *exporting)
{
    struct lt_background *background = exporting->background;
    struct lt_listing listing = {.begun = false};
    struct lt_store_stats stats;
    int code = LT_OK;
    while (code == LT_OK && !listing.ended) {
        if (atomic_load(&background->job.cancelled))
            return LT_ECANCELLED;
        exporting->count = 0;
        code = lt_store_list(background->server->store, &listing, background->job.space.id, SLICE, take, exporting);
        exporting->taken += exporting->count;
        for (size_t i = 0; i < exporting->count && code == LT_OK; i++)
            code = lt_pack_write(exporting->writer, LT_PACK_LATENT, exporting->records + i * LT_RECORD_BYTES_MAX,
                                 exporting->lengths[i]);
        lt_store_stats(background->server->store, &stats);
        atomic_store(&background->done, exporting->seen);
        atomic_store(&background->total, stats.entries > exporting->seen ? stats.entries : exporting->seen);
    }
    return code;
}

static int export_all(struct exporting *exporting, struct lt_error *error)
{
    if (exporting->documents.versions)
        return lt_export_documents_write(&exporting->documents, exporting->writer, error);
    exporting->records = lt_malloc(SLICE * LT_RECORD_BYTES_MAX);
    int code = exporting->records ? export_namespace(exporting) : LT_ENOMEM;
    lt_free(exporting->records);
    return code ? lt_fail_code(error, code) : LT_OK;
}

static int make_pack(struct exporting *exporting, struct lt_pack_manifest *ret_manifest, struct lt_error *error)
{
    struct lt_pack_manifest manifest = {.type = exporting->background->server->config->latent_type,
                                        .dimension = lt_model_shape(exporting->model)->width};
    memcpy(manifest.encoder, lt_model_encoder_fingerprint(exporting->model), sizeof manifest.encoder);
    int code = lt_pack_writer_create(exporting->background->transfer->file, &manifest, &exporting->writer);
    if (code)
        return lt_fail_code(error, code);
    code = export_all(exporting, error);
    if (code == LT_OK) {
        code = lt_pack_writer_finish(exporting->writer, ret_manifest);
        if (code)
            lt_fail_code(error, code);
    }
    lt_pack_writer_destroy(exporting->writer);
    return code;
}

static int begin(struct exporting *exporting, struct lt_pack_manifest *ret_manifest, struct lt_error *error)
{
    struct lt_background *background = exporting->background;
    const struct lt_pack_request *request = &background->job.request->pack;
    int code = lt_models_choose(background->server, request->model, &exporting->model, error);
    if (code == LT_OK && request->documents)
        code = lt_export_documents_find(&exporting->documents, background, exporting->model, error);
    if (code == LT_OK)
        code = lt_transfer_open(background->transfer, error);
    if (code)
        return code;
    (void)lt_store_flush(background->server->store);
    return make_pack(exporting, ret_manifest, error);
}

int lt_background_export_begin(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    struct exporting exporting = {.background = background, .now = (uint32_t)time(NULL)};
    struct lt_pack_manifest manifest;
    int code = begin(&exporting, &manifest, error);
    lt_export_documents_finish(&exporting.documents);
    if (code)
        return code;
    background->transfer->bytes = LT_PACK_HEADER_BYTES + manifest.body_bytes;
    lt_write_map(writer, 6);
    lt_pair_uint(writer, "records", exporting.taken + exporting.documents.records);
    lt_pair_uint(writer, "bytes", manifest.whole_bytes);
    lt_pair_uint(writer, "size", background->transfer->bytes);
    lt_pair_uint(writer, "skipped", exporting.skipped);
    lt_pair_uint(writer, "documents", background->job.request->pack.document_count);
    lt_pair_uint(writer, "missing", exporting.documents.missing);
    return LT_OK;
}

int lt_background_export_read(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    const struct lt_transfer *transfer = background->transfer;
    uint64_t offset = background->job.request->pack.offset;
    if (offset > transfer->bytes)
        return lt_fail(error, LT_EPARAM, "export.read: offset %llu is behind the end of the pack, which has %llu bytes",
                       (unsigned long long)offset, (unsigned long long)transfer->bytes);
    uint64_t left = transfer->bytes - offset;
    size_t wanted = left < LT_PACK_PIECE_MAX ? (size_t)left : LT_PACK_PIECE_MAX;
    uint8_t *data = lt_malloc(wanted + 1);
    if (!data)
        return lt_fail_code(error, LT_ENOMEM);
    ssize_t bytes;
    do
        bytes = pread(transfer->file, data, wanted, (off_t)offset);
    while (bytes < 0 && errno == EINTR);
    if (bytes >= 0) {
        lt_write_map(writer, 1);
        lt_write_text(writer, "data");
        lt_write_binary(writer, data, (size_t)bytes);
    }
    lt_free(data);
    return bytes < 0 ? lt_fail(error, LT_EIO, "export.read: %s", strerror(errno)) : LT_OK;
}
