/* Calls. A connection has one call at a time, and a cancel beside it: the response to the call is kept until that to
 * the cancel has come, too, so that nothing is left over in the stream for the next call. */
#include "clients/c/call.h"

#include <string.h>

#include "clients/c/reply.h"
#include "proto/alloc.h"

#define LATENT_SAME_CODE(name, code, wire, message)                                                                    \
    static_assert((int)LATENT_##name == (int)LT_##name, "latent.h has the protocol's codes");
LT_ERROR_MAP(LATENT_SAME_CODE)
#undef LATENT_SAME_CODE

/* What a call still waits for. */
struct waiting {
    struct latent *latent;
    uint32_t id;
    uint32_t cancel_id;
    bool cancelling; /* a cancel was sent and is not answered */
    struct call_listener listener;
    bool answered;
    int code;                   /* of the answer */
    struct latent_reply *reply; /* the answer, if code is LT_OK */
};

const char *latent_error_name(int code)
{
    return lt_error_name(code);
}

struct latent *latent_create(void)
{
    struct latent *latent = lt_calloc(1, sizeof *latent);
    if (!latent)
        return NULL;
    connection_init(&latent->connection);
    latent->ttl_seconds = LATENT_TTL_DEFAULT;
    return latent;
}

void latent_destroy(struct latent *latent)
{
    if (latent) {
        connection_close(&latent->connection);
        lt_free(latent->connection.tls_ca);
        explicit_bzero(latent->token, sizeof latent->token);
    }
    lt_free(latent);
}

/* Says hello with the token: who is not known must do so before anything else. */
static int present_token(struct latent *latent)
{
    struct latent_reply *reply = NULL;
    struct call call;
    call_begin(&call, latent, "hello");
    lt_write_map(&call.writer, 1);
    lt_write_text(&call.writer, "token");
    lt_write_text(&call.writer, latent->token);
    int code = call_finish(&call, NULL, &reply);
    latent_reply_destroy(reply);
    if (code)
        connection_close(&latent->connection);
    return code;
}

int latent_connect(struct latent *latent, const char *address)
{
    int code = connection_open(&latent->connection, address, &latent->error);
    return code == LT_OK && *latent->token ? present_token(latent) : code;
}

int latent_set_tls_ca(struct latent *latent, const char *path)
{
    char *copy = path ? lt_strdup(path) : NULL;
    if (path && !copy)
        return lt_fail_code(&latent->error, LT_ENOMEM);
    lt_free(latent->connection.tls_ca);
    latent->connection.tls_ca = copy;
    return LT_OK;
}

int latent_set_token(struct latent *latent, const char *token)
{
    size_t bytes = token ? strlen(token) : 0;
    bool right = bytes >= LT_TOKEN_BYTES_MIN && bytes <= LT_TOKEN_BYTES_MAX;
    for (size_t i = 0; right && i < bytes; i++)
        right = token[i] > ' ' && token[i] < 0x7f;
    if (token && !right)
        return lt_fail(&latent->error, LT_EPARAM, "a token has %d to %d printable ASCII characters and no blanks",
                       LT_TOKEN_BYTES_MIN, LT_TOKEN_BYTES_MAX);
    explicit_bzero(latent->token, sizeof latent->token);
    memcpy(latent->token, token ? token : "", bytes);
    return LT_OK;
}

void latent_set_timeout(struct latent *latent, unsigned milliseconds)
{
    latent->connection.timeout_ms = milliseconds;
    connection_apply_timeout(&latent->connection);
}

void latent_on_progress(struct latent *latent, latent_progress_function on_progress, void *data)
{
    latent->on_progress = on_progress;
    latent->progress_data = data;
}

int latent_set_namespace(struct latent *latent, const char *name, uint32_t ttl_seconds)
{
    if (name && strlen(name) > LT_NAMESPACE_NAME_MAX)
        return lt_fail(&latent->error, LT_EPARAM, "the name of a namespace has at most %d bytes",
                       LT_NAMESPACE_NAME_MAX);
    strcpy(latent->space, name ? name : "");
    latent->ttl_seconds = ttl_seconds;
    return LT_OK;
}

const char *latent_error_message(const struct latent *latent)
{
    return latent->error.message;
}

void call_begin(struct call *call, struct latent *latent, const char *method)
{
    *call = (struct call){.latent = latent, .id = ++latent->last_id};
    lt_buffer_init(&call->buffer, LT_FRAME_BYTES_MAX);
    lt_writer_init(&call->writer, &call->buffer);
    lt_write_request(&call->writer, call->id, method);
}

void call_abandon(struct call *call)
{
    lt_buffer_finish(&call->buffer);
}

static int send_call(struct call *call)
{
    struct lt_error *error = &call->latent->error;
    int code = call->writer.error;
    if (code == LT_ETOOLARGE)
        lt_fail(error, code, "the request is larger than %u bytes", LT_FRAME_BYTES_MAX);
    else if (code)
        lt_fail_code(error, code);
    else
        code = connection_send(&call->latent->connection, call->buffer.data, call->buffer.size, error);
    lt_buffer_finish(&call->buffer);
    return code;
}

static int send_cancel(struct waiting *waiting)
{
    struct call call;
    call_begin(&call, waiting->latent, "cancel");
    lt_write_map(&call.writer, 1);
    lt_write_text(&call.writer, "id");
    lt_write_uint(&call.writer, waiting->id);
    waiting->cancel_id = call.id;
    waiting->cancelling = true;
    waiting->listener.on_token = NULL;
    return send_call(&call);
}

/* The error of a response; LT_OK for nil. */
static int read_error(const msgpack_object *object, struct lt_error *error)
{
    const struct latent_value *value = latent_value_of(object);
    if (object->type == MSGPACK_OBJECT_NIL)
        return LT_OK;
    const char *name = latent_value_text(latent_value_at(value, "name"), NULL);
    if (!name)
        return lt_fail(error, LT_EMALFORMED, "the daemon sent an error without a name");
    int code = lt_error_code(name);
    return lt_fail(error, code, "%s", latent_value_text(latent_value_at(value, "message"), lt_error_message(code)));
}

static int take_notification(struct waiting *waiting, const struct latent_reply *message)
{
    size_t bytes = 0;
    const char *method = latent_value_text(latent_reply_at(message, "[1]"), "");
    const struct latent_value *text = latent_reply_at(message, "[2][0].text");
    const struct call_listener *listener = &waiting->listener;
    if (latent_value_uint(latent_reply_at(message, "[2][0].id"), UINT64_MAX) != waiting->id)
        return LT_OK;
    if (strcmp(method, "progress") == 0 && listener->on_progress)
        listener->on_progress(latent_value_uint(latent_reply_at(message, "[2][0].done"), 0),
                              latent_value_uint(latent_reply_at(message, "[2][0].total"), 0), listener->data);
    if (strcmp(method, "token") != 0 || !listener->on_token || !latent_value_text(text, NULL))
        return LT_OK;
    const char *piece = latent_value_bytes(text, &bytes);
    return listener->on_token(piece, bytes, listener->data) ? send_cancel(waiting) : LT_OK;
}

/* Takes the message, which is a response; it is kept if it is the one waited for. */
static int take_response(struct waiting *waiting, struct latent_reply *message)
{
    const msgpack_object *items = message->result->via.array.ptr;
    struct lt_error *error = &waiting->latent->error;
    uint64_t id = latent_value_uint(latent_value_of(&items[1]), UINT64_MAX);
    int code = LT_OK;
    if (items[1].type == MSGPACK_OBJECT_NIL) {
        code = read_error(&items[2], error);
        if (!code)
            code = lt_fail(error, LT_EMALFORMED, "the daemon sent a response without an id");
    } else if (id == waiting->id && !waiting->answered) {
        waiting->answered = true;
        waiting->code = read_error(&items[2], error);
        if (!waiting->code) {
            message->result = &items[3];
            waiting->reply = message;
            return LT_OK;
        }
    } else if (waiting->cancelling && id == waiting->cancel_id) {
        waiting->cancelling = false; /* whether it came in time, the answer to the call itself says */
    } else {
        code = lt_fail(error, LT_EMALFORMED, "the daemon answered a request that was not made");
    }
    latent_reply_destroy(message);
    return code;
}

static int take_message(struct waiting *waiting)
{
    struct connection *connection = &waiting->latent->connection;
    struct lt_error *error = &waiting->latent->error;
    struct latent_reply *message = NULL;
    size_t bytes = 0;
    int code = connection_receive(connection, &bytes, error);
    if (code)
        return code;
    code = latent_reply_create(connection->received.data, bytes, &message, error);
    lt_buffer_consume(&connection->received, bytes);
    if (code)
        return code;
    uint64_t type = latent_value_uint(latent_reply_at(message, "[0]"), UINT64_MAX);
    size_t items = latent_value_count(latent_reply_at(message, ""));
    if (type == 1 && items == 4)
        return take_response(waiting, message);
    code = type == 2 && items == 3 ? take_notification(waiting, message)
                                   : lt_fail(error, LT_EMALFORMED, "the peer does not speak MessagePack-RPC");
    latent_reply_destroy(message);
    return code;
}

int call_finish(struct call *call, const struct call_listener *listener, struct latent_reply **ret_reply)
{
    struct waiting waiting = {.latent = call->latent, .id = call->id};
    waiting.listener = listener ? *listener
                                : (struct call_listener){.on_progress = call->latent->on_progress,
                                                         .data = call->latent->progress_data};
    int code = send_call(call);
    if (code)
        return code;
    while (!code && (!waiting.answered || waiting.cancelling))
        code = take_message(&waiting);
    if (code) { /* the stream cannot be trusted to be between two messages any more */
        connection_close(&call->latent->connection);
        latent_reply_destroy(waiting.reply);
        return code;
    }
    if (!waiting.code)
        *ret_reply = waiting.reply;
    return waiting.code;
}

int call_plain(struct latent *latent, const char *method, struct latent_reply **ret_reply)
{
    struct call call;
    call_begin(&call, latent, method);
    lt_write_map(&call.writer, 0);
    return call_finish(&call, NULL, ret_reply);
}

uint32_t call_space_pairs(const struct latent *latent)
{
    return (*latent->space != 0) + (latent->ttl_seconds != LATENT_TTL_DEFAULT);
}

void call_write_namespace(struct call *call)
{
    if (!*call->latent->space)
        return;
    lt_write_text(&call->writer, "namespace");
    lt_write_text(&call->writer, call->latent->space);
}

void call_write_space(struct call *call)
{
    call_write_namespace(call);
    if (call->latent->ttl_seconds == LATENT_TTL_DEFAULT)
        return;
    lt_write_text(&call->writer, "ttl_s");
    lt_write_uint(&call->writer, call->latent->ttl_seconds);
}
