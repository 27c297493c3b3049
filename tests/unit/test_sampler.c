/* Drawing tokens: greedy, seeded, limited, and never a control token. */
#include <math.h>
#include <string.h>

#include "kernels/sampler.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "vectors.h"

struct fixture {
    struct lt_model *model;
    const struct lt_tokenizer *tokenizer;
    uint32_t vocabulary;
    uint32_t end;
    uint32_t text; /* four ordinary tokens from here on */
    float *logits;
};

static int open_fixture(void **state)
{
    json_t *root = vectors_json("tiny.json");
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->model = vectors_model(root, LT_PRECISION_STORED);
    fixture->tokenizer = lt_model_tokenizer(fixture->model);
    fixture->vocabulary = lt_tokenizer_vocabulary(fixture->tokenizer);
    fixture->end = lt_model_prompt_format(fixture->model)->end;
    fixture->text = fixture->vocabulary - 4;
    fixture->logits = calloc(fixture->vocabulary, sizeof *fixture->logits);
    json_decref(root);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    lt_model_close(fixture->model);
    free(fixture->logits);
    free(fixture);
    return 0;
}

static struct lt_sampler *make(const struct fixture *fixture, struct lt_sampling sampling)
{
    struct lt_sampler *sampler;
    assert_int_equal(lt_sampler_create(fixture->tokenizer, fixture->end, &sampling, &sampler), LT_OK);
    return sampler;
}

/* Draws `draws` times and counts how often the first four tokens of text came. */
static void count_draws(const struct fixture *fixture, struct lt_sampling sampling, int draws, int counts[4])
{
    struct lt_sampler *sampler = make(fixture, sampling);
    memset(counts, 0, 4 * sizeof *counts);
    for (int i = 0; i < draws; i++) {
        uint32_t token = lt_sampler_next(sampler, fixture->logits);
        assert_in_range(token, fixture->text, fixture->text + 3);
        counts[token - fixture->text]++;
    }
    lt_sampler_destroy(sampler);
}

/* Only four tokens have a chance, of 40, 30, 20 and 10 percent. */
static void set_four(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->vocabulary; i++)
        fixture->logits[i] = -1000;
    for (uint32_t i = 0; i < 4; i++)
        fixture->logits[fixture->text + i] = logf(0.4f - 0.1f * (float)i);
}

static void test_temperature_zero_takes_the_best(void **state)
{
    struct fixture *fixture = *state;
    struct lt_sampler *sampler = make(fixture, (struct lt_sampling){.temperature = 0, .top_k = 40, .top_p = 0.95});
    fixture->logits[fixture->text + 2] = 5;
    fixture->logits[fixture->text + 3] = 5; /* equal: the lower id */
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), fixture->text + 2);
    fixture->logits[fixture->end] = 6;
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), fixture->end);
    lt_sampler_destroy(sampler);
}

static void test_repetition_is_penalised_for_a_while(void **state)
{
    struct fixture *fixture = *state;
    uint32_t best = fixture->text, second = fixture->text + 1, third = fixture->text + 2;
    struct lt_sampler *sampler = make(fixture, (struct lt_sampling){.temperature = 0, .repetition_penalty = 1.5});
    for (uint32_t i = 0; i < fixture->vocabulary; i++)
        fixture->logits[i] = -1000;
    fixture->logits[best] = 9;
    fixture->logits[second] = 7; /* above 9 / 1.5 */
    fixture->logits[third] = 1;
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), best);
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), second);
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), best); /* 6 against 7 / 1.5 */
    fixture->logits[best] = -1;
    fixture->logits[second] = -1.4f; /* a negative logit goes down, too: -1.5 and -2.1 */
    fixture->logits[third] = -1.45f;
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), third);
    fixture->logits[third] = 100;
    for (int i = 0; i < LT_REPETITION_TOKENS; i++)
        assert_int_equal(lt_sampler_next(sampler, fixture->logits), third);
    fixture->logits[third] = -1000;
    fixture->logits[best] = 9;
    fixture->logits[second] = 8.9f;
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), best); /* forgotten by now */
    lt_sampler_destroy(sampler);

    sampler = make(fixture, (struct lt_sampling){.temperature = 0, .repetition_penalty = 1});
    for (int i = 0; i < 3; i++)
        assert_int_equal(lt_sampler_next(sampler, fixture->logits), best);
    lt_sampler_destroy(sampler);
}

static void test_control_tokens_are_never_drawn(void **state)
{
    struct fixture *fixture = *state;
    struct lt_sampling samplings[] = {{0, 0, 1, 1}, {1, 0, 1, 1}, {10, 5, 0.5, 1}};
    for (uint32_t i = 0; i < fixture->vocabulary; i++) {
        enum lt_token_kind kind = lt_tokenizer_kind(fixture->tokenizer, i);
        fixture->logits[i] = kind == LT_TOKEN_CONTROL || kind == LT_TOKEN_UNKNOWN ? 50 : 0;
    }
    fixture->logits[fixture->end] = 0;
    for (size_t i = 0; i < 3; i++) {
        struct lt_sampler *sampler = make(fixture, samplings[i]);
        for (int draw = 0; draw < 500; draw++) {
            uint32_t token = lt_sampler_next(sampler, fixture->logits);
            enum lt_token_kind kind = lt_tokenizer_kind(fixture->tokenizer, token);
            assert_true(token == fixture->end || (kind != LT_TOKEN_CONTROL && kind != LT_TOKEN_UNKNOWN));
        }
        lt_sampler_destroy(sampler);
    }
}

static void test_a_seed_repeats(void **state)
{
    struct fixture *fixture = *state;
    struct lt_sampling sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .seed = 42};
    struct lt_sampler *a = make(fixture, sampling), *b = make(fixture, sampling);
    sampling.seed = 43;
    struct lt_sampler *other = make(fixture, sampling);
    int same = 0;
    for (int i = 0; i < 200; i++) {
        uint32_t token = lt_sampler_next(a, fixture->logits);
        assert_int_equal(lt_sampler_next(b, fixture->logits), token);
        same += lt_sampler_next(other, fixture->logits) == token;
    }
    assert_true(same < 20);
    lt_sampler_destroy(a);
    lt_sampler_destroy(b);
    lt_sampler_destroy(other);
}

static void test_chances_follow_the_logits(void **state)
{
    struct fixture *fixture = *state;
    int counts[4];
    set_four(fixture);
    count_draws(fixture, (struct lt_sampling){.temperature = 1, .top_p = 1, .seed = 7}, 20000, counts);
    for (int i = 0; i < 4; i++)
        assert_in_range(counts[i], 8000 - 2000 * i - 400, 8000 - 2000 * i + 400);
    count_draws(fixture, (struct lt_sampling){.temperature = 0.1, .top_p = 1, .seed = 7}, 20000, counts);
    assert_true(counts[0] > 18000); /* 0.4^10 against 0.3^10 */
}

static void test_top_k_and_top_p_cut_off(void **state)
{
    struct fixture *fixture = *state;
    int counts[4];
    set_four(fixture);
    count_draws(fixture, (struct lt_sampling){.temperature = 1, .top_k = 2, .top_p = 1, .seed = 1}, 5000, counts);
    assert_true(counts[0] > 0 && counts[1] > 0 && counts[2] == 0 && counts[3] == 0);
    count_draws(fixture, (struct lt_sampling){.temperature = 1, .top_k = 1, .top_p = 1, .seed = 1}, 500, counts);
    assert_int_equal(counts[0], 500);
    count_draws(fixture, (struct lt_sampling){.temperature = 1, .top_p = 0.75, .seed = 1}, 5000, counts);
    assert_true(counts[1] > 0 && counts[2] > 0 && counts[3] == 0); /* 0.4 + 0.3 is not yet 0.75 */
    count_draws(fixture, (struct lt_sampling){.temperature = 1, .top_p = 1e-9, .seed = 1}, 500, counts);
    assert_int_equal(counts[0], 500);
    count_draws(fixture, (struct lt_sampling){.temperature = 1, .top_k = 1024, .top_p = 1, .seed = 1}, 5000, counts);
    assert_true(counts[3] > 0);
}

/* Top-k must be the best k whatever the order in which they come. */
static void test_top_k_are_the_best(void **state)
{
    struct fixture *fixture = *state;
    srand48(9);
    for (int round = 0; round < 50; round++) {
        struct lt_sampler *sampler =
            make(fixture, (struct lt_sampling){.temperature = 10, .top_k = 5, .top_p = 1, .seed = (uint64_t)round});
        for (uint32_t i = 0; i < fixture->vocabulary; i++)
            fixture->logits[i] = (float)(int)(drand48() * 50);
        uint32_t token = lt_sampler_next(sampler, fixture->logits);
        int better = 0;
        for (uint32_t i = 0; i < fixture->vocabulary; i++) {
            enum lt_token_kind kind = lt_tokenizer_kind(fixture->tokenizer, i);
            bool allowed = i == fixture->end || (kind != LT_TOKEN_CONTROL && kind != LT_TOKEN_UNKNOWN);
            better += allowed && fixture->logits[i] > fixture->logits[token];
        }
        assert_true(better < 5);
        lt_sampler_destroy(sampler);
    }
}

static void test_broken_logits_end_the_answer(void **state)
{
    struct fixture *fixture = *state;
    struct lt_sampler *sampler = make(fixture, (struct lt_sampling){.temperature = 1, .top_k = 40, .top_p = 0.9});
    for (uint32_t i = 0; i < fixture->vocabulary; i++)
        fixture->logits[i] = NAN;
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), fixture->end);
    fixture->logits[fixture->text] = 1;
    assert_int_equal(lt_sampler_next(sampler, fixture->logits), fixture->text);
    lt_sampler_destroy(sampler);
}

static void test_every_allocation_may_fail(void **state)
{
    struct fixture *fixture = *state;
    struct lt_sampling sampling = {.temperature = 1};
    for (size_t number = 1; number <= 3; number++) {
        struct lt_sampler *sampler = NULL;
        lt_alloc_fail_at(number);
        assert_int_equal(lt_sampler_create(fixture->tokenizer, fixture->end, &sampling, &sampler), LT_ENOMEM);
        assert_null(sampler);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_temperature_zero_takes_the_best, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_repetition_is_penalised_for_a_while, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_control_tokens_are_never_drawn, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_seed_repeats, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_chances_follow_the_logits, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_top_k_and_top_p_cut_off, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_top_k_are_the_best, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_broken_logits_end_the_answer, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
