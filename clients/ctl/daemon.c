/* Finding and reaching the daemon. The search is the same as in every client (proto/PROTOCOL.md). */
#include "clients/ctl/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/latentd/latentd.sock"

void daemon_find(struct context *context)
{
    const char *named = context->options.socket ? context->options.socket : getenv("LATENTD_SOCKET");
    const char *folder = getenv("XDG_RUNTIME_DIR");
    if (named && *named) {
        context->socket = named;
        return;
    }
    if (folder && *folder)
        snprintf(context->usual_socket, sizeof context->usual_socket, "%s/latentd.sock", folder);
    else
        snprintf(context->usual_socket, sizeof context->usual_socket, "/tmp/latentd-%u/latentd.sock",
                 (unsigned)getuid());
    bool systems = access(context->usual_socket, F_OK) != 0 && access(SYSTEM_SOCKET, F_OK) == 0;
    context->socket = systems ? SYSTEM_SOCKET : context->usual_socket;
}

/* The first line of a file, without its end. */
static bool read_first_line(const char *path, char *ret_line, size_t room)
{
    FILE *file = fopen(path, "re");
    bool read = file && fgets(ret_line, (int)room, file);
    if (file)
        fclose(file);
    ret_line[read ? strcspn(ret_line, "\r\n") : 0] = '\0';
    return read;
}

bool daemon_take_token(struct context *context, const char **ret_why)
{
    char line[LT_TOKEN_BYTES_MAX + 3] = ""; /* a longer one is no token either */
    const char *token = getenv("LATENTD_TOKEN");
    if (context->options.token_file) {
        token = line;
        if (!read_first_line(context->options.token_file, line, sizeof line)) {
            *ret_why = "the token file cannot be read, or is empty";
            return false;
        }
    }
    int code = latent_set_tls_ca(context->latent, context->options.tls_ca);
    if (code == LATENT_OK && token && *token)
        code = latent_set_token(context->latent, token);
    explicit_bzero(line, sizeof line);
    *ret_why = latent_error_message(context->latent);
    return code == LATENT_OK;
}

int daemon_connect(struct context *context)
{
    const char *why;
    if (!daemon_take_token(context, &why))
        return report_failure(context, LATENT_EPARAM, why);
    int code = latent_connect(context->latent, context->socket);
    if (code == LATENT_OK)
        return EXIT_DONE;
    report_call(context, code);
    if (code == LATENT_ECONNECT)
        fputs("Is the daemon running? Start it with deploy/quickstart, or: latentd --model FILE.gguf\n"
              "If it is on another socket, name that with -s SOCKET or LATENTD_SOCKET.\n",
              stderr);
    return EXIT_FAILED;
}
