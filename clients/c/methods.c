/* The methods that people call by name, with their results as structures. A structure points into the reply it was read
 * from and owns it. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/call.h"
#include "clients/c/reply.h"
#include "proto/alloc.h"

static uint64_t read_uint(const struct latent_reply *reply, const char *path)
{
    return latent_value_uint(latent_reply_at(reply, path), 0);
}

static double read_real(const struct latent_reply *reply, const char *path)
{
    return latent_value_real(latent_reply_at(reply, path), 0);
}

static int read_spans(const struct latent_reply *reply, struct latent_receipt *receipt)
{
    const struct latent_value *spans = latent_reply_at(reply, "spans");
    size_t count = latent_value_count(spans);
    receipt->spans = lt_calloc(count ? count : 1, sizeof *receipt->spans);
    if (!receipt->spans)
        return LT_ENOMEM;
    receipt->span_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct latent_value *value = latent_value_item(spans, i);
        const char *tier = latent_value_text(latent_value_at(value, "tier"), NULL);
        receipt->spans[i] = (struct latent_span){
            .text = latent_value_text(latent_value_at(value, "text"), ""),
            .tokens = latent_value_uint(latent_value_at(value, "tokens"), 0),
            .key = latent_value_text(latent_value_at(value, "key"), ""),
            .hit = tier != NULL,
            .outcome = tier ? tier : latent_value_text(latent_value_at(value, "miss"), "unknown"),
        };
    }
    return LT_OK;
}

static int read_receipt(struct latent *latent, const struct latent_reply *reply, struct latent_receipt *receipt)
{
    *receipt = (struct latent_receipt){
        .usage = {.prompt_tokens = read_uint(reply, "usage.prompt_tokens"),
                  .prompt_spans = read_uint(reply, "usage.prompt_spans"),
                  .span_hits = read_uint(reply, "usage.span_hits"),
                  .span_misses = read_uint(reply, "usage.span_misses"),
                  .restored_spans = read_uint(reply, "usage.restored_spans"),
                  .refined_spans = read_uint(reply, "usage.refined_spans"),
                  .completion_tokens = read_uint(reply, "usage.completion_tokens"),
                  .completion_spans = read_uint(reply, "usage.completion_spans")},
        .timings = {.ttft = read_real(reply, "timings.ttft_ms"),
                    .tokenize = read_real(reply, "timings.tokenize_ms"),
                    .lookup = read_real(reply, "timings.lookup_ms"),
                    .encode = read_real(reply, "timings.encode_ms"),
                    .refine = read_real(reply, "timings.refine_ms"),
                    .mix = read_real(reply, "timings.mix_ms"),
                    .decode = read_real(reply, "timings.decode_ms"),
                    .total = read_real(reply, "timings.total_ms")},
        .operations = {.encode = read_uint(reply, "ops.encode"),
                       .refine = read_uint(reply, "ops.refine"),
                       .mix = read_uint(reply, "ops.mix"),
                       .decode = read_uint(reply, "ops.decode"),
                       .refine_saved = read_uint(reply, "ops_saved.refine")},
    };
    int code = read_spans(reply, receipt);
    return code ? lt_fail_code(&latent->error, code) : LT_OK;
}

void latent_generate_options_init(struct latent_generate_options *options)
{
    *options = (struct latent_generate_options){.temperature = -1, .top_k = -1, .top_p = -1, .repetition_penalty = -1};
}

static void write_text_pair(struct lt_writer *writer, const char *name, const char *text)
{
    lt_write_text(writer, name);
    lt_write_text(writer, text);
}

static void write_segments(struct lt_writer *writer, const struct latent_generate_options *options)
{
    lt_write_text(writer, "segments");
    lt_write_array(writer, (uint32_t)options->segment_count);
    for (size_t i = 0; i < options->segment_count; i++) {
        const struct latent_segment *segment = &options->segments[i];
        if (segment->document) {
            lt_write_map(writer, segment->version ? 2 : 1);
            write_text_pair(writer, "doc", segment->document);
            if (segment->version) {
                lt_write_text(writer, "version");
                lt_write_uint(writer, segment->version);
            }
            continue;
        }
        lt_write_map(writer, 2);
        write_text_pair(writer, "role", segment->role == LATENT_DOCUMENT ? "document" : "user");
        lt_write_text(writer, "text");
        lt_write_text_bytes(writer, segment->text, segment->bytes);
    }
}

/* Only what the caller chose is sent; the rest is the daemon's to choose. */
static void write_options(struct call *call, const struct latent_generate_options *options, bool stream)
{
    struct lt_writer *writer = &call->writer;
    uint32_t pairs = 2 + call_space_pairs(call->latent) + (options->prompt != NULL) + (options->segments != NULL) +
                     (options->model != NULL) + (options->format != NULL) + (options->max_tokens > 0) +
                     (options->temperature >= 0) + (options->top_k >= 0) + (options->top_p >= 0) +
                     (options->repetition_penalty >= 0) + (options->stop_count > 0);
    lt_write_map(writer, pairs);
    call_write_space(call);
    lt_write_text(writer, "stream");
    lt_write_bool(writer, stream);
    lt_write_text(writer, "seed");
    lt_write_uint(writer, options->seed);
    if (options->prompt)
        write_text_pair(writer, "prompt", options->prompt);
    if (options->segments)
        write_segments(writer, options);
    if (options->model)
        write_text_pair(writer, "model", options->model);
    if (options->format)
        write_text_pair(writer, "format", options->format);
    if (options->max_tokens > 0) {
        lt_write_text(writer, "max_tokens");
        lt_write_uint(writer, options->max_tokens);
    }
    if (options->temperature >= 0) {
        lt_write_text(writer, "temperature");
        lt_write_real(writer, options->temperature);
    }
    if (options->top_k >= 0) {
        lt_write_text(writer, "top_k");
        lt_write_uint(writer, (uint64_t)options->top_k);
    }
    if (options->repetition_penalty >= 0) {
        lt_write_text(writer, "repetition_penalty");
        lt_write_real(writer, options->repetition_penalty);
    }
    if (options->top_p >= 0) {
        lt_write_text(writer, "top_p");
        lt_write_real(writer, options->top_p);
    }
    if (options->stop_count > 0) {
        lt_write_text(writer, "stop");
        lt_write_array(writer, (uint32_t)options->stop_count);
        for (size_t i = 0; i < options->stop_count; i++)
            lt_write_text(writer, options->stop[i]);
    }
}

int latent_generate(struct latent *latent, const struct latent_generate_options *options,
                    latent_token_function on_token, void *data, struct latent_generation *ret_generation)
{
    struct latent_generation generation = {0};
    struct call call;
    call_begin(&call, latent, "generate");
    write_options(&call, options, on_token != NULL);
    const struct call_listener listener = {.on_token = on_token, .data = data};
    int code = call_finish(&call, &listener, &generation.reply);
    if (code)
        return code;
    const struct latent_value *text = latent_reply_at(generation.reply, "text");
    generation.text = latent_value_text(text, NULL);
    if (!generation.text) {
        latent_reply_destroy(generation.reply);
        return lt_fail(&latent->error, LT_EMALFORMED, "the daemon's answer has no text");
    }
    latent_value_bytes(text, &generation.text_bytes);
    generation.finish_reason = latent_value_text(latent_reply_at(generation.reply, "finish_reason"), "");
    generation.model = latent_value_text(latent_reply_at(generation.reply, "model"), "");
    code = read_receipt(latent, generation.reply, &generation.receipt);
    if (code)
        latent_reply_destroy(generation.reply);
    else
        *ret_generation = generation;
    return code;
}

void latent_generation_finish(struct latent_generation *generation)
{
    lt_free(generation->receipt.spans);
    latent_reply_destroy(generation->reply);
    *generation = (struct latent_generation){0};
}

static int call_with_text(struct latent *latent, const char *method, const char *model, const char *text, size_t bytes,
                          struct latent_reply **ret_reply)
{
    struct call call;
    call_begin(&call, latent, method);
    lt_write_map(&call.writer, 1 + (model != NULL) + call_space_pairs(latent));
    call_write_space(&call);
    lt_write_text(&call.writer, "text");
    lt_write_text_bytes(&call.writer, text, bytes);
    if (model)
        write_text_pair(&call.writer, "model", model);
    return call_finish(&call, NULL, ret_reply);
}

int latent_encode(struct latent *latent, const char *model, const char *text, size_t bytes,
                  struct latent_encoding *ret_encoding)
{
    struct latent_encoding encoding = {0};
    int code = call_with_text(latent, "encode", model, text, bytes, &encoding.reply);
    if (code)
        return code;
    encoding.model = latent_value_text(latent_reply_at(encoding.reply, "model"), "");
    encoding.dimension = read_uint(encoding.reply, "dimension");
    code = read_receipt(latent, encoding.reply, &encoding.receipt);
    if (code)
        latent_reply_destroy(encoding.reply);
    else
        *ret_encoding = encoding;
    return code;
}

void latent_encoding_finish(struct latent_encoding *encoding)
{
    lt_free(encoding->receipt.spans);
    latent_reply_destroy(encoding->reply);
    *encoding = (struct latent_encoding){0};
}

int latent_score(struct latent *latent, const char *model, const char *text, size_t bytes,
                 struct latent_score *ret_score)
{
    struct latent_score score = {0};
    int code = call_with_text(latent, "score", model, text, bytes, &score.reply);
    if (code)
        return code;
    score.model = latent_value_text(latent_reply_at(score.reply, "model"), "");
    score.bytes = read_uint(score.reply, "bytes");
    score.tokens = read_uint(score.reply, "tokens");
    score.nats = read_real(score.reply, "nats");
    score.bits_per_byte = read_real(score.reply, "bits_per_byte");
    *ret_score = score;
    return LT_OK;
}

void latent_score_finish(struct latent_score *score)
{
    latent_reply_destroy(score->reply);
    *score = (struct latent_score){0};
}

/* A call of which only the success matters. */
static int call_for_effect(struct latent *latent, const char *method)
{
    struct latent_reply *reply = NULL;
    int code = call_plain(latent, method, &reply);
    latent_reply_destroy(reply);
    return code;
}

int latent_ping(struct latent *latent)
{
    return call_for_effect(latent, "ping");
}

int latent_shutdown(struct latent *latent)
{
    return call_for_effect(latent, "shutdown");
}

int latent_stats(struct latent *latent, struct latent_reply **ret_reply)
{
    return call_plain(latent, "stats", ret_reply);
}

int latent_info(struct latent *latent, struct latent_reply **ret_reply)
{
    return call_plain(latent, "info", ret_reply);
}

int latent_models(struct latent *latent, struct latent_reply **ret_reply)
{
    return call_plain(latent, "models", ret_reply);
}
