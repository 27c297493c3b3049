/* Memory of sequences. All caches that grow with the number of spans lie in one allocation, cut into pieces of
 * [room][D] or, for recall, [room][M * R], so that growing either happens for all of them or for none. */
#include "kernels/sequence.h"

#include <string.h>

#include "proto/alloc.h"

#define ROOM_MIN 16

static size_t cache_count(const struct lt_model_shape *shape)
{
    return (size_t)shape->refiner_layers + shape->mixer_layers + shape->decoder_layers;
}

/* Pieces of [room][D]: keys and values of every cache, and conditions. */
static size_t plain_pieces(const struct lt_model_shape *shape)
{
    return 2 * cache_count(shape) + 1;
}

/* Numbers that one span has in each piece. */
static size_t piece_width(const struct lt_model_shape *shape, size_t piece)
{
    return piece < plain_pieces(shape) ? shape->width : (size_t)shape->span_maximum * shape->recall;
}

static size_t piece_count(const struct lt_model_shape *shape)
{
    return plain_pieces(shape) + (shape->recall ? 2 : 0);
}

/* Where a piece begins if there is room for so many spans; all of them end where piece_count would begin. */
static size_t piece_offset(const struct lt_model_shape *shape, size_t piece, size_t room)
{
    size_t offset = 0;
    for (size_t i = 0; i < piece; i++)
        offset += room * piece_width(shape, i);
    return offset;
}

/* Gives every cache its piece of memory. */
static void place(struct lt_sequence *sequence, float *memory, size_t room)
{
    const struct lt_model_shape *shape = sequence->shape;
    size_t caches = cache_count(shape);
    for (size_t i = 0; i < caches; i++) {
        sequence->refiner[i].keys = memory + piece_offset(shape, 2 * i, room); /* mixer and memory follow refiner */
        sequence->refiner[i].values = memory + piece_offset(shape, 2 * i + 1, room);
    }
    sequence->conditions = memory + piece_offset(shape, 2 * caches, room);
    if (shape->recall) {
        sequence->recall.keys = memory + piece_offset(shape, 2 * caches + 1, room);
        sequence->recall.values = memory + piece_offset(shape, 2 * caches + 2, room);
    }
    sequence->span_memory = memory;
    sequence->room = room;
}

int lt_sequence_reserve(struct lt_sequence *sequence, size_t spans)
{
    const struct lt_model_shape *shape = sequence->shape;
    if (spans <= sequence->room)
        return LT_OK;
    size_t room = sequence->room * 2 > ROOM_MIN ? sequence->room * 2 : ROOM_MIN;
    room = room > spans ? room : spans;
    size_t pieces = piece_count(shape), bytes;
    if (__builtin_mul_overflow(room, piece_offset(shape, pieces, 1) * sizeof(float), &bytes))
        return LT_ENOMEM;
    float *memory = lt_alloc_aligned(bytes);
    if (!memory)
        return LT_ENOMEM;
    for (size_t i = 0; i < pieces && sequence->spans > 0; i++)
        memcpy(memory + piece_offset(shape, i, room), sequence->span_memory + piece_offset(shape, i, sequence->room),
               sequence->spans * piece_width(shape, i) * sizeof *memory);
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
    lt_free(sequence->mark.memory);
    lt_free(sequence->span_memory);
    lt_free(sequence->window_memory);
    lt_free(sequence->refiner);
    lt_free(sequence);
}

int lt_sequence_copy(struct lt_sequence *sequence, const struct lt_sequence *from, size_t spans, size_t segment)
{
    const struct lt_model_shape *shape = sequence->shape;
    int rc = lt_sequence_reserve(sequence, spans);
    if (rc != LT_OK)
        return rc;
    for (size_t i = 0, pieces = piece_count(shape); i < pieces; i++) {
        size_t rows = i < 2 * (size_t)shape->refiner_layers ? segment : spans;
        memcpy(sequence->span_memory + piece_offset(shape, i, sequence->room),
               from->span_memory + piece_offset(shape, i, from->room), rows * piece_width(shape, i) * sizeof(float));
    }
    sequence->spans = spans;
    sequence->segment = segment;
    return LT_OK;
}

void lt_sequence_truncate(struct lt_sequence *sequence, size_t spans, size_t segment)
{
    sequence->spans = spans;
    sequence->segment = segment;
    sequence->position = 0;
}

/* Numbers in the windows of all decoder layers. */
static size_t window_numbers(const struct lt_model_shape *shape)
{
    return 2 * (size_t)shape->decoder_layers * shape->window * shape->width;
}

static bool reserve_mark(struct lt_sequence *sequence)
{
    size_t numbers = window_numbers(sequence->shape) + sequence->shape->vocabulary;
    if (!sequence->mark.memory)
        sequence->mark.memory = lt_malloc(numbers * sizeof *sequence->mark.memory);
    return sequence->mark.memory;
}

int lt_sequence_mark(struct lt_sequence *sequence, const float *logits)
{
    size_t window = window_numbers(sequence->shape);
    if (!reserve_mark(sequence))
        return LT_ENOMEM;
    memcpy(sequence->mark.memory, sequence->window_memory, window * sizeof *logits);
    memcpy(sequence->mark.memory + window, logits, sequence->shape->vocabulary * sizeof *logits);
    sequence->mark.spans = sequence->spans;
    sequence->mark.position = sequence->position;
    return LT_OK;
}

bool lt_sequence_resume(struct lt_sequence *sequence, const struct lt_sequence *from, float *ret_logits)
{
    const struct lt_mark *mark = &from->mark;
    size_t window = window_numbers(sequence->shape), vocabulary = sequence->shape->vocabulary;
    if (!mark->memory || mark->spans != sequence->spans || !reserve_mark(sequence))
        return false;
    if (sequence != from) {
        memcpy(sequence->mark.memory, mark->memory, (window + vocabulary) * sizeof *mark->memory);
        sequence->mark.spans = mark->spans;
        sequence->mark.position = mark->position;
    }
    memcpy(sequence->window_memory, mark->memory, window * sizeof *mark->memory);
    memcpy(ret_logits, mark->memory + window, vocabulary * sizeof *ret_logits);
    sequence->position = mark->position;
    return true;
}

size_t lt_sequence_bytes(const struct lt_sequence *sequence)
{
    const struct lt_model_shape *shape = sequence->shape;
    size_t window = window_numbers(shape), mark = sequence->mark.memory ? window + shape->vocabulary : 0;
    return sizeof *sequence + (piece_offset(shape, piece_count(shape), sequence->room) + window + mark) * sizeof(float);
}

size_t lt_sequence_spans(const struct lt_sequence *sequence)
{
    return sequence->spans;
}
