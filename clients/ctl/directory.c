/* The files below a folder. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>

#include "clients/ctl/doc.h"

static int by_name(const FTSENT **left, const FTSENT **right)
{
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

static bool fail(const struct context *context, const char *path, int error)
{
    char message[512];
    snprintf(message, sizeof message, "%s: %s", path, strerror(error));
    report_failure(context, LATENT_EIO, message);
    return false;
}

bool directory_walk(struct context *context, const char *folder,
                    bool (*each)(struct context *context, const char *path, const char *inside, void *data), void *data)
{
    char *const roots[] = {(char *)folder, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    bool on = true;
    if (!tree)
        return fail(context, folder, errno);
    while (on && (entry = fts_read(tree))) {
        if (entry->fts_info == FTS_F) {
            const char *inside = entry->fts_path + strlen(folder);
            on = each(context, entry->fts_path, inside + strspn(inside, "/"), data);
        } else if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS) {
            on = fail(context, entry->fts_path, entry->fts_errno);
        }
    }
    fts_close(tree);
    return on;
}
