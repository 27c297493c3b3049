#include "kernels/cost.h"

#include "kernels/decoder.h"
#include "kernels/layer.h"
#include "kernels/recall.h"

#define NUMBER 4 /* bytes of a number in the window and what else a sequence keeps, but for its slots */

/* Numbers in the matrices of a layer. */
static uint64_t layer_numbers(const struct lt_model_shape *shape)
{
    return 4 * (uint64_t)shape->width * shape->width + 3 * (uint64_t)shape->width * shape->feed_forward;
}

/* Key and value as floats. */
static uint64_t float_bytes(const struct lt_model_shape *shape)
{
    return 2 * (uint64_t)shape->width * NUMBER;
}

/* Key and value as kernels/slots.h keeps them: a byte a number, and a scale a head. */
static uint64_t slot_bytes(uint64_t width, uint64_t heads)
{
    return 2 * (width + heads * sizeof(float));
}

static uint64_t span_slot_bytes(const struct lt_model_shape *shape)
{
    return slot_bytes(shape->width, shape->heads);
}

static uint64_t recall_slot_bytes(const struct lt_model_shape *shape)
{
    return shape->recall ? shape->span_maximum * slot_bytes(shape->recall, 1) : 0;
}

/* One row through all layers of a stage: it writes its key and value, and reads those of `keys` rows. */
static void add_row(const struct lt_model_shape *shape, struct lt_cost *cost, uint64_t keys, uint64_t key_value_bytes)
{
    cost->rows++;
    cost->keys = keys > cost->keys ? keys : cost->keys;
    cost->operations += cost->layers * (lt_layer_operations(shape) + lt_attention_operations(shape, keys));
    cost->bytes += cost->layers * (1 + keys) * key_value_bytes;
}

static void add_layer_weights(const struct lt_model_shape *shape, struct lt_cost *cost, uint32_t weight_bytes)
{
    cost->bytes += cost->layers * layer_numbers(shape) * weight_bytes;
}

/* --- encode --- */

static void encode_span(const struct lt_model_shape *shape, struct lt_cost *cost, uint32_t tokens)
{
    for (uint32_t i = 0; i < tokens; i++)
        add_row(shape, cost, tokens, float_bytes(shape));
    cost->entries += (uint64_t)tokens * tokens;
    cost->operations += 2 * (uint64_t)shape->width * shape->width * shape->span_maximum;
}

static void add_encoder_weights(const struct lt_model_shape *shape, struct lt_cost *cost, uint32_t weight_bytes)
{
    add_layer_weights(shape, cost, weight_bytes);
    cost->bytes += (uint64_t)shape->width * shape->width * shape->span_maximum * weight_bytes;
}

static void encode(const struct lt_model_shape *shape, uint32_t weight_bytes, const struct lt_text_shape *text,
                   struct lt_cost *cost)
{
    size_t spans = 0, rows = 0; /* of the pass */
    for (size_t i = 0; i < text->count; i++) {
        if (text->known && text->known[i])
            continue;
        if (spans == LT_CHUNK_SPANS || rows + text->spans[i] > LT_ROWS)
            spans = rows = 0;
        if (spans == 0)
            add_encoder_weights(shape, cost, weight_bytes);
        spans++;
        rows += text->spans[i];
        encode_span(shape, cost, text->spans[i]);
    }
    cost->queries = cost->rows;
}

/* --- refine and mix --- */

/* A latent that is number `segment` of its segment and number `spans` of the sequence, both from 1. */
static void mix_span(const struct lt_model_shape *shape, struct lt_cost costs[LT_STAGE_COUNT], uint64_t segment,
                     uint64_t spans)
{
    uint64_t width = shape->width, decoders = shape->decoder_layers;
    struct lt_cost *mix = &costs[LT_STAGE_MIX];
    add_row(shape, &costs[LT_STAGE_REFINE], segment, span_slot_bytes(shape));
    add_row(shape, mix, spans, span_slot_bytes(shape));
    mix->operations += 2 * width * width * (2 + 2 * decoders) + lt_recall_unfold_operations(shape);
    mix->bytes += width * NUMBER + decoders * span_slot_bytes(shape) + recall_slot_bytes(shape);
}

static void add_mixing_weights(const struct lt_model_shape *shape, struct lt_cost costs[LT_STAGE_COUNT],
                               uint32_t weight_bytes)
{
    uint64_t width = shape->width, slots = shape->span_maximum, inner = shape->recall;
    uint64_t unfolding = inner ? slots * width * width + 3 * inner * width : 0;
    add_layer_weights(shape, &costs[LT_STAGE_REFINE], weight_bytes);
    add_layer_weights(shape, &costs[LT_STAGE_MIX], weight_bytes);
    costs[LT_STAGE_MIX].bytes += (width * width * (2 + 2 * (uint64_t)shape->decoder_layers) + unfolding) * weight_bytes;
}

/* Returns the length of the last segment. */
static uint64_t mix(const struct lt_model_shape *shape, uint32_t weight_bytes, const struct lt_text_shape *text,
                    struct lt_cost costs[LT_STAGE_COUNT])
{
    struct lt_cost *refine = &costs[LT_STAGE_REFINE];
    uint64_t segment = 0;
    for (size_t i = 0; i < text->count; i++) {
        if (i % LT_ROWS == 0)
            add_mixing_weights(shape, costs, weight_bytes);
        if (text->starts && text->starts[i]) {
            refine->entries += segment * segment;
            segment = 0;
        }
        mix_span(shape, costs, ++segment, i + 1);
    }
    refine->entries += segment * segment;
    refine->queries = costs[LT_STAGE_MIX].queries = text->count;
    costs[LT_STAGE_MIX].entries = (uint64_t)text->count * text->count;
    return segment;
}

/* --- decode --- */

/* `behind`: tokens that are fed with it and come after it. */
static void decode_token(const struct lt_model_shape *shape, struct lt_cost *cost, uint64_t position, uint64_t closed,
                         size_t behind)
{
    uint64_t window = position < shape->window ? position + 1 : shape->window;
    uint32_t whole = lt_decode_whole_layers(shape, behind), entered = whole < shape->decoder_layers ? whole + 1 : whole;
    cost->rows += whole > 0;
    cost->keys = window + closed > cost->keys ? window + closed : cost->keys;
    cost->operations += lt_decode_operations(shape, position, closed, behind);
    cost->bytes += entered * float_bytes(shape);
    cost->bytes += whole * (window * float_bytes(shape) + closed * span_slot_bytes(shape));
    if (whole + 1 >= shape->decoder_layers)
        cost->bytes += closed * recall_slot_bytes(shape);
}

static void add_decoder_weights(const struct lt_model_shape *shape, struct lt_cost *cost, uint32_t weight_bytes)
{
    add_layer_weights(shape, cost, weight_bytes);
    cost->bytes += 2 * (uint64_t)shape->recall * shape->width * weight_bytes;
}

static void add_logits(const struct lt_model_shape *shape, struct lt_cost *cost, uint32_t weight_bytes)
{
    uint64_t numbers = (uint64_t)shape->vocabulary * shape->width;
    cost->operations += 2 * numbers;
    cost->bytes += numbers * weight_bytes;
}

static uint64_t tokens_of(const struct lt_text_shape *text)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < text->count; i++)
        tokens += text->spans[i];
    return tokens;
}

/* The last tokens of the prompt, as many as reach the logits. Positions count from the first that is fed. */
static void decode_prompt(const struct lt_model_shape *shape, uint32_t weight_bytes, const struct lt_text_shape *text,
                          struct lt_cost *cost)
{
    uint64_t tokens = tokens_of(text), reach = (uint64_t)shape->decoder_layers * (shape->window - 1) + 1;
    uint64_t skipped = tokens > reach ? tokens - reach : 0, token = 0;
    for (size_t i = 0; i < text->count; i++)
        for (uint32_t t = 0; t < text->spans[i]; t++, token++) {
            if (token < skipped)
                continue;
            if ((token - skipped) % LT_ROWS == 0)
                add_decoder_weights(shape, cost, weight_bytes);
            decode_token(shape, cost, token - skipped, shape->mixer_layers ? i + (t + 1 == text->spans[i]) : 0,
                         tokens - token - 1);
        }
    add_logits(shape, cost, weight_bytes);
    cost->queries = cost->rows;
    cost->entries = cost->queries * cost->keys;
}

/* --- the whole --- */

static void begin(const struct lt_model_shape *shape, struct lt_cost costs[LT_STAGE_COUNT])
{
    costs[LT_STAGE_ENCODE] = (struct lt_cost){.layers = shape->encoder_layers};
    costs[LT_STAGE_REFINE] = (struct lt_cost){.layers = shape->refiner_layers};
    costs[LT_STAGE_MIX] = (struct lt_cost){.layers = shape->mixer_layers};
    costs[LT_STAGE_DECODE] = (struct lt_cost){.layers = shape->decoder_layers};
}

void lt_cost_prompt(const struct lt_model_shape *shape, struct lt_weight_bytes weights,
                    const struct lt_text_shape *prompt, struct lt_cost ret_costs[LT_STAGE_COUNT])
{
    begin(shape, ret_costs);
    if (shape->encoder_layers) {
        encode(shape, weights.encoder, prompt, &ret_costs[LT_STAGE_ENCODE]);
        mix(shape, weights.others, prompt, ret_costs);
    }
    decode_prompt(shape, weights.others, prompt, &ret_costs[LT_STAGE_DECODE]);
}

/* How many spans the prompt's last segment has. */
static uint64_t last_segment(const struct lt_text_shape *prompt)
{
    uint64_t segment = 0;
    for (size_t i = 0; i < prompt->count; i++)
        segment = prompt->starts && prompt->starts[i] ? 1 : segment + 1;
    return segment;
}

void lt_cost_answer(const struct lt_model_shape *shape, struct lt_weight_bytes weights,
                    const struct lt_text_shape *prompt, const struct lt_text_shape *answer, size_t tokens,
                    struct lt_cost ret_costs[LT_STAGE_COUNT])
{
    uint64_t count = tokens_of(prompt), reach = (uint64_t)shape->decoder_layers * (shape->window - 1) + 1;
    uint64_t position = count > reach ? reach : count, spans = prompt->count, segment = last_segment(prompt);
    size_t next = 0, open = 0; /* span of the answer, and tokens of it that were fed */
    begin(shape, ret_costs);
    for (size_t i = 0; i < tokens; i++, position++) {
        if (shape->encoder_layers && next < answer->count && ++open == answer->spans[next]) {
            if (!answer->known || !answer->known[next]) {
                encode_span(shape, &ret_costs[LT_STAGE_ENCODE], answer->spans[next]);
                add_encoder_weights(shape, &ret_costs[LT_STAGE_ENCODE], weights.encoder);
            }
            add_mixing_weights(shape, ret_costs, weights.others);
            mix_span(shape, ret_costs, ++segment, ++spans);
            next++;
            open = 0;
        }
        decode_token(shape, &ret_costs[LT_STAGE_DECODE], position, shape->mixer_layers ? spans : 0, 0);
        add_decoder_weights(shape, &ret_costs[LT_STAGE_DECODE], weights.others);
        add_logits(shape, &ret_costs[LT_STAGE_DECODE], weights.others);
    }
    for (int stage = LT_STAGE_REFINE; stage < LT_STAGE_COUNT; stage++) {
        ret_costs[stage].queries = ret_costs[stage].rows > 0;
        ret_costs[stage].entries = ret_costs[stage].keys;
    }
    ret_costs[LT_STAGE_ENCODE].queries = ret_costs[LT_STAGE_ENCODE].keys;
}

uint64_t lt_cost_parameters(const struct lt_model_shape *shape)
{
    uint64_t width = shape->width, slots = shape->span_maximum, inner = shape->recall, decoders = shape->decoder_layers;
    uint64_t heads = shape->encoder_layers ? 2 * (width / shape->heads) : 0; /* gains of queries and keys */
    uint64_t layer = layer_numbers(shape) + 2 * width + heads;
    uint64_t networks = shape->encoder_layers ? 4 : 1;
    uint64_t layers = shape->encoder_layers + shape->refiner_layers + shape->mixer_layers + decoders;
    uint64_t numbers = shape->vocabulary * width + layers * layer + networks * width;
    if (!shape->encoder_layers)
        return numbers;
    numbers += slots * width + slots * width * width;                      /* positions, project */
    numbers += 2 * width * width + decoders * (width + 2 * width * width); /* condition and skip, memories */
    return inner ? numbers + slots * width * width + 5 * width * inner + 2 * inner + width + 1 : numbers; /* recall */
}

struct lt_model_shape lt_cost_rival(const struct lt_model_shape *shape)
{
    struct lt_model_shape rival = {.vocabulary = shape->vocabulary,
                                   .width = shape->width,
                                   .heads = shape->heads,
                                   .context = shape->context,
                                   .trained = shape->trained,
                                   .window = shape->context};
    rival.decoder_layers = shape->encoder_layers + shape->refiner_layers + shape->mixer_layers + shape->decoder_layers;
    uint64_t least = lt_cost_parameters(&rival), wanted = lt_cost_parameters(shape);
    uint64_t unit = 3 * (uint64_t)rival.width * rival.decoder_layers; /* numbers that one more inner row takes */
    rival.feed_forward = wanted > least ? (uint32_t)((wanted - least + unit / 2) / unit) : 1;
    return rival;
}

uint64_t lt_cost_token_state(const struct lt_model_shape *shape)
{
    return 2 * (uint64_t)shape->decoder_layers * shape->width * NUMBER;
}

static uint32_t number_bytes(enum lt_panel_type type)
{
    return type == LT_PANEL_INT8 ? 1 : type == LT_PANEL_HALF ? 2 : 4;
}

struct lt_weight_bytes lt_cost_weight_bytes(const struct lt_model *model)
{
    const struct lt_weights *weights = lt_model_weights(model);
    uint32_t others = number_bytes(weights->logits.type);
    return (struct lt_weight_bytes){lt_model_has_encoder(model) ? number_bytes(weights->project.type) : others, others};
}
