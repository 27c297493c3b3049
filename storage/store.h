/* The store: latents by span key, in one LMDB environment, for ever or until evicted.
 *
 * Reading happens on the caller's thread; writing on one writer thread of the store's own, in groups. A latent that was
 * put is found by the next get, whether or not it is on disk yet. A record that fails its check is never returned: it
 * counts as corrupt, the caller encodes the span again, and the put of that latent replaces it.
 *
 * All functions may be called from any thread except where said. */
#ifndef LT_STORAGE_STORE_H
#define LT_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/record.h"
#include "storage/key.h"

struct lt_store;

enum lt_durability {
    LT_DURABILITY_GROUP, /* a group is synced every commit_milliseconds or commit_bytes, whichever is first (default) */
    LT_DURABILITY_SYNC,  /* as soon as the writer can */
    LT_DURABILITY_RELAXED, /* committed as in GROUP, synced by the system in its own time */
};

struct lt_store_options {
    const char *path;      /* a folder; made if its parent exists (mode 0700) */
    uint64_t budget_bytes; /* disk pages in use; eviction keeps to it. At least LT_STORE_BYTES_MIN */
    enum lt_durability durability;
    uint64_t memory_bytes;          /* for the latents that are asked for most; 0 keeps none */
    size_t memory_payload_bytes;    /* of the largest latent to be kept there */
    const uint8_t *const *encoders; /* [encoder_count] fingerprints of those in use, LT_FINGERPRINT_BYTES each */
    size_t encoder_count;           /* at most LT_STORE_ENCODERS_MAX */
    uint32_t commit_milliseconds;   /* 10 */
    size_t commit_bytes;            /* 1 MiB */
};

/* Opens or creates a store and starts its writer. Errors, each with the reason: LT_EFORMAT for a store of another
 * format version, LT_ESTORE (not a store, damaged, in use by another daemon, no permission, map cannot be made),
 * LT_ENOMEM. */
int lt_store_open(const struct lt_store_options *options, struct lt_store **ret_store, struct lt_error *error);

/* Writes what is waiting, syncs, stops the writer, frees. NULL is allowed. No other call may be under way. */
void lt_store_close(struct lt_store *store);

enum lt_lookup {
    LT_LOOKUP_MISS_NEW,     /* never seen, as far as the store knows */
    LT_LOOKUP_MISS_EVICTED, /* was here and had to go */
    LT_LOOKUP_MISS_CORRUPT, /* was here and failed its check */
    LT_LOOKUP_MISS_EXPIRED, /* is here and its time is over */
    LT_LOOKUP_MISS_ENCODER, /* is here as another encoder made it; only who knows its tokens can tell (lt_store_holds)
                             */
    LT_LOOKUP_HIT_MEMORY,   /* kept in memory, or put a moment ago and not yet committed */
    LT_LOOKUP_HIT_DISK,
    LT_LOOKUP_HIT_REMOTE, /* not here: the daemon's remote tier had it */
};

static inline bool lt_lookup_is_hit(enum lt_lookup lookup)
{
    return lookup >= LT_LOOKUP_HIT_MEMORY;
}

/* "memory", "disk", "remote" for hits; "new", "evicted", "corrupt", "expired", "encoder" for misses. Never NULL. */
const char *lt_lookup_name(enum lt_lookup lookup);

/* Looks up `count` (<= LT_LATENT_BATCH_MAX) latents in one read transaction. In: key, type and dimension wanted,
 * payload pointing to room for them. Out: for a hit, payload filled and all other fields but `tokens` set;
 * ret_lookups[i] says what happened. A record of another type or dimension is a miss. Also counts nothing: the cache
 * above keeps hit and miss counters. LT_EIO, LT_ENOMEM or LT_EBUSY (no reader slot) if the store could not be read at
 * all: then every ret_lookups[i] is LT_LOOKUP_MISS_NEW. */
int lt_store_get(struct lt_store *store, struct lt_latent *latents, size_t count, enum lt_lookup *ret_lookups);

/* As if these latents had just been read: eviction spares them once more. */
void lt_store_spare(struct lt_store *store, const struct lt_span_key *keys, size_t count);
/* The same for a caller who must not wait for a disk: looks only at what is kept in memory. True if all were found;
 * else nothing is said of those that were not. */
bool lt_store_get_in_memory(struct lt_store *store, struct lt_latent *latents, size_t count,
                            enum lt_lookup *ret_lookups);

/* Whether records lie on disk under `count` keys, unchecked. A store that cannot be read holds nothing. */
void lt_store_holds(struct lt_store *store, const struct lt_span_key *keys, size_t count, bool *ret_holds);

/* Fingerprints of the encoders that have used this store, those in use first, LT_FINGERPRINT_BYTES each. They stay as
 * they are until the store is closed. Returns how many. */
size_t lt_store_encoders(const struct lt_store *store, const uint8_t (**ret_fingerprints)[LT_FINGERPRINT_BYTES]);

/* Queues latents for the writer; tokens and payloads are copied. A key that is already queued or stored is left alone,
 * unless what is there has expired, is damaged, or has another type or dimension: then it is replaced. LT_EBUSY when
 * LT_WRITER_QUEUE_MAX records wait, LT_ENOMEM, LT_EPARAM for a latent that no record can be made of: latents before the
 * failing one are queued, *ret_queued says how many (may be NULL). */
int lt_store_put(struct lt_store *store, const struct lt_latent *latents, size_t count, size_t *ret_queued);

/* Queues a latent in place of one that is sound but was found to be wrong: a lookup finds the new one from now on. What
 * the refiner made may have come from the wrong one, so all of it is forgotten as well (storage/refined.h). Errors as
 * of lt_store_put: then the wrong one is still there. */
int lt_store_replace(struct lt_store *store, const struct lt_latent *latent);

/* Waits until everything put before this call is committed (and synced, unless RELAXED). LT_EIO when the writer failed.
 */
int lt_store_flush(struct lt_store *store);

/* Counters that survive restarts; the caller says what they mean. Index < LT_LIFETIME_COUNTERS. Additions are written
 * with the next group, at the latest after one second, and at close. */
#define LT_LIFETIME_COUNTERS 32
void lt_store_lifetime_add(struct lt_store *store, unsigned index, uint64_t amount);
uint64_t lt_store_lifetime(const struct lt_store *store, unsigned index);

struct lt_store_stats {
    uint64_t entries; /* latents on disk or waiting */
    uint64_t bytes;   /* of the pages in use, all databases */
    uint64_t budget_bytes;
    uint64_t map_bytes;
    uint64_t memory_entries; /* latents kept in memory */
    uint64_t waiting;        /* records that wait for the writer */
    uint64_t evictions;      /* since open */
    uint64_t corrupt;        /* records that failed their check, since open */
    uint64_t commits;        /* since open */
    uint64_t write_failures; /* groups that could not be written, since open */
    int write_error; /* of the last such group: LT_EFULL, LT_EIO, LT_ENOMEM: the next one may succeed; LT_ESTORE: none
                        will until the store is opened anew. LT_OK if there was none */
};
void lt_store_stats(struct lt_store *store, struct lt_store_stats *ret_stats);

/* Clears reader slots of dead processes; call it on a timer. */
void lt_store_check_readers(struct lt_store *store);

#endif
