/* Refining a document ahead of prompts: what the refiner makes of its spans is stored by chain key. Works in slices, so
 * that it can be done beside other requests or in idle time: the document's latents are looked up, or encoded again
 * where they had gone; then all that no earlier version had refined is refined, from the first changed span on; then
 * the writer has it. Engine thread only. */
#ifndef LT_DAEMON_REFINING_H
#define LT_DAEMON_REFINING_H

#include "daemon/cache.h"
#include "daemon/served_model.h"
#include "daemon/writing.h"
#include "proto/messages.h"
#include "proto/writer.h"

struct lt_refining;

/* What refining works on and with; all of it outlives it. */
struct lt_refining_place {
    struct lt_store *store;
    struct lt_cache *cache;
    struct lt_counters *counters;
    enum lt_latent_type latent_type;
    struct lt_wake wake;
};

/* Begins with a version of a document of a namespace, which is copied. LT_EPARAM if its spans are another encoder's,
 * LT_ECONTEXT if no prompt of the model could hold it, LT_ENOTFOUND, LT_ECORRUPT, LT_EIO, LT_ENOMEM; `error` is filled.
 */
int lt_refining_create(const struct lt_refining_place *place, const struct lt_served_model *served,
                       const struct lt_namespace *space, const char *name, uint32_t version,
                       struct lt_refining **ret_refining, struct lt_error *error);

/* NULL is allowed. Not while it waits for the writer, unless the store was flushed since. */
void lt_refining_destroy(struct lt_refining *refining);

/* Does one slice; *ret_done: what was refined is on the disk. LT_ENOMEM, LT_EIO, LT_EFULL; `error` is filled. */
int lt_refining_step(struct lt_refining *refining, bool *ret_done, struct lt_error *error);

/* Nothing to do before the writer has written. */
bool lt_refining_waits(const struct lt_refining *refining);

/* Operations of encoding and refining so far. */
uint64_t lt_refining_operations(const struct lt_refining *refining);

/* Writes the response to doc.refine. seconds: since the request came. */
void lt_refining_reply(struct lt_writer *writer, uint32_t id, const struct lt_refining *refining, double seconds);

#endif
