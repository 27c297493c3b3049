/* The LMDB environment of a store: opening it, refusing what is not ours, its named databases.
 *
 * The folder holds data.mdb and lock.mdb (LMDB's) and latentd.lock, which one daemon holds locked while it runs.
 *
 *   database   key                          value
 *   meta       "format"                     u32 format version
 *   meta       "encoders"                   fingerprints of encoders, the latest first
 *   small      u64: order of joining        record (proto/record.h)
 *   main       u64: order of joining        record
 *   index      u64: start of a span key     u64 place: 2 * order, and 1 more if in main
 *   stats      "lifetime"                   LT_LIFETIME_COUNTERS u64
 *   documents  name                         a document and its versions, sealed (storage/documents.h)
 *   parts      name, 0, version, number     a part of a version, sealed
 *   refined    chain key                    f32 refined latent, sealed (storage/refined.h)
 *   refined_order  u64, big-endian: order   chain key
 *
 * and those of the ledger (storage/ledger.h) and of pins (storage/pins.h).
 *
 * Numbers that are keys and places are in the byte order of the machine, as LMDB's own are, the others little-endian.
 * Never opened with MDB_WRITEMAP: with it a full disk is a SIGBUS. */
#ifndef LT_STORAGE_ENVIRONMENT_H
#define LT_STORAGE_ENVIRONMENT_H

#include <lmdb.h>

#include "proto/store_format.h"
#include "storage/store.h"

struct lt_environment {
    MDB_env *env;
    MDB_dbi meta, index, queues[LT_QUEUE_COUNT], stats;
    MDB_dbi namespaces, members, expiries, pins;
    MDB_dbi documents, parts, refined, refined_order;
    uint64_t map_bytes;
    size_t page_bytes;
    int lock; /* descriptor of latentd.lock */
};

/* Errors as lt_store_open. */
int lt_environment_open(const struct lt_store_options *options, struct lt_environment *ret_environment,
                        struct lt_error *error);
void lt_environment_close(struct lt_environment *environment);

/* LT_ESTORE if data.mdb was removed: what is written to it then is gone with this process. LT_EIO. */
int lt_environment_check_file(const struct lt_environment *environment);

/* Bytes of the pages that all databases use, as this transaction sees them. LT_EIO. */
int lt_environment_used(const struct lt_environment *environment, MDB_txn *transaction, uint64_t *ret_bytes,
                        uint64_t *ret_entries);

/* The same of the databases documents and parts. LT_EIO. */
int lt_environment_documents_used(const struct lt_environment *environment, MDB_txn *transaction, uint64_t *ret_bytes);

#endif
