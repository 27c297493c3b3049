/* A request's texts as tokens, in the prompt format that the model was trained with (*.prompt.* in its file): each
 * segment opened by the control token of its role. Engine thread only. */
#ifndef LT_DAEMON_PROMPT_H
#define LT_DAEMON_PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/job.h"
#include "daemon/served_model.h"
#include "proto/messages.h"
#include "storage/store.h"

struct lt_prompt {
    uint32_t *tokens; /* [count] */
    uint32_t space;   /* number of the namespace that stored documents are of */
    size_t count;
    size_t capacity;
    size_t ends[LT_SEGMENTS_MAX + 1]; /* token index where each segment ends */
    size_t segments;
    uint32_t versions[LT_SEGMENTS_MAX + 1]; /* of segments that are stored documents */
};

/* Makes the prompt of a generate, encode or score request. Text to encode, and text to score in pieces, is bare: it has
 * no control token. Segments that are stored documents are read from the store. LT_EUTF8, LT_ECONTEXT if it must fit
 * the model's context and does not, LT_ENOMEM, and those of lt_documents_tokens; `error` is filled. The prompt must be
 * finished in either case. */
int lt_prompt_make(const struct lt_served_model *served, const struct lt_job *job, struct lt_prompt *ret_prompt,
                   struct lt_error *error);
void lt_prompt_finish(struct lt_prompt *prompt);

#endif
