/* The refiner: causal layers over the latents of each segment. Internal to kernels/. */
#ifndef LT_KERNELS_REFINER_H
#define LT_KERNELS_REFINER_H

#include "kernels/workspace.h"

/* Lets every row of the chunk through layer `index`, each attending to itself and what came before it in its own
 * sequence: of the newest segment in the refiner, of the whole prompt in the mixer. x holds the rows and, afterwards,
 * what the layer made of them. */
enum lt_network { LT_REFINER, LT_MIXER };
void lt_network_layer(struct lt_workspace *workspace, enum lt_network network, size_t index);

/* Sets x to the refined latents of the chunk's rows: made of their latents, or as they are given. */
void lt_refiner_run(struct lt_workspace *workspace);

/* Operations that a row costs that is the `segment`-th of its segment. */
uint64_t lt_refiner_operations(const struct lt_model_shape *shape, enum lt_refiner_work refining, uint64_t segment);

#endif
