#include "daemon/authentication.h"

#include <string.h>

#include "daemon/log.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/tokens.h"
#include "proto/roles.h"

/* What an operator will want to know before a tenant does. */
static void tell_oddities(const struct lt_server *server)
{
    struct lt_namespace space;
    size_t count = lt_tokens_count(server->tokens);
    if (!count)
        lt_log(LT_LOG_WARNING, "%s has no tokens: nobody gets in over TCP or HTTP", server->config->tokens);
    for (size_t i = 0; i < count; i++) {
        const struct lt_identity *identity = lt_tokens_at(server->tokens, i);
        if (*identity->space && lt_namespace_find(server->store, identity->space, &space) != LT_OK)
            lt_log(LT_LOG_WARNING, "the token %s is bound to the namespace '%s', which does not exist yet",
                   identity->name, identity->space);
    }
}

int lt_authentication_open(struct lt_server *server, struct lt_error *error)
{
    if (!server->config->tokens)
        return LT_OK;
    int code = lt_tokens_load(server->config->tokens, &server->tokens, error);
    if (code == LT_OK)
        tell_oddities(server);
    return code;
}

static void refresh(struct lt_server *server, struct lt_session *session)
{
    struct lt_error error;
    if (!session->caller.identity.has_token)
        return;
    const struct lt_identity *now = lt_tokens_find_again(server->tokens, &session->caller.identity);
    if (now) {
        session->caller.identity = *now;
        return;
    }
    lt_fail(&error, LT_EDENIED, "the token %s is no longer valid", session->caller.identity.name);
    lt_session_refuse(session, &error);
}

int lt_authentication_reload(struct lt_server *server, struct lt_error *error)
{
    struct lt_tokens *tokens = NULL;
    if (!server->config->tokens)
        return LT_OK;
    int code = lt_tokens_load(server->config->tokens, &tokens, error);
    if (code)
        return code;
    lt_tokens_destroy(server->tokens);
    server->tokens = tokens;
    tell_oddities(server);
    for (struct lt_session *session = server->sessions, *next; session; session = next) {
        next = session->next;
        refresh(server, session);
    }
    return LT_OK;
}

void lt_authentication_close(struct lt_server *server)
{
    lt_tokens_destroy(server->tokens);
    server->tokens = NULL;
}

bool lt_authentication_needs_token(const struct lt_server *server)
{
    return server->tokens != NULL;
}

int lt_authenticate_connection(const struct lt_server *server, const uv_stream_t *stream,
                               struct lt_identity *ret_identity, struct lt_error *error)
{
    int socket = -1;
    if (stream && stream->type == UV_NAMED_PIPE)
        return uv_fileno((const uv_handle_t *)stream, &socket) == 0
                   ? lt_peers_identify(&server->config->allow, socket, ret_identity, error)
                   : lt_fail_code(error, LT_EIO);
    *ret_identity = (struct lt_identity){
        .known = !server->tokens, .roles = server->tokens ? 0 : LT_ROLES_ADMIN, .name = "this machine"};
    return LT_OK;
}

int lt_authenticate_token(const struct lt_server *server, const char *token, struct lt_identity *ret_identity,
                          struct lt_error *error)
{
    if (!server->tokens)
        return lt_fail(error, LT_EDENIED, "this daemon has no token file (--tokens), so it knows no token");
    const struct lt_identity *found = lt_tokens_find(server->tokens, token);
    if (!found)
        return lt_fail(error, LT_EDENIED, "this token is not known here");
    *ret_identity = *found;
    return LT_OK;
}
