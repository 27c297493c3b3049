/* Two walks, the first to the mean. Which encoder a record is of only its key tells, which costs a hash; in the second
 * walk those records only are asked that would be among the nearest. */
#include "daemon/nearest.h"

#include <math.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/similarity.h"
#include "proto/alloc.h"

int lt_nearest_create(const float *latents, size_t queries, uint32_t dimension, const uint8_t *fingerprint,
                      const struct lt_namespace *space, size_t k, struct lt_nearest **ret_nearest)
{
    struct lt_nearest *nearest = lt_calloc(1, sizeof *nearest);
    if (!nearest)
        return LT_ENOMEM;
    nearest->dimension = dimension;
    nearest->fingerprint = fingerprint;
    nearest->space = *space;
    nearest->queries = queries;
    nearest->k = k;
    nearest->latents = lt_malloc(queries * dimension * sizeof *nearest->latents);
    nearest->squares = lt_calloc(queries, sizeof *nearest->squares);
    nearest->sum = lt_calloc(dimension, sizeof *nearest->sum);
    nearest->mean = lt_calloc(dimension, sizeof *nearest->mean);
    nearest->special = lt_malloc(dimension * sizeof *nearest->special);
    nearest->found = lt_malloc(queries * k * sizeof *nearest->found);
    nearest->counts = lt_calloc(queries, sizeof *nearest->counts);
    if (!nearest->latents || !nearest->squares || !nearest->sum || !nearest->mean || !nearest->special ||
        !nearest->found || !nearest->counts) {
        lt_nearest_destroy(nearest);
        return LT_ENOMEM;
    }
    memcpy(nearest->latents, latents, queries * dimension * sizeof *latents);
    *ret_nearest = nearest;
    return LT_OK;
}

void lt_nearest_destroy(struct lt_nearest *nearest)
{
    if (!nearest)
        return;
    lt_free(nearest->latents);
    lt_free(nearest->squares);
    lt_free(nearest->sum);
    lt_free(nearest->mean);
    lt_free(nearest->special);
    lt_free(nearest->found);
    lt_free(nearest->counts);
    lt_free(nearest);
}

/* Whether a record may be compared at all, but for its encoder; if so, `special` is made of it. */
static bool take(struct lt_nearest *nearest, const struct lt_record *record)
{
    if (record->dimension != nearest->dimension || record->namespace_id != nearest->space.id)
        return false;
    if (record->type == LT_LATENT_I8) {
        lt_int8_less_mean((const int8_t *)record->payload, record->scale, nearest->mean, nearest->dimension,
                          nearest->special);
        return true;
    }
    uint16_t halves[LT_LATENT_DIMENSION_MAX];
    lt_record_copy_payload(record, halves);
    lt_float_from_half(halves, nearest->dimension, nearest->special);
    lt_float_less_mean(nearest->special, nearest->mean, nearest->dimension, nearest->special);
    return true;
}

static bool is_of_encoder(const struct lt_nearest *nearest, const struct lt_span_key *key, const uint32_t *tokens,
                          uint32_t count)
{
    struct lt_span_key made;
    lt_span_key(nearest->fingerprint, nearest->space.salt, nearest->space.salt_bytes, tokens, count, &made);
    return memcmp(&made, key, sizeof made) == 0;
}

/* --- the mean --- */

static void add_to_mean(void *context, const struct lt_span_key *key, const struct lt_record *record)
{
    struct lt_nearest *nearest = context;
    uint32_t tokens[LT_SPAN_TOKENS_MAX];
    if (!take(nearest, record))
        return;
    lt_record_copy_tokens(record, tokens);
    if (!is_of_encoder(nearest, key, tokens, record->token_count))
        return;
    for (size_t i = 0; i < nearest->dimension; i++)
        nearest->sum[i] += (double)nearest->special[i];
    nearest->summed++;
}

static void know_mean(struct lt_nearest *nearest)
{
    for (size_t i = 0; nearest->summed && i < nearest->dimension; i++)
        nearest->mean[i] = (float)(nearest->sum[i] / (double)nearest->summed);
    for (size_t query = 0; query < nearest->queries; query++) {
        float *latent = nearest->latents + query * nearest->dimension, both, own;
        lt_float_less_mean(latent, nearest->mean, nearest->dimension, latent);
        lt_float_products(latent, latent, nearest->dimension, &both, &own);
        nearest->squares[query] = (double)own;
    }
    nearest->mean_known = true;
    nearest->scan = (struct lt_scan){0};
}

/* --- the search --- */

/* 1 for the same latent, also where it is the mean itself. */
static double cosine_to(const struct lt_nearest *nearest, size_t query)
{
    float both, own;
    lt_float_products(nearest->latents + query * nearest->dimension, nearest->special, nearest->dimension, &both, &own);
    double lengths = sqrt(nearest->squares[query] * (double)own);
    if (lengths > 0)
        return (double)both / lengths;
    return nearest->squares[query] == (double)own ? 1 : 0;
}

/* A record that was moved during the walk is met twice. */
static bool is_among(const struct lt_neighbour *found, size_t count, const struct lt_span_key *key)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&found[i].key, key, sizeof *key) == 0)
            return true;
    return false;
}

/* Puts a record among the nearest of a query, behind those that are as near. */
static void insert(struct lt_nearest *nearest, size_t query, double cosine, const struct lt_span_key *key,
                   const struct lt_record *record)
{
    struct lt_neighbour *found = nearest->found + query * nearest->k;
    struct lt_neighbour neighbour = {.cosine = cosine, .key = *key, .token_count = record->token_count};
    size_t count = nearest->counts[query], at = count;
    lt_record_copy_tokens(record, neighbour.tokens);
    if (is_among(found, count, key) || !is_of_encoder(nearest, key, neighbour.tokens, neighbour.token_count))
        return;
    while (at > 0 && found[at - 1].cosine < cosine)
        at--;
    size_t kept = count < nearest->k ? count : nearest->k - 1;
    memmove(found + at + 1, found + at, (kept - at) * sizeof *found);
    found[at] = neighbour;
    nearest->counts[query] = kept + 1;
}

static void compare(void *context, const struct lt_span_key *key, const struct lt_record *record)
{
    struct lt_nearest *nearest = context;
    if (!take(nearest, record))
        return;
    for (size_t query = 0; query < nearest->queries; query++) {
        double cosine = cosine_to(nearest, query);
        size_t count = nearest->counts[query];
        if (count < nearest->k || cosine > nearest->found[query * nearest->k + count - 1].cosine)
            insert(nearest, query, cosine, key, record);
    }
}

int lt_nearest_step(struct lt_nearest *nearest, struct lt_store *store, bool *ret_done)
{
    size_t count = 0;
    int code = lt_store_scan(store, &nearest->scan, LT_NEAREST_SLICE, nearest->mean_known ? compare : add_to_mean,
                             nearest, &count);
    bool end = code == LT_OK && count < LT_NEAREST_SLICE;
    *ret_done = end && nearest->mean_known;
    if (nearest->mean_known)
        nearest->scanned += count;
    else if (end || nearest->summed >= LT_NEAREST_MEAN)
        know_mean(nearest);
    return code;
}
