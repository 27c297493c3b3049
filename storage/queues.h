/* Where records lie: two queues, each in the order in which records joined it, and an index from keys into them.
 *
 * Records are only ever added behind the youngest and, but for repairs, removed before the oldest. So pages are full,
 * spans that were read together lie together, and what room removals leave is whole pages. The index is small; it finds
 * a record by the first 8 bytes of its key. Should two keys share them, the later record takes the place of the
 * earlier, which is then a miss.
 *
 * Reading needs a transaction of the caller's; the rest is for the writer only. Errors are those of LMDB as LT_EIO,
 * LT_EFULL, LT_ENOMEM. */
#ifndef LT_STORAGE_QUEUES_H
#define LT_STORAGE_QUEUES_H

#include <stdint.h>

#include "storage/environment.h"

#define LT_INDEXED_BYTES 8 /* of a key, by which the index finds its record */

struct lt_queues {
    uint64_t next[LT_QUEUE_COUNT]; /* number of the next record */
};

/* Reads where the queues end. */
int lt_queues_init(struct lt_queues *queues, const struct lt_environment *environment);

/* The place that the index has for a key. LT_ENOTFOUND. */
int lt_queues_find(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                   uint64_t *ret_place);

/* What lies there, valid until the transaction ends or writes; `cursor` belongs to the place's queue. LT_ENOTFOUND. */
int lt_queues_read(MDB_cursor *cursor, uint64_t place, MDB_val *ret_record);

/* The same without a cursor. */
int lt_queues_read_place(const struct lt_environment *environment, MDB_txn *transaction, uint64_t place,
                         MDB_val *ret_record);

/* Adds a record as the youngest and has the index point to it. */
int lt_queues_append(struct lt_queues *queues, const struct lt_environment *environment, MDB_txn *transaction,
                     enum lt_queue queue, const struct lt_span_key *key, const void *record, size_t bytes,
                     uint64_t *ret_place);

/* Puts another record in the place of the one that lies there. */
int lt_queues_replace(const struct lt_environment *environment, MDB_txn *transaction, uint64_t place,
                      const void *record, size_t bytes);

/* Takes the oldest record out of a queue, index entry included, and copies it. `ret_record` has room for
 * LT_RECORD_BYTES_MAX. LT_ENOTFOUND: the queue is empty. */
int lt_queues_take_oldest(const struct lt_environment *environment, MDB_txn *transaction, enum lt_queue queue,
                          uint8_t *ret_record, size_t *ret_bytes, struct lt_span_key *ret_key, uint64_t *ret_place);

/* Removes the record that lies at a place, and its index entry, which `key` leads to. */
int lt_queues_remove(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                     uint64_t place);

/* Bytes that a record of so many bytes takes in pages, its index entry included. */
uint64_t lt_queues_cost(const struct lt_environment *environment, size_t bytes);

#endif
