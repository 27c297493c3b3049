/* The mixer: causal layers over the refined latents of the whole prompt (kernels/refiner.c makes them); and what the
 * decoder will want from the result, computed once a span here instead of once a token there: the vector that
 * conditions tokens behind the span, and the keys and values of the decoder's attention to it.
 *
 * Rows of a chunk are in the order of each sequence, and are written to their layer's cache before any of them attends
 * to its own place there and those in front of it. */
#include <string.h>
#include <time.h>

#include "kernels/layer.h"
#include "kernels/norm.h"
#include "kernels/recall.h"
#include "kernels/refiner.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
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
        memcpy(lt_sequence_condition(workspace->rows[i].sequence, (size_t)workspace->rows[i].position),
               workspace->attended + i * width, width * sizeof(float));
    for (uint32_t layer = 0; layer < weights->decoder.count; layer++) {
        const struct lt_memory *memory = &weights->memories[layer];
        lt_rms_norm(workspace->x, memory->norm, weights->epsilon, rows, width, workspace->normed);
        lt_gemm(workspace->crew, &memory->key, workspace->normed, rows, workspace->key, false);
        lt_gemm(workspace->crew, &memory->value, workspace->normed, rows, workspace->value, false);
        lt_rms_norm(workspace->key, weights->decoder.layers[layer].key_norm, weights->epsilon,
                    rows * workspace->shape->heads, workspace->head_width, workspace->key);
        for (size_t i = 0; i < rows; i++)
            lt_slots_write(&workspace->rows[i].sequence->memory[layer], (size_t)workspace->rows[i].position,
                           workspace->key + i * width, workspace->value + i * width);
    }
    lt_recall_unfold(workspace);
}

static void mix(struct lt_workspace *workspace)
{
    const struct lt_weights *weights = workspace->weights;
    lt_workspace_turn(workspace, false);
    for (uint32_t layer = 0; layer < weights->mixer.count; layer++)
        lt_network_layer(workspace, LT_MIXER, layer);
    lt_rms_norm(workspace->x, weights->mixer.norm, weights->epsilon, workspace->row_count, workspace->shape->width,
                workspace->x);
    prepare_decoding(workspace);
}

/* Takes up the latent as the newest of its sequence and counts its operations. */
static void add_row(struct lt_workspace *workspace, struct lt_mix_item *item, size_t index)
{
    const struct lt_model_shape *shape = workspace->shape;
    struct lt_sequence *sequence = item->sequence;
    enum lt_refiner_work refining = item->refining ? (enum lt_refiner_work)item->refining[index] : LT_REFINE;
    uint64_t width = shape->width;
    if (item->starts[index])
        sequence->segment = 0;
    workspace->rows[workspace->row_count++] = (struct lt_row){
        .sequence = sequence,
        .slot = sequence->segment++,
        .position = sequence->spans++,
        .latent = item->latents + index * width,
        .refining = refining,
        .refined = refining == LT_REFINE ? NULL : item->refined + index * width,
    };
    uint64_t spent = lt_refiner_operations(shape, refining, sequence->segment);
    item->refine_operations += spent;
    item->saved_operations += lt_refiner_operations(shape, LT_REFINE, sequence->segment) - spent;
    item->mix_operations +=
        shape->mixer_layers * (lt_layer_operations(shape) + lt_attention_operations(shape, sequence->spans)) +
        2 * width * width * (2 + 2 * (uint64_t)shape->decoder_layers) + lt_recall_unfold_operations(shape);
}

static void run_chunk(struct lt_workspace *workspace, double *refine_seconds, double *mix_seconds)
{
    double start = seconds();
    lt_refiner_run(workspace);
    double middle = seconds();
    mix(workspace);
    *refine_seconds += middle - start;
    *mix_seconds += seconds() - middle;
    workspace->row_count = 0;
}

/* Room for the item's spans, and for the longest segment that there will be. */
static int reserve(const struct lt_mix_item *item)
{
    size_t segment = item->sequence->segment, longest = segment;
    for (size_t i = 0; i < item->count; i++) {
        segment = item->starts[i] ? 1 : segment + 1;
        longest = segment > longest ? segment : longest;
    }
    return lt_sequence_reserve(item->sequence, item->sequence->spans + item->count, longest);
}

static size_t rows_of(const void *items, size_t index)
{
    return ((const struct lt_mix_item *)items)[index].count;
}

static void run_items(struct lt_workspace *workspace, void *all, size_t first, size_t end)
{
    struct lt_mix_item *items = all;
    double refine_seconds = 0, mix_seconds = 0;
    workspace->row_count = 0;
    for (size_t i = first; i < end; i++) {
        items[i].refine_operations = items[i].saved_operations = items[i].mix_operations = 0;
        for (size_t index = 0; index < items[i].count; index++) {
            add_row(workspace, &items[i], index);
            if (workspace->row_count == LT_ROWS)
                run_chunk(workspace, &refine_seconds, &mix_seconds);
        }
    }
    if (workspace->row_count > 0)
        run_chunk(workspace, &refine_seconds, &mix_seconds);
    for (size_t i = first; i < end; i++) {
        items[i].refine_seconds = refine_seconds;
        items[i].mix_seconds = mix_seconds;
    }
}

int lt_mix(struct lt_workspace *workspace, struct lt_mix_item *items, size_t count)
{
    static const struct lt_work work = {rows_of, run_items};
    for (size_t i = 0; i < count; i++) {
        int rc = reserve(&items[i]);
        if (rc != LT_OK)
            return rc;
    }
    lt_workspace_run(workspace, &work, items, count);
    return LT_OK;
}
