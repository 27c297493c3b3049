/* Sequences that are copied, cut short, and gone back to. */
#include <string.h>

#include "sample.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_copied_sequence_goes_on_the_same, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_marked_sequence_is_gone_back_to, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
