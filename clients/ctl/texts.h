/* Documents and prompt, as the command line names them. */
#ifndef LATENTCTL_TEXTS_H
#define LATENTCTL_TEXTS_H

#include "clients/ctl/command.h"
#include "clients/ctl/input.h"

/* The segments point into the inputs and the command line. */
struct texts {
    struct input inputs[LT_SEGMENTS_MAX];
    struct latent_segment segments[LT_SEGMENTS_MAX];
    size_t count;
};

/* Reads all documents, and the prompt from standard input if it is "-", less its last newline. NULL after a failure,
 * which is reported. */
struct texts *texts_read(const struct context *context);
void texts_free(struct texts *texts);

#endif
