#include "daemon/http_exchange.h"

#include <msgpack/unpack.h>
#include <stddef.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/http_access.h"
#include "daemon/http_error.h"
#include "daemon/http_route.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/alloc.h"
#include "proto/json.h"
#include "proto/parameters.h"

#define STREAM_BLOCK_BYTES ((size_t)16 << 10) /* handed to libmicrohttpd at a time */

static struct lt_engine *engine_of(const struct lt_http_exchange *exchange)
{
    return exchange->http->server->engine;
}

/* --- waiting --- */

static void resume(struct lt_http_exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection);
}

static void on_gone(uv_poll_t *watch, int status, int events)
{
    struct lt_http_exchange *exchange = watch->data;
    (void)status;
    (void)events;
    uv_poll_stop(watch);
    exchange->gone = true;
    lt_caller_abandon(&exchange->caller, engine_of(exchange));
    resume(exchange);
    lt_http_run(exchange->http);
}

/* Without a watch a client that goes away is noticed when the reply is sent. */
static void watch_client(struct lt_http_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (exchange->watching || !info ||
        uv_poll_init(&exchange->http->server->loop, &exchange->watch, info->connect_fd) != 0)
        return;
    exchange->watch.data = exchange;
    exchange->watching = true;
    uv_poll_start(&exchange->watch, UV_DISCONNECT, on_gone);
}

static void suspend(struct lt_http_exchange *exchange)
{
    watch_client(exchange);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
}

/* --- jobs --- */

static struct lt_http_exchange *exchange_of(struct lt_caller *caller)
{
    return (struct lt_http_exchange *)((char *)caller - offsetof(struct lt_http_exchange, caller));
}

static void take_token(struct lt_http_exchange *exchange, const msgpack_object *notification)
{
    struct lt_error error;
    struct lt_parameters token;
    if (lt_parameters_init(&token, notification, "token", &error))
        return;
    const msgpack_object *text = lt_parameter_find(&token, "text");
    if (exchange->handler->token && text)
        exchange->handler->token(exchange, text->via.str.ptr, text->via.str.size);
}

static void take_error(struct lt_http_exchange *exchange, const msgpack_object *map)
{
    struct lt_error error = {.code = LT_EINTERNAL};
    struct lt_parameters fields;
    if (lt_parameters_init(&fields, map, "error", &error) == LT_OK) {
        const msgpack_object *code = lt_parameter_find(&fields, "code"),
                             *message = lt_parameter_find(&fields, "message");
        lt_fail(&error, (int)code->via.i64, "%.*s", (int)message->via.str.size, message->via.str.ptr);
    }
    lt_caller_abandon(&exchange->caller, engine_of(exchange)); /* what others of its jobs say is of no use */
    lt_http_reply_error(exchange, &error, NULL);
}

/* The engine speaks the protocol: [2, "token", [{...}]], [1, id, nil, result] or [1, id, error, nil]. */
static void deliver(struct lt_caller *caller, struct lt_job *job, struct lt_buffer *bytes)
{
    struct lt_http_exchange *exchange = exchange_of(caller);
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    if (msgpack_unpack_next(&message, (const char *)bytes->data, bytes->size, NULL) != MSGPACK_UNPACK_SUCCESS) {
        struct lt_error error;
        lt_caller_abandon(caller, engine_of(exchange));
        lt_fail_code(&error, LT_ENOMEM);
        lt_http_reply_error(exchange, &error, NULL);
    } else {
        const msgpack_object *items = message.data.via.array.ptr;
        if (items[0].via.u64 == 2)
            take_token(exchange, &items[2]);
        else if (items[2].type != MSGPACK_OBJECT_NIL)
            take_error(exchange, &items[2]);
        else
            exchange->handler->result(exchange, job->request->id, &items[3]);
    }
    msgpack_unpacked_destroy(&message);
    lt_buffer_finish(bytes);
}

static void finished(struct lt_caller *caller, struct lt_job *job)
{
    (void)caller;
    (void)job;
}

bool lt_http_submit(struct lt_http_exchange *exchange, struct lt_request *request)
{
    struct lt_error error;
    int code = lt_identity_admit(&exchange->caller.identity, request, &error);
    if (code)
        lt_request_destroy(request);
    else
        code = lt_dispatch_submit(exchange->http->server, &exchange->caller, request, &error);
    if (code == LT_OK)
        return true;
    lt_caller_abandon(&exchange->caller, engine_of(exchange));
    lt_http_reply_error(exchange, &error, NULL);
    return false;
}

/* --- replies --- */

static void reply(struct lt_http_exchange *exchange, unsigned status, struct MHD_Response *response, const char *type)
{
    if (exchange->response || exchange->replied) {
        MHD_destroy_response(response); /* the first word counts */
        return;
    }
    if (!response || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) != MHD_YES) {
        if (response)
            MHD_destroy_response(response);
        exchange->broken = true; /* no memory even for saying so */
    } else {
        if (exchange->http->leaving)
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        if (status == MHD_HTTP_UNAUTHORIZED)
            MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
            MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
        exchange->response = response;
        exchange->status = status;
    }
    resume(exchange);
}

void lt_http_reply_static(struct lt_http_exchange *exchange, const char *type, const void *data, size_t bytes)
{
    reply(exchange, MHD_HTTP_OK, MHD_create_response_from_buffer(bytes, (void *)data, MHD_RESPMEM_PERSISTENT), type);
}

void lt_http_reply_bytes(struct lt_http_exchange *exchange, const char *type, struct lt_buffer *bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(bytes->size, bytes->data, lt_free);
    if (response)
        lt_buffer_init(bytes, bytes->max);
    else
        lt_buffer_finish(bytes);
    reply(exchange, MHD_HTTP_OK, response, type);
}

void lt_http_reply_json(struct lt_http_exchange *exchange, unsigned status, json_t *json)
{
    static char out_of_memory[] = "{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,"
                                  "\"code\":\"out_of_memory\"}}";
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    struct MHD_Response *response =
        text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
             : MHD_create_response_from_buffer(sizeof out_of_memory - 1, out_of_memory, MHD_RESPMEM_PERSISTENT);
    reply(exchange, text ? status : MHD_HTTP_INTERNAL_SERVER_ERROR, response, "application/json");
}

static void end_stream(struct lt_http_exchange *exchange)
{
    exchange->ended = true;
    resume(exchange);
}

void lt_http_reply_refusal(struct lt_http_exchange *exchange, unsigned status, const char *name, const char *message)
{
    lt_http_reply_json(exchange, status, lt_http_error_json(status, name, message, NULL));
}

void lt_http_reply_error(struct lt_http_exchange *exchange, const struct lt_error *error, const char *parameter)
{
    unsigned status = lt_http_error_status(error->code);
    json_t *json = lt_http_error_json(status, lt_http_error_name(error->code), error->message, parameter);
    if (!exchange->streaming) {
        lt_http_reply_json(exchange, status, json);
    } else {
        lt_http_stream_send(exchange, json);
        end_stream(exchange);
    }
}

/* --- streams --- */

static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t room)
{
    struct lt_http_exchange *exchange = context;
    (void)position;
    size_t bytes = exchange->stream.size < room ? exchange->stream.size : room;
    if (exchange->gone || exchange->broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (bytes) {
        memcpy(buffer, exchange->stream.data, bytes);
        lt_buffer_consume(&exchange->stream, bytes);
        if (exchange->stream.size <= LT_HTTP_STREAM_PAUSE)
            lt_caller_set_paused(&exchange->caller, engine_of(exchange), false);
        return (ssize_t)bytes;
    }
    if (exchange->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    suspend(exchange);
    return 0;
}

static void begin_stream(struct lt_http_exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream, exchange, NULL);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    reply(exchange, MHD_HTTP_OK, response, "text/event-stream");
    exchange->streaming = true;
}

static void send_event(struct lt_http_exchange *exchange, const char *data)
{
    int code = data ? lt_buffer_append(&exchange->stream, "data: ", 6) : LT_ENOMEM;
    if (code == LT_OK)
        code = lt_buffer_append(&exchange->stream, data, strlen(data));
    if (code == LT_OK)
        code = lt_buffer_append(&exchange->stream, "\n\n", 2);
    if (code) {
        exchange->broken = true; /* a gap in the stream would be worse than its end */
        lt_caller_abandon(&exchange->caller, engine_of(exchange));
    } else if (exchange->stream.size > LT_HTTP_STREAM_PAUSE) {
        lt_caller_set_paused(&exchange->caller, engine_of(exchange), true);
    }
    resume(exchange);
}

void lt_http_stream_send(struct lt_http_exchange *exchange, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (!exchange->streaming)
        begin_stream(exchange);
    send_event(exchange, text);
    lt_free(text);
}

void lt_http_stream_end(struct lt_http_exchange *exchange)
{
    send_event(exchange, "[DONE]");
    end_stream(exchange);
}

/* --- life --- */

struct lt_http_exchange *lt_http_exchange_begin(struct lt_http *http, struct MHD_Connection *connection)
{
    struct lt_http_exchange *exchange = lt_calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->caller = (struct lt_caller){.deliver = deliver, .finished = finished};
    lt_http_identify(http->server,
                     MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION),
                     &exchange->caller.identity);
    exchange->http = http;
    exchange->connection = connection;
    exchange->began = lt_clock_seconds();
    lt_buffer_init(&exchange->body, LT_HTTP_BODY_BYTES_MAX);
    lt_buffer_init(&exchange->stream, LT_WRITE_QUEUE_MAX);
    exchange->next = http->exchanges;
    if (exchange->next)
        exchange->next->previous = exchange;
    http->exchanges = exchange;
    return exchange;
}

/* A body that is not taken is read all the same, so that the client gets to read why. */
bool lt_http_exchange_receive(struct lt_http_exchange *exchange, const char *data, size_t bytes)
{
    struct lt_http *http = exchange->http;
    bool known = exchange->caller.identity.known;
    if (!known)
        exchange->refusal = LT_EDENIED;
    if (exchange->refusal == LT_OK && http->body_bytes + bytes > LT_HTTP_BODIES_BYTES_MAX)
        exchange->refusal = LT_EBUSY;
    if (exchange->refusal == LT_OK)
        exchange->refusal = lt_buffer_append(&exchange->body, data, bytes);
    if (exchange->refusal == LT_OK) {
        http->body_bytes += bytes;
        return true;
    }
    http->body_bytes -= exchange->body.size;
    lt_buffer_finish(&exchange->body);
    exchange->refused_bytes += bytes;
    return exchange->refused_bytes <= (known ? LT_HTTP_BODIES_BYTES_MAX : LT_PREAUTH_BODY_BYTES_MAX);
}

static void forget_body(struct lt_http_exchange *exchange)
{
    exchange->http->body_bytes -= exchange->body.size;
    lt_buffer_finish(&exchange->body);
}

enum MHD_Result lt_http_exchange_continue(struct lt_http_exchange *exchange, const char *method, const char *path)
{
    if (!exchange->complete) {
        exchange->complete = true;
        lt_http_route(exchange, method, path);
        forget_body(exchange);
    }
    if (exchange->gone || exchange->broken)
        return MHD_NO;
    if (!exchange->response) {
        suspend(exchange);
        return MHD_YES;
    }
    struct MHD_Response *response = exchange->response;
    exchange->response = NULL;
    exchange->replied = true;
    lt_http_count_reply(exchange->http, exchange->path, exchange->status);
    enum MHD_Result queued = MHD_queue_response(exchange->connection, exchange->status, response);
    MHD_destroy_response(response);
    return queued;
}

static void after_close(uv_handle_t *watch)
{
    lt_free(watch->data);
}

void lt_http_exchange_finish(struct lt_http_exchange *exchange)
{
    struct lt_http *http = exchange->http;
    lt_caller_abandon(&exchange->caller, engine_of(exchange));
    if (exchange->state && exchange->handler->finish)
        exchange->handler->finish(exchange->state);
    lt_free(exchange->state);
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    forget_body(exchange);
    lt_buffer_finish(&exchange->stream);
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        http->exchanges = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    if (exchange->watching)
        uv_close((uv_handle_t *)&exchange->watch, after_close);
    else
        lt_free(exchange);
}

void lt_http_exchange_abort(struct lt_http_exchange *exchange, int code)
{
    struct lt_error error;
    bool runs = exchange->caller.jobs != NULL;
    lt_caller_abandon(&exchange->caller, engine_of(exchange));
    lt_fail_code(&error, code);
    if (runs)
        lt_http_reply_error(exchange, &error, NULL);
    else if (exchange->streaming && !exchange->ended)
        exchange->broken = true;
    resume(exchange);
}
