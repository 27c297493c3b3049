/* latentctl doc: what its files share. */
#ifndef LATENTCTL_DOC_H
#define LATENTCTL_DOC_H

#include "clients/ctl/command.h"

/* latentctl doc put. Returns an exit code. */
int doc_put(struct context *context, const char *name, const char *path);

/* Calls `each` for every file below a folder, in the order of their paths: `path` is where it is, `inside` its path
 * inside the folder. Stops at the first that returns false. Links are not followed. False if it stopped; a folder that
 * cannot be read is reported with report_failure, and is as if it stopped. */
bool directory_walk(struct context *context, const char *folder,
                    bool (*each)(struct context *context, const char *path, const char *inside, void *data),
                    void *data);

#endif
