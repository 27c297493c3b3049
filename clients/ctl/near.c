/* latentctl near. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"
#include "clients/ctl/input.h"

#define TEXT_COLUMNS 64

static const char *text_at(const struct latent_value *value, const char *path)
{
    return latent_value_text(latent_value_at(value, path), "");
}

static uint64_t uint_at(const struct latent_value *value, const char *path)
{
    return latent_value_uint(latent_value_at(value, path), 0);
}

static void print_span(const struct context *context, const struct latent_value *span)
{
    const struct latent_value *nearest = latent_value_at(span, "nearest");
    print_quoted_short(text_at(span, "text"), TEXT_COLUMNS + 32);
    printf("\n%s  %-*s %7s %6s  %s%s\n", colour_begin(context->colour, COLOUR_FAINT), TEXT_COLUMNS, "nearest", "cosine",
           "tokens", "key", colour_end(context->colour));
    for (size_t i = 0; i < latent_value_count(nearest); i++) {
        const struct latent_value *found = latent_value_item(nearest, i);
        double cosine = latent_value_real(latent_value_at(found, "cosine"), 0);
        fputs("  ", stdout);
        print_quoted(text_at(found, "text"), TEXT_COLUMNS);
        printf(" %s%7.4f%s %6" PRIu64 "  %s%.12s%s\n", colour_begin(context->colour, COLOUR_GOOD), cosine,
               colour_end(context->colour), uint_at(found, "tokens"), colour_begin(context->colour, COLOUR_FAINT),
               text_at(found, "key"), colour_end(context->colour));
    }
    if (latent_value_count(nearest) == 0)
        printf("  nothing is stored for this model\n");
}

static void print_near(const struct context *context, const struct latent_reply *whole)
{
    const struct latent_value *reply = latent_reply_at(whole, "");
    const struct latent_value *spans = latent_value_at(reply, "spans");
    for (size_t i = 0; i < latent_value_count(spans); i++) {
        if (i > 0)
            putchar('\n');
        print_span(context, latent_value_item(spans, i));
    }
    fflush(stdout);
    double scan = latent_value_real(latent_value_at(reply, "timings.scan_ms"), 0);
    fprintf(stderr, "%s latents were looked at in %s\n", show_count(uint_at(reply, "scanned")).text,
            show_milliseconds(scan).text);
}

static int near_text(struct context *context, const struct input *input)
{
    json_t *parameters = json_pack("{s:s%}", "text", input->text, input->bytes);
    if (!parameters)
        return report_failure(context, LATENT_EUTF8, "the text is not valid UTF-8");
    if (context->options.nearest)
        add_parameter(&parameters, "k", json_integer(context->options.nearest));
    add_choices(context, &parameters);
    return call_and_print(context, "near", parameters, print_near);
}

int command_near(struct context *context)
{
    struct input input;
    if (!input_argument(context, &input))
        return EXIT_FAILED;
    int status = near_text(context, &input);
    free(input.text);
    return status;
}
