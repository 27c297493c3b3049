/* Opens the sockets that clients connect to. Loop thread only. */
#ifndef LT_DAEMON_LISTEN_H
#define LT_DAEMON_LISTEN_H

#include <stdbool.h>
#include <uv.h>

#include "proto/error.h"

/* Binds and listens on a Unix socket, mode 0660; its folder is made (mode 0700) if it is missing. A socket that nobody
 * answers on is left over from a crash and is replaced. LT_EADDRESS when somebody answers or the path is something else
 * than a socket, LT_ECONFIG for a path that is too long, LT_EIO; the reason in `error`. The handle is initialised and
 * must be closed in any case but LT_ECONFIG. */
int lt_listen_local(uv_loop_t *loop, const char *path, uv_connection_cb accept, uv_pipe_t *ret_listener,
                    struct lt_error *error);

/* Binds and listens on HOST:PORT. Other addresses than loopback are taken only if `anywhere` is set; without
 * `encrypted` the log then has a warning. Errors as above. */
int lt_listen_remote(uv_loop_t *loop, const char *address, bool anywhere, bool encrypted, uv_connection_cb accept,
                     uv_tcp_t *ret_listener, struct lt_error *error);

/* The same for HTTP. The descriptor does not block and is the caller's to close. */
int lt_listen_http(const char *address, bool anywhere, bool encrypted, int *ret_descriptor, struct lt_error *error);

#endif
