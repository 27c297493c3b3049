/* Finding and reaching the daemon. The search is the same as in every client (proto/PROTOCOL.md). */
#include "clients/ctl/daemon.h"

#include <stdio.h>
#include <stdlib.h>
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

int daemon_connect(struct context *context)
{
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
