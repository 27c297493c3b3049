/* latent.get: stored latents by key, nothing computed. Engine thread only, as all lookups. */
#ifndef LT_DAEMON_LATENT_GET_H
#define LT_DAEMON_LATENT_GET_H

#include "daemon/job.h"
#include "kernels/model.h"
#include "proto/writer.h"
#include "storage/store.h"

/* Looks the keys up, stored as `type`, and writes the response; those of another namespace than the job's are not
 * found. LT_ENOMEM, LT_EIO, or the writer's error. */
int lt_latent_get(struct lt_store *store, enum lt_latent_type type, const struct lt_model *model,
                  const struct lt_job *job, struct lt_writer *writer);

#endif
