/* Raw tokens and mixed latents -> logits: layers whose one softmax covers the window of raw tokens (with positions) and
 * all closed spans (without: the mixer has put them in), and recall in front of the last of them. Keys and values of
 * spans were made when they were mixed. A llama model is the same with a window of its whole context, which is its KV
 * cache, and no spans.
 *
 * Of a prompt's tokens most are there for the last one to see: a token leaves the chunk as soon as nothing that it adds
 * to a higher layer will be looked at again. */
#include "kernels/decoder.h"

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
            lt_add(x, lt_sequence_condition(row->sequence, row->closed - 1), width);
    }
}

static void enter_window(struct lt_workspace *workspace, size_t layer, size_t i)
{
    const struct lt_row *row = &workspace->rows[i];
    const struct lt_ring *ring = &row->sequence->window[layer];
    size_t width = workspace->shape->width, slot = (size_t)(row->position % workspace->shape->window);
    lt_rope_rotate(workspace->key + i * width, workspace->turns + i * workspace->head_width, workspace->shape->heads,
                   workspace->head_width, ring->keys + slot * width);
    memcpy(ring->values + slot * width, workspace->value + i * width, width * sizeof(float));
}

/* In the order of the ring. */
static void attend_window(struct lt_workspace *workspace, size_t layer, size_t i)
{
    const struct lt_row *row = &workspace->rows[i];
    const struct lt_ring *ring = &row->sequence->window[layer];
    size_t width = workspace->shape->width, heads = workspace->shape->heads, head_width = workspace->head_width;
    size_t count = row->position < workspace->shape->window ? (size_t)row->position + 1 : workspace->shape->window;
    struct lt_softmax *softmax = workspace->softmaxes + i * heads;
    float *out = workspace->attended + i * width;
    lt_rope_rotate(workspace->query + i * width, workspace->turns + i * head_width, heads, head_width,
                   workspace->rotated);
    lt_attention_begin(softmax, heads, head_width, LT_ATTEND_ALWAYS, out);
    lt_attend(workspace->rotated, ring->keys, ring->values, count, heads, head_width, softmax, out);
}

/* What is still needed of a row, to the place of another that is not. */
static void move_row(struct lt_workspace *workspace, size_t from, size_t to)
{
    size_t width = workspace->shape->width, head_width = workspace->head_width;
    workspace->rows[to] = workspace->rows[from];
    memcpy(workspace->x + to * width, workspace->x + from * width, width * sizeof(float));
    memcpy(workspace->query + to * width, workspace->query + from * width, width * sizeof(float));
    memcpy(workspace->turns + to * head_width, workspace->turns + from * head_width, head_width * sizeof(float));
}

/* How far behind a token may be for a layer's output to be of use: later ones see it in the windows of the layers
 * above. Its keys and values are, in the layer's own window as well. */
static size_t useful_behind(const struct lt_model_shape *shape, size_t layer)
{
    return (shape->decoder_layers - 1 - layer) * (shape->window - 1);
}

/* All rows enter their windows. Those whose output is of use, which become the rows of the chunk, attend to them and to
 * their closed spans. */
static void attend(struct lt_workspace *workspace, size_t layer)
{
    struct lt_slots_query *queries = workspace->queries;
    size_t width = workspace->shape->width, heads = workspace->shape->heads, head_width = workspace->head_width;
    size_t most = useful_behind(workspace->shape, layer), rows = 0;
    for (size_t i = 0; i < workspace->row_count; i++) {
        enter_window(workspace, layer, i);
        if (workspace->rows[i].behind > most)
            continue;
        if (rows < i)
            move_row(workspace, i, rows);
        const struct lt_row *row = &workspace->rows[rows];
        queries[rows] = (struct lt_slots_query){
            .slots = &row->sequence->memory[layer],
            .count = row->closed,
            .query = workspace->query + rows * width,
            .softmax = workspace->softmaxes + rows * heads,
            .out = workspace->attended + rows * width,
        };
        attend_window(workspace, layer, rows++);
    }
    workspace->row_count = rows;
    lt_slots_attend(queries, rows);
    for (size_t i = 0; i < rows; i++)
        lt_attention_end(queries[i].softmax, heads, head_width, queries[i].out);
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
        attend(workspace, layer);
        lt_layer_finish(workspace, &decoder->layers[layer]);
    }
    write_logits(workspace);
    workspace->row_count = 0;
}

uint32_t lt_decode_whole_layers(const struct lt_model_shape *shape, size_t behind)
{
    uint32_t layers = 0;
    while (layers < shape->decoder_layers && behind <= useful_behind(shape, layers))
        layers++;
    return layers;
}

uint64_t lt_decode_operations(const struct lt_model_shape *shape, uint64_t position, uint64_t closed, size_t behind)
{
    uint64_t keys = closed + (position < shape->window ? position + 1 : shape->window);
    uint32_t whole = lt_decode_whole_layers(shape, behind);
    uint64_t operations = whole * (lt_layer_operations(shape) + lt_attention_operations(shape, keys));
    if (whole < shape->decoder_layers)
        operations += 2 * 3 * (uint64_t)shape->width * shape->width;
    if (whole + 1 >= shape->decoder_layers)
        operations += lt_recall_look_operations(shape, closed);
    return operations;
}

/* Takes up the token as the newest of its sequence and counts its operations. */
static void add_row(struct lt_workspace *workspace, struct lt_decode_item *item, size_t index)
{
    const struct lt_model_shape *shape = workspace->shape;
    bool last = index + 1 == item->count;
    uint64_t position = item->sequence->position++;
    size_t behind = item->targets ? 0 : item->count - index - (item->logits ? 1 : 0);
    workspace->rows[workspace->row_count++] = (struct lt_row){
        .sequence = item->sequence,
        .position = position,
        .token = item->tokens[index],
        .closed = item->closed[index],
        .behind = behind,
        .logits = last ? item->logits : NULL,
        .nats = item->targets ? item->nats + index : NULL,
        .target = item->targets ? item->targets[index] : 0,
    };
    item->operations += lt_decode_operations(shape, position, item->closed[index], behind);
    if (item->targets || (last && item->logits))
        item->operations += 2 * (uint64_t)shape->vocabulary * shape->width;
}

static size_t rows_of(const void *items, size_t index)
{
    return ((const struct lt_decode_item *)items)[index].count;
}

static void run_items(struct lt_workspace *workspace, void *all, size_t first, size_t end)
{
    struct lt_decode_item *items = all;
    workspace->row_count = 0;
    for (size_t i = first; i < end; i++) {
        items[i].operations = 0;
        for (size_t index = 0; index < items[i].count; index++) {
            add_row(workspace, &items[i], index);
            if (workspace->row_count == LT_ROWS)
                run_chunk(workspace);
        }
    }
    if (workspace->row_count > 0)
        run_chunk(workspace);
}

int lt_decode(struct lt_workspace *workspace, struct lt_decode_item *items, size_t count)
{
    static const struct lt_work work = {rows_of, run_items};
    for (size_t i = 0; i < count; i++)
        for (size_t index = 0; index < items[i].count; index++)
            if (items[i].tokens[index] >= workspace->shape->vocabulary ||
                (items[i].targets && items[i].targets[index] >= workspace->shape->vocabulary) ||
                items[i].closed[index] > items[i].sequence->spans)
                return LT_EINTERNAL;
    lt_workspace_run(workspace, &work, items, count);
    return LT_OK;
}
