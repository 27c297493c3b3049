#include "daemon/histogram.h"

#include <assert.h>
#include <math.h>

static const double seconds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                 0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};
static const double spans[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

static_assert(sizeof seconds / sizeof *seconds <= LT_HISTOGRAM_BOUNDS_MAX, "bounds need their counts");
static_assert(sizeof spans / sizeof *spans <= LT_HISTOGRAM_BOUNDS_MAX, "bounds need their counts");

static const struct lt_histogram_kind kinds[] = {
#define LT_HISTOGRAM_KIND(identifier, name, bounds, help) {name, help, bounds, sizeof bounds / sizeof *bounds},
    LT_HISTOGRAM_MAP(LT_HISTOGRAM_KIND)
#undef LT_HISTOGRAM_KIND
};

const struct lt_histogram_kind *lt_histogram_kind(enum lt_histogram_name name)
{
    return &kinds[name];
}

void lt_histogram_observe(struct lt_histogram *histogram, enum lt_histogram_name name, double value)
{
    const struct lt_histogram_kind *kind = &kinds[name];
    size_t at = 0;
    while (at < kind->bound_count && value > kind->bounds[at])
        at++;
    atomic_fetch_add_explicit(&histogram->counts[at], 1, memory_order_relaxed);
    double sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    atomic_store_explicit(&histogram->sum, sum + value, memory_order_relaxed);
}

double lt_histogram_quantile(const struct lt_histogram *histogram, enum lt_histogram_name name, double share)
{
    const struct lt_histogram_kind *kind = &kinds[name];
    uint64_t counts[LT_HISTOGRAM_BOUNDS_MAX + 1], total = 0;
    for (size_t at = 0; at <= kind->bound_count; at++)
        total += counts[at] = atomic_load_explicit(&histogram->counts[at], memory_order_relaxed);
    if (total == 0)
        return NAN;
    double wanted = share * (double)total, below = 0;
    for (size_t at = 0; at < kind->bound_count; below += (double)counts[at++]) {
        if (!counts[at] || below + (double)counts[at] < wanted)
            continue;
        double lower = at ? kind->bounds[at - 1] : 0;
        return lower + (kind->bounds[at] - lower) * (wanted - below) / (double)counts[at];
    }
    return kind->bounds[kind->bound_count - 1];
}
