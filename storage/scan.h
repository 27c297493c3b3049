/* Walking over everything that is stored, a slice at a time: each slice has a read transaction of its own, so that a
 * long walk keeps no old pages alive. What is put or removed meanwhile may be met or not; a record that eviction moves
 * from one queue to the other may be met twice. What still waits for the writer is not met. Any thread. */
#ifndef LT_STORAGE_SCAN_H
#define LT_STORAGE_SCAN_H

#include "proto/record.h"
#include "storage/store.h"

/* Where a walk stands. Begin with a zeroed one. */
struct lt_scan {
    unsigned queue; /* enum lt_queue */
    uint64_t next;  /* number in the queue of the first record that was not looked at */
};

/* Called with each sound record whose time is not over; it is valid during the call. */
typedef void (*lt_scan_function)(void *context, const struct lt_span_key *key, const struct lt_record *record);

/* Looks at up to `count` records. *ret_count says how many there were, damaged and expired ones included; fewer than
 * `count` is the end. LT_EIO, LT_ENOMEM. */
int lt_store_scan(struct lt_store *store, struct lt_scan *scan, size_t count, lt_scan_function function, void *context,
                  size_t *ret_count);

#endif
