/* The cache: the one place where spans meet records. A span's latent is looked up, or encoded once and stored, and
 * always comes back in the precision in which it is stored, so that a cold and a warm run see the same numbers.
 *
 * Engine thread only. */
#ifndef LT_DAEMON_CACHE_H
#define LT_DAEMON_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/counters.h"
#include "kernels/islet.h"
#include "storage/namespaces.h"
#include "storage/store.h"

struct lt_cache;

/* One span to resolve, and what became of it. */
struct lt_cache_span {
    const uint32_t *tokens; /* in: [count] */
    uint32_t count;
    const struct lt_namespace *space; /* in: whose it is, and how long it is to live */
    float *latent;                    /* in: room for [D]; out: the latent */
    struct lt_span_key key;           /* out */
    enum lt_lookup lookup;            /* out */
    bool joined;         /* out: another span of the same call, alike, was the miss; this one waited for it */
    uint64_t operations; /* out: of encoding it; 0 for hits and joined spans */
};

/* Seconds that one call spent. */
struct lt_cache_time {
    double lookup;
    double encode;
};

/* `type`: how latents are stored. `counters` NULL makes a cache that leaves no trace: it counts nothing and stores
 * nothing. `store` NULL as well: it finds nothing either. LT_ENOMEM. */
int lt_cache_create(struct lt_store *store, enum lt_latent_type type, struct lt_counters *counters,
                    struct lt_cache **ret_cache);
void lt_cache_destroy(struct lt_cache *cache);

/* Resolves `count` spans, given by pointers, of one model. Spans that are alike are encoded once. Latents that the
 * store does not take are used all the same and counted as spans_unstored. LT_ENOMEM: nothing is resolved. */
int lt_cache_resolve(struct lt_cache *cache, const struct lt_model *model, struct lt_workspace *workspace,
                     struct lt_cache_span **spans, size_t count, struct lt_cache_time *ret_time);

/* "memory", "disk", "joined", or a miss reason: what a receipt says of the span. */
const char *lt_cache_span_outcome(const struct lt_cache_span *span);

/* True where the span needed no encoding of its own. */
bool lt_cache_span_hit(const struct lt_cache_span *span);

#endif
