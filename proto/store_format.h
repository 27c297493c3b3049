/* What a program must know to find records (proto/record.h) in a store: how its LMDB environment is recognised, and
 * where in it records lie. Shared by storage/, which writes it, and by clients that attach to it; docs/STORAGE.md has
 * the whole layout. */
#ifndef LT_PROTO_STORE_FORMAT_H
#define LT_PROTO_STORE_FORMAT_H

#include <lmdb.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/record.h"

#define LT_STORE_FORMAT 3

#define LT_STORE_DATABASES_MAX 24
#define LT_STORE_META "meta"         /* database: LT_STORE_FORMAT_KEY */
#define LT_STORE_FORMAT_KEY "format" /* a u32, little-endian */
#define LT_STORE_INDEX "index"       /* database: places by the first 8 bytes of span keys */

/* The two queues in which records lie; each is a database of records by number. */
enum lt_queue { LT_QUEUE_SMALL, LT_QUEUE_MAIN, LT_QUEUE_COUNT };

static inline const char *lt_queue_name(enum lt_queue queue)
{
    return queue == LT_QUEUE_SMALL ? "small" : "main";
}

/* A place: the queue and the number there, as it stands in the index. */
static inline uint64_t lt_place(enum lt_queue queue, uint64_t number)
{
    return number << 1 | queue;
}

static inline enum lt_queue lt_place_queue(uint64_t place)
{
    return (enum lt_queue)(place & 1);
}

static inline uint64_t lt_place_number(uint64_t place)
{
    return place >> 1;
}

/* Opens the database `meta` and compares the format. LT_EFORMAT: it is another, *ret_format. LT_ENOTFOUND: there is
 * none, so it is not a store, or a new one. LT_EIO, LT_ENOMEM. */
int lt_store_format_check(MDB_txn *transaction, MDB_dbi *ret_meta, uint32_t *ret_format);

/* The place that the index has for a key. What lies there may be the record of another key that begins alike.
 * LT_ENOTFOUND, LT_EIO. */
int lt_store_format_find(MDB_txn *transaction, MDB_dbi index, const struct lt_span_key *key, uint64_t *ret_place);

/* That data.mdb in `folder` has all pages that it should have: reading a mapped page behind the end of a truncated file
 * is a SIGBUS. LT_ESTORE with the reason. */
int lt_store_format_check_length(const char *folder, MDB_env *env, struct lt_error *error);

/* An error code of LMDB as one of ours: LT_ENOMEM, LT_EFULL, LT_EBUSY (no reader slot), LT_ENOTFOUND, LT_ESTORE
 * (nothing works until it is opened anew) or LT_EIO. */
int lt_store_format_code(int lmdb_code);

/* Says why LMDB could not open `folder`: LT_ESTORE, LT_ENOMEM. */
int lt_store_format_fail(const char *folder, int lmdb_code, struct lt_error *error);

#endif
