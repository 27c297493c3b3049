#include "daemon/session.h"

#include <stddef.h>
#include <string.h>

#include "daemon/authentication.h"
#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/log.h"
#include "daemon/tls.h"
#include "daemon/uploads.h"
#include "proto/alloc.h"
#include "proto/writer.h"

#define READ_BYTES ((size_t)64 << 10)
#define GATHERED_MAX 4 /* messages of one write: as many as libuv takes without an allocation of its own */

static void process_input(struct lt_session *session);

/* --- writing --- */

/* Messages on their way out in one write. */
struct lt_sending {
    uv_write_t request;
    struct lt_session *session;
    size_t bytes; /* of all messages */
    unsigned count;
    struct lt_buffer messages[GATHERED_MAX];
};

static size_t unread(const struct lt_session *session)
{
    return uv_stream_get_write_queue_size(&session->stream) + (session->gathered ? session->gathered->bytes : 0);
}

static void free_sending(struct lt_sending *sending)
{
    for (unsigned i = 0; i < sending->count; i++)
        lt_buffer_finish(&sending->messages[i]);
    lt_free(sending);
}

static void after_write(uv_write_t *request, int status)
{
    struct lt_sending *sending = request->data;
    struct lt_session *session = sending->session;
    free_sending(sending);
    if (session->closed)
        return;
    if (status < 0) {
        lt_session_close(session);
    } else if (session->leaving) {
        if (unread(session) == 0)
            lt_session_close(session);
    } else if (unread(session) <= LT_WRITE_QUEUE_PAUSE) {
        lt_caller_set_paused(&session->caller, session->server->engine, false);
        process_input(session);
    }
}

/* Makes one message of all: their bytes as they travel under TLS. */
static int encrypt(struct lt_tls *tls, struct lt_sending *sending)
{
    struct lt_buffer bytes;
    int code = LT_OK;
    lt_buffer_init(&bytes, 2 * LT_WRITE_QUEUE_MAX);
    for (unsigned i = 0; i < sending->count && code == LT_OK; i++)
        code = lt_tls_send(tls, sending->messages[i].data, sending->messages[i].size);
    if (code == LT_OK)
        code = lt_tls_take(tls, &bytes);
    for (unsigned i = 0; i < sending->count; i++)
        lt_buffer_finish(&sending->messages[i]);
    sending->messages[0] = bytes;
    sending->count = 1;
    return code;
}

/* Hands what is ready to travel to libuv. */
static void write_sending(struct lt_session *session, struct lt_sending *sending)
{
    uv_buf_t buffers[GATHERED_MAX];
    for (unsigned i = 0; i < sending->count; i++)
        buffers[i] = uv_buf_init((char *)sending->messages[i].data, (unsigned)sending->messages[i].size);
    if (session->closed) {
        free_sending(sending);
    } else if (uv_write(&sending->request, &session->stream, buffers, sending->count, after_write) < 0) {
        free_sending(sending);
        lt_session_close(session);
    }
}

/* Hands what was gathered to libuv. */
static void flush(struct lt_session *session)
{
    struct lt_sending *sending = session->gathered;
    session->gathered = NULL;
    if (!sending)
        return;
    if (session->tls && !session->closed && encrypt(session->tls, sending)) {
        free_sending(sending);
        lt_session_close(session);
        return;
    }
    write_sending(session, sending);
}

static struct lt_sending *start_gathering(struct lt_session *session)
{
    struct lt_sending *sending = lt_malloc(sizeof *sending);
    if (!sending)
        return NULL;
    sending->session = session;
    sending->request.data = sending;
    sending->bytes = 0;
    sending->count = 0;
    return sending;
}

void lt_session_send(struct lt_session *session, struct lt_buffer *bytes)
{
    if (!session->closed && bytes->size && !session->gathered)
        session->gathered = start_gathering(session);
    struct lt_sending *sending = session->gathered;
    if (session->closed || bytes->size == 0 || !sending) {
        lt_buffer_finish(bytes);
        lt_session_close(session); /* out of memory: a gap in the stream would be worse than its end */
        return;
    }
    sending->bytes += bytes->size;
    sending->messages[sending->count++] = *bytes;
    if (!session->gathering || sending->count == GATHERED_MAX)
        flush(session);
    if (session->closed)
        return;
    if (unread(session) > LT_WRITE_QUEUE_MAX) {
        lt_log(LT_LOG_WARNING, "a client left %zu bytes unread; its connection is closed", unread(session));
        lt_session_close(session);
    } else if (unread(session) > LT_WRITE_QUEUE_PAUSE) {
        lt_caller_set_paused(&session->caller, session->server->engine, true);
    }
}

/* Whether it is still to be seen who it is: a token is needed, or TLS is being agreed on. */
static void set_preauth(struct lt_session *session, bool preauth)
{
    if (preauth && !session->is_preauth)
        session->server->preauth_count++;
    else if (!preauth && session->is_preauth)
        session->server->preauth_count--;
    session->is_preauth = preauth;
    lt_scanner_init(&session->scanner, preauth ? LT_PREAUTH_FRAME_BYTES_MAX : LT_FRAME_BYTES_MAX,
                    preauth ? LT_PREAUTH_FRAME_ELEMENTS_MAX : LT_FRAME_ELEMENTS_MAX);
}

/* --- reading --- */

void lt_session_refuse(struct lt_session *session, const struct lt_error *error)
{
    struct lt_buffer bytes;
    struct lt_writer writer;
    if (session->closed || session->leaving)
        return;
    if (session->tls && !lt_tls_is_ready(session->tls)) { /* it could not be read */
        lt_session_close(session);
        return;
    }
    lt_buffer_init(&bytes, LT_REPLY_BYTES_MAX);
    lt_writer_init(&writer, &bytes);
    lt_write_error(&writer, false, 0, error);
    lt_count(&session->server->counters, LT_COUNTER_REQUESTS_FAILED, 1);
    lt_session_leave(session);
    if (writer.error) {
        lt_buffer_finish(&bytes);
        lt_session_close(session);
    } else {
        lt_session_send(session, &bytes);
    }
}

static void send_stream_error(struct lt_session *session, int code)
{
    struct lt_error error;
    if (code == LT_ETOOLARGE && session->is_preauth)
        lt_fail(&error, code, "before a token has come a request may have %d bytes and %d objects",
                LT_PREAUTH_FRAME_BYTES_MAX, LT_PREAUTH_FRAME_ELEMENTS_MAX);
    else if (code == LT_ETIMEOUT && session->is_preauth)
        lt_fail(&error, code, "no token has come within %d seconds", LT_PREAUTH_SECONDS_MAX);
    else if (code == LT_ETOOLARGE)
        lt_fail(&error, code, "the request is over a limit: %u bytes, %u objects, nesting of %d", LT_FRAME_BYTES_MAX,
                LT_FRAME_ELEMENTS_MAX, LT_FRAME_DEPTH_MAX);
    else if (code == LT_ETIMEOUT)
        lt_fail(&error, code, "the request was not complete after %d seconds", LT_FRAME_SECONDS_MAX);
    else
        lt_fail(&error, code, "the bytes are not MessagePack; a request is [0, id, method, params]");
    lt_session_refuse(session, &error);
}

/* The peer must read before it may ask for more. */
static bool is_full(const struct lt_session *session)
{
    return unread(session) > LT_WRITE_QUEUE_PAUSE || session->caller.job_count >= LT_CONNECTION_REQUESTS_MAX;
}

/* Where bytes of TLS are read to; they are taken at once, in after_read, so all sessions have one. */
static char encrypted[READ_BYTES];

/* What TLS has to say to the peer: its part of a handshake, or what is wrong with the peer's. */
static void send_own_words(struct lt_session *session)
{
    struct lt_buffer bytes;
    lt_buffer_init(&bytes, LT_WRITE_QUEUE_MAX);
    struct lt_sending *sending = lt_tls_take(session->tls, &bytes) == LT_OK ? start_gathering(session) : NULL;
    if (!sending) {
        lt_buffer_finish(&bytes);
        lt_session_close(session);
    } else if (!bytes.size) {
        lt_free(sending);
    } else {
        sending->bytes = bytes.size;
        sending->messages[sending->count++] = bytes;
        write_sending(session, sending);
    }
}

static void take_encrypted(struct lt_session *session, size_t bytes)
{
    struct lt_error error;
    int code = lt_tls_receive(session->tls, encrypted, bytes, &session->input, &error);
    send_own_words(session);
    if (session->closed)
        return;
    if (code && code != LT_ECLOSED) {
        lt_log(LT_LOG_WARNING, "a connection over TLS failed: %s", error.message);
        lt_session_leave(session);
    } else if (code) {
        lt_session_close(session);
        return;
    }
    if (session->is_preauth && lt_tls_is_ready(session->tls) && session->caller.identity.known)
        set_preauth(session, false);
    process_input(session);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct lt_session *session = handle->data;
    (void)suggested;
    if (session->tls) {
        *buffer = uv_buf_init(encrypted, sizeof encrypted);
        return;
    }
    bool room = lt_buffer_reserve(&session->input, READ_BYTES) == LT_OK;
    *buffer = uv_buf_init(room ? (char *)session->input.data + session->input.size : NULL, room ? READ_BYTES : 0);
}

static void after_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct lt_session *session = stream->data;
    (void)buffer;
    if (count < 0) {
        lt_session_close(session);
    } else if (count > 0 && session->tls) {
        take_encrypted(session, (size_t)count);
    } else if (count > 0) {
        session->input.size += (size_t)count;
        process_input(session);
    }
}

static void set_reading(struct lt_session *session, bool reading)
{
    if (session->reading == reading)
        return;
    session->reading = reading;
    if (!reading)
        uv_read_stop(&session->stream);
    else if (uv_read_start(&session->stream, allocate, after_read) < 0)
        lt_session_close(session);
}

/* Takes whole frames out of the input as long as the session has room for what they cause. What is answered at once
 * leaves together: each write may wake the client, and costs more than it takes to make a small reply. */
static void process_input(struct lt_session *session)
{
    size_t done = 0;
    int code = LT_OK;
    session->gathering = true;
    while (!session->closed && !session->leaving && !is_full(session) && done < session->input.size) {
        size_t bytes;
        const uint8_t *frame = session->input.data + done;
        code = lt_scan(&session->scanner, frame, session->input.size - done, &bytes);
        if (code)
            break;
        done += bytes;
        lt_dispatch(session, frame, bytes);
    }
    session->gathering = false;
    flush(session);
    if (session->closed)
        return;
    lt_buffer_consume(&session->input, done);
    if (code && code != LT_EBUSY) {
        send_stream_error(session, code);
        return;
    }
    if (session->leaving)
        return;
    if (code != LT_EBUSY)
        session->frame_began = 0;
    else if (done || session->frame_began == 0)
        session->frame_began = lt_clock_seconds();
    set_reading(session, !is_full(session));
}

/* --- jobs --- */

static struct lt_session *session_of(struct lt_caller *caller)
{
    return (struct lt_session *)((char *)caller - offsetof(struct lt_session, caller));
}

static void deliver(struct lt_caller *caller, struct lt_job *job, struct lt_buffer *bytes)
{
    (void)job;
    lt_session_send(session_of(caller), bytes);
}

/* A request that waited for its turn may come now. */
static void finished(struct lt_caller *caller, struct lt_job *job)
{
    struct lt_session *session = session_of(caller);
    (void)job;
    if (caller->job_count == LT_CONNECTION_REQUESTS_MAX - 1 && !session->closed && !session->leaving)
        process_input(session);
}

/* --- who it is --- */

void lt_session_set_identity(struct lt_session *session, const struct lt_identity *identity)
{
    session->caller.identity = *identity;
    set_preauth(session, false);
}

/* False: it is refused, and not read from. */
static bool authenticate(struct lt_session *session)
{
    struct lt_server *server = session->server;
    struct lt_identity *identity = &session->caller.identity;
    struct lt_error error;
    int code = lt_authenticate_connection(server, &session->stream, identity, &error);
    if (code == LT_OK && server->tls && session->stream.type == UV_TCP && lt_tls_create(server->tls, &session->tls))
        code = lt_fail_code(&error, LT_ENOMEM);
    set_preauth(session, code == LT_OK && (!identity->known || session->tls));
    if (server->preauth_count > LT_PREAUTH_CONNECTIONS_MAX && session->is_preauth)
        code = lt_fail(&error, LT_EBUSY, "%d connections have not sent a token yet; try again in a second",
                       LT_PREAUTH_CONNECTIONS_MAX);
    if (code == LT_OK)
        return true;
    lt_log(LT_LOG_WARNING, "a connection was refused: %s", error.message);
    lt_session_refuse(session, &error);
    return false;
}

/* --- life --- */

static void after_close(uv_handle_t *handle)
{
    struct lt_session *session = handle->data;
    lt_buffer_finish(&session->input);
    lt_tls_destroy(session->tls);
    lt_free(session);
}

void lt_session_close(struct lt_session *session)
{
    if (session->closed)
        return;
    session->closed = true;
    lt_caller_abandon(&session->caller, session->server->engine);
    lt_upload_drop(session);
    if (session->previous)
        session->previous->next = session->next;
    else
        session->server->sessions = session->next;
    if (session->next)
        session->next->previous = session->previous;
    session->server->session_count--;
    set_preauth(session, false);
    uv_close(&session->handle, after_close);
}

void lt_session_leave(struct lt_session *session)
{
    if (session->closed || session->leaving)
        return;
    session->leaving = true;
    session->farewell_began = lt_clock_seconds();
    set_reading(session, false);
}

void lt_session_tick(struct lt_session *session, double now)
{
    if (session->leaving) {
        if (unread(session) == 0 || now - session->farewell_began > LT_FRAME_SECONDS_MAX)
            lt_session_close(session);
    } else if (session->frame_began != 0 && session->reading && now - session->frame_began > LT_FRAME_SECONDS_MAX) {
        send_stream_error(session, LT_ETIMEOUT);
    } else if (session->is_preauth && now - session->accepted > LT_PREAUTH_SECONDS_MAX) {
        send_stream_error(session, LT_ETIMEOUT);
    }
}

void lt_session_accept(struct lt_server *server, uv_stream_t *listener)
{
    struct lt_session *session = lt_calloc(1, sizeof *session);
    if (!session) {
        server->accept_later = true;
        lt_log(LT_LOG_ERROR, "out of memory; clients have to wait for their connections");
        return;
    }
    session->server = server;
    session->accepted = lt_clock_seconds();
    session->caller = (struct lt_caller){.deliver = deliver, .finished = finished};
    lt_buffer_init(&session->input, LT_FRAME_BYTES_MAX + 2 * READ_BYTES);
    lt_scanner_init(&session->scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    int failed = listener->type == UV_TCP ? uv_tcp_init(&server->loop, &session->tcp)
                                          : uv_pipe_init(&server->loop, &session->pipe, 0);
    if (failed) {
        lt_free(session);
        lt_log(LT_LOG_ERROR, "a connection could not be made: %s", uv_strerror(failed));
        return;
    }
    session->handle.data = session;
    session->next = server->sessions;
    if (session->next)
        session->next->previous = session;
    server->sessions = session;
    server->session_count++;
    failed = uv_accept(listener, &session->stream);
    if (failed == UV_EAGAIN) { /* nobody is waiting */
        lt_session_close(session);
        return;
    }
    if (failed || server->session_count > LT_CONNECTIONS_MAX) {
        lt_log(LT_LOG_WARNING, "a connection was refused: %s",
               failed ? uv_strerror(failed) : "as many clients as allowed are connected");
        lt_session_close(session);
        return;
    }
    if (listener->type == UV_TCP)
        uv_tcp_nodelay(&session->tcp, 1);
    if (authenticate(session))
        set_reading(session, true);
}
