/* A copy of the store while it is in use: the state of one moment, written compactly, that a daemon can open. Until it
 * is done, pages that are freed meanwhile are not used again, so the store's file may grow. */
#ifndef LT_STORAGE_BACKUP_H
#define LT_STORAGE_BACKUP_H

#include "storage/store.h"

/* Called now and then with the bytes written and about how many there will be. Not 0 gives up. */
typedef int (*lt_backup_progress)(void *context, uint64_t done, uint64_t total);

/* Copies everything that was put before into the folder `path`, which is made (its parent must exist) or must be empty;
 * synced on return. LT_EPARAM: there is something in it, or it is no folder; LT_EIO, LT_EFULL; LT_ECANCELLED if
 * `progress` gave up. `error` is filled. After a failure nothing is left over. Waits for the writer: never the loop or
 * the engine. */
int lt_store_backup(struct lt_store *store, const char *path, lt_backup_progress progress, void *context,
                    uint64_t *ret_bytes, struct lt_error *error);

#endif
