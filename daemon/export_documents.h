/* Named documents on their way into a pack: the text of the newest version of each, and the latents of its spans as far
 * as they are stored. One thread at a time. */
#ifndef LT_DAEMON_EXPORT_DOCUMENTS_H
#define LT_DAEMON_EXPORT_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/background.h"
#include "kernels/model.h"
#include "storage/documents.h"
#include "storage/pack.h"

struct lt_export_documents {
    struct lt_background *background;     /* whose request names them */
    const struct lt_model *model;         /* whose encoder made their spans */
    struct lt_document_version *versions; /* of each */
    uint64_t *known;                      /* [known_size] the latents that the pack has, by their keys' first bytes */
    size_t known_size;                    /* a power of two */
    uint64_t records, missing;            /* latents that the pack has, and that are not stored */
    uint8_t *payloads;                    /* room for the latents of one lookup */
    uint8_t record[LT_RECORD_BYTES_MAX];  /* as it goes into the pack */
};

/* Finds all of them, before anything is made. It is to be finished, also after a failure. LT_ENOTFOUND, LT_ECORRUPT,
 * LT_EPARAM (another encoder's), LT_ETOOLARGE, LT_EIO, LT_ENOMEM; `error` is filled. */
int lt_export_documents_find(struct lt_export_documents *documents, struct lt_background *background,
                             const struct lt_model *model, struct lt_error *error);
void lt_export_documents_finish(struct lt_export_documents *documents); /* its counts stay */

/* Writes them all. LT_EBUSY (one was changed meanwhile), LT_ECORRUPT, LT_EFULL, LT_EIO, LT_ECANCELLED, LT_ENOMEM;
 * `error` is filled. */
int lt_export_documents_write(struct lt_export_documents *documents, struct lt_pack_writer *writer,
                              struct lt_error *error);

#endif
