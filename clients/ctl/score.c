/* latentctl score. A file of any length goes to the daemon in portions that a request may have, each ending behind a
 * newline where there is one. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/ctl/command.h"
#include "clients/ctl/display.h"

#define BAR_PLACES 30

struct scoring {
    FILE *file;
    uint64_t size; /* of the file, 0 if unknown */
    char *text;    /* [LT_PROMPT_BYTES_MAX] read and not yet scored */
    size_t held;
    struct latent_score sum; /* model is not used */
    char model[LT_MODEL_NAME_MAX + 1];
};

/* How much of the held text makes a portion: up to the last newline, else the last whole character. */
static size_t portion(const struct scoring *scoring)
{
    if (scoring->held < LT_PROMPT_BYTES_MAX)
        return scoring->held;
    const char *newline = memrchr(scoring->text, '\n', scoring->held);
    if (newline)
        return (size_t)(newline - scoring->text) + 1;
    size_t end = scoring->held;
    while (end > scoring->held - 4 && ((unsigned char)scoring->text[end - 1] & 0xc0) == 0x80)
        end--;
    return (unsigned char)scoring->text[end - 1] >= 0xc0 ? end - 1 : scoring->held;
}

static void show_progress(const struct scoring *scoring)
{
    if (!isatty(STDERR_FILENO))
        return;
    double share = scoring->size ? (double)scoring->sum.bytes / (double)scoring->size : 0;
    fprintf(stderr, "\r%s %s scored", show_bar(share < 1 ? share : 1, BAR_PLACES).text,
            show_bytes(scoring->sum.bytes).text);
}

static int score_portion(struct context *context, struct scoring *scoring, size_t bytes)
{
    struct latent_score score;
    int code = latent_score(context->latent, context->options.generate.model, scoring->text, bytes, &score);
    if (code)
        return code;
    scoring->sum.bytes += score.bytes;
    scoring->sum.tokens += score.tokens;
    scoring->sum.nats += score.nats;
    snprintf(scoring->model, sizeof scoring->model, "%s", score.model);
    latent_score_finish(&score);
    scoring->held -= bytes;
    memmove(scoring->text, scoring->text + bytes, scoring->held);
    show_progress(scoring);
    return LATENT_OK;
}

static int score_file(struct context *context, struct scoring *scoring)
{
    for (;;) {
        scoring->held += fread(scoring->text + scoring->held, 1, LT_PROMPT_BYTES_MAX - scoring->held, scoring->file);
        if (ferror(scoring->file))
            return report_failure(context, LATENT_EIO, strerror(errno));
        if (scoring->held == 0)
            break;
        int code = score_portion(context, scoring, portion(scoring));
        if (code)
            return report_call(context, code);
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (scoring->sum.bytes == 0)
        return report_failure(context, LATENT_EPARAM, "there is nothing to score: the text is empty");
    double bits_per_byte = scoring->sum.nats / log(2) / (double)scoring->sum.bytes;
    int printed;
    if (context->options.json)
        printed = printf("{\"bytes\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"bits_per_byte\":%.6f,\"model\":\"%s\"}\n",
                         scoring->sum.bytes, scoring->sum.tokens, bits_per_byte, scoring->model);
    else
        printed = printf("%.4f bits per byte under %s (%s bytes, %s tokens, %.3f nats per token)\n", bits_per_byte,
                         scoring->model, show_count(scoring->sum.bytes).text, show_count(scoring->sum.tokens).text,
                         scoring->sum.nats / (double)scoring->sum.tokens);
    return printed > 0 && fflush(stdout) == 0 ? EXIT_DONE
                                              : report_failure(context, LATENT_EIO, "cannot write to standard output");
}

int command_score(struct context *context)
{
    const char *path = context->options.argument;
    struct scoring scoring = {.file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb")};
    struct stat about;
    if (!scoring.file) {
        char message[512];
        snprintf(message, sizeof message, "%s: %s", path, strerror(errno));
        return report_failure(context, LATENT_EIO, message);
    }
    if (fstat(fileno(scoring.file), &about) == 0 && S_ISREG(about.st_mode))
        scoring.size = (uint64_t)about.st_size;
    scoring.text = malloc(LT_PROMPT_BYTES_MAX);
    int status = scoring.text ? score_file(context, &scoring) : report_failure(context, LATENT_ENOMEM, "out of memory");
    free(scoring.text);
    if (scoring.file != stdin)
        fclose(scoring.file);
    return status;
}
