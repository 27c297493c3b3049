/* The span rule. The same as model/islet/spans.py, which says where the rule comes from. */
#include "kernels/spans.h"

#include <string.h>

#include "kernels/tokenizer.h"
#include "proto/alloc.h"

static uint8_t token_class(const struct lt_tokenizer *tokenizer, uint32_t token)
{
    static const char closing_characters[] = ".,;:!?\")\n";
    if (lt_tokenizer_kind(tokenizer, token) == LT_TOKEN_CONTROL)
        return LT_SPAN_ALONE;
    size_t bytes;
    const char *text = lt_tokenizer_text(tokenizer, token, &bytes);
    if (bytes == 2 && memcmp(text, "\n\n", 2) == 0)
        return LT_SPAN_HARD;
    if (bytes > 0 && memchr(closing_characters, text[bytes - 1], sizeof closing_characters - 1))
        return LT_SPAN_SOFT;
    return LT_SPAN_OPEN;
}

int lt_span_rule_init(const struct lt_tokenizer *tokenizer, uint32_t minimum, uint32_t maximum,
                      struct lt_span_rule *ret_rule)
{
    uint32_t vocabulary = lt_tokenizer_vocabulary(tokenizer);
    uint8_t *classes = lt_malloc(vocabulary ? vocabulary : 1);
    if (!classes)
        return LT_ENOMEM;
    for (uint32_t token = 0; token < vocabulary; token++)
        classes[token] = token_class(tokenizer, token);
    *ret_rule =
        (struct lt_span_rule){.minimum = minimum, .maximum = maximum, .vocabulary = vocabulary, .classes = classes};
    return LT_OK;
}

void lt_span_rule_finish(struct lt_span_rule *rule)
{
    lt_free(rule->classes);
    *rule = (struct lt_span_rule){0};
}

struct lt_span_step lt_span_feed(const struct lt_span_rule *rule, uint32_t length, uint32_t token)
{
    uint8_t class = rule->classes[token];
    struct lt_span_step step = {.closes_before = class == LT_SPAN_ALONE && length > 0};
    uint32_t now = (step.closes_before ? 0 : length) + 1;
    step.closes_after =
        class >= LT_SPAN_HARD || now >= rule->maximum || (class == LT_SPAN_SOFT && now >= rule->minimum);
    return step;
}

size_t lt_span_cut(const struct lt_span_rule *rule, const uint32_t *tokens, size_t count, uint32_t *ret_ends)
{
    size_t spans = 0;
    uint32_t length = 0;
    for (size_t i = 0; i < count; i++) {
        struct lt_span_step step = lt_span_feed(rule, length, tokens[i]);
        if (step.closes_before) {
            ret_ends[spans++] = (uint32_t)i;
            length = 0;
        }
        length++;
        if (step.closes_after) {
            ret_ends[spans++] = (uint32_t)i + 1;
            length = 0;
        }
    }
    if (length > 0)
        ret_ends[spans++] = (uint32_t)count;
    return spans;
}
