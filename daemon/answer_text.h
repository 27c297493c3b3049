/* The text of an answer while it grows: bytes of tokens in, valid UTF-8 out.
 *
 * A character may be spread over several byte tokens, and a stop text over several tokens: what might still become
 * either is held back until it is clear. Bytes that are no UTF-8 become U+FFFD. Engine thread only. */
#ifndef LT_DAEMON_ANSWER_TEXT_H
#define LT_DAEMON_ANSWER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/messages.h"

struct lt_answer_text {
    struct lt_buffer text; /* valid UTF-8, cut in front of a stop text once one came */
    uint8_t partial[4];    /* bytes of a character that is not complete */
    size_t partial_bytes;
    const struct lt_text *stops; /* borrowed */
    size_t stop_count;
    bool stopped; /* a stop text came */
    size_t sent;  /* bytes of `text` that were handed out */
};

void lt_answer_text_init(struct lt_answer_text *answer, const struct lt_text *stops, size_t stop_count);
void lt_answer_text_finish(struct lt_answer_text *answer);

/* Appends the bytes of one token and looks for stop texts. LT_ENOMEM, LT_ETOOLARGE. */
int lt_answer_text_append(struct lt_answer_text *answer, const char *bytes, size_t count);

/* No more will come: an incomplete character becomes U+FFFD. LT_ENOMEM. */
int lt_answer_text_end(struct lt_answer_text *answer);

/* Takes the text that can be sent now; `last` takes all. *ret_text is not terminated and valid until the next append.
 */
void lt_answer_text_take(struct lt_answer_text *answer, bool last, const char **ret_text, size_t *ret_bytes);

#endif
