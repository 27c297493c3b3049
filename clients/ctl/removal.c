/* latentctl pin, unpin, evict and flush. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"
#include "clients/ctl/input.h"

static struct quantity count_of(const struct latent_reply *reply, const char *name)
{
    return show_count(latent_value_uint(latent_reply_at(reply, name), 0));
}

static void print_pinned(const struct context *context, const struct latent_reply *reply)
{
    (void)context;
    printf("pinned %s latents; %s were pinned already, %s are not stored\n", count_of(reply, "pinned").text,
           count_of(reply, "already").text, count_of(reply, "missing").text);
}

static void print_unpinned(const struct context *context, const struct latent_reply *reply)
{
    (void)context;
    printf("unpinned %s latents; %s were not pinned\n", count_of(reply, "unpinned").text,
           count_of(reply, "not_pinned").text);
}

static void print_evicted(const struct context *context, const struct latent_reply *reply)
{
    printf("evicted %s latents", count_of(reply, "evicted").text);
    if (context->options.share <= 0)
        printf("; %s are pinned, %s are not stored", count_of(reply, "pinned").text, count_of(reply, "missing").text);
    putchar('\n');
}

static void print_flushed(const struct context *context, const struct latent_reply *reply)
{
    (void)context;
    printf("flushed %s latents", count_of(reply, "removed").text);
    if (latent_value_uint(latent_reply_at(reply, "remote_removed"), 0))
        printf(", and %s from the remote tier", count_of(reply, "remote_removed").text);
    putchar('\n');
}

/* The text that was given, or that stands on standard input. NULL after a failure that was reported. */
static json_t *text_of(const struct context *context)
{
    struct input input;
    if (!input_argument(context, &input))
        return NULL;
    json_t *text = json_stringn(input.text, input.bytes);
    free(input.text);
    if (!text)
        report_failure(context, LATENT_EUTF8, "the text is not valid UTF-8");
    return text;
}

static json_t *keys_of(const struct options *options)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < options->key_count; i++)
        if (json_array_append_new(keys, json_string(options->keys[i])) != 0) {
            json_decref(keys);
            return NULL;
        }
    return keys;
}

/* Calls a method on the latents that are meant: of a text, by --key, or by --share. */
static int call_on_latents(struct context *context, const char *method, print_function print)
{
    const struct options *options = &context->options;
    json_t *parameters = json_object(), *text = NULL;
    if ((options->argument != NULL) + (options->key_count > 0) + (options->share > 0) != 1) {
        json_decref(parameters);
        fprintf(stderr, "latentctl: %s takes a text, or --key%s; see latentctl help %s\n", method,
                strcmp(method, "evict") == 0 ? ", or --share" : "", method);
        return EXIT_USAGE;
    }
    if (options->argument) {
        text = text_of(context);
        if (!text) {
            json_decref(parameters);
            return EXIT_FAILED;
        }
        add_parameter(&parameters, "text", text);
    } else if (options->key_count) {
        add_parameter(&parameters, "keys", keys_of(options));
    } else {
        add_parameter(&parameters, "share", json_real(options->share));
    }
    add_choices(context, &parameters);
    return call_and_print(context, method, parameters, print);
}

int command_pin(struct context *context)
{
    return call_on_latents(context, "pin", print_pinned);
}

int command_unpin(struct context *context)
{
    return call_on_latents(context, "unpin", print_unpinned);
}

int command_evict(struct context *context)
{
    return call_on_latents(context, "evict", print_evicted);
}

/* What is destroyed is asked about first, on a terminal; elsewhere it takes --yes. */
static bool confirm(const struct context *context, const char *what)
{
    char answer[8] = "";
    if (context->options.yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        fputs("latentctl: flush asks first; give --yes where nobody can answer\n", stderr);
        return false;
    }
    fprintf(stderr, "Remove all latents of %s, pinned ones too? [y/N] ", what);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int command_flush(struct context *context)
{
    const struct options *options = &context->options;
    json_t *parameters = NULL;
    if (options->all == (options->space != NULL)) {
        fputs("latentctl: flush takes --namespace NAME or --all; see latentctl help flush\n", stderr);
        return EXIT_USAGE;
    }
    if (!confirm(context, options->all ? "all namespaces" : options->space))
        return EXIT_FAILED;
    parameters = json_object();
    if (options->all)
        add_parameter(&parameters, "all", json_true());
    add_choices(context, &parameters);
    return call_and_print(context, "flush", parameters, print_flushed);
}
