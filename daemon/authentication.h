/* Who a connection or a request is from. Over the Unix socket the kernel says so; over TCP and HTTP a token does, if a
 * token file is set, and without one only this machine can connect, and may do everything. Loop thread. */
#ifndef LT_DAEMON_AUTHENTICATION_H
#define LT_DAEMON_AUTHENTICATION_H

#include <uv.h>

#include "daemon/identity.h"

struct lt_server;

/* Reads the token file, if there is one. LT_ECONFIG, LT_ENOMEM with the reason. */
int lt_authentication_open(struct lt_server *server, struct lt_error *error);

/* Reads it again: sessions get what their tokens allow now, and those whose tokens are gone are closed. On failure all
 * stays as it is. Errors as above. */
int lt_authentication_reload(struct lt_server *server, struct lt_error *error);
void lt_authentication_close(struct lt_server *server);

/* Whether TCP and HTTP ask for tokens. */
bool lt_authentication_needs_token(const struct lt_server *server);

/* Whoever has connected to a listener, or sent an HTTP request (`stream` NULL): not known yet, if a token is needed.
 * LT_EDENIED, LT_EIO, LT_ENOMEM: he is not to be listened to. */
int lt_authenticate_connection(const struct lt_server *server, const uv_stream_t *stream,
                               struct lt_identity *ret_identity, struct lt_error *error);

/* Whom a token stands for. LT_EDENIED. */
int lt_authenticate_token(const struct lt_server *server, const char *token, struct lt_identity *ret_identity,
                          struct lt_error *error);

#endif
