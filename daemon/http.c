/* libmicrohttpd has one epoll descriptor for all of its sockets; libuv watches that one. After each run it is asked
 * when it wants to run again, because it may have work left that no socket announces.
 *
 * Its own timeout knows only connections on which nothing moves. Here a connection is also closed that sends a byte now
 * and then and never a whole request. */
#include "daemon/http.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/authentication.h"
#include "daemon/clock.h"
#include "daemon/http_exchange.h"
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/tls.h"
#include "proto/alloc.h"

struct lt_http_connection {
    struct lt_http *http;
    struct lt_http_connection *previous, *next;
    int descriptor;
    double idle_since; /* when it was made or its last exchange ended; 0 while there is one */
    double began;
    bool is_preauth; /* a token is needed, or TLS to be agreed on, and no request that may go on has come so far */
};

/* --- libmicrohttpd calls --- */

static struct lt_http_connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void set_busy(struct MHD_Connection *of, bool busy)
{
    struct lt_http_connection *connection = connection_of(of);
    if (connection)
        connection->idle_since = busy ? 0 : lt_clock_seconds();
}

static void set_preauth(struct lt_http_connection *connection, bool preauth)
{
    if (preauth && !connection->is_preauth)
        connection->http->preauth_count++;
    else if (!preauth && connection->is_preauth)
        connection->http->preauth_count--;
    connection->is_preauth = preauth;
}

static void begin_exchange(struct lt_http_exchange *exchange)
{
    struct lt_http_connection *connection = connection_of(exchange->connection);
    set_busy(exchange->connection, true);
    if (connection && exchange->caller.identity.known)
        set_preauth(connection, false);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *bytes, void **request)
{
    struct lt_http *http = context;
    struct lt_http_exchange *exchange = *request;
    (void)url;
    (void)method;
    (void)version;
    if (!exchange) {
        *request = exchange = lt_http_exchange_begin(http, connection);
        if (exchange)
            begin_exchange(exchange);
        return exchange ? MHD_YES : MHD_NO;
    }
    if (*bytes) {
        bool taken = lt_http_exchange_receive(exchange, data, *bytes);
        *bytes = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    return lt_http_exchange_continue(exchange, method, url);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why)
{
    struct lt_http_exchange *exchange = *request;
    (void)context;
    (void)why;
    *request = NULL;
    if (!exchange)
        return;
    set_busy(connection, false);
    lt_http_exchange_finish(exchange);
}

static void begin_connection(struct lt_http *http, struct MHD_Connection *of, void **ret_context)
{
    struct lt_http_connection *connection = lt_calloc(1, sizeof *connection);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(of, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!connection || !info) {
        lt_free(connection);
        return; /* it lives with libmicrohttpd's timeout alone */
    }
    *connection = (struct lt_http_connection){.http = http,
                                              .next = http->connections,
                                              .descriptor = info->connect_fd,
                                              .idle_since = lt_clock_seconds(),
                                              .began = lt_clock_seconds()};
    if (connection->next)
        connection->next->previous = connection;
    http->connections = connection;
    http->connection_count++;
    *ret_context = connection;
    set_preauth(connection, lt_authentication_needs_token(http->server) || http->server->tls);
    if (http->preauth_count > LT_PREAUTH_CONNECTIONS_MAX)
        shutdown(connection->descriptor, SHUT_RDWR); /* libmicrohttpd sees it end and closes it */
}

static void end_connection(struct lt_http *http, struct lt_http_connection *connection)
{
    if (!connection)
        return;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        http->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    http->connection_count--;
    set_preauth(connection, false);
    lt_free(connection);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **connection_context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(context, connection, connection_context);
    } else {
        end_connection(context, *connection_context);
        *connection_context = NULL;
    }
}

static void on_log(void *context, const char *format, va_list arguments)
{
    char message[256];
    (void)context;
    vsnprintf(message, sizeof message, format, arguments);
    message[strcspn(message, "\n")] = '\0';
    lt_log(LT_LOG_DEBUG, "http: %s", message);
}

/* --- libuv calls --- */

static void on_timer(uv_timer_t *timer)
{
    lt_http_run(timer->data);
}

void lt_http_run(struct lt_http *http)
{
    MHD_UNSIGNED_LONG_LONG milliseconds;
    MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &milliseconds) == MHD_YES)
        uv_timer_start(&http->timer, on_timer, milliseconds, 0);
    else
        uv_timer_stop(&http->timer);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    lt_http_run(poll->data);
}

/* --- life --- */

static int watch_sockets(struct lt_http *http, struct lt_error *error)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int failed = info ? uv_poll_init(&http->server->loop, &http->ready, info->epoll_fd) : UV_EINVAL;
    if (failed)
        return lt_fail(error, LT_EIO, "--http: cannot watch its sockets: %s", uv_strerror(failed));
    uv_timer_init(&http->server->loop, &http->timer);
    http->ready.data = http->timer.data = http;
    uv_poll_start(&http->ready, UV_READABLE, on_ready);
    return LT_OK;
}

/* libmicrohttpd's own TLS, GnuTLS's: it drives the handshake beside everything else that it does with a connection,
 * where memory BIOs would need a second socket for each. It is told what OpenSSL is on the other listener. */
static const char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static int read_certificate(struct lt_http *http, struct lt_error *error)
{
    const struct lt_config *config = http->server->config;
    int code = lt_tls_read_file(config->tls_cert, false, &http->certificate, error);
    return code ? code : lt_tls_read_file(config->tls_key, true, &http->key, error);
}

int lt_http_start(struct lt_server *server, struct lt_http **ret_http, struct lt_error *error)
{
    const struct lt_config *config = server->config;
    struct lt_http *http = lt_calloc(1, sizeof *http);
    int descriptor = -1;
    if (!http)
        return lt_fail_code(error, LT_ENOMEM);
    http->server = server;
    lt_http_recent_init(&http->recent);
    int code = lt_listen_http(config->http, lt_authentication_needs_token(server), config->tls_cert != NULL,
                              &descriptor, error);
    if (code == LT_OK && config->tls_cert)
        code = read_certificate(http, error);
    if (code)
        goto failed;
    const struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, http->certificate.data},
                                         {MHD_OPTION_HTTPS_MEM_KEY, 0, http->key.data},
                                         {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)tls_versions},
                                         {MHD_OPTION_END, 0, NULL}};
    http->daemon = MHD_start_daemon(
        (config->tls_cert ? MHD_USE_TLS : 0) | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, descriptor,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)LT_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)LT_HTTP_SECONDS_IDLE, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LT_HTTP_HEADER_BYTES_MAX,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, config->tls_cert ? tls : &tls[3], MHD_OPTION_END);
    if (!http->daemon) {
        code = lt_fail(error, LT_EIO, "--http: libmicrohttpd cannot start on %s", config->http);
        goto failed;
    }
    code = watch_sockets(http, error);
    if (code) {
        MHD_stop_daemon(http->daemon); /* closes the descriptor */
        lt_http_destroy(http);
        return code;
    }
    *ret_http = http;
    return LT_OK;
failed:
    if (descriptor >= 0)
        close(descriptor);
    lt_http_destroy(http);
    return code;
}

void lt_http_count_reply(struct lt_http *http, const char *path, unsigned status)
{
    for (size_t i = 0; i < http->replies_count; i++)
        if (http->replies[i].path == path && http->replies[i].status == status) {
            http->replies[i].count++;
            return;
        }
    if (http->replies_count < LT_HTTP_REPLIES_MAX)
        http->replies[http->replies_count++] = (struct lt_http_replies){path, status, 1};
}

void lt_http_tick(struct lt_http *http, double now)
{
    for (struct lt_http_connection *connection = http->connections; connection; connection = connection->next) {
        bool late = connection->is_preauth && now - connection->began > LT_PREAUTH_SECONDS_MAX;
        if (late || (connection->idle_since != 0 && now - connection->idle_since > LT_HTTP_SECONDS_IDLE))
            shutdown(connection->descriptor, SHUT_RDWR);
    }
    for (struct lt_http_exchange *exchange = http->exchanges; exchange; exchange = exchange->next) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!exchange->complete && now - exchange->began > LT_FRAME_SECONDS_MAX && info)
            shutdown(info->connect_fd, SHUT_RDWR);
    }
}

void lt_http_leave(struct lt_http *http)
{
    MHD_socket listener = http->leaving ? MHD_INVALID_SOCKET : MHD_quiesce_daemon(http->daemon);
    http->leaving = true;
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
}

bool lt_http_is_idle(const struct lt_http *http)
{
    return http->exchanges == NULL;
}

void lt_http_close(struct lt_http *http)
{
    for (struct lt_http_exchange *exchange = http->exchanges; exchange; exchange = exchange->next)
        lt_http_exchange_abort(exchange, LT_ESHUTDOWN);
    if (http->exchanges) {
        MHD_run(http->daemon); /* resumes them, */
        MHD_run(http->daemon); /* and sends what they have left to say to whoever takes it */
    }
    uv_close((uv_handle_t *)&http->ready, NULL);
    uv_close((uv_handle_t *)&http->timer, NULL);
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
}

void lt_http_destroy(struct lt_http *http)
{
    if (!http)
        return;
    lt_http_recent_finish(&http->recent);
    if (http->key.size)
        explicit_bzero(http->key.data, http->key.size);
    lt_buffer_finish(&http->key);
    lt_buffer_finish(&http->certificate);
    lt_free(http);
}
