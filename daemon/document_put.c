#include "daemon/document_put.h"

#include <string.h>

#include "daemon/clock.h"
#include "daemon/documents.h"
#include "proto/alloc.h"
#include "proto/pairs.h"

#define PROGRESS_SECONDS 0.1

static bool is_removal(const struct lt_task *task)
{
    return task->job->request->method == LT_METHOD_DOCUMENT_REMOVE;
}

bool lt_document_put_changes(const struct lt_document_put *put, const struct lt_job *job)
{
    const struct lt_request *request = job->request;
    const char *name = request->method == LT_METHOD_DOCUMENT_PUT ? request->document_put.name : request->document.name;
    return put->making.space == job->space.id && strcmp(put->making.name, name) == 0;
}

/* --- slices --- */

/* Plans the spans from number `first` of the part on as this cycle's. */
static int plan_spans(struct lt_task *task, size_t first, size_t first_id)
{
    const struct lt_document_cutter *cutter = &task->put->making.cutter;
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
    int code = lt_document_cutter_next(&task->put->making.cutter, task->served->model, &first, &first_id, error);
    if (code)
        return code;
    code = plan_spans(task, first, first_id);
    task->receipt.tokenize += lt_clock_seconds() - began;
    return code ? lt_fail_code(error, code) : LT_OK;
}

/* Takes up what became of the slice's spans. */
static int take_slice(struct lt_task *task)
{
    struct lt_document_making *making = &task->put->making;
    size_t first = making->cutter.span_count - task->span_count;
    for (size_t i = 0; i < task->span_count; i++)
        making->cutter.keys[first + i] = task->spans[i].key;
    task->span_count = 0;
    return lt_document_making_take(making, first);
}

/* --- the end --- */

static void submit(struct lt_document_put *put)
{
    struct lt_changes *changes = put->making.changes;
    put->making.changes = NULL;
    lt_writing_begin(&put->writing, put->making.store, changes);
}

/* All slices are done. A text that is as before changes nothing, and still waits for the writer: latents that had gone
 * were encoded again. */
static int finish_version(struct lt_task *task, struct lt_error *error)
{
    int code = lt_document_making_complete(&task->put->making, task->receipt.misses, error);
    if (code == LT_OK)
        submit(task->put);
    return code;
}

static int finish_writing(const struct lt_document_put *put, bool *ret_done, struct lt_error *error)
{
    if (lt_writing_waits(&put->writing))
        return LT_OK;
    *ret_done = true;
    return put->writing.code ? lt_documents_fail_writing(put->writing.code, put->making.name, error) : LT_OK;
}

int lt_document_put_advance(struct lt_task *task, bool *ret_done, struct lt_error *error)
{
    struct lt_document_put *put = task->put;
    const struct lt_document_cutter *cutter = &put->making.cutter;
    int code;
    *ret_done = false;
    if (put->writing.begun)
        return finish_writing(put, ret_done, error);
    if (lt_document_making_read_before(&put->making, &code))
        return LT_OK;
    if (code == LT_OK)
        code = take_slice(task);
    if (code)
        return lt_fail_code(error, code);
    return cutter->at == cutter->bytes ? finish_version(task, error) : plan_slice(task, error);
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

static int begin_removal(struct lt_document_put *put, struct lt_store *store, uint32_t space, const char *name,
                         struct lt_error *error)
{
    struct lt_document_making *making = &put->making;
    *making =
        (struct lt_document_making){.store = store, .space = space, .name = name, .changes = lt_changes_create(space)};
    int code = making->changes ? lt_documents_find(store, space, name, &making->document, error)
                               : lt_fail_code(error, LT_ENOMEM);
    if (code)
        return code;
    code = lt_document_expect(making->changes, name, &making->document);
    if (code == LT_OK)
        code = lt_document_remove(making->changes, name, &making->document);
    if (code)
        return lt_fail_code(error, code);
    submit(put);
    return LT_OK;
}

int lt_document_put_create(struct lt_task *task, struct lt_store *store, struct lt_wake wake,
                           struct lt_document_put **ret_put, struct lt_error *error)
{
    const struct lt_document_put_request *request = &task->job->request->document_put;
    uint32_t space = task->job->space.id;
    struct lt_document_put *put = lt_calloc(1, sizeof *put);
    if (!put)
        return lt_fail_code(error, LT_ENOMEM);
    put->writing.wake = wake;
    int code = is_removal(task) ? begin_removal(put, store, space, task->job->request->document.name, error)
                                : lt_document_making_begin(&put->making, store, task->served->model, space,
                                                           request->name, request->text, request->bytes, error);
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
    lt_document_making_finish(&put->making);
    lt_free(put);
}

/* --- messages --- */

static void write_put(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_document_making *making = &task->put->making;
    const struct lt_document_version *version = &making->version;
    lt_write_map(writer, 12);
    lt_write_text(writer, "name");
    lt_write_text(writer, making->name);
    lt_pair_uint(writer, "version", version->number);
    lt_pair_bool(writer, "unchanged", making->unchanged);
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
    lt_write_text(writer, task->put->making.name);
    lt_pair_uint(writer, "versions", task->put->making.document.count);
}

void lt_document_put_progress(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_document_making *making = &task->put->making;
    lt_write_notification(writer, "progress");
    lt_write_map(writer, 5);
    lt_pair_uint(writer, "id", task->job->request->id);
    lt_pair_uint(writer, "done", making->cutter.at);
    lt_pair_uint(writer, "total", making->cutter.bytes);
    lt_pair_uint(writer, "spans", making->version.spans);
    lt_pair_uint(writer, "encoded", task->receipt.misses);
}
