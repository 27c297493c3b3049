/* What the daemon counts, since it started and over the store's lifetime. One list gives both. Any thread. */
#ifndef LT_DAEMON_COUNTERS_H
#define LT_DAEMON_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "daemon/histogram.h"
#include "storage/store.h"

/* The position in this list is the index in the store: append only. */
#define LT_COUNTER_MAP(X)                                                                                              \
    X(SPAN_LOOKUPS, "span_lookups")                                                                                    \
    X(SPAN_HITS, "span_hits")                                                                                          \
    X(SPAN_MISSES, "span_misses")                                                                                      \
    X(HITS_MEMORY, "hits_memory")                                                                                      \
    X(HITS_DISK, "hits_disk")                                                                                          \
    X(MISSES_NEW, "misses_new")                                                                                        \
    X(MISSES_EVICTED, "misses_evicted")                                                                                \
    X(MISSES_CORRUPT, "misses_corrupt")                                                                                \
    X(SPANS_ENCODED, "spans_encoded")                                                                                  \
    X(SINGLEFLIGHT_JOINED, "singleflight_joined")                                                                      \
    X(SPANS_UNSTORED, "spans_unstored")                                                                                \
    X(EVICTIONS, "evictions")                                                                                          \
    X(REQUESTS, "requests")                                                                                            \
    X(REQUESTS_FAILED, "requests_failed")                                                                              \
    X(PROMPT_TOKENS, "prompt_tokens")                                                                                  \
    X(COMPLETION_TOKENS, "completion_tokens")                                                                          \
    X(OPERATIONS, "operations")                                                                                        \
    X(ENCODE_MICROSECONDS, "encode_us")                                                                                \
    X(UPTIME_SECONDS, "uptime_s")                                                                                      \
    X(SPANS_RESTORED, "spans_restored")                                                                                \
    X(MISSES_EXPIRED, "misses_expired")                                                                                \
    X(PROMPT_TOKENS_CACHED, "prompt_tokens_cached")                                                                    \
    X(MISSES_ENCODER, "misses_encoder")                                                                                \
    X(REFINED_SPANS, "refined_spans")                                                                                  \
    X(DOCUMENTS_REFINED, "documents_refined")                                                                          \
    X(HITS_REMOTE, "hits_remote")                                                                                      \
    X(REMOTE_REFUSED, "remote_refused")                                                                                \
    X(HITS_VERIFIED, "hits_verified")                                                                                  \
    X(HITS_WRONG, "hits_wrong")

enum lt_counter {
#define LT_COUNTER_ENUM(identifier, name) LT_COUNTER_##identifier,
    LT_COUNTER_MAP(LT_COUNTER_ENUM)
#undef LT_COUNTER_ENUM
        LT_COUNTER_COUNT
};

static_assert(LT_COUNTER_COUNT <= LT_LIFETIME_COUNTERS, "every counter needs a place in the store");

const char *lt_counter_name(enum lt_counter counter);

struct lt_counters {
    struct lt_store *store;
    atomic_uint_fast64_t values[LT_COUNTER_COUNT];
    struct lt_histogram histograms[LT_HISTOGRAM_COUNT]; /* since start only; the engine observes */
};

void lt_counters_init(struct lt_counters *counters, struct lt_store *store);

/* Adds to both, the daemon's own count and the lifetime's. */
void lt_count(struct lt_counters *counters, enum lt_counter counter, uint64_t amount);

/* Engine thread. */
void lt_observe(struct lt_counters *counters, enum lt_histogram_name name, double value);

uint64_t lt_counters_value(const struct lt_counters *counters, enum lt_counter counter);
uint64_t lt_counters_lifetime(const struct lt_counters *counters, enum lt_counter counter);

#endif
