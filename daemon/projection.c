#include "daemon/projection.h"

#include <string.h>

#include "daemon/clock.h"
#include "kernels/spans.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"

#define ALL_TOKENS (LT_PROJECTION_TOKENS + LT_PROJECTION_ANSWER)

/* --- planning --- */

/* Cuts `count` tokens; the spans' lengths go to `spans`. A rest that is no whole span stays open in an answer. */
static size_t cut(const struct lt_projections *projections, const struct lt_projection *row, size_t begin, size_t count,
                  uint32_t *spans)
{
    size_t cut = 0;
    if (row->cut != LT_CUT_MODEL) {
        uint32_t length = row->cut == LT_CUT_FIXED ? row->span_tokens : 1;
        for (; (cut + 1) * length <= count; cut++)
            spans[cut] = length;
        return cut;
    }
    uint32_t ends[ALL_TOKENS], start = 0;
    const struct lt_span_rule *rule = lt_model_span_rule(row->served->model);
    size_t found = lt_span_cut(rule, projections->tokens + begin, count, ends);
    for (; cut < found; cut++) {
        spans[cut] = ends[cut] - start;
        start = ends[cut];
    }
    return cut;
}

/* Cuts the row's prompt and answer and counts them. LT_ENOMEM. */
static int count_row(struct lt_projections *projections, struct lt_projection *row, struct lt_weight_bytes weights)
{
    row->spans = lt_malloc(ALL_TOKENS * sizeof *row->spans);
    if (!row->spans)
        return LT_ENOMEM;
    row->span_count = cut(projections, row, 0, row->tokens, row->spans);
    row->answer_spans = row->spans + row->span_count;
    row->answer_span_count = cut(projections, row, row->tokens, LT_PROJECTION_ANSWER, row->answer_spans);
    const struct lt_text_shape prompt = {row->spans, NULL, NULL, row->span_count};
    const struct lt_text_shape answer = {row->answer_spans, NULL, NULL, row->answer_span_count};
    lt_cost_prompt(&row->shape, weights, &prompt, row->prompt);
    lt_cost_answer(&row->shape, weights, &prompt, &answer, LT_PROJECTION_ANSWER, row->answer);
    return LT_OK;
}

/* All cuts of one length. */
static int add_rows(struct lt_projections *projections, const struct lt_served_model *served,
                    const struct lt_model_shape *rival, const struct lt_served_model *rival_served, size_t tokens)
{
    static const uint32_t lengths[] = {8, 32};
    const struct lt_model_shape *shape = lt_model_shape(served->model);
    struct lt_weight_bytes weights = lt_cost_weight_bytes(served->model);
    bool runs = projections->tokens != NULL;
    struct lt_projection *row = &projections->rows[projections->count++];
    *row = (struct lt_projection){.cut = LT_CUT_TOKENS, .tokens = tokens, .shape = *rival};
    if (runs && rival_served && lt_model_shape(rival_served->model)->context >= tokens)
        row->served = rival_served;
    else if (row->shape.window < ALL_TOKENS) /* a transformer that takes so many tokens */
        row->shape.window = row->shape.context = ALL_TOKENS;
    int code = count_row(projections, row, rival_served ? lt_cost_weight_bytes(rival_served->model) : weights);
    for (size_t i = 0; code == LT_OK && i < sizeof lengths / sizeof *lengths; i++) {
        row = &projections->rows[projections->count++];
        *row =
            (struct lt_projection){.cut = LT_CUT_FIXED, .tokens = tokens, .span_tokens = lengths[i], .shape = *shape};
        if (lengths[i] > shape->span_maximum)
            row->shape.span_maximum = lengths[i];
        else if (runs)
            row->served = served;
        code = count_row(projections, row, weights);
    }
    if (code || !runs)
        return code;
    row = &projections->rows[projections->count++];
    *row = (struct lt_projection){.cut = LT_CUT_MODEL, .tokens = tokens, .shape = *shape, .served = served};
    return count_row(projections, row, weights);
}

static int take_text(struct lt_projections *projections, const struct lt_model *model, const char *text, size_t bytes,
                     struct lt_error *error)
{
    size_t count = 0;
    int code = lt_tokenizer_encode(lt_model_tokenizer(model), text, bytes, &projections->tokens, &count, error);
    if (code == LT_OK && count < ALL_TOKENS)
        code = lt_fail(error, LT_EPARAM, "explain: measure has %zu tokens; a text of at least %d is needed", count,
                       ALL_TOKENS);
    return code;
}

int lt_projections_begin(struct lt_projections *projections, const struct lt_served_model *served,
                         const struct lt_model_shape *rival, const struct lt_served_model *rival_served,
                         const char *text, size_t bytes, struct lt_error *error)
{
    if (text) {
        int code = take_text(projections, served->model, text, bytes, error);
        if (code)
            return code;
    }
    int code = add_rows(projections, served, rival, rival_served, LT_PROJECTION_TOKENS);
    uint32_t context = rival_served ? lt_model_shape(rival_served->model)->context : LT_PROJECTION_TOKENS;
    if (code == LT_OK && text && context < LT_PROJECTION_TOKENS) /* beside each other where both can be run */
        code = add_rows(projections, served, rival, rival_served, context);
    return code ? lt_fail_code(error, code) : LT_OK;
}

void lt_projections_finish(struct lt_projections *projections)
{
    for (size_t i = 0; i < projections->count; i++)
        lt_free(projections->rows[i].spans);
    lt_free(projections->tokens);
    *projections = (struct lt_projections){0};
}

/* --- running --- */

struct run {
    struct lt_workspace *workspace;
    struct lt_sequence *sequence;
    const uint32_t *tokens; /* of the whole text */
    float *latents;         /* [spans][D] */
    struct lt_encode_item *items;
    uint8_t *starts;
    uint32_t *closed; /* [tokens] */
    size_t width;
};

static int encode(struct run *run, const uint32_t *spans, size_t count, size_t token)
{
    for (size_t i = 0; i < count; token += spans[i++])
        run->items[i] = (struct lt_encode_item){
            .tokens = run->tokens + token, .count = spans[i], .latent = run->latents + i * run->width};
    return lt_encode(run->workspace, run->items, count);
}

static int mix(struct run *run, size_t count, struct lt_projection_times *times)
{
    struct lt_mix_item item = {
        .sequence = run->sequence, .latents = run->latents, .starts = run->starts, .count = count};
    int code = lt_mix(run->workspace, &item, 1);
    times->refine += item.refine_seconds;
    times->mix += item.mix_seconds;
    return code;
}

static int decode(struct run *run, size_t token, const uint32_t *closed, size_t count, float *logits)
{
    struct lt_decode_item item = {
        .sequence = run->sequence, .tokens = run->tokens + token, .closed = closed, .count = count, .logits = logits};
    return lt_decode(run->workspace, &item, 1);
}

static int run_prompt(struct run *run, const struct lt_projection *row, float *logits,
                      struct lt_projection_times *times)
{
    bool latent = row->cut != LT_CUT_TOKENS;
    size_t reach = lt_decode_reach(row->served->model), skipped = row->tokens > reach ? row->tokens - reach : 0;
    int code = LT_OK;
    double began = lt_clock_seconds();
    if (latent) {
        for (size_t i = 0, token = 0; i < row->span_count; i++)
            for (uint32_t t = 0; t < row->spans[i]; t++)
                run->closed[token++] = (uint32_t)(i + (t + 1 == row->spans[i]));
        code = encode(run, row->spans, row->span_count, 0);
        times->encode = lt_clock_seconds() - began;
        run->starts[0] = 1;
        if (code == LT_OK)
            code = mix(run, row->span_count, times);
        run->starts[0] = 0;
    }
    began = lt_clock_seconds();
    if (code == LT_OK)
        code = decode(run, skipped, run->closed + skipped, row->tokens - skipped, logits);
    times->decode = lt_clock_seconds() - began;
    return code;
}

static int run_answer(struct run *run, const struct lt_projection *row, float *logits)
{
    struct lt_projection_times unused = {0};
    size_t next = 0, open = 0;
    int code = LT_OK;
    for (size_t i = 0; code == LT_OK && i < LT_PROJECTION_ANSWER; i++) {
        size_t token = row->tokens + i;
        if (row->cut != LT_CUT_TOKENS && next < row->answer_span_count && ++open == row->answer_spans[next]) {
            code = encode(run, row->answer_spans + next, 1, token + 1 - open);
            if (code == LT_OK)
                code = mix(run, 1, &unused);
            next++;
            open = 0;
        }
        uint32_t closed = (uint32_t)lt_sequence_spans(run->sequence);
        if (code == LT_OK)
            code = decode(run, token, &closed, 1, logits);
    }
    return code;
}

static int run_row(const struct lt_projections *projections, struct lt_projection *row)
{
    const struct lt_model *model = row->served->model;
    size_t width = lt_model_shape(model)->width, spans = row->span_count;
    struct lt_projection_times *times = &row->times[row->rounds];
    struct run run = {
        .workspace = row->served->workspace,
        .tokens = projections->tokens,
        .latents = lt_malloc(spans * width * sizeof *run.latents),
        .items = lt_malloc(spans * sizeof *run.items),
        .starts = lt_calloc(spans, 1),
        .closed = lt_calloc(row->tokens, sizeof *run.closed),
        .width = width,
    };
    float *logits = lt_malloc(lt_model_shape(model)->vocabulary * sizeof *logits);
    int code = run.latents && run.items && run.starts && run.closed && logits ? LT_OK : LT_ENOMEM;
    if (code == LT_OK)
        code = lt_sequence_create(model, row->cut == LT_CUT_TOKENS ? 0 : spans, &run.sequence);
    if (code == LT_OK)
        code = run_prompt(&run, row, logits, times);
    double began = lt_clock_seconds();
    if (code == LT_OK)
        code = run_answer(&run, row, logits);
    times->answer = lt_clock_seconds() - began;
    row->rounds += code == LT_OK;
    lt_sequence_destroy(run.sequence);
    lt_free(run.latents);
    lt_free(run.items);
    lt_free(run.starts);
    lt_free(run.closed);
    lt_free(logits);
    return code;
}

static double total(const struct lt_projection_times *times)
{
    return times->encode + times->refine + times->mix + times->decode;
}

/* Seconds that the row's rounds took. */
static double spent(const struct lt_projection *row)
{
    double seconds = 0;
    for (size_t i = 0; i < row->rounds; i++)
        seconds += total(&row->times[i]) + row->times[i].answer;
    return seconds;
}

int lt_projections_step(struct lt_projections *projections, bool *ret_done)
{
    for (size_t i = 0; i < projections->count; i++) {
        struct lt_projection *row = &projections->rows[i];
        if (row->served && row->rounds < LT_PROJECTION_ROUNDS && spent(row) < LT_PROJECTION_SECONDS)
            return run_row(projections, row);
    }
    *ret_done = true;
    return LT_OK;
}

const struct lt_projection_times *lt_projection_times(const struct lt_projection *row)
{
    const struct lt_projection_times *fastest = &row->times[0];
    for (size_t i = 1; i < row->rounds; i++)
        if (total(&row->times[i]) < total(fastest))
            fastest = &row->times[i];
    return fastest;
}

double lt_projection_answer(const struct lt_projection *row)
{
    double least = row->times[0].answer;
    for (size_t i = 1; i < row->rounds; i++)
        least = row->times[i].answer < least ? row->times[i].answer : least;
    return least;
}
