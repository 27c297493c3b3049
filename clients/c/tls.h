/* TLS over the socket of a connection, by OpenSSL: the daemon's certificate is always verified, against the system's
 * authorities or a file of them, and for the host that was connected to. Internal to liblatent. One thread at a time.
 */
#ifndef LATENT_TLS_H
#define LATENT_TLS_H

#include <stddef.h>
#include <sys/types.h>

#include "proto/error.h"

struct tls;

/* Makes the handshake on a connected socket, which stays the caller's. `authorities`: a file, PEM, or NULL for the
 * system's. LT_EPARAM: they cannot be read. LT_ECONNECT: the handshake failed, or the certificate is not one for that
 * host. LT_ENOMEM. */
int tls_open(int socket, const char *host, const char *authorities, struct tls **ret_tls, struct lt_error *error);

/* As send and recv with MSG_NOSIGNAL, errno included; EPROTO if TLS is broken. */
ssize_t tls_send(struct tls *tls, const void *data, size_t bytes);
ssize_t tls_receive(struct tls *tls, void *data, size_t bytes);

/* Frees it; the socket stays open. NULL is allowed. */
void tls_close(struct tls *tls);

#endif
