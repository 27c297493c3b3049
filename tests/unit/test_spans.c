/* The span rule: against model/islet/spans.py, by hand, and fed token by token. */
#include <string.h>

#include "kernels/spans.h"
#include "kernels/tokenizer.h"
#include "vectors.h"

struct fixture {
    json_t *root;
    struct lt_model *model;
    const struct lt_tokenizer *tokenizer;
    const struct lt_span_rule *rule;
};

static int open_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->root = vectors_json("tiny.json");
    fixture->model = vectors_model(fixture->root, LT_PRECISION_STORED);
    fixture->tokenizer = lt_model_tokenizer(fixture->model);
    fixture->rule = lt_model_span_rule(fixture->model);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    lt_model_close(fixture->model);
    json_decref(fixture->root);
    free(fixture);
    return 0;
}

static void check_cut(const struct lt_span_rule *rule, const uint32_t *tokens, size_t count, const uint32_t *expected,
                      size_t expected_count)
{
    uint32_t *ends = malloc((count + 1) * sizeof *ends);
    assert_int_equal(lt_span_cut(rule, tokens, count, ends), expected_count);
    assert_memory_equal(ends, expected, expected_count * sizeof *ends);
    free(ends);
}

/* Segments are cut one by one; the ends in the vectors count from the start of the prompt. */
static void test_cuts_as_training_does(void **state)
{
    const struct fixture *fixture = *state;
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(fixture->root, "cases"), i, entry)
    {
        size_t count, spans, at = 0, start = 0, segment;
        json_t *length;
        uint32_t *tokens = vectors_numbers(json_object_get(entry, "tokens"), &count);
        uint32_t *ends = vectors_numbers(json_object_get(entry, "span_ends"), &spans);
        json_array_foreach(json_object_get(entry, "segment_lengths"), segment, length)
        {
            size_t bytes = (size_t)json_integer_value(length), mine = 0;
            while (at + mine < spans && ends[at + mine] <= start + bytes)
                ends[at + mine++] -= (uint32_t)start;
            check_cut(fixture->rule, tokens + start, bytes, ends + at, mine);
            at += mine;
            start += bytes;
        }
        assert_int_equal(start, count);
        assert_int_equal(at, json_integer_value(json_object_get(entry, "prompt_spans")));
        free(tokens);
        free(ends);
    }
}

/* One token of each class, found in the vocabulary by its text. */
static uint32_t token_of(const struct fixture *fixture, const char *text)
{
    uint32_t *tokens, token;
    size_t count;
    assert_int_equal(lt_tokenizer_encode(fixture->tokenizer, text, strlen(text), &tokens, &count, NULL), LT_OK);
    assert_int_equal(count, 1);
    token = *tokens;
    free(tokens);
    return token;
}

static void test_by_hand(void **state)
{
    const struct fixture *fixture = *state;
    uint32_t a = token_of(fixture, "a"), dot = token_of(fixture, "."), line = token_of(fixture, "\n");
    uint32_t paragraph = token_of(fixture, "\n\n"), user = lt_model_prompt_format(fixture->model)->user;
    assert_int_equal(fixture->rule->classes[a], LT_SPAN_OPEN);
    assert_int_equal(fixture->rule->classes[dot], LT_SPAN_SOFT);
    assert_int_equal(fixture->rule->classes[line], LT_SPAN_SOFT);
    assert_int_equal(fixture->rule->classes[paragraph], LT_SPAN_HARD);
    assert_int_equal(fixture->rule->classes[user], LT_SPAN_ALONE);

    check_cut(fixture->rule, NULL, 0, NULL, 0);
    check_cut(fixture->rule, (uint32_t[]){a}, 1, (uint32_t[]){1}, 1);
    check_cut(fixture->rule, (uint32_t[]){a, dot, a, a, dot, a}, 6, (uint32_t[]){5, 6}, 2); /* two tokens are too few */
    check_cut(fixture->rule, (uint32_t[]){a, paragraph, a, line}, 4, (uint32_t[]){2, 4}, 2);
    check_cut(fixture->rule, (uint32_t[]){user, a, a, user, user}, 5, (uint32_t[]){1, 3, 4, 5}, 4);
    uint32_t many[30];
    for (size_t i = 0; i < 30; i++)
        many[i] = a;
    check_cut(fixture->rule, many, 30, (uint32_t[]){12, 24, 30}, 3);
}

static void test_feeding_equals_cutting(void **state)
{
    const struct fixture *fixture = *state;
    uint32_t tokens[4000], ends[4000];
    size_t spans = 0;
    uint32_t length = 0;
    srand48(3);
    for (size_t i = 0; i < 4000; i++) /* control tokens and punctuation more often than text has them */
        tokens[i] = drand48() < 0.2 ? (uint32_t)(drand48() * 8) : (uint32_t)(drand48() * fixture->rule->vocabulary);
    size_t expected = lt_span_cut(fixture->rule, tokens, 4000, ends);
    for (uint32_t i = 0; i < 4000; i++) {
        struct lt_span_step step = lt_span_feed(fixture->rule, length, tokens[i]);
        if (step.closes_before) {
            assert_true(length > 0);
            assert_int_equal(ends[spans++], i);
            length = 0;
        }
        length++;
        assert_true(length <= fixture->rule->maximum);
        if (step.closes_after) {
            assert_int_equal(ends[spans++], i + 1);
            length = 0;
        }
    }
    assert_int_equal(spans + (length > 0), expected);
    assert_int_equal(ends[expected - 1], 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cuts_as_training_does, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_by_hand, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_feeding_equals_cutting, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
