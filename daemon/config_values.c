#include "daemon/config_values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool lt_config_size_parse(const char *text, uint64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno)
        return false;
    unsigned shift = 0;
    if (*end) {
        const char *unit = strchr(units, toupper((unsigned char)*end));
        if (!unit)
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*end || number > UINT64_MAX >> shift)
        return false;
    *ret_bytes = (uint64_t)number << shift;
    return true;
}

bool lt_config_time_parse(const char *text, uint32_t unit, uint32_t most, uint32_t *ret_time)
{
    static const struct {
        const char *name;
        uint64_t milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t milliseconds = 0, greatest = (uint64_t)most * unit;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno || number > greatest)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].name) == 0)
            milliseconds = units[i].milliseconds;
    bool plain_zero = number == 0 && !*end;
    if (!milliseconds && !plain_zero)
        return false;
    if (milliseconds && (number > greatest / milliseconds || number * milliseconds % unit))
        return false;
    *ret_time = (uint32_t)(number * milliseconds / unit);
    return true;
}
