/* Drawing the next token. The generator is splitmix64: one 64-bit state, any seed will do. */
#include "kernels/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/tokenizer.h"
#include "proto/alloc.h"

struct candidate {
    double weight;
    float logit;
    uint32_t token;
};

struct lt_sampler {
    struct lt_sampling sampling;
    uint64_t state;
    uint32_t end;
    uint32_t allowed_count;
    uint32_t *allowed;                    /* tokens that may be drawn, ascending */
    struct candidate *candidates;         /* [allowed_count] scratch */
    uint8_t *recent;                      /* [vocabulary] how often a token stands in `drawn` */
    uint32_t drawn[LT_REPETITION_TOKENS]; /* a ring */
    uint64_t drawn_count;
};

int lt_sampler_create(const struct lt_tokenizer *tokenizer, uint32_t end, const struct lt_sampling *sampling,
                      struct lt_sampler **ret_sampler)
{
    uint32_t vocabulary = lt_tokenizer_vocabulary(tokenizer);
    struct lt_sampler *sampler = lt_calloc(1, sizeof *sampler);
    if (!sampler)
        return LT_ENOMEM;
    sampler->allowed = lt_malloc(vocabulary * sizeof *sampler->allowed);
    sampler->candidates = lt_malloc(vocabulary * sizeof *sampler->candidates);
    sampler->recent = lt_calloc(vocabulary, sizeof *sampler->recent);
    if (!sampler->allowed || !sampler->candidates || !sampler->recent) {
        lt_sampler_destroy(sampler);
        return LT_ENOMEM;
    }
    sampler->sampling = *sampling;
    sampler->state = sampling->seed;
    sampler->end = end;
    for (uint32_t token = 0; token < vocabulary; token++) {
        enum lt_token_kind kind = lt_tokenizer_kind(tokenizer, token);
        bool text = kind == LT_TOKEN_NORMAL || kind == LT_TOKEN_USER_DEFINED || kind == LT_TOKEN_BYTE;
        if (text || token == end)
            sampler->allowed[sampler->allowed_count++] = token;
    }
    *ret_sampler = sampler;
    return LT_OK;
}

void lt_sampler_destroy(struct lt_sampler *sampler)
{
    if (!sampler)
        return;
    lt_free(sampler->allowed);
    lt_free(sampler->candidates);
    lt_free(sampler->recent);
    lt_free(sampler);
}

/* Uniform in [0, 1). */
static double draw(struct lt_sampler *sampler)
{
    uint64_t bits = sampler->state += 0x9e3779b97f4a7c15;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    bits ^= bits >> 31;
    return (double)(bits >> 11) * 0x1p-53;
}

/* Most likely first, the lowest id among equals. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

/* Moves the worst candidate of a heap down from its top. */
static void sift(struct candidate *heap, size_t count)
{
    struct candidate top = heap[0];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && compare_candidates(&heap[child + 1], &heap[child]) > 0)
            child++;
        if (compare_candidates(&heap[child], &top) <= 0)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = top;
}

/* Towards less likely, whatever the sign. */
static float penalise(const struct lt_sampler *sampler, uint32_t token, float logit)
{
    float penalty = (float)sampler->sampling.repetition_penalty;
    if (!sampler->recent[token] || penalty <= 1)
        return logit;
    return logit > 0 ? logit / penalty : logit * penalty;
}

static void remember(struct lt_sampler *sampler, uint32_t token)
{
    uint32_t *place = &sampler->drawn[sampler->drawn_count % LT_REPETITION_TOKENS];
    if (sampler->drawn_count++ >= LT_REPETITION_TOKENS)
        sampler->recent[*place]--;
    *place = token;
    sampler->recent[token]++;
}

/* The best `limit` of the allowed tokens, sorted; tokens whose logit is not a number are left out. */
static size_t choose_candidates(struct lt_sampler *sampler, const float *logits, size_t limit)
{
    struct candidate *chosen = sampler->candidates;
    size_t count = 0;
    for (uint32_t i = 0; i < sampler->allowed_count; i++) {
        uint32_t token = sampler->allowed[i];
        if (count == limit && logits[token] < chosen[0].logit)
            continue; /* and a penalty makes it no better */
        struct candidate next = {.logit = penalise(sampler, token, logits[token]), .token = token};
        if (!isfinite(next.logit))
            continue;
        if (count < limit) {
            chosen[count++] = next;
            if (count == limit)
                qsort(chosen, count, sizeof *chosen, compare_candidates);
            if (count == limit)
                for (size_t low = 0, high = count - 1; low < high; low++, high--) { /* worst first: a heap */
                    struct candidate swap = chosen[low];
                    chosen[low] = chosen[high];
                    chosen[high] = swap;
                }
        } else if (compare_candidates(&next, &chosen[0]) < 0) {
            chosen[0] = next;
            sift(chosen, count);
        }
    }
    qsort(chosen, count, sizeof *chosen, compare_candidates);
    return count;
}

static uint32_t draw_token(struct lt_sampler *sampler, const float *logits)
{
    const struct lt_sampling *sampling = &sampler->sampling;
    bool greedy = sampling->temperature <= 0;
    size_t limit = greedy ? 1 : sampling->top_k > 0 ? sampling->top_k : SIZE_MAX;
    size_t count = choose_candidates(sampler, logits, limit), kept = 0;
    struct candidate *candidates = sampler->candidates;
    double chance = greedy ? 0 : draw(sampler), sum = 0, kept_sum = 0;
    if (count == 0)
        return sampler->end;
    if (greedy)
        return candidates[0].token;
    for (size_t i = 0; i < count; i++) {
        candidates[i].weight = exp(((double)candidates[i].logit - (double)candidates[0].logit) / sampling->temperature);
        sum += candidates[i].weight;
    }
    do
        kept_sum += candidates[kept++].weight;
    while (kept < count && kept_sum < sampling->top_p * sum);
    double left = chance * kept_sum;
    for (size_t i = 0; i < kept; i++) {
        left -= candidates[i].weight;
        if (left < 0)
            return candidates[i].token;
    }
    return candidates[kept - 1].token;
}

uint32_t lt_sampler_next(struct lt_sampler *sampler, const float *logits)
{
    uint32_t token = draw_token(sampler, logits);
    remember(sampler, token);
    return token;
}
