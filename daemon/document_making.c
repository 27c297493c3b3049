#include "daemon/document_making.h"

#include <string.h>
#include <time.h>

#include "daemon/documents.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"

#define STORED_OVER_BYTES 5 / 4 /* pages are not full */

static const struct lt_document_version *newest(const struct lt_document_making *making)
{
    return making->document.count ? lt_document_version(&making->document, 0) : NULL;
}

/* --- the version before --- */

/* A part that is damaged is passed over: its spans count as changed. */
bool lt_document_making_read_before(struct lt_document_making *making, int *ret_code)
{
    const struct lt_document_version *before = newest(making);
    struct lt_document_part part;
    *ret_code = LT_OK;
    if (!before || making->parts_read == before->parts)
        return false;
    int code =
        lt_document_part_read(making->store, making->space, making->name, before->number, making->parts_read++, &part);
    if (code == LT_OK) {
        lt_document_diff_before(&making->diff, part.keys, part.spans);
        lt_document_part_finish(&part);
    } else if (code == LT_ENOMEM) {
        *ret_code = code;
    }
    return *ret_code == LT_OK;
}

/* --- parts --- */

/* Adds a part of the spans so far to what will be written. What somebody wants to keep is not the first to be evicted,
 * though nobody has asked about it yet. */
static int close_part(struct lt_document_making *making)
{
    struct lt_document_part part;
    if (!lt_document_cutter_part(&making->cutter, lt_model_tokenizer(making->model), &part))
        return LT_OK; /* at the next slice, then */
    int code =
        lt_document_part_put(making->changes, making->name, making->version.number, making->version.parts, &part);
    if (code)
        return code;
    making->version.parts++;
    lt_store_spare(making->store, part.keys, part.spans);
    lt_document_cutter_drop(&making->cutter, &part);
    return LT_OK;
}

int lt_document_making_take(struct lt_document_making *making, size_t first)
{
    const struct lt_document_cutter *cutter = &making->cutter;
    for (size_t i = first; i < cutter->span_count; i++)
        lt_document_diff_add(&making->diff, making->version.spans++, &cutter->keys[i]);
    return cutter->span_count >= LT_DOCUMENT_PART_SPANS ? close_part(making) : LT_OK;
}

/* --- the end --- */

static uint64_t stored_bytes(const struct lt_document_version *version)
{
    return version->bytes + 4 * version->tokens + (sizeof(struct lt_span_key) + 1) * version->spans +
           64 * (uint64_t)version->parts;
}

uint64_t lt_document_making_bytes(const struct lt_document_making *making)
{
    return making->unchanged ? 0 : stored_bytes(&making->version) * STORED_OVER_BYTES;
}

/* Drops the oldest version from the history. */
static int drop_oldest(struct lt_document_making *making)
{
    struct lt_document *document = &making->document;
    int code = lt_document_remove_parts(making->changes, making->name, &document->versions[0]);
    document->count--;
    memmove(document->versions, document->versions + 1, document->count * sizeof *document->versions);
    return code;
}

/* Old versions go where a new one has no place or no room. */
static int shorten_history(struct lt_document_making *making, struct lt_error *error)
{
    uint64_t used = 0, most = 0, needed = lt_document_making_bytes(making);
    int code = lt_documents_used(making->store, &used, &most);
    used += making->reserved;
    while (code == LT_OK && making->document.count > 0 &&
           (making->document.count == LT_DOCUMENT_VERSIONS_MAX || used + needed > most)) {
        uint64_t freed = stored_bytes(&making->document.versions[0]);
        used -= freed < used ? freed : used;
        code = drop_oldest(making);
    }
    if (code)
        return lt_fail_code(error, code);
    if (used + needed > most)
        return lt_fail(error, LT_EFULL,
                       "documents use %llu of at most %llu bytes, half of the store's budget, and this one needs about "
                       "%llu; remove some (doc.remove) or give the daemon a greater --budget",
                       (unsigned long long)used, (unsigned long long)most, (unsigned long long)needed);
    return LT_OK;
}

static uint64_t now_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Puts the new version behind the others. */
static int add_version(struct lt_document_making *making, struct lt_error *error)
{
    int code = LT_OK;
    while (making->cutter.span_count > 0 && code == LT_OK)
        code = close_part(making);
    if (code)
        return lt_fail_code(error, code);
    code = shorten_history(making, error);
    if (code)
        return code;
    making->version.created = now_milliseconds();
    making->document.versions[making->document.count++] = making->version;
    code = lt_document_put(making->changes, making->name, &making->document);
    return code ? lt_fail_code(error, code) : LT_OK;
}

int lt_document_making_complete(struct lt_document_making *making, uint64_t encoded, struct lt_error *error)
{
    const struct lt_document_version *before = newest(making);
    making->version.tokens = making->cutter.tokens;
    making->version.kept = making->diff.kept;
    making->version.dropped = making->diff.before_count - making->diff.kept;
    making->version.encoded = encoded;
    making->unchanged = before && before->spans == making->version.spans && before->spans == making->diff.same;
    if (!making->unchanged)
        return add_version(making, error);
    making->version.number = before->number;
    lt_changes_destroy(making->changes);
    making->changes = lt_changes_create(making->space);
    return making->changes ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

/* --- life --- */

int lt_document_making_begin(struct lt_document_making *making, struct lt_store *store, const struct lt_model *model,
                             uint32_t space, const char *name, const char *text, size_t bytes, struct lt_error *error)
{
    *making = (struct lt_document_making){.store = store, .model = model, .space = space, .name = name};
    lt_document_cutter_init(&making->cutter, text, bytes);
    int code = lt_documents_find(store, space, name, &making->document, error);
    if (code == LT_ECORRUPT)
        making->document = (struct lt_document){0}; /* a damaged one is replaced */
    else if (code && code != LT_ENOTFOUND)
        return code;
    const struct lt_document_version *before = newest(making);
    making->version = (struct lt_document_version){.number = before ? before->number + 1 : 1, .bytes = bytes};
    memcpy(making->version.encoder, lt_model_encoder_fingerprint(model), sizeof making->version.encoder);
    making->changes = lt_changes_create(making->space);
    bool expected = making->changes && code != LT_ECORRUPT;
    code = making->changes ? lt_document_diff_init(&making->diff, before ? before->spans : 0) : LT_ENOMEM;
    if (code == LT_OK && expected)
        code = lt_document_expect(making->changes, name, &making->document);
    return code ? lt_fail_code(error, code) : LT_OK;
}

void lt_document_making_finish(struct lt_document_making *making)
{
    lt_changes_destroy(making->changes);
    lt_document_diff_finish(&making->diff);
    lt_document_cutter_finish(&making->cutter);
    *making = (struct lt_document_making){0};
}
