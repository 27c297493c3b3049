/* Raw tokens and mixed latents -> logits: layers whose one softmax covers the window of raw tokens (with positions) and
 * all closed spans (without: the mixer has put them in), and recall in front of the last of them. Keys and values of
 * spans were made when they were mixed. A llama model is the same with a window of its whole context, which is its KV
 * cache, and no spans. */
#include <string.h>

#include "kernels/attention.h"
#include "kernels/layer.h"
#include "kernels/norm.h"
#include "kernels/recall.h"
#include "kernels/rope.h"

size_t lt_decode_reach(const struct lt_model *model)
{
    const struct lt_model_shape *shape = lt_model_shape(model);
    return (size_t)shape->decoder_layers * (shape->window - 1) + 1;
}

static void embed(struct lt_workspace *workspace)
{
    size_t width = workspace->shape->width;
    float scale = workspace->weights->embedding_scale;
    for (size_t i = 0; i < workspace->row_count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        float *x = workspace->x + i * width;
        lt_table_row(&workspace->weights->embedding, row->token, x);
        for (size_t j = 0; j < width; j++)
            x[j] *= scale;
        if (row->closed > 0)
            lt_add(x, row->sequence->conditions + (row->closed - 1) * width, width);
    }
}

/* Row i attends to its window, oldest token first (the ring in two parts), and to the closed spans. */
static void attend(struct lt_workspace *workspace, size_t layer, size_t i)
{
    const struct lt_row *row = &workspace->rows[i];
    const struct lt_cache *ring = &row->sequence->window[layer], *memory = &row->sequence->memory[layer];
    size_t width = workspace->shape->width, heads = workspace->shape->heads, window = workspace->shape->window;
    const float *turn = workspace->turns + i * workspace->head_width, *query = workspace->query + i * width;
    size_t slot = (size_t)(row->position % window);
    lt_rope_rotate(workspace->key + i * width, turn, heads, workspace->head_width, ring->keys + slot * width);
    memcpy(ring->values + slot * width, workspace->value + i * width, width * sizeof(float));
    lt_rope_rotate(query, turn, heads, workspace->head_width, workspace->rotated);
    size_t older = row->position >= window ? window - 1 - slot : 0; /* in the slots behind this one */
    struct lt_attention_part parts[] = {
        {workspace->rotated, ring->keys + (slot + 1) * width, ring->values + (slot + 1) * width, older},
        {workspace->rotated, ring->keys, ring->values, slot + 1},
        {query, memory->keys, memory->values, row->closed},
    };
    lt_attend(parts, sizeof parts / sizeof *parts, heads, workspace->head_width, LT_ATTEND_ALWAYS,
              workspace->attended + i * width);
}

/* Logits of `count` rows whose x stands in `normed`, given to those who want them. */
static void write_some_logits(struct lt_workspace *workspace, const struct lt_row *const *wanting, size_t count)
{
    const struct lt_weights *weights = workspace->weights;
    size_t width = workspace->shape->width, vocabulary = workspace->shape->vocabulary;
    lt_rms_norm(workspace->normed, weights->decoder.norm, weights->epsilon, count, width, workspace->normed);
    lt_gemm(workspace->crew, &weights->logits, workspace->normed, count, workspace->logits, false);
    for (size_t i = 0; i < count; i++) {
        const float *logits = workspace->logits + i * vocabulary;
        if (wanting[i]->logits)
            memcpy(wanting[i]->logits, logits, vocabulary * sizeof *logits);
        if (wanting[i]->nats)
            *wanting[i]->nats = lt_cross_entropy(logits, vocabulary, wanting[i]->target);
    }
}

/* A few rows at a time, since logits are large. */
static void write_logits(struct lt_workspace *workspace)
{
    const struct lt_row *wanting[LT_LOGIT_ROWS];
    size_t width = workspace->shape->width, count = 0;
    for (size_t i = 0; i < workspace->row_count; i++) {
        const struct lt_row *row = &workspace->rows[i];
        if (!row->logits && !row->nats)
            continue;
        memcpy(workspace->normed + count * width, workspace->x + i * width, width * sizeof(float));
        wanting[count++] = row;
        if (count == LT_LOGIT_ROWS) {
            write_some_logits(workspace, wanting, count);
            count = 0;
        }
    }
    if (count > 0)
        write_some_logits(workspace, wanting, count);
}

static void run_chunk(struct lt_workspace *workspace)
{
    const struct lt_stack *decoder = &workspace->weights->decoder;
    embed(workspace);
    lt_workspace_turn(workspace, false);
    for (uint32_t layer = 0; layer < decoder->count; layer++) {
        if (layer == decoder->count - 1)
            lt_recall_look(workspace);
        lt_layer_project(workspace, &decoder->layers[layer], LT_PROJECT_ALL);
        for (size_t i = 0; i < workspace->row_count; i++)
            attend(workspace, layer, i);
        lt_layer_finish(workspace, &decoder->layers[layer]);
    }
    write_logits(workspace);
    workspace->row_count = 0;
}

/* Takes up the token as the newest of its sequence and counts its operations. */
static void add_row(struct lt_workspace *workspace, struct lt_decode_item *item, size_t index)
{
    const struct lt_model_shape *shape = workspace->shape;
    bool last = index + 1 == item->count;
    uint64_t position = item->sequence->position++;
    workspace->rows[workspace->row_count++] = (struct lt_row){
        .sequence = item->sequence,
        .position = position,
        .token = item->tokens[index],
        .closed = item->closed[index],
        .logits = last ? item->logits : NULL,
        .nats = item->targets ? item->nats + index : NULL,
        .target = item->targets ? item->targets[index] : 0,
    };
    uint64_t keys = item->closed[index] + (position < shape->window ? position + 1 : shape->window);
    item->operations += shape->decoder_layers * (lt_layer_operations(shape) + lt_attention_operations(shape, keys));
    item->operations += lt_recall_look_operations(shape, item->closed[index]);
    if (item->targets || (last && item->logits))
        item->operations += 2 * (uint64_t)shape->vocabulary * shape->width;
}

int lt_decode(struct lt_workspace *workspace, struct lt_decode_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t index = 0; index < items[i].count; index++)
            if (items[i].tokens[index] >= workspace->shape->vocabulary ||
                (items[i].targets && items[i].targets[index] >= workspace->shape->vocabulary) ||
                items[i].closed[index] > items[i].sequence->spans)
                return LT_EINTERNAL;
    workspace->row_count = 0;
    for (size_t i = 0; i < count; i++) {
        items[i].operations = 0;
        for (size_t index = 0; index < items[i].count; index++) {
            add_row(workspace, &items[i], index);
            if (workspace->row_count == LT_ROWS)
                run_chunk(workspace);
        }
    }
    if (workspace->row_count > 0)
        run_chunk(workspace);
    return LT_OK;
}
