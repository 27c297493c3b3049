/* Texts from files and standard input. */
#ifndef LATENTCTL_INPUT_H
#define LATENTCTL_INPUT_H

#include <stddef.h>

struct input {
    char *text; /* terminated; freed by the caller */
    size_t bytes;
};

/* Reads a whole file, or standard input if the path is "-", of at most `most` bytes, a whole number of KiB. NULL on
 * success, else what went wrong, in words that follow "PATH: ". Valid until the next call. */
const char *input_read(const char *path, size_t most, struct input *ret_input);

#endif
