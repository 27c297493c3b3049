/* From names to weights. The encoder's matrices and the table of embeddings stay in the type that the file has them in,
 * others become int8 if that is asked for, gains become float32; Q8_0 is widened, which is exact. Afterwards nothing
 * points into the file, so a file that shrinks under a running daemon does no harm. */
#include "kernels/tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/int8_tiles.h"
#include "proto/alloc.h"

#define NAME_BYTES 96

struct loader {
    const struct lt_gguf *gguf;
    const char *path;
    const struct lt_model_shape *shape;
    enum lt_precision precision;
    struct lt_error *error;
    int rc; /* of the first failure; later loads do nothing */
};

static void fail_memory(struct loader *loader)
{
    loader->rc = lt_fail_code(loader->error, LT_ENOMEM);
}

/* Finds a tensor of the given shape; outputs 0 means that it has one dimension. */
static const struct lt_gguf_tensor *find(struct loader *loader, const char *name, uint64_t outputs, uint64_t inputs)
{
    const struct lt_gguf_tensor *tensor = lt_gguf_tensor(loader->gguf, name);
    if (!tensor) {
        loader->rc = lt_fail(loader->error, LT_EMODEL, "%s: tensor '%s' is missing", loader->path, name);
        return NULL;
    }
    if (tensor->dimensions != (outputs ? 2u : 1u) || tensor->inputs != inputs ||
        (outputs && tensor->outputs != outputs)) {
        loader->rc = lt_fail(loader->error, LT_EMODEL,
                             "%s: tensor '%s' has %" PRIu64 " x %" PRIu64
                             " numbers; the hyperparameters ask for %" PRIu64 " x %" PRIu64,
                             loader->path, name, tensor->outputs, tensor->inputs, outputs ? outputs : 1, inputs);
        return NULL;
    }
    return tensor;
}

static void fail_not_finite(struct loader *loader, const char *name)
{
    loader->rc = lt_fail(loader->error, LT_EMODEL, "%s: tensor '%s' holds a value that is not a finite number",
                         loader->path, name);
}

static void widen_q8_0(const uint8_t *blocks, size_t count, float *numbers)
{
    for (size_t i = 0; i < count; i += LT_GGUF_Q8_0_NUMBERS, blocks += LT_GGUF_Q8_0_BYTES) {
        uint16_t half;
        float scale;
        memcpy(&half, blocks, sizeof half);
        lt_float_from_half(&half, 1, &scale);
        for (size_t j = 0; j < LT_GGUF_Q8_0_NUMBERS; j++)
            numbers[i + j] = scale * (int8_t)blocks[sizeof half + j];
    }
}

static float *widen(struct loader *loader, const struct lt_gguf_tensor *tensor, const char *name)
{
    size_t count = (size_t)(tensor->inputs * tensor->outputs);
    float *numbers = lt_alloc_aligned(count * sizeof *numbers);
    if (!numbers) {
        fail_memory(loader);
        return NULL;
    }
    if (tensor->type == LT_GGUF_F16)
        lt_float_from_half((const uint16_t *)(const void *)tensor->data, count, numbers);
    else if (tensor->type == LT_GGUF_Q8_0)
        widen_q8_0(tensor->data, count, numbers);
    else
        memcpy(numbers, tensor->data, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i])) {
            fail_not_finite(loader, name);
            lt_free(numbers);
            return NULL;
        }
    return numbers;
}

/* The numbers of a tensor of type F16, in the file; NULL if one of them is not finite. */
static const uint16_t *finite_halves(struct loader *loader, const struct lt_gguf_tensor *tensor, const char *name)
{
    const uint16_t *halves = (const uint16_t *)(const void *)tensor->data;
    size_t count = (size_t)(tensor->inputs * tensor->outputs);
    for (size_t i = 0; i < count; i++)
        if ((halves[i] & 0x7c00) == 0x7c00) {
            fail_not_finite(loader, name);
            return NULL;
        }
    return halves;
}

static __attribute__((format(printf, 4, 5))) void load_floats(struct loader *loader, float **to, uint64_t dimensions[2],
                                                              const char *format, ...)
{
    char name[NAME_BYTES];
    va_list arguments;
    if (loader->rc != LT_OK)
        return;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const struct lt_gguf_tensor *tensor = find(loader, name, dimensions[0], dimensions[1]);
    if (tensor)
        *to = widen(loader, tensor, name);
}

#define TABLE(outputs, inputs) ((uint64_t[2]){(outputs), (inputs)})
#define GAIN(width) ((uint64_t[2]){0, (width)})

static bool is_encoder(const char *name)
{
    return strncmp(name, "encoder.", strlen("encoder.")) == 0;
}

static int pack(struct loader *loader, const struct lt_gguf_tensor *tensor, const char *name, struct lt_matrix *matrix)
{
    uint32_t outputs = (uint32_t)tensor->outputs, inputs = (uint32_t)tensor->inputs;
    bool int8 = loader->precision == LT_PRECISION_INT8 && !is_encoder(name) && inputs <= LT_INT8_INPUTS_MAX;
    if (tensor->type == LT_GGUF_F16 && !int8) {
        const uint16_t *halves = finite_halves(loader, tensor, name);
        return halves ? lt_matrix_pack_half(halves, outputs, inputs, matrix) : loader->rc;
    }
    float *numbers = widen(loader, tensor, name);
    int rc = !numbers ? loader->rc
             : int8   ? lt_matrix_pack_int8(numbers, outputs, inputs, matrix)
                      : lt_matrix_pack(numbers, outputs, inputs, matrix);
    lt_free(numbers);
    return rc;
}

static __attribute__((format(printf, 4, 5))) void load_matrix(struct loader *loader, struct lt_matrix *matrix,
                                                              uint64_t dimensions[2], const char *format, ...)
{
    char name[NAME_BYTES];
    va_list arguments;
    if (loader->rc != LT_OK)
        return;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const struct lt_gguf_tensor *tensor = find(loader, name, dimensions[0], dimensions[1]);
    if (tensor && pack(loader, tensor, name, matrix) == LT_ENOMEM)
        fail_memory(loader);
}

static void load_table(struct loader *loader, struct lt_table *table, uint32_t rows, uint32_t width, const char *name)
{
    const struct lt_gguf_tensor *tensor = loader->rc == LT_OK ? find(loader, name, rows, width) : NULL;
    if (!tensor)
        return;
    *table = (struct lt_table){.width = width, .half = tensor->type == LT_GGUF_F16};
    if (!table->half) {
        table->rows = widen(loader, tensor, name);
    } else if (finite_halves(loader, tensor, name)) {
        table->rows = lt_alloc_aligned(tensor->bytes);
        if (table->rows)
            memcpy(table->rows, tensor->data, tensor->bytes);
        else
            fail_memory(loader);
    }
}

/* network: "encoder." and so on; "" in a llama model, whose layers have no norm of queries and keys. */
static void load_layer(struct loader *loader, struct lt_layer *layer, const char *network, uint32_t i)
{
    uint32_t width = loader->shape->width, inner = loader->shape->feed_forward;
    uint32_t head_width = width / loader->shape->heads;
    load_floats(loader, &layer->attention_norm, GAIN(width), "%sblk.%u.attn_norm.weight", network, i);
    if (*network)
        load_floats(loader, &layer->query_norm, GAIN(head_width), "%sblk.%u.attn_q_norm.weight", network, i);
    if (*network)
        load_floats(loader, &layer->key_norm, GAIN(head_width), "%sblk.%u.attn_k_norm.weight", network, i);
    load_floats(loader, &layer->feed_forward_norm, GAIN(width), "%sblk.%u.ffn_norm.weight", network, i);
    load_matrix(loader, &layer->query, TABLE(width, width), "%sblk.%u.attn_q.weight", network, i);
    load_matrix(loader, &layer->key, TABLE(width, width), "%sblk.%u.attn_k.weight", network, i);
    load_matrix(loader, &layer->value, TABLE(width, width), "%sblk.%u.attn_v.weight", network, i);
    load_matrix(loader, &layer->output, TABLE(width, width), "%sblk.%u.attn_output.weight", network, i);
    load_matrix(loader, &layer->gate, TABLE(inner, width), "%sblk.%u.ffn_gate.weight", network, i);
    load_matrix(loader, &layer->up, TABLE(inner, width), "%sblk.%u.ffn_up.weight", network, i);
    load_matrix(loader, &layer->down, TABLE(width, inner), "%sblk.%u.ffn_down.weight", network, i);
}

static void load_stack(struct loader *loader, struct lt_stack *stack, const char *network, uint32_t count,
                       const char *norm)
{
    if (loader->rc != LT_OK)
        return;
    stack->layers = lt_calloc(count, sizeof *stack->layers);
    if (!stack->layers) {
        fail_memory(loader);
        return;
    }
    stack->count = count;
    for (uint32_t i = 0; i < count; i++)
        load_layer(loader, &stack->layers[i], network, i);
    load_floats(loader, &stack->norm, GAIN(loader->shape->width), "%s", norm);
}

static void load_memories(struct loader *loader, struct lt_weights *weights)
{
    uint32_t width = loader->shape->width;
    if (loader->rc != LT_OK)
        return;
    weights->memories = lt_calloc(loader->shape->decoder_layers, sizeof *weights->memories);
    if (!weights->memories) {
        fail_memory(loader);
        return;
    }
    for (uint32_t i = 0; i < loader->shape->decoder_layers; i++) {
        struct lt_memory *memory = &weights->memories[i];
        load_floats(loader, &memory->norm, GAIN(width), "decoder.blk.%u.memory_norm.weight", i);
        load_matrix(loader, &memory->key, TABLE(width, width), "decoder.blk.%u.memory_k.weight", i);
        load_matrix(loader, &memory->value, TABLE(width, width), "decoder.blk.%u.memory_v.weight", i);
    }
}

static void load_recall(struct loader *loader, struct lt_recall *recall)
{
    uint32_t width = loader->shape->width, inner = loader->shape->recall;
    float *nothing = NULL;
    if (!inner)
        return;
    load_matrix(loader, &recall->unfold, TABLE((uint64_t)loader->shape->span_maximum * width, width),
                "decoder.recall.unfold.weight");
    load_floats(loader, &recall->norm, GAIN(width), "decoder.recall.norm.weight");
    load_matrix(loader, &recall->query, TABLE(inner, width), "decoder.recall.query.weight");
    load_floats(loader, &recall->query_norm, GAIN(inner), "decoder.recall.query_norm.weight");
    load_matrix(loader, &recall->key, TABLE(inner, width), "decoder.recall.key.weight");
    load_matrix(loader, &recall->context, TABLE(inner, width), "decoder.recall.context.weight");
    load_matrix(loader, &recall->value, TABLE(inner, width), "decoder.recall.value.weight");
    load_floats(loader, &recall->key_norm, GAIN(inner), "decoder.recall.key_norm.weight");
    load_matrix(loader, &recall->output, TABLE(width, inner), "decoder.recall.output.weight");
    load_floats(loader, &nothing, GAIN(1), "decoder.recall.nothing.weight");
    recall->nothing = nothing ? *nothing : 0;
    lt_free(nothing);
}

static void load_islet(struct loader *loader, struct lt_weights *weights)
{
    const struct lt_model_shape *shape = loader->shape;
    uint32_t width = shape->width;
    weights->embedding_scale = sqrtf((float)width);
    load_floats(loader, &weights->positions, TABLE(shape->span_maximum, width), "encoder.position.weight");
    load_matrix(loader, &weights->project, TABLE(width, (uint64_t)shape->span_maximum * width),
                "encoder.project.weight");
    load_stack(loader, &weights->encoder, "encoder.", shape->encoder_layers, "encoder.norm.weight");
    load_stack(loader, &weights->refiner, "refiner.", shape->refiner_layers, "refiner.norm.weight");
    load_stack(loader, &weights->mixer, "mixer.", shape->mixer_layers, "mixer.norm.weight");
    load_stack(loader, &weights->decoder, "decoder.", shape->decoder_layers, "decoder.norm.weight");
    load_matrix(loader, &weights->condition, TABLE(width, width), "decoder.condition.weight");
    load_matrix(loader, &weights->skip, TABLE(width, width), "decoder.skip.weight");
    load_memories(loader, weights);
    load_recall(loader, &weights->recall);
}

static void load_llama(struct loader *loader, struct lt_weights *weights)
{
    weights->embedding_scale = 1;
    load_stack(loader, &weights->decoder, "", loader->shape->decoder_layers, "output_norm.weight");
}

/* own_output: whether logits may have a table of their own. */
static void load_tables(struct loader *loader, struct lt_weights *weights, bool own_output)
{
    uint32_t vocabulary = loader->shape->vocabulary, width = loader->shape->width;
    bool output = own_output && lt_gguf_tensor(loader->gguf, "output.weight");
    load_table(loader, &weights->embedding, vocabulary, width, "token_embd.weight");
    load_matrix(loader, &weights->logits, TABLE(vocabulary, width), output ? "output.weight" : "token_embd.weight");
}

int lt_weights_load(const struct lt_gguf *gguf, const char *path, const struct lt_hyperparameters *hyperparameters,
                    enum lt_precision precision, struct lt_weights *ret_weights, struct lt_error *error)
{
    struct loader loader = {
        .gguf = gguf, .path = path, .shape = &hyperparameters->shape, .precision = precision, .error = error};
    struct lt_weights weights = {.epsilon = hyperparameters->epsilon, .rope_base = hyperparameters->rope_base};
    load_tables(&loader, &weights, hyperparameters->architecture == LT_ARCHITECTURE_LLAMA);
    if (hyperparameters->architecture == LT_ARCHITECTURE_ISLET)
        load_islet(&loader, &weights);
    else
        load_llama(&loader, &weights);
    if (loader.rc != LT_OK) {
        lt_weights_finish(&weights);
        return loader.rc;
    }
    *ret_weights = weights;
    return LT_OK;
}

void lt_table_row(const struct lt_table *table, size_t row, float *to)
{
    size_t width = table->width;
    if (table->half)
        lt_float_from_half((const uint16_t *)table->rows + row * width, width, to);
    else
        memcpy(to, (const float *)table->rows + row * width, width * sizeof *to);
}

static void finish_stack(struct lt_stack *stack)
{
    for (uint32_t i = 0; i < stack->count; i++) {
        struct lt_layer *layer = &stack->layers[i];
        lt_free(layer->attention_norm);
        lt_free(layer->query_norm);
        lt_free(layer->key_norm);
        lt_free(layer->feed_forward_norm);
        lt_matrix_finish(&layer->query);
        lt_matrix_finish(&layer->key);
        lt_matrix_finish(&layer->value);
        lt_matrix_finish(&layer->output);
        lt_matrix_finish(&layer->gate);
        lt_matrix_finish(&layer->up);
        lt_matrix_finish(&layer->down);
    }
    lt_free(stack->layers);
    lt_free(stack->norm);
}

void lt_weights_finish(struct lt_weights *weights)
{
    for (uint32_t i = 0; weights->memories && i < weights->decoder.count; i++) {
        lt_free(weights->memories[i].norm);
        lt_matrix_finish(&weights->memories[i].key);
        lt_matrix_finish(&weights->memories[i].value);
    }
    lt_free(weights->memories);
    lt_matrix_finish(&weights->recall.unfold);
    lt_free(weights->recall.norm);
    lt_matrix_finish(&weights->recall.query);
    lt_free(weights->recall.query_norm);
    lt_matrix_finish(&weights->recall.key);
    lt_matrix_finish(&weights->recall.context);
    lt_matrix_finish(&weights->recall.value);
    lt_free(weights->recall.key_norm);
    lt_matrix_finish(&weights->recall.output);
    lt_free(weights->embedding.rows);
    lt_matrix_finish(&weights->logits);
    lt_free(weights->positions);
    lt_matrix_finish(&weights->project);
    finish_stack(&weights->encoder);
    finish_stack(&weights->refiner);
    finish_stack(&weights->mixer);
    finish_stack(&weights->decoder);
    lt_matrix_finish(&weights->condition);
    lt_matrix_finish(&weights->skip);
    *weights = (struct lt_weights){0};
}
