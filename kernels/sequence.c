/* Memory of sequences. All that grows with the number of spans lies in pages, a page all that its spans have: nothing
 * is copied when a sequence grows, and a prompt that begins as another one did shares the pages of that beginning. So
 * it is there once, in memory and in the processor's caches, however many answers go on from it.
 *
 * A page is preceded by the number of sequences that hold it. Where a sequence goes on, it first makes pages that it
 * shares its own, so that what others hold is never written to. The refiner's slots begin anew with each segment and
 * are not shared. */
#include "kernels/sequence.h"

#include <string.h>

#include "proto/alloc.h"

#define HEADER_BYTES 64 /* keeps pages aligned */

static size_t *owners_of(uint8_t *page)
{
    return (size_t *)(void *)(page - HEADER_BYTES);
}

static uint8_t *create_page(size_t bytes)
{
    uint8_t *memory = lt_alloc_aligned(HEADER_BYTES + bytes);
    if (!memory)
        return NULL;
    *owners_of(memory + HEADER_BYTES) = 1;
    return memory + HEADER_BYTES;
}

static void release_page(uint8_t *page)
{
    if (--*owners_of(page) == 0)
        lt_free(page - HEADER_BYTES);
}

static void release_pages(struct lt_pages *pages)
{
    while (pages->count > 0)
        release_page(pages->at[--pages->count]);
    lt_free(pages->at);
}

/* Makes room for pointers to so many pages. */
static int reserve_pointers(struct lt_pages *pages, size_t count)
{
    if (count <= pages->room)
        return LT_OK;
    size_t room = 2 * pages->room > count ? 2 * pages->room : count;
    uint8_t **at = lt_realloc(pages->at, room * sizeof *at);
    if (!at)
        return LT_ENOMEM;
    pages->at = at;
    pages->room = room;
    return LT_OK;
}

size_t lt_pages_for(size_t spans)
{
    return (spans + LT_SLOTS - 1) / LT_SLOTS;
}

/* Makes the pages from the one on that holds the slot behind `spans` this sequence's own. */
static int own_pages(struct lt_pages *pages, size_t spans)
{
    for (size_t i = spans / LT_SLOTS; i < pages->count; i++) {
        if (*owners_of(pages->at[i]) == 1)
            continue;
        uint8_t *page = create_page(pages->bytes);
        if (!page)
            return LT_ENOMEM;
        if (i * LT_SLOTS < spans)
            memcpy(page, pages->at[i], pages->bytes);
        release_page(pages->at[i]);
        pages->at[i] = page;
    }
    return LT_OK;
}

int lt_pages_add(struct lt_pages *pages, const uint8_t *bytes)
{
    uint8_t *page = reserve_pointers(pages, pages->count + 1) == LT_OK ? create_page(pages->bytes) : NULL;
    if (!page)
        return LT_ENOMEM;
    if (bytes)
        memcpy(page, bytes, pages->bytes);
    pages->at[pages->count++] = page;
    return LT_OK;
}

int lt_pages_share(struct lt_pages *pages, uint8_t *page)
{
    if (reserve_pointers(pages, pages->count + 1) != LT_OK)
        return LT_ENOMEM;
    ++*owners_of(page);
    pages->at[pages->count++] = page;
    return LT_OK;
}

static int reserve(struct lt_pages *pages, size_t spans)
{
    int rc = reserve_pointers(pages, lt_pages_for(spans));
    while (rc == LT_OK && pages->count < lt_pages_for(spans))
        rc = lt_pages_add(pages, NULL);
    return rc;
}

void lt_sequence_place(struct lt_sequence *sequence)
{
    const struct lt_model_shape *shape = sequence->shape;
    for (size_t i = 0; i < shape->refiner_layers; i++)
        sequence->refiner[i].pages = sequence->segment_pages.at;
    for (size_t i = 0; i < (size_t)shape->mixer_layers + shape->decoder_layers; i++) /* memory follows mixer */
        sequence->mixer[i].pages = sequence->span_pages.at;
    sequence->recall.pages = sequence->span_pages.at;
}

int lt_sequence_reserve(struct lt_sequence *sequence, size_t spans, size_t segment)
{
    int rc = own_pages(&sequence->span_pages, sequence->spans);
    if (rc == LT_OK)
        rc = reserve(&sequence->span_pages, spans);
    if (rc == LT_OK)
        rc = reserve(&sequence->segment_pages, segment);
    lt_sequence_place(sequence);
    return rc;
}

/* Cuts pages into what each cache has of a span, and sums up their sizes. */
static void lay_out(struct lt_sequence *sequence)
{
    const struct lt_model_shape *shape = sequence->shape;
    const struct lt_slots layer = {.heads = shape->heads, .head_width = shape->width / shape->heads, .page_blocks = 1};
    size_t bytes = lt_slots_block_bytes(layer.heads, layer.head_width), at = LT_SLOTS * shape->width * sizeof(float);
    for (size_t i = 0; i < shape->refiner_layers; i++) {
        sequence->refiner[i] = layer;
        sequence->refiner[i].offset = i * bytes;
    }
    sequence->segment_pages.bytes = shape->refiner_layers * bytes;
    for (size_t i = 0; i < (size_t)shape->mixer_layers + shape->decoder_layers; i++, at += bytes) {
        sequence->mixer[i] = layer; /* memory follows mixer */
        sequence->mixer[i].offset = at;
    }
    sequence->recall =
        (struct lt_slots){.heads = 1, .head_width = shape->recall, .offset = at, .page_blocks = shape->span_maximum};
    if (shape->recall)
        at += shape->span_maximum * lt_slots_block_bytes(1, shape->recall);
    sequence->span_pages.bytes = at;
}

int lt_sequence_create(const struct lt_model *model, size_t spans, struct lt_sequence **ret_sequence)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    size_t piece = (size_t)shape->window * shape->width;
    size_t caches = (size_t)shape->refiner_layers + shape->mixer_layers + shape->decoder_layers;
    struct lt_sequence *sequence = lt_calloc(1, sizeof *sequence);
    if (!sequence)
        return LT_ENOMEM;
    sequence->shape = shape;
    sequence->refiner = lt_calloc(caches, sizeof *sequence->refiner);
    sequence->window = lt_calloc(shape->decoder_layers, sizeof *sequence->window);
    sequence->window_memory = lt_alloc_aligned(2 * shape->decoder_layers * piece * sizeof(float));
    if (!sequence->refiner || !sequence->window || !sequence->window_memory)
        goto fail;
    sequence->mixer = sequence->refiner + shape->refiner_layers;
    sequence->memory = sequence->mixer + shape->mixer_layers;
    for (size_t i = 0; i < shape->decoder_layers; i++) {
        sequence->window[i].keys = sequence->window_memory + 2 * i * piece;
        sequence->window[i].values = sequence->window_memory + (2 * i + 1) * piece;
    }
    lay_out(sequence);
    if (lt_sequence_reserve(sequence, spans, spans) != LT_OK)
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
    release_pages(&sequence->span_pages);
    release_pages(&sequence->segment_pages);
    lt_free(sequence->mark.memory);
    lt_free(sequence->window_memory);
    lt_free(sequence->refiner);
    lt_free(sequence->window);
    lt_free(sequence);
}

/* Full pages are shared, the last one is copied if it has room left. */
static int share_pages(struct lt_pages *to, const struct lt_pages *from, size_t spans)
{
    size_t full = spans / LT_SLOTS;
    int rc = reserve_pointers(to, lt_pages_for(spans));
    while (to->count > 0)
        release_page(to->at[--to->count]);
    while (rc == LT_OK && to->count < full)
        rc = lt_pages_share(to, from->at[to->count]);
    if (rc == LT_OK && full < lt_pages_for(spans))
        rc = lt_pages_add(to, from->at[full]);
    return rc;
}

int lt_sequence_copy(struct lt_sequence *sequence, const struct lt_sequence *from, size_t spans, size_t segment)
{
    int rc = reserve(&sequence->segment_pages, segment);
    if (rc == LT_OK)
        rc = share_pages(&sequence->span_pages, &from->span_pages, spans);
    lt_sequence_place(sequence);
    if (rc != LT_OK)
        return rc;
    for (size_t i = 0; i < lt_pages_for(segment); i++)
        memcpy(sequence->segment_pages.at[i], from->segment_pages.at[i], sequence->segment_pages.bytes);
    sequence->spans = spans;
    sequence->segment = segment;
    return LT_OK;
}

size_t lt_sequence_window_numbers(const struct lt_model_shape *shape)
{
    return 2 * (size_t)shape->decoder_layers * shape->window * shape->width;
}

int lt_sequence_mark(struct lt_sequence *sequence, const float *logits)
{
    struct lt_mark *mark = &sequence->mark;
    size_t window = lt_sequence_window_numbers(sequence->shape), vocabulary = sequence->shape->vocabulary;
    if (!mark->memory)
        mark->memory = lt_malloc((window + vocabulary) * sizeof *mark->memory);
    if (!mark->memory)
        return LT_ENOMEM;
    memcpy(mark->memory, sequence->window_memory, window * sizeof *logits);
    memcpy(mark->memory + window, logits, vocabulary * sizeof *logits);
    mark->spans = sequence->spans;
    mark->position = sequence->position;
    return LT_OK;
}

bool lt_sequence_resume(struct lt_sequence *sequence, const struct lt_sequence *from, float *ret_logits)
{
    const struct lt_mark *mark = &from->mark;
    size_t window = lt_sequence_window_numbers(sequence->shape);
    if (!mark->memory || mark->spans != sequence->spans)
        return false;
    memcpy(sequence->window_memory, mark->memory, window * sizeof *mark->memory);
    memcpy(ret_logits, mark->memory + window, sequence->shape->vocabulary * sizeof *ret_logits);
    sequence->position = mark->position;
    return true;
}

float *lt_sequence_condition(const struct lt_sequence *sequence, size_t span)
{
    float *conditions = (float *)(void *)sequence->span_pages.at[span / LT_SLOTS];
    return conditions + span % LT_SLOTS * sequence->shape->width;
}

size_t lt_sequence_bytes(const struct lt_sequence *sequence)
{
    const struct lt_model_shape *shape = sequence->shape;
    size_t window = lt_sequence_window_numbers(shape), mark = sequence->mark.memory ? window + shape->vocabulary : 0;
    return sizeof *sequence + (window + mark) * sizeof(float) +
           sequence->span_pages.count * sequence->span_pages.bytes +
           sequence->segment_pages.count * sequence->segment_pages.bytes;
}

size_t lt_sequence_spans(const struct lt_sequence *sequence)
{
    return sequence->spans;
}

size_t lt_sequence_segment(const struct lt_sequence *sequence)
{
    return sequence->segment;
}
