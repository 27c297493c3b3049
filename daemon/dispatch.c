#include "daemon/dispatch.h"

#include "daemon/background.h"
#include "daemon/clock.h"
#include "daemon/namespace_choice.h"
#include "daemon/report.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "proto/alloc.h"
#include "proto/writer.h"

static void send_error(struct lt_session *session, bool id_known, uint32_t id, const struct lt_error *error)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_error(&writer, id_known, id, error);
    if (writer.error)
        lt_buffer_finish(&bytes); /* sending nothing closes the session */
    lt_session_send(session, &bytes);
}

static void refuse(struct lt_session *session, bool id_known, uint32_t id, const struct lt_error *error)
{
    lt_count(&session->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    send_error(session, id_known, id, error);
}

static void free_job(struct lt_job *job)
{
    lt_request_destroy(job->request);
    lt_free(job);
}

static void submit(struct lt_session *session, struct lt_request *request)
{
    struct lt_error error;
    uint32_t id = request->id;
    struct lt_job *job = lt_calloc(1, sizeof *job);
    int code = job ? LT_OK : lt_fail_code(&error, LT_ENOMEM);
    if (job)
        code = lt_choose_namespace(session->server->store, request, &job->space, &error);
    if (code == LT_OK) {
        job->request = request;
        job->received = lt_clock_seconds();
        job->final.job = job;
        job->final.last = true;
        code = lt_engine_submit(session->server->engine, job);
        if (code)
            lt_fail(&error, code, "%d requests are waiting already; try again in a second", LT_ENGINE_QUEUE_MAX);
    }
    if (code) {
        lt_request_destroy(request);
        lt_free(job);
        refuse(session, true, id, &error);
        return;
    }
    session->server->job_count++;
    lt_session_add_job(session, job);
}

static void run_in_background(struct lt_session *session, struct lt_request *request)
{
    struct lt_error error;
    uint32_t id = request->id;
    if (lt_background_start(session, request, &error)) {
        lt_request_destroy(request);
        refuse(session, true, id, &error);
    }
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
        write_pair(&writer, "cancelled", lt_session_cancel(session, request->cancel.id));
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
           method == LT_METHOD_LATENT_GET;
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
    bool background = lt_background_takes(request->method);
    if (!background && !needs_engine(request->method)) {
        answer(session, request);
        lt_request_destroy(request);
    } else if (session->server->stopping) {
        lt_fail_code(&error, LT_ESHUTDOWN);
        lt_request_destroy(request);
        refuse(session, true, id, &error);
    } else if (background) {
        run_in_background(session, request);
    } else {
        submit(session, request);
    }
}

void lt_dispatch_finish(struct lt_server *server, struct lt_job *job)
{
    struct lt_session *session = job->session;
    struct lt_buffer bytes = job->final.bytes;
    if (!session) {
        lt_buffer_finish(&bytes);
    } else {
        if (bytes.size) {
            lt_session_send(session, &bytes);
        } else {
            struct lt_error error;
            lt_fail_code(&error, LT_ENOMEM);
            send_error(session, true, job->request->id, &error);
        }
        if (job->session) /* sending may have closed it */
            lt_session_remove_job(session, job);
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
        if (event->job->session)
            lt_session_send(event->job->session, &event->bytes);
        else
            lt_buffer_finish(&event->bytes);
        lt_free(event);
    }
}
