/* The documents of a pack on their way in. Their texts are cut anew, as doc.put would cut them, so nothing has to be
 * believed of them; all versions that they make are written together or not at all. One thread at a time. */
#ifndef LT_DAEMON_IMPORT_DOCUMENTS_H
#define LT_DAEMON_IMPORT_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/job.h"
#include "kernels/model.h"
#include "proto/writer.h"
#include "storage/changes.h"

struct lt_imported_document {
    char name[LT_DOCUMENT_NAME_MAX + 1];
    uint32_t version;
    bool unchanged; /* its text was that of the newest version */
};

struct lt_import_documents {
    struct lt_store *store;
    const struct lt_job *job;
    struct lt_imported_document *documents; /* [count] in the order of the pack */
    size_t count;
    char *text; /* [wanted] of the last of them, while it is coming in */
    size_t bytes, wanted;
    uint64_t text_bytes;        /* of all */
    uint64_t reserved;          /* what those that are made take on disk */
    struct lt_changes *changes; /* of those that are made */
};

/* LT_ENOMEM. */
int lt_import_documents_init(struct lt_import_documents *documents, struct lt_store *store, const struct lt_job *job);
void lt_import_documents_finish(struct lt_import_documents *documents);

/* Takes an entry of the pack, of the kind LT_PACK_DOCUMENT or LT_PACK_TEXT; `model` has the encoder. A document is made
 * when its text is complete; nothing is written. LT_ECORRUPT, without a message; LT_EFULL, LT_ETOOLARGE, LT_EIO,
 * LT_ECANCELLED, LT_ENOMEM, with one. */
int lt_import_documents_take(struct lt_import_documents *documents, const struct lt_model *model, uint8_t kind,
                             const uint8_t *content, size_t bytes, struct lt_error *error);

/* Whether the text of the last document is complete. */
bool lt_import_documents_are_whole(const struct lt_import_documents *documents);

/* Writes all versions, and waits until they are on the disk. LT_EFULL, LT_EBUSY, LT_EIO, LT_ENOMEM; `error` is filled.
 */
int lt_import_documents_store(struct lt_import_documents *documents, struct lt_error *error);

/* Writes an array of them. */
void lt_import_documents_reply(const struct lt_import_documents *documents, struct lt_writer *writer);

#endif
