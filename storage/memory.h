/* The latents that are asked for most, in memory: a lookup there needs no walk through the disk's index and no
 * checksum.
 *
 * A cache of eight ways. A set has a line of tags, and a slot for each of them: the latent's key, its fields and its
 * payload. When a set is full, a hand goes round it, spares once what was read since it last came by, and replaces the
 * rest. Latents never change, so nothing here is ever out of date; what expires is a miss here as anywhere.
 *
 * Has a mutex of its own; any thread. */
#ifndef LT_STORAGE_MEMORY_H
#define LT_STORAGE_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/store.h"

struct lt_memory {
    pthread_mutex_t mutex;
    struct lt_memory_set *sets; /* [set_count] */
    uint8_t *slots;             /* [set_count][ways][slot_bytes] */
    size_t set_count;           /* a power of two, or 0: nothing is kept */
    size_t slot_bytes;
    size_t payload_bytes; /* of the largest latent that a slot has room for */
    size_t entries;
    atomic_uint_fast64_t age; /* how often something was dropped */
};

/* Reserves address space for `bytes` at most; it is taken from the system as it fills. 0 keeps nothing. LT_ENOMEM. */
int lt_memory_init(struct lt_memory *memory, uint64_t bytes, size_t payload_bytes);
void lt_memory_finish(struct lt_memory *memory);

/* Looks latents up, as lt_store_get, but for those that are hits already, and leaves the others' lookups alone. Returns
 * how many it found. */
size_t lt_memory_get(struct lt_memory *memory, struct lt_latent *latents, size_t count, uint32_t now,
                     enum lt_lookup *lookups);

/* Latents that are kept. */
size_t lt_memory_entries(struct lt_memory *memory);

/* To be asked before a latent is read that may be kept then. */
static inline uint64_t lt_memory_age(const struct lt_memory *memory)
{
    return atomic_load(&memory->age);
}

/* Keeps a copy of a latent that was read. One that is too large is not kept, and none if something was dropped since
 * the age was asked for: it may have been this one. */
void lt_memory_keep(struct lt_memory *memory, const struct lt_latent *latent, uint64_t age);

/* Drops latents that are no longer to be found, or all. */
void lt_memory_drop(struct lt_memory *memory, const struct lt_span_key *keys, size_t count);
void lt_memory_clear(struct lt_memory *memory);

#endif
