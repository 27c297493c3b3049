/* Sequences that are copied, cut short, gone back to, and written down, sharing memory; and an answer allocates
 * nothing. */
#include "kernels/sequence_image.h"
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
    size_t vocabulary = lt_model_shape(fixture->model)->vocabulary, segment = spans_in_segment(sample, sample->spans);
    struct lt_workspace *workspace;
    struct lt_sequence *sequence, *same, *shorter;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
    mix(workspace, sequence, sample, 0, sample->spans);
    float *expected = last_logits(workspace, sequence, sample), *logits = malloc(vocabulary * sizeof *logits);
    assert_int_equal(lt_sequence_create(fixture->model, 0, &same), LT_OK);
    assert_int_equal(lt_sequence_copy(same, sequence, sample->spans, segment), LT_OK);
    assert_false(lt_sequence_resume(same, sequence, logits));
    assert_int_equal(lt_sequence_mark(sequence, expected), LT_OK);

    uint32_t token = 5, closed = (uint32_t)sample->spans;
    float *next = malloc(2 * vocabulary * sizeof *next);
    struct lt_decode_item item = {
        .sequence = sequence, .tokens = &token, .closed = &closed, .count = 1, .logits = next};
    assert_int_equal(lt_decode(workspace, &item, 1), LT_OK); /* goes on, and so moves the window */
    assert_true(lt_sequence_resume(same, sequence, logits));
    assert_memory_equal(logits, expected, vocabulary * sizeof *logits);
    item.sequence = same;
    item.logits = next + vocabulary;
    assert_int_equal(lt_decode(workspace, &item, 1), LT_OK);
    assert_memory_equal(next, next + vocabulary, vocabulary * sizeof *next);

    assert_int_equal(lt_sequence_create(fixture->model, 0, &shorter), LT_OK);
    assert_int_equal(lt_sequence_copy(shorter, sequence, sample->spans - 1, segment - 1), LT_OK);
    assert_false(lt_sequence_resume(shorter, sequence, logits));
    free(next);
    free(logits);
    free(expected);
    lt_sequence_destroy(shorter);
    lt_sequence_destroy(same);
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

/* Mixes latents of a sample's spans, over and over: those of number from..to-1. */
static void mix_many(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample,
                     size_t from, size_t to)
{
    size_t width = lt_model_shape(sample->model)->width;
    for (size_t i = from; i < to; i++) {
        const uint8_t start = i % 50 == 0;
        struct lt_mix_item item = {.sequence = sequence,
                                   .latents = sample->stored + i * i % sample->spans * width,
                                   .starts = &start,
                                   .count = 1};
        assert_int_equal(lt_mix(workspace, &item, 1), LT_OK);
    }
}

static float *logits_of_one(struct lt_workspace *workspace, struct lt_sequence *sequence, const struct sample *sample)
{
    uint32_t closed = (uint32_t)lt_sequence_spans(sequence);
    float *logits = malloc(lt_model_shape(sample->model)->vocabulary * sizeof *logits);
    struct lt_decode_item item = {
        .sequence = sequence, .tokens = sample->tokens, .closed = &closed, .count = 1, .logits = logits};
    assert_int_equal(lt_decode(workspace, &item, 1), LT_OK);
    return logits;
}

/* Copies share memory with what they were copied from; all go on in their own way, the original goes first. */
static void test_what_is_shared_stays_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *sample = &fixture->samples[2];
    static const size_t spans[] = {50, 64, 77, 96, 100};
    enum { COPIES = sizeof spans / sizeof *spans };
    struct lt_workspace *workspace;
    struct lt_sequence *whole, *copies[COPIES];
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(fixture->model, 0, &whole), LT_OK);
    mix_many(workspace, whole, sample, 0, 100);
    for (size_t i = 0; i < COPIES; i++) {
        assert_int_equal(lt_sequence_create(fixture->model, 8, &copies[i]), LT_OK);
        size_t segment = spans[i] == 100 ? 50 : spans[i] % 50;
        assert_int_equal(lt_sequence_copy(copies[i], whole, spans[i], segment), LT_OK);
    }
    mix_many(workspace, whole, sample, 101, 181); /* not what the copies go on with */
    lt_sequence_destroy(whole);
    for (size_t i = 0; i < COPIES; i++)
        mix_many(workspace, copies[i], sample, spans[i], 110 + i);
    for (size_t i = 0; i < COPIES; i++) {
        struct lt_sequence *fresh;
        assert_int_equal(lt_sequence_create(fixture->model, 0, &fresh), LT_OK);
        mix_many(workspace, fresh, sample, 0, 110 + i);
        float *expected = logits_of_one(workspace, fresh, sample);
        float *logits = logits_of_one(workspace, copies[i], sample);
        assert_memory_equal(logits, expected, lt_model_shape(fixture->model)->vocabulary * sizeof *logits);
        free(expected);
        free(logits);
        lt_sequence_destroy(fresh);
    }
    for (size_t i = 0; i < COPIES; i++)
        lt_sequence_destroy(copies[i]);
    lt_workspace_destroy(workspace);
}

struct bytes {
    uint8_t *at;
    size_t count;
};

static int append(void *context, const void *bytes, size_t count)
{
    struct bytes *to = context;
    to->at = realloc(to->at, to->count + count);
    memcpy(to->at + to->count, bytes, count);
    to->count += count;
    return LT_OK;
}

/* Two sequences that begin alike, of 100 and 70 spans, the first with a mark. */
static struct bytes image_of_two(struct lt_workspace *workspace, const struct sample *sample, float **ret_logits)
{
    struct bytes image = {0};
    struct lt_sequence *longer, *shorter;
    const struct lt_sequence *written[1];
    assert_int_equal(lt_sequence_create(sample->model, 0, &longer), LT_OK);
    assert_int_equal(lt_sequence_create(sample->model, 0, &shorter), LT_OK);
    mix_many(workspace, longer, sample, 0, 100);
    *ret_logits = logits_of_one(workspace, longer, sample);
    assert_int_equal(lt_sequence_mark(longer, *ret_logits), LT_OK);
    assert_int_equal(lt_sequence_copy(shorter, longer, 70, 20), LT_OK);
    mix_many(workspace, longer, sample, 101, 110); /* what came behind is of no matter */
    assert_int_equal(lt_sequence_write(longer, 100, 50, NULL, 0, append, &image), LT_OK);
    written[0] = longer;
    size_t first = image.count;
    assert_int_equal(lt_sequence_write(shorter, 70, 20, written, 1, append, &image), LT_OK);
    assert_true(image.count - first < first / 2); /* two of its three pages are the other's */
    lt_sequence_destroy(longer);
    lt_sequence_destroy(shorter);
    return image;
}

static void test_an_image_holds_all_that_a_sequence_is(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *sample = &fixture->samples[2];
    size_t logit_bytes = lt_model_shape(fixture->model)->vocabulary * sizeof(float);
    struct lt_workspace *workspace;
    struct lt_sequence *longer, *shorter, *same, *fresh;
    const struct lt_sequence *before[1];
    float *marked, *logits = malloc(logit_bytes);
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    struct bytes bytes = image_of_two(workspace, sample, &marked);
    struct lt_image image = {bytes.at, bytes.count};
    assert_int_equal(lt_sequence_read(fixture->model, NULL, 0, &image, &longer), LT_OK);
    before[0] = longer;
    assert_int_equal(lt_sequence_read(fixture->model, before, 1, &image, &shorter), LT_OK);
    assert_int_equal(image.left, 0);

    assert_int_equal(lt_sequence_create(fixture->model, 0, &same), LT_OK);
    assert_int_equal(lt_sequence_copy(same, longer, 100, 50), LT_OK);
    assert_true(lt_sequence_resume(same, longer, logits));
    assert_memory_equal(logits, marked, logit_bytes);
    lt_sequence_destroy(longer); /* what is shared stays */

    assert_int_equal(lt_sequence_create(fixture->model, 0, &fresh), LT_OK);
    mix_many(workspace, fresh, sample, 0, 90);
    assert_int_equal(lt_sequence_reserve(shorter, 90, 50), LT_OK);
    mix_many(workspace, shorter, sample, 70, 90);
    float *expected = logits_of_one(workspace, fresh, sample), *found = logits_of_one(workspace, shorter, sample);
    assert_memory_equal(found, expected, logit_bytes);
    free(found);
    free(expected);
    free(logits);
    free(marked);
    free(bytes.at);
    lt_sequence_destroy(same);
    lt_sequence_destroy(shorter);
    lt_sequence_destroy(fresh);
    lt_workspace_destroy(workspace);
}

static void test_an_image_that_ends_early_or_names_what_is_not_there_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    float *marked;
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    struct bytes bytes = image_of_two(workspace, &fixture->samples[2], &marked);
    struct lt_image image = {bytes.at, bytes.count};
    assert_int_equal(lt_sequence_read(fixture->model, NULL, 0, &image, &sequence), LT_OK);
    lt_sequence_destroy(sequence);
    size_t first = bytes.count - image.left;
    for (size_t left = 0; left < first; left += left < 64 ? 1 : 997) {
        image = (struct lt_image){bytes.at, left};
        assert_int_equal(lt_sequence_read(fixture->model, NULL, 0, &image, &sequence), LT_ECORRUPT);
    }
    image = (struct lt_image){bytes.at + first, bytes.count - first}; /* without the one that it shares pages with */
    assert_int_equal(lt_sequence_read(fixture->model, NULL, 0, &image, &sequence), LT_ECORRUPT);
    bytes.at[4] = 101; /* spans of the newest segment, of 100 in all */
    image = (struct lt_image){bytes.at, bytes.count};
    assert_int_equal(lt_sequence_read(fixture->model, NULL, 0, &image, &sequence), LT_ECORRUPT);
    free(marked);
    free(bytes.at);
    lt_workspace_destroy(workspace);
}

/* With room for its spans an answer needs no memory: the next allocation would fail. */
static void test_an_answer_allocates_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct sample *sample = &fixture->samples[2];
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    float *logits = malloc(lt_model_shape(fixture->model)->vocabulary * sizeof *logits);
    assert_int_equal(lt_workspace_create(fixture->model, &workspace), LT_OK);
    assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
    mix(workspace, sequence, sample, 0, 1);
    assert_int_equal(lt_sequence_reserve(sequence, sample->spans, sample->spans), LT_OK);
    lt_alloc_fail_at(1);
    for (size_t t = sample->ends[0], mixed = 1; t < sample->count; t++) {
        if (sample->closed[t] > mixed)
            mix(workspace, sequence, sample, mixed, sample->closed[t]);
        mixed = sample->closed[t];
        decode(workspace, sequence, sample, t, t + 1, logits);
    }
    assert_null(lt_malloc(1));
    lt_sequence_destroy(sequence);
    lt_workspace_destroy(workspace);
    free(logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOTH(test_a_copied_sequence_goes_on_the_same),
        WITH_BOTH(test_a_marked_sequence_is_gone_back_to),
        WITH_BOTH(test_what_is_shared_stays_as_it_is),
        WITH_BOTH(test_an_image_holds_all_that_a_sequence_is),
        WITH_BOTH(test_an_image_that_ends_early_or_names_what_is_not_there_is_refused),
        WITH_BOTH(test_an_answer_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
