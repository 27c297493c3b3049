/* Tokens are kept and compared as hashes: of equal length whatever was sent, and a hash that is nearly right says
 * nothing about a token. */
#include "daemon/http_access.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void hash(const char *token, size_t bytes, uint8_t *ret_hash)
{
    crypto_generichash(ret_hash, LT_HTTP_TOKEN_HASH_BYTES, (const uint8_t *)token, bytes, NULL, 0);
}

static int add_token(struct lt_http_access *access, const char *path, int line, const char *token, size_t bytes,
                     struct lt_error *error)
{
    if (bytes < LT_HTTP_TOKEN_BYTES_MIN || bytes > LT_HTTP_TOKEN_BYTES_MAX)
        return lt_fail(error, LT_ECONFIG, "%s: the token in line %d has %zu bytes; it must have %d to %d", path, line,
                       bytes, LT_HTTP_TOKEN_BYTES_MIN, LT_HTTP_TOKEN_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++)
        if (token[i] <= ' ' || token[i] >= 0x7f)
            return lt_fail(error, LT_ECONFIG, "%s: the token in line %d has a character that is not printable ASCII",
                           path, line);
    if (access->count == LT_HTTP_TOKENS_MAX)
        return lt_fail(error, LT_ECONFIG, "%s: more than %d tokens", path, LT_HTTP_TOKENS_MAX);
    hash(token, bytes, access->hashes[access->count++]);
    return LT_OK;
}

int lt_http_access_load(const char *path, struct lt_http_access *ret_access, struct lt_error *error)
{
    char line[LT_HTTP_TOKEN_BYTES_MAX + 64];
    struct lt_http_access access = {0};
    int code = LT_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return lt_fail(error, LT_ECONFIG, "cannot read the token file %s: %s", path, strerror(errno));
    for (int number = 1; code == LT_OK && fgets(line, sizeof line, file); number++) {
        size_t bytes = strcspn(line, "\r\n");
        if (bytes && *line != '#')
            code = add_token(&access, path, number, line, bytes, error);
    }
    if (code == LT_OK && ferror(file))
        code = lt_fail(error, LT_ECONFIG, "cannot read the token file %s: %s", path, strerror(errno));
    fclose(file);
    sodium_memzero(line, sizeof line);
    if (code == LT_OK && !access.count)
        code = lt_fail(error, LT_ECONFIG, "the token file %s has no tokens; put one in a line", path);
    if (code == LT_OK)
        *ret_access = access;
    return code;
}

bool lt_http_access_allows(const struct lt_http_access *access, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    uint8_t sent[LT_HTTP_TOKEN_HASH_BYTES];
    bool allowed = false;
    if (!access->count)
        return true;
    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *token = authorization + sizeof scheme - 1;
    hash(token, strlen(token), sent);
    for (size_t i = 0; i < access->count; i++)
        allowed |= sodium_memcmp(sent, access->hashes[i], sizeof sent) == 0;
    return allowed;
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
