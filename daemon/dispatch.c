#include "daemon/dispatch.h"

#include "daemon/background.h"
#include "daemon/clock.h"
#include "daemon/namespace_choice.h"
#include "daemon/report.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "proto/alloc.h"
#include "proto/writer.h"

/* Empty if memory is out; sending nothing closes a session. */
static void write_error(struct lt_buffer *ret_bytes, bool id_known, uint32_t id, const struct lt_error *error)
{
    struct lt_writer writer;
    lt_buffer_init(ret_bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, ret_bytes);
    lt_write_error(&writer, id_known, id, error);
    if (writer.error)
        lt_buffer_finish(ret_bytes);
}

static void refuse(struct lt_session *session, bool id_known, uint32_t id, const struct lt_error *error)
{
    struct lt_buffer bytes;
    lt_count(&session->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    write_error(&bytes, id_known, id, error);
    lt_session_send(session, &bytes);
}

static void free_job(struct lt_job *job)
{
    lt_request_destroy(job->request);
    lt_free(job);
}

int lt_dispatch_submit(struct lt_server *server, struct lt_caller *caller, struct lt_request *request,
                       struct lt_error *error)
{
    if (server->stopping || lt_background_takes(request->method)) {
        int failed =
            server->stopping ? lt_fail_code(error, LT_ESHUTDOWN) : lt_background_start(server, caller, request, error);
        if (failed)
            lt_request_destroy(request);
        return failed;
    }
    struct lt_job *job = lt_calloc(1, sizeof *job);
    int code = job ? lt_choose_namespace(server->store, request, &job->space, error) : lt_fail_code(error, LT_ENOMEM);
    if (code == LT_OK) {
        job->request = request;
        job->received = lt_clock_seconds();
        job->final.job = job;
        job->final.last = true;
        code = lt_engine_submit(server->engine, job);
        if (code)
            lt_fail(error, code, "%d requests are waiting already; try again in a second", LT_ENGINE_QUEUE_MAX);
    }
    if (code) {
        lt_request_destroy(request);
        lt_free(job);
        return code;
    }
    server->job_count++;
    lt_caller_add(caller, job);
    return LT_OK;
}

static void write_pair(struct lt_writer *writer, const char *name, bool value)
{
    lt_write_map(writer, 1);
    lt_write_text(writer, name);
    lt_write_bool(writer, value);
}

static void write_hello(struct lt_writer *writer)
{
    lt_write_map(writer, 3);
    lt_write_text(writer, "server");
    lt_write_text(writer, "latentd");
    lt_write_text(writer, "version");
    lt_write_text(writer, LT_VERSION);
    lt_write_text(writer, "protocol");
    lt_write_uint(writer, LT_PROTOCOL_VERSION);
}

/* Methods whose answer is in memory. */
static void answer(struct lt_session *session, const struct lt_request *request)
{
    struct lt_server *server = session->server;
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_response(&writer, request->id);
    switch (request->method) {
    case LT_METHOD_HELLO:
        write_hello(&writer);
        break;
    case LT_METHOD_STATS:
        lt_report_stats(&writer, server);
        break;
    case LT_METHOD_INFO:
        lt_report_info(&writer, server);
        break;
    case LT_METHOD_MODELS:
        lt_report_models(&writer, server);
        break;
    case LT_METHOD_CANCEL:
        write_pair(&writer, "cancelled", lt_caller_cancel(&session->caller, server->engine, request->cancel.id));
        break;
    case LT_METHOD_SHUTDOWN:
        write_pair(&writer, "stopping", true);
        break;
    default:
        write_pair(&writer, "pong", true);
        break;
    }
    if (writer.error) {
        struct lt_error error;
        lt_buffer_finish(&bytes);
        lt_fail_code(&error, writer.error);
        refuse(session, true, request->id, &error);
        return;
    }
    lt_session_send(session, &bytes);
    if (request->method == LT_METHOD_SHUTDOWN)
        lt_server_stop(server);
}

static bool needs_engine(enum lt_method method)
{
    return method == LT_METHOD_GENERATE || method == LT_METHOD_ENCODE || method == LT_METHOD_SCORE ||
           method == LT_METHOD_EXPLAIN || method == LT_METHOD_NEAR || method == LT_METHOD_LATENT_GET;
}

void lt_dispatch(struct lt_session *session, const uint8_t *frame, size_t bytes)
{
    struct lt_request *request;
    struct lt_error error;
    uint32_t id = 0;
    bool id_known = false;
    lt_count(&session->server->counters, LT_COUNTER_REQUESTS, 1);
    if (lt_request_decode(frame, bytes, &request, &id, &id_known, &error)) {
        refuse(session, id_known, id, &error);
        return;
    }
    if (!lt_background_takes(request->method) && !needs_engine(request->method)) {
        answer(session, request);
        lt_request_destroy(request);
    } else if (lt_dispatch_submit(session->server, &session->caller, request, &error)) {
        refuse(session, true, id, &error);
    }
}

static void deliver(struct lt_job *job, struct lt_buffer *bytes)
{
    if (job->caller)
        job->caller->deliver(job->caller, job, bytes);
    else
        lt_buffer_finish(bytes);
}

void lt_dispatch_finish(struct lt_server *server, struct lt_job *job)
{
    struct lt_buffer bytes = job->final.bytes;
    if (!bytes.size) {
        struct lt_error error;
        lt_fail_code(&error, LT_ENOMEM);
        write_error(&bytes, true, job->request->id, &error);
    }
    deliver(job, &bytes);
    struct lt_caller *caller = job->caller;
    if (caller) { /* delivering may have closed it */
        lt_caller_remove(caller, job);
        caller->finished(caller, job);
    }
    free_job(job);
    lt_server_job_done(server);
}

void lt_dispatch_events(struct lt_server *server)
{
    struct lt_event *event = lt_engine_take_events(server->engine);
    for (struct lt_event *next; event; event = next) {
        next = event->next;
        if (event->last) {
            lt_dispatch_finish(server, event->job);
            continue;
        }
        deliver(event->job, &event->bytes);
        lt_free(event);
    }
}
