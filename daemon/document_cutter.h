/* Cuts a text into spans, slice by slice, and gathers them into parts of a document. A slice ends where the tokens on
 * both sides do not depend on each other, so spans are those of the whole text at once. One thread at a time. */
#ifndef LT_DAEMON_DOCUMENT_CUTTER_H
#define LT_DAEMON_DOCUMENT_CUTTER_H

#include <stdbool.h>

#include "kernels/model.h"
#include "storage/documents.h"

struct lt_document_cutter {
    const char *text; /* [bytes] borrowed */
    size_t bytes, at; /* `at`: cut so far */
    uint64_t tokens;  /* of that */

    /* The part in the making, and behind its spans the tokens of the span that is open. */
    uint32_t *ids;            /* [id_count] */
    uint8_t *lengths;         /* [span_count] tokens of each span */
    struct lt_span_key *keys; /* [span_count] set by the caller */
    size_t id_count, id_room, span_count, span_room;
    size_t open_at;    /* index in ids where the open span begins */
    size_t part_begin; /* offset in the text */
};

/* Begins with a text that is not empty. */
void lt_document_cutter_init(struct lt_document_cutter *cutter, const char *text, size_t bytes);
void lt_document_cutter_finish(struct lt_document_cutter *cutter);

/* Tokenizes and cuts the next slice; there must be one. Spans from *ret_first on are new, and their tokens begin at
 * ids[*ret_first_id]. LT_EUTF8, LT_ENOMEM; `error` is filled. */
int lt_document_cutter_next(struct lt_document_cutter *cutter, const struct lt_model *model, size_t *ret_first,
                            size_t *ret_first_id, struct lt_error *error);

/* What makes a part of the spans so far: all up to the last that ends between two characters; false if none does. It
 * points into the cutter. */
bool lt_document_cutter_part(const struct lt_document_cutter *cutter, const struct lt_tokenizer *tokenizer,
                             struct lt_document_part *ret_part);

/* Begins the next part with what is behind `part`. */
void lt_document_cutter_drop(struct lt_document_cutter *cutter, const struct lt_document_part *part);

#endif
