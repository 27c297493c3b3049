/* latentctl remote: the nodes of the remote tier as the daemon sees them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"

static uint64_t uint_at(const struct latent_value *value, const char *path)
{
    return latent_value_uint(latent_value_at(value, path), 0);
}

static void print_node(const struct latent_value *node)
{
    printf("%-24s %-10s %7s %7s %12s %12s %9s\n", latent_value_text(latent_value_at(node, "address"), "?"),
           latent_value_text(latent_value_at(node, "state"), "?"), show_count(uint_at(node, "slots")).text,
           show_count(uint_at(node, "outstanding")).text, show_count(uint_at(node, "found")).text,
           show_count(uint_at(node, "absent")).text, show_count(uint_at(node, "failures")).text);
}

static void print_status(const struct context *context, const struct latent_value *remote)
{
    const struct latent_value *nodes = latent_value_at(remote, "by_node");
    if (!nodes) {
        puts("no remote tier: the daemon runs without --remote");
        return;
    }
    printf("%s%-24s %-10s %7s %7s %12s %12s %9s%s\n", colour_begin(context->colour, COLOUR_HEADING), "node", "breaker",
           "slots", "owes", "hits", "misses", "errors", colour_end(context->colour));
    for (size_t i = 0; i < latent_value_count(nodes); i++)
        print_node(latent_value_item(nodes, i));
    printf("%s of 16,384 slots are served; %s latents wait to be written, %s are, %s were dropped, %s failed\n",
           show_count(uint_at(remote, "slots_served")).text, show_count(uint_at(remote, "waiting")).text,
           show_count(uint_at(remote, "written")).text, show_count(uint_at(remote, "dropped")).text,
           show_count(uint_at(remote, "write_failures")).text);
}

static int print_json_of(const struct context *context, const struct latent_value *remote)
{
    char *line = latent_value_json(remote);
    int written = line ? puts(line) : EOF;
    free(line);
    return written == EOF ? report_failure(context, LATENT_EIO, "cannot write to standard output") : EXIT_DONE;
}

int command_remote(struct context *context)
{
    struct latent_reply *reply = NULL;
    int status = EXIT_DONE;
    if (strcmp(context->options.argument, "status") != 0) {
        fputs("latentctl: remote takes: status; see latentctl help remote\n", stderr);
        return EXIT_USAGE;
    }
    if (!call_method(context, "stats", json_object(), &reply, &status))
        return status;
    const struct latent_value *remote = latent_reply_at(reply, "remote");
    if (context->options.json)
        status = print_json_of(context, remote);
    else
        print_status(context, remote);
    latent_reply_destroy(reply);
    return status;
}
