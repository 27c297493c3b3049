/* Latents between float and the precision in which they are stored. Any thread. */
#ifndef LT_DAEMON_PRECISION_H
#define LT_DAEMON_PRECISION_H

#include "storage/store.h"

/* Rounds [dimension] numbers into latent->payload, as its type says, and sets its scale. */
void lt_latent_narrow(const float *numbers, struct lt_latent *latent);

/* Writes the [dimension] numbers that a latent stands for. */
void lt_latent_widen(const struct lt_latent *latent, float *ret_numbers);

#endif
