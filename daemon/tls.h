/* TLS for the protocol over TCP, by OpenSSL on memory BIOs: bytes of the socket go in, messages come out, and the other
 * way round; it never touches a socket, so libuv stays the only one that does. TLS 1.2 and 1.3, no renegotiation, no
 * compression. HTTP has libmicrohttpd's (daemon/http.c). Loop thread. */
#ifndef LT_DAEMON_TLS_H
#define LT_DAEMON_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/buffer.h"
#include "proto/error.h"

struct lt_tls_context;
struct lt_tls;

/* Reads a file with a certificate or key for its text, and nothing more of it than LT_TLS_FILE_BYTES_MAX. A key that
 * others than its owner and group can read is refused. LT_ECONFIG, LT_ENOMEM. The buffer ends with a zero byte. */
int lt_tls_read_file(const char *path, bool is_key, struct lt_buffer *ret_text, struct lt_error *error);

/* What all connections share: a certificate with its chain, and its key, both PEM. LT_ECONFIG: they cannot be read, or
 * do not belong together. LT_ENOMEM. */
int lt_tls_context_create(const char *certificate_file, const char *key_file, struct lt_tls_context **ret_context,
                          struct lt_error *error);
void lt_tls_context_destroy(struct lt_tls_context *context);

/* The daemon's side of one connection. LT_ENOMEM. */
int lt_tls_create(struct lt_tls_context *context, struct lt_tls **ret_tls);
void lt_tls_destroy(struct lt_tls *tls);

/* Whether the handshake is done: nothing can be sent before. */
bool lt_tls_is_ready(const struct lt_tls *tls);

/* Takes bytes that the peer has sent, and appends what they say to `plain`. LT_ECLOSED: he is done. LT_EMALFORMED: they
 * are not TLS, or not as agreed. LT_ETOOLARGE: a handshake of more than LT_TLS_HANDSHAKE_BYTES_MAX, or `plain` is full.
 * LT_ENOMEM. `error` is filled. There may be something to take, also after an error: it tells the peer of it. */
int lt_tls_receive(struct lt_tls *tls, const void *data, size_t bytes, struct lt_buffer *plain, struct lt_error *error);

/* Encrypts; the result is to be taken. LT_EMALFORMED, LT_ENOMEM. */
int lt_tls_send(struct lt_tls *tls, const void *data, size_t bytes);

/* Appends all that is to be sent to the peer. LT_ETOOLARGE, LT_ENOMEM. */
int lt_tls_take(struct lt_tls *tls, struct lt_buffer *bytes);

#endif
