#include "daemon/document_diff.h"

#include <string.h>

#include "proto/alloc.h"

/* How many of the spans like `before[first - 1]` are not matched by one of the new version. */
struct lt_unmatched {
    uint32_t first; /* 0: an empty slot */
    uint32_t count;
};

int lt_document_diff_init(struct lt_document_diff *diff, uint64_t spans)
{
    *diff = (struct lt_document_diff){.room = spans, .unmatched_size = 16};
    while (diff->unmatched_size < 2 * spans)
        diff->unmatched_size *= 2;
    diff->before = lt_malloc((spans + 1) * sizeof *diff->before);
    diff->unmatched = lt_calloc(diff->unmatched_size, sizeof *diff->unmatched);
    return diff->before && diff->unmatched ? LT_OK : LT_ENOMEM;
}

void lt_document_diff_finish(struct lt_document_diff *diff)
{
    lt_free(diff->before);
    lt_free(diff->unmatched);
    *diff = (struct lt_document_diff){0};
}

static struct lt_unmatched *find(struct lt_document_diff *diff, const struct lt_span_key *key)
{
    uint64_t hash; /* keys are hashes */
    memcpy(&hash, key->bytes, sizeof hash);
    for (size_t slot = hash & (diff->unmatched_size - 1);; slot = (slot + 1) & (diff->unmatched_size - 1)) {
        struct lt_unmatched *unmatched = &diff->unmatched[slot];
        if (!unmatched->first || memcmp(&diff->before[unmatched->first - 1], key, sizeof *key) == 0)
            return unmatched;
    }
}

void lt_document_diff_before(struct lt_document_diff *diff, const struct lt_span_key *keys, size_t count)
{
    for (size_t i = 0; i < count && diff->before_count < diff->room; i++) {
        struct lt_unmatched *unmatched = find(diff, &keys[i]);
        diff->before[diff->before_count++] = keys[i];
        if (!unmatched->first)
            unmatched->first = (uint32_t)diff->before_count;
        unmatched->count++;
    }
}

void lt_document_diff_add(struct lt_document_diff *diff, uint64_t number, const struct lt_span_key *key)
{
    struct lt_unmatched *unmatched = find(diff, key);
    if (diff->same == number && number < diff->before_count && memcmp(&diff->before[number], key, sizeof *key) == 0)
        diff->same++;
    if (unmatched->count > 0) {
        unmatched->count--;
        diff->kept++;
    }
}
