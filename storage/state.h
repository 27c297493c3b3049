/* What store.c and writer.c share: the store's insides. */
#ifndef LT_STORAGE_STATE_H
#define LT_STORAGE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/changes.h"
#include "storage/encoders.h"
#include "storage/environment.h"
#include "storage/eviction.h"
#include "storage/ledger.h"
#include "storage/memory.h"
#include "storage/pending.h"
#include "storage/queues.h"
#include "storage/reader.h"
#include "storage/table.h"

#define LT_GROUP_RECORDS_MAX 8192 /* keeps a transaction below LMDB's limit of 131,071 dirty pages */

struct lt_order;

struct lt_store {
    struct lt_store_options options; /* without its pointers, which are the caller's */
    struct lt_environment environment;
    struct lt_encoders encoders;
    struct lt_readers readers;
    struct lt_memory memory;
    struct lt_eviction eviction;
    struct lt_ledger ledger;
    struct lt_queues queues; /* of the writer */
    struct lt_gone gone;     /* of the writer */
    pthread_t writer;

    pthread_mutex_t mutex; /* guards what follows, up to the atomics */
    pthread_cond_t work;   /* to the writer: something to do */
    pthread_cond_t done;   /* from the writer: a group is finished */
    struct lt_pending pending;
    struct lt_changes *changes; /* that wait, oldest first */
    uint64_t groups_taken, groups_finished;
    size_t writing;    /* entries of `pending` that are in the group under way */
    unsigned flushers; /* callers of lt_store_flush that wait: the group does not wait for more */
    bool stopping;
    struct lt_order *orders; /* that wait, oldest first */

    atomic_uint_fast64_t lifetime[LT_LIFETIME_COUNTERS];
    atomic_bool lifetime_changed;
    atomic_uint_fast64_t entries, bytes; /* as of the last commit */
    atomic_uint_fast64_t corrupt, commits, write_failures;
    atomic_int write_error; /* of the last group that failed */
    /* How often all that was refined had to be forgotten, and how often that is on the disk. */
    atomic_uint_fast64_t refined_age, refined_age_stored;
};

/* Reads the lifetime counters and the sizes. LT_EIO. */
int lt_writer_read_state(struct lt_store *store);

/* Commits a transaction of the writer's, notes the sizes, and drops from memory what is gone. LT_EIO, LT_EFULL; the
 * transaction is gone either way. */
int lt_writer_commit(struct lt_store *store, MDB_txn *transaction);

/* Gives it up. */
void lt_writer_abort(struct lt_store *store, MDB_txn *transaction);

/* The writer thread's function; its argument is the store. */
void *lt_writer_run(void *store);

#endif
