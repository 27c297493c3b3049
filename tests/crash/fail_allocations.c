/* Linked into a latentd for tests: lets one allocation of the running daemon fail, whichever thread makes it. Listens
 * on the Unix socket that LATENTD_FAIL_SOCKET names; each line is a number for lt_alloc_fail_at, and is answered with
 * what was left of the number before: 0 if that allocation has failed. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proto/alloc.h"

static void *obey(void *context)
{
    sigset_t all; /* signals are the daemon's */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    int listener = *(int *)context, connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    FILE *lines = connection < 0 ? NULL : fdopen(connection, "r+");
    char line[32];
    while (lines && fgets(line, sizeof line, lines)) {
        size_t left = lt_alloc_fail_at(strtoul(line, NULL, 10));
        rewind(lines); /* from reading to writing */
        fprintf(lines, "%zu\n", left);
        fflush(lines);
    }
    return NULL;
}

__attribute__((constructor)) static void listen_for_orders(void)
{
    static int listener;
    pthread_t thread;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("LATENTD_FAIL_SOCKET");
    if (!path || strlen(path) >= sizeof address.sun_path)
        return;
    strcpy(address.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0 ||
        pthread_create(&thread, NULL, obey, &listener) != 0 || pthread_detach(thread) != 0)
        abort();
}
