/* latent.put: latents that another process computed with the same encoder. Their keys are made here, from their tokens;
 * what is stored already stays as it is. proto/PROTOCOL.md says what is trusted and what is checked. */
#ifndef LT_DAEMON_LATENT_PUT_H
#define LT_DAEMON_LATENT_PUT_H

#include "daemon/server.h"
#include "proto/buffer.h"
#include "proto/messages.h"
#include "storage/namespaces.h"

/* Stores what is new and writes the response. LT_EPARAM, with nothing stored, if anything given is not what this
 * model's encoder could have made; LT_ENOMEM, LT_ETOOLARGE, LT_EIO. Reads the store, so it may wait for the disk. Any
 * thread. */
int lt_latent_put(const struct lt_server *server, size_t model, const struct lt_namespace *space,
                  const struct lt_request *request, struct lt_buffer *ret_bytes, struct lt_error *error);

#endif
