/* A token-level model against PyTorch's numbers: fed at once, token by token, and beside other sequences. */
#include <string.h>

#include "kernels/islet.h"
#include "proto/alloc.h"
#include "vectors.h"

#define TOLERANCE 1e-3

struct sample {
    uint32_t *tokens; /* prompt and continuation */
    uint32_t *closed; /* zeros: no token closes a span */
    size_t prompt, count;
    float *expected; /* [count - prompt + 1][vocabulary] */
};

struct fixture {
    json_t *root;
    struct lt_model *model;
    struct lt_workspace *workspace;
    size_t vocabulary, count;
    struct sample samples[8];
};

static void load_sample(struct fixture *fixture, const json_t *entry)
{
    struct sample *sample = &fixture->samples[fixture->count++];
    size_t more;
    uint32_t *continuation = vectors_numbers(json_object_get(entry, "continuation"), &more);
    sample->tokens = vectors_numbers(json_object_get(entry, "tokens"), &sample->prompt);
    sample->count = sample->prompt + more;
    sample->tokens = realloc(sample->tokens, sample->count * sizeof *sample->tokens);
    memcpy(sample->tokens + sample->prompt, continuation, more * sizeof *continuation);
    free(continuation);
    sample->closed = calloc(sample->count, sizeof *sample->closed);
    sample->expected = vectors_floats(json_object_get(entry, "logits"), (more + 1) * fixture->vocabulary);
}

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    json_t *entry;
    size_t i;
    fixture->root = vectors_json("tiny-llama.json");
    fixture->model = vectors_model(fixture->root, LT_PRECISION_STORED);
    fixture->vocabulary = lt_model_shape(fixture->model)->vocabulary;
    assert_int_equal(lt_workspace_create(fixture->model, &fixture->workspace), LT_OK);
    json_array_foreach(json_object_get(fixture->root, "cases"), i, entry) load_sample(fixture, entry);
    assert_true(fixture->count > 1);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < fixture->count; i++) {
        free(fixture->samples[i].tokens);
        free(fixture->samples[i].closed);
        free(fixture->samples[i].expected);
    }
    lt_workspace_destroy(fixture->workspace);
    lt_model_close(fixture->model);
    json_decref(fixture->root);
    free(fixture);
    return 0;
}

static struct lt_decode_item feed(struct lt_sequence *sequence, const struct sample *sample, size_t from, size_t count,
                                  float *logits)
{
    return (struct lt_decode_item){.sequence = sequence,
                                   .tokens = sample->tokens + from,
                                   .closed = sample->closed + from,
                                   .count = count,
                                   .logits = logits};
}

static void has_no_encoder(void **state)
{
    const struct fixture *fixture = *state;
    assert_string_equal(lt_model_architecture(fixture->model), "llama");
    assert_false(lt_model_has_encoder(fixture->model));
    assert_int_equal(lt_model_shape(fixture->model)->window, lt_model_shape(fixture->model)->context);
}

static void equals_pytorch(void **state)
{
    const struct fixture *fixture = *state;
    float *logits = malloc(fixture->vocabulary * sizeof *logits);
    for (size_t i = 0; i < fixture->count; i++) {
        const struct sample *sample = &fixture->samples[i];
        struct lt_sequence *sequence;
        assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
        struct lt_decode_item item = feed(sequence, sample, 0, sample->prompt, logits);
        double greatest = 0;
        for (size_t at = sample->prompt; at <= sample->count; at++) {
            assert_int_equal(lt_decode(fixture->workspace, &item, 1), LT_OK);
            double difference = vectors_difference(
                logits, sample->expected + (at - sample->prompt) * fixture->vocabulary, fixture->vocabulary);
            greatest = difference > greatest ? difference : greatest;
            item = feed(sequence, sample, at, 1, logits);
        }
        print_message("case %zu: logits differ by %.2g\n", i, greatest);
        assert_true(greatest <= TOLERANCE);
        lt_sequence_destroy(sequence);
    }
    free(logits);
}

static void scores_what_came_next(void **state)
{
    const struct fixture *fixture = *state;
    const struct sample *sample = &fixture->samples[0];
    size_t count = sample->count - 1, first = sample->prompt - 1;
    float *nats = malloc(count * sizeof *nats);
    struct lt_sequence *sequence;
    assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
    struct lt_decode_item item = feed(sequence, sample, 0, count, NULL);
    item.targets = sample->tokens + 1;
    item.nats = nats;
    assert_int_equal(lt_decode(fixture->workspace, &item, 1), LT_OK);
    for (size_t i = first; i < count; i++) {
        const float *logits = sample->expected + (i - first) * fixture->vocabulary;
        double sum = 0;
        for (size_t j = 0; j < fixture->vocabulary; j++)
            sum += exp((double)logits[j]);
        assert_true(fabs((double)nats[i] - (log(sum) - (double)logits[item.targets[i]])) <= TOLERANCE);
    }
    uint32_t outside = (uint32_t)fixture->vocabulary;
    item = feed(sequence, sample, 0, 1, NULL);
    item.targets = &outside;
    item.nats = nats;
    assert_int_equal(lt_decode(fixture->workspace, &item, 1), LT_EINTERNAL);
    lt_sequence_destroy(sequence);
    free(nats);
}

/* To the last bit: in one call, in pieces, and beside the other samples. */
static void pieces_and_company_change_nothing(void **state)
{
    const struct fixture *fixture = *state;
    size_t bytes = fixture->vocabulary * sizeof(float);
    struct lt_decode_item items[8];
    float *together[8], *alone = malloc(bytes);
    for (size_t i = 0; i < fixture->count; i++) {
        struct lt_sequence *sequence;
        together[i] = malloc(bytes);
        assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
        items[i] = feed(sequence, &fixture->samples[i], 0, fixture->samples[i].count, together[i]);
    }
    assert_int_equal(lt_decode(fixture->workspace, items, fixture->count), LT_OK);
    for (size_t i = 0; i < fixture->count; i++) {
        const struct sample *sample = &fixture->samples[i];
        struct lt_sequence *sequence;
        assert_int_equal(lt_sequence_create(fixture->model, 0, &sequence), LT_OK);
        struct lt_decode_item first = feed(sequence, sample, 0, 5, NULL),
                              rest = feed(sequence, sample, 5, sample->count - 5, alone);
        assert_int_equal(lt_decode(fixture->workspace, &first, 1), LT_OK);
        assert_int_equal(lt_decode(fixture->workspace, &rest, 1), LT_OK);
        assert_memory_equal(alone, together[i], bytes);
        assert_int_equal(first.operations + rest.operations, items[i].operations);
        lt_sequence_destroy(sequence);
        lt_sequence_destroy(items[i].sequence);
        free(together[i]);
    }
    free(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_no_encoder, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(equals_pytorch, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(scores_what_came_next, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(pieces_and_company_change_nothing, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
