/* The cases of tests/vectors' tiny model, ready to be run: for tests of the forward pass. */
#ifndef LT_TESTS_SAMPLE_H
#define LT_TESTS_SAMPLE_H

#include <string.h>

#include "kernels/half.h"
#include "kernels/islet.h"
#include "proto/alloc.h"
#include "proto/error.h"
#include "vectors.h"

/* One case of a vector file: a prompt with its continuation behind it, and all spans of both. */
struct sample {
    const struct lt_model *model;
    uint32_t *tokens;
    size_t prompt;
    size_t count;
    uint32_t *ends;
    size_t spans;
    uint8_t *starts;
    uint32_t *closed; /* [count] spans closed once that token was read */
    float *expected_latents;
    float *expected_logits;
    float *latents; /* as encoded */
    float *stored;  /* rounded to f16 and widened again */
};

static inline void find_starts(struct sample *sample, const json_t *lengths)
{
    sample->starts = calloc(sample->spans, 1);
    size_t segment_start = 0, segment = 0;
    for (size_t span = 0, start = 0; span < sample->spans; start = sample->ends[span++])
        if (segment < json_array_size(lengths) && start == segment_start) {
            sample->starts[span] = 1;
            segment_start += (size_t)json_integer_value(json_array_get(lengths, segment++));
        }
    assert_int_equal(segment, json_array_size(lengths));
}

static inline void encode_sample(struct sample *sample)
{
    size_t width = lt_model_shape(sample->model)->width;
    struct lt_workspace *workspace;
    struct lt_encode_item *items = calloc(sample->spans, sizeof *items);
    uint16_t *halves = malloc(sample->spans * width * sizeof *halves);
    sample->latents = malloc(sample->spans * width * sizeof(float));
    sample->stored = malloc(sample->spans * width * sizeof(float));
    assert_int_equal(lt_workspace_create(sample->model, &workspace), LT_OK);
    for (size_t span = 0, start = 0; span < sample->spans; start = sample->ends[span++])
        items[span] = (struct lt_encode_item){
            .tokens = sample->tokens + start,
            .count = sample->ends[span] - (uint32_t)start,
            .latent = sample->latents + span * width,
        };
    assert_int_equal(lt_encode(workspace, items, sample->spans), LT_OK);
    lt_half_from_float(sample->latents, sample->spans * width, halves);
    lt_float_from_half(halves, sample->spans * width, sample->stored);
    lt_workspace_destroy(workspace);
    free(items);
    free(halves);
}

static inline struct sample load_sample(const struct lt_model *model, const json_t *entry)
{
    struct sample sample = {.model = model};
    const struct lt_model_shape *shape = lt_model_shape(model);
    size_t more;
    uint32_t *continuation = vectors_numbers(json_object_get(entry, "continuation"), &more);
    sample.tokens = vectors_numbers(json_object_get(entry, "tokens"), &sample.prompt);
    sample.count = sample.prompt + more;
    sample.tokens = realloc(sample.tokens, sample.count * sizeof *sample.tokens);
    memcpy(sample.tokens + sample.prompt, continuation, more * sizeof *continuation);
    free(continuation);
    sample.ends = vectors_numbers(json_object_get(entry, "span_ends"), &sample.spans);
    find_starts(&sample, json_object_get(entry, "segment_lengths"));
    sample.closed = calloc(sample.count, sizeof *sample.closed);
    for (uint32_t t = 0, span = 0; t < sample.count; t++) {
        while (span < sample.spans && sample.ends[span] <= t + 1)
            span++;
        sample.closed[t] = span;
    }
    sample.expected_latents = vectors_floats(json_object_get(entry, "latents"), sample.spans * shape->width);
    sample.expected_logits = vectors_floats(json_object_get(entry, "logits"), (more + 1) * shape->vocabulary);
    encode_sample(&sample);
    return sample;
}

static inline void free_sample(struct sample *sample)
{
    free(sample->tokens);
    free(sample->ends);
    free(sample->starts);
    free(sample->closed);
    free(sample->expected_latents);
    free(sample->expected_logits);
    free(sample->latents);
    free(sample->stored);
}

/* Mixes spans from..to-1 of a sample into a sequence. */
static inline void mix(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample,
                       size_t from, size_t to)
{
    size_t width = lt_model_shape(sample->model)->width;
    struct lt_mix_item item = {
        .sequence = sequence,
        .latents = sample->stored + from * width,
        .starts = sample->starts + from,
        .count = to - from,
    };
    assert_int_equal(lt_mix(workspace, &item, 1), LT_OK);
    assert_int_equal(lt_sequence_spans(sequence), to);
}

static inline void decode(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample,
                          size_t from, size_t to, float *logits)
{
    struct lt_decode_item item = {
        .sequence = sequence,
        .tokens = sample->tokens + from,
        .closed = sample->closed + from,
        .count = to - from,
        .logits = logits,
    };
    assert_int_equal(lt_decode(workspace, &item, 1), LT_OK);
}

/* The tiny model with its samples, for cmocka's setup and teardown. */
struct fixture {
    json_t *root;
    struct lt_model *model;
    struct sample samples[3];
};

static inline int open_model(void **state, enum lt_precision precision)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->root = vectors_json("tiny.json");
    fixture->model = vectors_model(fixture->root, precision);
    for (size_t i = 0; i < 3; i++)
        fixture->samples[i] = load_sample(fixture->model, json_array_get(json_object_get(fixture->root, "cases"), i));
    *state = fixture;
    return 0;
}

static inline int open_stored(void **state)
{
    return open_model(state, LT_PRECISION_STORED);
}

static inline int open_int8(void **state)
{
    return open_model(state, LT_PRECISION_INT8);
}

static inline int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    lt_alloc_fail_at(0);
    for (size_t i = 0; i < 3; i++)
        free_sample(&fixture->samples[i]);
    lt_model_close(fixture->model);
    json_decref(fixture->root);
    free(fixture);
    return 0;
}

/* A test with weights as stored, and the same with int8. */
#define WITH_BOTH(test)                                                                                                \
    cmocka_unit_test_setup_teardown(test, open_stored, close_fixture),                                                 \
        cmocka_unit_test_setup_teardown(test, open_int8, close_fixture)

#endif
