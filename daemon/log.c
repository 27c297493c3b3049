#include "daemon/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES 1024

static atomic_int current_level = LT_LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warning", "error"};

void lt_log_set_level(enum lt_log_level level)
{
    atomic_store(&current_level, (int)level);
}

bool lt_log_level_parse(const char *name, enum lt_log_level *ret_level)
{
    for (int level = LT_LOG_DEBUG; level <= LT_LOG_ERROR; level++)
        if (strcmp(name, level_names[level]) == 0) {
            *ret_level = (enum lt_log_level)level;
            return true;
        }
    return false;
}

void lt_log(enum lt_log_level level, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&current_level, memory_order_relaxed))
        return;
    char message[LINE_BYTES], stamp[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr, "%s.%03ldZ %s: %s\n", stamp, now.tv_nsec / 1000000, level_names[level], message);
}
