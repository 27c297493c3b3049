/* The store's eviction on a Zipf trace, beside LRU simulated on the same trace.
 *
 *   build/tests/bench/hit_rate FOLDER DIMENSION PERCENT REQUESTS
 *
 * Makes its stores in FOLDER, which must be there. The store has the smallest budget there is; as many distinct spans
 * are asked for as make that budget PERCENT of the bytes that a store of them all takes. Span r (from 1) is asked for
 * with a probability proportional to 1/r. A span that is missed is put.
 *
 * LRU is simulated twice: with room for PERCENT of the spans, and with room for as many as the store held on average
 * once it evicted. The first counts what the store loses to pages that evictions leave half empty; the second compares
 * the choice of what to evict alone. Prints one JSON object. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/alloc.h"
#include "tests/bench/numbered.h"

#define BUDGET LT_STORE_BYTES_MIN
#define SAMPLE 10000    /* spans that tell how many bytes one takes */
#define FLUSH_EVERY 256 /* requests: the queue of the writer must not serve as a second, larger store */
#define NONE UINT32_MAX

struct trace {
    uint32_t distinct;
    size_t requests;
    uint32_t *spans; /* [requests], each below `distinct` */
};

struct outcome {
    uint64_t hits, held, looks; /* held: the sum over all looks since the first eviction */
};

static struct lt_store *open_in(const char *folder, const char *name, uint64_t budget)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        stop_with(folder, "the path is too long");
    return open_store(path, budget, 0, 1);
}

/* In a store of its own that nothing is evicted from. */
static double bytes_of_a_span(const char *folder, uint32_t dimension, void *payload)
{
    struct lt_store *store = open_in(folder, "sample", 1ull << 30);
    struct lt_store_stats stats;
    for (uint32_t number = 0; number < SAMPLE; number++)
        put_numbered(store, number, dimension, payload);
    flush_store(store);
    lt_store_stats(store, &stats);
    lt_store_close(store);
    return (double)stats.bytes / (double)stats.entries;
}

/* Where in the rising `sums` a random share of the last lies. */
static uint32_t draw(const double *sums, uint32_t count)
{
    double wanted = drand48() * sums[count - 1];
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sums[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void make_trace(struct trace *trace)
{
    double *sums = room(trace->distinct, sizeof *sums), sum = 0;
    for (uint32_t rank = 0; rank < trace->distinct; rank++)
        sums[rank] = sum += 1.0 / (rank + 1);
    trace->spans = room(trace->requests, sizeof *trace->spans);
    srand48(11);
    for (size_t i = 0; i < trace->requests; i++)
        trace->spans[i] = draw(sums, trace->distinct);
    lt_free(sums);
}

static bool ask_store(struct lt_store *store, uint32_t number, uint32_t dimension, void *payload)
{
    enum lt_lookup outcome;
    struct lt_latent latent = numbered_latent(number, dimension, payload);
    int code = lt_store_get(store, &latent, 1, &outcome);
    if (code)
        stop_with("get", lt_error_message(code));
    if (!lt_lookup_is_hit(outcome))
        put_numbered(store, number, dimension, payload);
    return lt_lookup_is_hit(outcome);
}

static struct outcome run_store(struct lt_store *store, const struct trace *trace, uint32_t dimension, void *payload)
{
    struct outcome outcome = {0};
    struct lt_store_stats stats;
    for (size_t i = 0; i < trace->requests; i++) {
        outcome.hits += ask_store(store, trace->spans[i], dimension, payload);
        if (i % FLUSH_EVERY == 0) {
            flush_store(store);
            lt_store_stats(store, &stats);
            if (stats.evictions) {
                outcome.held += stats.entries;
                outcome.looks++;
            }
        }
    }
    return outcome;
}

/* A ring through `distinct`, the sentinel: after it the newest, before it the oldest. `newer` is NONE for what is not
 * held.
 */
struct recency {
    uint32_t *newer, *older;
    uint32_t sentinel;
};

static void leave(struct recency *ring, uint32_t span)
{
    ring->older[ring->newer[span]] = ring->older[span];
    ring->newer[ring->older[span]] = ring->newer[span];
    ring->newer[span] = NONE;
}

static void enter_newest(struct recency *ring, uint32_t span)
{
    uint32_t newest = ring->older[ring->sentinel];
    ring->older[span] = newest;
    ring->newer[span] = ring->sentinel;
    ring->newer[newest] = span;
    ring->older[ring->sentinel] = span;
}

static uint64_t hits_of_lru(const struct trace *trace, uint64_t capacity)
{
    struct recency ring = {.newer = room(trace->distinct + 1, sizeof *ring.newer),
                           .older = room(trace->distinct + 1, sizeof *ring.older),
                           .sentinel = trace->distinct};
    uint64_t held = 0, hits = 0;
    for (uint32_t span = 0; span < trace->distinct; span++)
        ring.newer[span] = NONE;
    ring.newer[ring.sentinel] = ring.older[ring.sentinel] = ring.sentinel;
    for (size_t i = 0; i < trace->requests; i++) {
        uint32_t span = trace->spans[i];
        if (ring.newer[span] != NONE) {
            hits++;
            leave(&ring, span);
        } else if (held == capacity) {
            leave(&ring, ring.newer[ring.sentinel]);
        } else {
            held++;
        }
        enter_newest(&ring, span);
    }
    lt_free(ring.newer);
    lt_free(ring.older);
    return hits;
}

int main(int count, char **arguments)
{
    if (count != 5)
        stop_with("usage", "hit_rate FOLDER DIMENSION PERCENT REQUESTS");
    uint32_t dimension = (uint32_t)number_argument("DIMENSION", arguments[2]);
    uint64_t percent = number_argument("PERCENT", arguments[3]);
    struct trace trace = {.requests = number_argument("REQUESTS", arguments[4])};
    void *payload = room(dimension, 1);
    double span_bytes = bytes_of_a_span(arguments[1], dimension, payload);
    trace.distinct = (uint32_t)(100.0 * (double)BUDGET / (double)percent / span_bytes);
    make_trace(&trace);
    struct lt_store *store = open_in(arguments[1], "store", BUDGET);
    struct outcome outcome = run_store(store, &trace, dimension, payload);
    lt_store_close(store);
    if (!outcome.looks)
        stop_with("REQUESTS", "too few for the store to evict anything");
    uint64_t capacity = trace.distinct * percent / 100, held = outcome.held / outcome.looks;
    printf(
        "{\"percent\": %lu, \"span_bytes\": %.1f, \"distinct\": %u, \"requests\": %zu, \"hits\": %lu, \"held\": %lu, "
        "\"lru_room\": %lu, \"lru_hits\": %lu, \"lru_hits_with_as_many\": %lu}\n",
        percent, span_bytes, trace.distinct, trace.requests, outcome.hits, held, capacity,
        hits_of_lru(&trace, capacity), hits_of_lru(&trace, held));
    lt_free(trace.spans);
    lt_free(payload);
    return 0;
}
