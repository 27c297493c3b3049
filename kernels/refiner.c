/* Rows whose refined latents are given need the refiner only for the sake of rows behind them, which attend to their
 * keys and values in every layer: so the last layer stops as soon as it has these. Where nothing comes behind they need
 * nothing at all.
 *
 * The rows of a chunk keep the order of their sequences. Those that need the same work are moved to the front, worked
 * on, and what came of them is put back into their places. */
#include "kernels/refiner.h"

#include <string.h>

#include "kernels/attention.h"
#include "kernels/layer.h"
#include "kernels/norm.h"
#include "kernels/rope.h"

static struct lt_cache *cache_of(const struct lt_row *row, enum lt_network network, size_t index)
{
    return network == LT_REFINER ? &row->sequence->refiner[index] : &row->sequence->mixer[index];
}

static size_t slot_of(const struct lt_row *row, enum lt_network network)
{
    return network == LT_REFINER ? row->slot : (size_t)row->position;
}

/* Writes row i's rotated key, and its value, to where it and rows behind it find them. */
static void remember(struct lt_workspace *workspace, enum lt_network network, size_t index, size_t i)
{
    const struct lt_row *row = &workspace->rows[i];
    size_t width = workspace->shape->width;
    struct lt_cache *cache = cache_of(row, network, index);
    size_t at = slot_of(row, network) * width;
    lt_rope_rotate(workspace->key + i * width, workspace->turns + i * workspace->head_width, workspace->shape->heads,
                   workspace->head_width, cache->keys + at);
    memcpy(cache->values + at, workspace->value + i * width, width * sizeof(float));
}

static void attend(struct lt_workspace *workspace, enum lt_network network, size_t index, size_t i)
{
    const struct lt_row *row = &workspace->rows[i];
    size_t width = workspace->shape->width, heads = workspace->shape->heads;
    const struct lt_cache *cache = cache_of(row, network, index);
    lt_rope_rotate(workspace->query + i * width, workspace->turns + i * workspace->head_width, heads,
                   workspace->head_width, workspace->rotated);
    struct lt_attention_part past = {
        .query = workspace->rotated,
        .keys = cache->keys,
        .values = cache->values,
        .count = slot_of(row, network) + 1,
    };
    lt_attend(&past, 1, heads, workspace->head_width, LT_ATTEND_ALWAYS, workspace->attended + i * width);
}

void lt_network_layer(struct lt_workspace *workspace, enum lt_network network, size_t index)
{
    const struct lt_stack *stack = network == LT_REFINER ? &workspace->weights->refiner : &workspace->weights->mixer;
    lt_layer_project(workspace, &stack->layers[index], LT_PROJECT_ALL);
    for (size_t i = 0; i < workspace->row_count; i++) {
        remember(workspace, network, index, i);
        attend(workspace, network, index, i);
    }
    lt_layer_finish(workspace, &stack->layers[index]);
}

static void begin(struct lt_workspace *workspace)
{
    size_t width = workspace->shape->width;
    for (size_t i = 0; i < workspace->row_count; i++)
        memcpy(workspace->x + i * width, workspace->rows[i].latent, width * sizeof(float));
    lt_workspace_turn(workspace, true);
}

static void refine(struct lt_workspace *workspace)
{
    const struct lt_weights *weights = workspace->weights;
    size_t width = workspace->shape->width, rows = workspace->row_count;
    begin(workspace);
    for (uint32_t layer = 0; layer < weights->refiner.count; layer++)
        lt_network_layer(workspace, LT_REFINER, layer);
    lt_rms_norm(workspace->x, weights->refiner.norm, weights->epsilon, rows, width, workspace->x);
    lt_rms_norm(workspace->x, NULL, weights->epsilon, rows, width, workspace->x);
}

static void refine_keys(struct lt_workspace *workspace)
{
    const struct lt_stack *stack = &workspace->weights->refiner;
    uint32_t last = stack->count - 1;
    begin(workspace);
    for (uint32_t layer = 0; layer < last; layer++)
        lt_network_layer(workspace, LT_REFINER, layer);
    lt_layer_project(workspace, &stack->layers[last], LT_PROJECT_KEYS);
    for (size_t i = 0; i < workspace->row_count; i++)
        remember(workspace, LT_REFINER, last, i);
}

/* Makes the rows that are to be refined like that the chunk's only ones. `places` says where they were. */
static void select_rows(struct lt_workspace *workspace, size_t count, enum lt_refiner_work refining)
{
    workspace->row_count = 0;
    for (size_t i = 0; i < count; i++)
        if (workspace->all_rows[i].refining == refining) {
            workspace->places[workspace->row_count] = i;
            workspace->rows[workspace->row_count++] = workspace->all_rows[i];
        }
}

/* Puts refined latents to their rows' places, from the last on, since none is in front of where it goes. */
static void put_back(struct lt_workspace *workspace, size_t count)
{
    size_t width = workspace->shape->width;
    for (size_t i = workspace->row_count; i > 0; i--)
        memmove(workspace->x + workspace->places[i - 1] * width, workspace->x + (i - 1) * width, width * sizeof(float));
    memcpy(workspace->rows, workspace->all_rows, count * sizeof *workspace->rows);
    workspace->row_count = count;
    for (size_t i = 0; i < count; i++)
        if (workspace->rows[i].refining != LT_REFINE && workspace->rows[i].refined)
            memcpy(workspace->x + i * width, workspace->rows[i].refined, width * sizeof(float));
}

void lt_refiner_run(struct lt_workspace *workspace)
{
    size_t count = workspace->row_count, wholly = 0;
    for (size_t i = 0; i < count; i++)
        wholly += workspace->rows[i].refining == LT_REFINE;
    if (wholly == count) {
        refine(workspace);
        return;
    }
    memcpy(workspace->all_rows, workspace->rows, count * sizeof *workspace->rows);
    select_rows(workspace, count, LT_REFINE_KEYS);
    if (workspace->row_count)
        refine_keys(workspace);
    select_rows(workspace, count, LT_REFINE);
    if (workspace->row_count)
        refine(workspace);
    put_back(workspace, count);
}

uint64_t lt_refiner_operations(const struct lt_model_shape *shape, enum lt_refiner_work refining, uint64_t segment)
{
    uint64_t layer = lt_layer_operations(shape) + lt_attention_operations(shape, segment), width = shape->width;
    if (refining == LT_REFINE)
        return shape->refiner_layers * layer;
    return refining == LT_REFINE_KEYS ? (shape->refiner_layers - 1) * layer + 2 * 2 * width * width : 0;
}

int lt_refine(struct lt_workspace *workspace, struct lt_refine_item *item)
{
    struct lt_sequence *sequence = item->sequence;
    size_t width = workspace->shape->width;
    int rc = lt_sequence_reserve(sequence, sequence->segment + item->count);
    if (rc != LT_OK)
        return rc;
    item->operations = 0;
    for (size_t done = 0; done < item->count; done += workspace->row_count) {
        size_t count = item->count - done < LT_ROWS ? item->count - done : LT_ROWS;
        for (size_t i = 0; i < count; i++) {
            float *refined = item->refined ? item->refined + (done + i) * width : NULL;
            enum lt_refiner_work refining = done + i < item->known ? LT_REFINE_KEYS : LT_REFINE;
            workspace->rows[i] = (struct lt_row){.sequence = sequence,
                                                 .slot = sequence->segment++,
                                                 .latent = item->latents + (done + i) * width,
                                                 .refining = refining,
                                                 .refined = refined};
            item->operations += lt_refiner_operations(workspace->shape, refining, sequence->segment);
        }
        workspace->row_count = count;
        lt_refiner_run(workspace);
        if (item->refined)
            memcpy(item->refined + done * width, workspace->x, count * width * sizeof(float));
    }
    workspace->row_count = 0;
    return LT_OK;
}
