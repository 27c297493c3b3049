/* Which handler answers which path, and who may ask. */
#ifndef LT_DAEMON_HTTP_ROUTE_H
#define LT_DAEMON_HTTP_ROUTE_H

#include "daemon/http_exchange.h"

/* Finds the handler of a complete request, checks that the client may ask and what it sent, and lets the handler begin.
 * In any case the exchange has a reply or jobs afterwards, or is broken. */
void lt_http_route(struct lt_http_exchange *exchange, const char *method, const char *path);

/* The handlers, one for each path. */
extern const struct lt_http_handler lt_http_chat, lt_http_completions, lt_http_embeddings, lt_http_health,
    lt_http_metrics, lt_http_models, lt_http_page, lt_http_ready, lt_http_requests;

#endif
