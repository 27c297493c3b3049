/* What a daemon does a second, from its counters: the differences between two answers to `stats`, and those of the last
 * minutes. */
#ifndef LATENTCTL_RATES_H
#define LATENTCTL_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "clients/c/latent.h"

#define RATES_KEPT 600

enum rate {
    RATE_HITS, /* of lookups, 0 to 1; NAN while nothing is looked up */
    RATE_LOOKUPS,
    RATE_ENCODED,
    RATE_REQUESTS,
    RATE_PROMPT_TOKENS,
    RATE_ANSWER_TOKENS,
    RATE_OPERATIONS,
    RATES
};

struct rates {
    double seconds; /* when the last answer came */
    uint64_t counters[RATES];
    uint64_t asked; /* times that stats was called, which the daemon counts as requests and we do not */
    size_t taken;   /* answers, less the first */
    double values[RATES][RATES_KEPT]; /* [taken % RATES_KEPT] is written next */
};

/* Takes an answer to `stats`, got at `seconds`. The first only begins the count, as does that of a daemon that started
 * anew in the meantime: its counters are smaller. */
void rates_take(struct rates *rates, const struct latent_reply *stats, double seconds);

/* The rate of `age` answers ago, 0 for the last; NAN if there was none. */
double rates_value(const struct rates *rates, enum rate rate, size_t age);

#endif
