/* Rows whose refined latents are given need the refiner only for the sake of rows behind them, which attend to their
 * keys and values in every layer: so the last layer stops as soon as it has these. Where nothing comes behind they need
 * nothing at all.
 *
 * The rows of a chunk keep the order of their sequences. Those that need the same work are taken out, worked on, and
 * what came of them is put back into their places. A segment's keys are made before its other rows are refined, and
 * before another segment takes the refiner's slots. */
#include "kernels/refiner.h"

#include <string.h>

#include "kernels/attention.h"
#include "kernels/layer.h"
#include "kernels/norm.h"
#include "kernels/rope.h"

/* Where the row's cache is, and which place in it is the row's. */
static const struct lt_slots *slots_of(const struct lt_workspace *workspace, enum lt_network network, size_t layer,
                                       size_t i)
{
    const struct lt_sequence *sequence = workspace->rows[i].sequence;
    return network == LT_REFINER ? &sequence->refiner[layer] : &sequence->mixer[layer];
}

static size_t slot_of(const struct lt_workspace *workspace, enum lt_network network, size_t i)
{
    return network == LT_REFINER ? workspace->rows[i].slot : (size_t)workspace->rows[i].position;
}

/* The row behind `first` from which on the refiner's slots are written anew: another segment. */
static size_t segment_end(const struct lt_workspace *workspace, size_t first)
{
    size_t end = first + 1;
    while (end < workspace->row_count && workspace->rows[end].slot > 0)
        end++;
    return end;
}

/* Writes row i's rotated key, and its value, to where it and rows behind it find them. */
static void remember(struct lt_workspace *workspace, enum lt_network network, size_t layer, size_t i)
{
    size_t width = workspace->shape->width, head_width = workspace->head_width;
    lt_rope_rotate(workspace->key + i * width, workspace->turns + i * head_width, workspace->shape->heads, head_width,
                   workspace->rotated);
    lt_slots_write(slots_of(workspace, network, layer, i), slot_of(workspace, network, i), workspace->rotated,
                   workspace->value + i * width);
}

/* Rows first..end-1 attend to a layer's slots: each to itself and to what came before it. */
static void attend(struct lt_workspace *workspace, enum lt_network network, size_t layer, size_t first, size_t end)
{
    struct lt_slots_query *queries = workspace->queries;
    size_t width = workspace->shape->width, heads = workspace->shape->heads, head_width = workspace->head_width;
    for (size_t i = first; i < end; i++) {
        float *query = workspace->query + i * width;
        remember(workspace, network, layer, i);
        lt_rope_rotate(query, workspace->turns + i * head_width, heads, head_width, query);
        queries[i - first] = (struct lt_slots_query){
            .slots = slots_of(workspace, network, layer, i),
            .count = slot_of(workspace, network, i) + 1,
            .query = query,
            .softmax = workspace->softmaxes + i * heads,
            .out = workspace->attended + i * width,
        };
        lt_attention_begin(queries[i - first].softmax, heads, head_width, LT_ATTEND_ALWAYS, queries[i - first].out);
    }
    lt_slots_attend(queries, end - first);
    for (size_t i = 0; i < end - first; i++)
        lt_attention_end(queries[i].softmax, heads, head_width, queries[i].out);
}

void lt_network_layer(struct lt_workspace *workspace, enum lt_network network, size_t index)
{
    const struct lt_stack *stack = network == LT_REFINER ? &workspace->weights->refiner : &workspace->weights->mixer;
    lt_layer_project(workspace, &stack->layers[index], LT_PROJECT_ALL);
    for (size_t first = 0, end; first < workspace->row_count; first = end) {
        end = network == LT_REFINER ? segment_end(workspace, first) : workspace->row_count;
        attend(workspace, network, index, first, end);
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

/* Makes those of rows first..end-1 that are to be refined like that the chunk's only ones. `places` says where they
 * were. */
static void select_rows(struct lt_workspace *workspace, size_t first, size_t end, enum lt_refiner_work refining)
{
    workspace->row_count = 0;
    for (size_t i = first; i < end; i++)
        if (workspace->all_rows[i].refining == refining) {
            workspace->places[workspace->row_count] = i;
            workspace->rows[workspace->row_count++] = workspace->all_rows[i];
        }
}

/* The row behind `first` from which on other keys are made: those of another segment, which takes the slots. */
static size_t group_end(const struct lt_workspace *workspace, size_t first, size_t count)
{
    size_t end = first + 1;
    while (end < count &&
           (workspace->all_rows[end].refining != LT_REFINE_KEYS ||
            workspace->all_rows[end - 1].refining == LT_REFINE_KEYS) &&
           !(workspace->all_rows[end].refining == LT_REFINE_KEYS && workspace->all_rows[end].slot == 0))
        end++;
    return end;
}

/* Refined latents are gathered behind each other in `refined` and put to their places in x in the end. */
static void run_group(struct lt_workspace *workspace, size_t first, size_t end)
{
    size_t width = workspace->shape->width;
    select_rows(workspace, first, end, LT_REFINE_KEYS);
    if (workspace->row_count)
        refine_keys(workspace);
    select_rows(workspace, first, end, LT_REFINE);
    if (workspace->row_count)
        refine(workspace);
    for (size_t i = 0; i < workspace->row_count; i++)
        memcpy(workspace->refined + workspace->places[i] * width, workspace->x + i * width, width * sizeof(float));
}

void lt_refiner_run(struct lt_workspace *workspace)
{
    size_t count = workspace->row_count, wholly = 0, width = workspace->shape->width;
    for (size_t i = 0; i < count; i++)
        wholly += workspace->rows[i].refining == LT_REFINE;
    if (wholly == count) {
        refine(workspace);
        return;
    }
    memcpy(workspace->all_rows, workspace->rows, count * sizeof *workspace->rows);
    for (size_t first = 0, end; first < count; first = end) {
        end = group_end(workspace, first, count);
        run_group(workspace, first, end);
    }
    memcpy(workspace->rows, workspace->all_rows, count * sizeof *workspace->rows);
    workspace->row_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        const float *refined = row->refining == LT_REFINE ? workspace->refined + i * width : row->refined;
        if (refined)
            memcpy(workspace->x + i * width, refined, width * sizeof(float));
    }
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
    int rc = lt_sequence_reserve(sequence, sequence->spans, sequence->segment + item->count);
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
