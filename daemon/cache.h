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
#include "daemon/remote.h"
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
    bool verified;                    /* a hit that is to be encoded again to compare; the cache's own */
    bool ready;          /* the fetching has resolved it (daemon/fetching.h); the cache does not look at it */
    bool joined;         /* out: another span of the same call, alike, was the miss; this one waited for it */
    uint64_t operations; /* out: of encoding it; 0 for hits and joined spans */
};

/* Seconds that one call spent. */
struct lt_cache_time {
    double lookup;
    double encode;
};

struct lt_cache_options {
    struct lt_store *store;       /* NULL, and `counters` NULL as well: it finds nothing */
    enum lt_latent_type type;     /* how latents are stored */
    struct lt_counters *counters; /* NULL makes a cache that leaves no trace: it counts nothing and stores nothing */
    struct lt_remote *remote;     /* is given what is encoded; or NULL */
    double verify_sample;         /* share of hits that are encoded again to compare (daemon/verify_sample.h) */
    /* Called when that has found wrong latents, before lt_cache_resolve returns: whatever was computed from latents of
     * this store may be wrong. May be NULL. */
    void (*distrust)(void *context);
    void *context;
};

/* LT_ENOMEM. */
int lt_cache_create(const struct lt_cache_options *options, struct lt_cache **ret_cache);
void lt_cache_destroy(struct lt_cache *cache);

/* Whether latents of a namespace may leave this machine: only those of `public`, since a record has its tokens in clear
 * text. Keys of others have salts that no other daemon knows, so nothing could be gained. */
bool lt_cache_shares(const struct lt_namespace *space);

/* NULL: none. */
struct lt_remote *lt_cache_remote(const struct lt_cache *cache);

/* Resolves `count` spans, given by pointers, of one model. Spans that are alike are encoded once. Latents that the
 * store does not take are used all the same and counted as spans_unstored. Of hits a share is encoded beside the misses
 * and compared; one that is wrong becomes a miss of the kind `corrupt`. LT_ENOMEM: nothing is resolved. */
int lt_cache_resolve(struct lt_cache *cache, const struct lt_model *model, struct lt_workspace *workspace,
                     struct lt_cache_span **spans, size_t count, struct lt_cache_time *ret_time);

/* Looks `count` spans up in the store and encodes nothing. ret_found[i] says which are there: those are resolved,
 * unless they are to be `verified`; the others are as they were, but for their keys. LT_ENOMEM: nothing is resolved. */
int lt_cache_find(struct lt_cache *cache, const struct lt_model *model, struct lt_cache_span **spans, size_t count,
                  bool *ret_found, struct lt_cache_time *ret_time);

/* Bytes of the record that a span's latent is stored as. */
size_t lt_cache_record_bytes(const struct lt_cache *cache, const struct lt_model *model,
                             const struct lt_cache_span *span);

/* Resolves a span whose key is known with a record that the remote tier has given, and puts it into the store. False if
 * it is not a sound record of this span in the type and dimension that are used here, with numbers of the size that
 * encoders give: it is counted and the span is as it was. */
bool lt_cache_take(struct lt_cache *cache, const struct lt_model *model, struct lt_cache_span *span,
                   const uint8_t *record, size_t bytes);

/* Counts a value that cannot be a record: it has not even the length of one. */
void lt_cache_refuse(struct lt_cache *cache);

/* "memory", "disk", "remote", "joined", or a miss reason: what a receipt says of the span. */
const char *lt_cache_span_outcome(const struct lt_cache_span *span);

/* True where the span needed no encoding of its own. */
bool lt_cache_span_hit(const struct lt_cache_span *span);

#endif
