/* Monotonic time in seconds, for durations. Any thread. */
#ifndef LT_DAEMON_CLOCK_H
#define LT_DAEMON_CLOCK_H

#include <time.h>

static inline double lt_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
