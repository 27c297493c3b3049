/* Stored refinement: whatever part of it is given, the same numbers are mixed, to the last bit, for fewer operations.
 */
#include "sample.h"

static size_t width_of(const struct sample *sample)
{
    return lt_model_shape(sample->model)->width;
}

/* Spans of the first segment. */
static size_t first_segment(const struct sample *sample)
{
    size_t count = 1;
    while (count < sample->spans && !sample->starts[count])
        count++;
    return count;
}

/* Refines the first segment in calls of `slice` spans, the first `known` of them being given. */
static uint64_t refine(struct lt_workspace *workspace, const struct sample *sample, size_t slice, size_t known,
                       float *refined)
{
    size_t count = first_segment(sample), width = width_of(sample);
    uint64_t operations = 0;
    struct lt_sequence *sequence;
    assert_int_equal(lt_sequence_create(sample->model, count, &sequence), LT_OK);
    for (size_t done = 0; done < count; done += slice) {
        size_t now = count - done < slice ? count - done : slice, given = known > done ? known - done : 0;
        struct lt_refine_item item = {.sequence = sequence,
                                      .latents = sample->stored + done * width,
                                      .count = now,
                                      .known = given < now ? given : now,
                                      .refined = refined + done * width};
        assert_int_equal(lt_refine(workspace, &item), LT_OK);
        operations += item.operations;
    }
    lt_sequence_destroy(sequence);
    return operations;
}

/* Logits after the prompt's first token behind all spans, with `known` spans of the first segment given. */
static float *logits_with(struct lt_workspace *workspace, const struct sample *sample, const float *refined,
                          size_t known, struct lt_mix_item *ret_item)
{
    size_t segment = first_segment(sample);
    uint8_t *refining = calloc(sample->spans, 1);
    memset(refining, known == segment ? LT_REFINE_NOTHING : LT_REFINE_KEYS, known);
    struct lt_sequence *sequence;
    assert_int_equal(lt_sequence_create(sample->model, 0, &sequence), LT_OK);
    struct lt_mix_item item = {.sequence = sequence,
                               .latents = sample->stored,
                               .starts = sample->starts,
                               .count = sample->spans,
                               .refining = refining,
                               .refined = refined};
    assert_int_equal(lt_mix(workspace, &item, 1), LT_OK);
    float *logits = malloc(lt_model_shape(sample->model)->vocabulary * sizeof *logits);
    decode(workspace, sequence, sample, 0, sample->count, logits);
    lt_sequence_destroy(sequence);
    free(refining);
    *ret_item = item;
    return logits;
}

/* The same as nobody would do it who knows of refinement. */
static float *plain_logits(struct lt_workspace *workspace, const struct sample *sample)
{
    struct lt_sequence *sequence;
    assert_int_equal(lt_sequence_create(sample->model, 0, &sequence), LT_OK);
    mix(workspace, sequence, sample, 0, sample->spans);
    float *logits = malloc(lt_model_shape(sample->model)->vocabulary * sizeof *logits);
    decode(workspace, sequence, sample, 0, sample->count, logits);
    lt_sequence_destroy(sequence);
    return logits;
}

static void test_slices_refine_alike(void **state)
{
    struct fixture *fixture = *state;
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct sample *sample = &fixture->samples[i];
        size_t count = first_segment(sample), numbers = count * width_of(sample);
        float *whole = malloc(numbers * sizeof *whole), *sliced = malloc(numbers * sizeof *sliced);
        uint64_t operations = refine(workspace, sample, count, 0, whole);
        for (size_t slice = 1; slice < count; slice++) {
            memset(sliced, 0, numbers * sizeof *sliced);
            assert_int_equal(refine(workspace, sample, slice, 0, sliced), operations);
            assert_memory_equal(sliced, whole, numbers * sizeof *whole);
        }
        for (size_t known = 1; known < count; known++) { /* only what is behind the known spans is written */
            memcpy(sliced, whole, known * width_of(sample) * sizeof *whole);
            memset(sliced + known * width_of(sample), 0, (count - known) * width_of(sample) * sizeof *whole);
            assert_true(refine(workspace, sample, 2, known, sliced) < operations);
            assert_memory_equal(sliced, whole, numbers * sizeof *whole);
        }
        free(whole);
        free(sliced);
    }
    lt_workspace_destroy(workspace);
}

static void test_what_is_given_changes_no_bit(void **state)
{
    struct fixture *fixture = *state;
    const struct lt_model_shape *shape = lt_model_shape(fixture->model);
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct sample *sample = &fixture->samples[i];
        size_t count = first_segment(sample);
        float *refined = malloc(sample->spans * width_of(sample) * sizeof *refined);
        uint64_t segment_operations = refine(workspace, sample, count, 0, refined);
        struct lt_mix_item without, item;
        float *expected = plain_logits(workspace, sample);
        free(logits_with(workspace, sample, NULL, 0, &without));
        assert_int_equal(without.saved_operations, 0);
        for (size_t known = 1; known <= count; known++) {
            float *logits = logits_with(workspace, sample, refined, known, &item);
            assert_memory_equal(logits, expected, shape->vocabulary * sizeof *logits);
            assert_int_equal(item.refine_operations + item.saved_operations, without.refine_operations);
            assert_true(item.saved_operations > 0);
            assert_int_equal(item.mix_operations, without.mix_operations);
            free(logits);
        }
        assert_int_equal(item.saved_operations, segment_operations);
        free(expected);
        free(refined);
    }
    lt_workspace_destroy(workspace);
}

/* Two prompts of one call, of which one has a refined segment. */
static void test_company_changes_no_bit(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *one = &fixture->samples[0], *other = &fixture->samples[1];
    size_t bytes = lt_model_shape(fixture->model)->vocabulary * sizeof(float);
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    float *refined = malloc(one->spans * width_of(one) * sizeof *refined);
    refine(workspace, one, first_segment(one), 0, refined);
    uint8_t *refining = calloc(one->spans, 1);
    memset(refining, LT_REFINE_NOTHING, first_segment(one));
    float *expected[2] = {plain_logits(workspace, one), plain_logits(workspace, other)};
    struct lt_mix_item items[2] = {
        {.latents = one->stored, .starts = one->starts, .count = one->spans, .refining = refining, .refined = refined},
        {.latents = other->stored, .starts = other->starts, .count = other->spans},
    };
    for (int i = 0; i < 2; i++)
        assert_int_equal(lt_sequence_create(fixture->model, 0, &items[i].sequence), LT_OK);
    assert_int_equal(lt_mix(workspace, items, 2), LT_OK);
    for (int i = 0; i < 2; i++) {
        float *logits = malloc(bytes);
        const struct sample *sample = &fixture->samples[i];
        decode(workspace, items[i].sequence, sample, 0, sample->count, logits);
        assert_memory_equal(logits, expected[i], bytes);
        lt_sequence_destroy(items[i].sequence);
        free(logits);
        free(expected[i]);
    }
    free(refining);
    free(refined);
    lt_workspace_destroy(workspace);
}

/* Each segment of a prompt has a part that is given: the segments take turns in the refiner's memory. */
static void test_every_segment_may_have_its_part(void **state)
{
    struct fixture *fixture = *state;
    size_t bytes = lt_model_shape(fixture->model)->vocabulary * sizeof(float), segments = 0;
    struct lt_workspace *workspace;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct sample *sample = &fixture->samples[i];
        size_t width = width_of(sample);
        float *refined = malloc(sample->spans * width * sizeof *refined);
        uint8_t *refining = calloc(sample->spans, 1);
        for (size_t begin = 0, end; begin < sample->spans; begin = end, segments++) {
            struct lt_sequence *sequence;
            for (end = begin + 1; end < sample->spans && !sample->starts[end];)
                end++;
            assert_int_equal(lt_sequence_create(sample->model, end - begin, &sequence), LT_OK);
            struct lt_refine_item item = {.sequence = sequence,
                                          .latents = sample->stored + begin * width,
                                          .count = end - begin,
                                          .refined = refined + begin * width};
            assert_int_equal(lt_refine(workspace, &item), LT_OK);
            memset(refining + begin, LT_REFINE_KEYS, (end - begin) / 2);
            lt_sequence_destroy(sequence);
        }
        struct lt_mix_item item = {.latents = sample->stored,
                                   .starts = sample->starts,
                                   .count = sample->spans,
                                   .refining = refining,
                                   .refined = refined};
        assert_int_equal(lt_sequence_create(sample->model, 0, &item.sequence), LT_OK);
        assert_int_equal(lt_mix(workspace, &item, 1), LT_OK);
        float *expected = plain_logits(workspace, sample), *logits = malloc(bytes);
        decode(workspace, item.sequence, sample, 0, sample->count, logits);
        assert_memory_equal(logits, expected, bytes);
        lt_sequence_destroy(item.sequence);
        free(expected);
        free(logits);
        free(refining);
        free(refined);
    }
    assert_true(segments > 4);
    lt_workspace_destroy(workspace);
}

int main(void)
{
#define WITH_BOTH(test)                                                                                                \
    cmocka_unit_test_setup_teardown(test, open_stored, close_fixture),                                                 \
        cmocka_unit_test_setup_teardown(test, open_int8, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_BOTH(test_slices_refine_alike),
        WITH_BOTH(test_what_is_given_changes_no_bit),
        WITH_BOTH(test_every_segment_may_have_its_part),
        WITH_BOTH(test_company_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
