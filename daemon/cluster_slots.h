/* What the Redis Cluster specification says of keys and addresses: which slot a key has, and where a redirection leads.
 * Pure; any thread. */
#ifndef LT_DAEMON_CLUSTER_SLOTS_H
#define LT_DAEMON_CLUSTER_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define LT_CLUSTER_SLOTS 16384
#define LT_CLUSTER_PORT 6379

struct lt_cluster_address {
    char host[LT_REMOTE_HOST_BYTES_MAX + 1]; /* without brackets */
    uint16_t port;
};

struct lt_cluster_redirection {
    bool ask; /* ASK: this once; else MOVED: from now on */
    uint16_t slot;
    struct lt_cluster_address address; /* an empty host: the one that said it */
};

/* CRC16 (XMODEM) of the key, or of what stands between its first { and the next }, modulo 16384. */
uint16_t lt_cluster_slot(const char *key, size_t bytes);

/* HOST, HOST:PORT, [IPV6]:PORT. False if it is none of them or too long. */
bool lt_cluster_address_parse(const char *text, size_t bytes, struct lt_cluster_address *ret_address);

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 ::1:6381". False if the text is anything else. */
bool lt_cluster_redirection_parse(const char *text, size_t bytes, struct lt_cluster_redirection *ret_redirection);

#endif
