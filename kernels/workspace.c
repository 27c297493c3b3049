/* One allocation, cut into the buffers of struct lt_workspace. */
#include "kernels/workspace.h"

#include "kernels/rope.h"
#include "proto/alloc.h"

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
        total += (buffers[i].count + 15) & ~(size_t)15; /* whole cache lines */
    workspace->memory = lt_alloc_aligned(total * sizeof(float));
    workspace->softmaxes = lt_malloc(LT_ROWS * shape->heads * sizeof *workspace->softmaxes);
    workspace->rates = lt_malloc(workspace->head_width / 2 * sizeof *workspace->rates);
    if (!workspace->memory || !workspace->rates || !workspace->softmaxes) {
        lt_workspace_destroy(workspace);
        return LT_ENOMEM;
    }
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        *buffers[i].to = workspace->memory + at;
        at += (buffers[i].count + 15) & ~(size_t)15;
    }
    lt_rope_rates(workspace->weights->rope_base, workspace->head_width, workspace->rates);
    *ret_workspace = workspace;
    return LT_OK;
}

void lt_workspace_destroy(struct lt_workspace *workspace)
{
    if (!workspace)
        return;
    lt_crew_destroy(workspace->crew);
    lt_free(workspace->memory);
    lt_free(workspace->rates);
    lt_free(workspace->softmaxes);
    lt_free(workspace);
}

int lt_workspace_set_threads(struct lt_workspace *workspace, uint32_t threads)
{
    struct lt_crew *crew;
    int rc = lt_crew_create(threads, &crew);
    if (rc != LT_OK)
        return rc;
    lt_crew_destroy(workspace->crew);
    workspace->crew = crew;
    return LT_OK;
}

void lt_workspace_turn(struct lt_workspace *workspace, bool by_slot)
{
    for (size_t i = 0; i < workspace->row_count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        lt_rope_turn(workspace->rates, workspace->head_width, by_slot ? row->slot : row->position,
                     workspace->turns + i * workspace->head_width);
    }
}
