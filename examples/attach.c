/* Reads the latents of a text where they lie: in the files of a daemon's store, with no copy and no request for them.
 *
 *     attach SOCKET TEXT
 *
 * The daemon encodes the text, so that its latents are there and their keys are known; then this process attaches to
 * the daemon's store. For each span one line: its tokens, the first numbers of its latent, and its text. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <latent.h>

#define SHOWN 4
#define DIMENSION_MAX 4096
#define TRIES 200 /* of 10 ms: a latent that was just made is on disk soon */

static void print_latent(const struct latent_stored *stored, const char *text)
{
    uint32_t tokens[LATENT_SPAN_TOKENS_MAX];
    float numbers[DIMENSION_MAX];
    latent_stored_tokens(stored, tokens);
    latent_stored_numbers(stored, numbers);
    for (uint32_t i = 0; i < stored->token_count; i++)
        printf("%s%u", i ? "," : "", tokens[i]);
    for (uint32_t i = 0; i < SHOWN && i < stored->dimension; i++)
        printf(" %.6f", (double)numbers[i]);
    printf(" %s\n", text);
}

/* A snapshot sees what was on disk when it began, so it is renewed until the latent is there. */
static int find_soon(struct latent_snapshot *snapshot, const uint8_t *key, struct latent_stored *ret_stored)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int code = latent_snapshot_find(snapshot, key, ret_stored);
    for (int i = 0; i < TRIES && code == LATENT_ENOTFOUND; i++) {
        nanosleep(&pause, NULL);
        code = latent_snapshot_renew(snapshot);
        if (!code)
            code = latent_snapshot_find(snapshot, key, ret_stored);
    }
    return code;
}

static int print_latents(struct latent_store *store, const struct latent_encoding *encoding)
{
    struct latent_snapshot *snapshot;
    int code = latent_snapshot_begin(store, &snapshot);
    if (code)
        return code;
    for (size_t i = 0; i < encoding->receipt.span_count && !code; i++) {
        const struct latent_span *span = &encoding->receipt.spans[i];
        struct latent_stored stored;
        uint8_t key[LATENT_KEY_BYTES];
        code = latent_key_parse(span->key, key);
        if (!code)
            code = find_soon(snapshot, key, &stored);
        if (!code)
            print_latent(&stored, span->text);
    }
    latent_snapshot_end(snapshot); /* nothing of it may be used from here on */
    return code;
}

/* The rest of main, once there is a text to look for. */
static int read_encoded(struct latent *latent, const struct latent_encoding *encoding)
{
    struct latent_store *store;
    int code = latent_attach(latent, NULL, &store);
    if (code) {
        fprintf(stderr, "attach: %s\n", latent_error_message(latent));
        return code;
    }
    code = print_latents(store, encoding);
    if (code)
        fprintf(stderr, "attach: a latent cannot be read: %s\n", latent_error_name(code));
    latent_detach(store);
    return code;
}

int main(int argument_count, char **arguments)
{
    struct latent_encoding encoding;
    if (argument_count != 3) {
        fprintf(stderr, "usage: attach SOCKET TEXT\n");
        return 2;
    }
    struct latent *latent = latent_create();
    if (!latent)
        return 1;
    int code = latent_connect(latent, arguments[1]);
    if (!code)
        code = latent_encode(latent, NULL, arguments[2], strlen(arguments[2]), &encoding);
    if (code) {
        fprintf(stderr, "attach: %s\n", latent_error_message(latent));
    } else {
        code = read_encoded(latent, &encoding);
        latent_encoding_finish(&encoding);
    }
    latent_destroy(latent);
    return code ? 1 : 0;
}
