/* import.write, import.end: a pack comes in pieces and is taken as a whole or not at all. Nothing that it says is
 * believed: each record is checked against the key that its tokens make, and keyed anew for the namespace it goes to;
 * documents are cut anew. They are stored before the latents, because there may be no room for them: what is refused
 * leaves nothing. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/import_documents.h"
#include "daemon/models.h"
#include "daemon/precision.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "storage/pack.h"

struct importing {
    struct lt_background *background;
    const struct lt_model *model;
    struct lt_pack_reader *reader;
    struct lt_pack_manifest manifest;
    uint32_t now;
    uint64_t read, expired, stored;
    struct lt_import_documents documents;
    bool checking;           /* the first of two times through the pack */
    struct lt_latent latent; /* the record that was read last */
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
    uint16_t payload[LT_LATENT_DIMENSION_MAX];
};

int lt_background_import_write(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    struct lt_transfer *transfer = background->transfer;
    const struct lt_pack_request *request = &background->job.request->pack;
    uint64_t most = background->server->config->budget_bytes;
    if (request->offset != transfer->bytes)
        return lt_fail(error, LT_EPARAM, "import.write: offset must be %llu, behind what came before; found %llu",
                       (unsigned long long)transfer->bytes, (unsigned long long)request->offset);
    if (request->data.bytes > most - transfer->bytes)
        return lt_fail(error, LT_ETOOLARGE, "import.write: the pack is larger than the store's budget of %llu bytes",
                       (unsigned long long)most);
    int code = transfer->file < 0 ? lt_transfer_open(transfer, error) : LT_OK;
    for (size_t done = 0; code == LT_OK && done < request->data.bytes;) {
        ssize_t bytes =
            pwrite(transfer->file, request->data.text + done, request->data.bytes - done, (off_t)transfer->bytes);
        if (bytes >= 0) {
            done += (size_t)bytes;
            transfer->bytes += (uint64_t)bytes;
        } else if (errno != EINTR) {
            code = lt_fail(error, errno == ENOSPC ? LT_EFULL : LT_EIO, "import.write: %s", strerror(errno));
        }
    }
    if (code)
        return code;
    lt_write_map(writer, 1);
    lt_pair_uint(writer, "received", transfer->bytes);
    return LT_OK;
}

/* --- what is in the pack --- */

static int choose_model(struct importing *importing, struct lt_error *error)
{
    const struct lt_server *server = importing->background->server;
    const struct lt_pack_manifest *manifest = &importing->manifest;
    for (size_t i = 0; i < server->model_count && !importing->model; i++)
        if (lt_model_has_encoder(server->models[i]) &&
            memcmp(lt_model_encoder_fingerprint(server->models[i]), manifest->encoder, sizeof manifest->encoder) == 0)
            importing->model = server->models[i];
    if (!importing->model)
        return lt_fail(error, LT_EFORMAT,
                       "the pack is of another encoder (%02x%02x%02x%02x...) than those that are served here; models "
                       "lists theirs",
                       manifest->encoder[0], manifest->encoder[1], manifest->encoder[2], manifest->encoder[3]);
    if (manifest->type != server->config->latent_type)
        return lt_fail(error, LT_EFORMAT, "the pack's latents are stored as %s and this daemon's as %s (--latent-type)",
                       lt_latent_type_name(manifest->type), lt_latent_type_name(server->config->latent_type));
    if (manifest->dimension != lt_model_shape(importing->model)->width)
        return lt_fail(error, LT_ECORRUPT, "the pack's latents have another dimension than its encoder makes");
    return LT_OK;
}

static bool has_size(const struct importing *importing)
{
    float numbers[LT_LATENT_DIMENSION_MAX];
    double size;
    lt_latent_widen(&importing->latent, numbers);
    return lt_latent_has_size(numbers, importing->latent.dimension, &size);
}

/* Reads a latent under the key that its tokens make in the public namespace. */
static int read_latent(struct importing *importing, const uint8_t *content, size_t bytes)
{
    const uint8_t *fingerprint = importing->manifest.encoder;
    struct lt_record record;
    struct lt_span_key key;
    if (!lt_record_salvage(content, bytes, &record))
        return LT_ECORRUPT;
    lt_record_copy_tokens(&record, importing->tokens);
    if (!lt_models_takes(importing->model, importing->tokens, record.token_count))
        return LT_ECORRUPT;
    lt_span_key(fingerprint, NULL, 0, importing->tokens, record.token_count, &key);
    if (lt_record_read(content, bytes, &record) != LT_OK || !lt_record_has_key(&record, &key) ||
        record.type != importing->manifest.type || record.dimension != importing->manifest.dimension)
        return LT_ECORRUPT;
    lt_record_copy_payload(&record, importing->payload);
    importing->latent = (struct lt_latent){.type = record.type,
                                           .dimension = record.dimension,
                                           .created = record.created,
                                           .expires = record.expires,
                                           .scale = record.scale,
                                           .token_count = record.token_count,
                                           .tokens = importing->tokens,
                                           .payload = importing->payload};
    return has_size(importing) ? LT_OK : LT_ECORRUPT;
}

static int fail_entry(const struct importing *importing, int code, struct lt_error *error)
{
    unsigned long long read = importing->read, entries = importing->manifest.entries;
    if (code == LT_EFORMAT)
        return lt_fail(error, code, "entry %llu of the pack is of a kind that this latentd does not know", read);
    return lt_fail(error, code, "the pack is damaged: entry %llu of %llu is not sound; nothing was stored", read,
                   entries);
}

/* Reads the next entry. A latent is in importing->latent then, and *ret_latent is true; documents are taken when the
 * pack is checked and passed over afterwards. LT_ENOTFOUND at the end; else `error` is filled. */
static int read_entry(struct importing *importing, bool *ret_latent, struct lt_error *error)
{
    const uint8_t *content;
    size_t bytes;
    uint8_t kind;
    int code = lt_pack_read(importing->reader, &kind, &content, &bytes);
    *ret_latent = false;
    if (code == LT_ENOTFOUND)
        return code;
    importing->read += code == LT_OK;
    if (code)
        return code == LT_ECORRUPT ? fail_entry(importing, code, error) : lt_fail_code(error, code);
    switch (kind) {
    case LT_PACK_LATENT:
        *ret_latent = true;
        code = read_latent(importing, content, bytes);
        break;
    case LT_PACK_DOCUMENT:
    case LT_PACK_TEXT:
        if (importing->checking)
            code = lt_import_documents_take(&importing->documents, importing->model, kind, content, bytes, error);
        break;
    default:
        code = LT_EFORMAT;
    }
    return code == LT_ECORRUPT || code == LT_EFORMAT ? fail_entry(importing, code, error) : code;
}

static int check_all(struct importing *importing, struct lt_error *error)
{
    struct lt_background *background = importing->background;
    bool latent;
    int code = LT_OK;
    importing->checking = true;
    atomic_store(&background->total, 2 * importing->manifest.entries);
    while (code == LT_OK) {
        code = atomic_load(&background->job.cancelled) ? lt_fail_code(error, LT_ECANCELLED)
                                                       : read_entry(importing, &latent, error);
        atomic_store(&background->done, importing->read);
    }
    importing->checking = false;
    if (code != LT_ENOTFOUND)
        return code;
    return lt_import_documents_are_whole(&importing->documents) ? LT_OK : fail_entry(importing, LT_ECORRUPT, error);
}

/* --- storing --- */

/* The earlier of the latent's own end and the one that the namespace or the request wants. */
static uint32_t expiry(const struct importing *importing)
{
    uint32_t ttl = importing->background->job.space.ttl_seconds, own = importing->latent.expires;
    uint32_t wanted = ttl ? importing->now + ttl + 1 : 0;
    return !own ? wanted : !wanted || own < wanted ? own : wanted;
}

static int put(struct importing *importing)
{
    const struct lt_namespace *space = &importing->background->job.space;
    struct lt_store *store = importing->background->server->store;
    struct lt_latent *latent = &importing->latent;
    if (latent->expires && latent->expires <= importing->now) {
        importing->expired++;
        return LT_OK;
    }
    latent->namespace_id = space->id;
    latent->expires = expiry(importing);
    lt_span_key(importing->manifest.encoder, space->salt, space->salt_bytes, importing->tokens, latent->token_count,
                &latent->key);
    int code = lt_store_put(store, latent, 1, NULL);
    if (code == LT_EBUSY) { /* the writer's queue is full */
        code = lt_store_flush(store);
        if (code == LT_OK)
            code = lt_store_put(store, latent, 1, NULL);
    }
    importing->stored += code == LT_OK;
    return code;
}

static int store_all(struct importing *importing, struct lt_error *error)
{
    bool latent;
    int code = lt_import_documents_store(&importing->documents, error);
    lt_pack_rewind(importing->reader);
    while (code == LT_OK) {
        code = read_entry(importing, &latent, error);
        if (code == LT_OK && latent) {
            code = put(importing);
            if (code)
                lt_fail_code(error, code);
        }
        atomic_store(&importing->background->done, importing->read);
    }
    if (code != LT_ENOTFOUND)
        return code;
    code = lt_store_flush(importing->background->server->store);
    return code ? lt_fail_code(error, code) : LT_OK;
}

int lt_background_import_end(struct lt_background *background, struct lt_writer *writer, struct lt_error *error)
{
    uint64_t most = background->server->config->budget_bytes;
    struct importing *importing = lt_calloc(1, sizeof *importing);
    if (!importing)
        return lt_fail_code(error, LT_ENOMEM);
    importing->background = background;
    importing->now = (uint32_t)time(NULL);
    int code = lt_import_documents_init(&importing->documents, background->server->store, &background->job);
    if (code)
        lt_fail_code(error, code);
    else
        code = lt_pack_reader_create(background->transfer->file, most, &importing->reader, &importing->manifest, error);
    if (code == LT_OK)
        code = choose_model(importing, error);
    if (code == LT_OK)
        code = check_all(importing, error);
    if (code == LT_OK)
        code = store_all(importing, error);
    lt_pack_reader_destroy(importing->reader);
    if (code == LT_OK) {
        lt_write_map(writer, 4);
        lt_pair_uint(writer, "records", importing->stored);
        lt_pair_uint(writer, "expired", importing->expired);
        lt_write_text(writer, "model");
        lt_write_text(writer, lt_model_name(importing->model));
        lt_write_text(writer, "documents");
        lt_import_documents_reply(&importing->documents, writer);
    }
    lt_import_documents_finish(&importing->documents);
    lt_free(importing);
    return code;
}
