/* Finding records: a read transaction with its cursors, kept from one lookup to the next, since renewing one is far
 * cheaper than beginning it. Between lookups it holds no snapshot, so it never keeps old pages alive. One is kept; when
 * several threads look at once, the others make their own.
 *
 * What is asked for together was mostly put together, so the record behind the last one found is looked at first. Only
 * when it is not the one, the index is asked. A prompt that was seen before is found with a few walks through the
 * index, however large the store is. */
#ifndef LT_STORAGE_READER_H
#define LT_STORAGE_READER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "storage/queues.h"

struct lt_reader {
    MDB_txn *transaction;
    MDB_cursor *cursors[LT_QUEUE_COUNT][2]; /* one of a queue may follow a run of records, the other is free */
    MDB_cursor *following;                  /* one of them, or NULL */
    MDB_val next;                           /* the record where it stands: what is expected */
    uint64_t next_place;
    bool passed_over; /* it was not what the last find was after */
};

struct lt_readers {
    _Atomic(struct lt_reader *) idle;
};

/* A reader that sees what is committed now. LT_ENOMEM, LT_EIO. */
int lt_reader_begin(struct lt_readers *readers, const struct lt_environment *environment,
                    struct lt_reader **ret_reader);

/* Finds what is stored for a key, unchecked, valid until the reader ends. LT_ENOTFOUND, LT_EIO. */
int lt_reader_find(struct lt_reader *reader, const struct lt_environment *environment, const struct lt_span_key *key,
                   uint64_t *ret_place, MDB_val *ret_record);

/* Ends the look. */
void lt_reader_end(struct lt_readers *readers, struct lt_reader *reader);

/* Frees the idle reader, before the environment is closed. */
void lt_readers_finish(struct lt_readers *readers);

#endif
