/* Refiner and mixer: causal layers over latents, the first inside each segment, the second over the whole prompt; and
 * what the decoder will want from the result, computed once a span here instead of once a token there: the vector that
 * conditions tokens behind the span, and the keys and values of the decoder's attention to it.
 *
 * Rows of a chunk are in the order of each sequence, and a row is written to its layer's cache just before it attends,
 * so it sees itself and what came before it. */
#include <string.h>
#include <time.h>

#include "kernels/attention.h"
#include "kernels/layer.h"
#include "kernels/norm.h"
#include "kernels/recall.h"
#include "kernels/rope.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One layer of either network. `network` tells which cache and which position of a row count. */
enum network { REFINER, MIXER };

static void run_layer(struct lt_workspace *workspace, enum network network, size_t index)
{
    const struct lt_stack *stack = network == REFINER ? &workspace->weights->refiner : &workspace->weights->mixer;
    size_t width = workspace->shape->width, heads = workspace->shape->heads, head_width = workspace->head_width;
    lt_layer_project(workspace, &stack->layers[index]);
    for (size_t i = 0; i < workspace->row_count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        struct lt_cache *cache = network == REFINER ? &row->sequence->refiner[index] : &row->sequence->mixer[index];
        size_t slot = network == REFINER ? row->slot : (size_t)row->position;
        const float *turn = workspace->turns + i * head_width;
        lt_rope_rotate(workspace->key + i * width, turn, heads, head_width, cache->keys + slot * width);
        memcpy(cache->values + slot * width, workspace->value + i * width, width * sizeof(float));
        lt_rope_rotate(workspace->query + i * width, turn, heads, head_width, workspace->rotated);
        struct lt_attention_part past = {
            .query = workspace->rotated,
            .keys = cache->keys,
            .values = cache->values,
            .count = slot + 1,
        };
        lt_attend(&past, 1, heads, head_width, LT_ATTEND_ALWAYS, workspace->attended + i * width);
    }
    lt_layer_finish(workspace, &stack->layers[index]);
}

static void refine(struct lt_workspace *workspace)
{
    const struct lt_weights *weights = workspace->weights;
    size_t width = workspace->shape->width, rows = workspace->row_count;
    for (size_t i = 0; i < rows; i++)
        memcpy(workspace->x + i * width, workspace->rows[i].latent, width * sizeof(float));
    lt_workspace_turn(workspace, true);
    for (uint32_t layer = 0; layer < weights->refiner.count; layer++)
        run_layer(workspace, REFINER, layer);
    lt_rms_norm(workspace->x, weights->refiner.norm, weights->epsilon, rows, width, workspace->x);
    lt_rms_norm(workspace->x, NULL, weights->epsilon, rows, width, workspace->x);
}

/* Copies one row of `from` to its span's place in a cache. */
static void scatter(const struct lt_workspace *workspace, const float *from, size_t row, float *to)
{
    size_t width = workspace->shape->width;
    memcpy(to + (size_t)workspace->rows[row].position * width, from + row * width, width * sizeof *to);
}

/* x holds the mixed latents. */
static void prepare_decoding(struct lt_workspace *workspace)
{
    const struct lt_weights *weights = workspace->weights;
    size_t width = workspace->shape->width, rows = workspace->row_count;
    for (size_t i = 0; i < rows; i++)
        memcpy(workspace->query + i * width, workspace->rows[i].latent, width * sizeof(float));
    lt_gemm(workspace->crew, &weights->condition, workspace->x, rows, workspace->attended, false);
    lt_gemm(workspace->crew, &weights->skip, workspace->query, rows, workspace->attended, true);
    for (size_t i = 0; i < rows; i++)
        scatter(workspace, workspace->attended, i, workspace->rows[i].sequence->conditions);
    for (uint32_t layer = 0; layer < weights->decoder.count; layer++) {
        const struct lt_memory *memory = &weights->memories[layer];
        lt_rms_norm(workspace->x, memory->norm, weights->epsilon, rows, width, workspace->normed);
        lt_gemm(workspace->crew, &memory->key, workspace->normed, rows, workspace->key, false);
        lt_gemm(workspace->crew, &memory->value, workspace->normed, rows, workspace->value, false);
        lt_rms_norm(workspace->key, weights->decoder.layers[layer].key_norm, weights->epsilon,
                    rows * workspace->shape->heads, workspace->head_width, workspace->key);
        for (size_t i = 0; i < rows; i++) {
            struct lt_cache *cache = &workspace->rows[i].sequence->memory[layer];
            scatter(workspace, workspace->key, i, cache->keys);
            scatter(workspace, workspace->value, i, cache->values);
        }
    }
    lt_recall_unfold(workspace);
}

static void mix(struct lt_workspace *workspace)
{
    const struct lt_weights *weights = workspace->weights;
    lt_workspace_turn(workspace, false);
    for (uint32_t layer = 0; layer < weights->mixer.count; layer++)
        run_layer(workspace, MIXER, layer);
    lt_rms_norm(workspace->x, weights->mixer.norm, weights->epsilon, workspace->row_count, workspace->shape->width,
                workspace->x);
    prepare_decoding(workspace);
}

/* Takes up the latent as the newest of its sequence and counts its operations. */
static void add_row(struct lt_workspace *workspace, struct lt_mix_item *item, size_t index)
{
    const struct lt_model_shape *shape = workspace->shape;
    struct lt_sequence *sequence = item->sequence;
    uint64_t width = shape->width;
    if (item->starts[index])
        sequence->segment = 0;
    workspace->rows[workspace->row_count++] = (struct lt_row){
        .sequence = sequence,
        .slot = sequence->segment++,
        .position = sequence->spans++,
        .latent = item->latents + index * width,
    };
    item->refine_operations +=
        shape->refiner_layers * (lt_layer_operations(shape) + lt_attention_operations(shape, sequence->segment));
    item->mix_operations +=
        shape->mixer_layers * (lt_layer_operations(shape) + lt_attention_operations(shape, sequence->spans)) +
        2 * width * width * (2 + 2 * (uint64_t)shape->decoder_layers) + lt_recall_unfold_operations(shape);
}

static void run_chunk(struct lt_workspace *workspace, double *refine_seconds, double *mix_seconds)
{
    double start = seconds();
    refine(workspace);
    double middle = seconds();
    mix(workspace);
    *refine_seconds += middle - start;
    *mix_seconds += seconds() - middle;
    workspace->row_count = 0;
}

int lt_mix(struct lt_workspace *workspace, struct lt_mix_item *items, size_t count)
{
    double refine_seconds = 0, mix_seconds = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = lt_sequence_reserve(items[i].sequence, items[i].sequence->spans + items[i].count);
        if (rc != LT_OK)
            return rc;
    }
    workspace->row_count = 0;
    for (size_t i = 0; i < count; i++) {
        items[i].refine_operations = items[i].mix_operations = 0;
        for (size_t index = 0; index < items[i].count; index++) {
            add_row(workspace, &items[i], index);
            if (workspace->row_count == LT_ROWS)
                run_chunk(workspace, &refine_seconds, &mix_seconds);
        }
    }
    if (workspace->row_count > 0)
        run_chunk(workspace, &refine_seconds, &mix_seconds);
    for (size_t i = 0; i < count; i++) {
        items[i].refine_seconds = refine_seconds;
        items[i].mix_seconds = mix_seconds;
    }
    return LT_OK;
}
