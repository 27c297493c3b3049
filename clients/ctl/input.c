/* Reads whole texts. What is longer than it may be is refused here, so that nobody waits for an endless file. */
#include "clients/ctl/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES ((size_t)64 << 10)

static const char *fail_size(size_t most)
{
    static char message[64];
    snprintf(message, sizeof message, "larger than %zu KiB, the most that it may be", most >> 10);
    return message;
}

static const char *read_all(FILE *file, size_t most, struct input *ret_input)
{
    char *text = NULL;
    size_t bytes = 0, room = 0, count;
    const char *problem = NULL;
    do {
        if (bytes + READ_BYTES >= room) {
            room = 2 * (bytes + READ_BYTES);
            char *grown = realloc(text, room);
            if (!grown) {
                free(text);
                return "out of memory";
            }
            text = grown;
        }
        count = fread(text + bytes, 1, READ_BYTES, file);
        bytes += count;
    } while (count > 0 && bytes <= most);
    if (ferror(file))
        problem = strerror(errno);
    else if (bytes > most)
        problem = fail_size(most);
    if (problem) {
        free(text);
        return problem;
    }
    text[bytes] = '\0';
    *ret_input = (struct input){text, bytes};
    return NULL;
}

bool input_read(const struct context *context, const char *path, size_t most, struct input *ret_input)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    const char *problem = file ? read_all(file, most, ret_input) : strerror(errno);
    if (problem) {
        char message[512];
        snprintf(message, sizeof message, "%s: %s", standard ? "standard input" : path, problem);
        report_failure(context, LATENT_EIO, message);
    }
    if (file && !standard)
        fclose(file);
    return !problem;
}

bool input_argument(const struct context *context, struct input *ret_input)
{
    const char *argument = context->options.argument;
    if (strcmp(argument, "-") == 0)
        return input_read(context, "-", LT_PROMPT_BYTES_MAX, ret_input);
    *ret_input = (struct input){strdup(argument), strlen(argument)};
    if (!ret_input->text)
        report_failure(context, LATENT_ENOMEM, "out of memory");
    return ret_input->text;
}
