/* Each run is an ordinary task with a generate request of the explanation's own, which takes the ordinary way through
 * lt_cycle_compute and lt_generation_advance; only the cache that it meets differs. */
#include "daemon/explanation.h"

#include <string.h>

#include "daemon/clock.h"
#include "daemon/cycle.h"
#include "daemon/generation.h"
#include "daemon/states.h"
#include "daemon/texts.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/record.h"

#define RIVAL_TEXT_BYTES (1u << 20) /* for the tokens of its texts, which it remembers as latentd does */

bool lt_explanation_comparable(const struct lt_model *model, const struct lt_model *rival)
{
    const struct lt_tokenizer *ours = lt_model_tokenizer(model), *theirs = lt_model_tokenizer(rival);
    uint32_t count = lt_tokenizer_vocabulary(ours);
    if (lt_model_has_encoder(rival) || lt_tokenizer_vocabulary(theirs) != count)
        return false;
    for (uint32_t token = 0; token < count; token++) {
        size_t bytes, their_bytes;
        const char *name = lt_tokenizer_name(ours, token, &bytes);
        const char *their_name = lt_tokenizer_name(theirs, token, &their_bytes);
        if (bytes != their_bytes || memcmp(name, their_name, bytes) != 0)
            return false;
    }
    return true;
}

uint64_t lt_explanation_record_bytes(const struct lt_explanation *explanation, const struct lt_cache_span *span)
{
    const struct lt_latent latent = {.type = explanation->latent_type,
                                     .dimension = lt_model_shape(explanation->served[LT_WAY_ASKED].model)->width,
                                     .token_count = span->count,
                                     .tokens = span->tokens};
    return lt_record_bytes(&latent);
}

/* --- beginning and end --- */

static void make_request(struct lt_explanation *explanation)
{
    explanation->request.method = LT_METHOD_GENERATE;
    explanation->request.generate = explanation->job->request->explain.generate;
    explanation->inner.request = &explanation->request;
    explanation->inner.space = explanation->job->space;
}

/* What a run meets apart from the cache. */
static int make_surroundings(struct lt_explanation *explanation, const struct lt_served_model *served,
                             const struct lt_served_model *rival)
{
    int code = lt_states_create(0, &explanation->states);
    if (code == LT_OK)
        code = lt_texts_create(lt_model_tokenizer(served->model), 0, &explanation->texts);
    if (code == LT_OK && rival)
        code = lt_texts_create(lt_model_tokenizer(rival->model), RIVAL_TEXT_BYTES, &explanation->rival_texts);
    for (int way = LT_WAY_ASKED; way <= LT_WAY_WARM; way++) {
        explanation->served[way] = *served;
        explanation->runs[way].served = &explanation->served[way];
    }
    explanation->served[LT_WAY_COLD].states = explanation->served[LT_WAY_WARM].states = explanation->states;
    explanation->served[LT_WAY_COLD].texts = explanation->texts;
    return code;
}

static int choose_rival(struct lt_explanation *explanation, struct lt_served_model *served,
                        const struct lt_served_model *rival, struct lt_error *error)
{
    const struct lt_text *text = &explanation->job->request->explain.measure;
    const struct lt_prompt *prompt = &explanation->task->prompt;
    explanation->rival = rival ? *lt_model_shape(rival->model) : lt_cost_rival(lt_model_shape(served->model));
    if (!rival) {
        explanation->not_measured = "no token-level model with this vocabulary is served";
    } else if (prompt->count + explanation->request.generate.max_tokens > explanation->rival.context) {
        explanation->not_measured = "the prompt and its answer are longer than the token-level model's context";
    } else {
        explanation->served[LT_WAY_TOKENS] = *rival;
        explanation->served[LT_WAY_TOKENS].texts = explanation->rival_texts;
        explanation->runs[LT_WAY_TOKENS].served = &explanation->served[LT_WAY_TOKENS];
    }
    return lt_projections_begin(&explanation->projections, &explanation->served[LT_WAY_COLD], &explanation->rival,
                                rival, text->text, text->bytes, error);
}

int lt_explanation_create(struct lt_job *job, struct lt_served_model *served, struct lt_served_model *rival,
                          const struct lt_explanation_tools *tools, struct lt_explanation **ret_explanation,
                          struct lt_error *error)
{
    struct lt_explanation *explanation = lt_calloc(1, sizeof *explanation);
    if (!explanation)
        return lt_fail_code(error, LT_ENOMEM);
    explanation->job = job;
    explanation->counters = tools->counters;
    explanation->began = lt_clock_seconds();
    explanation->same_answer = true;
    explanation->caches[LT_WAY_ASKED] = tools->use;
    explanation->caches[LT_WAY_COLD] = explanation->caches[LT_WAY_TOKENS] = tools->ignore;
    explanation->caches[LT_WAY_WARM] = tools->look;
    explanation->latent_type = tools->latent_type;
    make_request(explanation);
    explanation->inner.received = explanation->began;
    int code = make_surroundings(explanation, served, rival);
    if (code)
        lt_fail_code(error, code);
    else
        code = lt_task_create(&explanation->inner, &explanation->served[LT_WAY_ASKED], &explanation->task, error);
    if (code == LT_OK)
        code = choose_rival(explanation, served, rival, error);
    for (int way = LT_WAY_ASKED; code == LT_OK && way < LT_WAY_COUNT; way++) {
        explanation->runs[way].known = lt_calloc(explanation->task->span_count, 1);
        if (!explanation->runs[way].known)
            code = lt_fail_code(error, LT_ENOMEM);
    }
    if (code == LT_OK && !(explanation->span_tokens = lt_malloc(explanation->task->span_count * sizeof(uint32_t))))
        code = lt_fail_code(error, LT_ENOMEM);
    if (code) {
        lt_explanation_destroy(explanation);
        return code;
    }
    for (size_t i = 0; i < explanation->task->span_count; i++)
        explanation->span_tokens[i] = explanation->task->spans[i].count;
    *ret_explanation = explanation;
    return LT_OK;
}

void lt_explanation_destroy(struct lt_explanation *explanation)
{
    if (!explanation)
        return;
    if (explanation->task != explanation->asked)
        lt_task_destroy(explanation->task);
    lt_task_destroy(explanation->asked);
    for (int way = 0; way < LT_WAY_COUNT; way++)
        lt_free(explanation->runs[way].known);
    lt_free(explanation->span_tokens);
    lt_states_destroy(explanation->states);
    lt_cycle_memory_finish(&explanation->memory);
    lt_texts_destroy(explanation->texts);
    lt_texts_destroy(explanation->rival_texts);
    lt_projections_finish(&explanation->projections);
    lt_free(explanation);
}

/* --- one run --- */

/* What has been computed and read is noted before the next cycle is planned. */
static void note_cycle(struct lt_explanation *explanation)
{
    struct lt_task *task = explanation->task;
    struct lt_way_run *run = &explanation->runs[explanation->way];
    struct lt_way_times *times = &run->times[run->rounds];
    if (task->receipt.first_token == 0) {
        times->prompt = task->receipt;
        for (size_t i = 0; i < task->span_count; i++)
            run->known[i] = lt_cache_span_hit(&task->spans[i]);
        return;
    }
    run->answer_tokens++;
    if (task->fresh == &task->answer_span && task->fresh_count) {
        bool hit = lt_cache_span_hit(&task->answer_span);
        run->answer_spans[run->answer_span_count] = task->answer_span.count;
        run->answer_known[run->answer_span_count++] = hit;
        if (hit || explanation->way != LT_WAY_WARM)
            run->answer_bytes += lt_explanation_record_bytes(explanation, &task->answer_span);
    }
}

static void subtract(struct lt_receipt *all, const struct lt_receipt *part)
{
    all->lookup -= part->lookup;
    all->encode -= part->encode;
    all->refine -= part->refine;
    all->mix -= part->mix;
    all->decode -= part->decode;
}

static bool same_text(const struct lt_task *task, const struct lt_task *other)
{
    return task->text.text.size == other->text.text.size &&
           (task->text.text.size == 0 ||
            memcmp(task->text.text.data, other->text.text.data, task->text.text.size) == 0);
}

/* The prompt was asked as any other: it is counted, and its mixed state kept. */
static void settle(struct lt_explanation *explanation)
{
    struct lt_task *task = explanation->task;
    explanation->asked = task;
    explanation->state_spans = lt_sequence_spans(task->sequence);
    explanation->state_bytes = lt_sequence_bytes(task->sequence);
    lt_task_settle(task, explanation->counters);
}

static void finish_run(struct lt_explanation *explanation)
{
    struct lt_task *task = explanation->task;
    struct lt_way_run *run = &explanation->runs[explanation->way];
    struct lt_way_times *times = &run->times[run->rounds++];
    times->prompt.first_token = task->receipt.first_token;
    times->answer = task->receipt;
    subtract(&times->answer, &times->prompt);
    if (explanation->way == LT_WAY_ASKED) {
        settle(explanation);
    } else {
        if (explanation->way != LT_WAY_TOKENS)
            explanation->same_answer &= same_text(task, explanation->asked);
        lt_task_destroy(task);
    }
    explanation->task = NULL;
}

/* --- from run to run --- */

/* The way whose turn it is, or LT_WAY_COUNT behind the last round. */
static enum lt_way next_way(const struct lt_explanation *explanation)
{
    bool late = lt_clock_seconds() - explanation->began > LT_EXPLAIN_SECONDS;
    enum lt_way next = LT_WAY_COLD;
    for (int way = LT_WAY_COLD; way < LT_WAY_COUNT; way++)
        if (explanation->runs[way].served && explanation->runs[way].rounds < explanation->runs[next].rounds)
            next = (enum lt_way)way;
    size_t rounds = explanation->runs[next].rounds;
    bool begins = next == LT_WAY_COLD;
    return rounds == LT_EXPLAIN_ROUNDS || (begins && rounds > 0 && late) ? LT_WAY_COUNT : next;
}

static int begin_run(struct lt_explanation *explanation)
{
    struct lt_way_run *run = &explanation->runs[explanation->way];
    struct lt_error error;
    run->answer_tokens = run->answer_span_count = 0;
    run->answer_bytes = 0;
    explanation->inner.received = lt_clock_seconds();
    return lt_task_create(&explanation->inner, &explanation->served[explanation->way], &explanation->task, &error);
}

static int advance_run(struct lt_explanation *explanation)
{
    struct lt_task *task = explanation->task;
    const struct lt_cycle_place place = {.cache = explanation->caches[explanation->way]};
    int code = lt_cycle_compute(&place, &explanation->memory, task->served, &task, 1);
    if (code)
        return code;
    note_cycle(explanation);
    code = lt_generation_advance(task);
    if (code == LT_OK && task->finish_reason)
        finish_run(explanation);
    return code;
}

int lt_explanation_step(struct lt_explanation *explanation)
{
    if (!explanation->task) {
        enum lt_way way = next_way(explanation);
        if (way == LT_WAY_COUNT)
            return lt_projections_step(&explanation->projections, &explanation->done);
        explanation->way = way;
        int code = begin_run(explanation);
        if (code)
            return code;
    }
    return advance_run(explanation);
}
