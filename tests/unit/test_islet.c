/* The forward pass against PyTorch's numbers, with weights as stored and as int8, and what the daemon relies on: a
 * result does not depend on company, on how a prompt is cut into calls, or on memory running out in between. */
#include <math.h>
#include <string.h>

#include "kernels/islet.h"
#include "kernels/spans.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "sample.h"

#define TOLERANCE 1e-3   /* of latents, which are not rounded */
#define STORED_MOST 0.01 /* of logits: keys and values of spans are int8 */
#define INT8_MOST 0.04   /* and weights, too */

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

/* `most`: how far logits may be from PyTorch's, as a share of them. */
static void check_vectors(const char *name, enum lt_precision precision, double most)
{
    json_t *root = vectors_json(name), *entry;
    struct lt_model *model = vectors_model(root, precision);
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
        double logits = vectors_deviation(whole, sample.expected_logits, numbers);
        double from_reach = vectors_difference(whole, reach, numbers);
        print_message(
            "%s, case %zu: differs by %.2g in latents, %.2g %% in logits; a prompt from its reach on by %.2g\n", name,
            i, latents, 100 * logits, from_reach);
        assert_true(latents <= TOLERANCE);
        assert_true(logits <= most);
        assert_true(from_reach <= 1e-4);
        free(whole);
        free(reach);
        free_sample(&sample);
    }
    lt_model_close(model);
    json_decref(root);
}

static void test_is_near_pytorch_on_a_random_model(void **state)
{
    (void)state;
    check_vectors("tiny.json", LT_PRECISION_STORED, STORED_MOST);
    check_vectors("tiny.json", LT_PRECISION_INT8, INT8_MOST);
}

static void test_is_near_pytorch_on_the_shipped_model(void **state)
{
    (void)state;
    check_vectors("shipped.json", LT_PRECISION_STORED, STORED_MOST);
    check_vectors("shipped.json", LT_PRECISION_INT8, INT8_MOST);
}

/* --- company --- */

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

/* All samples side by side, on some threads, in calls of `step` spans and tokens; the logits after the last token of
 * each. */
static void run_together(const struct fixture *fixture, uint32_t threads, size_t step, float *logits[3])
{
    struct lt_workspace *workspace;
    struct lt_sequence *sequences[3];
    size_t width = lt_model_shape(fixture->model)->width, count;
    struct lt_mix_item mixes[3];
    struct lt_decode_item decodes[3];
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_workspace_set_threads(workspace, threads), LT_OK);
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
        run_together(fixture, step % 2 ? 1 : 3, step, together);
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
    int rc = lt_model_open(path, LT_PRECISION_INT8, &model, &error);
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
        cmocka_unit_test(test_is_near_pytorch_on_a_random_model),
        cmocka_unit_test(test_is_near_pytorch_on_the_shipped_model),
        WITH_BOTH(test_a_span_encodes_the_same_alone),
        WITH_BOTH(test_many_spans_pass_in_chunks),
        WITH_BOTH(test_company_and_steps_change_no_bit),
        WITH_BOTH(test_refuses_what_does_not_exist),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, open_int8, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
