#include "daemon/generation.h"

#include "daemon/clock.h"
#include "kernels/spans.h"
#include "kernels/tokenizer.h"

/* Adds a token to the open span; plans encoding and mixing if that closes it. Control tokens, the one kind that would
 * close a span in front of itself, are never sampled. */
static void extend_span(struct lt_task *task, uint32_t token)
{
    if (!lt_model_has_encoder(task->served->model))
        return;
    struct lt_span_step step = lt_span_feed(lt_model_span_rule(task->served->model), task->open_count, token);
    task->open[task->open_count++] = token;
    task->fresh_count = 0;
    if (!step.closes_after)
        return;
    static const uint8_t continues_segment = 0;
    task->answer_span =
        (struct lt_cache_span){.tokens = task->open, .count = task->open_count, .latent = task->answer_latent};
    task->fresh = &task->answer_span;
    task->fresh_starts = &continues_segment;
    task->fresh_latents = task->answer_latent;
    task->fresh_refining = NULL;
    task->fresh_refined = NULL;
    task->fresh_count = 1;
    task->open_count = 0;
    task->receipt.completion_spans++;
}

static void feed_token(struct lt_task *task, uint32_t token)
{
    task->feed_one = token;
    task->feed_one_closed = (uint32_t)(lt_sequence_spans(task->sequence) + task->fresh_count);
    task->feed = &task->feed_one;
    task->feed_closed = &task->feed_one_closed;
    task->feed_count = 1;
}

int lt_generation_advance(struct lt_task *task)
{
    const struct lt_model *model = task->served->model;
    const struct lt_generate_request *request = &task->job->request->generate;
    bool first = task->receipt.first_token == 0;
    if (first && task->served->states)
        (void)lt_sequence_mark(task->sequence, task->logits); /* without it, a repeated prompt is decoded again */
    uint32_t token = lt_sampler_next(task->sampler, task->logits);
    if (first)
        task->receipt.first_token = lt_clock_seconds() - task->job->received;
    task->fresh_count = task->feed_count = 0;
    if (token == lt_model_prompt_format(model)->end) {
        task->finish_reason = "stop";
        return lt_answer_text_end(&task->text);
    }
    size_t bytes;
    const char *text = lt_tokenizer_text(lt_model_tokenizer(model), token, &bytes);
    int code = lt_answer_text_append(&task->text, text, bytes);
    if (code)
        return code;
    task->receipt.completion_tokens++;
    if (task->text.stopped) {
        task->finish_reason = "stop";
        return LT_OK;
    }
    if (task->receipt.completion_tokens == request->max_tokens ||
        task->prompt.count + task->receipt.completion_tokens >= lt_model_shape(model)->context) {
        task->finish_reason = "length";
        return lt_answer_text_end(&task->text);
    }
    extend_span(task, token);
    feed_token(task, token);
    return LT_OK;
}

void lt_generation_observe(struct lt_task *task, struct lt_counters *counters)
{
    double now = lt_clock_seconds();
    bool was_paused = atomic_exchange(&task->job->was_paused, false);
    if (task->last_token == 0)
        lt_observe(counters, LT_HISTOGRAM_TIME_TO_FIRST_TOKEN, now - task->job->received);
    else if (!was_paused)
        lt_observe(counters, LT_HISTOGRAM_INTER_TOKEN, now - task->last_token);
    task->last_token = now;
}
