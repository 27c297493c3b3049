/* Who may use HTTP. With a token file: whoever sends one of its tokens. Without: whoever reaches the address, which is
 * then a loopback one; but not a web page that somebody on this machine looks at. Loop thread. */
#ifndef LT_DAEMON_HTTP_ACCESS_H
#define LT_DAEMON_HTTP_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/limits.h"

#define LT_HTTP_TOKEN_HASH_BYTES 32

struct lt_http_access {
    size_t count; /* of tokens; 0: none are asked for */
    uint8_t hashes[LT_HTTP_TOKENS_MAX][LT_HTTP_TOKEN_HASH_BYTES];
};

/* Reads a token file: one token a line, of 16 to 256 printable ASCII characters without blanks; empty lines and lines
 * that begin with # are passed over. LT_ECONFIG with the line, also for a file without tokens. */
int lt_http_access_load(const char *path, struct lt_http_access *ret_access, struct lt_error *error);

/* Whether the value of an Authorization header (NULL if there is none) is "Bearer" and a token. How long it takes does
 * not tell how much of a token was right. */
bool lt_http_access_allows(const struct lt_http_access *access, const char *authorization);

/* Whether a Host header (NULL if there is none) names this machine. A name that an attacker's DNS points to 127.0.0.1
 * does not: that is how a web page elsewhere would make a browser here ask us as if it were its own server. */
bool lt_http_host_is_local(const char *host);

#endif
