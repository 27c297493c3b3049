/* One layer over the rows of a workspace: what encoder, refiner, mixer and decoder have in common. Between the two
 * halves the caller lets every row attend to whatever it may see, from workspace->query/key/value into
 * workspace->attended. */
#ifndef LT_KERNELS_LAYER_H
#define LT_KERNELS_LAYER_H

#include "kernels/workspace.h"

/* normed = norm(x); query (unless KEYS), key, value = their products; query and key normalised by head where the model
 * does that. */
enum lt_projection { LT_PROJECT_ALL, LT_PROJECT_KEYS };
void lt_layer_project(struct lt_workspace *workspace, const struct lt_layer *layer, enum lt_projection projection);

/* x += output(attended); x += feed-forward(norm(x)). */
void lt_layer_finish(struct lt_workspace *workspace, const struct lt_layer *layer);

/* Operations of the matrix products of one row in one layer. */
uint64_t lt_layer_operations(const struct lt_model_shape *shape);

/* Operations of one query row over `keys` keys in one layer. */
uint64_t lt_attention_operations(const struct lt_model_shape *shape, uint64_t keys);

#endif
