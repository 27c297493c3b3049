/* latentctl: the command line of latentd. Reads the options, connects, and hands over to the command. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/ctl/command.h"
#include "clients/ctl/complete.h"
#include "clients/ctl/daemon.h"

static int (*const command_functions[COMMAND_COUNT])(struct context *) = {
    [COMMAND_GENERATE] = command_generate, [COMMAND_ENCODE] = command_encode,   [COMMAND_STATS] = command_stats,
    [COMMAND_INFO] = command_info,         [COMMAND_PING] = command_ping,       [COMMAND_MODELS] = command_models,
    [COMMAND_SHUTDOWN] = command_shutdown, [COMMAND_SCORE] = command_score,     [COMMAND_BENCH] = command_bench,
    [COMMAND_DOC] = command_doc,           [COMMAND_EXPLAIN] = command_explain, [COMMAND_NEAR] = command_near,
    [COMMAND_TOP] = command_top,           [COMMAND_REPL] = command_repl,       [COMMAND_NAMESPACE] = command_namespace,
    [COMMAND_REMOTE] = command_remote,     [COMMAND_PIN] = command_pin,         [COMMAND_UNPIN] = command_unpin,
    [COMMAND_EVICT] = command_evict,       [COMMAND_FLUSH] = command_flush,     [COMMAND_SCAN] = command_scan,
    [COMMAND_VERIFY] = command_verify,     [COMMAND_BACKUP] = command_backup,   [COMMAND_EXPORT] = command_export,
    [COMMAND_IMPORT] = command_import,
};

int (*command_of(enum command command))(struct context *)
{
    return command_functions[command];
}

int report_failure(const struct context *context, int code, const char *message)
{
    if (context->options.json) {
        json_t *json =
            json_pack("{s:s, s:s, s:s}", "type", "error", "name", latent_error_name(code), "message", message);
        if (json && json_dumpf(json, stdout, JSON_COMPACT) == 0)
            putchar('\n');
        json_decref(json);
        fflush(stdout);
    }
    fprintf(stderr, "latentctl: %s\n", message);
    return EXIT_FAILED;
}

int report_call(const struct context *context, int code)
{
    return report_failure(context, code, latent_error_message(context->latent));
}

int print_reply(const struct context *context, const struct latent_reply *reply)
{
    char *text = latent_reply_json(reply);
    if (!text)
        return report_failure(context, LATENT_ENOMEM, "out of memory");
    bool printed = puts(text) != EOF && fflush(stdout) == 0;
    free(text);
    return printed ? EXIT_DONE : report_failure(context, LATENT_EIO, "cannot write to standard output");
}

int command_run(struct context *context)
{
    int code = latent_set_namespace(context->latent, context->options.space, context->options.ttl_seconds);
    return code ? report_call(context, code) : command_of(context->options.command)(context);
}

static int run(struct context *context)
{
    int status = daemon_connect(context);
    return status == EXIT_DONE ? command_run(context) : status;
}

int main(int count, char **arguments)
{
    struct context context = {.terminal = isatty(STDOUT_FILENO)};
    const char *no_colour = getenv("NO_COLOR");
    context.colour = context.terminal && !(no_colour && *no_colour);
    if (count > 1 && strcmp(arguments[1], options_command_name(COMMAND_COMPLETE)) == 0)
        return complete_print((size_t)count - 2, (const char *const *)arguments + 2);
    if (!options_read(count, arguments, &context.options))
        return EXIT_USAGE;
    if (context.options.version) {
        puts("latentctl " LT_VERSION);
        return EXIT_DONE;
    }
    if (context.options.help || context.options.command == COMMAND_HELP) {
        fputs(options_help(context.options.help ? context.options.command : COMMAND_COUNT), stdout);
        return EXIT_DONE;
    }
    if (context.options.command == COMMAND_TOKEN)
        return command_token(&context); /* the daemon has no part in it */
    daemon_find(&context);
    context.latent = latent_create();
    if (!context.latent)
        return report_failure(&context, LATENT_ENOMEM, "out of memory");
    int status = run(&context);
    latent_destroy(context.latent);
    return status;
}
