/* latent.get: stored latents for other processes, nothing computed. `model` says which of the daemon's models a request
 * is about. */
#ifndef LT_DAEMON_LATENT_GET_H
#define LT_DAEMON_LATENT_GET_H

#include "daemon/server.h"
#include "proto/buffer.h"
#include "proto/messages.h"
#include "storage/namespaces.h"

/* Writes the whole response if all latents are in memory; those of another namespace than `space` are not found: then
 * nothing has to be waited for. LT_ENOTFOUND: they are not, and nothing was written. LT_ENOMEM, LT_ETOOLARGE. */
int lt_latent_get_in_memory(const struct lt_server *server, size_t model, const struct lt_namespace *space,
                            const struct lt_request *request, struct lt_buffer *ret_bytes);

/* The same from wherever they are; may wait for the disk. LT_ENOMEM, LT_ETOOLARGE, LT_EIO. Any thread. */
int lt_latent_get(const struct lt_server *server, size_t model, const struct lt_namespace *space,
                  const struct lt_request *request, struct lt_buffer *ret_bytes);

#endif
