#include "daemon/reply.h"

#include <math.h>
#include <sodium.h>

#include "daemon/clock.h"
#include "kernels/tokenizer.h"
#include "proto/pairs.h"

void lt_reply_token(struct lt_writer *writer, const struct lt_task *task)
{
    lt_write_notification(writer, "token");
    lt_write_map(writer, 2);
    lt_pair_uint(writer, "id", task->job->request->id);
    lt_write_text(writer, "text");
    lt_write_text_bytes(writer, task->piece, task->piece_bytes);
}

void lt_reply_token_text(struct lt_writer *writer, const struct lt_model *model, const uint32_t *tokens, uint32_t count)
{
    const struct lt_tokenizer *tokenizer = lt_model_tokenizer(model);
    struct lt_answer_text text;
    lt_answer_text_init(&text, NULL, 0);
    int code = LT_OK;
    for (uint32_t i = 0; i < count && code == LT_OK; i++) {
        size_t bytes;
        const char *piece = lt_tokenizer_kind(tokenizer, tokens[i]) == LT_TOKEN_CONTROL
                                ? lt_tokenizer_name(tokenizer, tokens[i], &bytes)
                                : lt_tokenizer_text(tokenizer, tokens[i], &bytes);
        code = lt_answer_text_append(&text, piece, bytes);
    }
    if (code == LT_OK)
        code = lt_answer_text_end(&text);
    if (code)
        writer->error = code;
    lt_write_text_bytes(writer, (const char *)text.text.data, text.text.size);
    lt_answer_text_finish(&text);
}

static void write_latent(struct lt_writer *writer, const struct lt_task *task, const struct lt_cache_span *span)
{
    lt_write_text(writer, "latent");
    lt_write_binary(writer, span->latent, lt_model_shape(task->served->model)->width * sizeof *span->latent);
}

static void write_mean(struct lt_writer *writer, const struct lt_task *task)
{
    float mean[LT_LATENT_DIMENSION_MAX];
    uint32_t width = lt_model_shape(task->served->model)->width;
    for (uint32_t d = 0; d < width; d++) {
        double sum = 0;
        for (size_t i = 0; i < task->span_count; i++)
            sum += (double)task->spans[i].latent[d];
        mean[d] = (float)(sum / (double)task->span_count);
    }
    lt_write_text(writer, "mean");
    lt_write_binary(writer, mean, width * sizeof *mean);
}

void lt_reply_spans(struct lt_writer *writer, const struct lt_task *task, bool latents)
{
    lt_write_text(writer, "spans");
    lt_write_array(writer, (uint32_t)task->span_count);
    for (size_t i = 0; i < task->span_count; i++) {
        const struct lt_cache_span *span = &task->spans[i];
        char key[2 * LT_SPAN_KEY_BYTES + 1];
        sodium_bin2hex(key, sizeof key, span->key.bytes, LT_SPAN_KEY_BYTES);
        lt_write_map(writer, 4 + latents);
        lt_write_text(writer, "text");
        lt_reply_token_text(writer, task->served->model, span->tokens, span->count);
        lt_pair_uint(writer, "tokens", span->count);
        lt_write_text(writer, "key");
        lt_write_text(writer, key);
        lt_write_text(writer, lt_cache_span_hit(span) ? "tier" : "miss");
        lt_write_text(writer, lt_cache_span_outcome(span));
        if (latents)
            write_latent(writer, task, span);
    }
}

static void write_prompt_usage(struct lt_writer *writer, const struct lt_task *task)
{
    lt_pair_uint(writer, "prompt_tokens", task->prompt.count);
    lt_pair_uint(writer, "prompt_spans", task->span_count);
    lt_pair_uint(writer, "span_hits", task->receipt.hits);
    lt_pair_uint(writer, "span_misses", task->receipt.misses);
}

void lt_reply_usage(struct lt_writer *writer, const struct lt_task *task)
{
    lt_write_text(writer, "usage");
    lt_write_map(writer, 8);
    write_prompt_usage(writer, task);
    lt_pair_uint(writer, "restored_spans", task->receipt.restored_spans);
    lt_pair_uint(writer, "refined_spans", task->receipt.refined_spans);
    lt_pair_uint(writer, "completion_tokens", task->receipt.completion_tokens);
    lt_pair_uint(writer, "completion_spans", task->receipt.completion_spans);
}

/* Seven pairs. */
static void write_stage_times(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_receipt *receipt = &task->receipt;
    lt_pair_milliseconds(writer, "tokenize_ms", receipt->tokenize);
    lt_pair_milliseconds(writer, "lookup_ms", receipt->lookup);
    lt_pair_milliseconds(writer, "encode_ms", receipt->encode);
    lt_pair_milliseconds(writer, "refine_ms", receipt->refine);
    lt_pair_milliseconds(writer, "mix_ms", receipt->mix);
    lt_pair_milliseconds(writer, "decode_ms", receipt->decode);
    lt_pair_milliseconds(writer, "total_ms", lt_clock_seconds() - task->job->received);
}

static void write_operations(struct lt_writer *writer, const struct lt_receipt *receipt)
{
    lt_write_text(writer, "ops");
    lt_write_map(writer, 4);
    lt_pair_uint(writer, "encode", receipt->encode_operations);
    lt_pair_uint(writer, "refine", receipt->refine_operations);
    lt_pair_uint(writer, "mix", receipt->mix_operations);
    lt_pair_uint(writer, "decode", receipt->decode_operations);
}

void lt_reply_generation(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_receipt *receipt = &task->receipt;
    lt_write_response(writer, task->job->request->id);
    lt_write_map(writer, 8);
    lt_write_text(writer, "text");
    lt_write_text_bytes(writer, (const char *)task->text.text.data, task->text.text.size);
    lt_write_text(writer, "finish_reason");
    lt_write_text(writer, task->finish_reason);
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(task->served->model));

    lt_reply_usage(writer, task);

    lt_write_text(writer, "timings");
    lt_write_map(writer, 8);
    lt_pair_milliseconds(writer, "ttft_ms", receipt->first_token);
    write_stage_times(writer, task);

    write_operations(writer, receipt);
    lt_write_text(writer, "ops_saved");
    lt_write_map(writer, 1);
    lt_pair_uint(writer, "refine", receipt->saved_operations);
    lt_reply_spans(writer, task, false);
}

void lt_reply_encoding(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_receipt *receipt = &task->receipt;
    lt_write_response(writer, task->job->request->id);
    enum lt_latents latents = task->job->request->encode.latents;
    lt_write_map(writer, 6 + (latents != LT_LATENTS_NONE));
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(task->served->model));
    lt_pair_uint(writer, "dimension", lt_model_shape(task->served->model)->width);
    lt_write_text(writer, "usage");
    lt_write_map(writer, 4);
    write_prompt_usage(writer, task);
    lt_write_text(writer, "timings");
    lt_write_map(writer, 4);
    lt_pair_milliseconds(writer, "tokenize_ms", receipt->tokenize);
    lt_pair_milliseconds(writer, "lookup_ms", receipt->lookup);
    lt_pair_milliseconds(writer, "encode_ms", receipt->encode);
    lt_pair_milliseconds(writer, "total_ms", lt_clock_seconds() - task->job->received);
    lt_write_text(writer, "ops");
    lt_write_map(writer, 1);
    lt_pair_uint(writer, "encode", receipt->encode_operations);
    if (latents != LT_LATENTS_NONE)
        write_mean(writer, task);
    lt_reply_spans(writer, task, latents == LT_LATENTS_SPANS);
}

static void write_score(struct lt_writer *writer, uint64_t bytes, uint64_t tokens, double nats)
{
    lt_pair_uint(writer, "bytes", bytes);
    lt_pair_uint(writer, "tokens", tokens);
    lt_pair_real(writer, "nats", nats);
    lt_pair_real(writer, "bits_per_byte", nats / M_LN2 / (double)bytes);
}

void lt_reply_score(struct lt_writer *writer, const struct lt_task *task)
{
    const struct lt_score_request *request = &task->job->request->score;
    const struct lt_score *scores = task->scoring.scores;
    uint64_t bytes = 0, tokens = 0;
    double nats = 0;
    for (size_t i = 0; i < request->segment_count; i++) {
        bytes += request->segments[i].bytes;
        tokens += scores[i].tokens;
        nats += scores[i].nats;
    }
    lt_write_response(writer, task->job->request->id);
    lt_write_map(writer, 9);
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(task->served->model));
    write_score(writer, bytes, tokens, nats);
    lt_pair_uint(writer, "pieces", task->scoring.pieces);
    lt_write_text(writer, "segments");
    lt_write_array(writer, (uint32_t)request->segment_count);
    for (size_t i = 0; i < request->segment_count; i++) {
        lt_write_map(writer, 5);
        lt_write_text(writer, "role");
        lt_write_text(writer, lt_role_name(request->segments[i].role));
        write_score(writer, request->segments[i].bytes, scores[i].tokens, scores[i].nats);
    }
    lt_write_text(writer, "timings");
    lt_write_map(writer, 7);
    write_stage_times(writer, task);
    write_operations(writer, &task->receipt);
}
