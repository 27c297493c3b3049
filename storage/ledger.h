/* The ledger: what the store knows of its records besides where they lie. How many records and bytes each namespace
 * has, which keys are its own, and when the next record expires. Whoever adds or removes a record tells the ledger, in
 * the same transaction.
 *
 *   database     key                                     value
 *   namespaces   name                                    entry, checked (ledger.c)
 *   members      u32 namespace, span key                 nothing; not for `public`
 *   expiries     u32 seconds since the epoch, span key   nothing; not for what never expires
 *   stats        "namespace", u32 number                 u64 each: entries, bytes, counters over the lifetime
 *
 * The numbers in keys are big-endian, the others little-endian.
 *
 * Usage changes with the transaction: lt_ledger_finish says whether it was committed. Writer thread, but for what
 * namespaces.h offers. */
#ifndef LT_STORAGE_LEDGER_H
#define LT_STORAGE_LEDGER_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/environment.h"
#include "storage/namespaces.h"
#include "storage/pins.h"

struct lt_ledger_entry {
    struct lt_namespace space;
    uint64_t entries, bytes;                       /* with the transaction under way; writer only */
    atomic_uint_fast64_t entries_kept, bytes_kept; /* as of the last commit */
    atomic_uint_fast64_t counts[LT_NAMESPACE_COUNTERS], lifetime[LT_NAMESPACE_COUNTERS];
    atomic_bool counted;     /* lifetime is ahead of the disk */
    bool touched;            /* usage is ahead of the disk; writer only */
    struct lt_span_key hand; /* where quota eviction stands; writer only */
};

struct lt_ledger {
    pthread_rwlock_t lock;                              /* guards entries and count; the writer alone changes them */
    struct lt_ledger_entry *entries[LT_NAMESPACES_MAX]; /* in the order of their numbers; the first is `public` */
    size_t count;
    struct lt_pins pins;
    uint32_t next_expiry; /* nothing expires before; 0: nothing ever does */
    uint32_t swept;       /* when the writer last looked for what has expired */
};

/* Reads namespaces and usage. LT_ESTORE: an entry is damaged; LT_EIO, LT_ENOMEM. */
int lt_ledger_init(struct lt_ledger *ledger, const struct lt_environment *environment, struct lt_error *error);
void lt_ledger_destroy(struct lt_ledger *ledger);

/* A record was added; a record is removed. What its head says is taken for true. LT_EIO, LT_EFULL. */
int lt_ledger_add(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                  const struct lt_span_key *key, const void *record, size_t bytes);
int lt_ledger_drop(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                   const struct lt_span_key *key, const void *record, size_t bytes);
/* The same for one that is evicted, which is counted for its namespace. */
int lt_ledger_evicted(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction,
                      const struct lt_span_key *key, const void *record, size_t bytes);

/* Everything is gone: all usage is 0. */
void lt_ledger_clear(struct lt_ledger *ledger);

/* Before a commit: writes usage and counters that changed. LT_EIO, LT_EFULL. */
int lt_ledger_write(struct lt_ledger *ledger, const struct lt_environment *environment, MDB_txn *transaction);

/* After it: usage is what was written, or what it was before. */
void lt_ledger_finish(struct lt_ledger *ledger, bool committed);

/* NULL if there is none. Writer, or with the lock held. */
struct lt_ledger_entry *lt_ledger_find(const struct lt_ledger *ledger, uint32_t id);

/* Adds to a counter of an entry. Writer, or with the lock held. */
void lt_ledger_count(struct lt_ledger_entry *entry, enum lt_namespace_counter counter, uint64_t amount);

/* Whether a counter waits to be written. Any thread. */
bool lt_ledger_counted(struct lt_ledger *ledger);

/* Keys of databases, of LT_LEDGER_KEY_BYTES: a number, then a span key. */
#define LT_LEDGER_KEY_BYTES (4 + LT_SPAN_KEY_BYTES)
void lt_ledger_key(uint32_t number, const struct lt_span_key *key, uint8_t ret_bytes[LT_LEDGER_KEY_BYTES]);
bool lt_ledger_key_read(const MDB_val *value, uint32_t *ret_number, struct lt_span_key *ret_key);

/* Writes and removes the entry of a namespace; the ledger in memory follows after the commit. LT_EIO, LT_EFULL. */
int lt_ledger_write_space(const struct lt_environment *environment, MDB_txn *transaction,
                          const struct lt_namespace *space);
int lt_ledger_remove_space(const struct lt_environment *environment, MDB_txn *transaction,
                           const struct lt_namespace *space);

#endif
