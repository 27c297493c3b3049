/* latentctl token new: a token, and the line of the token file that knows it. Needs no daemon: who may edit the file
 * may make tokens. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clients/ctl/calling.h"
#include "proto/roles.h"

#define RANDOM_BYTES 32
#define PREFIX "latentd_" /* by which scanners for secrets can tell what it is */
#define DEFAULT_ROLES "read,generate"
#define ANY_NAMESPACE "*"

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static void make_token(char *ret_token, size_t room)
{
    uint8_t random[RANDOM_BYTES];
    randombytes_buf(random, sizeof random);
    size_t prefix = strlen(strcpy(ret_token, PREFIX));
    sodium_bin2base64(ret_token + prefix, room - prefix, random, sizeof random,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(random, sizeof random);
}

static void make_line(const struct options *options, const char *token, char *ret_line, size_t room)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char digits[2 * sizeof hash + 1];
    crypto_hash_sha256(hash, (const uint8_t *)token, strlen(token));
    sodium_bin2hex(digits, sizeof digits, hash, sizeof hash);
    snprintf(ret_line, room, "%s %s %s %s", options->operands[0], options->roles ? options->roles : DEFAULT_ROLES,
             options->space ? options->space : ANY_NAMESPACE, digits);
}

static bool print(const struct options *options, const char *token, const char *line)
{
    if (!options->json) {
        fprintf(stderr, "the token, shown this once: %s\n", token);
        return puts(line) != EOF && fflush(stdout) == 0;
    }
    json_t *json = json_pack("{s:s, s:s}", "token", token, "line", line);
    bool printed = json && json_dumpf(json, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(json);
    return printed;
}

static const char *what_is_wrong(const struct options *options)
{
    unsigned roles;
    const char *name = options->operands[0];
    if (strcmp(options->argument, "new") != 0)
        return "token takes: new NAME";
    if (!*name || strlen(name) > LT_TOKEN_NAME_MAX || strspn(name, name_characters) != strlen(name))
        return "the name of a token has 1 to 64 letters, digits, dots, dashes and underscores";
    if (options->roles && !lt_roles_parse(options->roles, &roles))
        return "--roles takes " LT_ROLES_RIGHT;
    if (options->space && (!*options->space || strlen(options->space) > LT_NAMESPACE_NAME_MAX ||
                           strcspn(options->space, " \t\r\n") != strlen(options->space)))
        return "--namespace takes a name of 1 to 64 bytes without blanks, which a token file has between its fields";
    return NULL;
}

int command_token(struct context *context)
{
    const struct options *options = &context->options;
    char token[sizeof PREFIX + 2 * RANDOM_BYTES], line[LT_TOKEN_LINE_BYTES_MAX + 1];
    const char *wrong = what_is_wrong(options);
    if (wrong) {
        fprintf(stderr, "latentctl: %s; see latentctl help token\n", wrong);
        return EXIT_USAGE;
    }
    if (sodium_init() < 0)
        return report_failure(context, LATENT_EINTERNAL, "libsodium cannot start");
    make_token(token, sizeof token);
    make_line(options, token, line, sizeof line);
    bool printed = print(options, token, line);
    sodium_memzero(token, sizeof token);
    return printed ? EXIT_DONE : report_failure(context, LATENT_EIO, "cannot write to standard output");
}
