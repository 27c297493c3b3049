/* Settings come in layers: file, environment, flags. Each layer is applied over the one before it by the same function,
 * keyed by the same names; `model` is a list, and a later layer replaces the whole list of an earlier one. */
#include "daemon/config.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cluster.h"
#include "daemon/config_values.h"
#include "proto/alloc.h"

#define BUDGET_DEFAULT (1ull << 30)
#define MEMORY_DEFAULT (64ull << 20)
#define STATES_DEFAULT (128ull << 20)
#define REMOTE_DEADLINE_DEFAULT 20 /* milliseconds */
#define REMOTE_LEASE_DEFAULT 100
#define THREADS_MAX 1024
#define VERIFY_SAMPLE_DEFAULT 0.001

enum setting {
    MODEL,
    STORE,
    SOCKET,
    LISTEN,
    HTTP,
    HTTP_TOKEN_FILE,
    REMOTE,
    REMOTE_PASSWORD_FILE,
    REMOTE_DEADLINE,
    REMOTE_LEASE,
    REMOTE_KEEP,
    BUDGET,
    MEMORY,
    STATES,
    DURABILITY,
    LATENT_TYPE,
    WEIGHTS,
    THREADS,
    VERIFY_SAMPLE,
    LOG_LEVEL,
    SETTINGS
};

static const struct {
    const char *key, *flag, *variable;
} names[SETTINGS] = {
    [MODEL] = {"model", "model", "LATENTD_MODEL"},
    [STORE] = {"store", "store", "LATENTD_STORE"},
    [SOCKET] = {"socket", "socket", "LATENTD_SOCKET"},
    [LISTEN] = {"listen", "listen", "LATENTD_LISTEN"},
    [HTTP] = {"http", "http", "LATENTD_HTTP"},
    [HTTP_TOKEN_FILE] = {"http_token_file", "http-token-file", "LATENTD_HTTP_TOKEN_FILE"},
    [REMOTE] = {"remote", "remote", "LATENTD_REMOTE"},
    [REMOTE_PASSWORD_FILE] = {"remote_password_file", "remote-password-file", "LATENTD_REMOTE_PASSWORD_FILE"},
    [REMOTE_DEADLINE] = {"remote_deadline", "remote-deadline", "LATENTD_REMOTE_DEADLINE"},
    [REMOTE_LEASE] = {"remote_lease", "remote-lease", "LATENTD_REMOTE_LEASE"},
    [REMOTE_KEEP] = {"remote_keep", "remote-keep", "LATENTD_REMOTE_KEEP"},
    [BUDGET] = {"budget", "budget", "LATENTD_BUDGET"},
    [MEMORY] = {"memory", "memory", "LATENTD_MEMORY"},
    [STATES] = {"states", "states", "LATENTD_STATES"},
    [DURABILITY] = {"durability", "durability", "LATENTD_DURABILITY"},
    [LATENT_TYPE] = {"latent_type", "latent-type", "LATENTD_LATENT_TYPE"},
    [WEIGHTS] = {"weights", "weights", "LATENTD_WEIGHTS"},
    [THREADS] = {"threads", "threads", "LATENTD_THREADS"},
    [VERIFY_SAMPLE] = {"verify_sample", "verify-sample", "LATENTD_VERIFY_SAMPLE"},
    [LOG_LEVEL] = {"log_level", "log-level", "LATENTD_LOG_LEVEL"},
};

static const char *const durability_names[] = {
    [LT_DURABILITY_GROUP] = "group", [LT_DURABILITY_SYNC] = "sync", [LT_DURABILITY_RELAXED] = "relaxed"};

const char *lt_durability_name(enum lt_durability durability)
{
    return durability_names[durability];
}

static int replace(char **where, const char *value)
{
    char *copy = lt_strdup(value);
    if (!copy)
        return LT_ENOMEM;
    lt_free(*where);
    *where = copy;
    return LT_OK;
}

static void clear_models(struct lt_config *config)
{
    while (config->model_count)
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
    return code ? lt_fail(error, code, "%s: %s", source, reason.message) : replace(&config->remote, value);
}

/* `source` names where the value stands ("--budget", "LATENTD_BUDGET", "FILE: budget"). */
static int apply(struct lt_config *config, enum setting setting, const char *value, const char *source,
                 struct lt_error *error)
{
    if (!*value)
        return lt_fail(error, LT_ECONFIG, "%s: the value is empty", source);
    switch (setting) {
    case MODEL:
        return add_model(config, value, source, error);
    case STORE:
        return replace(&config->store, value);
    case SOCKET:
        return replace(&config->socket, value);
    case LISTEN:
        return replace(&config->listen, value);
    case HTTP:
        return replace(&config->http, value);
    case HTTP_TOKEN_FILE:
        return replace(&config->http_token_file, value);
    case REMOTE:
        return apply_remote(config, value, source, error);
    case REMOTE_PASSWORD_FILE:
        return replace(&config->remote_password_file, value);
    case REMOTE_DEADLINE:
        return apply_time(&config->remote_deadline, 1, LT_REMOTE_MILLISECONDS_MAX, value, source, error);
    case REMOTE_LEASE:
        return apply_time(&config->remote_lease, 1, LT_REMOTE_MILLISECONDS_MAX, value, source, error);
    case REMOTE_KEEP:
        return apply_time(&config->remote_keep, 1000, LT_REMOTE_KEEP_SECONDS_MAX, value, source, error);
    case BUDGET:
        return apply_budget(config, value, source, error);
    case STATES:
        return apply_size(&config->state_bytes, value, source, error);
    case MEMORY:
        return apply_size(&config->memory_bytes, value, source, error);
    case DURABILITY:
        return apply_durability(config, value, source, error);
    case LATENT_TYPE:
        return apply_latent_type(config, value, source, error);
    case WEIGHTS:
        return apply_weights(config, value, source, error);
    case THREADS:
        return apply_threads(config, value, source, error);
    case VERIFY_SAMPLE:
        return apply_verify_sample(config, value, source, error);
    case LOG_LEVEL:
        if (!lt_log_level_parse(value, &config->log_level))
            return lt_fail(error, LT_ECONFIG, "%s: '%s' is not debug, info, warning or error", source, value);
        return LT_OK;
    case SETTINGS:
        break;
    }
    return LT_EINTERNAL;
}

/* --- file --- */

struct file_reading {
    struct lt_config *config;
    const char *path;
    struct lt_error *error;
};

static int file_entry(void *context, const char *section, const char *key, const char *value)
{
    struct file_reading *reading = context;
    if (reading->error->code)
        return 0;
    if (strcmp(section, "latentd") != 0) {
        lt_fail(reading->error, LT_ECONFIG, "%s: unknown section [%s]; settings stand in [latentd]", reading->path,
                section);
        return 0;
    }
    for (int i = 0; i < SETTINGS; i++) {
        if (strcmp(key, names[i].key) != 0)
            continue;
        char source[LT_ERROR_MESSAGE_BYTES];
        snprintf(source, sizeof source, "%s: %s", reading->path, key);
        int code = apply(reading->config, (enum setting)i, value, source, reading->error);
        if (code && !reading->error->code)
            lt_fail_code(reading->error, code);
        return code == LT_OK;
    }
    lt_fail(reading->error, LT_ECONFIG, "%s: unknown setting '%s'", reading->path, key);
    return 0;
}

static int apply_file(struct lt_config *config, const char *path, struct lt_error *error)
{
    struct lt_error reason = {0};
    struct file_reading reading = {config, path, &reason};
    int line = ini_parse(path, file_entry, &reading);
    if (reason.code) {
        *error = reason;
        return reason.code;
    }
    if (line < 0)
        return lt_fail(error, LT_ECONFIG, "cannot read the config file %s: %s", path, strerror(errno));
    if (line > 0)
        return lt_fail(error, LT_ECONFIG, "%s: line %d is not 'name = value'", path, line);
    return LT_OK;
}

/* --- environment --- */

static int apply_models_variable(struct lt_config *config, const char *value, struct lt_error *error)
{
    char *list = lt_strdup(value), *rest = list;
    if (!list)
        return lt_fail_code(error, LT_ENOMEM);
    clear_models(config);
    int code = LT_OK;
    for (char *path; code == LT_OK && (path = strsep(&rest, ":")) != NULL;)
        code = apply(config, MODEL, path, "LATENTD_MODEL", error);
    lt_free(list);
    return code;
}

static int apply_environment(struct lt_config *config, struct lt_error *error)
{
    for (int i = 0; i < SETTINGS; i++) {
        const char *value = getenv(names[i].variable);
        if (!value || !*value)
            continue;
        config->log_level_fixed |= i == LOG_LEVEL;
        int code = i == MODEL ? apply_models_variable(config, value, error)
                              : apply(config, (enum setting)i, value, names[i].variable, error);
        if (code)
            return code;
    }
    return LT_OK;
}

/* --- flags --- */

enum { FLAG_CONFIG = SETTINGS, FLAG_HELP, FLAG_VERSION };

static int apply_flags(int count, char **arguments, struct lt_config *config, enum lt_config_outcome *ret_outcome,
                       struct lt_error *error)
{
    struct option options[SETTINGS + 4] = {{0}};
    for (int i = 0; i < SETTINGS; i++)
        options[i] = (struct option){names[i].flag, required_argument, NULL, i};
    options[SETTINGS] = (struct option){"config", required_argument, NULL, FLAG_CONFIG};
    options[SETTINGS + 1] = (struct option){"help", no_argument, NULL, FLAG_HELP};
    options[SETTINGS + 2] = (struct option){"version", no_argument, NULL, FLAG_VERSION};

    bool models_cleared = false;
    optind = 1;
    opterr = 0;
    for (int flag; (flag = getopt_long(count, arguments, ":", options, NULL)) != -1;) {
        if (flag == ':')
            return lt_fail(error, LT_ECONFIG, "%s needs a value", arguments[optind - 1]);
        if (flag == '?')
            return lt_fail(error, LT_ECONFIG, "unknown option %s", arguments[optind - 1]);
        if (flag == FLAG_HELP || flag == FLAG_VERSION) {
            *ret_outcome = flag == FLAG_HELP ? LT_CONFIG_HELP : LT_CONFIG_VERSION;
            return LT_OK;
        }
        if (flag == FLAG_CONFIG)
            continue; /* read before */
        if (flag == MODEL && !models_cleared) {
            clear_models(config);
            models_cleared = true;
        }
        config->log_level_fixed |= flag == LOG_LEVEL;
        char source[64];
        snprintf(source, sizeof source, "--%s", names[flag].flag);
        int code = apply(config, (enum setting)flag, optarg, source, error);
        if (code)
            return code;
    }
    if (optind < count)
        return lt_fail(error, LT_ECONFIG, "unexpected argument '%s'", arguments[optind]);
    return LT_OK;
}

/* The config file must be known before the other flags are applied over it. */
static const char *find_file(int count, char **arguments)
{
    const char *file = getenv("LATENTD_CONFIG");
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--config") == 0 && i + 1 < count)
            file = arguments[i + 1];
        else if (strncmp(arguments[i], "--config=", 9) == 0)
            file = arguments[i] + 9;
    }
    return file && *file ? file : NULL;
}

/* --- defaults --- */

static int default_store(struct lt_config *config, struct lt_error *error)
{
    char path[4096];
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && *data)
        snprintf(path, sizeof path, "%s/latentd", data);
    else if (home && *home)
        snprintf(path, sizeof path, "%s/.local/share/latentd", home);
    else
        return lt_fail(error, LT_ECONFIG, "no --store, and neither XDG_DATA_HOME nor HOME is set to derive one");
    return replace(&config->store, path);
}

static int default_socket(struct lt_config *config)
{
    char path[4096];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime)
        snprintf(path, sizeof path, "%s/latentd.sock", runtime);
    else
        snprintf(path, sizeof path, "/tmp/latentd-%u/latentd.sock", (unsigned)getuid());
    return replace(&config->socket, path);
}

int lt_config_load(int argument_count, char **arguments, struct lt_config *ret_config,
                   enum lt_config_outcome *ret_outcome, struct lt_error *error)
{
    struct lt_config config = {.budget_bytes = BUDGET_DEFAULT,
                               .memory_bytes = MEMORY_DEFAULT,
                               .state_bytes = STATES_DEFAULT,
                               .remote_deadline = REMOTE_DEADLINE_DEFAULT,
                               .remote_lease = REMOTE_LEASE_DEFAULT,
                               .latent_type = LT_LATENT_I8,
                               .precision = LT_PRECISION_INT8,
                               .verify_sample = VERIFY_SAMPLE_DEFAULT,
                               .log_level = LT_LOG_INFO};
    enum lt_config_outcome outcome = LT_CONFIG_RUN;
    const char *file = find_file(argument_count, arguments);
    int code = LT_OK;
    error->code = LT_OK;
    if (file && (code = replace(&config.file, file)) == LT_OK)
        code = apply_file(&config, file, error);
    if (code == LT_OK)
        code = apply_environment(&config, error);
    if (code == LT_OK)
        code = apply_flags(argument_count, arguments, &config, &outcome, error);
    if (code == LT_OK && outcome == LT_CONFIG_RUN) {
        if (!config.store)
            code = default_store(&config, error);
        if (code == LT_OK && !config.socket)
            code = default_socket(&config);
        if (code == LT_OK && !config.model_count)
            code = lt_fail(error, LT_ECONFIG, "no model: name one with --model FILE or LATENTD_MODEL");
    }
    if (code) {
        if (!error->code)
            lt_fail_code(error, code);
        lt_config_finish(&config);
        return code;
    }
    *ret_config = config;
    *ret_outcome = outcome;
    return LT_OK;
}

int lt_config_reload_log_level(const struct lt_config *config, enum lt_log_level *ret_level, struct lt_error *error)
{
    struct lt_config read = {.log_level = LT_LOG_INFO};
    int code = LT_OK;
    if (config->log_level_fixed)
        read.log_level = config->log_level;
    else if (config->file)
        code = apply_file(&read, config->file, error);
    if (code == LT_OK)
        *ret_level = read.log_level;
    lt_config_finish(&read);
    return code;
}

void lt_config_finish(struct lt_config *config)
{
    clear_models(config);
    lt_free(config->store);
    lt_free(config->socket);
    lt_free(config->listen);
    lt_free(config->http);
    lt_free(config->http_token_file);
    lt_free(config->remote);
    lt_free(config->remote_password_file);
    lt_free(config->file);
    *config = (struct lt_config){0};
}
