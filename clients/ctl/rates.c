#include "clients/ctl/rates.h"

#include <math.h>
#include <string.h>

static const char *const counter_names[RATES] = {
    [RATE_HITS] = "span_hits",
    [RATE_LOOKUPS] = "span_lookups",
    [RATE_ENCODED] = "spans_encoded",
    [RATE_REQUESTS] = "requests",
    [RATE_PROMPT_TOKENS] = "prompt_tokens",
    [RATE_ANSWER_TOKENS] = "completion_tokens",
    [RATE_OPERATIONS] = "operations",
};

void rates_take(struct rates *rates, const struct latent_reply *stats, double seconds)
{
    double passed = seconds - rates->seconds;
    uint64_t counters[RATES];
    rates->asked++;
    bool begins = rates->seconds <= 0 || passed <= 0;
    for (enum rate i = 0; i < RATES; i++) {
        counters[i] = latent_value_uint(latent_reply_at(stats, counter_names[i]), 0);
        if (i == RATE_REQUESTS)
            counters[i] -= rates->asked < counters[i] ? rates->asked : counters[i];
        begins |= counters[i] < rates->counters[i];
    }
    if (!begins) {
        size_t at = rates->taken++ % RATES_KEPT;
        for (enum rate i = 0; i < RATES; i++)
            rates->values[i][at] = (double)(counters[i] - rates->counters[i]) / passed;
        double lookups = rates->values[RATE_LOOKUPS][at];
        rates->values[RATE_HITS][at] = lookups > 0 ? rates->values[RATE_HITS][at] / lookups : NAN;
    }
    memcpy(rates->counters, counters, sizeof counters);
    rates->seconds = seconds;
}

double rates_value(const struct rates *rates, enum rate rate, size_t age)
{
    return age < rates->taken && age < RATES_KEPT ? rates->values[rate][(rates->taken - 1 - age) % RATES_KEPT] : NAN;
}
