/* The parameters of "explain": those of a prompt, asked in one fixed way. Internal to proto/. */
#ifndef LT_PROTO_EXPLAIN_REQUEST_H
#define LT_PROTO_EXPLAIN_REQUEST_H

#include "proto/messages.h"
#include "proto/parameters.h"

/* Fills a zeroed request, defaults included. request->generate.segments owns all texts; lt_request_destroy frees it,
 * also after a failure. */
int lt_explain_request_read(const struct lt_parameters *parameters, struct lt_explain_request *request);

#endif
