/* latentctl namespace. */
#include <stdio.h>
#include <string.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"

static void print_ttl(uint64_t seconds)
{
    printf(" %14s", seconds ? show_duration((double)seconds).text : "-");
}

static void print_list(const struct context *context, const struct latent_reply *reply)
{
    const struct latent_value *spaces = latent_reply_at(reply, "namespaces");
    printf("%s%-32s %12s %12s %12s %14s%s\n", colour_begin(context->colour, COLOUR_HEADING), "name", "latents", "bytes",
           "quota", "time to live", colour_end(context->colour));
    for (size_t i = 0; i < latent_value_count(spaces); i++) {
        const struct latent_value *space = latent_value_item(spaces, i);
        uint64_t quota = latent_value_uint(latent_value_at(space, "quota_bytes"), 0);
        printf("%-32s %12s %12s %12s", latent_value_text(latent_value_at(space, "name"), "?"),
               show_count(latent_value_uint(latent_value_at(space, "entries"), 0)).text,
               show_bytes(latent_value_uint(latent_value_at(space, "bytes"), 0)).text,
               quota ? show_bytes(quota).text : "-");
        print_ttl(latent_value_uint(latent_value_at(space, "ttl_s"), 0));
        putchar('\n');
    }
}

static void print_put(const struct context *context, const struct latent_reply *reply)
{
    (void)context;
    printf("%s namespace %s\n", latent_value_bool(latent_reply_at(reply, "created"), false) ? "made" : "changed",
           latent_value_text(latent_reply_at(reply, "name"), "?"));
}

static void print_removed(const struct context *context, const struct latent_reply *reply)
{
    printf("removed namespace %s with %s latents\n", context->options.operands[0],
           show_count(latent_value_uint(latent_reply_at(reply, "removed"), 0)).text);
}

static json_t *parameters_of_put(const struct options *options)
{
    json_t *parameters = json_pack("{s:s}", "name", options->operands[0]);
    if (options->has_quota)
        add_parameter(&parameters, "quota_bytes", json_integer((json_int_t)options->quota_bytes));
    if (options->ttl_seconds != LATENT_TTL_DEFAULT)
        add_parameter(&parameters, "ttl_s", json_integer(options->ttl_seconds));
    return parameters;
}

int command_namespace(struct context *context)
{
    const struct options *options = &context->options;
    const char *verb = options->argument;
    bool is_list = strcmp(verb, "list") == 0, is_put = strcmp(verb, "put") == 0, is_remove = strcmp(verb, "rm") == 0;
    if ((!is_list && !is_put && !is_remove) || is_list == (options->operands[0] != NULL)) {
        fputs("latentctl: namespace takes: put NAME, list, or rm NAME; see latentctl help namespace\n", stderr);
        return EXIT_USAGE;
    }
    if (is_list)
        return call_and_print(context, "namespace.list", json_object(), print_list);
    if (is_put)
        return call_and_print(context, "namespace.put", parameters_of_put(options), print_put);
    return call_and_print(context, "namespace.remove", json_pack("{s:s}", "name", options->operands[0]), print_removed);
}
