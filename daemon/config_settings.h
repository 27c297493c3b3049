/* The settings one by one: their names, and how each is read from its text. The layers that they come from are
 * daemon/config.c's. */
#ifndef LT_DAEMON_CONFIG_SETTINGS_H
#define LT_DAEMON_CONFIG_SETTINGS_H

#include "daemon/config.h"

enum lt_setting {
    LT_SETTING_MODEL,
    LT_SETTING_STORE,
    LT_SETTING_SOCKET,
    LT_SETTING_ALLOW,
    LT_SETTING_TOKENS,
    LT_SETTING_TLS_CERT,
    LT_SETTING_TLS_KEY,
    LT_SETTING_LISTEN,
    LT_SETTING_HTTP,
    LT_SETTING_REMOTE,
    LT_SETTING_REMOTE_PASSWORD_FILE,
    LT_SETTING_REMOTE_DEADLINE,
    LT_SETTING_REMOTE_LEASE,
    LT_SETTING_REMOTE_KEEP,
    LT_SETTING_BUDGET,
    LT_SETTING_MEMORY,
    LT_SETTING_STATES,
    LT_SETTING_DURABILITY,
    LT_SETTING_LATENT_TYPE,
    LT_SETTING_WEIGHTS,
    LT_SETTING_THREADS,
    LT_SETTING_VERIFY_SAMPLE,
    LT_SETTING_LOG_LEVEL,
    LT_SETTINGS
};

/* How a setting is called in a file, as a flag, and in the environment. */
struct lt_setting_names {
    const char *key, *flag, *variable;
    char separator; /* of a list, in the environment: the setting may be given again; 0: it has one value */
};

extern const struct lt_setting_names lt_setting_names[LT_SETTINGS];

/* Applies one value. `source` names where it stands ("--budget", "LATENTD_BUDGET", "FILE: budget"). LT_ECONFIG with
 * what would be right, LT_ENOMEM. */
int lt_setting_apply(struct lt_config *config, enum lt_setting setting, const char *value, const char *source,
                     struct lt_error *error);

/* Forgets what a list has. */
void lt_setting_clear(struct lt_config *config, enum lt_setting setting);

/* Replaces a text of the config by a copy of `value`. LT_ENOMEM. */
int lt_setting_replace(char **where, const char *value);

#endif
