/* Gives the latents of a text, which one daemon has, to another one: what was encoded once need not be encoded there.
 *
 *     copy SOCKET OTHER-SOCKET TEXT [NAMESPACE]
 *
 * They go into that namespace of the other daemon, or into `public`.
 *
 * The first daemon must run on this machine, for its store is read directly; the other may run anywhere. Both must
 * serve models with the same encoder, and store latents alike. */
#include <stdio.h>
#include <string.h>

#include <latent.h>

#define LATENTS_MAX 1024 /* of one latent.put */

/* Finds what is there of the text's latents; they are valid as long as the snapshot. */
static size_t find_latents(struct latent_snapshot *snapshot, const struct latent_encoding *encoding,
                           struct latent_stored *ret_latents)
{
    size_t count = 0;
    for (size_t i = 0; i < encoding->receipt.span_count && count < LATENTS_MAX; i++) {
        uint8_t key[LATENT_KEY_BYTES];
        if (latent_key_parse(encoding->receipt.spans[i].key, key) == LATENT_OK &&
            latent_snapshot_find(snapshot, key, &ret_latents[count]) == LATENT_OK)
            count++;
    }
    return count;
}

/* The fingerprint of the encoder of the daemon's default model. */
static int read_fingerprint(struct latent *daemon, uint8_t *ret_fingerprint)
{
    struct latent_reply *models;
    int code = latent_models(daemon, &models);
    if (code)
        return code;
    const char *text = latent_value_text(latent_reply_at(models, "models[0].encoder_fingerprint"), "");
    code = latent_key_parse(text, ret_fingerprint);
    latent_reply_destroy(models);
    return code;
}

static int give(struct latent *from, struct latent *to, const struct latent_stored *latents, size_t count)
{
    enum latent_outcome outcomes[LATENTS_MAX];
    uint8_t fingerprint[LATENT_KEY_BYTES];
    size_t stored = 0, known = 0;
    int code = read_fingerprint(from, fingerprint); /* of those who made them */
    if (code || count == 0)
        return code;
    code = latent_put(to, NULL, fingerprint, latents, count, outcomes);
    if (code) {
        fprintf(stderr, "copy: %s\n", latent_error_message(to));
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        stored += outcomes[i] == LATENT_PUT_STORED;
        known += outcomes[i] == LATENT_PUT_KNOWN;
    }
    printf("%zu latents: %zu stored, %zu known, %zu refused\n", count, stored, known, count - stored - known);
    return LATENT_OK;
}

static int copy(struct latent *from, struct latent *to, const char *text)
{
    static struct latent_stored latents[LATENTS_MAX];
    struct latent_encoding encoding;
    struct latent_store *store = NULL;
    struct latent_snapshot *snapshot = NULL;
    int code = latent_encode(from, NULL, text, strlen(text), &encoding);
    if (code)
        return code;
    code = latent_attach(from, NULL, &store);
    if (!code)
        code = latent_snapshot_begin(store, &snapshot);
    if (!code)
        code = give(from, to, latents, find_latents(snapshot, &encoding, latents));
    latent_snapshot_end(snapshot);
    latent_detach(store);
    latent_encoding_finish(&encoding);
    return code;
}

int main(int argument_count, char **arguments)
{
    struct latent *from = latent_create(), *to = latent_create();
    int code = LATENT_EPARAM;
    if (argument_count != 4 && argument_count != 5)
        fprintf(stderr, "usage: copy SOCKET OTHER-SOCKET TEXT [NAMESPACE]\n");
    else if (from && to && (code = latent_connect(from, arguments[1])) == LATENT_OK &&
             (code = latent_connect(to, arguments[2])) == LATENT_OK &&
             (code = latent_set_namespace(to, arguments[4], LATENT_TTL_DEFAULT)) == LATENT_OK) /* NULL without one */
        code = copy(from, to, arguments[3]);
    if (code)
        fprintf(stderr, "copy: %s\n", latent_error_name(code));
    latent_destroy(from);
    latent_destroy(to);
    return code ? 1 : 0;
}
