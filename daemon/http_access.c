#include "daemon/http_access.h"

#include <string.h>
#include <strings.h>

#include "daemon/authentication.h"

void lt_http_identify(const struct lt_server *server, const char *authorization, struct lt_identity *ret_identity)
{
    static const char scheme[] = "Bearer ";
    struct lt_error ignored;
    lt_authenticate_connection(server, NULL, ret_identity, &ignored); /* cannot fail without a socket */
    if (!ret_identity->known && authorization && strncasecmp(authorization, scheme, sizeof scheme - 1) == 0)
        lt_authenticate_token(server, authorization + sizeof scheme - 1, ret_identity, &ignored);
}

bool lt_http_host_is_local(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    if (!host)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t bytes = strlen(names[i]);
        if (strncasecmp(host, names[i], bytes) == 0 && (host[bytes] == '\0' || host[bytes] == ':'))
            return true;
    }
    return false;
}
