/* Mixed states between two runs of the daemon: written when it stops, taken up when it starts, so that a restart costs
 * no prompt its mixing. One file, in the store's folder, and there only while no daemon runs: it is removed when it is
 * read, so what `flush` says is gone is in no file, and a daemon that is killed leaves none. Losing it loses time and
 * no answer.
 *
 *   bytes   field
 *   8       "LTSTATES"
 *   4       version of the layout, 1
 *   4       number of models; of each:
 *   32      fingerprint of the model
 *   4       type of latents that the states were made of
 *   8       bytes of its states
 *   n       its states (daemon/states.h)
 *   8       XXH3-64 of all that
 *
 * For whoever has the models to himself. */
#ifndef LT_DAEMON_STATES_FILE_H
#define LT_DAEMON_STATES_FILE_H

#include "daemon/served_model.h"

/* Writes the states of all models; no file is made if there are none. Logs how many, or why none were kept. */
void lt_states_leave(const char *folder, const struct lt_served_model *served, size_t served_count,
                     enum lt_latent_type type);

/* Takes up the states of the models that are served, as many as there is room for, and removes the file. Logs how many,
 * or why prompts are mixed anew: the file is damaged, of another version, or cannot be read. */
void lt_states_take_up(const char *folder, struct lt_served_model *served, size_t served_count,
                       enum lt_latent_type type);

#endif
