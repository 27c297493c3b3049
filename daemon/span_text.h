/* The text of a span as a person reads it. Engine thread only. */
#ifndef LT_DAEMON_SPAN_TEXT_H
#define LT_DAEMON_SPAN_TEXT_H

#include <stdint.h>

#include "kernels/tokenizer.h"
#include "proto/writer.h"

/* Writes it as a string: control tokens by name, U+FFFD for each part of a character that the span cuts in two. */
void lt_write_span_text(struct lt_writer *writer, const struct lt_tokenizer *tokenizer, const uint32_t *tokens,
                        uint32_t count);

#endif
