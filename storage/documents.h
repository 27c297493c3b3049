/* Documents: named texts, kept as the tokens and spans that an encoder's rule made of them, in versions. The latents of
 * a document are the spans' own, by key, among all others; what lies here is enough to encode any of them again.
 *
 * A version falls into parts of some thousand spans, so that nothing large is read or written at once. Parts end
 * between two characters. Reading happens on the caller's thread; writing goes with storage/changes.h.
 *
 *   document   u32 versions, oldest first; for each: u32 number, u32 parts, u64 created, bytes, tokens, spans, kept,
 *              encoded, dropped, 32 bytes encoder fingerprint
 *   part       u32 spans, tokens, bytes of text, 0; span keys; token ids, u32 each; tokens of each span, u8; text
 *
 * Both are sealed (storage/sealed.h). The key of a document of the public namespace is its name, of any other a zero
 * byte, the number of the namespace, u32 big-endian, and the name: no name has a zero byte. The key of a part is that
 * of its document, a zero byte, and version and number of the part, u32 big-endian. Two namespaces may use one name.
 * Any thread.
 */
#ifndef LT_STORAGE_DOCUMENTS_H
#define LT_STORAGE_DOCUMENTS_H

#include "storage/changes.h"
#include "storage/environment.h"
#include "storage/store.h"

#define LT_DOCUMENTS_SHARE 2 /* of the budget, documents have one part in so many */

struct lt_document_version {
    uint32_t number; /* 1 for the first there ever was */
    uint32_t parts;
    uint64_t created;       /* milliseconds since 1970 */
    uint64_t bytes;         /* of the text */
    uint64_t tokens, spans; /* under the encoder's rule */
    uint64_t kept;          /* spans that the version before had, too */
    uint64_t encoded;       /* spans that the cache did not have */
    uint64_t dropped;       /* spans of the version before that this one has no more */
    uint8_t encoder[32];    /* fingerprint */
};

struct lt_document {
    uint32_t count;                                                /* at least 1 */
    uint64_t checksum;                                             /* of what was read; 0: nothing was */
    struct lt_document_version versions[LT_DOCUMENT_VERSIONS_MAX]; /* oldest first */
};

/* The newest version, or the one of that number; NULL if it is not there (any more). 0 is the newest. */
const struct lt_document_version *lt_document_version(const struct lt_document *document, uint32_t number);

/* `space` is the number of a namespace. `name` is terminated, of 1 to LT_DOCUMENT_NAME_MAX bytes. LT_ENOTFOUND,
 * LT_ECORRUPT, LT_EIO. */
int lt_document_find(struct lt_store *store, uint32_t space, const char *name, struct lt_document *ret_document);

/* The first document of a namespace whose name comes behind `after`, byte by byte ("" for the very first). LT_ENOTFOUND
 * at the end; LT_ECORRUPT with *ret_name filled; LT_EIO. */
int lt_document_next(struct lt_store *store, uint32_t space, const char *after, char ret_name[LT_DOCUMENT_NAME_MAX + 1],
                     struct lt_document *ret_document);

struct lt_document_part {
    uint32_t spans, tokens, bytes;
    const struct lt_span_key *keys; /* [spans] */
    const uint32_t *ids;            /* [tokens] */
    const uint8_t *lengths;         /* [spans] tokens of each */
    const char *text;               /* [bytes] UTF-8 */
    void *memory;                   /* of all of them, if it was read */
};

/* Reads a part, numbered from 0. It is to be finished. LT_ENOTFOUND, LT_ECORRUPT, LT_ENOMEM, LT_EIO. */
int lt_document_part_read(struct lt_store *store, uint32_t space, const char *name, uint32_t version, uint32_t number,
                          struct lt_document_part *ret_part);
void lt_document_part_finish(struct lt_document_part *part);

/* Bytes of the database pages that all documents use, and the most that they may. LT_EIO. */
int lt_documents_used(struct lt_store *store, uint64_t *ret_bytes, uint64_t *ret_most);

/* What follows adds to a list of changes, which is that of the namespace. LT_ENOMEM. */
int lt_document_part_put(struct lt_changes *changes, const char *name, uint32_t version, uint32_t number,
                         const struct lt_document_part *part);
int lt_document_put(struct lt_changes *changes, const char *name, const struct lt_document *document);
int lt_document_expect(struct lt_changes *changes, const char *name, const struct lt_document *document); /* as read */
int lt_document_remove_parts(struct lt_changes *changes, const char *name, const struct lt_document_version *version);
int lt_document_remove(struct lt_changes *changes, const char *name, const struct lt_document *document);

/* For the writer: removes up to `most` documents and parts of a namespace that is not the public one. LT_EIO, LT_EFULL.
 */
int lt_documents_empty(const struct lt_environment *environment, MDB_txn *transaction, uint32_t space, uint64_t most,
                       uint64_t *ret_removed);

#endif
