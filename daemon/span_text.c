#include "daemon/span_text.h"

#include "daemon/answer_text.h"

void lt_write_span_text(struct lt_writer *writer, const struct lt_tokenizer *tokenizer, const uint32_t *tokens,
                        uint32_t count)
{
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
