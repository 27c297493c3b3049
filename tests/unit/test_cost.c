/* What is counted from shapes is what the kernels report of a real run, to the last operation. */
#include <string.h>

#include "kernels/cost.h"
#include "kernels/islet.h"
#include "vectors.h"

#define TOKENS_MAX 4096
#define WEIGHTS ((struct lt_weight_bytes){2, 1})

static struct lt_model *open_model(const char *name)
{
    char path[4096];
    struct lt_model *model;
    struct lt_error error;
    vectors_path(name, path);
    if (lt_model_open(path, LT_PRECISION_INT8, &model, &error) != LT_OK)
        fail_msg("%s", error.message);
    return model;
}

static uint64_t count_tokens(const struct lt_text_shape *text)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < text->count; i++)
        tokens += text->spans[i];
    return tokens;
}

/* A real run of a text whose tokens are arbitrary. */
struct run {
    const struct lt_model *model;
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    uint32_t tokens[TOKENS_MAX];
    float *latents; /* [TOKENS_MAX][D] */
    float *logits;
};

static void begin_run(struct run *run, const struct lt_model *model)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    run->model = model;
    assert_int_equal(lt_workspace_create(model, &run->workspace), LT_OK);
    assert_int_equal(lt_sequence_create(model, 8, &run->sequence), LT_OK);
    for (uint32_t i = 0; i < TOKENS_MAX; i++)
        run->tokens[i] = i * 7 % shape->vocabulary;
    run->latents = calloc(TOKENS_MAX * shape->width, sizeof(float));
    run->logits = malloc(shape->vocabulary * sizeof(float));
}

static void end_run(struct run *run)
{
    lt_sequence_destroy(run->sequence);
    lt_workspace_destroy(run->workspace);
    free(run->latents);
    free(run->logits);
}

static void encode_and_mix(struct run *run, const struct lt_text_shape *text, const uint8_t *starts,
                           uint64_t operations[LT_STAGE_COUNT])
{
    size_t width = lt_model_shape(run->model)->width, items_count = 0;
    struct lt_encode_item *items = calloc(text->count, sizeof *items);
    for (size_t i = 0; i < text->count; i++)
        if (!text->known || !text->known[i])
            items[items_count++] = (struct lt_encode_item){
                .tokens = run->tokens + i, .count = text->spans[i], .latent = run->latents + i * width};
    assert_int_equal(lt_encode(run->workspace, items, items_count), LT_OK);
    for (size_t i = 0; i < items_count; i++)
        operations[LT_STAGE_ENCODE] += items[i].operations;
    struct lt_mix_item mixed = {
        .sequence = run->sequence, .latents = run->latents, .starts = starts, .count = text->count};
    assert_int_equal(lt_mix(run->workspace, &mixed, 1), LT_OK);
    operations[LT_STAGE_REFINE] += mixed.refine_operations;
    operations[LT_STAGE_MIX] += mixed.mix_operations;
    free(items);
}

static void decode(struct run *run, const uint32_t *closed, size_t count, uint64_t operations[LT_STAGE_COUNT])
{
    struct lt_decode_item item = {
        .sequence = run->sequence, .tokens = run->tokens, .closed = closed, .count = count, .logits = run->logits};
    assert_int_equal(lt_decode(run->workspace, &item, 1), LT_OK);
    operations[LT_STAGE_DECODE] += item.operations;
}

static void run_prompt(struct run *run, const struct lt_text_shape *prompt, uint64_t operations[LT_STAGE_COUNT])
{
    uint32_t *closed = calloc(TOKENS_MAX, sizeof *closed);
    bool latent = lt_model_has_encoder(run->model);
    size_t count = 0, reach = lt_decode_reach(run->model);
    for (size_t i = 0; i < prompt->count; i++)
        for (uint32_t t = 0; t < prompt->spans[i]; t++)
            closed[count++] = latent ? (uint32_t)(i + (t + 1 == prompt->spans[i])) : 0;
    if (latent)
        encode_and_mix(run, prompt, prompt->starts, operations);
    size_t skipped = count > reach ? count - reach : 0;
    decode(run, closed + skipped, count - skipped, operations);
    free(closed);
}

static void run_answer(struct run *run, const struct lt_text_shape *answer, size_t tokens,
                       uint64_t operations[LT_STAGE_COUNT])
{
    static const uint8_t none = 0;
    size_t next = 0, open = 0;
    for (size_t i = 0; i < tokens; i++) {
        if (lt_model_has_encoder(run->model) && next < answer->count && ++open == answer->spans[next]) {
            const struct lt_text_shape one = {answer->spans + next, answer->known ? answer->known + next : NULL, NULL,
                                              1};
            encode_and_mix(run, &one, &none, operations);
            next++;
            open = 0;
        }
        uint32_t closed = (uint32_t)lt_sequence_spans(run->sequence);
        decode(run, &closed, 1, operations);
    }
}

static void compare(const struct lt_model *model, const struct lt_text_shape *prompt,
                    const struct lt_text_shape *answer, size_t tokens)
{
    struct run *run = calloc(1, sizeof *run);
    struct lt_cost costs[LT_STAGE_COUNT];
    uint64_t reported[LT_STAGE_COUNT] = {0};
    begin_run(run, model);
    run_prompt(run, prompt, reported);
    lt_cost_prompt(lt_model_shape(model), WEIGHTS, prompt, costs);
    for (int stage = 0; stage < LT_STAGE_COUNT; stage++)
        assert_int_equal(costs[stage].operations, reported[stage]);
    memset(reported, 0, sizeof reported);
    run_answer(run, answer, tokens, reported);
    lt_cost_answer(lt_model_shape(model), WEIGHTS, prompt, answer, tokens, costs);
    for (int stage = 0; stage < LT_STAGE_COUNT; stage++)
        assert_int_equal(costs[stage].operations, reported[stage]);
    assert_int_equal(costs[LT_STAGE_DECODE].rows, tokens);
    end_run(run);
    free(run);
}

static void compare_everywhere(const struct lt_model *model)
{
    static const uint32_t short_spans[] = {1, 5, 12, 3, 1, 9}, answer_spans[] = {4, 12, 3};
    static const uint8_t known[] = {1, 0, 1, 0, 0, 1}, starts[] = {1, 0, 0, 0, 1, 0}, answer_known[] = {0, 1, 0};
    const struct lt_text_shape answer = {answer_spans, answer_known, NULL, 3}, silent = {NULL, NULL, NULL, 0};
    compare(model, &(struct lt_text_shape){short_spans, NULL, starts, 6}, &answer, 25);
    compare(model, &(struct lt_text_shape){short_spans, known, starts, 6}, &answer, 17);
    compare(model, &(struct lt_text_shape){short_spans, NULL, starts, 1}, &silent, 2);
    uint32_t *many = malloc(400 * sizeof *many);
    uint8_t *first = calloc(400, 1);
    first[0] = first[300] = 1;
    for (uint32_t i = 0; i < 400; i++)
        many[i] = 1 + i % 12;
    compare(model, &(struct lt_text_shape){many, NULL, first, 30}, &answer, 25);
    if (lt_model_has_encoder(model)) /* past the rows of one pass, and past the window */
        compare(model, &(struct lt_text_shape){many, NULL, first, 400}, &answer, 25);
    free(many);
    free(first);
}

static void test_operations_are_those_of_a_latent_model(void **state)
{
    (void)state;
    struct lt_model *model = open_model("tiny.gguf");
    compare_everywhere(model);
    lt_model_close(model);
}

static void test_operations_are_those_of_a_token_level_model(void **state)
{
    (void)state;
    struct lt_model *model = open_model("tiny-llama.gguf");
    compare_everywhere(model);
    lt_model_close(model);
}

static void test_parameters_are_those_of_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool output; /* has an output matrix of its own */
    } files[] = {{"tiny.gguf", false}, {"../../model/islet-8-s.gguf", false}, {"tiny-llama.gguf", true}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct lt_model *model = open_model(files[i].name);
        const struct lt_model_shape *shape = lt_model_shape(model);
        uint64_t output = files[i].output ? (uint64_t)shape->vocabulary * shape->width : 0;
        assert_int_equal(lt_cost_parameters(shape) + output, lt_model_parameters(model));
        lt_model_close(model);
    }
}

static void test_the_rival_has_as_many_parameters(void **state)
{
    (void)state;
    struct lt_model *model = open_model("../../model/islet-8-s.gguf");
    const struct lt_model_shape *shape = lt_model_shape(model);
    struct lt_model_shape rival = lt_cost_rival(shape);
    double ratio = (double)lt_cost_parameters(&rival) / (double)lt_model_parameters(model);
    assert_true(ratio > 0.999 && ratio < 1.001);
    assert_int_equal(rival.width, shape->width);
    assert_int_equal(rival.decoder_layers, 7);
    assert_int_equal(rival.encoder_layers + rival.refiner_layers + rival.mixer_layers + rival.recall, 0);
    assert_int_equal(lt_cost_token_state(&rival), 7 * 2 * 256 * 4);
    lt_model_close(model);
}

/* 2,048 tokens are a matrix of 2,048 squared for a transformer, of 256 squared in spans of 8, 64 squared in spans
 * of 32. */
static void test_matrices_of_2048_tokens(void **state)
{
    (void)state;
    struct lt_model *model = open_model("../../model/islet-8-s.gguf");
    struct lt_model_shape shape = *lt_model_shape(model);
    struct lt_cost costs[LT_STAGE_COUNT];
    uint32_t spans[256];
    for (uint32_t length = 8; length <= 32; length *= 4) {
        struct lt_text_shape text = {spans, NULL, NULL, 2048 / length};
        for (size_t i = 0; i < text.count; i++)
            spans[i] = length;
        assert_int_equal(count_tokens(&text), 2048);
        shape.span_maximum = length > 12 ? length : 12;
        lt_cost_prompt(&shape, WEIGHTS, &text, costs);
        assert_int_equal(costs[LT_STAGE_MIX].entries, text.count * text.count);
        assert_int_equal(costs[LT_STAGE_MIX].rows, text.count);
        assert_int_equal(costs[LT_STAGE_ENCODE].entries, 2048 * length);
        assert_int_equal(costs[LT_STAGE_DECODE].rows, 32); /* a window of 32: what the second layer looks at */
        struct lt_model_shape rival = lt_cost_rival(&shape);
        rival.window = 2048;
        lt_cost_prompt(&rival, WEIGHTS, &text, costs);
        assert_int_equal(costs[LT_STAGE_DECODE].entries, 2048 * 2048);
        assert_int_equal(costs[LT_STAGE_DECODE].rows, 2048);
        assert_int_equal(costs[LT_STAGE_ENCODE].rows + costs[LT_STAGE_MIX].operations, 0);
    }
    lt_model_close(model);
}

/* By hand, for one span of two tokens: weights once, and for each row its key and value written and the keys read, of
 * raw tokens as floats, of spans as slots. */
static void test_bytes(void **state)
{
    (void)state;
    const struct lt_model_shape shape = {.vocabulary = 10,
                                         .width = 4,
                                         .heads = 2,
                                         .feed_forward = 6,
                                         .encoder_layers = 1,
                                         .refiner_layers = 1,
                                         .mixer_layers = 1,
                                         .decoder_layers = 1,
                                         .window = 8,
                                         .context = 16,
                                         .span_minimum = 1,
                                         .span_maximum = 3};
    static const uint32_t span = 2;
    static const uint8_t known = 1;
    struct lt_text_shape text = {&span, NULL, NULL, 1};
    struct lt_cost costs[LT_STAGE_COUNT];
    uint64_t layer = 4 * 16 + 3 * 4 * 6, row = 2 * 4 * 4, slot = 2 * (4 + 2 * 4);
    lt_cost_prompt(&shape, WEIGHTS, &text, costs);
    assert_int_equal(costs[LT_STAGE_ENCODE].bytes, 2 * layer + 2 * 16 * 3 + 2 * row + 2 * 2 * row);
    assert_int_equal(costs[LT_STAGE_REFINE].bytes, layer + 2 * slot);
    assert_int_equal(costs[LT_STAGE_MIX].bytes, layer + 16 * 4 + 2 * slot + 4 * 4 + slot);
    assert_int_equal(costs[LT_STAGE_DECODE].bytes, layer + (1 + 1) * row + 2 * row + slot + 10 * 4);
    text.known = &known;
    lt_cost_prompt(&shape, WEIGHTS, &text, costs);
    assert_int_equal(costs[LT_STAGE_ENCODE].bytes + costs[LT_STAGE_ENCODE].operations, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations_are_those_of_a_latent_model),
        cmocka_unit_test(test_operations_are_those_of_a_token_level_model),
        cmocka_unit_test(test_parameters_are_those_of_the_file),
        cmocka_unit_test(test_the_rival_has_as_many_parameters),
        cmocka_unit_test(test_matrices_of_2048_tokens),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
