#include "daemon/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"
#include "proto/limits.h"

#define BACKLOG 511

/* Makes the socket's folder. Its parent must exist. */
static int make_folder(const char *path, struct lt_error *error)
{
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return LT_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (mkdir(folder, 0700) == 0)
        return LT_OK;
    if (errno != EEXIST)
        return lt_fail(error, LT_EIO, "cannot make the socket's folder %s: %s", folder, strerror(errno));
    return LT_OK;
}

static bool somebody_answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    bool answers = connect(probe, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN;
    close(probe);
    return answers;
}

static int clear_path(const char *path, struct lt_error *error)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return errno == ENOENT ? LT_OK
                               : lt_fail(error, LT_EIO, "cannot look at the socket %s: %s", path, strerror(errno));
    if (!S_ISSOCK(found.st_mode))
        return lt_fail(error, LT_EADDRESS, "%s exists and is not a socket; choose another --socket", path);
    if (somebody_answers(path))
        return lt_fail(error, LT_EADDRESS,
                       "another daemon answers on %s; stop it (latentctl -s %s shutdown) or choose another --socket",
                       path, path);
    if (unlink(path) != 0)
        return lt_fail(error, LT_EIO, "cannot remove the left-over socket %s: %s", path, strerror(errno));
    return LT_OK;
}

int lt_listen_local(uv_loop_t *loop, const char *path, uv_connection_cb accept, uv_pipe_t *ret_listener,
                    struct lt_error *error)
{
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return lt_fail(error, LT_ECONFIG, "the socket path %s is longer than %zu bytes", path,
                       sizeof((struct sockaddr_un *)0)->sun_path - 1);
    uv_pipe_init(loop, ret_listener, 0);
    int code = make_folder(path, error);
    if (code == LT_OK)
        code = clear_path(path, error);
    if (code)
        return code;
    mode_t mask = umask(0117);
    int failed = uv_pipe_bind(ret_listener, path);
    umask(mask);
    if (!failed)
        failed = uv_listen((uv_stream_t *)ret_listener, BACKLOG, accept);
    return failed ? lt_fail(error, LT_EIO, "cannot listen on %s: %s", path, uv_strerror(failed)) : LT_OK;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* "127.0.0.1:7411", "localhost:7411", "[::1]:7411" */
static int parse_address(const char *text, const char *flag, struct sockaddr_storage *ret_address,
                         struct lt_error *error)
{
    char host[64];
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
    if (colon && colon > text + 1 && *text == '[' && colon[-1] == ']') {
        begin++;
        end--;
    }
    char *rest = NULL;
    long port = colon ? strtol(colon + 1, &rest, 10) : 0;
    if (!colon || end == begin || (size_t)(end - begin) >= sizeof host || rest == colon + 1 || *rest || port < 1 ||
        port > 65535)
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not HOST:PORT, such as 127.0.0.1:7411", flag, text);
    snprintf(host, sizeof host, "%.*s", (int)(end - begin), begin);
    const char *address = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (uv_ip4_addr(address, (int)port, (struct sockaddr_in *)ret_address) &&
        uv_ip6_addr(address, (int)port, (struct sockaddr_in6 *)ret_address))
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not an IP address or localhost", flag, host);
    return LT_OK;
}

/* Others than this machine are listened to only if that is meant, and told of if everybody on the way can listen. */
static int check_reach(const struct sockaddr_storage *parsed, bool anywhere, bool encrypted, const char *flag,
                       const char *address, struct lt_error *error)
{
    if (is_loopback(parsed))
        return LT_OK;
    if (anywhere && !encrypted)
        lt_log(LT_LOG_WARNING,
               "%s: tokens and texts cross the network of %s unencrypted; --tls-cert and --tls-key end that", flag,
               address);
    if (anywhere)
        return LT_OK;
    return lt_fail(error, LT_ECONFIG,
                   "%s: %s is not a loopback address; others are taken only with --tokens, because without it whoever "
                   "connects may do everything",
                   flag, address);
}

int lt_listen_remote(uv_loop_t *loop, const char *address, bool anywhere, bool encrypted, uv_connection_cb accept,
                     uv_tcp_t *ret_listener, struct lt_error *error)
{
    struct sockaddr_storage parsed = {0};
    int code = parse_address(address, "--listen", &parsed, error);
    uv_tcp_init(loop, ret_listener);
    if (code == LT_OK)
        code = check_reach(&parsed, anywhere, encrypted, "--listen", address, error);
    if (code)
        return code;
    int failed = uv_tcp_bind(ret_listener, (struct sockaddr *)&parsed, 0);
    if (!failed)
        failed = uv_listen((uv_stream_t *)ret_listener, BACKLOG, accept);
    if (failed == UV_EADDRINUSE)
        return lt_fail(error, LT_EADDRESS, "--listen: the address %s is in use", address);
    return failed ? lt_fail(error, LT_EIO, "cannot listen on %s: %s", address, uv_strerror(failed)) : LT_OK;
}

int lt_listen_http(const char *address, bool anywhere, bool encrypted, int *ret_descriptor, struct lt_error *error)
{
    struct sockaddr_storage parsed = {0};
    const int on = 1, kept = LT_HTTP_SEND_BYTES; /* also of the connections made from it */
    int code = parse_address(address, "--http", &parsed, error);
    if (code == LT_OK)
        code = check_reach(&parsed, anywhere, encrypted, "--http", address, error);
    if (code)
        return code;
    socklen_t bytes = parsed.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int descriptor = socket(parsed.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &kept, sizeof kept) == 0 &&
        bind(descriptor, (struct sockaddr *)&parsed, bytes) == 0 && listen(descriptor, BACKLOG) == 0) {
        *ret_descriptor = descriptor;
        return LT_OK;
    }
    code = errno == EADDRINUSE ? lt_fail(error, LT_EADDRESS, "--http: the address %s is in use", address)
                               : lt_fail(error, LT_EIO, "--http: cannot listen on %s: %s", address, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return code;
}
