#include "daemon/near_reply.h"

#include <sodium.h>

#include "daemon/clock.h"
#include "daemon/reply.h"

static void write_count(struct lt_writer *writer, const char *name, uint64_t count)
{
    lt_write_text(writer, name);
    lt_write_uint(writer, count);
}

static void write_milliseconds(struct lt_writer *writer, const char *name, double seconds)
{
    lt_write_text(writer, name);
    lt_write_real(writer, 1e3 * seconds);
}

/* Three pairs. */
static void write_span(struct lt_writer *writer, const struct lt_model *model, const uint32_t *tokens, uint32_t count,
                       const struct lt_span_key *key)
{
    char digits[2 * LT_SPAN_KEY_BYTES + 1];
    sodium_bin2hex(digits, sizeof digits, key->bytes, LT_SPAN_KEY_BYTES);
    lt_write_text(writer, "text");
    lt_reply_token_text(writer, model, tokens, count);
    write_count(writer, "tokens", count);
    lt_write_text(writer, "key");
    lt_write_text(writer, digits);
}

static void write_nearest(struct lt_writer *writer, const struct lt_model *model, const struct lt_nearest *nearest,
                          size_t query)
{
    const struct lt_neighbour *found = nearest->found + query * nearest->k;
    lt_write_text(writer, "nearest");
    lt_write_array(writer, (uint32_t)nearest->counts[query]);
    for (size_t i = 0; i < nearest->counts[query]; i++) {
        lt_write_map(writer, 4);
        lt_write_text(writer, "cosine");
        lt_write_real(writer, found[i].cosine);
        write_span(writer, model, found[i].tokens, found[i].token_count, &found[i].key);
    }
}

void lt_reply_near(struct lt_writer *writer, const struct lt_job *job, const struct lt_task *task,
                   const struct lt_nearest *nearest, double scan)
{
    const struct lt_model *model = task->served->model;
    const struct lt_receipt *receipt = &task->receipt;
    lt_write_response(writer, job->request->id);
    lt_write_map(writer, 5);
    lt_write_text(writer, "model");
    lt_write_text(writer, lt_model_name(model));
    write_count(writer, "dimension", nearest->dimension);
    write_count(writer, "scanned", nearest->scanned);
    lt_write_text(writer, "timings");
    lt_write_map(writer, 4);
    write_milliseconds(writer, "tokenize_ms", receipt->tokenize);
    write_milliseconds(writer, "encode_ms", receipt->encode);
    write_milliseconds(writer, "scan_ms", scan);
    write_milliseconds(writer, "total_ms", lt_clock_seconds() - job->received);
    lt_write_text(writer, "spans");
    lt_write_array(writer, (uint32_t)task->span_count);
    for (size_t i = 0; i < task->span_count; i++) {
        const struct lt_cache_span *span = &task->spans[i];
        lt_write_map(writer, 4);
        write_span(writer, model, span->tokens, span->count, &span->key);
        write_nearest(writer, model, nearest, i);
    }
}
