/* Tokens of a span -> its latent: bidirectional layers over the span's tokens, all slots side by side, one linear map,
 * RMS norm. Spans of a chunk are packed one behind the other, without padding; the slots that a short span does not
 * fill are zero in front of the linear map only. */
#include <math.h>
#include <string.h>

#include "kernels/attention.h"
#include "kernels/layer.h"
#include "kernels/norm.h"

static void embed(struct lt_workspace *workspace, const struct lt_encode_item *items, size_t count)
{
    size_t width = workspace->shape->width, at = 0;
    float scale = workspace->weights->embedding_scale;
    for (size_t i = 0; i < count; i++) {
        size_t first = at;
        for (size_t t = 0; t < items[i].count; t++, at++) {
            const float *position = workspace->weights->positions + t * width;
            float *x = workspace->x + at * width;
            lt_table_row(&workspace->weights->embedding, items[i].tokens[t], x);
            for (size_t j = 0; j < width; j++)
                x[j] = x[j] * scale + position[j];
            workspace->rows[at] = (struct lt_row){.first = first, .count = items[i].count};
        }
    }
    workspace->row_count = at;
}

static void attend(struct lt_workspace *workspace)
{
    size_t width = workspace->shape->width, heads = workspace->shape->heads, head_width = workspace->head_width;
    for (size_t i = 0; i < workspace->row_count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        float *out = workspace->attended + i * width;
        lt_attention_begin(workspace->softmaxes, heads, head_width, LT_ATTEND_ALWAYS, out);
        lt_attend(workspace->query + i * width, workspace->key + row->first * width,
                  workspace->value + row->first * width, row->count, heads, head_width, workspace->softmaxes, out);
        lt_attention_end(workspace->softmaxes, heads, head_width, out);
    }
}

static void project(struct lt_workspace *workspace, struct lt_encode_item *items, size_t count)
{
    const struct lt_weights *weights = workspace->weights;
    size_t width = workspace->shape->width, slots = workspace->shape->span_maximum, at = 0;
    lt_rms_norm(workspace->x, weights->encoder.norm, weights->epsilon, workspace->row_count, width, workspace->normed);
    memset(workspace->slots, 0, count * slots * width * sizeof *workspace->slots);
    for (size_t i = 0; i < count; i++) {
        memcpy(workspace->slots + i * slots * width, workspace->normed + at * width,
               items[i].count * width * sizeof *workspace->slots);
        at += items[i].count;
    }
    lt_gemm(workspace->crew, &weights->project, workspace->slots, count, workspace->query, false);
    lt_rms_norm(workspace->query, NULL, weights->epsilon, count, width, workspace->query);
    for (size_t i = 0; i < count; i++)
        memcpy(items[i].latent, workspace->query + i * width, width * sizeof *items[i].latent);
}

static uint64_t operations_of(const struct lt_model_shape *shape, uint64_t tokens)
{
    uint64_t width = shape->width;
    uint64_t layer = tokens * (lt_layer_operations(shape) + lt_attention_operations(shape, tokens));
    return shape->encoder_layers * layer + 2 * width * width * shape->span_maximum;
}

/* How many of the items fit one chunk. */
static size_t chunk_of(const struct lt_encode_item *items, size_t count)
{
    size_t rows = 0, taken = 0;
    while (taken < count && taken < LT_CHUNK_SPANS && rows + items[taken].count <= LT_ROWS)
        rows += items[taken++].count;
    return taken;
}

static size_t rows_of(const void *items, size_t index)
{
    return ((const struct lt_encode_item *)items)[index].count;
}

static void run_items(struct lt_workspace *workspace, void *all, size_t first, size_t end)
{
    const struct lt_stack *encoder = &workspace->weights->encoder;
    struct lt_encode_item *items = all;
    for (size_t done = first, chunk; done < end; done += chunk) {
        chunk = chunk_of(items + done, end - done);
        embed(workspace, items + done, chunk);
        for (uint32_t layer = 0; layer < encoder->count; layer++) {
            lt_layer_project(workspace, &encoder->layers[layer], LT_PROJECT_ALL);
            attend(workspace);
            lt_layer_finish(workspace, &encoder->layers[layer]);
        }
        project(workspace, items + done, chunk);
    }
    for (size_t i = first; i < end; i++)
        items[i].operations = operations_of(workspace->shape, items[i].count);
}

int lt_encode(struct lt_workspace *workspace, struct lt_encode_item *items, size_t count)
{
    static const struct lt_work work = {rows_of, run_items};
    for (size_t i = 0; i < count; i++) {
        if (items[i].count < 1 || items[i].count > workspace->shape->span_maximum)
            return LT_EINTERNAL;
        for (size_t t = 0; t < items[i].count; t++)
            if (items[i].tokens[t] >= workspace->shape->vocabulary)
                return LT_EINTERNAL;
    }
    lt_workspace_run(workspace, &work, items, count);
    return LT_OK;
}
