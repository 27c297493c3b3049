/* One HTTP request and its reply: the body is gathered, a handler answers at once or submits jobs, and what the jobs
 * say becomes the reply, whole or as a stream of server-sent events. Loop thread only.
 *
 * While nothing can be sent the connection is suspended, so libmicrohttpd does not look at it; that its client went
 * away is seen by a watch of our own, and cancels the jobs. A client that does not read a stream lets it grow to
 * LT_HTTP_STREAM_PAUSE; then the jobs pause until it has read. */
#ifndef LT_DAEMON_HTTP_EXCHANGE_H
#define LT_DAEMON_HTTP_EXCHANGE_H

#include <jansson.h>
#include <microhttpd.h>
#include <msgpack/object.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/caller.h"
#include "daemon/http.h"
#include "proto/buffer.h"
#include "proto/messages.h"

struct lt_http_exchange;

/* What answers the requests to one path. */
struct lt_http_handler {
    /* Replies, or submits jobs. `body` is borrowed; NULL for requests without one. */
    void (*begin)(struct lt_http_exchange *exchange, const json_t *body);
    /* A piece of an answer came. NULL if the handler's jobs do not stream. */
    void (*token)(struct lt_http_exchange *exchange, const char *text, size_t bytes);
    /* Job number `id` is done; `result` is borrowed. An error of a job becomes the reply without the handler. */
    void (*result)(struct lt_http_exchange *exchange, uint32_t id, const msgpack_object *result);
    /* Frees exchange->state; NULL if there is nothing to free but the memory itself. */
    void (*finish)(void *state);
};

struct lt_http_exchange {
    struct lt_caller caller;
    struct lt_http *http;
    struct MHD_Connection *connection;
    struct lt_http_exchange *previous, *next;
    const struct lt_http_handler *handler; /* NULL before the route is known */
    const char *path;                      /* of the route; "other" if there is none */
    void *state;                           /* the handler's, from lt_calloc */
    double began;                          /* lt_clock_seconds */

    struct lt_buffer body;
    bool complete; /* the request is there, and was handed to its handler */
    int refusal;   /* LT_OK, or why the body is not taken */
    size_t refused_bytes;

    struct MHD_Response *response; /* not queued yet */
    unsigned status;
    bool replied;            /* the response is queued */
    struct lt_buffer stream; /* not sent yet */
    bool streaming, ended, broken;

    uv_poll_t watch; /* for the client going away */
    bool watching, suspended, gone;
};

/* A request's headers came. NULL: out of memory. */
struct lt_http_exchange *lt_http_exchange_begin(struct lt_http *http, struct MHD_Connection *connection);

/* More of its body; false closes the connection. */
bool lt_http_exchange_receive(struct lt_http_exchange *exchange, const char *data, size_t bytes);

/* Queues the reply if it is ready, otherwise suspends the connection. */
enum MHD_Result lt_http_exchange_continue(struct lt_http_exchange *exchange, const char *method, const char *path);

/* The reply was sent, or the connection is lost: cancels what runs. The memory goes with the watch. */
void lt_http_exchange_finish(struct lt_http_exchange *exchange);

/* Cancels what runs and lets the reply end with an error. */
void lt_http_exchange_abort(struct lt_http_exchange *exchange, int code);

/* --- for handlers --- */

/* Hands a request to the engine. On failure the error is the reply. True if it runs. */
bool lt_http_submit(struct lt_http_exchange *exchange, struct lt_request *request);

/* Replies with JSON, which is taken over; NULL stands for memory that ran out. */
void lt_http_reply_json(struct lt_http_exchange *exchange, unsigned status, json_t *json);

/* Replies with bytes that outlive the reply. */
void lt_http_reply_static(struct lt_http_exchange *exchange, const char *type, const void *data, size_t bytes);

/* Replies with bytes, which are taken over. */
void lt_http_reply_bytes(struct lt_http_exchange *exchange, const char *type, struct lt_buffer *bytes);

/* Replies with OpenAI's error object, or ends the stream with it if that has begun. `parameter` may be NULL. */
void lt_http_reply_error(struct lt_http_exchange *exchange, const struct lt_error *error, const char *parameter);

/* Replies with an error that only HTTP knows. */
void lt_http_reply_refusal(struct lt_http_exchange *exchange, unsigned status, const char *name, const char *message);

/* Sends an event of a stream, which begins with the first one. The JSON is taken over; NULL as above. */
void lt_http_stream_send(struct lt_http_exchange *exchange, json_t *json);

/* Ends the stream: data: [DONE]. */
void lt_http_stream_end(struct lt_http_exchange *exchange);

#endif
