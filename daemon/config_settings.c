#include "daemon/config_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster.h"
#include "daemon/config_values.h"
#include "proto/alloc.h"

#define THREADS_MAX 1024

const struct lt_setting_names lt_setting_names[LT_SETTINGS] = {
    [LT_SETTING_MODEL] = {"model", "model", "LATENTD_MODEL", ':'},
    [LT_SETTING_STORE] = {"store", "store", "LATENTD_STORE"},
    [LT_SETTING_SOCKET] = {"socket", "socket", "LATENTD_SOCKET"},
    [LT_SETTING_ALLOW] = {"allow", "allow", "LATENTD_ALLOW", ';'},
    [LT_SETTING_TOKENS] = {"tokens", "tokens", "LATENTD_TOKENS"},
    [LT_SETTING_TLS_CERT] = {"tls_cert", "tls-cert", "LATENTD_TLS_CERT"},
    [LT_SETTING_TLS_KEY] = {"tls_key", "tls-key", "LATENTD_TLS_KEY"},
    [LT_SETTING_LISTEN] = {"listen", "listen", "LATENTD_LISTEN"},
    [LT_SETTING_HTTP] = {"http", "http", "LATENTD_HTTP"},
    [LT_SETTING_REMOTE] = {"remote", "remote", "LATENTD_REMOTE"},
    [LT_SETTING_REMOTE_PASSWORD_FILE] = {"remote_password_file", "remote-password-file",
                                         "LATENTD_REMOTE_PASSWORD_FILE"},
    [LT_SETTING_REMOTE_DEADLINE] = {"remote_deadline", "remote-deadline", "LATENTD_REMOTE_DEADLINE"},
    [LT_SETTING_REMOTE_LEASE] = {"remote_lease", "remote-lease", "LATENTD_REMOTE_LEASE"},
    [LT_SETTING_REMOTE_KEEP] = {"remote_keep", "remote-keep", "LATENTD_REMOTE_KEEP"},
    [LT_SETTING_BUDGET] = {"budget", "budget", "LATENTD_BUDGET"},
    [LT_SETTING_MEMORY] = {"memory", "memory", "LATENTD_MEMORY"},
    [LT_SETTING_STATES] = {"states", "states", "LATENTD_STATES"},
    [LT_SETTING_DURABILITY] = {"durability", "durability", "LATENTD_DURABILITY"},
    [LT_SETTING_LATENT_TYPE] = {"latent_type", "latent-type", "LATENTD_LATENT_TYPE"},
    [LT_SETTING_WEIGHTS] = {"weights", "weights", "LATENTD_WEIGHTS"},
    [LT_SETTING_THREADS] = {"threads", "threads", "LATENTD_THREADS"},
    [LT_SETTING_VERIFY_SAMPLE] = {"verify_sample", "verify-sample", "LATENTD_VERIFY_SAMPLE"},
    [LT_SETTING_LOG_LEVEL] = {"log_level", "log-level", "LATENTD_LOG_LEVEL"},
};

static const char *const durability_names[] = {
    [LT_DURABILITY_GROUP] = "group", [LT_DURABILITY_SYNC] = "sync", [LT_DURABILITY_RELAXED] = "relaxed"};

const char *lt_durability_name(enum lt_durability durability)
{
    return durability_names[durability];
}

int lt_setting_replace(char **where, const char *value)
{
    char *copy = lt_strdup(value);
    if (!copy)
        return LT_ENOMEM;
    lt_free(*where);
    *where = copy;
    return LT_OK;
}

void lt_setting_clear(struct lt_config *config, enum lt_setting setting)
{
    if (setting == LT_SETTING_ALLOW)
        lt_peers_clear(&config->allow);
    while (setting == LT_SETTING_MODEL && config->model_count)
        lt_free(config->models[--config->model_count]);
}

static int add_model(struct lt_config *config, const char *path, const char *source, struct lt_error *error)
{
    if (config->model_count == LT_MODELS_MAX)
        return lt_fail(error, LT_ECONFIG, "%s: more than %d models", source, LT_MODELS_MAX);
    config->models[config->model_count] = lt_strdup(path);
    if (!config->models[config->model_count])
        return lt_fail_code(error, LT_ENOMEM);
    config->model_count++;
    return LT_OK;
}

static int apply_budget(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    uint64_t bytes;
    if (!lt_config_size_parse(value, &bytes) || bytes < LT_STORE_BYTES_MIN)
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not a size of at least %lluM, such as 512M or 2G", source, value,
                       LT_STORE_BYTES_MIN >> 20);
    config->budget_bytes = bytes;
    return LT_OK;
}

/* A time of at most `most` units of so many milliseconds; it may be 0. */
static int apply_time(uint32_t *where, uint32_t unit, uint32_t most, const char *value, const char *source,
                      struct lt_error *error)
{
    if (!lt_config_time_parse(value, unit, most, where))
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not a time of up to %u%s, such as 0, 250ms, 2s or 1h", source,
                       value, most, unit == 1 ? "ms" : "s");
    return LT_OK;
}

/* A size that may be 0. */
static int apply_size(uint64_t *where, const char *value, const char *source, struct lt_error *error)
{
    if (!lt_config_size_parse(value, where))
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not a size, such as 0, 64M or 1G", source, value);
    return LT_OK;
}

static int apply_durability(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    for (size_t i = 0; i < sizeof durability_names / sizeof *durability_names; i++)
        if (strcmp(value, durability_names[i]) == 0) {
            config->durability = (enum lt_durability)i;
            return LT_OK;
        }
    return lt_fail(error, LT_ECONFIG, "%s: '%s' is not group, sync or relaxed", source, value);
}

static int apply_latent_type(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    static const enum lt_latent_type types[] = {LT_LATENT_I8, LT_LATENT_F16};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(value, lt_latent_type_name(types[i])) == 0) {
            config->latent_type = types[i];
            return LT_OK;
        }
    return lt_fail(error, LT_ECONFIG, "%s: '%s' is not i8 or f16", source, value);
}

static int apply_weights(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    bool int8 = strcmp(value, "int8") == 0;
    if (!int8 && strcmp(value, "f16") != 0)
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not int8 or f16", source, value);
    config->precision = int8 ? LT_PRECISION_INT8 : LT_PRECISION_STORED;
    return LT_OK;
}

static int apply_threads(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    char *end;
    long number = strtol(value, &end, 10);
    if (end == value || *end || number < 0 || number > THREADS_MAX)
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not a number from 0 to %d", source, value, THREADS_MAX);
    config->threads = (int)number;
    return LT_OK;
}

static int apply_verify_sample(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    char *end;
    double share = strtod(value, &end);
    if (end == value || *end || !(share >= 0 && share <= 1))
        return lt_fail(error, LT_ECONFIG, "%s: '%s' is not a share of hits from 0 to 1, such as 0.001", source, value);
    config->verify_sample = share;
    return LT_OK;
}

static int apply_remote(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    struct lt_error reason;
    int code = lt_cluster_seeds_check(value, &reason);
    return code ? lt_fail(error, code, "%s: %s", source, reason.message) : lt_setting_replace(&config->remote, value);
}

static int apply_allow(struct lt_config *config, const char *value, const char *source, struct lt_error *error)
{
    struct lt_error reason;
    int code = lt_peers_add(&config->allow, value, &reason);
    return code ? lt_fail(error, code, "%s: '%.80s': %s", source, value, reason.message) : LT_OK;
}

int lt_setting_apply(struct lt_config *config, enum lt_setting setting, const char *value, const char *source,
                     struct lt_error *error)
{
    if (!*value)
        return lt_fail(error, LT_ECONFIG, "%s: the value is empty", source);
    switch (setting) {
    case LT_SETTING_MODEL:
        return add_model(config, value, source, error);
    case LT_SETTING_STORE:
        return lt_setting_replace(&config->store, value);
    case LT_SETTING_SOCKET:
        return lt_setting_replace(&config->socket, value);
    case LT_SETTING_ALLOW:
        return apply_allow(config, value, source, error);
    case LT_SETTING_TOKENS:
        return lt_setting_replace(&config->tokens, value);
    case LT_SETTING_TLS_CERT:
        return lt_setting_replace(&config->tls_cert, value);
    case LT_SETTING_TLS_KEY:
        return lt_setting_replace(&config->tls_key, value);
    case LT_SETTING_LISTEN:
        return lt_setting_replace(&config->listen, value);
    case LT_SETTING_HTTP:
        return lt_setting_replace(&config->http, value);
    case LT_SETTING_REMOTE:
        return apply_remote(config, value, source, error);
    case LT_SETTING_REMOTE_PASSWORD_FILE:
        return lt_setting_replace(&config->remote_password_file, value);
    case LT_SETTING_REMOTE_DEADLINE:
        return apply_time(&config->remote_deadline, 1, LT_REMOTE_MILLISECONDS_MAX, value, source, error);
    case LT_SETTING_REMOTE_LEASE:
        return apply_time(&config->remote_lease, 1, LT_REMOTE_MILLISECONDS_MAX, value, source, error);
    case LT_SETTING_REMOTE_KEEP:
        return apply_time(&config->remote_keep, 1000, LT_REMOTE_KEEP_SECONDS_MAX, value, source, error);
    case LT_SETTING_BUDGET:
        return apply_budget(config, value, source, error);
    case LT_SETTING_STATES:
        return apply_size(&config->state_bytes, value, source, error);
    case LT_SETTING_MEMORY:
        return apply_size(&config->memory_bytes, value, source, error);
    case LT_SETTING_DURABILITY:
        return apply_durability(config, value, source, error);
    case LT_SETTING_LATENT_TYPE:
        return apply_latent_type(config, value, source, error);
    case LT_SETTING_WEIGHTS:
        return apply_weights(config, value, source, error);
    case LT_SETTING_THREADS:
        return apply_threads(config, value, source, error);
    case LT_SETTING_VERIFY_SAMPLE:
        return apply_verify_sample(config, value, source, error);
    case LT_SETTING_LOG_LEVEL:
        if (!lt_log_level_parse(value, &config->log_level))
            return lt_fail(error, LT_ECONFIG, "%s: '%s' is not debug, info, warning or error", source, value);
        return LT_OK;
    case LT_SETTINGS:
        break;
    }
    return LT_EINTERNAL;
}
