#include "daemon/pool.h"

#include "daemon/background.h"
#include "daemon/latent_get.h"
#include "daemon/latent_put.h"
#include "proto/alloc.h"
#include "proto/writer.h"

struct work {
    uv_work_t handle;
    struct lt_server *server;
    struct lt_job *job;
    void (*done)(struct lt_server *server, struct lt_job *job);
};

static void write_error(struct lt_server *server, const struct lt_request *request, const struct lt_error *error,
                        struct lt_buffer *ret_bytes)
{
    struct lt_writer writer;
    lt_count(&server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    lt_buffer_init(ret_bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, ret_bytes);
    lt_write_error(&writer, true, request->id, error);
    if (writer.error)
        lt_buffer_finish(ret_bytes);
}

static int answer(struct lt_server *server, struct lt_job *job, struct lt_error *error)
{
    if (atomic_load(&job->cancelled))
        return lt_fail_code(error, LT_ECANCELLED);
    if (lt_background_takes(job->request->method))
        return lt_background_answer(job, &job->final.bytes, error);
    if (job->request->method == LT_METHOD_LATENT_PUT)
        return lt_latent_put(server, job->model, &job->space, job->request, &job->final.bytes, error);
    int code = lt_latent_get(server, job->model, &job->space, job->request, &job->final.bytes);
    return code ? lt_fail_code(error, code) : LT_OK;
}

/* A thread of the pool. */
static void do_work(uv_work_t *handle)
{
    struct work *work = handle->data;
    struct lt_error error;
    work->job->final.failed = answer(work->server, work->job, &error) != LT_OK;
    if (work->job->final.failed)
        write_error(work->server, work->job->request, &error, &work->job->final.bytes);
}

static void after_work(uv_work_t *handle, int status)
{
    struct work *work = handle->data;
    (void)status; /* nobody cancels work */
    work->server->pool_count--;
    work->done(work->server, work->job);
    lt_free(work);
}

int lt_pool_submit(struct lt_server *server, struct lt_job *job, void (*done)(struct lt_server *, struct lt_job *))
{
    if (server->pool_count == LT_POOL_QUEUE_MAX)
        return LT_EBUSY;
    struct work *work = lt_malloc(sizeof *work);
    if (!work)
        return LT_ENOMEM;
    *work = (struct work){.server = server, .job = job, .done = done};
    work->handle.data = work;
    if (uv_queue_work(&server->loop, &work->handle, do_work, after_work) < 0) {
        lt_free(work);
        return LT_EBUSY;
    }
    server->pool_count++;
    return LT_OK;
}
