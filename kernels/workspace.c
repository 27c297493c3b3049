/* One allocation, cut into the buffers of struct lt_workspace. */
#include "kernels/workspace.h"

#include <stdint.h>

#include "kernels/rope.h"
#include "proto/alloc.h"

#define ROWS_OF_PART 4    /* at least: waking a thread takes about as long as one */
#define PARTS_OF_THREAD 2 /* so that one who comes late leaves some of its work to others */

int lt_workspace_create(const struct lt_model *model, struct lt_workspace **ret_workspace)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    struct lt_workspace *workspace = lt_calloc(1, sizeof *workspace);
    if (!workspace)
        return LT_ENOMEM;
    workspace->model = model;
    workspace->weights = lt_model_weights(model);
    workspace->shape = shape;
    workspace->head_width = shape->width / shape->heads;
    size_t width = shape->width, inner = shape->feed_forward;
    const struct {
        float **to;
        size_t count;
    } buffers[] = {
        {&workspace->x, LT_ROWS * width},
        {&workspace->refined, LT_ROWS * width},
        {&workspace->normed, LT_ROWS * width},
        {&workspace->query, LT_ROWS * width},
        {&workspace->key, LT_ROWS * width},
        {&workspace->value, LT_ROWS * width},
        {&workspace->attended, LT_ROWS * width},
        {&workspace->gate, LT_ROWS * inner},
        {&workspace->up, LT_ROWS * inner},
        {&workspace->turns, LT_ROWS * workspace->head_width},
        {&workspace->rotated, width},
        {&workspace->slots, LT_CHUNK_SPANS * shape->span_maximum * width},
        {&workspace->recall_keys, LT_CHUNK_SPANS * shape->span_maximum * shape->recall},
        {&workspace->recall_values, LT_CHUNK_SPANS * shape->span_maximum * shape->recall},
        {&workspace->logits, LT_LOGIT_ROWS * (size_t)shape->vocabulary},
    };
    size_t total = 0, at = 0;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        total += (buffers[i].count + 15) & ~(size_t)15;       /* whole cache lines */
    workspace->memory = lt_calloc(total + 16, sizeof(float)); /* not touched, so not resident, before it is used */
    workspace->softmaxes = lt_malloc(LT_ROWS * shape->heads * sizeof *workspace->softmaxes);
    workspace->rates = lt_malloc(workspace->head_width / 2 * sizeof *workspace->rates);
    if (!workspace->memory || !workspace->rates || !workspace->softmaxes) {
        lt_workspace_destroy(workspace);
        return LT_ENOMEM;
    }
    float *aligned = (float *)(((uintptr_t)workspace->memory + 63) / 64 * 64);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        *buffers[i].to = aligned + at;
        at += (buffers[i].count + 15) & ~(size_t)15;
    }
    lt_rope_rates(workspace->weights->rope_base, workspace->head_width, workspace->rates);
    *ret_workspace = workspace;
    return LT_OK;
}

/* Ends the other threads. */
static void dismiss(struct lt_workspace *workspace)
{
    lt_crew_destroy(workspace->crew);
    while (workspace->helper_count > 0)
        lt_workspace_destroy(workspace->helpers[--workspace->helper_count]);
    lt_free(workspace->helpers);
    workspace->crew = NULL;
    workspace->helpers = NULL;
}

void lt_workspace_destroy(struct lt_workspace *workspace)
{
    if (!workspace)
        return;
    dismiss(workspace);
    lt_free(workspace->memory);
    lt_free(workspace->softmaxes);
    lt_free(workspace->rates);
    lt_free(workspace);
}

int lt_workspace_set_threads(struct lt_workspace *workspace, uint32_t threads)
{
    struct lt_workspace crewed = {0};
    size_t helpers = threads > 1 ? threads - 1 : 0;
    crewed.helpers = lt_calloc(helpers ? helpers : 1, sizeof(struct lt_workspace *));
    int rc = crewed.helpers ? LT_OK : LT_ENOMEM;
    while (rc == LT_OK && crewed.helper_count < helpers) {
        rc = lt_workspace_create(workspace->model, &crewed.helpers[crewed.helper_count]);
        crewed.helper_count += rc == LT_OK;
    }
    if (rc == LT_OK)
        rc = lt_crew_create(threads, &crewed.crew);
    if (rc != LT_OK) {
        dismiss(&crewed);
        return rc;
    }
    dismiss(workspace);
    workspace->crew = crewed.crew;
    workspace->helpers = crewed.helpers;
    workspace->helper_count = crewed.helper_count;
    return LT_OK;
}

struct shared_work {
    struct lt_workspace *workspace;
    const struct lt_work *work;
    void *items;
    size_t count, rows;
};

/* The items that begin in one of equal parts of all rows. */
static void run_part(const void *context, size_t worker, size_t part, size_t parts)
{
    const struct shared_work *shared = context;
    struct lt_workspace *workspace = worker == 0 ? shared->workspace : shared->workspace->helpers[worker - 1];
    size_t first = 0, begin = 0, end;
    for (; first < shared->count && begin * parts < shared->rows * part; first++)
        begin += shared->work->rows(shared->items, first);
    for (end = first; end < shared->count && begin * parts < shared->rows * (part + 1); end++)
        begin += shared->work->rows(shared->items, end);
    shared->work->run(workspace, shared->items, first, end);
}

void lt_workspace_run(struct lt_workspace *workspace, const struct lt_work *work, void *items, size_t count)
{
    size_t rows = 0, most = 0, threads = lt_crew_threads(workspace->crew);
    for (size_t i = 0; i < count; i++) {
        size_t here = work->rows(items, i);
        rows += here;
        most = here > most ? here : most;
    }
    size_t parts = rows / ROWS_OF_PART < PARTS_OF_THREAD * threads ? rows / ROWS_OF_PART : PARTS_OF_THREAD * threads;
    if (threads == 1 || parts < 2 || most * threads > rows) {
        work->run(workspace, items, 0, count);
        return;
    }
    struct shared_work shared = {workspace, work, items, count, rows};
    struct lt_crew *crew = workspace->crew;
    workspace->crew = NULL; /* it is busy: products stay in their thread */
    lt_crew_run(crew, parts, run_part, &shared);
    workspace->crew = crew;
}

void lt_workspace_turn(struct lt_workspace *workspace, bool by_slot)
{
    for (size_t i = 0; i < workspace->row_count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        lt_rope_turn(workspace->rates, workspace->head_width, by_slot ? row->slot : row->position,
                     workspace->turns + i * workspace->head_width);
    }
}
