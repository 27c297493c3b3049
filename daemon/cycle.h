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

/* Does the work that the tasks have planned (fresh, feed), all of one model, and adds its cost to their receipts.
 * LT_ENOMEM: the tasks cannot go on. */
int lt_cycle_compute(const struct lt_cycle_place *place, const struct lt_served_model *served, struct lt_task **tasks,
                     size_t count);

#endif
