/* latentctl doc put: a file, standard input, or every file of a folder. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/ctl/display.h"
#include "clients/ctl/doc.h"
#include "clients/ctl/input.h"

#define BAR_PLACES 30

static void show_progress(uint64_t done, uint64_t total, void *data)
{
    (void)data;
    fprintf(stderr, "\r%s %s of %s", show_bar(total ? (double)done / (double)total : 1, BAR_PLACES).text,
            show_bytes(done).text, show_bytes(total).text);
}

static void print_change(const struct latent_document_change *change)
{
    printf("%s: version %" PRIu64 "%s, %s tokens in %s spans: %s kept, %s encoded, %s dropped; %s operations, %s\n",
           change->name, change->version, change->unchanged ? " as before" : "", show_count(change->tokens).text,
           show_count(change->spans).text, show_count(change->kept).text, show_count(change->encoded).text,
           show_count(change->dropped).text, show_operations(change->encode_operations).text,
           show_milliseconds(change->total_ms).text);
}

static int put_text(struct context *context, const char *name, const struct input *input)
{
    struct latent_document_change change;
    bool shows = isatty(STDERR_FILENO) && !context->options.json;
    int code = latent_document_put(context->latent, context->options.generate.model, name, input->text, input->bytes,
                                   shows ? show_progress : NULL, NULL, &change);
    if (shows)
        fputs("\r\033[K", stderr);
    if (code)
        return report_call(context, code);
    int status = EXIT_DONE;
    if (context->options.json)
        status = print_reply(context, change.reply);
    else
        print_change(&change);
    latent_document_change_finish(&change);
    return status;
}

static int put_file(struct context *context, const char *name, const char *path)
{
    struct input input;
    if (!input_read(context, path, LT_DOCUMENT_BYTES_MAX, &input))
        return EXIT_FAILED;
    int status = put_text(context, name, &input);
    free(input.text);
    return status;
}

struct folder {
    const char *name;
    size_t files, failed;
};

/* A file that is refused, because it is no text for example, does not keep the others out. */
static bool put_inside(struct context *context, const char *path, const char *inside, void *data)
{
    struct folder *folder = data;
    char name[4096];
    folder->files++;
    if (snprintf(name, sizeof name, "%s/%s", folder->name, inside) >= (int)sizeof name ||
        put_file(context, name, path) != EXIT_DONE) {
        fprintf(stderr, "latentctl: %s is left out\n", path);
        folder->failed++;
    }
    return true;
}

static int put_folder(struct context *context, const char *name, const char *path)
{
    struct folder folder = {.name = name};
    if (!directory_walk(context, path, put_inside, &folder))
        return EXIT_FAILED;
    fprintf(stderr, "%s files, %s left out\n", show_count(folder.files).text, show_count(folder.failed).text);
    return folder.failed ? EXIT_FAILED : EXIT_DONE;
}

int doc_put(struct context *context, const char *name, const char *path)
{
    struct stat about;
    if (strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISDIR(about.st_mode))
        return put_folder(context, name, path);
    return put_file(context, name, path);
}
