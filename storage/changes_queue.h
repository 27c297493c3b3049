/* The writer's side of storage/changes.h. Lists of changes are linked in the order of submission. */
#ifndef LT_STORAGE_CHANGES_QUEUE_H
#define LT_STORAGE_CHANGES_QUEUE_H

#include <lmdb.h>

#include "storage/changes.h"

/* Takes off the queue what may go with a group of so many latents, or NULL. Under the store's mutex. */
struct lt_changes *lt_changes_take(struct lt_store *store, size_t latents);

/* Notes that so many latents have left the queue of latents. Under the store's mutex. */
void lt_changes_advance(struct lt_store *store, size_t latents);

/* Applies the lists to the group's transaction. What becomes of each is known to lt_changes_finish. Writer thread. */
void lt_changes_apply(struct lt_store *store, MDB_txn *transaction, struct lt_changes *changes);

/* Says what became of the lists and frees them. group_code: of the whole transaction. Writer thread. */
void lt_changes_finish(struct lt_changes *changes, int group_code);

#endif
