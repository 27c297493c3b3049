/* latentctl export and import. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/ctl/calling.h"
#include "clients/ctl/display.h"

#define PATH_BYTES 4096

static int fail_file(const struct context *context, const char *path)
{
    char message[PATH_BYTES + 128];
    snprintf(message, sizeof message, "%s: %s", path, strerror(errno));
    return report_failure(context, LATENT_EIO, message);
}

static int write_file(const void *piece, size_t bytes, void *file)
{
    return fwrite(piece, 1, bytes, file) == bytes ? 0 : -1;
}

static long read_file(void *piece, size_t bytes, void *file)
{
    size_t count = fread(piece, 1, bytes, file);
    return count == 0 && ferror((FILE *)file) ? -1 : (long)count;
}

static int print_result(struct context *context, const struct latent_reply *reply, const char *verb)
{
    if (context->options.json)
        return print_reply(context, reply);
    printf("%s %s latents", verb, show_count(latent_value_uint(latent_reply_at(reply, "records"), 0)).text);
    if (latent_reply_at(reply, "size"))
        printf(" (%s)", show_bytes(latent_value_uint(latent_reply_at(reply, "size"), 0)).text);
    uint64_t skipped = latent_value_uint(latent_reply_at(reply, "skipped"), 0);
    uint64_t expired = latent_value_uint(latent_reply_at(reply, "expired"), 0);
    if (skipped)
        printf("; %s were damaged, expired or of another encoder", show_count(skipped).text);
    if (expired)
        printf("; the time of %s is over", show_count(expired).text);
    putchar('\n');
    return EXIT_DONE;
}

/* Written beside the file and put in its place at the end, so that a pack that is there is whole. */
int command_export(struct context *context)
{
    const char *path = context->options.argument;
    char part[PATH_BYTES + 8];
    struct latent_reply *reply = NULL;
    if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
        return report_failure(context, LATENT_EPARAM, "the name of the file is too long");
    FILE *file = fopen(part, "wb");
    if (!file)
        return fail_file(context, part);
    latent_set_timeout(context->latent, 0);
    latent_on_progress(context->latent, show_progress, NULL);
    int code = latent_export(context->latent, context->options.generate.model, write_file, file, &reply);
    end_progress();
    bool written = fflush(file) == 0 && fsync(fileno(file)) == 0;
    written = fclose(file) == 0 && written;
    int status = EXIT_FAILED;
    if (code)
        report_call(context, code);
    else if (!written || rename(part, path) != 0)
        fail_file(context, path);
    else
        status = print_result(context, reply, "exported");
    if (status != EXIT_DONE)
        unlink(part);
    latent_reply_destroy(reply);
    return status;
}

int command_import(struct context *context)
{
    const char *path = context->options.argument;
    struct latent_reply *reply = NULL;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file)
        return fail_file(context, path);
    latent_set_timeout(context->latent, 0);
    latent_on_progress(context->latent, show_progress, NULL);
    int code = latent_import(context->latent, read_file, file, &reply);
    end_progress();
    if (file != stdin)
        fclose(file);
    if (code)
        return report_call(context, code);
    int status = print_result(context, reply, "imported");
    latent_reply_destroy(reply);
    return status;
}
