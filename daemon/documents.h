/* Stored documents as the daemon reads them: for prompts, for packs, and for the methods that only look. Any thread. */
#ifndef LT_DAEMON_DOCUMENTS_H
#define LT_DAEMON_DOCUMENTS_H

#include "kernels/model.h"
#include "proto/messages.h"
#include "proto/writer.h"
#include "storage/documents.h"

/* Finds a document of the namespace with the number `space`, or says that there is none. LT_ENOTFOUND, LT_ECORRUPT,
 * LT_EIO; `error` is filled. */
int lt_documents_find(struct lt_store *store, uint32_t space, const char *name, struct lt_document *ret_document,
                      struct lt_error *error);

/* What to say when changes of a document were not written (lt_changes_done). Returns the code. */
int lt_documents_fail_writing(int code, const char *name, struct lt_error *error);

/* The version that a segment names. LT_ENOTFOUND, LT_ECORRUPT, LT_EIO; `error` is filled. */
int lt_documents_version(struct lt_store *store, uint32_t space, const struct lt_segment *segment,
                         struct lt_document_version *ret_version, struct lt_error *error);

/* Whether the version's spans are those of the model's encoder. */
bool lt_documents_same_encoder(const struct lt_model *model, const struct lt_document_version *version);

/* The name of a stored segment, terminated. */
void lt_documents_name(const struct lt_segment *segment, char ret_name[LT_DOCUMENT_NAME_MAX + 1]);

/* The tokens of a document's version under a model's tokenizer: as they are stored if the document was put with the
 * model's encoder, else made of its text. They are to be freed with lt_free. *ret_version is the version's number.
 * LT_ECONTEXT if there are more than `most`,
 * LT_ENOTFOUND, LT_ECORRUPT, LT_EIO, LT_ENOMEM; `error` is filled. */
int lt_documents_tokens(struct lt_store *store, uint32_t space, const struct lt_model *model,
                        const struct lt_segment *segment, size_t most, uint32_t **ret_tokens, size_t *ret_count,
                        uint32_t *ret_version, struct lt_error *error);

/* Writes the response to doc.get, doc.history or doc.list. Errors as lt_documents_find, and the writer's. */
int lt_documents_look(struct lt_store *store, uint32_t space, enum lt_latent_type type, const struct lt_model *model,
                      const struct lt_request *request, struct lt_writer *writer, struct lt_error *error);

#endif
