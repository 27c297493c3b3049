/* Looking at records one after the other, in the order of their keys. A listing keeps nothing open between two calls
 * but the key it has come to, so it can take as long as it likes and holds up nobody. Whatever is there from its
 * beginning to its end is seen once; what comes or goes meanwhile may or may not be. Any thread. */
#ifndef LT_STORAGE_LISTING_H
#define LT_STORAGE_LISTING_H

#include "proto/record.h"
#include "storage/queues.h"
#include "storage/store.h"

#define LT_LIST_ALL UINT32_MAX

/* One record; the pointers are valid during the call. */
struct lt_listed {
    struct lt_span_key key; /* of a damaged one, only the first LT_INDEXED_BYTES are sure */
    const void *data;
    size_t bytes;
    bool sound;              /* it passed its check */
    struct lt_record record; /* if it is sound */
};

/* Must not call the store. Not LT_OK ends it with that code. */
typedef int (*lt_list_visit)(void *context, const struct lt_listed *listed);

/* Where a listing stands. Zeroed: at the beginning. */
struct lt_listing {
    bool begun;
    bool ended;
    struct lt_span_key after;
};

/* Visits the next records, at most `most`, of a namespace or of all (LT_LIST_ALL), in one read transaction. Fewer than
 * `most`, or none, do not mean the end: listing->ended does. LT_EIO, LT_ENOMEM, or the visitor's. */
int lt_store_list(struct lt_store *store, struct lt_listing *listing, uint32_t namespace_id, size_t most,
                  lt_list_visit visit, void *context);

#endif
