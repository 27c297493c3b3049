#include "daemon/near_reply.h"

#include <sodium.h>

#include "daemon/clock.h"
#include "daemon/reply.h"
#include "proto/pairs.h"

/* Three pairs. */
static void write_span(struct lt_writer *writer, const struct lt_model *model, const uint32_t *tokens, uint32_t count,
                       const struct lt_span_key *key)
{
    char digits[2 * LT_SPAN_KEY_BYTES + 1];
    sodium_bin2hex(digits, sizeof digits, key->bytes, LT_SPAN_KEY_BYTES);
    lt_write_text(writer, "text");
    lt_reply_token_text(writer, model, tokens, count);
    lt_pair_uint(writer, "tokens", count);
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
        lt_pair_real(writer, "cosine", found[i].cosine);
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
    lt_pair_uint(writer, "dimension", nearest->dimension);
    lt_pair_uint(writer, "scanned", nearest->scanned);
    lt_write_text(writer, "timings");
    lt_write_map(writer, 4);
    lt_pair_milliseconds(writer, "tokenize_ms", receipt->tokenize);
    lt_pair_milliseconds(writer, "encode_ms", receipt->encode);
    lt_pair_milliseconds(writer, "scan_ms", scan);
    lt_pair_milliseconds(writer, "total_ms", lt_clock_seconds() - job->received);
    lt_write_text(writer, "spans");
    lt_write_array(writer, (uint32_t)task->span_count);
    for (size_t i = 0; i < task->span_count; i++) {
        const struct lt_cache_span *span = &task->spans[i];
        lt_write_map(writer, 4);
        write_span(writer, model, span->tokens, span->count, &span->key);
        write_nearest(writer, model, nearest, i);
    }
}
