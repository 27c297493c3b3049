#include "clients/ctl/texts.h"

#include <stdlib.h>
#include <string.h>

static bool add_file(const struct context *context, struct texts *texts, const char *path, enum latent_role role)
{
    struct input *input = &texts->inputs[texts->count];
    if (!input_read(context, path, LT_PROMPT_BYTES_MAX, input))
        return false;
    texts->segments[texts->count++] = (struct latent_segment){.role = role, .text = input->text, .bytes = input->bytes};
    return true;
}

static bool read_all(const struct context *context, struct texts *texts)
{
    const struct options *options = &context->options;
    for (size_t i = 0; i < options->document_count; i++)
        if (options->documents[i].stored)
            texts->segments[texts->count++] = (struct latent_segment){.document = options->documents[i].name};
        else if (!add_file(context, texts, options->documents[i].name, LATENT_DOCUMENT))
            return false;
    if (strcmp(options->argument, "-") != 0) {
        texts->segments[texts->count++] =
            (struct latent_segment){.role = LATENT_USER, .text = options->argument, .bytes = strlen(options->argument)};
        return true;
    }
    if (!add_file(context, texts, "-", LATENT_USER))
        return false;
    struct latent_segment *prompt = &texts->segments[texts->count - 1];
    if (prompt->bytes > 0 && prompt->text[prompt->bytes - 1] == '\n')
        prompt->bytes--;
    return true;
}

struct texts *texts_read(const struct context *context)
{
    struct texts *texts = calloc(1, sizeof *texts);
    if (!texts) {
        report_failure(context, LATENT_ENOMEM, "out of memory");
        return NULL;
    }
    if (read_all(context, texts))
        return texts;
    texts_free(texts);
    return NULL;
}

void texts_free(struct texts *texts)
{
    for (size_t i = 0; texts && i < LT_SEGMENTS_MAX; i++)
        free(texts->inputs[i].text);
    free(texts);
}
