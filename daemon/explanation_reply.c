#include "daemon/explanation_reply.h"

#include "daemon/reply.h"
#include "proto/pairs.h"

static const char *const stage_names[] = {
    [LT_STAGE_ENCODE] = "encode", [LT_STAGE_REFINE] = "refine", [LT_STAGE_MIX] = "mix", [LT_STAGE_DECODE] = "decode"};

/* Seconds that nobody measured. */
#define UNMEASURED (-1.0)

/* Bytes of the records of the prompt's distinct spans, those that cold had to make; of those only that `known` marks if
 * it is given. */
static uint64_t record_bytes(const struct lt_explanation *explanation, const uint8_t *known, size_t *ret_count)
{
    const struct lt_task *asked = explanation->asked;
    uint64_t bytes = 0;
    *ret_count = 0;
    for (size_t i = 0; i < asked->span_count; i++) {
        if (explanation->runs[LT_WAY_COLD].known[i] || (known && !known[i]))
            continue;
        bytes += lt_explanation_record_bytes(explanation, &asked->spans[i]);
        ++*ret_count;
    }
    return bytes;
}

/* --- stages --- */

static void write_stage(struct lt_writer *writer, const char *name, const struct lt_cost *cost, double seconds)
{
    lt_write_map(writer, 8);
    lt_pair_text(writer, "stage", name);
    lt_pair_uint(writer, "objects", cost->rows);
    lt_pair_uint(writer, "layers", cost->layers);
    lt_pair_uint(writer, "mlp_calls_per_layer", cost->layers ? cost->rows : 0);
    lt_write_text(writer, "matrix");
    lt_write_map(writer, 3);
    lt_pair_uint(writer, "queries", cost->queries);
    lt_pair_uint(writer, "keys", cost->keys);
    lt_pair_uint(writer, "entries", cost->entries);
    lt_pair_uint(writer, "operations", cost->operations);
    lt_pair_uint(writer, "bytes", cost->bytes);
    lt_pair_milliseconds(writer, "ms", seconds);
}

/* Those that a model has; `tokens` NULL: nothing was tokenized. */
static void write_stages(struct lt_writer *writer, const char *name, bool latent, const struct lt_cost *tokens,
                         const struct lt_cost *spans, const struct lt_cost costs[LT_STAGE_COUNT],
                         const struct lt_receipt *times)
{
    lt_write_text(writer, name);
    lt_write_array(writer, (latent ? 5 : 1) + (tokens != NULL));
    if (tokens)
        write_stage(writer, "tokenize", tokens, times ? times->tokenize : UNMEASURED);
    if (latent) {
        write_stage(writer, "lookup", spans, times ? times->lookup : UNMEASURED);
        write_stage(writer, stage_names[LT_STAGE_ENCODE], &costs[LT_STAGE_ENCODE], times ? times->encode : UNMEASURED);
        write_stage(writer, stage_names[LT_STAGE_REFINE], &costs[LT_STAGE_REFINE], times ? times->refine : UNMEASURED);
        write_stage(writer, stage_names[LT_STAGE_MIX], &costs[LT_STAGE_MIX], times ? times->mix : UNMEASURED);
    }
    write_stage(writer, stage_names[LT_STAGE_DECODE], &costs[LT_STAGE_DECODE], times ? times->decode : UNMEASURED);
}

static uint64_t sum_operations(const struct lt_cost costs[LT_STAGE_COUNT], enum lt_stage from)
{
    uint64_t sum = 0;
    for (int stage = from; stage < LT_STAGE_COUNT; stage++)
        sum += costs[stage].operations;
    return sum;
}

static uint64_t sum_bytes(const struct lt_cost costs[LT_STAGE_COUNT], enum lt_stage from)
{
    uint64_t sum = 0;
    for (int stage = from; stage < LT_STAGE_COUNT; stage++)
        sum += costs[stage].bytes;
    return sum;
}

/* --- runs --- */

static double answer_seconds(const struct lt_way_times *times)
{
    const struct lt_receipt *answer = &times->answer;
    return answer->lookup + answer->encode + answer->refine + answer->mix + answer->decode;
}

static double first_token(const struct lt_way_times *times)
{
    return times->prompt.first_token;
}

/* The fastest round by what `of` tells: on a busy machine it says most about the work. NULL if there was none. */
static const struct lt_way_times *fastest(const struct lt_way_run *run, double (*of)(const struct lt_way_times *))
{
    const struct lt_way_times *found = run->rounds ? &run->times[0] : NULL;
    for (size_t i = 1; i < run->rounds; i++)
        if (of(&run->times[i]) < of(found))
            found = &run->times[i];
    return found;
}

/* The same tokens and spans for both kinds of model; answer spans as the cold run closed them if the run has none. */
static void count_run(const struct lt_explanation *explanation, const struct lt_way_run *run,
                      const struct lt_model_shape *shape, struct lt_weight_bytes weights,
                      struct lt_cost prompt[LT_STAGE_COUNT], struct lt_cost answer[LT_STAGE_COUNT],
                      size_t answer_tokens)
{
    const struct lt_task *asked = explanation->asked;
    const struct lt_text_shape read = {explanation->span_tokens, run->known, asked->starts, asked->span_count};
    const struct lt_text_shape said = {run->answer_spans, run->answer_known, NULL, run->answer_span_count};
    lt_cost_prompt(shape, weights, &read, prompt);
    lt_cost_answer(shape, weights, &read, &said, answer_tokens, answer);
}

static size_t count_known(const uint8_t *known, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += known[i];
    return found;
}

static void write_run(struct lt_writer *writer, const struct lt_explanation *explanation, enum lt_way way)
{
    const struct lt_way_run *run = &explanation->runs[way];
    const struct lt_task *asked = explanation->asked;
    const struct lt_model *latent_model = asked->served->model, *model = run->served ? run->served->model : NULL;
    const struct lt_model_shape *shape = model ? lt_model_shape(model) : &explanation->rival;
    const struct lt_way_times *first = fastest(run, first_token), *further = fastest(run, answer_seconds);
    struct lt_cost prompt[LT_STAGE_COUNT], answer[LT_STAGE_COUNT];
    bool latent = way != LT_WAY_TOKENS;
    size_t answer_tokens = model ? run->answer_tokens : explanation->runs[LT_WAY_COLD].answer_tokens;
    size_t found = way == LT_WAY_WARM ? count_known(run->known, asked->span_count) : 0;
    count_run(explanation, run, shape, lt_cost_weight_bytes(model ? model : latent_model), prompt, answer,
              answer_tokens);
    const struct lt_cost read = {.rows = asked->prompt.count};
    bool warm = way == LT_WAY_WARM;
    size_t distinct;
    const struct lt_cost looked_up = {.rows = asked->span_count,
                                      .bytes = warm ? record_bytes(explanation, run->known, &distinct) : 0};
    const struct lt_cost answer_looked_up = {.rows = run->answer_span_count, .bytes = warm ? run->answer_bytes : 0};
    lt_write_map(writer, 12);
    lt_pair_text(writer, "model", model ? lt_model_name(model) : NULL);
    lt_pair_bool(writer, "measured", model != NULL);
    lt_pair_text(writer, "reason", latent || model ? NULL : explanation->not_measured);
    lt_pair_uint(writer, "parameters", model ? lt_model_parameters(model) : lt_cost_parameters(shape));
    lt_pair_uint(writer, "spans_found", found);
    lt_pair_milliseconds(writer, "first_token_ms", first ? first->prompt.first_token : UNMEASURED);
    lt_pair_uint(writer, "operations", sum_operations(prompt, LT_STAGE_ENCODE));
    lt_pair_uint(writer, "bytes", sum_bytes(prompt, LT_STAGE_ENCODE) + looked_up.bytes);
    write_stages(writer, "prompt", latent, &read, &looked_up, prompt, first ? &first->prompt : NULL);
    lt_pair_uint(writer, "answer_tokens", answer_tokens);
    lt_pair_milliseconds(writer, "token_ms",
                         further && answer_tokens ? answer_seconds(further) / (double)answer_tokens : UNMEASURED);
    write_stages(writer, "answer", latent, NULL, &answer_looked_up, answer, further ? &further->answer : NULL);
}

static void write_runs(struct lt_writer *writer, const struct lt_explanation *explanation)
{
    lt_pair_uint(writer, "rounds", explanation->runs[LT_WAY_COLD].rounds);
    lt_write_text(writer, "runs");
    lt_write_map(writer, 3);
    lt_write_text(writer, "cold");
    write_run(writer, explanation, LT_WAY_COLD);
    lt_write_text(writer, "warm");
    write_run(writer, explanation, LT_WAY_WARM);
    lt_write_text(writer, "token_level");
    write_run(writer, explanation, LT_WAY_TOKENS);
}

/* --- what the prompt is, and what stays of it --- */

static void write_model(struct lt_writer *writer, const struct lt_model *model)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    lt_write_text(writer, "model");
    lt_write_map(writer, 10);
    lt_pair_text(writer, "name", lt_model_name(model));
    lt_pair_uint(writer, "parameters", lt_model_parameters(model));
    lt_pair_uint(writer, "width", shape->width);
    lt_pair_uint(writer, "heads", shape->heads);
    lt_pair_uint(writer, "window", shape->window);
    lt_pair_uint(writer, "context_tokens", shape->context);
    lt_pair_uint(writer, "trained_tokens", shape->trained);
    lt_pair_uint(writer, "vocabulary", shape->vocabulary);
    lt_pair_uint(writer, "span_minimum", shape->span_minimum);
    lt_pair_uint(writer, "span_maximum", shape->span_maximum);
}

static void write_tokens(struct lt_writer *writer, const struct lt_task *asked)
{
    lt_write_text(writer, "tokens");
    lt_write_array(writer, (uint32_t)asked->prompt.count);
    for (size_t i = 0; i < asked->prompt.count; i++) {
        lt_write_map(writer, 2);
        lt_pair_uint(writer, "id", asked->prompt.tokens[i]);
        lt_write_text(writer, "text");
        lt_reply_token_text(writer, asked->served->model, &asked->prompt.tokens[i], 1);
    }
}

static void write_answer(struct lt_writer *writer, const struct lt_explanation *explanation)
{
    const struct lt_task *asked = explanation->asked;
    lt_write_text(writer, "answer");
    lt_write_map(writer, 6);
    lt_write_text(writer, "text");
    lt_write_text_bytes(writer, (const char *)asked->text.text.data, asked->text.text.size);
    lt_pair_text(writer, "finish_reason", asked->finish_reason);
    lt_pair_uint(writer, "tokens", asked->receipt.completion_tokens);
    lt_pair_uint(writer, "spans", asked->receipt.completion_spans);
    lt_pair_milliseconds(writer, "first_token_ms", asked->receipt.first_token);
    lt_pair_bool(writer, "same", explanation->same_answer);
}

static void write_kept(struct lt_writer *writer, const struct lt_explanation *explanation)
{
    uint64_t tokens = explanation->asked->prompt.count + explanation->runs[LT_WAY_COLD].answer_tokens;
    const struct lt_way_run *run = &explanation->runs[LT_WAY_ASKED];
    size_t distinct;
    uint64_t bytes = record_bytes(explanation, NULL, &distinct) + run->answer_bytes;
    lt_write_text(writer, "kept");
    lt_write_map(writer, 6);
    lt_pair_uint(writer, "latents", distinct + run->answer_span_count);
    lt_pair_uint(writer, "latent_bytes", bytes);
    lt_pair_uint(writer, "state_spans", explanation->state_spans);
    lt_pair_uint(writer, "state_bytes", explanation->state_bytes);
    lt_pair_uint(writer, "token_states", tokens);
    lt_pair_uint(writer, "token_state_bytes", tokens * lt_cost_token_state(&explanation->rival));
}

/* --- projection --- */

static void write_projection(struct lt_writer *writer, const struct lt_projection *row)
{
    static const char *const cuts[] = {
        [LT_CUT_TOKENS] = "token_level", [LT_CUT_FIXED] = "fixed", [LT_CUT_MODEL] = "content"};
    const struct lt_projection_times *times = row->rounds ? lt_projection_times(row) : NULL;
    bool latent = row->cut != LT_CUT_TOKENS;
    const struct lt_cost *over = &row->prompt[latent ? LT_STAGE_MIX : LT_STAGE_DECODE];
    double warm = times ? times->refine + times->mix + times->decode : UNMEASURED;
    lt_write_map(writer, 16);
    lt_pair_text(writer, "cut", cuts[row->cut]);
    lt_pair_text(writer, "model", row->served ? lt_model_name(row->served->model) : NULL);
    lt_pair_bool(writer, "measured", times != NULL);
    lt_pair_uint(writer, "tokens", row->tokens);
    lt_pair_uint(writer, "span_tokens", row->cut == LT_CUT_FIXED ? row->span_tokens : 0);
    lt_pair_uint(writer, "objects", over->rows);
    lt_pair_uint(writer, "matrix_entries", over->entries);
    lt_pair_uint(writer, "cold_operations", sum_operations(row->prompt, LT_STAGE_ENCODE));
    lt_pair_uint(writer, "warm_operations", sum_operations(row->prompt, LT_STAGE_REFINE));
    lt_pair_uint(writer, "cold_bytes", sum_bytes(row->prompt, LT_STAGE_ENCODE));
    lt_pair_uint(writer, "warm_bytes", sum_bytes(row->prompt, LT_STAGE_REFINE));
    lt_pair_milliseconds(writer, "cold_ms", times ? warm + times->encode : UNMEASURED);
    lt_pair_milliseconds(writer, "warm_ms", warm);
    lt_pair_uint(writer, "token_operations", sum_operations(row->answer, LT_STAGE_ENCODE) / LT_PROJECTION_ANSWER);
    lt_pair_uint(writer, "token_bytes", sum_bytes(row->answer, LT_STAGE_ENCODE) / LT_PROJECTION_ANSWER);
    lt_pair_milliseconds(writer, "token_ms", times ? lt_projection_answer(row) / LT_PROJECTION_ANSWER : UNMEASURED);
}

void lt_reply_explanation(struct lt_writer *writer, const struct lt_explanation *explanation)
{
    const struct lt_projections *projections = &explanation->projections;
    lt_write_response(writer, explanation->job->request->id);
    lt_write_map(writer, 9);
    write_model(writer, explanation->asked->served->model);
    write_tokens(writer, explanation->asked);
    lt_reply_spans(writer, explanation->asked, false);
    lt_reply_usage(writer, explanation->asked);
    write_answer(writer, explanation);
    write_runs(writer, explanation);
    write_kept(writer, explanation);
    lt_write_text(writer, "projection");
    lt_write_array(writer, (uint32_t)projections->count);
    for (size_t i = 0; i < projections->count; i++)
        write_projection(writer, &projections->rows[i]);
}
