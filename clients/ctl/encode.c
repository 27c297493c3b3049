/* latentctl encode. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ctl/command.h"
#include "clients/ctl/display.h"
#include "clients/ctl/input.h"

#define TEXT_COLUMNS 44

static void print_span(const struct context *context, const struct latent_span *span)
{
    print_quoted(span->text, TEXT_COLUMNS);
    printf(" %6" PRIu64 "  %s%.12s%s  %s%s%s\n", span->tokens, colour_begin(context->colour, COLOUR_FAINT), span->key,
           colour_end(context->colour), colour_begin(context->colour, span->hit ? COLOUR_GOOD : COLOUR_BAD),
           span->outcome, colour_end(context->colour));
}

static void print_encoding(const struct context *context, const struct latent_encoding *encoding)
{
    const struct latent_receipt *receipt = &encoding->receipt;
    printf("%s%-*s %6s  %-12s  %s%s\n", colour_begin(context->colour, COLOUR_HEADING), TEXT_COLUMNS, "text", "tokens",
           "key", "found", colour_end(context->colour));
    for (size_t i = 0; i < receipt->span_count; i++)
        print_span(context, &receipt->spans[i]);
    fflush(stdout);
    fprintf(stderr, "%s tokens in %s spans: hits %s, misses %s; %s in all, encoding %s, %s operations\n",
            show_count(receipt->usage.prompt_tokens).text, show_count(receipt->usage.prompt_spans).text,
            show_count(receipt->usage.span_hits).text, show_count(receipt->usage.span_misses).text,
            show_milliseconds(receipt->timings.total).text, show_milliseconds(receipt->timings.encode).text,
            show_operations(receipt->operations.encode).text);
}

static int encode(struct context *context, const char *text, size_t bytes)
{
    struct latent_encoding encoding;
    int code = latent_encode(context->latent, context->options.generate.model, text, bytes, &encoding);
    if (code)
        return report_call(context, code);
    int status = EXIT_DONE;
    if (context->options.json)
        status = print_reply(context, encoding.reply);
    else
        print_encoding(context, &encoding);
    latent_encoding_finish(&encoding);
    return status;
}

int command_encode(struct context *context)
{
    struct input input;
    if (!input_argument(context, &input))
        return EXIT_FAILED;
    int status = encode(context, input.text, input.bytes);
    free(input.text);
    return status;
}
