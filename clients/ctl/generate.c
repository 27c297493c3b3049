/* latentctl generate. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/ctl/command.h"
#include "clients/ctl/display.h"
#include "clients/ctl/interrupt.h"
#include "clients/ctl/texts.h"

/* Prints an object on one line and frees it. False if that cannot be done. */
static bool print_json(json_t *json)
{
    bool printed = json && json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0;
    json_decref(json);
    return printed && putchar('\n') != EOF && fflush(stdout) == 0;
}

static int on_token(const char *text, size_t bytes, void *data)
{
    const struct context *context = data;
    if (interrupted())
        return 1;
    if (!context->options.json)
        return !print_text(text, bytes, context->terminal);
    return !print_json(json_pack("{s:s, s:s%}", "type", "token", "text", text, bytes));
}

/* The whole reply with its type in front. */
static bool print_done(const struct latent_generation *generation)
{
    char *text = latent_reply_json(generation->reply);
    json_t *result = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    json_t *line = json_pack("{s:s}", "type", "done");
    bool joined = result && line && json_object_update(line, result) == 0;
    free(text);
    json_decref(result);
    if (!joined) {
        json_decref(line);
        return false;
    }
    return print_json(line);
}

static void print_stage(const char *name, double milliseconds, const uint64_t *operations)
{
    fprintf(stderr, "  %-10s %10s %12s\n", name, show_milliseconds(milliseconds).text,
            operations ? show_operations(*operations).text : "");
}

static void print_short_receipt(const struct context *context, const struct latent_generation *generation)
{
    const struct latent_usage *usage = &generation->receipt.usage;
    bool colour = context->colour && isatty(STDERR_FILENO);
    fprintf(stderr, "%s%s tokens in %s spans, %s reused; first token after %s%s\n", colour_begin(colour, COLOUR_FAINT),
            show_count(usage->prompt_tokens).text, show_count(usage->prompt_spans).text,
            show_count(usage->span_hits).text, show_milliseconds(generation->receipt.timings.ttft).text,
            colour_end(colour));
}

static void print_receipt(const struct latent_generation *generation)
{
    const struct latent_usage *usage = &generation->receipt.usage;
    const struct latent_timings *timings = &generation->receipt.timings;
    const struct latent_operations *operations = &generation->receipt.operations;
    fprintf(stderr, "\n");
    fprintf(stderr, "  %-10s %6s tokens %6s spans   hits %s, misses %s (%s reused)\n", "prompt",
            show_count(usage->prompt_tokens).text, show_count(usage->prompt_spans).text,
            show_count(usage->span_hits).text, show_count(usage->span_misses).text,
            show_rate(usage->span_hits, usage->prompt_spans).text);
    fprintf(stderr, "  %-10s %6s tokens %6s spans   end: %s\n", "answer", show_count(usage->completion_tokens).text,
            show_count(usage->completion_spans).text, generation->finish_reason);
    if (usage->restored_spans)
        fprintf(stderr, "  %-10s %s of the prompt's spans were mixed before\n", "state",
                show_count(usage->restored_spans).text);
    if (usage->refined_spans)
        fprintf(stderr, "  %-10s %s of the prompt's spans were refined before, which saved %s operations\n", "refined",
                show_count(usage->refined_spans).text, show_operations(operations->refine_saved).text);
    fprintf(stderr, "  first token after %s, all after %s\n\n", show_milliseconds(timings->ttft).text,
            show_milliseconds(timings->total).text);
    fprintf(stderr, "  %-10s %10s %12s\n", "stage", "time", "operations");
    print_stage("tokenize", timings->tokenize, NULL);
    print_stage("lookup", timings->lookup, NULL);
    print_stage("encode", timings->encode, &operations->encode);
    print_stage("refine", timings->refine, &operations->refine);
    print_stage("mix", timings->mix, &operations->mix);
    print_stage("decode", timings->decode, &operations->decode);
}

static int generate(struct context *context, const struct texts *texts)
{
    struct latent_generate_options options = context->options.generate;
    struct latent_generation generation;
    bool printed = true;
    options.segments = texts->segments;
    options.segment_count = texts->count;
    options.stop = context->options.stops;
    int code = latent_generate(context->latent, &options, on_token, context, &generation);
    if (code == LATENT_ECANCELLED && interrupted()) {
        fputs(context->options.json ? "" : "\n", stdout);
        return report_failure(context, code, "the answer was interrupted");
    }
    if (code == LATENT_ECANCELLED)
        return report_failure(context, LATENT_EIO, "cannot write to standard output");
    if (code)
        return report_call(context, code);
    if (context->options.json) {
        printed = print_done(&generation);
    } else {
        printed = putchar('\n') != EOF && fflush(stdout) == 0;
        if (context->conversation)
            print_short_receipt(context, &generation);
        else
            print_receipt(&generation);
    }
    latent_generation_finish(&generation);
    return printed ? EXIT_DONE : report_failure(context, LATENT_EIO, "cannot write to standard output");
}

int command_generate(struct context *context)
{
    struct texts *texts = texts_read(context);
    int status = texts ? generate(context, texts) : EXIT_FAILED;
    texts_free(texts);
    return status;
}
