/* HTTP, off unless an address is given. libmicrohttpd reads requests and writes replies; it runs on the loop thread,
 * driven by libuv, and never blocks: a connection whose answer is not ready is suspended and costs nothing.
 *
 * What a request asks for becomes the same lt_request and lt_job as on the socket (http_exchange.h). docs/HTTP.md is
 * the manual. Loop thread only. */
#ifndef LT_DAEMON_HTTP_H
#define LT_DAEMON_HTTP_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/http_recent.h"
#include "proto/buffer.h"
#include "proto/error.h"

struct lt_server;
struct lt_http_exchange;
struct lt_http_connection;

/* Replies of one path with one status. */
struct lt_http_replies {
    const char *path; /* of the list of routes, or "other" */
    unsigned status;
    uint64_t count;
};

#define LT_HTTP_REPLIES_MAX 128 /* more than there are paths and statuses that go together */

struct lt_http {
    struct lt_server *server;
    struct MHD_Daemon *daemon;
    struct lt_buffer certificate, key; /* PEM, for TLS; libmicrohttpd borrows them */
    uv_poll_t ready;                   /* libmicrohttpd's epoll descriptor */
    uv_timer_t timer;                  /* when libmicrohttpd wants to run though nothing is ready */
    struct lt_http_connection *connections;
    struct lt_http_exchange *exchanges;
    size_t connection_count;
    size_t preauth_count; /* of those, that have not sent a token yet where one is needed */
    size_t body_bytes;    /* of all exchanges */
    struct lt_http_replies replies[LT_HTTP_REPLIES_MAX];
    size_t replies_count;
    struct lt_http_recent recent;
    bool leaving;
};

/* Listens on the address of server->config. LT_ECONFIG, LT_EADDRESS, LT_EIO, LT_ENOMEM with the reason; then *ret_http
 * is untouched and nothing is left open but handles that the loop still has to close. */
int lt_http_start(struct lt_server *server, struct lt_http **ret_http, struct lt_error *error);

/* Lets replies go on after jobs had something to say. Not from inside a handler. */
void lt_http_run(struct lt_http *http);

/* Counts a reply; `path` is static. */
void lt_http_count_reply(struct lt_http *http, const char *path, unsigned status);

/* Once a second: closes connections that wait too long with a request, or for one. */
void lt_http_tick(struct lt_http *http, double now);

/* Stops listening. What is asked on open connections is refused; exchanges that run may finish. */
void lt_http_leave(struct lt_http *http);

/* No request is being answered. */
bool lt_http_is_idle(const struct lt_http *http);

/* Cancels what runs, ends streams, closes all connections and handles. Once only. */
void lt_http_close(struct lt_http *http);

/* After the loop has let go of the handles. NULL is allowed. */
void lt_http_destroy(struct lt_http *http);

#endif
