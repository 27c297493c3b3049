/* A bounded scanner for MessagePack: finds where one object ends without building it, before msgpack-c sees a peer's
 * bytes (which would reserve memory for whatever counts they declare). Incremental: bytes may come one at a time and
 * none is looked at twice. No allocation, no recursion. One owner, one thread at a time. */
#ifndef LT_PROTO_SCANNER_H
#define LT_PROTO_SCANNER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

struct lt_scanner {
    size_t bytes_max;                  /* of the whole object */
    uint32_t elements_max;             /* objects in it, containers included */
    size_t scanned;                    /* bytes of this object looked at so far */
    uint32_t elements;                 /* objects begun, or declared by a container that is open */
    uint32_t depth;                    /* containers that are open */
    uint64_t left[LT_FRAME_DEPTH_MAX]; /* objects that each open container still lacks */
    uint64_t skip;                     /* payload bytes of the current string, binary or number still to come */
    uint8_t header[5];                 /* type byte and length field, not complete yet */
    uint8_t header_bytes;
};

void lt_scanner_init(struct lt_scanner *scanner, size_t bytes_max, uint32_t elements_max);

/* Looks at data[scanned..size), where data is everything received of the object so far. LT_OK: the object is complete
 * and *ret_bytes is its length; the scanner is ready for the next object, which begins at data + *ret_bytes. LT_EBUSY:
 * more bytes are needed. LT_ETOOLARGE: bytes, depth or elements are, or will by a declared length be, over the limit.
 * LT_EMALFORMED: the byte 0xc1, which MessagePack never uses. After either of these two the stream cannot be followed
 * any more. *ret_bytes is written on LT_OK only. */
int lt_scan(struct lt_scanner *scanner, const uint8_t *data, size_t size, size_t *ret_bytes);

#endif
