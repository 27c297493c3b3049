/* The two halves of a layer around its attention. */
#include "kernels/layer.h"

#include "kernels/norm.h"

void lt_layer_project(struct lt_workspace *workspace, const struct lt_layer *layer, enum lt_projection projection)
{
    size_t rows = workspace->row_count, heads = workspace->shape->heads;
    float epsilon = workspace->weights->epsilon;
    lt_rms_norm(workspace->x, layer->attention_norm, epsilon, rows, workspace->shape->width, workspace->normed);
    if (projection == LT_PROJECT_ALL)
        lt_gemm(workspace->crew, &layer->query, workspace->normed, rows, workspace->query, false);
    lt_gemm(workspace->crew, &layer->key, workspace->normed, rows, workspace->key, false);
    lt_gemm(workspace->crew, &layer->value, workspace->normed, rows, workspace->value, false);
    if (!layer->query_norm)
        return;
    if (projection == LT_PROJECT_ALL)
        lt_rms_norm(workspace->query, layer->query_norm, epsilon, rows * heads, workspace->head_width,
                    workspace->query);
    lt_rms_norm(workspace->key, layer->key_norm, epsilon, rows * heads, workspace->head_width, workspace->key);
}

void lt_layer_finish(struct lt_workspace *workspace, const struct lt_layer *layer)
{
    size_t rows = workspace->row_count;
    lt_gemm(workspace->crew, &layer->output, workspace->attended, rows, workspace->x, true);
    lt_rms_norm(workspace->x, layer->feed_forward_norm, workspace->weights->epsilon, rows, workspace->shape->width,
                workspace->normed);
    lt_gemm(workspace->crew, &layer->gate, workspace->normed, rows, workspace->gate, false);
    lt_gemm(workspace->crew, &layer->up, workspace->normed, rows, workspace->up, false);
    lt_swiglu(workspace->gate, workspace->up, rows * workspace->shape->feed_forward);
    lt_gemm(workspace->crew, &layer->down, workspace->gate, rows, workspace->x, true);
}

uint64_t lt_layer_operations(const struct lt_model_shape *shape)
{
    uint64_t width = shape->width;
    return 2 * (4 * width * width + 3 * width * shape->feed_forward);
}

uint64_t lt_attention_operations(const struct lt_model_shape *shape, uint64_t keys)
{
    return 4 * shape->width * keys;
}
