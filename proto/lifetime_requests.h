/* Parameters of the methods on namespaces and on the lifetime of latents. Internal to proto/. */
#ifndef LT_PROTO_LIFETIME_REQUESTS_H
#define LT_PROTO_LIFETIME_REQUESTS_H

#include "proto/messages.h"
#include "proto/parameters.h"

/* "namespace", and "ttl_s" if the method stores latents: into request->space and request->ttl_seconds. */
int lt_space_read(const struct lt_parameters *parameters, struct lt_request *request);

/* Each checks everything and fills in every default. */
int lt_namespace_put_request_read(const struct lt_parameters *parameters, struct lt_namespace_request *request);
int lt_namespace_remove_request_read(const struct lt_parameters *parameters, struct lt_namespace_request *request);
int lt_keys_request_read(const struct lt_parameters *parameters, enum lt_method method,
                         struct lt_keys_request *request);
int lt_flush_request_read(const struct lt_parameters *parameters, struct lt_flush_request *request);
int lt_scan_request_read(const struct lt_parameters *parameters, struct lt_scan_request *request);
int lt_verify_request_read(const struct lt_parameters *parameters, struct lt_verify_request *request);
int lt_backup_request_read(const struct lt_parameters *parameters, struct lt_backup_request *request);
int lt_pack_request_read(const struct lt_parameters *parameters, enum lt_method method,
                         struct lt_pack_request *request);

#endif
