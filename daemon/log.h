/* The daemon's log: lines on standard error, one event a line, with the consequence for the user in it. Only daemon/
 * logs. Any thread. */
#ifndef LT_DAEMON_LOG_H
#define LT_DAEMON_LOG_H

#include <stdbool.h>

enum lt_log_level { LT_LOG_DEBUG, LT_LOG_INFO, LT_LOG_WARNING, LT_LOG_ERROR };

void lt_log_set_level(enum lt_log_level level);

/* "debug", "info", "warning", "error"; false for anything else. */
bool lt_log_level_parse(const char *name, enum lt_log_level *ret_level);

void lt_log(enum lt_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
