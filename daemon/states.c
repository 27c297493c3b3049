/* A list, most recently used first. It holds tens of prompts, not thousands: comparing with each costs less than
 * looking up one span. */
#include "daemon/states.h"

#include <string.h>

#include "proto/alloc.h"

#define WORTH_REMINDING 8 /* spans that are not mixed again, at least, for going on inside a segment */

struct state {
    struct state *next;
    struct lt_sequence *sequence;
    size_t count;             /* spans of the prompt */
    size_t segment;           /* of them in its last segment */
    struct lt_span_key *keys; /* [count] */
    uint8_t *starts;          /* [count] */
    uint64_t bytes;
};

struct lt_states {
    struct state *first;
    uint64_t bytes, budget;
    uint64_t age; /* how often they were cleared */
};

int lt_states_create(uint64_t budget, struct lt_states **ret_states)
{
    struct lt_states *states = lt_calloc(1, sizeof *states);
    if (!states)
        return LT_ENOMEM;
    states->budget = budget;
    *ret_states = states;
    return LT_OK;
}

static void free_state(struct state *state)
{
    lt_sequence_destroy(state->sequence);
    lt_free(state->keys);
    lt_free(state->starts);
    lt_free(state);
}

/* Takes the state that `link` points to out of the list. */
static struct state *unlink_state(struct lt_states *states, struct state **link)
{
    struct state *state = *link;
    *link = state->next;
    states->bytes -= state->bytes;
    return state;
}

static void push_state(struct lt_states *states, struct state *state)
{
    state->next = states->first;
    states->first = state;
    states->bytes += state->bytes;
}

void lt_states_clear(struct lt_states *states)
{
    states->age++;
    while (states->first)
        free_state(unlink_state(states, &states->first));
}

void lt_states_destroy(struct lt_states *states)
{
    if (!states)
        return;
    lt_states_clear(states);
    lt_free(states);
}

/* Spans that a state and a prompt have in common from the beginning on. */
static size_t common(const struct state *state, const struct lt_cache_span *spans, const uint8_t *starts, size_t count)
{
    size_t same = 0;
    while (same < count && same < state->count && starts[same] == state->starts[same] &&
           memcmp(&spans[same].key, &state->keys[same], sizeof spans[same].key) == 0)
        same++;
    return same;
}

/* Of the `known` spans that a prompt begins with, how many stand in the segment that goes on behind them. */
static size_t in_open_segment(const uint8_t *starts, size_t known, size_t count)
{
    size_t spans = 0;
    if (known == 0 || (known < count && starts[known]))
        return 0;
    while (!starts[known - spans - 1])
        spans++;
    return spans + 1;
}

/* Where a prompt goes on from a state: behind all that they have in common, unless a segment begins hardly before it,
 * where the refiner need not be reminded of anything. */
static size_t usable(const struct state *state, const struct lt_cache_span *spans, const uint8_t *starts, size_t count)
{
    size_t same = common(state, spans, starts, count), boundary = same;
    if (same == state->count)
        return same;
    while (boundary > 0 && (boundary == count || !starts[boundary]))
        boundary--;
    return same - boundary >= WORTH_REMINDING ? same : boundary;
}

/* The state that most of the prompt can go on from, moved to the front; NULL if there is none. */
static struct state *find(struct lt_states *states, const struct lt_cache_span *spans, const uint8_t *starts,
                          size_t count, size_t *ret_spans)
{
    struct state **best = NULL;
    *ret_spans = 0;
    for (struct state **link = &states->first; *link; link = &(*link)->next) {
        size_t spans_usable = usable(*link, spans, starts, count);
        if (spans_usable > *ret_spans) {
            *ret_spans = spans_usable;
            best = link;
        }
    }
    if (!best)
        return NULL;
    struct state *state = unlink_state(states, best);
    push_state(states, state);
    return state;
}

int lt_states_begin(struct lt_states *states, const struct lt_model *model, const struct lt_cache_span *spans,
                    const uint8_t *starts, size_t count, size_t answer, float *logits,
                    struct lt_beginning *ret_beginning)
{
    struct lt_sequence *sequence = NULL;
    size_t known;
    const struct state *state = find(states, spans, starts, count, &known);
    int code = lt_sequence_create(model, 0, &sequence);
    if (code == LT_OK && state)
        code = lt_sequence_copy(sequence, state->sequence, known, known == state->count ? state->segment : 0);
    if (code == LT_OK)
        code = lt_sequence_reserve(sequence, count + answer, answer);
    if (code) {
        lt_sequence_destroy(sequence);
        return code;
    }
    size_t open = state && known == state->count ? 0 : in_open_segment(starts, known, count);
    bool resumed = state && known == count && lt_sequence_resume(sequence, state->sequence, logits);
    *ret_beginning = (struct lt_beginning){
        .sequence = sequence, .spans = known, .age = states->age, .forgotten = open, .resumed = resumed};
    return LT_OK;
}

/* Drops what the new prompt begins with as a whole: it serves no prompt that the new one does not serve as well. */
static void drop_covered(struct lt_states *states, const struct lt_cache_span *spans, const uint8_t *starts,
                         size_t count)
{
    for (struct state **link = &states->first; *link;) {
        if (common(*link, spans, starts, count) == (*link)->count)
            free_state(unlink_state(states, link));
        else
            link = &(*link)->next;
    }
}

static void drop_oldest(struct lt_states *states)
{
    struct state **link = &states->first;
    while ((*link)->next)
        link = &(*link)->next;
    free_state(unlink_state(states, link));
}

/* A state without a sequence, with room for the keys of its spans. */
static struct state *create_state(size_t count)
{
    struct state *state = lt_calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->count = count;
    state->keys = lt_malloc(count * sizeof *state->keys);
    state->starts = lt_malloc(count);
    if (!state->keys || !state->starts) {
        free_state(state);
        return NULL;
    }
    return state;
}

/* Hands the state its sequence. */
static void complete(struct state *state, struct lt_sequence *sequence)
{
    state->sequence = sequence;
    state->bytes = lt_sequence_bytes(sequence) + state->count * (sizeof *state->keys + 1) + sizeof *state;
}

void lt_states_keep(struct lt_states *states, const struct lt_cache_span *spans, const uint8_t *starts, size_t count,
                    uint64_t age, struct lt_sequence *sequence)
{
    struct state *state = count > 0 && age == states->age ? create_state(count) : NULL;
    if (!state) {
        lt_sequence_destroy(sequence);
        return;
    }
    complete(state, sequence);
    if (state->bytes > states->budget) {
        free_state(state);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        state->keys[i] = spans[i].key;
        state->starts[i] = starts[i];
        state->segment = starts[i] ? 1 : state->segment + 1;
    }
    drop_covered(states, spans, starts, count);
    while (states->bytes + state->bytes > states->budget)
        drop_oldest(states);
    push_state(states, state);
}

/* --- images --- */

size_t lt_states_count(const struct lt_states *states)
{
    size_t count = 0;
    for (const struct state *state = states->first; state; state = state->next)
        count++;
    return count;
}

static int write_state(const struct state *state, const struct lt_sequence *const *before, size_t count,
                       lt_image_put put, void *context)
{
    const uint32_t numbers[2] = {(uint32_t)state->count, (uint32_t)state->segment};
    int code = put(context, numbers, sizeof numbers);
    if (code == LT_OK)
        code = put(context, state->keys, state->count * sizeof *state->keys);
    if (code == LT_OK)
        code = put(context, state->starts, state->count);
    return code ? code : lt_sequence_write(state->sequence, state->count, state->segment, before, count, put, context);
}

int lt_states_write(const struct lt_states *states, lt_image_put put, void *context)
{
    size_t count = lt_states_count(states), written = 0;
    const uint32_t number = (uint32_t)count;
    const struct lt_sequence **sequences = lt_malloc((count + 1) * sizeof *sequences);
    int code = sequences ? put(context, &number, sizeof number) : LT_ENOMEM;
    for (const struct state *state = states->first; code == LT_OK && state; state = state->next) {
        code = write_state(state, sequences, written, put, context);
        sequences[written++] = state->sequence;
    }
    lt_free(sequences);
    return code;
}

/* LT_ECORRUPT, LT_ENOMEM. */
static int read_state(const struct lt_model *model, const struct lt_sequence *const *before, size_t count,
                      struct lt_image *image, struct state **ret_state)
{
    uint32_t spans, segment;
    int code = lt_image_take_u32(image, &spans);
    if (code == LT_OK)
        code = lt_image_take_u32(image, &segment);
    if (code)
        return code;
    const uint8_t *keys = lt_image_take(image, (size_t)spans * sizeof(struct lt_span_key));
    const uint8_t *starts = lt_image_take(image, spans);
    if (!keys || !starts || spans == 0)
        return LT_ECORRUPT;
    struct state *state = create_state(spans);
    struct lt_sequence *sequence;
    code = state ? lt_sequence_read(model, before, count, image, &sequence) : LT_ENOMEM;
    if (code) {
        if (state)
            free_state(state);
        return code;
    }
    memcpy(state->keys, keys, spans * sizeof *state->keys);
    memcpy(state->starts, starts, spans);
    state->segment = segment;
    complete(state, sequence);
    if (lt_sequence_spans(sequence) == spans && lt_sequence_segment(sequence) == segment) {
        *ret_state = state;
        return LT_OK;
    }
    free_state(state);
    return LT_ECORRUPT;
}

int lt_states_read(struct lt_states *states, const struct lt_model *model, struct lt_image *image)
{
    uint32_t count;
    int code = lt_image_take_u32(image, &count);
    if (code == LT_OK && count > image->left) /* each takes more than a byte */
        code = LT_ECORRUPT;
    if (code)
        return code;
    const struct lt_sequence **sequences = lt_malloc(((size_t)count + 1) * sizeof *sequences);
    struct state **link = &states->first, *state;
    code = sequences ? LT_OK : LT_ENOMEM;
    for (size_t i = 0; code == LT_OK && i < count; i++) {
        code = read_state(model, sequences, i, image, &state);
        if (code)
            break;
        if (states->bytes + state->bytes > states->budget) {
            free_state(state);
            break;
        }
        sequences[i] = state->sequence;
        states->bytes += state->bytes;
        *link = state;
        link = &state->next;
    }
    lt_free(sequences);
    return code;
}
