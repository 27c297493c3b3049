/* Memory of sequences. All caches that grow with the number of spans lie in one allocation, cut into equal pieces of
 * [room][D], so that growing either happens for all of them or for none. */
#include "kernels/sequence.h"

#include <string.h>

#include "proto/alloc.h"

#define ROOM_MIN 16

static size_t cache_count(const struct lt_model_shape *shape)
{
    return (size_t)shape->refiner_layers + shape->mixer_layers + shape->decoder_layers;
}

/* Gives every cache its piece of memory. */
static void place(struct lt_sequence *sequence, float *memory, size_t room)
{
    size_t piece = room * sequence->shape->width, caches = cache_count(sequence->shape);
    for (size_t i = 0; i < caches; i++) {
        sequence->refiner[i].keys = memory + 2 * i * piece; /* mixer and memory follow refiner */
        sequence->refiner[i].values = memory + (2 * i + 1) * piece;
    }
    sequence->conditions = memory + 2 * caches * piece;
    sequence->span_memory = memory;
    sequence->room = room;
}

int lt_sequence_reserve(struct lt_sequence *sequence, size_t spans)
{
    if (spans <= sequence->room)
        return LT_OK;
    size_t room = sequence->room * 2 > ROOM_MIN ? sequence->room * 2 : ROOM_MIN;
    room = room > spans ? room : spans;
    size_t width = sequence->shape->width, pieces = 2 * cache_count(sequence->shape) + 1, bytes;
    if (__builtin_mul_overflow(room, width * pieces * sizeof(float), &bytes))
        return LT_ENOMEM;
    float *memory = lt_alloc_aligned(bytes);
    if (!memory)
        return LT_ENOMEM;
    for (size_t i = 0; i < pieces && sequence->spans > 0; i++)
        memcpy(memory + i * room * width, sequence->span_memory + i * sequence->room * width,
               sequence->spans * width * sizeof *memory);
    lt_free(sequence->span_memory);
    place(sequence, memory, room);
    return LT_OK;
}

int lt_sequence_create(const struct lt_model *model, size_t spans, struct lt_sequence **ret_sequence)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    size_t caches = cache_count(shape), piece = (size_t)shape->window * shape->width;
    struct lt_sequence *sequence = lt_calloc(1, sizeof *sequence);
    if (!sequence)
        return LT_ENOMEM;
    sequence->shape = shape;
    sequence->refiner = lt_calloc(caches + shape->decoder_layers, sizeof *sequence->refiner);
    sequence->window_memory = lt_alloc_aligned(2 * shape->decoder_layers * piece * sizeof(float));
    if (!sequence->refiner || !sequence->window_memory)
        goto fail;
    sequence->mixer = sequence->refiner + shape->refiner_layers;
    sequence->memory = sequence->mixer + shape->mixer_layers;
    sequence->window = sequence->memory + shape->decoder_layers;
    for (size_t i = 0; i < shape->decoder_layers; i++) {
        sequence->window[i].keys = sequence->window_memory + 2 * i * piece;
        sequence->window[i].values = sequence->window_memory + (2 * i + 1) * piece;
    }
    if (lt_sequence_reserve(sequence, spans) != LT_OK)
        goto fail;
    *ret_sequence = sequence;
    return LT_OK;
fail:
    lt_sequence_destroy(sequence);
    return LT_ENOMEM;
}

void lt_sequence_destroy(struct lt_sequence *sequence)
{
    if (!sequence)
        return;
    lt_free(sequence->span_memory);
    lt_free(sequence->window_memory);
    lt_free(sequence->refiner);
    lt_free(sequence);
}

size_t lt_sequence_spans(const struct lt_sequence *sequence)
{
    return sequence->spans;
}
