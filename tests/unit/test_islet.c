/* The forward pass against PyTorch's numbers, and what the daemon relies on: a result does not depend on company, on
 * how a prompt is cut into calls, or on memory running out in between. */
#include <math.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/islet.h"
#include "kernels/spans.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "vectors.h"

#define TOLERANCE 1e-3

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

static void find_starts(struct sample *sample, const json_t *lengths)
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

static void encode_sample(struct sample *sample)
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

static struct sample load_sample(const struct lt_model *model, const json_t *entry)
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

static void free_sample(struct sample *sample)
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
static void mix(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample, size_t from,
                size_t to)
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

static void decode(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample,
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

/* Logits after the prompt and after each token of the continuation, as the daemon gets them: prompt at once, or only
 * the part of it that reaches the end; then token by token, spans mixed as they close. */
static float *run_sample(const struct sample *sample, bool whole_prompt)
{
    size_t vocabulary = lt_model_shape(sample->model)->vocabulary, reach = lt_decode_reach(sample->model);
    size_t mixed = sample->closed[sample->prompt - 1];
    size_t from = whole_prompt || sample->prompt < reach ? 0 : sample->prompt - reach;
    float *logits = malloc((sample->count - sample->prompt + 1) * vocabulary * sizeof *logits), *at = logits;
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    assert_int_equal(lt_workspace_create(sample->model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(sample->model, mixed, &sequence), LT_OK);
    mix(workspace, sequence, sample, 0, mixed);
    decode(workspace, sequence, sample, from, sample->prompt, at);
    for (size_t t = sample->prompt; t < sample->count; t++) {
        if (sample->closed[t] > mixed) {
            mix(workspace, sequence, sample, mixed, sample->closed[t]);
            mixed = sample->closed[t];
        }
        at += vocabulary;
        decode(workspace, sequence, sample, t, t + 1, at);
    }
    lt_sequence_destroy(sequence);
    lt_workspace_destroy(workspace);
    return logits;
}

static void check_vectors(const char *name)
{
    json_t *root = vectors_json(name), *entry;
    struct lt_model *model = vectors_model(root);
    size_t i;
    if (!model) {
        json_decref(root);
        skip();
    }
    const struct lt_model_shape *shape = lt_model_shape(model);
    assert_true(json_array_size(json_object_get(root, "cases")) > 0);
    json_array_foreach(json_object_get(root, "cases"), i, entry)
    {
        struct sample sample = load_sample(model, entry);
        size_t numbers = (sample.count - sample.prompt + 1) * shape->vocabulary;
        double latents = vectors_difference(sample.latents, sample.expected_latents, sample.spans * shape->width);
        float *whole = run_sample(&sample, true), *reach = run_sample(&sample, false);
        double logits = vectors_difference(whole, sample.expected_logits, numbers);
        double from_reach = vectors_difference(whole, reach, numbers);
        print_message("%s, case %zu: differs by %.2g in latents, %.2g in logits; a prompt from its reach on by %.2g\n",
                      name, i, latents, logits, from_reach);
        assert_true(latents <= TOLERANCE);
        assert_true(logits <= TOLERANCE);
        assert_true(from_reach <= 1e-4);
        free(whole);
        free(reach);
        free_sample(&sample);
    }
    lt_model_close(model);
    json_decref(root);
}

static void test_equals_pytorch_on_a_random_model(void **state)
{
    (void)state;
    check_vectors("tiny.json");
}

static void test_equals_pytorch_on_the_shipped_model(void **state)
{
    (void)state;
    check_vectors("shipped.json");
}

/* --- company --- */

struct fixture {
    json_t *root;
    struct lt_model *model;
    struct sample samples[3];
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->root = vectors_json("tiny.json");
    fixture->model = vectors_model(fixture->root);
    for (size_t i = 0; i < 3; i++)
        fixture->samples[i] = load_sample(fixture->model, json_array_get(json_object_get(fixture->root, "cases"), i));
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
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

static void test_a_span_encodes_the_same_alone(void **state)
{
    struct fixture *fixture = *state;
    size_t width = lt_model_shape(fixture->model)->width;
    float *alone = malloc(width * sizeof *alone);
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct sample *sample = &fixture->samples[i];
        for (size_t span = 0, start = 0; span < sample->spans; start = sample->ends[span++]) {
            struct lt_encode_item item = {
                .tokens = sample->tokens + start,
                .count = sample->ends[span] - (uint32_t)start,
                .latent = alone,
            };
            assert_int_equal(lt_encode(workspace, &item, 1), LT_OK);
            assert_memory_equal(alone, sample->latents + span * width, width * sizeof *alone);
            assert_true(item.operations > 0);
        }
    }
    lt_workspace_destroy(workspace);
    free(alone);
}

/* The logits after a sample's last token, fed to a sequence that has mixed all of its spans. */
static float *last_logits(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample)
{
    float *logits = malloc(lt_model_shape(sample->model)->vocabulary * sizeof *logits);
    decode(workspace, sequence, sample, 0, sample->count, logits);
    return logits;
}

static size_t spans_in_segment(const struct sample *sample, size_t spans)
{
    size_t segment = 0;
    for (size_t i = 0; i < spans; i++)
        segment = sample->starts[i] ? 1 : segment + 1;
    return segment;
}

static void test_a_marked_sequence_is_gone_back_to(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *sample = &fixture->samples[0];
    size_t vocabulary = lt_model_shape(fixture->model)->vocabulary;
    struct lt_workspace *workspace;
    struct lt_sequence *sequence, *other;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
    mix(workspace, sequence, sample, 0, sample->spans);
    float *expected = last_logits(workspace, sequence, sample), *logits = malloc(vocabulary * sizeof *logits);
    assert_false(lt_sequence_resume(sequence, sequence, logits));
    assert_int_equal(lt_sequence_mark(sequence, expected), LT_OK);
    free(last_logits(workspace, sequence, sample)); /* goes on, and so moves the window */

    size_t segment = spans_in_segment(sample, sample->spans);
    lt_sequence_truncate(sequence, sample->spans - 1, segment - 1);
    assert_false(lt_sequence_resume(sequence, sequence, logits));
    lt_sequence_truncate(sequence, sample->spans, segment);
    assert_true(lt_sequence_resume(sequence, sequence, logits));
    assert_memory_equal(logits, expected, vocabulary * sizeof *logits);

    assert_int_equal(lt_sequence_create(fixture->model, 0, &other), LT_OK);
    assert_int_equal(lt_sequence_copy(other, sequence, sample->spans, segment), LT_OK);
    assert_true(lt_sequence_resume(other, sequence, logits));
    uint32_t token = 5, closed = (uint32_t)sample->spans;
    float *next = malloc(2 * vocabulary * sizeof *next);
    struct lt_decode_item items[] = {
        {.sequence = sequence, .tokens = &token, .closed = &closed, .count = 1, .logits = next},
        {.sequence = other, .tokens = &token, .closed = &closed, .count = 1, .logits = next + vocabulary},
    };
    assert_int_equal(lt_decode(workspace, items, 2), LT_OK);
    assert_memory_equal(next, next + vocabulary, vocabulary * sizeof *next);
    free(next);
    free(logits);
    free(expected);
    lt_sequence_destroy(other);
    lt_sequence_destroy(sequence);
    lt_workspace_destroy(workspace);
}

static void test_a_copied_sequence_goes_on_the_same(void **state)
{
    struct fixture *fixture = *state;
    size_t logit_bytes = lt_model_shape(fixture->model)->vocabulary * sizeof(float);
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct sample *sample = &fixture->samples[i];
        struct lt_sequence *whole;
        assert_int_equal(lt_sequence_create(fixture->model, 0, &whole), LT_OK);
        mix(workspace, whole, sample, 0, sample->spans);
        for (size_t spans = 1; spans <= sample->spans; spans++) {
            /* What a sequence has begun since is not in its refiner any more. */
            if (spans < sample->spans && !sample->starts[spans] &&
                spans_in_segment(sample, spans) + sample->spans - spans != spans_in_segment(sample, sample->spans))
                continue;
            struct lt_sequence *copy;
            assert_int_equal(lt_sequence_create(fixture->model, 0, &copy), LT_OK);
            assert_int_equal(lt_sequence_copy(copy, whole, spans, spans_in_segment(sample, spans)), LT_OK);
            assert_int_equal(lt_sequence_spans(copy), spans);
            if (spans < sample->spans)
                mix(workspace, copy, sample, spans, sample->spans);
            struct lt_sequence *fresh;
            assert_int_equal(lt_sequence_create(fixture->model, 0, &fresh), LT_OK);
            mix(workspace, fresh, sample, 0, sample->spans);
            float *expected = last_logits(workspace, fresh, sample), *logits = last_logits(workspace, copy, sample);
            assert_memory_equal(logits, expected, logit_bytes);
            free(expected);
            free(logits);
            lt_sequence_destroy(fresh);
            lt_sequence_destroy(copy);
        }
        assert_true(lt_sequence_bytes(whole) > sample->spans * sizeof(float));
        lt_sequence_destroy(whole);
    }
    lt_workspace_destroy(workspace);
}

static void test_many_spans_pass_in_chunks(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *sample = &fixture->samples[2];
    size_t width = lt_model_shape(fixture->model)->width, count = 700;
    struct lt_encode_item *items = calloc(count, sizeof *items);
    float *latents = malloc(count * width * sizeof *latents);
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_workspace_set_threads(workspace, 3), LT_OK);
    for (size_t i = 0; i < count; i++) {
        size_t span = i * 7 % sample->spans, start = span ? sample->ends[span - 1] : 0;
        items[i] = (struct lt_encode_item){
            .tokens = sample->tokens + start,
            .count = sample->ends[span] - (uint32_t)start,
            .latent = latents + i * width,
        };
    }
    assert_int_equal(lt_encode(workspace, items, count), LT_OK);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(items[i].latent, sample->latents + i * 7 % sample->spans * width, width * sizeof *latents);
    lt_workspace_destroy(workspace);
    free(items);
    free(latents);
}

/* All samples side by side, in calls of `step` spans and tokens; the logits after the last token of each. */
static void run_together(const struct fixture *fixture, size_t step, float *logits[3])
{
    struct lt_workspace *workspace;
    struct lt_sequence *sequences[3];
    size_t width = lt_model_shape(fixture->model)->width, count;
    struct lt_mix_item mixes[3];
    struct lt_decode_item decodes[3];
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(lt_sequence_create(fixture->model, 0, &sequences[i]), LT_OK);
    for (size_t at = 0;; at += step) {
        count = 0;
        for (size_t i = 0; i < 3; i++) {
            const struct sample *sample = &fixture->samples[i];
            if (at < sample->spans)
                mixes[count++] = (struct lt_mix_item){
                    .sequence = sequences[i],
                    .latents = sample->stored + at * width,
                    .starts = sample->starts + at,
                    .count = sample->spans - at < step ? sample->spans - at : step,
                };
        }
        if (count == 0)
            break;
        assert_int_equal(lt_mix(workspace, mixes, count), LT_OK);
    }
    for (size_t at = 0;; at += step) {
        count = 0;
        for (size_t i = 0; i < 3; i++) {
            const struct sample *sample = &fixture->samples[i];
            if (at < sample->count)
                decodes[count++] = (struct lt_decode_item){
                    .sequence = sequences[i],
                    .tokens = sample->tokens + at,
                    .closed = sample->closed + at,
                    .count = sample->count - at < step ? sample->count - at : step,
                    .logits = at + step >= sample->count ? logits[i] : NULL,
                };
        }
        if (count == 0)
            break;
        assert_int_equal(lt_decode(workspace, decodes, count), LT_OK);
    }
    for (size_t i = 0; i < 3; i++)
        lt_sequence_destroy(sequences[i]);
    lt_workspace_destroy(workspace);
}

static void test_company_and_steps_change_no_bit(void **state)
{
    struct fixture *fixture = *state;
    size_t vocabulary = lt_model_shape(fixture->model)->vocabulary;
    for (size_t step = 1; step <= 500; step = step * 3 + 1) {
        float *together[3];
        for (size_t i = 0; i < 3; i++)
            together[i] = calloc(vocabulary, sizeof(float));
        run_together(fixture, step, together);
        for (size_t i = 0; i < 3; i++) {
            const struct sample *sample = &fixture->samples[i];
            float *alone = run_sample(sample, true);
            assert_memory_equal(together[i], alone + (sample->count - sample->prompt) * vocabulary,
                                vocabulary * sizeof(float));
            free(alone);
            free(together[i]);
        }
    }
}

static void test_refuses_what_does_not_exist(void **state)
{
    struct fixture *fixture = *state;
    const struct lt_model_shape *shape = lt_model_shape(fixture->model);
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    uint32_t token = shape->vocabulary, known = 0, closed = 1;
    float *numbers = malloc(shape->vocabulary * sizeof *numbers);
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
    struct lt_encode_item encode = {.tokens = &token, .count = 1, .latent = numbers};
    assert_int_equal(lt_encode(workspace, &encode, 1), LT_EINTERNAL);
    encode.count = 0;
    assert_int_equal(lt_encode(workspace, &encode, 1), LT_EINTERNAL);
    struct lt_decode_item decode_item = {
        .sequence = sequence, .tokens = &known, .closed = &closed, .count = 1, .logits = numbers};
    assert_int_equal(lt_decode(workspace, &decode_item, 1), LT_EINTERNAL);
    lt_sequence_destroy(sequence);
    lt_workspace_destroy(workspace);
    free(numbers);
}

/* --- memory --- */

/* Opens the model and runs one sample; the first failure ends it. */
static int run_once(const char *path, const struct sample *sample)
{
    struct lt_model *model = NULL;
    struct lt_workspace *workspace = NULL;
    struct lt_sequence *sequence = NULL;
    struct lt_error error;
    size_t width = lt_model_shape(sample->model)->width;
    float *logits = malloc(lt_model_shape(sample->model)->vocabulary * sizeof *logits);
    float *latent = malloc(width * sizeof *latent);
    int rc = lt_model_open(path, &model, &error);
    if (rc == LT_OK)
        rc = lt_workspace_create(model, &workspace);
    if (rc == LT_OK)
        rc = lt_sequence_create(model, 1, &sequence);
    struct lt_encode_item encode = {.tokens = sample->tokens, .count = 1, .latent = latent};
    if (rc == LT_OK)
        rc = lt_encode(workspace, &encode, 1);
    struct lt_mix_item item = {
        .sequence = sequence, .latents = sample->stored, .starts = sample->starts, .count = sample->spans};
    if (rc == LT_OK) {
        rc = lt_mix(workspace, &item, 1);
        assert_int_equal(lt_sequence_spans(sequence), rc == LT_OK ? sample->spans : 0);
    }
    struct lt_decode_item step = {.sequence = sequence,
                                  .tokens = sample->tokens,
                                  .closed = sample->closed,
                                  .count = sample->count,
                                  .logits = logits};
    if (rc == LT_OK)
        rc = lt_decode(workspace, &step, 1);
    lt_sequence_destroy(sequence);
    lt_workspace_destroy(workspace);
    lt_model_close(model);
    free(logits);
    free(latent);
    return rc;
}

static void test_every_allocation_may_fail(void **state)
{
    struct fixture *fixture = *state;
    const char *path = lt_model_path(fixture->model);
    size_t number = 1;
    for (;; number++) {
        lt_alloc_fail_at(number);
        int rc = run_once(path, &fixture->samples[2]);
        if (rc == LT_OK)
            break;
        assert_int_equal(rc, LT_ENOMEM);
    }
    lt_alloc_fail_at(0);
    assert_true(number > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_pytorch_on_a_random_model),
        cmocka_unit_test(test_equals_pytorch_on_the_shipped_model),
        cmocka_unit_test_setup_teardown(test_a_span_encodes_the_same_alone, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_marked_sequence_is_gone_back_to, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_copied_sequence_goes_on_the_same, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_many_spans_pass_in_chunks, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_company_and_steps_change_no_bit, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_refuses_what_does_not_exist, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
