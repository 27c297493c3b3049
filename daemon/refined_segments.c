#include "daemon/refined_segments.h"

#include "daemon/clock.h"
#include "proto/alloc.h"
#include "storage/refined.h"

#define PROBE                                                                                                          \
    2 /* spans that are looked up first: the control token, which all documents share, and one that says which */

struct search {
    struct lt_store *store;
    const struct lt_model *model;
    enum lt_latent_type type;
    struct lt_task *task;
    struct lt_span_key *chain; /* [spans of the prompt] */
};

static bool prepare(struct lt_task *task, size_t width)
{
    if (!task->refining)
        task->refining = lt_calloc(task->span_count, sizeof *task->refining);
    if (!task->refined)
        task->refined = lt_malloc(task->span_count * width * sizeof *task->refined);
    return task->refining && task->refined;
}

/* Looks up spans first..end-1 of a segment that begins at `begin`; all in front of them are known. */
static size_t look_up(struct search *search, size_t begin, size_t first, size_t end)
{
    struct lt_task *task = search->task;
    uint32_t width = lt_model_shape(search->model)->width;
    size_t found = 0;
    for (size_t i = first; i < end; i++)
        lt_chain_key(lt_model_refiner_fingerprint(search->model), search->type,
                     i > begin ? &search->chain[i - 1] : NULL, &task->spans[i].key, &search->chain[i]);
    if (!prepare(task, width) || lt_refined_get(search->store, search->chain + first, end - first, width,
                                                task->refined + first * width, &found) != LT_OK)
        return 0;
    return found;
}

static void find_segment(struct search *search, size_t begin, size_t end)
{
    size_t probe = begin + PROBE < end ? begin + PROBE : end;
    size_t found = look_up(search, begin, begin, probe);
    if (found == probe - begin && probe < end)
        found += look_up(search, begin, probe, end);
    if (found == 1 && end - begin > 1)
        return; /* the control token alone is not worth it */
    enum lt_refiner_work refining = found == end - begin ? LT_REFINE_NOTHING : LT_REFINE_KEYS;
    for (size_t i = begin; i < begin + found; i++)
        search->task->refining[i] = (uint8_t)refining;
}

void lt_refined_segments_find(struct lt_store *store, enum lt_latent_type type, struct lt_task *task)
{
    double began = lt_clock_seconds();
    struct search search = {.store = store, .model = task->served->model, .type = type, .task = task};
    search.chain = lt_malloc(task->span_count * sizeof *search.chain);
    for (size_t begin = 0, end = 1; search.chain && end < task->span_count; end++)
        if (task->starts[end]) {
            find_segment(&search, begin, end);
            begin = end;
        }
    lt_free(search.chain);
    task->receipt.lookup += lt_clock_seconds() - began;
}
