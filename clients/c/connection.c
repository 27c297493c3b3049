/* The socket of a client. Timeouts are the socket's own (SO_RCVTIMEO, SO_SNDTIMEO), which on Linux bound connect, too.
 */
#include "clients/c/connection.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 300000u
#define RECEIVE_BYTES 65536u
#define HOST_BYTES_MAX 255

void connection_init(struct connection *connection)
{
    *connection = (struct connection){.socket = -1, .timeout_ms = DEFAULT_TIMEOUT_MS};
    lt_buffer_init(&connection->received, LT_REPLY_BYTES_MAX);
    lt_scanner_init(&connection->scanner, LT_REPLY_BYTES_MAX, LT_REPLY_ELEMENTS_MAX);
}

void connection_close(struct connection *connection)
{
    tls_close(connection->tls);
    connection->tls = NULL;
    if (connection->socket >= 0)
        close(connection->socket);
    connection->socket = -1;
    lt_buffer_finish(&connection->received);
    lt_scanner_init(&connection->scanner, LT_REPLY_BYTES_MAX, LT_REPLY_ELEMENTS_MAX);
}

void connection_apply_timeout(struct connection *connection)
{
    struct timeval limit = {.tv_sec = connection->timeout_ms / 1000,
                            .tv_usec = (suseconds_t)(connection->timeout_ms % 1000) * 1000};
    if (connection->socket < 0)
        return;
    setsockopt(connection->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Connects a new socket; on failure errno says why and the connection stays closed. */
static int try_address(struct connection *connection, const struct sockaddr *address, socklen_t bytes)
{
    connection->socket = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->socket < 0)
        return LT_ECONNECT;
    connection_apply_timeout(connection);
    int result;
    do
        result = connect(connection->socket, address, bytes);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return LT_OK;
    int reason = errno;
    connection_close(connection);
    errno = reason;
    return LT_ECONNECT;
}

static int open_path(struct connection *connection, const char *path, struct lt_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes >= sizeof address.sun_path)
        return lt_fail(error, LT_EPARAM, "the path of a socket has 1 to %zu bytes; \"%.80s\" has %zu",
                       sizeof address.sun_path - 1, path, bytes);
    memcpy(address.sun_path, path, bytes + 1);
    if (try_address(connection, (const struct sockaddr *)&address, sizeof address))
        return lt_fail(error, LT_ECONNECT, "cannot connect to %s: %s", path, strerror(errno));
    return LT_OK;
}

static int split_host(const char *text, char *ret_host, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1])
        return LT_EPARAM;
    size_t bytes = (size_t)(colon - text);
    if (text[0] == '[' && colon[-1] == ']') {
        text++;
        bytes -= 2;
    }
    if (bytes == 0 || bytes > HOST_BYTES_MAX)
        return LT_EPARAM;
    memcpy(ret_host, text, bytes);
    ret_host[bytes] = '\0';
    *ret_port = colon + 1;
    return LT_OK;
}

/* `scheme` is "tcp" or "tls". */
static int open_tcp(struct connection *connection, const char *scheme, const char *text, struct lt_error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[HOST_BYTES_MAX + 1];
    const char *port = NULL;
    if (split_host(text, host, &port))
        return lt_fail(error, LT_EPARAM, "an address is %s://HOST:PORT; found %s://%.80s", scheme, scheme, text);
    int code = getaddrinfo(host, port, &hints, &found);
    if (code)
        return lt_fail(error, LT_ECONNECT, "cannot resolve %s://%.80s: %s", scheme, text, gai_strerror(code));
    code = LT_ECONNECT;
    for (struct addrinfo *next = found; next && code; next = next->ai_next)
        code = try_address(connection, next->ai_addr, next->ai_addrlen);
    if (code)
        lt_fail(error, code, "cannot connect to %s://%.80s: %s", scheme, text, strerror(errno));
    else /* requests are small and whole; waiting for more to send with them only delays the first token */
        setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    freeaddrinfo(found);
    if (code == LT_OK && strcmp(scheme, "tls") == 0)
        code = tls_open(connection->socket, host, connection->tls_ca, &connection->tls, error);
    if (code)
        connection_close(connection);
    return code;
}

int connection_open(struct connection *connection, const char *address, struct lt_error *error)
{
    connection_close(connection);
    if (strncmp(address, "tcp://", 6) == 0)
        return open_tcp(connection, "tcp", address + 6, error);
    if (strncmp(address, "tls://", 6) == 0)
        return open_tcp(connection, "tls", address + 6, error);
    if (strncmp(address, "unix:", 5) == 0)
        return open_path(connection, address + 5, error);
    return open_path(connection, address, error);
}

/* Reports errno of a failed send or receive, and closes. */
static int fail_socket(struct connection *connection, const char *doing, struct lt_error *error)
{
    int reason = errno;
    connection_close(connection);
    if (reason == EAGAIN || reason == EWOULDBLOCK)
        return lt_fail(error, LT_ETIMEOUT, "nothing happened for %u ms while %s the daemon", connection->timeout_ms,
                       doing);
    if (reason == EPIPE || reason == ECONNRESET)
        return lt_fail(error, LT_ECLOSED, "the daemon closed the connection");
    return lt_fail(error, LT_EIO, "%s the daemon failed: %s", doing, strerror(reason));
}

int connection_send(struct connection *connection, const uint8_t *data, size_t bytes, struct lt_error *error)
{
    if (connection->socket < 0)
        return lt_fail(error, LT_ECLOSED, "not connected");
    while (bytes > 0) {
        ssize_t sent = connection->tls ? tls_send(connection->tls, data, bytes)
                                       : send(connection->socket, data, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EPIPE)
            return LT_OK; /* what the daemon said before it closed is still to be read */
        if (sent < 0)
            return fail_socket(connection, "writing to", error);
        data += sent;
        bytes -= (size_t)sent;
    }
    return LT_OK;
}

static int receive_more(struct connection *connection, struct lt_error *error)
{
    struct lt_buffer *received = &connection->received;
    size_t room = received->max - received->size;
    if (room > RECEIVE_BYTES)
        room = RECEIVE_BYTES;
    if (lt_buffer_reserve(received, room)) {
        connection_close(connection);
        return lt_fail_code(error, LT_ENOMEM);
    }
    ssize_t count;
    do
        count = connection->tls ? tls_receive(connection->tls, received->data + received->size, room)
                                : recv(connection->socket, received->data + received->size, room, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return fail_socket(connection, "reading from", error);
    if (count == 0) {
        bool within = received->size > 0;
        connection_close(connection);
        return lt_fail(error, LT_ECLOSED, "the daemon closed the connection%s",
                       within ? " in the middle of a reply" : "");
    }
    received->size += (size_t)count;
    return LT_OK;
}

int connection_receive(struct connection *connection, size_t *ret_bytes, struct lt_error *error)
{
    if (connection->socket < 0)
        return lt_fail(error, LT_ECLOSED, "not connected");
    for (;;) {
        int code = lt_scan(&connection->scanner, connection->received.data, connection->received.size, ret_bytes);
        if (code == LT_OK)
            return LT_OK;
        if (code == LT_EBUSY) {
            code = receive_more(connection, error);
            if (code)
                return code;
            continue;
        }
        connection_close(connection);
        return lt_fail(error, LT_EMALFORMED, "the peer sent what latentd never sends (%s); is it latentd?",
                       lt_error_message(code));
    }
}
