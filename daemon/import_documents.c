#include "daemon/import_documents.h"

#include <string.h>

#include "daemon/document_making.h"
#include "daemon/documents.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "proto/utf8.h"
#include "storage/pack.h"
#include "storage/sealed.h"

int lt_import_documents_init(struct lt_import_documents *documents, struct lt_store *store, const struct lt_job *job)
{
    *documents = (struct lt_import_documents){.store = store, .job = job, .changes = lt_changes_create(job->space.id)};
    return documents->changes ? LT_OK : LT_ENOMEM;
}

void lt_import_documents_finish(struct lt_import_documents *documents)
{
    lt_changes_destroy(documents->changes);
    lt_free(documents->documents);
    lt_free(documents->text);
    *documents = (struct lt_import_documents){0};
}

bool lt_import_documents_are_whole(const struct lt_import_documents *documents)
{
    return documents->text == NULL;
}

/* --- making --- */

/* Cuts a slice of the text and gives its spans their keys. */
static int cut_slice(const struct lt_import_documents *documents, struct lt_document_making *making,
                     struct lt_error *error)
{
    struct lt_document_cutter *cutter = &making->cutter;
    const struct lt_namespace *space = &documents->job->space;
    size_t first, id;
    int code = lt_document_cutter_next(cutter, making->model, &first, &id, error);
    if (code)
        return code;
    for (size_t i = first; i < cutter->span_count; id += cutter->lengths[i++])
        lt_span_key(lt_model_encoder_fingerprint(making->model), space->salt, space->salt_bytes, cutter->ids + id,
                    cutter->lengths[i], &cutter->keys[i]);
    code = lt_document_making_take(making, first);
    return code ? lt_fail_code(error, code) : LT_OK;
}

static int make_version(const struct lt_import_documents *documents, struct lt_document_making *making,
                        struct lt_error *error)
{
    int code;
    while (lt_document_making_read_before(making, &code))
        ;
    if (code)
        return lt_fail_code(error, code);
    while (code == LT_OK && making->cutter.at < making->cutter.bytes)
        code = atomic_load(&documents->job->cancelled) ? lt_fail_code(error, LT_ECANCELLED)
                                                       : cut_slice(documents, making, error);
    return code ? code : lt_document_making_complete(making, 0, error);
}

/* The text of the last document is there. */
static int make_document(struct lt_import_documents *documents, const struct lt_model *model, struct lt_error *error)
{
    struct lt_imported_document *document = &documents->documents[documents->count - 1];
    struct lt_document_making making;
    int code = lt_document_making_begin(&making, documents->store, model, documents->job->space.id, document->name,
                                        documents->text, documents->bytes, error);
    making.reserved = documents->reserved;
    if (code == LT_OK)
        code = make_version(documents, &making, error);
    if (code == LT_OK) {
        document->version = making.version.number;
        document->unchanged = making.unchanged;
        documents->reserved += lt_document_making_bytes(&making);
        lt_changes_join(documents->changes, making.changes);
        making.changes = NULL;
    }
    lt_document_making_finish(&making);
    lt_free(documents->text);
    documents->text = NULL;
    return code;
}

/* --- entries --- */

static bool is_known(const struct lt_import_documents *documents, const char *name, size_t bytes)
{
    for (size_t i = 0; i < documents->count; i++)
        if (strlen(documents->documents[i].name) == bytes && memcmp(documents->documents[i].name, name, bytes) == 0)
            return true;
    return false;
}

static int take_head(struct lt_import_documents *documents, const uint8_t *content, size_t bytes,
                     struct lt_error *error)
{
    const char *name = (const char *)content + LT_PACK_DOCUMENT_HEAD_BYTES;
    if (!lt_import_documents_are_whole(documents) || bytes <= LT_PACK_DOCUMENT_HEAD_BYTES)
        return LT_ECORRUPT;
    size_t name_bytes = bytes - LT_PACK_DOCUMENT_HEAD_BYTES, wanted = lt_take_u32(content);
    if (wanted == 0 || wanted > LT_DOCUMENT_BYTES_MAX || name_bytes > LT_DOCUMENT_NAME_MAX ||
        !lt_utf8_is_name(name, name_bytes) || is_known(documents, name, name_bytes))
        return LT_ECORRUPT;
    documents->text_bytes += wanted;
    if (documents->count == LT_PACK_DOCUMENTS_MAX || documents->text_bytes > LT_PACK_TEXT_BYTES_MAX)
        return lt_fail(error, LT_ETOOLARGE, "a pack has at most %d documents with %u bytes of text together",
                       LT_PACK_DOCUMENTS_MAX, LT_PACK_TEXT_BYTES_MAX);
    struct lt_imported_document *grown =
        lt_realloc(documents->documents, (documents->count + 1) * sizeof *documents->documents);
    if (!grown)
        return lt_fail_code(error, LT_ENOMEM);
    documents->documents = grown;
    documents->documents[documents->count] = (struct lt_imported_document){.version = 0};
    memcpy(documents->documents[documents->count++].name, name, name_bytes);
    documents->text = lt_malloc(wanted);
    documents->bytes = 0;
    documents->wanted = wanted;
    return documents->text ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

int lt_import_documents_take(struct lt_import_documents *documents, const struct lt_model *model, uint8_t kind,
                             const uint8_t *content, size_t bytes, struct lt_error *error)
{
    size_t offset;
    if (kind == LT_PACK_DOCUMENT)
        return take_head(documents, content, bytes, error);
    if (lt_import_documents_are_whole(documents) || bytes == 0 || bytes > documents->wanted - documents->bytes)
        return LT_ECORRUPT;
    memcpy(documents->text + documents->bytes, content, bytes);
    documents->bytes += bytes;
    if (documents->bytes < documents->wanted)
        return LT_OK;
    if (lt_utf8_check(documents->text, documents->bytes, &offset) != LT_OK)
        return LT_ECORRUPT;
    return make_document(documents, model, error);
}

/* --- the end --- */

int lt_import_documents_store(struct lt_import_documents *documents, struct lt_error *error)
{
    struct lt_changes *changes = documents->changes;
    if (documents->count == 0)
        return LT_OK;
    documents->changes = NULL;
    int code = lt_store_change_wait(documents->store, changes);
    if (code == LT_EBUSY)
        return lt_fail(error, code, "another request has changed a document of the pack meanwhile; try again");
    return code ? lt_documents_fail_writing(code, documents->documents[0].name, error) : LT_OK;
}

void lt_import_documents_reply(const struct lt_import_documents *documents, struct lt_writer *writer)
{
    lt_write_array(writer, (uint32_t)documents->count);
    for (size_t i = 0; i < documents->count; i++) {
        lt_write_map(writer, 3);
        lt_pair_text(writer, "name", documents->documents[i].name);
        lt_pair_uint(writer, "version", documents->documents[i].version);
        lt_pair_bool(writer, "unchanged", documents->documents[i].unchanged);
    }
}
