/* Reads whole texts. What is longer than any prompt may be is refused here, so that nobody waits for an endless file.
 */
#include "clients/ctl/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

static const char *read_all(FILE *file, struct input *ret_input)
{
    char *text = malloc(LT_PROMPT_BYTES_MAX + 1);
    if (!text)
        return "out of memory";
    size_t bytes = fread(text, 1, LT_PROMPT_BYTES_MAX + 1, file);
    const char *problem = ferror(file)                  ? strerror(errno)
                          : bytes > LT_PROMPT_BYTES_MAX ? "larger than 512 KiB, the most a prompt may have"
                                                        : NULL;
    if (problem) {
        free(text);
        return problem;
    }
    text[bytes] = '\0';
    *ret_input = (struct input){text, bytes};
    return NULL;
}

const char *input_read(const char *path, struct input *ret_input)
{
    if (strcmp(path, "-") == 0)
        return read_all(stdin, ret_input);
    FILE *file = fopen(path, "rb");
    if (!file)
        return strerror(errno);
    const char *problem = read_all(file, ret_input);
    fclose(file);
    return problem;
}
