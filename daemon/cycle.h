/* The computing of one engine cycle: resolve, mix and decode for many tasks of one model in one batch each. Engine
 * thread only. */
#ifndef LT_DAEMON_CYCLE_H
#define LT_DAEMON_CYCLE_H

#include "daemon/cache.h"
#include "daemon/task.h"

/* Where latents come from; store NULL: refined ones from nowhere. */
struct lt_cycle_place {
    struct lt_store *store;
    struct lt_cache *cache;
    enum lt_latent_type latent_type;
};

/* What a cycle works with, kept from one to the next: while no task comes and no prompt is longer than all before,
 * cycles allocate nothing. Zeroed at first. */
struct lt_cycle_memory {
    struct lt_task **tasks; /* for the caller */
    struct lt_mix_item *mixes;
    struct lt_decode_item *decodes;
    size_t task_room; /* of these three */
    struct lt_cache_span **spans;
    size_t span_room;
};

/* Makes room for so many tasks. LT_ENOMEM: what was there stays. */
int lt_cycle_memory_reserve(struct lt_cycle_memory *memory, size_t tasks);
void lt_cycle_memory_finish(struct lt_cycle_memory *memory);

/* Does the work that the tasks have planned (fresh, feed), all of one model, and adds its cost to their receipts.
 * LT_ENOMEM: the tasks cannot go on. */
int lt_cycle_compute(const struct lt_cycle_place *place, struct lt_cycle_memory *memory,
                     const struct lt_served_model *served, struct lt_task **tasks, size_t count);

#endif
