#include "daemon/background.h"

#include "daemon/caller.h"
#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/namespace_choice.h"
#include "proto/alloc.h"

static const lt_background_method methods[LT_METHOD_COUNT] = {
    [LT_METHOD_NAMESPACE_PUT] = lt_background_namespace_put,
    [LT_METHOD_NAMESPACE_LIST] = lt_background_namespace_list,
    [LT_METHOD_NAMESPACE_REMOVE] = lt_background_namespace_remove,
    [LT_METHOD_PIN] = lt_background_pin,
    [LT_METHOD_UNPIN] = lt_background_pin,
    [LT_METHOD_EVICT] = lt_background_evict,
    [LT_METHOD_FLUSH] = lt_background_flush,
    [LT_METHOD_SCAN] = lt_background_scan,
    [LT_METHOD_VERIFY] = lt_background_verify,
    [LT_METHOD_BACKUP] = lt_background_backup,
    [LT_METHOD_EXPORT_BEGIN] = lt_background_export_begin,
    [LT_METHOD_EXPORT_READ] = lt_background_export_read,
    [LT_METHOD_IMPORT_WRITE] = lt_background_import_write,
    [LT_METHOD_IMPORT_END] = lt_background_import_end,
};

bool lt_background_takes(enum lt_method method)
{
    return methods[method] != NULL;
}

/* --- the pool's side --- */

static void write_failure(struct lt_background *background, struct lt_writer *writer, const struct lt_error *error)
{
    lt_count(&background->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    lt_buffer_finish(writer->buffer);
    lt_buffer_init(writer->buffer, LT_REPLY_BYTES_MAX);
    lt_writer_init(writer, writer->buffer);
    lt_write_error(writer, true, background->job.request->id, error);
    if (writer->error)
        lt_buffer_finish(writer->buffer); /* empty: the loop sends its own out_of_memory */
}

static void run(uv_work_t *work)
{
    struct lt_background *background = work->data;
    const struct lt_request *request = background->job.request;
    struct lt_error error = {0};
    struct lt_writer writer;
    struct lt_buffer *bytes = &background->job.final.bytes;
    lt_buffer_init(bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, bytes);
    lt_write_response(&writer, request->id);
    int code = methods[request->method](background, &writer, &error);
    if (code == LT_OK && writer.error)
        lt_fail_code(&error, code = writer.error);
    background->failed = code != LT_OK;
    if (code)
        write_failure(background, &writer, &error);
}

/* --- the loop's side --- */

static void unlink_running(struct lt_background *background)
{
    struct lt_server *server = background->server;
    if (background->previous)
        background->previous->next = background->next;
    else
        server->backgrounds = background->next;
    if (background->next)
        background->next->previous = background->previous;
}

static void after(uv_work_t *work, int status)
{
    struct lt_background *background = work->data;
    (void)status; /* nobody cancels work that waits */
    bool over = background->failed || background->job.request->method == LT_METHOD_IMPORT_END;
    lt_transfer_leave(background->job.caller, background->transfer, over);
    unlink_running(background);
    lt_dispatch_finish(background->server, &background->job);
}

static bool takes_long(enum lt_method method)
{
    return method == LT_METHOD_VERIFY || method == LT_METHOD_BACKUP || method == LT_METHOD_EXPORT_BEGIN ||
           method == LT_METHOD_IMPORT_END;
}

static const struct lt_background *find_long(const struct lt_server *server)
{
    const struct lt_background *background = server->backgrounds;
    while (background && !takes_long(background->job.request->method))
        background = background->next;
    return background;
}

int lt_background_start(struct lt_server *server, struct lt_caller *caller, struct lt_request *request,
                        struct lt_error *error)
{
    const struct lt_background *other = takes_long(request->method) ? find_long(server) : NULL;
    if (other)
        return lt_fail(error, LT_EBUSY,
                       "%s: the daemon is at work on another request of this kind, %s; try again later",
                       lt_method_name(request->method), lt_method_name(other->job.request->method));
    struct lt_background *background = lt_calloc(1, sizeof *background);
    if (!background)
        return lt_fail_code(error, LT_ENOMEM);
    int code = lt_choose_namespace(server->store, request, &background->job.space, error);
    background->server = server;
    background->work.data = background;
    background->job.request = request;
    background->job.received = lt_clock_seconds();
    if (code == LT_OK)
        code = lt_transfer_enter(server, caller, request, &background->transfer, error);
    if (code == LT_OK && uv_queue_work(&server->loop, &background->work, run, after) != 0)
        code = lt_fail_code(error, LT_EINTERNAL);
    if (code) {
        lt_transfer_leave(caller, background->transfer, true);
        lt_free(background);
        return code;
    }
    background->next = server->backgrounds;
    if (background->next)
        background->next->previous = background;
    server->backgrounds = background;
    server->job_count++;
    lt_caller_add(caller, &background->job);
    return LT_OK;
}

static void tell(struct lt_background *background, uint64_t done, uint64_t total)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_notification(&writer, "progress");
    lt_write_map(&writer, 3);
    lt_write_text(&writer, "id");
    lt_write_uint(&writer, background->job.request->id);
    lt_write_text(&writer, "done");
    lt_write_uint(&writer, done);
    lt_write_text(&writer, "total");
    lt_write_uint(&writer, total);
    if (writer.error)
        lt_buffer_finish(&bytes); /* the next one will say more */
    else
        background->job.caller->deliver(background->job.caller, &background->job, &bytes);
}

void lt_background_tick(struct lt_server *server)
{
    for (struct lt_background *background = server->backgrounds; background; background = background->next) {
        uint64_t done = atomic_load(&background->done), total = atomic_load(&background->total);
        if (!background->job.caller || atomic_load(&background->job.paused) || done == background->told)
            continue;
        background->told = done;
        tell(background, done, total);
    }
}
