/* Settings come in layers: file, environment, flags. Each layer is applied over the one before it by the same function,
 * keyed by the same names; `model` and `allow` are lists, and a later layer replaces the whole list of an earlier one.
 */
#include "daemon/config.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config_settings.h"
#include "proto/alloc.h"

#define BUDGET_DEFAULT (1ull << 30)
#define MEMORY_DEFAULT (64ull << 20)
#define STATES_DEFAULT (128ull << 20)
#define REMOTE_DEADLINE_DEFAULT 20 /* milliseconds */
#define REMOTE_LEASE_DEFAULT 100
#define VERIFY_SAMPLE_DEFAULT 0.001

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
    for (int i = 0; i < LT_SETTINGS; i++) {
        if (strcmp(key, lt_setting_names[i].key) != 0)
            continue;
        char source[LT_ERROR_MESSAGE_BYTES];
        snprintf(source, sizeof source, "%s: %s", reading->path, key);
        int code = lt_setting_apply(reading->config, (enum lt_setting)i, value, source, reading->error);
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

static int apply_list(struct lt_config *config, enum lt_setting setting, const char *value, struct lt_error *error)
{
    const struct lt_setting_names *names = &lt_setting_names[setting];
    const char separators[] = {names->separator, '\0'};
    char *list = lt_strdup(value), *rest = list;
    if (!list)
        return lt_fail_code(error, LT_ENOMEM);
    lt_setting_clear(config, setting);
    int code = LT_OK;
    for (char *item; code == LT_OK && (item = strsep(&rest, separators)) != NULL;)
        code = lt_setting_apply(config, setting, item, names->variable, error);
    lt_free(list);
    return code;
}

static int apply_environment(struct lt_config *config, struct lt_error *error)
{
    for (int i = 0; i < LT_SETTINGS; i++) {
        const struct lt_setting_names *names = &lt_setting_names[i];
        const char *value = getenv(names->variable);
        if (!value || !*value)
            continue;
        config->log_level_fixed |= i == LT_SETTING_LOG_LEVEL;
        int code = names->separator ? apply_list(config, (enum lt_setting)i, value, error)
                                    : lt_setting_apply(config, (enum lt_setting)i, value, names->variable, error);
        if (code)
            return code;
    }
    return LT_OK;
}

/* --- flags --- */

enum { FLAG_CONFIG = LT_SETTINGS, FLAG_HELP, FLAG_VERSION };

static int apply_flags(int count, char **arguments, struct lt_config *config, enum lt_config_outcome *ret_outcome,
                       struct lt_error *error)
{
    struct option options[LT_SETTINGS + 4] = {{0}};
    for (int i = 0; i < LT_SETTINGS; i++)
        options[i] = (struct option){lt_setting_names[i].flag, required_argument, NULL, i};
    options[LT_SETTINGS] = (struct option){"config", required_argument, NULL, FLAG_CONFIG};
    options[LT_SETTINGS + 1] = (struct option){"help", no_argument, NULL, FLAG_HELP};
    options[LT_SETTINGS + 2] = (struct option){"version", no_argument, NULL, FLAG_VERSION};

    bool begun[LT_SETTINGS] = {false};
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
        if (lt_setting_names[flag].separator && !begun[flag])
            lt_setting_clear(config, (enum lt_setting)flag);
        begun[flag] = true;
        config->log_level_fixed |= flag == LT_SETTING_LOG_LEVEL;
        char source[64];
        snprintf(source, sizeof source, "--%s", lt_setting_names[flag].flag);
        int code = lt_setting_apply(config, (enum lt_setting)flag, optarg, source, error);
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
    return lt_setting_replace(&config->store, path);
}

static int default_socket(struct lt_config *config)
{
    char path[4096];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime)
        snprintf(path, sizeof path, "%s/latentd.sock", runtime);
    else
        snprintf(path, sizeof path, "/tmp/latentd-%u/latentd.sock", (unsigned)getuid());
    return lt_setting_replace(&config->socket, path);
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
    if (file && (code = lt_setting_replace(&config.file, file)) == LT_OK)
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
        if (code == LT_OK && !config.tls_cert != !config.tls_key)
            code = lt_fail(error, LT_ECONFIG, "--tls-cert and --tls-key go together: a certificate, and the key to it");
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
    lt_setting_clear(config, LT_SETTING_MODEL);
    lt_setting_clear(config, LT_SETTING_ALLOW);
    lt_free(config->store);
    lt_free(config->socket);
    lt_free(config->listen);
    lt_free(config->http);
    lt_free(config->tokens);
    lt_free(config->tls_cert);
    lt_free(config->tls_key);
    lt_free(config->remote);
    lt_free(config->remote_password_file);
    lt_free(config->file);
    *config = (struct lt_config){0};
}
