/* Has the spans of a text in the cache before anybody asks about it, and prints one line for each: where its latent was
 * found, or why it had to be computed, its key, and the text.
 *
 *     encode SOCKET TEXT
 *
 * Outside this tree: cc encode.c $(pkg-config --cflags --libs latent) */
#include <stdio.h>
#include <string.h>

#include <latent.h>

static int encode(struct latent *latent, const char *text)
{
    struct latent_encoding encoding;
    int code = latent_encode(latent, NULL, text, strlen(text), &encoding);
    if (code)
        return code;
    for (size_t i = 0; i < encoding.receipt.span_count; i++) {
        const struct latent_span *span = &encoding.receipt.spans[i];
        printf("%-8s %.16s %s\n", span->outcome, span->key, span->text);
    }
    latent_encoding_finish(&encoding);
    return LATENT_OK;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fputs("usage: encode SOCKET TEXT\n", stderr);
        return 2;
    }
    struct latent *latent = latent_create();
    if (!latent) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    int code = latent_connect(latent, arguments[1]);
    if (!code)
        code = encode(latent, arguments[2]);
    if (code)
        fprintf(stderr, "%s: %s\n", latent_error_name(code), latent_error_message(latent));
    latent_destroy(latent);
    return code ? 1 : 0;
}
