/* One call: request out, notifications and response in. Internal to liblatent; every public call is made of these. */
#ifndef LATENT_CALL_H
#define LATENT_CALL_H

#include "clients/c/connection.h"
#include "clients/c/latent.h"
#include "proto/limits.h"
#include "proto/writer.h"

struct latent {
    struct connection connection;
    struct lt_error error;                /* of the last call that failed */
    uint32_t last_id;                     /* of the last request */
    latent_progress_function on_progress; /* may be NULL */
    void *progress_data;
    char space[LT_NAMESPACE_NAME_MAX + 1]; /* the namespace of calls; empty: the daemon's choice */
    char token[LT_TOKEN_BYTES_MAX + 1];    /* that latent_connect presents; empty: none */
    uint32_t ttl_seconds;                  /* of latents; LATENT_TTL_DEFAULT: the namespace's */
};

/* A request in the making. */
struct call {
    struct latent *latent;
    uint32_t id;
    struct lt_buffer buffer;
    struct lt_writer writer; /* where the caller writes the one parameter, a map */
};

/* Who hears of notifications while a call waits for its response. Functions may be NULL. */
struct call_listener {
    latent_token_function on_token;
    latent_progress_function on_progress;
    void *data;
};

void call_begin(struct call *call, struct latent *latent, const char *method);

/* Sends the request and waits for its response. `listener` may be NULL. Frees the call's buffer, whatever happens. */
int call_finish(struct call *call, const struct call_listener *listener, struct latent_reply **ret_reply);

/* A call without parameters. */
int call_plain(struct latent *latent, const char *method, struct latent_reply **ret_reply);

/* Gives up a call that was begun. */
void call_abandon(struct call *call);

/* Writes the pair "namespace" if the connection has one; and "ttl_s" as well, for methods that store latents. */
void call_write_namespace(struct call *call);
void call_write_space(struct call *call);

/* How many pairs call_write_space writes. */
uint32_t call_space_pairs(const struct latent *latent);

#endif
