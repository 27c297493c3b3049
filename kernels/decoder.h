/* What a token of a prompt costs in the decoder, for kernels/cost.c to count without running. Pure; any thread. */
#ifndef LT_KERNELS_DECODER_H
#define LT_KERNELS_DECODER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/model.h"

/* Layers that a token goes through whole if `behind` more tokens are fed with it and the logits are asked for after the
 * last: the lower ones. In the layer above them, if there is one, only its key and value are made. */
uint32_t lt_decode_whole_layers(const struct lt_model_shape *shape, size_t behind);

/* Operations of the layers and of recall for such a token at a position, with so many spans closed. */
uint64_t lt_decode_operations(const struct lt_model_shape *shape, uint64_t position, uint64_t closed, size_t behind);

#endif
