/* Latents: what they are made of, and how they come and go over the socket. */
#include <string.h>

#include "clients/c/call.h"
#include "clients/c/latent.h"
#include "clients/c/reply.h"
#include "proto/record.h"

static_assert((int)LATENT_F16 == (int)LT_LATENT_F16 && (int)LATENT_I8 == (int)LT_LATENT_I8, "types are the records'");
static_assert(LATENT_KEY_BYTES == LT_SPAN_KEY_BYTES && LATENT_SPAN_TOKENS_MAX == LT_SPAN_TOKENS_MAX,
              "latent.h has the limits of the records");

/* --- one latent --- */

/* By the definition of binary16; the compiler's own type for it is not known everywhere. */
static float float_of_half(const uint8_t *bytes)
{
    uint32_t half = bytes[0] | (uint32_t)bytes[1] << 8;
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 0x1f, fraction = half & 0x3ff, bits;
    float number;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 is a normal float */
        number = (float)fraction * 0x1p-24f;
        memcpy(&bits, &number, sizeof bits);
    } else {
        bits = (exponent == 0x1f ? 0xffu : exponent + 112) << 23 | fraction << 13;
    }
    bits |= sign;
    memcpy(&number, &bits, sizeof number);
    return number;
}

void latent_stored_numbers(const struct latent_stored *stored, float *ret_numbers)
{
    const int8_t *small = stored->numbers;
    const uint8_t *halves = stored->numbers;
    for (uint32_t i = 0; i < stored->dimension; i++)
        ret_numbers[i] =
            stored->type == LATENT_I8 ? stored->scale * (float)small[i] : float_of_half(halves + 2 * (size_t)i);
}

void latent_stored_tokens(const struct latent_stored *stored, uint32_t *ret_tokens)
{
    const struct lt_record record = {
        .token_count = stored->token_count, .token_bytes = stored->token_bytes, .tokens = stored->tokens};
    lt_record_copy_tokens(&record, ret_tokens);
}

int latent_key_parse(const char *text, uint8_t ret_key[LATENT_KEY_BYTES])
{
    return lt_digest_parse(text, strlen(text), ret_key) ? LT_OK : LT_EPARAM;
}

/* --- latent.get --- */

int latent_get(struct latent *latent, const char *model, const uint8_t *keys, size_t count,
               struct latent_batch *ret_batch)
{
    struct latent_reply *reply;
    struct call call;
    call_begin(&call, latent, "latent.get");
    lt_write_map(&call.writer, 1 + (model != NULL) + (*latent->space != 0));
    call_write_namespace(&call);
    if (model) {
        lt_write_text(&call.writer, "model");
        lt_write_text(&call.writer, model);
    }
    lt_write_text(&call.writer, "keys");
    lt_write_array(&call.writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        lt_write_binary(&call.writer, keys + i * LATENT_KEY_BYTES, LATENT_KEY_BYTES);
    int code = call_finish(&call, NULL, &reply);
    if (code)
        return code;
    if (latent_value_count(latent_reply_at(reply, "latents")) != count) {
        latent_reply_destroy(reply);
        return lt_fail(&latent->error, LT_EMALFORMED,
                       "the daemon gave another number of latents than it was asked for");
    }
    *ret_batch = (struct latent_batch){.reply = reply, .count = count};
    return LT_OK;
}

bool latent_batch_at(const struct latent_batch *batch, size_t index, struct latent_stored *ret_stored)
{
    size_t bytes = 0;
    const void *numbers =
        latent_value_bytes(latent_value_item(latent_reply_at(batch->reply, "latents"), index), &bytes);
    const char *name = latent_value_text(latent_reply_at(batch->reply, "type"), "");
    bool small = strcmp(name, lt_latent_type_name(LT_LATENT_I8)) == 0;
    struct latent_stored stored = {
        .type = small ? LATENT_I8 : LATENT_F16,
        .dimension = (uint32_t)latent_value_uint(latent_reply_at(batch->reply, "dimension"), 0),
        .scale = (float)latent_value_real(latent_value_item(latent_reply_at(batch->reply, "scales"), index), 0),
        .numbers = numbers,
    };
    /* What the daemon says of them must be true before anybody reads so many. */
    if (!numbers || (!small && strcmp(name, lt_latent_type_name(LT_LATENT_F16)) != 0) ||
        bytes != lt_latent_payload_bytes((enum lt_latent_type)stored.type, stored.dimension))
        return false;
    *ret_stored = stored;
    return true;
}

void latent_batch_finish(struct latent_batch *batch)
{
    latent_reply_destroy(batch->reply);
    *batch = (struct latent_batch){0};
}

/* --- latent.put --- */

static void write_tokens(struct lt_writer *writer, const struct latent_stored *stored)
{
    uint32_t tokens[LATENT_SPAN_TOKENS_MAX];
    latent_stored_tokens(stored, tokens);
    lt_write_array(writer, stored->token_count);
    for (uint32_t i = 0; i < stored->token_count; i++)
        lt_write_uint(writer, tokens[i]);
}

static void write_latents(struct lt_writer *writer, const struct latent_stored *latents, size_t count)
{
    lt_write_text(writer, "tokens");
    lt_write_array(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        write_tokens(writer, &latents[i]);
    lt_write_text(writer, "latents");
    lt_write_array(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        lt_write_binary(writer, latents[i].numbers,
                        lt_latent_payload_bytes((enum lt_latent_type)latents[i].type, latents[i].dimension));
    if (latents->type != LATENT_I8)
        return;
    lt_write_text(writer, "scales");
    lt_write_array(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        lt_write_real(writer, latents[i].scale);
}

static enum latent_outcome outcome_of(const struct latent_value *value)
{
    const char *name = latent_value_text(value, "");
    return strcmp(name, "stored") == 0  ? LATENT_PUT_STORED
           : strcmp(name, "known") == 0 ? LATENT_PUT_KNOWN
                                        : LATENT_PUT_REFUSED;
}

static int check_given(struct latent *latent, const struct latent_stored *latents, size_t count)
{
    if (count == 0)
        return lt_fail(&latent->error, LT_EPARAM, "latent_put: no latents are given");
    for (size_t i = 0; i < count; i++) {
        if (latents[i].token_count == 0 || latents[i].token_count > LATENT_SPAN_TOKENS_MAX)
            return lt_fail(&latent->error, LT_EPARAM, "latent_put: latent %zu has %u tokens; a span has 1 to %d", i,
                           latents[i].token_count, LATENT_SPAN_TOKENS_MAX);
        if (latents[i].type != latents->type || latents[i].dimension != latents->dimension)
            return lt_fail(&latent->error, LT_EPARAM,
                           "latent_put: latent %zu has another type or dimension than the first", i);
    }
    return LT_OK;
}

int latent_put(struct latent *latent, const char *model, const uint8_t encoder[LATENT_KEY_BYTES],
               const struct latent_stored *latents, size_t count, enum latent_outcome *ret_outcomes)
{
    struct latent_reply *reply;
    struct call call;
    int code = check_given(latent, latents, count);
    if (code)
        return code;
    call_begin(&call, latent, "latent.put");
    lt_write_map(&call.writer, 5 + (model != NULL) + (latents->type == LATENT_I8) + call_space_pairs(latent));
    call_write_space(&call);
    if (model) {
        lt_write_text(&call.writer, "model");
        lt_write_text(&call.writer, model);
    }
    lt_write_text(&call.writer, "encoder");
    lt_write_binary(&call.writer, encoder, LATENT_KEY_BYTES);
    lt_write_text(&call.writer, "type");
    lt_write_text(&call.writer, lt_latent_type_name((enum lt_latent_type)latents->type));
    lt_write_text(&call.writer, "dimension");
    lt_write_uint(&call.writer, latents->dimension);
    write_latents(&call.writer, latents, count);
    code = call_finish(&call, NULL, &reply);
    if (code)
        return code;
    const struct latent_value *outcomes = latent_reply_at(reply, "outcomes");
    for (size_t i = 0; i < count && ret_outcomes; i++)
        ret_outcomes[i] = outcome_of(latent_value_item(outcomes, i));
    latent_reply_destroy(reply);
    return LT_OK;
}
