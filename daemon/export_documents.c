#include "daemon/export_documents.h"

#include <string.h>

#include "daemon/documents.h"
#include "proto/alloc.h"
#include "storage/sealed.h"

#define SLICE 256 /* latents of one lookup */

/* --- finding --- */

static int find_one(struct lt_export_documents *documents, const char *name, struct lt_document_version *ret_version,
                    struct lt_error *error)
{
    struct lt_document document;
    int code = lt_documents_find(documents->background->server->store, documents->background->job.space.id, name,
                                 &document, error);
    if (code)
        return code;
    *ret_version = *lt_document_version(&document, 0);
    if (!lt_documents_same_encoder(documents->model, ret_version))
        return lt_fail(error, LT_EPARAM,
                       "export.begin: the document '%.120s' was put with another encoder than that of model %s; give "
                       "the model that it was put with",
                       name, lt_model_name(documents->model));
    return LT_OK;
}

int lt_export_documents_find(struct lt_export_documents *documents, struct lt_background *background,
                             const struct lt_model *model, struct lt_error *error)
{
    const struct lt_pack_request *request = &background->job.request->pack;
    size_t payload = lt_latent_payload_bytes(background->server->config->latent_type, lt_model_shape(model)->width);
    uint64_t bytes = 0, spans = 0;
    *documents = (struct lt_export_documents){.background = background, .model = model, .known_size = 16};
    documents->versions = lt_calloc(request->document_count, sizeof *documents->versions);
    documents->payloads = lt_malloc(SLICE * payload);
    if (!documents->versions || !documents->payloads)
        return lt_fail_code(error, LT_ENOMEM);
    for (size_t i = 0; i < request->document_count; i++) {
        int code = find_one(documents, request->documents[i], &documents->versions[i], error);
        if (code)
            return code;
        bytes += documents->versions[i].bytes;
        spans += documents->versions[i].spans;
    }
    if (bytes > LT_PACK_TEXT_BYTES_MAX)
        return lt_fail(error, LT_ETOOLARGE,
                       "the documents have %llu bytes of text, and a pack has room for %u; export them in several",
                       (unsigned long long)bytes, LT_PACK_TEXT_BYTES_MAX);
    atomic_store(&background->total, spans);
    while (documents->known_size < 2 * spans)
        documents->known_size *= 2;
    documents->known = lt_calloc(documents->known_size, sizeof *documents->known);
    return documents->known ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

void lt_export_documents_finish(struct lt_export_documents *documents)
{
    lt_free(documents->versions);
    lt_free(documents->known);
    lt_free(documents->payloads);
}

/* --- writing --- */

/* False if the pack has the latent already. The first bytes of a key stand for it, as in the index of the store. */
static bool add_key(struct lt_export_documents *documents, const struct lt_span_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    hash |= hash == 0; /* 0 is an empty slot */
    size_t slot = hash & (documents->known_size - 1);
    for (; documents->known[slot]; slot = (slot + 1) & (documents->known_size - 1))
        if (documents->known[slot] == hash)
            return false;
    documents->known[slot] = hash;
    return true;
}

/* Writes a latent that was found as one of the public namespace. */
static int write_latent(struct lt_export_documents *documents, struct lt_pack_writer *writer, struct lt_latent *latent)
{
    latent->namespace_id = 0;
    lt_span_key(lt_model_encoder_fingerprint(documents->model), NULL, 0, latent->tokens, latent->token_count,
                &latent->key);
    lt_record_write(latent, documents->record);
    documents->records++;
    return lt_pack_write(writer, LT_PACK_LATENT, documents->record, lt_record_bytes(latent));
}

/* Looks up so many of the wanted latents and writes those that are stored. */
static int write_found(struct lt_export_documents *documents, struct lt_pack_writer *writer, struct lt_latent *latents,
                       size_t count)
{
    enum lt_lookup lookups[SLICE];
    int code = count ? lt_store_get(documents->background->server->store, latents, count, lookups) : LT_OK;
    for (size_t i = 0; i < count && code == LT_OK; i++) {
        if (lt_lookup_is_hit(lookups[i]))
            code = write_latent(documents, writer, &latents[i]);
        else
            documents->missing++;
    }
    return code;
}

/* Writes the latents of a part's spans, each once. */
static int write_spans(struct lt_export_documents *documents, struct lt_pack_writer *writer,
                       const struct lt_document_part *part)
{
    enum lt_latent_type type = documents->background->server->config->latent_type;
    uint32_t width = lt_model_shape(documents->model)->width;
    struct lt_latent latents[SLICE];
    const uint32_t *ids = part->ids;
    size_t count = 0;
    int code = LT_OK;
    for (uint32_t i = 0; i < part->spans && code == LT_OK; ids += part->lengths[i++]) {
        if (!add_key(documents, &part->keys[i]))
            continue;
        latents[count] =
            (struct lt_latent){.key = part->keys[i],
                               .type = type,
                               .dimension = width,
                               .token_count = part->lengths[i],
                               .tokens = ids,
                               .payload = documents->payloads + count * lt_latent_payload_bytes(type, width)};
        if (++count == SLICE) {
            code = write_found(documents, writer, latents, count);
            count = 0;
        }
    }
    return code ? code : write_found(documents, writer, latents, count);
}

static int write_text(struct lt_pack_writer *writer, const struct lt_document_part *part)
{
    int code = LT_OK;
    for (size_t at = 0, bytes; at < part->bytes && code == LT_OK; at += bytes) {
        bytes = part->bytes - at < LT_PACK_ENTRY_BYTES_MAX ? part->bytes - at : LT_PACK_ENTRY_BYTES_MAX;
        code = lt_pack_write(writer, LT_PACK_TEXT, part->text + at, bytes);
    }
    return code;
}

static int write_head(struct lt_pack_writer *writer, const char *name, const struct lt_document_version *version)
{
    uint8_t head[LT_PACK_DOCUMENT_HEAD_BYTES + LT_DOCUMENT_NAME_MAX];
    size_t bytes = strlen(name);
    lt_put_u32(head, (uint32_t)version->bytes);
    memcpy(head + LT_PACK_DOCUMENT_HEAD_BYTES, name, bytes);
    return lt_pack_write(writer, LT_PACK_DOCUMENT, head, LT_PACK_DOCUMENT_HEAD_BYTES + bytes);
}

static int write_document(struct lt_export_documents *documents, struct lt_pack_writer *writer, const char *name,
                          const struct lt_document_version *version)
{
    struct lt_background *background = documents->background;
    struct lt_document_part part;
    int code = write_head(writer, name, version);
    for (uint32_t number = 0; number < version->parts && code == LT_OK; number++) {
        if (atomic_load(&background->job.cancelled))
            return LT_ECANCELLED;
        code = lt_document_part_read(background->server->store, background->job.space.id, name, version->number, number,
                                     &part);
        if (code)
            break;
        code = write_text(writer, &part);
        if (code == LT_OK)
            code = write_spans(documents, writer, &part);
        atomic_fetch_add(&background->done, part.spans);
        lt_document_part_finish(&part);
    }
    return code;
}

int lt_export_documents_write(struct lt_export_documents *documents, struct lt_pack_writer *writer,
                              struct lt_error *error)
{
    const struct lt_pack_request *request = &documents->background->job.request->pack;
    for (size_t i = 0; i < request->document_count; i++) {
        const char *name = request->documents[i];
        int code = write_document(documents, writer, name, &documents->versions[i]);
        if (code == LT_ENOTFOUND)
            return lt_fail(error, LT_EBUSY, "the document '%.200s' was changed while it was exported; try again", name);
        if (code == LT_ECORRUPT)
            return lt_fail(error, code, "the document '%.200s' is damaged on disk; put it again", name);
        if (code)
            return lt_fail_code(error, code);
    }
    return LT_OK;
}
