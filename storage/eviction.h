/* What has to go when the budget is reached: SIEVE (Zhang et al., NSDI 2024). A hand walks over latents from the oldest
 * to the newest; one that was read since the hand last came by is spared once, the next is evicted. New latents join at
 * the young end, so what is asked for once leaves soon and what is asked for again stays.
 *
 * Order is on disk (the fifo database). "Was read" is one bit a latent in memory, addressed by key: two latents may
 * share one, which spares one of them for longer than it earned. Evicted keys are remembered, as many as fit a fixed
 * table, so that a later miss can say why. Marking and asking is for any thread; the rest for the writer only. */
#ifndef LT_STORAGE_EVICTION_H
#define LT_STORAGE_EVICTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/environment.h"
#include "storage/ledger.h"

#define LT_VISITED_WORDS (1u << 17) /* 64 bits each: 8 million latents, 1 MiB */
#define LT_EVICTED_SETS (1u << 16)
#define LT_EVICTED_WAYS 4 /* 262,144 keys by 32 bits each, 1 MiB */

struct lt_eviction {
    atomic_uint_fast64_t visited[LT_VISITED_WORDS];
    _Atomic(uint32_t) evicted[LT_EVICTED_SETS][LT_EVICTED_WAYS]; /* the newest of a set first */
    atomic_uint_fast64_t count;                                  /* evictions since open */
    uint64_t hand;                                               /* order number at which the hand stands */
    uint64_t next_order;                                         /* of the next latent */
};

/* Reads the last order number. LT_EIO. */
int lt_eviction_init(struct lt_eviction *eviction, const struct lt_environment *environment);

/* A latent was read. */
void lt_eviction_visit(struct lt_eviction *eviction, const struct lt_span_key *key);

/* Whether a latent was read since this was last asked for it, and so is to be spared. */
bool lt_eviction_spare(struct lt_eviction *eviction, const struct lt_span_key *key);

/* A latent was evicted for another reason than room in the store: it is remembered and counted alike. */
void lt_eviction_note(struct lt_eviction *eviction, const struct lt_span_key *key);

/* Forgets which keys were evicted. */
void lt_eviction_forget(struct lt_eviction *eviction);

/* Whether the key is remembered as evicted. */
bool lt_eviction_remembers(struct lt_eviction *eviction, const struct lt_span_key *key);

/* Notes a new latent as the youngest. LT_EIO, LT_EFULL. */
int lt_eviction_append(struct lt_eviction *eviction, const struct lt_environment *environment, MDB_txn *transaction,
                       const struct lt_span_key *key);

/* Evicts until `incoming` more bytes fit the budget, or nothing is left. LT_EIO, LT_EFULL. */
int lt_eviction_make_room(struct lt_eviction *eviction, struct lt_ledger *ledger,
                          const struct lt_environment *environment, MDB_txn *transaction, uint64_t budget,
                          uint64_t incoming);

/* Evicts up to `count` latents that are not pinned, whatever room there is. *ret_evicted says how many. LT_EIO,
 * LT_EFULL. */
int lt_eviction_evict(struct lt_eviction *eviction, struct lt_ledger *ledger, const struct lt_environment *environment,
                      MDB_txn *transaction, uint64_t count, uint64_t *ret_evicted);

#endif
