/* The parameters of "generate", the one method with many. Internal to proto/. */
#ifndef LT_PROTO_GENERATE_REQUEST_H
#define LT_PROTO_GENERATE_REQUEST_H

#include "proto/messages.h"
#include "proto/parameters.h"

/* Fills a zeroed request, defaults included. request->segments owns the texts of segments and stops, which lie behind
 * the array in the same allocation; lt_request_destroy frees it, also after a failure. */
int lt_generate_request_read(const struct lt_parameters *parameters, struct lt_generate_request *request);

#endif
