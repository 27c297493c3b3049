/* Changes of documents on their way to the disk, as one engine task waits for them. Engine thread only, except where
 * said. */
#ifndef LT_DAEMON_WRITING_H
#define LT_DAEMON_WRITING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "storage/changes.h"

/* Where a task that has changes written finds what it needs. */
struct lt_wake {
    void (*function)(void *context); /* makes the engine look at its tasks again; any thread may call it */
    void *context;
};

struct lt_writing {
    bool begun;
    atomic_bool done; /* set by the writer's thread; then `code` is there */
    int code;         /* as lt_changes_done says it */
    struct lt_wake wake;
};

/* Hands changes to the writer, which owns them from then on. `writing` must stay where it is until `done` is set. */
void lt_writing_begin(struct lt_writing *writing, struct lt_store *store, struct lt_changes *changes);

/* True while the writer has the changes. */
bool lt_writing_waits(const struct lt_writing *writing);

#endif
