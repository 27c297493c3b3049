/* A message from the daemon, unpacked. Internal to liblatent; latent.h tells how its values are read. */
#ifndef LATENT_REPLY_H
#define LATENT_REPLY_H

#include <msgpack/unpack.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/c/latent.h"
#include "proto/error.h"

struct latent_reply {
    msgpack_unpacked unpacked;
    const msgpack_object *result; /* the part that callers see */
    char bytes[];                 /* the message; texts are terminated in place */
};

/* Unpacks a message that lt_scan has passed. `result` is the whole message. */
int latent_reply_create(const uint8_t *message, size_t bytes, struct latent_reply **ret_reply, struct lt_error *error);

static inline const struct latent_value *latent_value_of(const msgpack_object *object)
{
    return (const struct latent_value *)object;
}

static inline const msgpack_object *latent_object_of(const struct latent_value *value)
{
    return (const msgpack_object *)value;
}

#endif
