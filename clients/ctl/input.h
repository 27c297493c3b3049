/* Texts from files and standard input. */
#ifndef LATENTCTL_INPUT_H
#define LATENTCTL_INPUT_H

#include "clients/ctl/command.h"

struct input {
    char *text; /* terminated; freed by the caller */
    size_t bytes;
};

/* Reads a whole file, or standard input if the path is "-", of at most `most` bytes, a whole number of KiB. False after
 * a failure, which is reported. */
bool input_read(const struct context *context, const char *path, size_t most, struct input *ret_input);

/* The command's argument, or what stands on standard input if that is "-". False after a failure, which is reported. */
bool input_argument(const struct context *context, struct input *ret_input);

#endif
