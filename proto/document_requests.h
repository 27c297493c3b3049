/* Parameters of the methods on documents. Internal to proto/. */
#ifndef LT_PROTO_DOCUMENT_REQUESTS_H
#define LT_PROTO_DOCUMENT_REQUESTS_H

#include "proto/parameters.h"

/* Each checks everything and fills in every default. */
int lt_document_put_request_read(const struct lt_parameters *parameters, struct lt_document_put_request *request);
int lt_document_request_read(const struct lt_parameters *parameters, enum lt_method method,
                             struct lt_document_request *request);
int lt_document_list_request_read(const struct lt_parameters *parameters, struct lt_document_list_request *request);

#endif
