#include "daemon/counters.h"

const char *lt_counter_name(enum lt_counter counter)
{
    static const char *const names[] = {
#define LT_COUNTER_NAME(identifier, name) name,
        LT_COUNTER_MAP(LT_COUNTER_NAME)
#undef LT_COUNTER_NAME
    };
    return names[counter];
}

void lt_counters_init(struct lt_counters *counters, struct lt_store *store)
{
    counters->store = store;
    for (int i = 0; i < LT_COUNTER_COUNT; i++)
        atomic_init(&counters->values[i], 0);
    for (int i = 0; i < LT_HISTOGRAM_COUNT; i++) {
        atomic_init(&counters->histograms[i].sum, 0);
        for (int at = 0; at <= LT_HISTOGRAM_BOUNDS_MAX; at++)
            atomic_init(&counters->histograms[i].counts[at], 0);
    }
}

void lt_count(struct lt_counters *counters, enum lt_counter counter, uint64_t amount)
{
    if (amount == 0)
        return;
    atomic_fetch_add_explicit(&counters->values[counter], amount, memory_order_relaxed);
    lt_store_lifetime_add(counters->store, counter, amount);
}

void lt_observe(struct lt_counters *counters, enum lt_histogram_name name, double value)
{
    lt_histogram_observe(&counters->histograms[name], name, value);
}

uint64_t lt_counters_value(const struct lt_counters *counters, enum lt_counter counter)
{
    return atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
}

uint64_t lt_counters_lifetime(const struct lt_counters *counters, enum lt_counter counter)
{
    return lt_store_lifetime(counters->store, counter);
}
