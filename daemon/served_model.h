/* A model that the daemon serves, with what the engine keeps in memory for it: scratch space, mixed states of prompts,
 * tokens of texts. Engine thread only, but for the model itself, which is read-only. */
#ifndef LT_DAEMON_SERVED_MODEL_H
#define LT_DAEMON_SERVED_MODEL_H

#include "kernels/islet.h"
#include "storage/store.h"

struct lt_served_model {
    struct lt_model *model; /* borrowed */
    struct lt_store *store; /* borrowed: of documents */
    struct lt_workspace *workspace;
    struct lt_states *states; /* of prompts answered; NULL if the model has no spans */
    struct lt_texts *texts;   /* tokens of texts that came before */
};

/* state_bytes: for states and texts together. LT_ENOMEM, LT_EINTERNAL: nothing is left to be finished. */
int lt_served_model_init(struct lt_served_model *served, struct lt_model *model, struct lt_store *store,
                         uint32_t threads, uint64_t state_bytes);
/* Drops all that is kept of prompts. */
void lt_served_model_forget(struct lt_served_model *served);
void lt_served_model_finish(struct lt_served_model *served);

#endif
