/* What a new version of a document has in common with the one before, by span keys: how many of its spans that one has,
 * too, each counted as often as it stands there, and how many at the beginning are the same in the same order. One
 * thread at a time. */
#ifndef LT_DAEMON_DOCUMENT_DIFF_H
#define LT_DAEMON_DOCUMENT_DIFF_H

#include <stdbool.h>

#include "storage/documents.h"

struct lt_document_diff {
    struct lt_span_key *before; /* [before_count] of the version before, as far as they are read */
    size_t before_count, room;
    struct lt_unmatched *unmatched; /* [unmatched_size] open addressing */
    size_t unmatched_size;
    uint64_t same; /* leading spans that are as before */
    uint64_t kept; /* spans that the version before has, too */
};

/* For a version before of so many spans; 0 is none. LT_ENOMEM. */
int lt_document_diff_init(struct lt_document_diff *diff, uint64_t spans);
void lt_document_diff_finish(struct lt_document_diff *diff);

/* Adds spans of the version before; all of them come before the first of the new version. */
void lt_document_diff_before(struct lt_document_diff *diff, const struct lt_span_key *keys, size_t count);

/* Adds the span of the new version that has this number. */
void lt_document_diff_add(struct lt_document_diff *diff, uint64_t number, const struct lt_span_key *key);

#endif
