/* The socket of a client: opens an address, sends bytes, receives whole MessagePack objects. Internal to liblatent.
 * Errors that come from the socket close it. One thread at a time. */
#ifndef LATENT_CONNECTION_H
#define LATENT_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include "clients/c/tls.h"
#include "proto/buffer.h"
#include "proto/error.h"
#include "proto/scanner.h"

struct connection {
    int socket;      /* -1: closed */
    struct tls *tls; /* on the socket, or NULL */
    char *tls_ca;    /* file of authorities, or NULL for the system's; owned */
    unsigned timeout_ms;
    struct lt_buffer received; /* the object that is arriving, and what came with it */
    struct lt_scanner scanner;
};

void connection_init(struct connection *connection);
void connection_close(struct connection *connection);

/* As latent_connect. */
int connection_open(struct connection *connection, const char *address, struct lt_error *error);

/* Applies timeout_ms to the open socket, if there is one. */
void connection_apply_timeout(struct connection *connection);

int connection_send(struct connection *connection, const uint8_t *data, size_t bytes, struct lt_error *error);

/* Waits for one whole object within the LT_REPLY_ limits. It stands at received.data and has *ret_bytes bytes; the
 * caller takes it out with lt_buffer_consume before the next call. */
int connection_receive(struct connection *connection, size_t *ret_bytes, struct lt_error *error);

#endif
