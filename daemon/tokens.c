#include "daemon/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"

#define FIELDS 4

static_assert(LT_TOKEN_HASH_BYTES == crypto_hash_sha256_BYTES, "hashes are SHA-256");

struct lt_tokens {
    size_t count;
    struct lt_identity identities[LT_TOKENS_MAX];
};

/* --- reading --- */

static bool is_name(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t bytes = strlen(text);
    return bytes >= 1 && bytes <= LT_TOKEN_NAME_MAX && strspn(text, allowed) == bytes;
}

static int read_hash(const char *text, uint8_t *ret_hash, struct lt_error *error)
{
    size_t bytes = 0;
    if (strlen(text) != 2 * LT_TOKEN_HASH_BYTES ||
        sodium_hex2bin(ret_hash, LT_TOKEN_HASH_BYTES, text, strlen(text), NULL, &bytes, NULL) != 0 ||
        bytes != LT_TOKEN_HASH_BYTES)
        return lt_fail(error, LT_ECONFIG, "the fourth field must be the SHA-256 of the token, %d hexadecimal digits",
                       2 * LT_TOKEN_HASH_BYTES);
    return LT_OK;
}

static int check_new(const struct lt_tokens *tokens, const struct lt_identity *identity, struct lt_error *error)
{
    if (tokens->count == LT_TOKENS_MAX)
        return lt_fail(error, LT_ECONFIG, "there are more than %d tokens", LT_TOKENS_MAX);
    for (size_t i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->identities[i].name, identity->name) == 0)
            return lt_fail(error, LT_ECONFIG, "the name '%s' stands in an earlier line, too; names must differ",
                           identity->name);
        if (memcmp(tokens->identities[i].token_hash, identity->token_hash, LT_TOKEN_HASH_BYTES) == 0)
            return lt_fail(error, LT_ECONFIG, "its token is that of '%s'; each needs one of its own",
                           tokens->identities[i].name);
    }
    return LT_OK;
}

static int read_line(struct lt_tokens *tokens, char *line, struct lt_error *error)
{
    struct lt_identity identity = {.known = true, .has_token = true};
    char *fields[FIELDS], *rest = NULL;
    size_t count = 0;
    for (char *field = strtok_r(line, " \t\r\n", &rest); field; field = strtok_r(NULL, " \t\r\n", &rest))
        if (count++ < FIELDS)
            fields[count - 1] = field;
    if (count == 0 || *fields[0] == '#')
        return LT_OK;
    if (count != FIELDS)
        return lt_fail(error, LT_ECONFIG,
                       "%zu fields; a line has four, NAME ROLES NAMESPACE SHA-256, as latentctl token new prints it",
                       count);
    if (!is_name(fields[0]))
        return lt_fail(error, LT_ECONFIG, "the name must be 1 to %d letters, digits, dots, dashes and underscores",
                       LT_TOKEN_NAME_MAX);
    strcpy(identity.name, fields[0]);
    int code = lt_identity_grant(&identity, fields[1], fields[2], error);
    if (code == LT_OK)
        code = read_hash(fields[3], identity.token_hash, error);
    if (code == LT_OK)
        code = check_new(tokens, &identity, error);
    if (code == LT_OK)
        tokens->identities[tokens->count++] = identity;
    return code;
}

static int read_lines(struct lt_tokens *tokens, FILE *file, const char *path, struct lt_error *error)
{
    char line[LT_TOKEN_LINE_BYTES_MAX + 2]; /* its end, and the string's */
    struct lt_error reason;
    int code = LT_OK;
    for (int number = 1; code == LT_OK && fgets(line, sizeof line, file); number++) {
        if (!strchr(line, '\n') && !feof(file))
            code = lt_fail(&reason, LT_ECONFIG, "a line has at most %d bytes", LT_TOKEN_LINE_BYTES_MAX);
        else
            code = read_line(tokens, line, &reason);
        if (code)
            lt_fail(error, code, "%s: line %d: %s", path, number, reason.message);
    }
    explicit_bzero(line, sizeof line);
    return code;
}

/* What is a secret must not lie about, and nobody should learn here that it does. */
static int check_file(int descriptor, const char *path, struct lt_error *error)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > (off_t)LT_TOKEN_FILE_BYTES_MAX)
        return lt_fail(error, LT_ECONFIG, "the token file %s must be a regular file of at most %u bytes", path,
                       LT_TOKEN_FILE_BYTES_MAX);
    if (status.st_mode & 07)
        return lt_fail(
            error, LT_ECONFIG,
            "the token file %s has the mode %04o, which lets others than its owner and group at it; chmod 640", path,
            status.st_mode & 07777);
    return LT_OK;
}

int lt_tokens_load(const char *path, struct lt_tokens **ret_tokens, struct lt_error *error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return lt_fail(error, LT_ECONFIG, "cannot read the token file %s: %s", path, strerror(errno));
    int code = check_file(descriptor, path, error);
    FILE *file = code == LT_OK ? fdopen(descriptor, "r") : NULL;
    struct lt_tokens *tokens = file ? lt_calloc(1, sizeof *tokens) : NULL;
    if (code == LT_OK && !tokens)
        code = lt_fail_code(error, LT_ENOMEM);
    if (code == LT_OK)
        code = read_lines(tokens, file, path, error);
    if (code == LT_OK && ferror(file))
        code = lt_fail(error, LT_ECONFIG, "cannot read the token file %s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    else
        close(descriptor);
    if (code)
        lt_tokens_destroy(tokens);
    else
        *ret_tokens = tokens;
    return code;
}

void lt_tokens_destroy(struct lt_tokens *tokens)
{
    if (tokens)
        explicit_bzero(tokens, sizeof *tokens);
    lt_free(tokens);
}

/* --- finding --- */

size_t lt_tokens_count(const struct lt_tokens *tokens)
{
    return tokens->count;
}

const struct lt_identity *lt_tokens_at(const struct lt_tokens *tokens, size_t index)
{
    return &tokens->identities[index];
}

static const struct lt_identity *find(const struct lt_tokens *tokens, const uint8_t *hash)
{
    const struct lt_identity *found = NULL;
    for (size_t i = 0; i < tokens->count; i++) {
        bool same = sodium_memcmp(tokens->identities[i].token_hash, hash, LT_TOKEN_HASH_BYTES) == 0;
        found = same ? &tokens->identities[i] : found;
    }
    return found;
}

const struct lt_identity *lt_tokens_find(const struct lt_tokens *tokens, const char *token)
{
    uint8_t hash[LT_TOKEN_HASH_BYTES];
    crypto_hash_sha256(hash, (const uint8_t *)token, strlen(token));
    const struct lt_identity *found = find(tokens, hash);
    explicit_bzero(hash, sizeof hash);
    return found;
}

const struct lt_identity *lt_tokens_find_again(const struct lt_tokens *tokens, const struct lt_identity *identity)
{
    return find(tokens, identity->token_hash);
}
