#include "daemon/document_cutter.h"

#include <string.h>

#include "kernels/spans.h"
#include "kernels/tokenizer.h"
#include "proto/alloc.h"

#define SLICE_BYTES 2048      /* of text; some 60 spans, which encode in tens of milliseconds */
#define SLICE_BYTES_MAX 65536 /* for a text that cannot be cut for as long as that */

void lt_document_cutter_init(struct lt_document_cutter *cutter, const char *text, size_t bytes)
{
    *cutter = (struct lt_document_cutter){.text = text, .bytes = bytes};
}

void lt_document_cutter_finish(struct lt_document_cutter *cutter)
{
    lt_free(cutter->ids);
    lt_free(cutter->lengths);
    lt_free(cutter->keys);
    *cutter = (struct lt_document_cutter){0};
}

static int reserve(struct lt_document_cutter *cutter, size_t tokens)
{
    size_t ids = cutter->id_count + tokens, spans = cutter->span_count + tokens + 1;
    if (ids > cutter->id_room) {
        uint32_t *grown = lt_realloc(cutter->ids, 2 * ids * sizeof *grown);
        if (!grown)
            return LT_ENOMEM;
        cutter->ids = grown;
        cutter->id_room = 2 * ids;
    }
    if (spans > cutter->span_room) {
        uint8_t *lengths = lt_realloc(cutter->lengths, 2 * spans * sizeof *lengths);
        if (!lengths)
            return LT_ENOMEM;
        cutter->lengths = lengths;
        struct lt_span_key *keys = lt_realloc(cutter->keys, 2 * spans * sizeof *keys);
        if (!keys)
            return LT_ENOMEM;
        cutter->keys = keys;
        cutter->span_room = 2 * spans;
    }
    return LT_OK;
}

/* Where the slice from `at` on ends: where the tokens of both sides do not depend on each other. A text without such a
 * place is cut between two characters, which costs it a token or two at the cut. */
static size_t slice_bytes(const struct lt_document_cutter *cutter, const struct lt_tokenizer *tokenizer)
{
    const char *text = cutter->text + cutter->at;
    size_t left = cutter->bytes - cutter->at;
    for (size_t most = SLICE_BYTES; most <= SLICE_BYTES_MAX; most *= 2) {
        size_t bytes = lt_tokenizer_cut(tokenizer, text, left, most);
        if (bytes)
            return bytes;
    }
    size_t bytes = SLICE_BYTES_MAX;
    while (((uint8_t)text[bytes] & 0xc0) == 0x80)
        bytes--;
    return bytes;
}

static int tokenize_slice(struct lt_document_cutter *cutter, const struct lt_tokenizer *tokenizer,
                          struct lt_error *error)
{
    uint32_t *tokens;
    size_t count, bytes = slice_bytes(cutter, tokenizer);
    int code = lt_tokenizer_encode(tokenizer, cutter->text + cutter->at, bytes, &tokens, &count, error);
    if (code)
        return code;
    code = reserve(cutter, count);
    if (code) {
        lt_fail_code(error, code);
    } else {
        memcpy(cutter->ids + cutter->id_count, tokens, count * sizeof *tokens);
        cutter->id_count += count;
        cutter->at += bytes;
        cutter->tokens += count;
    }
    lt_free(tokens);
    return code;
}

/* Cuts what was tokenized into spans. The last one stays open unless the text is at its end. */
static void cut_slice(struct lt_document_cutter *cutter, const struct lt_span_rule *rule, size_t from)
{
    uint32_t open = (uint32_t)(from - cutter->open_at);
    for (size_t i = from; i < cutter->id_count; i++) {
        struct lt_span_step step = lt_span_feed(rule, open, cutter->ids[i]); /* text has no control tokens */
        open++;
        if (step.closes_after || (cutter->at == cutter->bytes && i + 1 == cutter->id_count)) {
            cutter->lengths[cutter->span_count++] = (uint8_t)open;
            cutter->open_at = i + 1;
            open = 0;
        }
    }
}

/* Bytes of text that so many spans stand for. */
static size_t text_bytes(const struct lt_document_cutter *cutter, const struct lt_tokenizer *tokenizer, size_t spans)
{
    size_t bytes = 0, id = 0, piece;
    for (size_t i = 0; i < spans; i++)
        for (uint32_t end = cutter->lengths[i]; end > 0; end--, bytes += piece)
            lt_tokenizer_text(tokenizer, cutter->ids[id++], &piece);
    return bytes;
}

static bool ends_inside_character(const struct lt_document_cutter *cutter, size_t offset)
{
    return offset < cutter->bytes && ((uint8_t)cutter->text[offset] & 0xc0) == 0x80;
}

bool lt_document_cutter_part(const struct lt_document_cutter *cutter, const struct lt_tokenizer *tokenizer,
                             struct lt_document_part *ret_part)
{
    size_t spans = cutter->span_count, ids = 0;
    size_t bytes = text_bytes(cutter, tokenizer, spans);
    while (spans > 0 && ends_inside_character(cutter, cutter->part_begin + bytes))
        bytes = text_bytes(cutter, tokenizer, --spans);
    for (size_t i = 0; i < spans; i++)
        ids += cutter->lengths[i];
    *ret_part = (struct lt_document_part){.spans = (uint32_t)spans,
                                          .tokens = (uint32_t)ids,
                                          .bytes = (uint32_t)bytes,
                                          .keys = cutter->keys,
                                          .ids = cutter->ids,
                                          .lengths = cutter->lengths,
                                          .text = cutter->text + cutter->part_begin};
    return spans > 0;
}

void lt_document_cutter_drop(struct lt_document_cutter *cutter, const struct lt_document_part *part)
{
    cutter->part_begin += part->bytes;
    cutter->id_count -= part->tokens;
    cutter->open_at -= part->tokens;
    cutter->span_count -= part->spans;
    memmove(cutter->ids, cutter->ids + part->tokens, cutter->id_count * sizeof *cutter->ids);
    memmove(cutter->lengths, cutter->lengths + part->spans, cutter->span_count);
    memmove(cutter->keys, cutter->keys + part->spans, cutter->span_count * sizeof *cutter->keys);
}

int lt_document_cutter_next(struct lt_document_cutter *cutter, const struct lt_model *model, size_t *ret_first,
                            size_t *ret_first_id, struct lt_error *error)
{
    size_t first = cutter->span_count, first_id = cutter->open_at, from = cutter->id_count;
    int code = tokenize_slice(cutter, lt_model_tokenizer(model), error);
    if (code)
        return code;
    cut_slice(cutter, lt_model_span_rule(model), from);
    *ret_first = first;
    *ret_first_id = first_id;
    return LT_OK;
}
