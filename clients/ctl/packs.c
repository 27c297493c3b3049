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
    const struct latent_value *documents = latent_reply_at(reply, "documents");
    bool taken = latent_value_count(documents) > 0; /* of export they are only counted */
    uint64_t count = taken ? latent_value_count(documents) : latent_value_uint(documents, 0);
    printf("%s %s latents", verb, show_count(latent_value_uint(latent_reply_at(reply, "records"), 0)).text);
    if (count)
        printf(" and %s document%s", show_count(count).text, count == 1 ? "" : "s");
    if (latent_reply_at(reply, "size"))
        printf(" (%s)", show_bytes(latent_value_uint(latent_reply_at(reply, "size"), 0)).text);
    uint64_t skipped = latent_value_uint(latent_reply_at(reply, "skipped"), 0);
    uint64_t expired = latent_value_uint(latent_reply_at(reply, "expired"), 0);
    if (skipped)
        printf("; %s were damaged, expired or of another encoder", show_count(skipped).text);
    if (expired)
        printf("; the time of %s is over", show_count(expired).text);
    uint64_t missing = latent_value_uint(latent_reply_at(reply, "missing"), 0);
    if (missing)
        printf("; %s are not stored here and will be encoded there", show_count(missing).text);
    putchar('\n');
    for (size_t i = 0; taken && i < count; i++) {
        const struct latent_value *document = latent_value_item(documents, i);
        printf("%s: version %s%s\n", latent_value_text(latent_value_at(document, "name"), ""),
               show_count(latent_value_uint(latent_value_at(document, "version"), 0)).text,
               latent_value_bool(latent_value_at(document, "unchanged"), false) ? ", as it was" : "");
    }
    return EXIT_DONE;
}

/* Written beside the file and put in its place at the end, so that a pack that is there is whole. */
int command_export(struct context *context)
{
    const struct options *options = &context->options;
    const char *path = options->argument, *names[LT_SEGMENTS_MAX - 1];
    char part[PATH_BYTES + 8];
    struct latent_reply *reply = NULL;
    for (size_t i = 0; i < options->document_count; i++)
        names[i] = options->documents[i].name;
    if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
        return report_failure(context, LATENT_EPARAM, "the name of the file is too long");
    FILE *file = fopen(part, "wb");
    if (!file)
        return fail_file(context, part);
    latent_set_timeout(context->latent, 0);
    latent_on_progress(context->latent, show_progress, NULL);
    int code = latent_export(context->latent, options->generate.model, names, options->document_count, write_file, file,
                             &reply);
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
