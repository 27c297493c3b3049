/* Looking at records one after the other, in the order of their keys. A scan keeps nothing open between two calls but
 * the key it has come to, so it can take as long as it likes and holds up nobody. Whatever is there from its beginning
 * to its end is seen once; what comes or goes meanwhile may or may not be. Any thread. */
#ifndef LT_STORAGE_SCAN_H
#define LT_STORAGE_SCAN_H

#include "storage/record.h"
#include "storage/store.h"

#define LT_SCAN_ALL UINT32_MAX

/* One record; the pointers are valid during the call. */
struct lt_scanned {
    struct lt_span_key key;
    const void *data;
    size_t bytes;
    bool sound;              /* it passed its check */
    struct lt_record record; /* if it is sound */
};

/* Must not call the store. Not LT_OK ends the scan with that code. */
typedef int (*lt_scan_visit)(void *context, const struct lt_scanned *scanned);

/* Where a scan stands. Zeroed: at the beginning. */
struct lt_scan {
    bool begun;
    bool ended;
    struct lt_span_key after;
};

/* Visits the next records, at most `most`, of a namespace or of all (LT_SCAN_ALL), in one read transaction. Fewer than
 * `most`, or none, do not mean the end: scan->ended does. LT_EIO, LT_ENOMEM, or the visitor's. */
int lt_store_scan(struct lt_store *store, struct lt_scan *scan, uint32_t namespace_id, size_t most, lt_scan_visit visit,
                  void *context);

#endif
