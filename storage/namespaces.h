/* Namespaces: who may meet whose latents. Each has a salt of its own, made here and told to nobody, that goes into the
 * keys of its spans: the same text has another key in another namespace, so what one has cached is a miss in another,
 * and nobody can ask for a key that is not his. `public` is number 0, has no salt and always exists.
 *
 * A namespace may have a quota of bytes and a time after which its latents expire. The number of a removed one is never
 * given again. They are few (LT_NAMESPACES_MAX), so all are kept in memory.
 *
 * Finding, listing and counting: any thread. What waits for the writer says so; never the loop or the engine. */
#ifndef LT_STORAGE_NAMESPACES_H
#define LT_STORAGE_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "proto/error.h"
#include "proto/limits.h"

#define LT_NAMESPACE_PUBLIC "public"
#define LT_NAMESPACE_SALT_BYTES 32

struct lt_store;

struct lt_namespace {
    uint32_t id;
    uint32_t salt_bytes; /* 0 or LT_NAMESPACE_SALT_BYTES */
    uint8_t salt[LT_NAMESPACE_SALT_BYTES];
    uint64_t quota_bytes; /* of records; 0: none */
    uint32_t ttl_seconds; /* of its latents; 0: they never expire */
    char name[LT_NAMESPACE_NAME_MAX + 1];
};

/* When a latent that is stored now expires; 0: never. In seconds since the epoch, which are cut off, so that it lives
 * for ttl_seconds at least. */
static inline uint32_t lt_namespace_expiry(const struct lt_namespace *space)
{
    return space->ttl_seconds ? (uint32_t)time(NULL) + space->ttl_seconds + 1 : 0;
}

/* What is counted for each namespace, since the store was opened and over its lifetime. The position is the index on
 * the disk: append only. */
enum lt_namespace_counter {
    LT_NAMESPACE_HITS_MEMORY,
    LT_NAMESPACE_HITS_DISK,
    LT_NAMESPACE_HITS_JOINED,
    LT_NAMESPACE_MISSES_NEW,
    LT_NAMESPACE_MISSES_EVICTED,
    LT_NAMESPACE_MISSES_CORRUPT,
    LT_NAMESPACE_MISSES_EXPIRED,
    LT_NAMESPACE_MISSES_ENCODER,
    LT_NAMESPACE_EVICTED, /* for the quota or for the budget */
    LT_NAMESPACE_REFUSED, /* not stored, because the quota had no room that could be made */
    LT_NAMESPACE_HITS_REMOTE,
    LT_NAMESPACE_COUNTERS
};

/* "hits_memory", ... Never NULL. */
const char *lt_namespace_counter_name(enum lt_namespace_counter counter);

/* What a namespace has. */
struct lt_namespace_usage {
    struct lt_namespace space;
    uint64_t entries, bytes; /* records on the disk, as of the last commit */
    uint64_t counts[LT_NAMESPACE_COUNTERS];
    uint64_t lifetime[LT_NAMESPACE_COUNTERS];
};

/* LT_ENOTFOUND. */
int lt_namespace_find(struct lt_store *store, const char *name, struct lt_namespace *ret_space);
int lt_namespace_find_id(struct lt_store *store, uint32_t id, struct lt_namespace *ret_space);

/* Fills at most `most`, in the order of their numbers, from the first whose number is at least `from` on. Returns how
 * many. */
size_t lt_namespace_list(struct lt_store *store, uint32_t from, struct lt_namespace_usage *ret_usages, size_t most);

/* Adds to the counters of a namespace; nothing if it is gone. */
void lt_namespace_count(struct lt_store *store, uint32_t id, const uint64_t amounts[LT_NAMESPACE_COUNTERS]);

/* What to set; what is NULL stays, or is 0 in a new one. */
struct lt_namespace_settings {
    const uint64_t *quota_bytes;
    const uint32_t *ttl_seconds;
};

/* Makes a namespace or changes its settings. A smaller quota takes effect with the next latent, another time with new
 * latents. Waits for the writer. LT_EPARAM: `public` has no quota but the store's budget; LT_EFULL: there are
 * LT_NAMESPACES_MAX already; LT_ENOMEM, LT_EIO. `error` is filled. */
int lt_namespace_put(struct lt_store *store, const char *name, const struct lt_namespace_settings *settings,
                     struct lt_namespace *ret_space, bool *ret_created, struct lt_error *error);

/* Removes a namespace with all its latents and documents, in transactions of bounded size. Waits for the writer.
 * LT_EPARAM for `public`, LT_ENOTFOUND, LT_EIO, LT_EFULL; `error` is filled. */
int lt_namespace_remove(struct lt_store *store, const char *name, uint64_t *ret_removed, struct lt_error *error);

#endif
