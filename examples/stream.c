/* Streams an answer to standard output as it is made, and says on standard error what of the prompt was reused.
 *
 *     stream SOCKET PROMPT
 *
 * Ask twice: the second time every span of the prompt is a hit.
 * Outside this tree: cc stream.c $(pkg-config --cflags --libs latent) */
#include <inttypes.h>
#include <stdio.h>

#include <latent.h>

/* Not 0 ends the answer, here when nobody reads it any more. */
static int on_token(const char *text, size_t bytes, void *file)
{
    return fwrite(text, 1, bytes, file) != bytes || fflush(file) != 0;
}

static int stream(struct latent *latent, const char *prompt)
{
    struct latent_generate_options options;
    struct latent_generation answer;
    latent_generate_options_init(&options);
    options.prompt = prompt;
    options.max_tokens = 64;
    int code = latent_generate(latent, &options, on_token, stdout, &answer);
    if (code)
        return code;
    const struct latent_usage *usage = &answer.receipt.usage;
    fprintf(stderr, "\n%" PRIu64 " of %" PRIu64 " spans reused, first token after %.2f ms\n", usage->span_hits,
            usage->prompt_spans, answer.receipt.timings.ttft);
    latent_generation_finish(&answer);
    return LATENT_OK;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fputs("usage: stream SOCKET PROMPT\n", stderr);
        return 2;
    }
    struct latent *latent = latent_create();
    if (!latent) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    int code = latent_connect(latent, arguments[1]);
    if (!code)
        code = stream(latent, arguments[2]);
    if (code)
        fprintf(stderr, "%s: %s\n", latent_error_name(code), latent_error_message(latent));
    latent_destroy(latent);
    return code ? 1 : 0;
}
