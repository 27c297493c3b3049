/* What the daemon is told: flags override LATENTD_* variables, which override the file. The same table of keys serves
 * all three, so that each setting has one name everywhere. Loop thread. */
#ifndef LT_DAEMON_CONFIG_H
#define LT_DAEMON_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/log.h"
#include "daemon/peers.h"
#include "kernels/model.h"
#include "proto/error.h"
#include "proto/limits.h"
#include "storage/store.h"

struct lt_config {
    char *store;                 /* folder */
    char *socket;                /* path of the Unix socket */
    char *models[LT_MODELS_MAX]; /* files; the first is the default model */
    size_t model_count;
    struct lt_peers allow;      /* on the Unix socket */
    char *tokens;               /* token file for TCP and HTTP, or NULL: whoever reaches the address may use it */
    char *tls_cert, *tls_key;   /* files, both or none: TLS for TCP and HTTP */
    char *listen;               /* HOST:PORT, or NULL: no TCP */
    char *http;                 /* HOST:PORT, or NULL: no HTTP */
    char *remote;               /* redis://HOST:PORT,…, or NULL: no remote tier */
    char *remote_password_file; /* or NULL */
    uint32_t remote_deadline;   /* milliseconds */
    uint32_t remote_lease;      /* milliseconds; 0: none */
    uint32_t remote_keep;       /* seconds; 0: for ever */
    char *file;                 /* config file, or NULL */
    uint64_t budget_bytes;
    uint64_t state_bytes;  /* in memory, for mixed states of prompts */
    uint64_t memory_bytes; /* for the latents that are asked for most */
    enum lt_durability durability;
    enum lt_latent_type latent_type;
    enum lt_precision precision; /* of weights behind the encoder */
    int threads;                 /* 0: one for each processor */
    double verify_sample;        /* share of hits that are encoded again and compared, 0..1 */
    enum lt_log_level log_level;
    bool log_level_fixed; /* given by flag or environment, so that the file cannot change it */
};

enum lt_config_outcome { LT_CONFIG_RUN, LT_CONFIG_HELP, LT_CONFIG_VERSION };

/* Reads everything and fills in defaults. LT_ECONFIG with a message that names the setting, where it came from and what
 * would be right; LT_ENOMEM. On success the caller owns *ret_config (lt_config_finish). */
int lt_config_load(int argument_count, char **arguments, struct lt_config *ret_config,
                   enum lt_config_outcome *ret_outcome, struct lt_error *error);
/* Reads the log level again, from the layers that a running daemon can see change: the file, overridden by environment
 * and flags as they were at the start. LT_ECONFIG, LT_ENOMEM; then *ret_level is untouched. */
int lt_config_reload_log_level(const struct lt_config *config, enum lt_log_level *ret_level, struct lt_error *error);

void lt_config_finish(struct lt_config *config);

/* "group", "sync", "relaxed". */
const char *lt_durability_name(enum lt_durability durability);

/* The help text, for standard output. */
extern const char lt_config_help[];

#endif
