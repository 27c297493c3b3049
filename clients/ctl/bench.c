/* latentctl bench: what this daemon is worth on this machine, in half a minute. Every round makes up a document that
 * nobody has sent before, so that "cold" is cold whatever the cache holds, and asks about it: first, with another
 * question, and with the same question again. tests/bench/run is the long version, with rivals. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clients/ctl/command.h"
#include "clients/ctl/display.h"

#define ROUNDS 7
#define BAR_PLACES 30
#define DOCUMENT_TOKENS 2048 /* where the model's context allows it */
#define ROOM_TOKENS 128      /* for question and answer */
#define ANSWER_TOKENS 64
#define SAMPLE_BYTES 2000 /* of text, to see how many tokens it has */

static const char *const words[] = {
    "the",   "of",    "a",     "in",     "to",    "and",   "was",   "is",    "that",   "with",  "water",
    "light", "house", "river", "people", "small", "large", "under", "after", "before", "found", "made",
    "stone", "tree",  "year",  "night",  "day",   "cell",  "king",  "city",  "word",   "hand",  "long",
    "first", "every", "many",  "some",   "into",  "from",  "have",  "could", "would",  "their", "which",
    "where", "again", "never", "often",  "until", "world", "earth", "green", "white",  "old",   "new",
    "story", "child", "horse", "door",   "sea",   "sun",   "moon",  "road",  "field",
};
static const char *const questions[] = {"What is this text about?", "Who is named in it?"};

enum measure { COLD, WARM, REPEATED, DECODE, LOOKUP, MEASURES };

static const struct {
    const char *name; /* in JSON */
    const char *title;
    bool is_time; /* milliseconds, else a rate */
} measures[MEASURES] = {
    [COLD] = {"ttft_cold_ms", "first token, nothing known", true},
    [WARM] = {"ttft_warm_ms", "first token, another question", true},
    [REPEATED] = {"ttft_repeated_ms", "first token, the same again", true},
    [DECODE] = {"decode_tokens_per_s", "tokens of an answer a second", false},
    [LOOKUP] = {"lookup_spans_per_s", "spans looked up a second", false},
};

struct bench {
    struct context *context;
    char model[LT_MODEL_NAME_MAX + 1];
    char *document;
    size_t document_bytes;
    uint64_t state; /* of the random numbers */
    uint64_t prompt_tokens, prompt_spans;
    unsigned done, steps;
    double values[MEASURES][ROUNDS];
};

/* SplitMix64 (Steele et al., 2014). */
static uint64_t random_number(struct bench *bench)
{
    uint64_t z = bench->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Fills the document with a new text of `bytes` bytes. */
static void make_document(struct bench *bench, size_t bytes)
{
    char *at = bench->document, *end = bench->document + bytes;
    for (unsigned number = 1; at < end; number++) {
        const char *word = words[random_number(bench) % (sizeof words / sizeof *words)];
        int length = snprintf(at, (size_t)(end - at) + 1, number % 11 ? "%s " : "%s. ", word);
        at += length < end - at ? length : end - at;
    }
    bench->document_bytes = bytes;
}

static void step(struct bench *bench)
{
    bench->done++;
    if (!isatty(STDERR_FILENO))
        return;
    if (bench->done < bench->steps)
        fprintf(stderr, "\r%s", show_bar((double)bench->done / bench->steps, BAR_PLACES).text);
    else
        fputs("\r\033[K", stderr);
}

/* The model to be asked, and how long its documents may be: a text of known length tells how many bytes a token has. */
static int prepare(struct bench *bench)
{
    const struct options *options = &bench->context->options;
    struct latent_reply *reply = NULL;
    struct latent_encoding encoding;
    uint64_t context_tokens = 0;
    int code = latent_models(bench->context->latent, &reply);
    if (code)
        return code;
    const struct latent_value *models = latent_reply_at(reply, "models");
    for (size_t i = 0; i < latent_value_count(models); i++) {
        const struct latent_value *model = latent_value_item(models, i);
        const char *name = latent_value_text(latent_value_at(model, "name"), "");
        if (options->generate.model ? strcmp(name, options->generate.model) == 0
                                    : latent_value_bool(latent_value_at(model, "default"), false)) {
            snprintf(bench->model, sizeof bench->model, "%s", name);
            context_tokens = latent_value_uint(latent_value_at(model, "context_tokens"), 0);
        }
    }
    latent_reply_destroy(reply);
    make_document(bench, SAMPLE_BYTES);
    code = latent_encode(bench->context->latent, options->generate.model, bench->document, bench->document_bytes,
                         &encoding);
    if (code)
        return code;
    double bytes_per_token = SAMPLE_BYTES / (double)encoding.receipt.usage.prompt_tokens;
    latent_encoding_finish(&encoding);
    double tokens = fmin(DOCUMENT_TOKENS, 0.9 * (double)context_tokens - ROOM_TOKENS);
    bench->document_bytes = (size_t)(bytes_per_token * fmax(tokens, ROOM_TOKENS));
    return LATENT_OK;
}

static int ask(struct bench *bench, const char *question, uint32_t tokens, struct latent_generation *ret_generation)
{
    struct latent_segment segments[] = {
        {LATENT_DOCUMENT, bench->document, bench->document_bytes},
        {LATENT_USER, question, strlen(question)},
    };
    struct latent_generate_options options;
    latent_generate_options_init(&options);
    options.segments = segments;
    options.segment_count = 2;
    options.model = bench->context->options.generate.model;
    options.max_tokens = tokens;
    return latent_generate(bench->context->latent, &options, NULL, NULL, ret_generation);
}

static int measure_first_token(struct bench *bench, const char *question, double *ret_milliseconds)
{
    struct latent_generation generation;
    int code = ask(bench, question, 1, &generation);
    if (code)
        return code;
    *ret_milliseconds = generation.receipt.timings.ttft;
    bench->prompt_tokens = generation.receipt.usage.prompt_tokens;
    bench->prompt_spans = generation.receipt.usage.prompt_spans;
    latent_generation_finish(&generation);
    step(bench);
    return LATENT_OK;
}

/* After the first token; an answer may end early. */
static int measure_decoding(struct bench *bench, double *ret_rate)
{
    struct latent_generation generation;
    int code = ask(bench, questions[0], ANSWER_TOKENS, &generation);
    if (code)
        return code;
    double seconds = (generation.receipt.timings.total - generation.receipt.timings.ttft) / 1e3;
    uint64_t tokens = generation.receipt.usage.completion_tokens;
    *ret_rate = tokens > 1 && seconds > 0 ? (double)(tokens - 1) / seconds : NAN;
    latent_generation_finish(&generation);
    step(bench);
    return LATENT_OK;
}

static int measure_lookups(struct bench *bench, double *ret_rate)
{
    struct latent_encoding encoding;
    int code = latent_encode(bench->context->latent, bench->context->options.generate.model, bench->document,
                             bench->document_bytes, &encoding);
    if (code)
        return code;
    const struct latent_receipt *receipt = &encoding.receipt;
    *ret_rate = receipt->timings.lookup > 0 ? (double)receipt->span_count / (receipt->timings.lookup / 1e3) : NAN;
    latent_encoding_finish(&encoding);
    step(bench);
    return LATENT_OK;
}

static int run_round(struct bench *bench, unsigned round)
{
    make_document(bench, bench->document_bytes);
    int code = measure_first_token(bench, questions[0], &bench->values[COLD][round]);
    if (code == LATENT_OK)
        code = measure_first_token(bench, questions[1], &bench->values[WARM][round]);
    if (code == LATENT_OK)
        code = measure_first_token(bench, questions[1], &bench->values[REPEATED][round]);
    if (code == LATENT_OK)
        code = measure_decoding(bench, &bench->values[DECODE][round]);
    if (code == LATENT_OK)
        code = measure_lookups(bench, &bench->values[LOOKUP][round]);
    return code;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Sorts the values that were measured to the front. How many there are. */
static size_t sort_values(double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < ROUNDS; i++)
        if (!isnan(values[i]))
            values[count++] = values[i];
    qsort(values, count, sizeof *values, compare);
    return count;
}

static struct quantity show_value(enum measure measure, double value)
{
    return measures[measure].is_time ? show_milliseconds(value) : show_count((uint64_t)llround(value));
}

static void print_table(struct bench *bench)
{
    const struct context *context = bench->context;
    printf("%s, a prompt of %s tokens in %s spans, medians of %d\n\n", bench->model,
           show_count(bench->prompt_tokens).text, show_count(bench->prompt_spans).text, ROUNDS);
    printf("%s%-30s %12s   %12s - %s%s\n", colour_begin(context->colour, COLOUR_HEADING), "", "median", "least", "most",
           colour_end(context->colour));
    for (enum measure i = 0; i < MEASURES; i++) {
        double *values = bench->values[i];
        size_t count = sort_values(values);
        if (count)
            printf("%-30s %12s   %12s - %s\n", measures[i].title, show_value(i, values[count / 2]).text,
                   show_value(i, values[0]).text, show_value(i, values[count - 1]).text);
        else
            printf("%-30s %12s\n", measures[i].title, "-");
    }
}

static void print_json(struct bench *bench)
{
    printf("{\"model\":\"%s\",\"prompt_tokens\":%llu,\"prompt_spans\":%llu,\"rounds\":%d", bench->model,
           (unsigned long long)bench->prompt_tokens, (unsigned long long)bench->prompt_spans, ROUNDS);
    for (enum measure i = 0; i < MEASURES; i++) {
        size_t count = sort_values(bench->values[i]);
        printf(count ? ",\"%s\":%.4f" : ",\"%s\":null", measures[i].name, count ? bench->values[i][count / 2] : 0);
    }
    puts("}");
}

int command_bench(struct context *context)
{
    struct bench bench = {.context = context, .steps = MEASURES * ROUNDS};
    if (getrandom(&bench.state, sizeof bench.state, 0) != sizeof bench.state)
        return report_failure(context, LATENT_EIO, "no random numbers can be had");
    bench.document = malloc(LT_PROMPT_BYTES_MAX + 1);
    if (!bench.document)
        return report_failure(context, LATENT_ENOMEM, "out of memory");
    int code = prepare(&bench);
    for (unsigned round = 0; code == LATENT_OK && round < ROUNDS; round++)
        code = run_round(&bench, round);
    int status = code ? report_call(context, code) : EXIT_DONE;
    if (status == EXIT_DONE && context->options.json)
        print_json(&bench);
    else if (status == EXIT_DONE)
        print_table(&bench);
    free(bench.document);
    return status == EXIT_DONE && fflush(stdout) != 0
               ? report_failure(context, LATENT_EIO, "cannot write to standard output")
               : status;
}
