/* One connection: frames in, messages out, with a bound on everything that its peer makes us keep. Loop thread only.
 *
 * A peer that does not read makes its replies pile up: past LT_WRITE_QUEUE_PAUSE bytes its requests wait unread and its
 * answers pause; past LT_WRITE_QUEUE_MAX it is closed. When a peer goes away its jobs are cancelled. */
#ifndef LT_DAEMON_SESSION_H
#define LT_DAEMON_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/caller.h"
#include "daemon/server.h"
#include "proto/buffer.h"
#include "proto/scanner.h"

struct lt_sending;

struct lt_session {
    struct lt_caller caller; /* of its jobs */
    struct lt_server *server;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    };
    struct lt_session *previous, *next;
    struct lt_buffer input;
    struct lt_scanner scanner;
    struct lt_tls *tls;          /* through which it reads and writes, or NULL */
    struct lt_upload *upload;    /* a document that arrives in pieces, or NULL */
    struct lt_sending *gathered; /* messages that leave in the next write, or NULL */
    double frame_began;          /* when the first byte of an incomplete frame came; 0 without one */
    double farewell_began;       /* when `leaving` was set */
    double accepted;             /* when it was made */
    bool is_preauth;             /* nothing but a hello with a token is taken, and that soon; counted by the server */
    bool gathering;              /* more messages may follow at once */
    bool reading;
    bool leaving; /* closes once all is written */
    bool closed;
};

/* Accepts a connection from `listener`. A failure is logged; the peer sees its connection closed. */
void lt_session_accept(struct lt_server *server, uv_stream_t *listener);

/* Sends whole messages; takes over the buffer's memory. Does nothing but freeing it on a session that is closed. */
void lt_session_send(struct lt_session *session, struct lt_buffer *bytes);

/* Sends an error that answers no request, and closes once it is written. */
void lt_session_refuse(struct lt_session *session, const struct lt_error *error);

/* From now on it is known who is asking. */
void lt_session_set_identity(struct lt_session *session, const struct lt_identity *identity);

/* Closes once everything is written. */
void lt_session_leave(struct lt_session *session);

/* Closes at once; the session is freed when libuv lets go of it. */
void lt_session_close(struct lt_session *session);

/* Once a second: closes a peer whose token, frame or farewell takes too long. */
void lt_session_tick(struct lt_session *session, double now);

#endif
