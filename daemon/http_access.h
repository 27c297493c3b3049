/* Who sends an HTTP request. With a token file: whoever sends one of its tokens. Without: whoever reaches the address,
 * which is then a loopback one; but not a web page that somebody on this machine looks at. Loop thread. */
#ifndef LT_DAEMON_HTTP_ACCESS_H
#define LT_DAEMON_HTTP_ACCESS_H

#include <stdbool.h>

#include "daemon/identity.h"

struct lt_server;

/* Who it is by the value of an Authorization header (NULL if there is none), "Bearer" and a token. If a token is needed
 * and this is none that is known, the identity is not known either. */
void lt_http_identify(const struct lt_server *server, const char *authorization, struct lt_identity *ret_identity);

/* Whether a Host header (NULL if there is none) names this machine. A name that an attacker's DNS points to 127.0.0.1
 * does not: that is how a web page elsewhere would make a browser here ask us as if it were its own server. */
bool lt_http_host_is_local(const char *host);

#endif
