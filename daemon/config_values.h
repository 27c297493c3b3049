/* Settings that are sizes or times, from their texts. Pure; any thread. */
#ifndef LT_DAEMON_CONFIG_VALUES_H
#define LT_DAEMON_CONFIG_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* "512M" -> bytes; false for anything that is not a number with an optional K, M, G or T. */
bool lt_config_size_parse(const char *text, uint64_t *ret_bytes);

/* "250ms", "2s", "5m", "1h", "7d" or "0" -> so many units of `unit` milliseconds. False for anything else, for a time
 * that is not a whole number of units, and for more than `most` of them. */
bool lt_config_time_parse(const char *text, uint32_t unit, uint32_t most, uint32_t *ret_time);

#endif
