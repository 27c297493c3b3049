/* How often a measured value fell between which bounds, as Prometheus has it. One thread observes, any may read. */
#ifndef LT_DAEMON_HISTOGRAM_H
#define LT_DAEMON_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LT_HISTOGRAM_BOUNDS_MAX 18

/* identifier, name, bounds (of histogram.c), what it measures */
#define LT_HISTOGRAM_MAP(X)                                                                                            \
    X(TIME_TO_FIRST_TOKEN, "time_to_first_token_seconds", seconds, "From a request to its answer's first token.")      \
    X(INTER_TOKEN, "inter_token_seconds", seconds,                                                                     \
      "From one token of an answer to the next, unless its client paused "                                             \
      "it.")                                                                                                           \
    X(ENCODE, "encode_seconds", seconds,                                                                               \
      "Encoding one batch of spans, conversion and hand-over to the store included.")                                  \
    X(ENCODE_BATCH, "encode_batch_spans", spans, "Spans encoded in one batch.")

enum lt_histogram_name {
#define LT_HISTOGRAM_ENUM(identifier, name, bounds, help) LT_HISTOGRAM_##identifier,
    LT_HISTOGRAM_MAP(LT_HISTOGRAM_ENUM)
#undef LT_HISTOGRAM_ENUM
        LT_HISTOGRAM_COUNT
};

struct lt_histogram {
    atomic_uint_fast64_t
        counts[LT_HISTOGRAM_BOUNDS_MAX + 1]; /* between the bound before and this one; last: above all */
    _Atomic double sum;
};

/* What a histogram is: its upper bounds, ascending, are inclusive. */
struct lt_histogram_kind {
    const char *name, *help;
    const double *bounds;
    size_t bound_count;
};

const struct lt_histogram_kind *lt_histogram_kind(enum lt_histogram_name name);

void lt_histogram_observe(struct lt_histogram *histogram, enum lt_histogram_name name, double value);

/* The value that a share (0 to 1) of all that was observed does not exceed, as Prometheus reckons it: evenly spread
 * within its bucket, the last bound if it lies above. NAN if nothing was observed. */
double lt_histogram_quantile(const struct lt_histogram *histogram, enum lt_histogram_name name, double share);

#endif
