/* Recall: details read back out of latents. Each span's raw latent is unfolded into vectors that stand for its
 * tokens; a slot's value is made of its own vector, its key of the one in front and of the mixed latent. In front of
 * its last layer the decoder looks through all of them with one head: a name that was said long ago is found by what
 * stood before it. All of it is made once a span and not once a token. model/islet/layers.py has the same in PyTorch.
 */
#ifndef LT_KERNELS_RECALL_H
#define LT_KERNELS_RECALL_H

#include "kernels/workspace.h"

/* Unfolds the spans of the chunk's rows into their sequences. x holds the mixed latents. Nothing if the model has no
 * recall; so for the others. */
void lt_recall_unfold(struct lt_workspace *workspace);

/* Adds to x, for each row of the chunk, what it finds in the closed spans of its sequence. */
void lt_recall_look(struct lt_workspace *workspace);

/* Operations of unfolding a span, and of one token's look into `spans` spans. */
uint64_t lt_recall_unfold_operations(const struct lt_model_shape *shape);
uint64_t lt_recall_look_operations(const struct lt_model_shape *shape, uint64_t spans);

#endif
