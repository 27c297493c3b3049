/* Latents between float and the precision in which they are stored. Any thread. */
#ifndef LT_DAEMON_PRECISION_H
#define LT_DAEMON_PRECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"

/* Rounds [dimension] numbers into latent->payload, as its type says, and sets its scale. */
void lt_latent_narrow(const float *numbers, struct lt_latent *latent);

/* Writes the [dimension] numbers that a latent stands for. */
void lt_latent_widen(const struct lt_latent *latent, float *ret_numbers);

/* How far apart two latents are: the length of their difference, in lengths of `fresh`. */
double lt_latent_distance(const float *stored, const float *fresh, uint32_t count);

/* So far apart may be what two processors, or two roundings, make of the same span. */
#define LT_LATENT_TOLERANCE 0.02

/* Whether numbers have the size that encoders give to latents, a root mean square of 1, but for rounding: noise, zeros,
 * numbers of another kind or in another byte order do not. *ret_size is that root. */
bool lt_latent_has_size(const float *numbers, uint32_t count, double *ret_size);

#endif
