#include "daemon/task.h"

#include "daemon/clock.h"
#include "daemon/document_put.h"
#include "daemon/refining.h"
#include "daemon/scoring.h"
#include "daemon/states.h"
#include "daemon/texts.h"
#include "kernels/spans.h"
#include "proto/alloc.h"

bool lt_task_generates(const struct lt_task *task)
{
    return task->job->request->method == LT_METHOD_GENERATE;
}

static bool has_prompt(enum lt_method method)
{
    return method == LT_METHOD_GENERATE || method == LT_METHOD_ENCODE || method == LT_METHOD_SCORE;
}

void lt_task_settle(struct lt_task *task, struct lt_counters *counters)
{
    const struct lt_receipt *receipt = &task->receipt;
    lt_count(counters, LT_COUNTER_PROMPT_TOKENS, task->prompt.count);
    lt_count(counters, LT_COUNTER_PROMPT_TOKENS_CACHED, receipt->cached_tokens);
    lt_count(counters, LT_COUNTER_COMPLETION_TOKENS, receipt->completion_tokens);
    lt_count(counters, LT_COUNTER_OPERATIONS,
             receipt->encode_operations + receipt->refine_operations + receipt->mix_operations +
                 receipt->decode_operations);
    lt_count(counters, LT_COUNTER_SPANS_RESTORED, receipt->restored_spans);
    lt_count(counters, LT_COUNTER_REFINED_SPANS, receipt->refined_spans);
    if (!lt_task_generates(task) || !task->served->states)
        return;
    lt_states_keep(task->served->states, task->spans, task->starts, task->span_count, task->states_age, task->sequence);
    task->sequence = NULL;
}

static void forget_spans(struct lt_task *task)
{
    lt_free(task->spans);
    lt_free(task->starts);
    lt_free(task->latents);
    lt_free(task->prompt_closed);
    lt_free(task->refining);
    lt_free(task->refined);
    task->refining = NULL;
    task->refined = NULL;
    task->spans = NULL;
    task->starts = NULL;
    task->latents = NULL;
    task->prompt_closed = NULL;
    task->span_count = 0;
}

void lt_task_destroy(struct lt_task *task)
{
    if (!task)
        return;
    lt_prompt_finish(&task->prompt);
    lt_fetching_finish(&task->fetching);
    forget_spans(task);
    lt_document_put_destroy(task->put);
    lt_refining_destroy(task->refining_document);
    lt_free(task->scoring.piece);
    lt_free(task->scoring.nats);
    lt_sequence_destroy(task->sequence);
    lt_sampler_destroy(task->sampler);
    lt_answer_text_finish(&task->text);
    lt_free(task->logits);
    lt_free(task->answer_latent);
    lt_free(task);
}

/* Appends the spans of one segment, whose first token is number `begin` of all. */
static void cut_segment(struct lt_task *task, const uint32_t *tokens, size_t begin, size_t length, uint32_t *ends)
{
    const struct lt_span_rule *rule = lt_model_span_rule(task->served->model);
    size_t count = lt_span_cut(rule, tokens + begin, length, ends), start = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t t = start; t < ends[i]; t++)
            task->prompt_closed[begin + t] = (uint32_t)(task->span_count + (t + 1 == ends[i]));
        task->starts[task->span_count] = i == 0;
        task->spans[task->span_count++] =
            (struct lt_cache_span){.tokens = tokens + begin + start, .count = (uint32_t)(ends[i] - start)};
        start = ends[i];
    }
}

int lt_task_cut(struct lt_task *task, const uint32_t *tokens, const size_t *ends, size_t segments)
{
    const struct lt_model *model = task->served->model;
    size_t width = lt_model_shape(model)->width, count = ends[segments - 1];
    forget_spans(task);
    task->prompt_closed = lt_calloc(count, sizeof *task->prompt_closed);
    if (!lt_model_has_encoder(model))
        return task->prompt_closed ? LT_OK : LT_ENOMEM;
    uint32_t *span_ends = lt_malloc(count * sizeof *span_ends);
    task->spans = lt_calloc(count, sizeof *task->spans);
    task->starts = lt_calloc(count, 1);
    int code = span_ends && task->spans && task->starts && task->prompt_closed ? LT_OK : LT_ENOMEM;
    for (size_t i = 0, begin = 0; code == LT_OK && i < segments; begin = ends[i++])
        cut_segment(task, tokens, begin, ends[i] - begin, span_ends);
    lt_free(span_ends);
    if (code)
        return code;
    task->latents = lt_malloc(task->span_count * width * sizeof *task->latents);
    if (!task->latents)
        return LT_ENOMEM;
    for (size_t i = 0; i < task->span_count; i++)
        task->spans[i].latent = task->latents + i * width;
    return LT_OK;
}

/* What only an answer needs: sequence, sampler, text, logits. */
static int prepare_answer(struct lt_task *task)
{
    const struct lt_model *model = task->served->model;
    const struct lt_generate_request *request = &task->job->request->generate;
    const struct lt_sampling sampling = {request->temperature, request->top_k, request->top_p, request->seed,
                                         request->repetition_penalty};
    int code = LT_OK;
    if (!lt_model_has_encoder(model)) /* else its first cycle finds it one */
        code = lt_sequence_create(model, 0, &task->sequence);
    if (code)
        return code;
    code = lt_sampler_create(lt_model_tokenizer(model), lt_model_prompt_format(model)->end, &sampling, &task->sampler);
    if (code)
        return code;
    task->logits = lt_malloc(lt_model_shape(model)->vocabulary * sizeof *task->logits);
    task->answer_latent = lt_malloc(lt_model_shape(model)->width * sizeof *task->answer_latent);
    return task->logits && task->answer_latent ? LT_OK : LT_ENOMEM;
}

static void plan_first_cycle(struct lt_task *task)
{
    task->fresh = task->spans;
    task->fresh_starts = task->starts;
    task->fresh_latents = task->latents;
    task->fresh_count = task->span_count;
    if (!lt_task_generates(task))
        return;
    size_t reach = lt_decode_reach(task->served->model);
    size_t skipped = task->prompt.count > reach ? task->prompt.count - reach : 0;
    task->feed = task->prompt.tokens + skipped;
    task->feed_closed = task->prompt_closed + skipped;
    task->feed_count = task->prompt.count - skipped;
}

int lt_task_create(struct lt_job *job, struct lt_served_model *served, struct lt_task **ret_task,
                   struct lt_error *error)
{
    const struct lt_request *request = job->request;
    struct lt_task *task = lt_calloc(1, sizeof *task);
    if (!task)
        return lt_fail_code(error, LT_ENOMEM);
    task->job = job;
    task->served = served;
    bool generates = request->method == LT_METHOD_GENERATE;
    lt_answer_text_init(&task->text, generates ? request->generate.stop : NULL,
                        generates ? request->generate.stop_count : 0);
    if (!has_prompt(request->method)) {
        *ret_task = task;
        return LT_OK;
    }
    double began = lt_clock_seconds();
    lt_texts_enter(served->texts, job->space.salt, job->space.salt_bytes);
    int code = lt_prompt_make(served, job, &task->prompt, error);
    if (code)
        goto failed;
    if (request->method == LT_METHOD_SCORE)
        code = lt_scoring_begin(task);
    else
        code = lt_task_cut(task, task->prompt.tokens, task->prompt.ends, task->prompt.segments);
    if (code == LT_OK && generates)
        code = prepare_answer(task);
    if (code) {
        lt_fail_code(error, code);
        goto failed;
    }
    task->receipt.tokenize = lt_clock_seconds() - began;
    if (request->method != LT_METHOD_SCORE)
        plan_first_cycle(task);
    *ret_task = task;
    return LT_OK;
failed:
    lt_task_destroy(task);
    return code;
}

/* For its client, or for the remote tier. */
bool lt_task_is_waiting(const struct lt_task *task)
{
    if (lt_fetching_waits(&task->fetching))
        return true;
    if (task->put)
        return lt_writing_waits(&task->put->writing);
    if (task->refining_document)
        return lt_refining_waits(task->refining_document);
    return task->fresh_count == 0 && task->feed_count == 0 && atomic_load(&task->job->paused);
}

/* What is on its way to the disk cannot be called back. */
bool lt_task_is_cancelled(const struct lt_task *task)
{
    bool writing = task->put ? task->put->writing.begun : task->refining_document && lt_task_is_waiting(task);
    return atomic_load(&task->job->cancelled) && !writing;
}
