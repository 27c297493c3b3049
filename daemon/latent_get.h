/* latent.get: stored latents by key, nothing computed. Engine thread only, as all lookups. */
#ifndef LT_DAEMON_LATENT_GET_H
#define LT_DAEMON_LATENT_GET_H

#include "kernels/model.h"
#include "proto/messages.h"
#include "proto/writer.h"
#include "storage/store.h"

/* Looks the keys up, stored as `type`, and writes the response. LT_ENOMEM, LT_EIO, or the writer's error. */
int lt_latent_get(struct lt_store *store, enum lt_latent_type type, const struct lt_model *model,
                  const struct lt_request *request, struct lt_writer *writer);

#endif
