/* The content-defined span rule: where one span ends and the next begins. The decision looks only at the tokens of the
 * span itself, so it is the same while reading a prompt and while generating, and an edit moves only nearby boundaries.
 * model/islet/spans.py is the same rule for training. Pure; any thread. */
#ifndef LT_KERNELS_SPANS_H
#define LT_KERNELS_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"

struct lt_tokenizer;

/* What a token does to the span it stands in. */
enum lt_span_class {
    LT_SPAN_OPEN = 0,  /* nothing */
    LT_SPAN_SOFT = 1,  /* its text ends in one of . , ; : ! ? " ) newline: closes once the span has `minimum` tokens */
    LT_SPAN_HARD = 2,  /* a paragraph break: closes at once */
    LT_SPAN_ALONE = 3, /* a control token: closes the open span before it and is a span of its own */
};

struct lt_span_rule {
    uint32_t minimum;
    uint32_t maximum;
    uint32_t vocabulary;
    uint8_t *classes; /* [vocabulary] enum lt_span_class */
};

/* Fills *ret_rule from a tokenizer. LT_ENOMEM. */
int lt_span_rule_init(const struct lt_tokenizer *tokenizer, uint32_t minimum, uint32_t maximum,
                      struct lt_span_rule *ret_rule);
void lt_span_rule_finish(struct lt_span_rule *rule);

/* What happens when `token` follows an open span of `length` tokens. */
struct lt_span_step {
    bool closes_before; /* the open span ends in front of this token (only if length > 0) */
    bool closes_after;  /* the span that this token stands in ends behind it */
};
struct lt_span_step lt_span_feed(const struct lt_span_rule *rule, uint32_t length, uint32_t token);

/* Cuts one segment. ret_ends has room for `count` numbers and receives the end index of every span, the last being
 * `count`; returns how many. The last span may be one that the rule left open: the segment's end closes it. */
size_t lt_span_cut(const struct lt_span_rule *rule, const uint32_t *tokens, size_t count, uint32_t *ret_ends);

#endif
