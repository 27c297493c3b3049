/* Changes: values to write and to remove, all of them or none, with the next group of the writer. Documents and refined
 * latents are written with these; latents themselves have a queue of their own (storage/pending.h).
 *
 * A list of changes is applied after every latent that was put before it was submitted, in the same transaction or a
 * later one: once it is written, so are they. Should it fail, for want of room say, the group's latents are written all
 * the same. Built by one thread; the store owns it from submission on. */
#ifndef LT_STORAGE_CHANGES_H
#define LT_STORAGE_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include "storage/store.h"

/* Databases that changes write to. The order numbers of REFINED_ORDER are given by the writer. */
enum lt_database { LT_DATABASE_DOCUMENTS, LT_DATABASE_PARTS, LT_DATABASE_REFINED };

struct lt_changes;

/* Called on the writer thread once the changes are written (and synced, unless RELAXED), or were given up: LT_OK,
 * LT_EFULL if documents have no room for them, LT_EBUSY if something is not as it was expected, LT_ENOTFOUND if the
 * namespace is gone, LT_EIO. */
typedef void (*lt_changes_done)(void *context, int code);

/* In a namespace, by its number: what is written when that is gone is not. NULL: out of memory. */
struct lt_changes *lt_changes_create(uint32_t space);
uint32_t lt_changes_space(const struct lt_changes *changes);
void lt_changes_destroy(struct lt_changes *changes); /* one that was not submitted; NULL is allowed */

/* Adds the writing of a value, which is made by the caller in *ret_value, of `value_bytes` bytes. The key is copied.
 * LT_ENOMEM. */
int lt_changes_put(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes,
                   size_t value_bytes, uint8_t **ret_value);

/* Adds the removal of a key; one that is not there is no error. LT_ENOMEM. */
int lt_changes_remove(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes);

/* Adds that a sealed value must be there with this checksum (lt_sealed_checksum), 0 that none is: what was made of a
 * value that another has changed meanwhile is not written. LT_ENOMEM. */
int lt_changes_expect(struct lt_changes *changes, enum lt_database database, const void *key, size_t key_bytes,
                      uint64_t checksum);

/* Moves all of `from`, of the same namespace, behind those of `changes`, so that they are written together or not at
 * all, and destroys it. */
void lt_changes_join(struct lt_changes *changes, struct lt_changes *from);

/* Hands the changes to the writer. `done` is called exactly once, unless it is NULL. */
void lt_store_change(struct lt_store *store, struct lt_changes *changes, lt_changes_done done, void *context);

/* The same for a caller who may wait: what lt_changes_done would be told. Not for the loop and the engine. */
int lt_store_change_wait(struct lt_store *store, struct lt_changes *changes);

#endif
