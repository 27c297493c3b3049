/* What has to go when the budget is reached: S3-FIFO (Yang et al., SOSP 2023) over the two queues on disk. A latent
 * joins the small queue, a twentieth of all. When it is the oldest there, it moves on to the main queue if it was read,
 * and is evicted if not: what is asked for once leaves soon. The oldest of the main queue goes round again as often as
 * it was read, up to three times, and is then evicted. Evicted keys are remembered, about as many as latents are held:
 * what comes back from there joins the main queue at once, and its miss can say why.
 *
 * How often a latent was read is counted in memory, in two bits for each place of a queue. Places are used in turn, so
 * that a ring of counters as long as the queue serves it; were it longer than expected, two latents would share a
 * counter. That a latent was read in memory is one bit more, addressed by its key, for nobody knows its place then;
 * where two share it, one is spared for longer than it earned. Counting and asking is for any thread; the rest for the
 * writer only. */
#ifndef LT_STORAGE_EVICTION_H
#define LT_STORAGE_EVICTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/ledger.h"
#include "storage/queues.h"

#define LT_SPARED_WORDS (1u << 15) /* of 64 bits: 2 million latents, 256 KiB */

struct lt_eviction {
    _Atomic(uint8_t) *reads[LT_QUEUE_COUNT];      /* [read_bytes] four counters each */
    size_t read_bytes;                            /* a power of two */
    _Atomic(struct lt_evicted_keys *) evicted;    /* NULL until there is one */
    atomic_uint_fast64_t spared[LT_SPARED_WORDS]; /* read in memory: one bit each, by key */
    atomic_uint_fast64_t count;                   /* evictions since open */
};

/* `budget` says how many latents to expect. LT_ENOMEM. */
int lt_eviction_init(struct lt_eviction *eviction, uint64_t budget);
void lt_eviction_finish(struct lt_eviction *eviction);

/* The latent that lies at the place was read. Returns how often that was counted before. */
int lt_eviction_visit(struct lt_eviction *eviction, uint64_t place);

/* A latent was read in memory, wherever it lies on disk. */
void lt_eviction_spare(struct lt_eviction *eviction, const struct lt_span_key *key);

/* Whether the latent of this key, which lies at the place, was read since this was last asked as often as it was read:
 * then it is to be spared, once for each time. */
bool lt_eviction_spares(struct lt_eviction *eviction, const struct lt_span_key *key, uint64_t place);

/* A latent was evicted for another reason than room in the store: it is remembered and counted alike. `entries`: about
 * how many latents there are. Writer. */
void lt_eviction_note(struct lt_eviction *eviction, const struct lt_span_key *key, uint64_t entries);

/* Forgets which keys were evicted. */
void lt_eviction_forget(struct lt_eviction *eviction);

/* Whether the key is remembered as evicted. */
bool lt_eviction_remembers(struct lt_eviction *eviction, const struct lt_span_key *key);

/* Adds a latent's record to the queue where it belongs. LT_EIO, LT_EFULL, LT_ENOMEM. */
int lt_eviction_add(struct lt_eviction *eviction, struct lt_queues *queues, const struct lt_environment *environment,
                    MDB_txn *transaction, const struct lt_span_key *key, const void *record, size_t bytes);

/* Evicts until `incoming` more bytes fit the budget, or nothing is left but what is pinned. LT_EIO, LT_EFULL,
 * LT_ENOMEM. */
int lt_eviction_make_room(struct lt_eviction *eviction, struct lt_queues *queues, struct lt_ledger *ledger,
                          const struct lt_environment *environment, MDB_txn *transaction, uint64_t budget,
                          uint64_t incoming);

/* Evicts up to `count` latents that are not pinned, whatever room there is. *ret_evicted says how many. LT_EIO,
 * LT_EFULL, LT_ENOMEM. */
int lt_eviction_evict(struct lt_eviction *eviction, struct lt_queues *queues, struct lt_ledger *ledger,
                      const struct lt_environment *environment, MDB_txn *transaction, uint64_t count,
                      uint64_t *ret_evicted);

#endif
