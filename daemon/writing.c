#include "daemon/writing.h"

static void on_written(void *context, int code)
{
    struct lt_writing *writing = context;
    struct lt_wake wake = writing->wake;
    writing->code = code;
    atomic_store(&writing->done, true); /* from here on the engine may free it */
    wake.function(wake.context);
}

void lt_writing_begin(struct lt_writing *writing, struct lt_store *store, struct lt_changes *changes)
{
    writing->begun = true;
    lt_store_change(store, changes, on_written, writing);
}

bool lt_writing_waits(const struct lt_writing *writing)
{
    return writing->begun && !atomic_load(&writing->done);
}
