/* Texts from files and standard input. */
#ifndef LATENTCTL_INPUT_H
#define LATENTCTL_INPUT_H

#include <stddef.h>

struct input {
    char *text; /* terminated; freed by the caller */
    size_t bytes;
};

/* Reads a whole file, or standard input if the path is "-". NULL on success, else what went wrong, in words that follow
 * "PATH: ". */
const char *input_read(const char *path, struct input *ret_input);

#endif
