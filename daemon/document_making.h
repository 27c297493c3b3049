/* A new version of a document in the making, for whoever has its text: doc.put, which goes through the engine slice by
 * slice, and import.end, which has the latents already. The version before is read part by part; the text is tokenized
 * and cut slice by slice; spans get their keys; and what came of it is put together as parts, as one list of changes.
 * A text that is the same as the newest version makes none.
 *
 * Nothing is written here. One thread at a time. */
#ifndef LT_DAEMON_DOCUMENT_MAKING_H
#define LT_DAEMON_DOCUMENT_MAKING_H

#include "daemon/document_cutter.h"
#include "daemon/document_diff.h"

struct lt_document_making {
    struct lt_store *store;
    const struct lt_model *model; /* whose encoder reads the text */
    uint32_t space;               /* number of the namespace */
    const char *name;
    struct lt_document_cutter cutter;

    struct lt_document document;  /* as it was; count 0 if it is new */
    struct lt_document_diff diff; /* to the version before */
    uint32_t parts_read;          /* of that one */

    struct lt_document_version version; /* in the making */
    uint64_t reserved;                  /* bytes of the documents' room that others of the same request will take */

    struct lt_changes *changes;
    bool unchanged;
};

/* Begins in a namespace, with a text that is not empty; name and text stay the caller's and must live as long. It is to
 * be finished, also after a failure. LT_EIO, LT_ENOMEM; `error` is filled. */
int lt_document_making_begin(struct lt_document_making *making, struct lt_store *store, const struct lt_model *model,
                             uint32_t space, const char *name, const char *text, size_t bytes, struct lt_error *error);
void lt_document_making_finish(struct lt_document_making *making);

/* Reads the next part of the version before; all of them come before the first slice. False: there is none left, or
 * *ret_code is not LT_OK. LT_ENOMEM. */
bool lt_document_making_read_before(struct lt_document_making *making, int *ret_code);

/* Takes up the spans of the slice that was cut last, from number `first` of the cutter's on: their keys are set now.
 * Closes the part if it is long enough. LT_ENOMEM. */
int lt_document_making_take(struct lt_document_making *making, size_t first);

/* All slices are taken: closes the last part, makes room in the history, and adds the version to the changes; or
 * empties them, if the text is that of the newest version. `encoded` of its spans were not in the cache. LT_EFULL,
 * LT_EIO, LT_ENOMEM; `error` is filled. */
int lt_document_making_complete(struct lt_document_making *making, uint64_t encoded, struct lt_error *error);

/* About what the version takes on disk; 0 if it is unchanged. */
uint64_t lt_document_making_bytes(const struct lt_document_making *making);

#endif
