#include "daemon/documents.h"

#include <sodium.h>
#include <string.h>

#include "daemon/reply.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/pairs.h"

static int fail_document(struct lt_error *error, int code, const char *name)
{
    if (code == LT_ENOTFOUND)
        return lt_fail(error, code, "no document is called '%.200s'; the method doc.list lists them", name);
    if (code == LT_ECORRUPT)
        return lt_fail(error, code, "the document '%.200s' is damaged on disk; put it again", name);
    return lt_fail_code(error, code);
}

int lt_documents_fail_writing(int code, const char *name, struct lt_error *error)
{
    if (code == LT_EFULL)
        return lt_fail(error, code,
                       "documents may use half of the store's budget, and '%.100s' has no room in it; "
                       "remove some (doc.remove) or give the daemon a greater --budget",
                       name);
    if (code == LT_ENOTFOUND)
        return lt_fail(error, code, "the namespace of the document '%.200s' was removed meanwhile", name);
    if (code == LT_EBUSY)
        return lt_fail(error, code, "another request has changed the document '%.200s' meanwhile; try again", name);
    return lt_fail(error, code, "the document '%.200s' could not be written to the disk", name);
}

int lt_documents_find(struct lt_store *store, uint32_t space, const char *name, struct lt_document *ret_document,
                      struct lt_error *error)
{
    int code = lt_document_find(store, space, name, ret_document);
    return code ? fail_document(error, code, name) : LT_OK;
}

static int find_version(struct lt_store *store, uint32_t space, const char *name, uint32_t number,
                        struct lt_document_version *ret_version, struct lt_error *error)
{
    struct lt_document document;
    int code = lt_documents_find(store, space, name, &document, error);
    if (code)
        return code;
    const struct lt_document_version *version = lt_document_version(&document, number);
    if (!version)
        return lt_fail(error, LT_ENOTFOUND, "the document '%.200s' has no version %u; it has %u to %u", name, number,
                       document.versions[0].number, document.versions[document.count - 1].number);
    *ret_version = *version;
    return LT_OK;
}

void lt_documents_name(const struct lt_segment *segment, char ret_name[LT_DOCUMENT_NAME_MAX + 1])
{
    memcpy(ret_name, segment->text, segment->bytes);
    ret_name[segment->bytes] = '\0';
}

int lt_documents_version(struct lt_store *store, uint32_t space, const struct lt_segment *segment,
                         struct lt_document_version *ret_version, struct lt_error *error)
{
    char name[LT_DOCUMENT_NAME_MAX + 1];
    lt_documents_name(segment, name);
    return find_version(store, space, name, segment->version, ret_version, error);
}

/* --- tokens --- */

bool lt_documents_same_encoder(const struct lt_model *model, const struct lt_document_version *version)
{
    return lt_model_has_encoder(model) &&
           memcmp(lt_model_encoder_fingerprint(model), version->encoder, sizeof version->encoder) == 0;
}

static int stored_tokens(struct lt_store *store, uint32_t space, const char *name,
                         const struct lt_document_version *version, uint32_t **ret_tokens, size_t *ret_count)
{
    size_t count = 0;
    uint32_t *tokens = lt_malloc(version->tokens * sizeof *tokens);
    int code = tokens ? LT_OK : LT_ENOMEM;
    for (uint32_t number = 0; number < version->parts && code == LT_OK; number++) {
        struct lt_document_part part;
        code = lt_document_part_read(store, space, name, version->number, number, &part);
        if (code)
            break;
        if (count + part.tokens <= version->tokens)
            memcpy(tokens + count, part.ids, part.tokens * sizeof *tokens);
        count += part.tokens;
        lt_document_part_finish(&part);
    }
    if (code == LT_OK && count != version->tokens)
        code = LT_ECORRUPT;
    if (code) {
        lt_free(tokens);
        return code == LT_ENOTFOUND ? LT_ECORRUPT : code;
    }
    *ret_tokens = tokens;
    *ret_count = count;
    return LT_OK;
}

/* The tokens of another tokenizer than the one that the document was put with. */
static int text_tokens(struct lt_store *store, uint32_t space, const struct lt_model *model, const char *name,
                       const struct lt_document_version *version, uint32_t **ret_tokens, size_t *ret_count)
{
    struct lt_buffer text;
    lt_buffer_init(&text, LT_PROMPT_BYTES_MAX);
    int code = LT_OK;
    for (uint32_t number = 0; number < version->parts && code == LT_OK; number++) {
        struct lt_document_part part;
        code = lt_document_part_read(store, space, name, version->number, number, &part);
        if (code)
            break;
        code = lt_buffer_append(&text, part.text, part.bytes);
        lt_document_part_finish(&part);
    }
    if (code == LT_OK)
        code = lt_tokenizer_encode(lt_model_tokenizer(model), (const char *)text.data, text.size, ret_tokens, ret_count,
                                   NULL);
    lt_buffer_finish(&text);
    return code == LT_ENOTFOUND ? LT_ECORRUPT : code;
}

static int fail_context(struct lt_error *error, const struct lt_model *model, const char *name, uint64_t tokens,
                        size_t most)
{
    return lt_fail(error, LT_ECONTEXT,
                   "the document '%.120s' has %llu tokens, and %zu are left; model %s takes fewer than %u, prompt and "
                   "answer together",
                   name, (unsigned long long)tokens, most, lt_model_name(model), lt_model_shape(model)->context);
}

int lt_documents_tokens(struct lt_store *store, uint32_t space, const struct lt_model *model,
                        const struct lt_segment *segment, size_t most, uint32_t **ret_tokens, size_t *ret_count,
                        uint32_t *ret_version, struct lt_error *error)
{
    char name[LT_DOCUMENT_NAME_MAX + 1];
    struct lt_document_version version;
    lt_documents_name(segment, name);
    int code = lt_documents_version(store, space, segment, &version, error);
    if (code)
        return code;
    bool stored = lt_documents_same_encoder(model, &version);
    /* Under another tokenizer the number is not known before; a text that large fits no context. */
    if ((stored && version.tokens > most) || version.bytes > LT_PROMPT_BYTES_MAX)
        return fail_context(error, model, name, version.tokens, most);
    code = stored ? stored_tokens(store, space, name, &version, ret_tokens, ret_count)
                  : text_tokens(store, space, model, name, &version, ret_tokens, ret_count);
    if (code)
        return fail_document(error, code, name);
    if (*ret_count > most) {
        lt_free(*ret_tokens);
        return fail_context(error, model, name, *ret_count, most);
    }
    *ret_version = version.number;
    return LT_OK;
}

/* --- methods that look --- */

/* Six pairs. */
static void write_version(struct lt_writer *writer, const struct lt_document_version *version)
{
    char fingerprint[2 * sizeof version->encoder + 1];
    sodium_bin2hex(fingerprint, sizeof fingerprint, version->encoder, sizeof version->encoder);
    lt_pair_uint(writer, "version", version->number);
    lt_pair_uint(writer, "created_ms", version->created);
    lt_pair_uint(writer, "bytes", version->bytes);
    lt_pair_uint(writer, "tokens", version->tokens);
    lt_pair_uint(writer, "spans", version->spans);
    lt_write_text(writer, "encoder_fingerprint");
    lt_write_text(writer, fingerprint);
}

static void write_name(struct lt_writer *writer, const char *name)
{
    lt_write_text(writer, "name");
    lt_write_text(writer, name);
}

static void write_history(struct lt_writer *writer, const char *name, const struct lt_document *document)
{
    lt_write_map(writer, 2);
    write_name(writer, name);
    lt_write_text(writer, "versions");
    lt_write_array(writer, document->count);
    for (uint32_t i = document->count; i > 0; i--) {
        const struct lt_document_version *version = &document->versions[i - 1];
        lt_write_map(writer, 9);
        write_version(writer, version);
        lt_pair_uint(writer, "kept", version->kept);
        lt_pair_uint(writer, "encoded", version->encoded);
        lt_pair_uint(writer, "dropped", version->dropped);
    }
}

/* Finds what of the spans is stored. Working memory is in one piece. */
static int look_up(struct lt_store *store, enum lt_latent_type type, uint32_t width,
                   const struct lt_document_part *part, struct lt_latent **ret_latents, enum lt_lookup **ret_lookups)
{
    struct lt_latent *latents = lt_calloc(part->spans, sizeof *latents);
    enum lt_lookup *lookups = lt_calloc(part->spans, sizeof *lookups);
    uint8_t *payload = lt_malloc(lt_latent_payload_bytes(type, width)); /* of no interest here, so one will do */
    int code = latents && lookups && payload ? LT_OK : LT_ENOMEM;
    for (uint32_t i = 0; code == LT_OK && i < part->spans; i++)
        latents[i] = (struct lt_latent){.key = part->keys[i], .type = type, .dimension = width, .payload = payload};
    for (uint32_t first = 0; code == LT_OK && first < part->spans; first += LT_LATENT_BATCH_MAX)
        (void)lt_store_get(store, latents + first,
                           part->spans - first < LT_LATENT_BATCH_MAX ? part->spans - first : LT_LATENT_BATCH_MAX,
                           lookups + first);
    lt_free(payload);
    if (code) {
        lt_free(latents);
        lt_free(lookups);
        return code;
    }
    *ret_latents = latents;
    *ret_lookups = lookups;
    return LT_OK;
}

static void write_spans(struct lt_writer *writer, const struct lt_model *model, const struct lt_document_part *part,
                        const enum lt_lookup *lookups, bool readable)
{
    const uint32_t *ids = part->ids;
    lt_write_text(writer, "spans_of_part");
    lt_write_array(writer, part->spans);
    for (uint32_t i = 0; i < part->spans; ids += part->lengths[i++]) {
        char key[2 * LT_SPAN_KEY_BYTES + 1];
        sodium_bin2hex(key, sizeof key, part->keys[i].bytes, LT_SPAN_KEY_BYTES);
        lt_write_map(writer, 4);
        lt_write_text(writer, "text");
        if (readable)
            lt_reply_token_text(writer, model, ids, part->lengths[i]);
        else
            lt_write_text(writer, "");
        lt_pair_uint(writer, "tokens", part->lengths[i]);
        lt_write_text(writer, "key");
        lt_write_text(writer, key);
        lt_write_text(writer, lt_lookup_is_hit(lookups[i]) ? "tier" : "miss");
        lt_write_text(writer, lt_lookup_name(lookups[i]));
    }
}

static int write_part(struct lt_store *store, uint32_t space, enum lt_latent_type type, const struct lt_model *model,
                      const struct lt_document_request *request, const struct lt_document_version *version,
                      struct lt_writer *writer)
{
    struct lt_document_part part;
    struct lt_latent *latents;
    enum lt_lookup *lookups;
    int code = lt_document_part_read(store, space, request->name, version->number, request->part, &part);
    if (code)
        return code == LT_ENOTFOUND ? LT_ECORRUPT : code;
    code = look_up(store, type, lt_model_shape(model)->width, &part, &latents, &lookups);
    if (code == LT_OK) {
        lt_write_map(writer, 11);
        write_name(writer, request->name);
        write_version(writer, version);
        lt_pair_uint(writer, "part", request->part);
        lt_pair_uint(writer, "parts", version->parts);
        lt_write_text(writer, "text");
        lt_write_text_bytes(writer, part.text, part.bytes);
        write_spans(writer, model, &part, lookups, lt_documents_same_encoder(model, version));
        code = writer->error;
        lt_free(latents);
        lt_free(lookups);
    }
    lt_document_part_finish(&part);
    return code;
}

static int get(struct lt_store *store, uint32_t space, enum lt_latent_type type, const struct lt_model *model,
               const struct lt_request *request, struct lt_writer *writer, struct lt_error *error)
{
    const struct lt_document_request *wanted = &request->document;
    struct lt_document_version version;
    int code = find_version(store, space, wanted->name, wanted->version, &version, error);
    if (code)
        return code;
    if (wanted->part >= version.parts)
        return lt_fail(error, LT_EPARAM, "doc.get: part must be an integer from 0 to %u; found %u", version.parts - 1,
                       wanted->part);
    lt_write_response(writer, request->id);
    code = write_part(store, space, type, model, wanted, &version, writer);
    return code ? fail_document(error, code, wanted->name) : LT_OK;
}

static int history(struct lt_store *store, uint32_t space, const struct lt_request *request, struct lt_writer *writer,
                   struct lt_error *error)
{
    struct lt_document document;
    int code = lt_documents_find(store, space, request->document.name, &document, error);
    if (code)
        return code;
    lt_write_response(writer, request->id);
    write_history(writer, request->document.name, &document);
    return writer->error ? lt_fail_code(error, writer->error) : LT_OK;
}

/* Entries are written aside, because their number comes in front of them. */
static int list(struct lt_store *store, uint32_t space, const struct lt_request *request, struct lt_writer *writer,
                struct lt_error *error)
{
    char name[LT_DOCUMENT_NAME_MAX + 1];
    struct lt_buffer entries;
    struct lt_writer aside;
    struct lt_document document;
    uint32_t count = 0;
    int code = LT_OK;
    strcpy(name, request->document_list.after);
    lt_buffer_init(&entries, LT_REPLY_BYTES_MAX / 2);
    lt_writer_init(&aside, &entries);
    while (count < request->document_list.limit &&
           (code = lt_document_next(store, space, name, name, &document)) != LT_ENOTFOUND) {
        if (code && code != LT_ECORRUPT)
            break;
        lt_write_map(&aside, code ? 2 : 8);
        write_name(&aside, name);
        lt_pair_bool(&aside, "damaged", code != LT_OK);
        if (code == LT_OK)
            write_version(&aside, &document.versions[document.count - 1]);
        count++;
    }
    bool more = code != LT_ENOTFOUND && lt_document_next(store, space, name, name, &document) != LT_ENOTFOUND;
    code = code == LT_EIO ? code : aside.error;
    if (code == LT_OK) {
        lt_write_response(writer, request->id);
        lt_write_map(writer, 2);
        lt_pair_bool(writer, "more", more);
        lt_write_text(writer, "documents");
        lt_write_array(writer, count);
        code = writer->error ? writer->error : lt_buffer_append(writer->buffer, entries.data, entries.size);
    }
    lt_buffer_finish(&entries);
    return code ? lt_fail_code(error, code) : LT_OK;
}

int lt_documents_look(struct lt_store *store, uint32_t space, enum lt_latent_type type, const struct lt_model *model,
                      const struct lt_request *request, struct lt_writer *writer, struct lt_error *error)
{
    switch (request->method) {
    case LT_METHOD_DOCUMENT_GET:
        return get(store, space, type, model, request, writer, error);
    case LT_METHOD_DOCUMENT_HISTORY:
        return history(store, space, request, writer, error);
    default:
        return list(store, space, request, writer, error);
    }
}
