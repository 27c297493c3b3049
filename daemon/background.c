#include "daemon/background.h"

#include "daemon/caller.h"
#include "proto/alloc.h"
#include "proto/pairs.h"

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

int lt_background_answer(struct lt_job *job, struct lt_buffer *ret_bytes, struct lt_error *error)
{
    struct lt_background *background = (struct lt_background *)job;
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_response(&writer, job->request->id);
    int code = methods[job->request->method](background, &writer, error);
    if (code == LT_OK && writer.error)
        code = lt_fail_code(error, writer.error);
    if (code)
        lt_buffer_finish(&bytes);
    else
        *ret_bytes = bytes;
    return code;
}

/* --- the loop's side --- */

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

int lt_background_begin(struct lt_server *server, struct lt_caller *caller, const struct lt_request *request,
                        struct lt_job **ret_job, struct lt_error *error)
{
    const struct lt_background *other = takes_long(request->method) ? find_long(server) : NULL;
    if (other)
        return lt_fail(error, LT_EBUSY,
                       "%s: the daemon is at work on another request of this kind, %s; try again later",
                       lt_method_name(request->method), lt_method_name(other->job.request->method));
    struct lt_background *background = lt_calloc(1, sizeof *background);
    if (!background)
        return lt_fail_code(error, LT_ENOMEM);
    int code = lt_transfer_enter(server, caller, request, &background->transfer, error);
    if (code) {
        lt_free(background);
        return code;
    }
    background->server = server;
    background->next = server->backgrounds;
    if (background->next)
        background->next->previous = background;
    server->backgrounds = background;
    *ret_job = &background->job;
    return LT_OK;
}

void lt_background_end(struct lt_server *server, struct lt_job *job)
{
    struct lt_background *background = (struct lt_background *)job;
    if (!lt_background_takes(job->request->method))
        return;
    bool over = job->final.failed || job->request->method == LT_METHOD_IMPORT_END;
    lt_transfer_leave(background->transfer, over);
    if (background->previous)
        background->previous->next = background->next;
    else
        server->backgrounds = background->next;
    if (background->next)
        background->next->previous = background->previous;
}

static void tell(struct lt_background *background, uint64_t done, uint64_t total)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_notification(&writer, "progress");
    lt_write_map(&writer, 3);
    lt_pair_uint(&writer, "id", background->job.request->id);
    lt_pair_uint(&writer, "done", done);
    lt_pair_uint(&writer, "total", total);
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
