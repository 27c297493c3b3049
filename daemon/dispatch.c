#include "daemon/dispatch.h"

#include <string.h>

#include "daemon/authentication.h"
#include "daemon/background.h"
#include "daemon/clock.h"
#include "daemon/http.h"
#include "daemon/latent_get.h"
#include "daemon/log.h"
#include "daemon/namespace_choice.h"
#include "daemon/pool.h"
#include "daemon/report.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/uploads.h"
#include "proto/alloc.h"
#include "proto/pairs.h"
#include "proto/roles.h"
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

static void send_error(struct lt_session *session, bool id_known, uint32_t id, const struct lt_error *error)
{
    struct lt_buffer bytes;
    write_error(&bytes, id_known, id, error);
    lt_session_send(session, &bytes);
}

static void refuse(struct lt_session *session, bool id_known, uint32_t id, const struct lt_error *error)
{
    lt_count(&session->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    send_error(session, id_known, id, error);
}

/* What was handed to submit, or should have been. */
static void free_request(struct lt_server *server, struct lt_request *request)
{
    lt_upload_release(server, request);
    lt_request_destroy(request);
}

static const char *model_of(const struct lt_request *request)
{
    switch (request->method) {
    case LT_METHOD_GENERATE:
        return request->generate.model;
    case LT_METHOD_ENCODE:
        return request->encode.model;
    case LT_METHOD_SCORE:
        return request->score.model;
    case LT_METHOD_EXPLAIN:
        return request->explain.generate.model;
    case LT_METHOD_NEAR:
        return request->near.model;
    case LT_METHOD_LATENT_GET:
        return request->latent_get.model;
    case LT_METHOD_LATENT_PUT:
        return request->latent_put.model;
    case LT_METHOD_DOCUMENT_PUT:
        return request->document_put.model;
    case LT_METHOD_DOCUMENT_GET:
    case LT_METHOD_DOCUMENT_REFINE:
        return request->document.model;
    default:
        return "";
    }
}

static bool wants_latents(enum lt_method method)
{
    return method == LT_METHOD_ENCODE || method == LT_METHOD_EXPLAIN || method == LT_METHOD_NEAR ||
           method == LT_METHOD_LATENT_GET || method == LT_METHOD_LATENT_PUT || method == LT_METHOD_DOCUMENT_PUT ||
           method == LT_METHOD_DOCUMENT_REFINE;
}

/* The model that a request names, if it can do what is asked. LT_ENOMODEL, LT_EPARAM. */
static int choose_model(const struct lt_server *server, const struct lt_request *request, size_t *ret_model,
                        struct lt_error *error)
{
    const char *name = model_of(request);
    size_t model = 0;
    while (*name && model < server->model_count && strcmp(lt_model_name(server->models[model]), name) != 0)
        model++;
    if (model == server->model_count)
        return lt_fail(error, LT_ENOMODEL, "no model is called '%s'; the method models lists them", name);
    if (wants_latents(request->method) && !lt_model_has_encoder(server->models[model]))
        return lt_fail(error, LT_EPARAM, "model: %s has no encoder and makes no latents; choose an islet model",
                       lt_model_name(server->models[model]));
    *ret_model = model;
    return LT_OK;
}

static void finish_job(struct lt_server *server, struct lt_job *job);

static int hand_over(struct lt_server *server, struct lt_job *job)
{
    enum lt_method method = job->request->method;
    bool waits = method == LT_METHOD_LATENT_GET || method == LT_METHOD_LATENT_PUT || lt_background_takes(method);
    return waits ? lt_pool_submit(server, job, finish_job) : lt_engine_submit(server->engine, job);
}

/* A job in the namespace of its request. LT_ENOMODEL, LT_ENOTFOUND, LT_EPARAM, LT_EBUSY, LT_ENOMEM; `error` is filled.
 */
static int make_job(struct lt_server *server, struct lt_caller *caller, struct lt_request *request,
                    struct lt_job **ret_job, struct lt_error *error)
{
    size_t model = 0;
    struct lt_namespace space;
    bool background = lt_background_takes(request->method);
    int code = background ? LT_OK : choose_model(server, request, &model, error);
    if (code == LT_OK)
        code = lt_choose_namespace(server->store, request, &space, error);
    if (code)
        return code;
    struct lt_job *job = NULL;
    if (background) {
        code = lt_background_begin(server, caller, request, &job, error);
    } else {
        job = lt_calloc(1, sizeof *job);
        code = job ? LT_OK : lt_fail_code(error, LT_ENOMEM);
    }
    if (code)
        return code;
    job->request = request;
    job->model = model;
    job->space = space;
    job->received = lt_clock_seconds();
    job->final.job = job;
    job->final.last = true;
    *ret_job = job;
    return LT_OK;
}

int lt_dispatch_submit(struct lt_server *server, struct lt_caller *caller, struct lt_request *request,
                       struct lt_error *error)
{
    struct lt_job *job = NULL;
    int code = server->stopping ? lt_fail_code(error, LT_ESHUTDOWN) : make_job(server, caller, request, &job, error);
    if (code == LT_OK) {
        code = hand_over(server, job);
        if (code == LT_EBUSY)
            lt_fail(error, code, "%d requests are waiting already; try again in a second", LT_ENGINE_QUEUE_MAX);
        else if (code)
            lt_fail_code(error, code);
        if (code) { /* else the job is no longer ours alone */
            job->final.failed = true;
            lt_background_end(server, job);
        }
    }
    if (code) {
        lt_count(&server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
        free_request(server, request);
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

static void write_hello(struct lt_writer *writer, const struct lt_identity *identity)
{
    uint32_t count = 0;
    for (enum lt_access access = LT_ACCESS_READ; access <= LT_ACCESS_ADMIN; access++)
        count += lt_roles_include(identity->roles, access);
    lt_write_map(writer, 6);
    lt_write_text(writer, "server");
    lt_write_text(writer, "latentd");
    lt_write_text(writer, "version");
    lt_write_text(writer, LT_VERSION);
    lt_pair_uint(writer, "protocol", LT_PROTOCOL_VERSION);
    lt_pair_text(writer, "identity", identity->name);
    lt_pair_text(writer, "namespace", *identity->space ? identity->space : NULL);
    lt_write_text(writer, "roles");
    lt_write_array(writer, count);
    for (enum lt_access access = LT_ACCESS_READ; access <= LT_ACCESS_ADMIN; access++)
        if (lt_roles_include(identity->roles, access))
            lt_write_text(writer, lt_access_name(access));
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
        write_hello(&writer, &session->caller.identity);
        break;
    case LT_METHOD_STATS:
        lt_report_stats(&writer, server, session->caller.identity.space);
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

static bool is_job(enum lt_method method)
{
    switch (method) {
    case LT_METHOD_GENERATE:
    case LT_METHOD_ENCODE:
    case LT_METHOD_SCORE:
    case LT_METHOD_EXPLAIN:
    case LT_METHOD_NEAR:
    case LT_METHOD_LATENT_GET:
    case LT_METHOD_LATENT_PUT:
    case LT_METHOD_DOCUMENT_PUT:
    case LT_METHOD_DOCUMENT_GET:
    case LT_METHOD_DOCUMENT_LIST:
    case LT_METHOD_DOCUMENT_HISTORY:
    case LT_METHOD_DOCUMENT_REMOVE:
    case LT_METHOD_DOCUMENT_REFINE:
        return true;
    default:
        return lt_background_takes(method);
    }
}

static void answer_received(struct lt_session *session, uint32_t id, uint64_t received)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_response(&writer, id);
    lt_write_map(&writer, 1);
    lt_pair_uint(&writer, "received", received);
    if (writer.error)
        lt_buffer_finish(&bytes); /* sending nothing closes the session */
    lt_session_send(session, &bytes);
}

/* A piece of a document is kept until the last one is there; then the engine gets all of them as one request. */
static void take_document(struct lt_session *session, struct lt_request *request)
{
    struct lt_error error;
    uint32_t id = request->id;
    uint64_t received = 0;
    int code = lt_upload_join(session, request, &received, &error);
    if (code == LT_OK && !request->document_put.more) {
        if (lt_dispatch_submit(session->server, &session->caller, request, &error))
            send_error(session, true, id, &error);
        return;
    }
    if (code)
        refuse(session, true, id, &error);
    else
        answer_received(session, id, received);
    lt_request_destroy(request);
}

/* Answers what is in memory already; false if it is not. */
static bool answer_from_memory(struct lt_session *session, const struct lt_request *request)
{
    struct lt_server *server = session->server;
    struct lt_buffer bytes;
    struct lt_error error;
    struct lt_namespace space;
    size_t model;
    if (request->method != LT_METHOD_LATENT_GET || server->stopping || choose_model(server, request, &model, &error) ||
        lt_choose_namespace(server->store, request, &space, &error) ||
        lt_latent_get_in_memory(server, model, &space, request, &bytes))
        return false;
    lt_session_send(session, &bytes);
    return true;
}

/* A hello with a token says who is asking from now on. LT_EDENIED: nobody who is known. */
static int take_token(struct lt_session *session, const char *token, struct lt_error *error)
{
    struct lt_identity identity;
    int code = lt_authenticate_token(session->server, token, &identity, error);
    if (code == LT_OK)
        lt_session_set_identity(session, &identity);
    else
        lt_log(LT_LOG_WARNING, "a client was refused: %s", error->message);
    return code;
}

/* Whether a request may go on: whoever asks is known and allowed to. Who is not known has one try. */
static bool admit(struct lt_session *session, struct lt_request *request)
{
    struct lt_error error;
    bool has_token = request->method == LT_METHOD_HELLO && *request->hello.token;
    int code = has_token ? take_token(session, request->hello.token, &error)
                         : lt_identity_admit(&session->caller.identity, request, &error);
    if (code == LT_OK)
        return true;
    refuse(session, true, request->id, &error);
    if (has_token || !session->caller.identity.known)
        lt_session_leave(session);
    return false;
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
        if (!session->caller.identity.known)
            lt_session_leave(session);
        return;
    }
    if (!admit(session, request)) {
        lt_request_destroy(request);
        return;
    }
    if (!is_job(request->method)) {
        answer(session, request);
        lt_request_destroy(request);
    } else if (request->method == LT_METHOD_DOCUMENT_PUT) {
        take_document(session, request);
    } else if (answer_from_memory(session, request)) {
        lt_request_destroy(request);
    } else if (lt_dispatch_submit(session->server, &session->caller, request, &error)) {
        send_error(session, true, id, &error);
    }
}

static void deliver(struct lt_job *job, struct lt_buffer *bytes)
{
    if (job->caller)
        job->caller->deliver(job->caller, job, bytes);
    else
        lt_buffer_finish(bytes);
}

static void finish_job(struct lt_server *server, struct lt_job *job)
{
    struct lt_buffer bytes = job->final.bytes;
    lt_background_end(server, job);
    if (!bytes.size) {
        struct lt_error error;
        lt_fail_code(&error, LT_ENOMEM);
        write_error(&bytes, true, job->request->id, &error);
    } else if (server->http && !job->final.failed) {
        lt_http_recent_keep(&server->http->recent, job, &bytes);
    }
    deliver(job, &bytes);
    struct lt_caller *caller = job->caller;
    if (caller) { /* delivering may have closed it */
        lt_caller_remove(caller, job);
        caller->finished(caller, job);
    }
    free_request(server, job->request);
    lt_free(job);
    lt_server_job_done(server);
}

void lt_dispatch_events(struct lt_server *server)
{
    struct lt_event *event = lt_engine_take_events(server->engine);
    for (struct lt_event *next; event; event = next) {
        next = event->next;
        if (event->last) {
            finish_job(server, event->job);
            continue;
        }
        deliver(event->job, &event->bytes);
        lt_free(event);
    }
}
