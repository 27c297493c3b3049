/* A step of decoding by itself: one token for each of so many streams, behind a prompt that they share or prompts of
 * their own, with a span of an answer closed and mixed every SPAN_TOKENS tokens as in the daemon. Prints medians over
 * the steps: in microseconds of the thread's processor time, which other programs disturb less than the clock on the
 * wall, or by that clock if there are more threads.
 *
 *   build/tests/bench/decode [options] MODEL
 *     -s STREAMS (32)  -p SPANS (230) of a prompt  -n STEPS (90)  -t THREADS (1)
 *     -o  every stream has a prompt of its own      -f  weights as the file has them instead of int8
 *   perf record build/tests/bench/decode MODEL      where the time goes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernels/islet.h"
#include "kernels/sampler.h"
#include "proto/alloc.h"

#define SPAN_TOKENS 9 /* of an answer */
#define STAGES 3

struct streams {
    const struct lt_model *model;
    struct lt_workspace *workspace;
    size_t count, spans;
    bool own; /* a prompt for each */
    struct lt_sequence **sequences;
    struct lt_sampler **samplers;
    struct lt_decode_item *decodes;
    struct lt_mix_item *mixes;
    uint32_t *tokens, *closed;
    float *logits, *latents;
};

static clockid_t clock_used = CLOCK_THREAD_CPUTIME_ID;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(clock_used, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

static double median(double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare_doubles);
    return samples[count / 2];
}

/* Latents of random spans of text tokens. */
static int make_latents(struct streams *streams, size_t count)
{
    const struct lt_model_shape *shape = lt_model_shape(streams->model);
    for (size_t i = 0; i < count; i++) {
        uint32_t tokens[SPAN_TOKENS];
        for (size_t t = 0; t < SPAN_TOKENS; t++)
            tokens[t] = (uint32_t)(lrand48() % (shape->vocabulary - 300) + 300);
        struct lt_encode_item item = {
            .tokens = tokens, .count = SPAN_TOKENS, .latent = streams->latents + i * shape->width};
        if (lt_encode(streams->workspace, &item, 1))
            return 1;
    }
    return 0;
}

static int begin(struct streams *streams, const struct lt_sampling *sampling)
{
    const struct lt_model *model = streams->model;
    const struct lt_model_shape *shape = lt_model_shape(model);
    const struct lt_prompt_format *format = lt_model_prompt_format(model);
    uint8_t *starts = calloc(streams->spans, 1);
    starts[0] = 1;
    for (size_t i = 0; i < streams->count; i++) {
        if (lt_sequence_create(model, 0, &streams->sequences[i]) ||
            lt_sampler_create(lt_model_tokenizer(model), format->end, sampling, &streams->samplers[i]))
            return 1;
        struct lt_mix_item mix = {
            .sequence = streams->sequences[i], .latents = streams->latents, .starts = starts, .count = streams->spans};
        if (!streams->own && i > 0) {
            if (lt_sequence_copy(streams->sequences[i], streams->sequences[0], streams->spans, 0))
                return 1;
        } else if (make_latents(streams, streams->spans) || lt_mix(streams->workspace, &mix, 1)) {
            return 1;
        }
        streams->tokens[i] = format->answer;
        streams->closed[i] = (uint32_t)streams->spans;
        streams->decodes[i] = (struct lt_decode_item){.sequence = streams->sequences[i],
                                                      .tokens = &streams->tokens[i],
                                                      .closed = &streams->closed[i],
                                                      .count = 1,
                                                      .logits = streams->logits + i * shape->vocabulary};
    }
    free(starts);
    return 0;
}

/* Mixes a span of the streams whose turn it is, decodes a token of all, and samples. */
static int step(struct streams *streams, size_t number, double stages[STAGES])
{
    const struct lt_model_shape *shape = lt_model_shape(streams->model);
    static const uint8_t goes_on = 0;
    size_t mixes = 0;
    for (size_t i = 0; i < streams->count; i++)
        if ((number + i) % SPAN_TOKENS == 0) {
            streams->mixes[mixes++] = (struct lt_mix_item){.sequence = streams->sequences[i],
                                                           .latents = streams->latents + i * shape->width,
                                                           .starts = &goes_on,
                                                           .count = 1};
            streams->closed[i]++;
        }
    double began = seconds();
    if (mixes && lt_mix(streams->workspace, streams->mixes, mixes))
        return 1;
    double mixed = seconds();
    if (lt_decode(streams->workspace, streams->decodes, streams->count))
        return 1;
    double decoded = seconds();
    for (size_t i = 0; i < streams->count; i++)
        streams->tokens[i] = lt_sampler_next(streams->samplers[i], streams->decodes[i].logits);
    stages[0] = mixed - began;
    stages[1] = decoded - mixed;
    stages[2] = seconds() - decoded;
    return 0;
}

static int measure(struct streams *streams, size_t steps)
{
    static const char *const names[STAGES] = {"mix", "decode", "sample"};
    double *samples = malloc((STAGES + 1) * steps * sizeof *samples), total = 0;
    for (size_t n = 0; n < steps; n++) {
        double stages[STAGES];
        if (step(streams, n, stages))
            return 1;
        for (size_t s = 0; s < STAGES; s++)
            samples[s * steps + n] = stages[s];
        samples[STAGES * steps + n] = stages[0] + stages[1] + stages[2];
        total += samples[STAGES * steps + n];
    }
    for (size_t s = 0; s < STAGES; s++)
        printf("%-7s %9.1f us\n", names[s], 1e6 * median(samples + s * steps, steps));
    printf("%-7s %9.1f us, %.0f tokens a second\n", "step", 1e6 * median(samples + STAGES * steps, steps),
           (double)(streams->count * steps) / total);
    free(samples);
    return 0;
}

static int prepare(struct streams *s)
{
    const struct lt_model_shape *shape = lt_model_shape(s->model);
    size_t latents = s->spans > s->count ? s->spans : s->count;
    s->sequences = calloc(s->count, sizeof(void *));
    s->samplers = calloc(s->count, sizeof(void *));
    s->decodes = calloc(s->count, sizeof *s->decodes);
    s->mixes = calloc(s->count, sizeof *s->mixes);
    s->tokens = calloc(s->count, sizeof *s->tokens);
    s->closed = calloc(s->count, sizeof *s->closed);
    s->logits = calloc(s->count * shape->vocabulary, sizeof *s->logits);
    s->latents = calloc(latents * shape->width, sizeof *s->latents);
    bool complete =
        s->sequences && s->samplers && s->decodes && s->mixes && s->tokens && s->closed && s->logits && s->latents;
    return complete ? lt_workspace_create(s->model, &s->workspace) : 1;
}

static void finish(struct streams *s)
{
    for (size_t i = 0; i < s->count; i++) {
        lt_sequence_destroy(s->sequences[i]);
        lt_sampler_destroy(s->samplers[i]);
    }
    lt_workspace_destroy(s->workspace);
    free(s->sequences);
    free(s->samplers);
    free(s->decodes);
    free(s->mixes);
    free(s->tokens);
    free(s->closed);
    free(s->logits);
    free(s->latents);
}

static size_t number(const char *text)
{
    return strtoul(text, NULL, 10);
}

/* Out of memory ends the program, so what is half made is not freed. */
int main(int count, char **arguments)
{
    const struct lt_sampling greedy = {.temperature = 0, .top_p = 1, .repetition_penalty = 1};
    enum lt_precision precision = LT_PRECISION_INT8;
    struct streams s = {.count = 32, .spans = 230};
    size_t steps = 90, threads = 1;
    struct lt_error error;
    struct lt_model *model;
    for (int option; (option = getopt(count, arguments, "s:p:n:t:of")) != -1;)
        switch (option) {
        case 's':
            s.count = number(optarg);
            break;
        case 'p':
            s.spans = number(optarg);
            break;
        case 'n':
            steps = number(optarg);
            break;
        case 't':
            threads = number(optarg);
            break;
        case 'o':
            s.own = true;
            break;
        case 'f':
            precision = LT_PRECISION_STORED;
            break;
        default:
            return 2;
        }
    if (optind + 1 != count || !s.count || !s.spans || !steps || !threads) {
        fprintf(stderr, "usage: decode [-s STREAMS] [-p SPANS] [-n STEPS] [-t THREADS] [-o] [-f] MODEL\n");
        return 2;
    }
    if (lt_model_open(arguments[optind], precision, &model, &error)) {
        fprintf(stderr, "decode: %s\n", error.message);
        return 1;
    }
    s.model = model;
    clock_used = threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    if (prepare(&s) || lt_workspace_set_threads(s.workspace, (uint32_t)threads) || begin(&s, &greedy) ||
        measure(&s, steps)) {
        fprintf(stderr, "decode: out of memory\n");
        return 1;
    }
    finish(&s);
    lt_model_close(model);
    return 0;
}
