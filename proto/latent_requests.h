/* The parameters of latent.get and latent.put. Internal to proto/. */
#ifndef LT_PROTO_LATENT_REQUESTS_H
#define LT_PROTO_LATENT_REQUESTS_H

#include "proto/parameters.h"

/* Both allocate what lt_request_destroy frees. LT_EPARAM, LT_ETOOLARGE, LT_EUTF8, LT_ENOMEM. */
int lt_latent_get_request_read(const struct lt_parameters *parameters, struct lt_latent_get_request *request);
int lt_latent_put_request_read(const struct lt_parameters *parameters, struct lt_latent_put_request *request);

#endif
