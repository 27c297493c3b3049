/* Latents that were put and are not committed yet: a queue in the order of putting and a hash table over it, so that a
 * get finds them before the disk has them. Holds at most LT_WRITER_QUEUE_MAX. Has no lock of its own: the writer's
 * mutex guards it (storage/state.h). */
#ifndef LT_STORAGE_PENDING_H
#define LT_STORAGE_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "storage/store.h"

/* Key and record never change once the entry is queued, so the writer may read them without the mutex. */
struct lt_pending_entry {
    struct lt_pending_entry *next_queued;
    struct lt_pending_entry *next_in_bucket;
    struct lt_span_key key;
    enum lt_latent_type type;
    uint32_t dimension;
    size_t bytes;
    bool replaces;    /* also a record that a lookup would take */
    uint8_t record[]; /* [bytes] as proto/record.h has it */
};

struct lt_pending {
    struct lt_pending_entry **buckets;
    struct lt_pending_entry *first;
    struct lt_pending_entry *last;
    size_t count;
    size_t bytes; /* of all records */
};

int lt_pending_init(struct lt_pending *pending);

/* Frees what still waits. */
void lt_pending_finish(struct lt_pending *pending);

/* Makes an entry of a latent that lt_record_bytes has a size for. Needs no lock. NULL: out of memory. */
struct lt_pending_entry *lt_pending_entry_create(const struct lt_latent *latent);

/* The youngest entry of a key, or NULL. */
struct lt_pending_entry *lt_pending_find(const struct lt_pending *pending, const struct lt_span_key *key);

/* Queues an entry and owns it from then on. An older one of the same key stays in the queue and is found no more. */
void lt_pending_push(struct lt_pending *pending, struct lt_pending_entry *entry);

/* Removes and frees the `count` oldest entries. */
void lt_pending_pop(struct lt_pending *pending, size_t count);

#endif
