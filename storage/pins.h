/* Pins: keys whose latents are never evicted, neither for the budget nor for a quota. A pin stands for its key: when a
 * latent has expired or was damaged and is encoded anew, the new one is pinned as the old one was. Flushing removes
 * pins with the latents.
 *
 * They lie in the database `pins` (span key -> u32 namespace, u32 bytes of the record when it was pinned, both
 * little-endian) and, all of them, in a table in memory, so that eviction can ask for each latent it looks at. There
 * are at most LT_PINS_MAX, with at most one part in LT_PINS_SHARE of the budget.
 *
 * Asking: any thread. */
#ifndef LT_STORAGE_PINS_H
#define LT_STORAGE_PINS_H

#include <pthread.h>

#include "storage/environment.h"

struct lt_pin {
    struct lt_span_key key;
    uint32_t namespace_id;
    uint32_t bytes; /* 0: this place of the table is free */
};

struct lt_pins {
    pthread_rwlock_t lock; /* guards the rest; the writer alone changes it */
    struct lt_pin *table;  /* open addressing; NULL before the first pin */
    size_t count;
    uint64_t bytes;
};

/* Reads all pins. LT_EIO, LT_ENOMEM, LT_ESTORE for more than there may be. */
int lt_pins_init(struct lt_pins *pins, const struct lt_environment *environment);
void lt_pins_finish(struct lt_pins *pins);

bool lt_pins_has(struct lt_pins *pins, const struct lt_span_key *key);

/* What became of keys that were to be pinned, unpinned or evicted. */
struct lt_keys_outcome {
    uint64_t done;    /* pinned, unpinned, evicted */
    uint64_t already; /* were pinned, were not pinned; for eviction: are pinned and stay */
    uint64_t missing; /* no latent of this namespace is stored under them */
};

/* Pins or unpins latents of a namespace: all that are stored, or on failure none. LT_EFULL: there would be too many, or
 * too many bytes; LT_EIO; `error` is filled. Wait for the writer: never the loop or the engine. */
int lt_store_pin(struct lt_store *store, uint32_t namespace_id, const struct lt_span_key *keys, size_t count,
                 struct lt_keys_outcome *ret_outcome, struct lt_error *error);
int lt_store_unpin(struct lt_store *store, uint32_t namespace_id, const struct lt_span_key *keys, size_t count,
                   struct lt_keys_outcome *ret_outcome, struct lt_error *error);

/* Whether a key is pinned. Any thread. */
bool lt_store_has_pin(struct lt_store *store, const struct lt_span_key *key);

/* Pins, and bytes of the records that they were given to. Any thread. */
void lt_store_pinned(struct lt_store *store, uint64_t *ret_count, uint64_t *ret_bytes);

/* For the writer: removes the pins of a namespace, or with UINT32_MAX all, from the disk; and, after the commit, from
 * memory. LT_EIO, LT_EFULL. */
int lt_pins_drop(struct lt_store *store, MDB_txn *transaction, uint32_t namespace_id);
void lt_pins_dropped(struct lt_store *store, uint32_t namespace_id);

#endif
