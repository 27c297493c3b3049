#include "daemon/document_put.h"

#include <string.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/documents.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/pairs.h"

#define STORED_OVER_BYTES 5 / 4 /* pages are not full */
#define PROGRESS_SECONDS 0.1

static bool is_removal(const struct lt_task *task)
{
    return task->job->request->method == LT_METHOD_DOCUMENT_REMOVE;
}

/* --- the version before --- */

/* Reads the next part of the version before; one that is damaged ends it: its spans count as changed. */
static int read_before(struct lt_document_put *put, const struct lt_document_version *before, uint32_t number)
{
    struct lt_document_part part;
    int code = lt_document_part_read(put->store, put->name, before->number, number, &part);
    if (code)
        return code == LT_ENOMEM ? code : LT_OK;
    lt_document_diff_before(&put->diff, part.keys, part.spans);
    lt_document_part_finish(&part);
    return LT_OK;
}

/* --- slices and parts --- */

/* Plans the spans from number `first` of the part on as this cycle's. */
static int plan_spans(struct lt_task *task, size_t first, size_t first_id)
{
    const struct lt_document_cutter *cutter = &task->put->cutter;
    size_t count = cutter->span_count - first, width = lt_model_shape(task->served->model)->width;
    lt_free(task->spans);
    lt_free(task->latents);
    task->spans = lt_calloc(count + 1, sizeof *task->spans);
    task->latents = lt_malloc((count + 1) * width * sizeof *task->latents);
    if (!task->spans || !task->latents)
        return LT_ENOMEM;
    for (size_t i = 0, id = first_id; i < count; id += cutter->lengths[first + i++])
        task->spans[i] = (struct lt_cache_span){
            .tokens = cutter->ids + id, .count = cutter->lengths[first + i], .latent = task->latents + i * width};
    task->span_count = count;
    task->fresh = task->spans;
    task->fresh_count = count;
    return LT_OK;
}

static int plan_slice(struct lt_task *task, struct lt_error *error)
{
    double began = lt_clock_seconds();
    size_t first, first_id;
    int code = lt_document_cutter_next(&task->put->cutter, task->served->model, &first, &first_id, error);
    if (code)
        return code;
    code = plan_spans(task, first, first_id);
    task->receipt.tokenize += lt_clock_seconds() - began;
    return code ? lt_fail_code(error, code) : LT_OK;
}

/* Adds a part of the spans so far to what will be written. What somebody wants to keep is not the first to be evicted,
 * though nobody has asked about it yet. */
static int close_part(struct lt_document_put *put, const struct lt_tokenizer *tokenizer)
{
    struct lt_document_part part;
    if (!lt_document_cutter_part(&put->cutter, tokenizer, &part))
        return LT_OK; /* at the next slice, then */
    int code = lt_document_part_put(put->changes, put->name, put->version.number, put->version.parts, &part);
    if (code)
        return code;
    put->version.parts++;
    lt_store_spare(put->store, part.keys, part.spans);
    lt_document_cutter_drop(&put->cutter, &part);
    return LT_OK;
}

/* Takes up what became of the slice's spans. */
static void record_slice(struct lt_task *task)
{
    struct lt_document_put *put = task->put;
    size_t first = put->cutter.span_count - task->span_count;
    for (size_t i = 0; i < task->span_count; i++) {
        put->cutter.keys[first + i] = task->spans[i].key;
        lt_document_diff_add(&put->diff, put->version.spans++, &task->spans[i].key);
    }
    task->span_count = 0;
}

/* --- the end --- */

static void submit(struct lt_document_put *put)
{
    struct lt_changes *changes = put->changes;
    put->changes = NULL;
    lt_writing_begin(&put->writing, put->store, changes);
}

/* About what a version takes on disk. */
static uint64_t stored_bytes(const struct lt_document_version *version)
{
    return version->bytes + 4 * version->tokens + (sizeof(struct lt_span_key) + 1) * version->spans +
           64 * (uint64_t)version->parts;
}

/* Drops the oldest version from the history. */
static int drop_oldest(struct lt_document_put *put)
{
    struct lt_document *document = &put->document;
    int code = lt_document_remove_parts(put->changes, put->name, &document->versions[0]);
    document->count--;
    memmove(document->versions, document->versions + 1, document->count * sizeof *document->versions);
    return code;
}

/* Old versions go where a new one has no place or no room. */
static int shorten_history(struct lt_document_put *put, struct lt_error *error)
{
    uint64_t used = 0, most = 0, needed = stored_bytes(&put->version) * STORED_OVER_BYTES;
    int code = lt_documents_used(put->store, &used, &most);
    while (code == LT_OK && put->document.count > 0 &&
           (put->document.count == LT_DOCUMENT_VERSIONS_MAX || used + needed > most)) {
        uint64_t freed = stored_bytes(&put->document.versions[0]);
        used -= freed < used ? freed : used;
        code = drop_oldest(put);
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
static int add_version(struct lt_task *task, struct lt_error *error)
{
    struct lt_document_put *put = task->put;
    int code = LT_OK;
    while (put->cutter.span_count > 0 && code == LT_OK)
        code = close_part(put, lt_model_tokenizer(task->served->model));
    if (code)
        return lt_fail_code(error, code);
    code = shorten_history(put, error);
    if (code)
        return code;
    put->version.created = now_milliseconds();
    put->document.versions[put->document.count++] = put->version;
    code = lt_document_put(put->changes, put->name, &put->document);
    return code ? lt_fail_code(error, code) : LT_OK;
}

/* All slices are done. A text that is as before changes nothing, and still waits for the writer: latents that had gone
 * were encoded again. */
static int finish_version(struct lt_task *task, struct lt_error *error)
{
    struct lt_document_put *put = task->put;
    const struct lt_document_version *newest = put->document.count ? lt_document_version(&put->document, 0) : NULL;
    put->version.tokens = put->cutter.tokens;
    put->version.kept = put->diff.kept;
    put->version.dropped = put->diff.before_count - put->diff.kept;
    put->version.encoded = task->receipt.misses;
    put->unchanged = newest && newest->spans == put->version.spans && newest->spans == put->diff.same;
    int code = LT_OK;
    if (put->unchanged) {
        put->version.number = newest->number;
        lt_changes_destroy(put->changes);
        put->changes = lt_changes_create();
        code = put->changes ? LT_OK : lt_fail_code(error, LT_ENOMEM);
    } else {
        code = add_version(task, error);
    }
    if (code == LT_OK)
        submit(put);
    return code;
}

static int finish_writing(const struct lt_document_put *put, bool *ret_done, struct lt_error *error)
{
    if (lt_writing_waits(&put->writing))
        return LT_OK;
    *ret_done = true;
    if (put->writing.code == LT_EFULL)
        return lt_fail(error, LT_EFULL,
                       "documents may use half of the store's budget, and '%.100s' has no room in it; "
                       "remove some (doc.remove) or give the daemon a greater --budget",
                       put->name);
    if (put->writing.code)
        return lt_fail(error, put->writing.code, "the document '%.200s' could not be written to the disk", put->name);
    return LT_OK;
}

int lt_document_put_advance(struct lt_task *task, bool *ret_done, struct lt_error *error)
{
    struct lt_document_put *put = task->put;
    *ret_done = false;
    if (put->writing.begun)
        return finish_writing(put, ret_done, error);
    const struct lt_document_version *before = put->document.count ? lt_document_version(&put->document, 0) : NULL;
    if (before && put->parts_read < before->parts) {
        int code = read_before(put, before, put->parts_read++);
        return code ? lt_fail_code(error, code) : LT_OK;
    }
    record_slice(task);
    int code = LT_OK;
    if (put->cutter.span_count >= LT_DOCUMENT_PART_SPANS)
        code = close_part(put, lt_model_tokenizer(task->served->model));
    if (code)
        return lt_fail_code(error, code);
    return put->cutter.at == put->cutter.bytes ? finish_version(task, error) : plan_slice(task, error);
}

bool lt_document_put_progress_is_due(struct lt_task *task)
{
    const struct lt_job *job = task->job;
    double now = lt_clock_seconds();
    if (is_removal(task) || !job->request->document_put.progress || atomic_load(&job->paused) ||
        now - task->put->progress_sent < PROGRESS_SECONDS)
        return false;
    task->put->progress_sent = now;
    return true;
}

/* --- life --- */

static int begin_removal(struct lt_document_put *put)
{
    int code = lt_document_remove(put->changes, put->name, &put->document);
    if (code == LT_OK)
        submit(put);
    return code;
}

static int begin_put(struct lt_document_put *put, const struct lt_task *task)
{
    const struct lt_document_put_request *request = &task->job->request->document_put;
    const struct lt_document_version *before = put->document.count ? lt_document_version(&put->document, 0) : NULL;
    lt_document_cutter_init(&put->cutter, request->text, request->bytes);
    put->version = (struct lt_document_version){.number = before ? before->number + 1 : 1, .bytes = request->bytes};
    memcpy(put->version.encoder, lt_model_encoder_fingerprint(task->served->model), sizeof put->version.encoder);
    return lt_document_diff_init(&put->diff, before ? before->spans : 0);
}

int lt_document_put_create(struct lt_task *task, struct lt_store *store, struct lt_wake wake,
                           struct lt_document_put **ret_put, struct lt_error *error)
{
    bool removal = is_removal(task);
    struct lt_document_put *put = lt_calloc(1, sizeof *put);
    if (!put)
        return lt_fail_code(error, LT_ENOMEM);
    *put = (struct lt_document_put){.store = store, .writing = {.wake = wake}};
    put->name = removal ? task->job->request->document.name : task->job->request->document_put.name;
    put->changes = lt_changes_create();
    int code =
        put->changes ? lt_documents_find(store, put->name, &put->document, error) : lt_fail_code(error, LT_ENOMEM);
    if (!removal && (code == LT_ENOTFOUND || code == LT_ECORRUPT))
        code = LT_OK; /* the first of its name; a damaged one is replaced */
    if (code == LT_OK) {
        code = removal ? begin_removal(put) : begin_put(put, task);
        if (code)
            lt_fail_code(error, code);
    }
    if (code) {
        lt_document_put_destroy(put);
        return code;
    }
    *ret_put = put;
    return LT_OK;
}

void lt_document_put_destroy(struct lt_document_put *put)
{
    if (!put)
        return;
    lt_changes_destroy(put->changes);
    lt_document_diff_finish(&put->diff);
    lt_document_cutter_finish(&put->cutter);
    lt_free(put);
}

/* --- messages --- */

static void write_put(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_document_put *put = task->put;
    const struct lt_document_version *version = &put->version;
    lt_write_map(writer, 12);
    lt_write_text(writer, "name");
    lt_write_text(writer, put->name);
    lt_pair_uint(writer, "version", version->number);
    lt_pair_bool(writer, "unchanged", put->unchanged);
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(task->served->model));
    lt_pair_uint(writer, "bytes", version->bytes);
    lt_pair_uint(writer, "tokens", version->tokens);
    lt_pair_uint(writer, "spans", version->spans);
    lt_pair_uint(writer, "kept", version->kept);
    lt_pair_uint(writer, "encoded", version->encoded);
    lt_pair_uint(writer, "dropped", version->dropped);
    lt_write_text(writer, "timings");
    lt_write_map(writer, 4);
    lt_pair_milliseconds(writer, "tokenize_ms", task->receipt.tokenize);
    lt_pair_milliseconds(writer, "lookup_ms", task->receipt.lookup);
    lt_pair_milliseconds(writer, "encode_ms", task->receipt.encode);
    lt_pair_milliseconds(writer, "total_ms", lt_clock_seconds() - task->job->received);
    lt_write_text(writer, "ops");
    lt_write_map(writer, 1);
    lt_pair_uint(writer, "encode", task->receipt.encode_operations);
}

void lt_document_put_reply(struct lt_writer *writer, const struct lt_task *task)
{
    lt_write_response(writer, task->job->request->id);
    if (!is_removal(task)) {
        write_put(writer, task);
        return;
    }
    lt_write_map(writer, 2);
    lt_write_text(writer, "removed");
    lt_write_text(writer, task->put->name);
    lt_pair_uint(writer, "versions", task->put->document.count);
}

void lt_document_put_progress(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_document_put *put = task->put;
    lt_write_notification(writer, "progress");
    lt_write_map(writer, 5);
    lt_pair_uint(writer, "id", task->job->request->id);
    lt_pair_uint(writer, "done", put->cutter.at);
    lt_pair_uint(writer, "total", put->cutter.bytes);
    lt_pair_uint(writer, "spans", put->version.spans);
    lt_pair_uint(writer, "encoded", task->receipt.misses);
}
