/* latentctl verify and backup. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"

static void print_verified(const struct context *context, const struct latent_reply *reply)
{
    static const struct {
        const char *name, *title;
    } rows[] = {
        {"checked", "records checked"},   {"sound", "  sound"},
        {"damaged", "  damaged"},         {"compared", "encoded again and compared"},
        {"mismatched", "  not alike"},    {"unknown", "of encoders not served"},
        {"healed", "healed by encoding"}, {"removed", "removed"},
    };
    (void)context;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-28s %12s\n", rows[i].title,
               show_count(latent_value_uint(latent_reply_at(reply, rows[i].name), 0)).text);
}

static void print_backed_up(const struct context *context, const struct latent_reply *reply)
{
    (void)context;
    printf("copied the store to %s (%s)\n", latent_value_text(latent_reply_at(reply, "path"), "?"),
           show_bytes(latent_value_uint(latent_reply_at(reply, "bytes"), 0)).text);
}

int command_verify(struct context *context)
{
    json_t *parameters = json_pack("{s:b}", "reencode", (int)context->options.reencode);
    if (context->options.space)
        add_parameter(&parameters, "namespace", json_string(context->options.space));
    latent_set_timeout(context->latent, 0);
    return call_and_print(context, "verify", parameters, print_verified);
}

/* The daemon writes the copy, and knows nothing of the folder that we are in. */
int command_backup(struct context *context)
{
    const char *path = context->options.argument;
    char here[PATH_MAX], whole[2 * PATH_MAX];
    if (*path != '/' && !getcwd(here, sizeof here))
        return report_failure(context, LATENT_EIO, "cannot tell which folder this is");
    snprintf(whole, sizeof whole, "%s%s%s", *path == '/' ? "" : here, *path == '/' ? "" : "/", path);
    latent_set_timeout(context->latent, 0);
    return call_and_print(context, "backup", json_pack("{s:s}", "path", whole), print_backed_up);
}
