/* The bounded MessagePack scanner.
 *
 * An object is a header (type byte and 0, 1, 2 or 4 length bytes) and then either payload bytes, which are skipped, or,
 * for a container, further objects, which are counted down in left[]. The total of all declared counts is known the
 * moment a header is complete, so a peer is refused for what it announces and not for what it has managed to send.
 *
 * Invariants: depth <= LT_FRAME_DEPTH_MAX; left[0..depth) are all > 0; scanned + skip <= bytes_max;
 * elements <= elements_max. */
#include "proto/scanner.h"

#include <assert.h>

#include "proto/error.h"

static void begin(struct lt_scanner *scanner)
{
    scanner->scanned = 0;
    scanner->elements = 1;
    scanner->depth = 0;
    scanner->skip = 0;
    scanner->header_bytes = 0;
}

void lt_scanner_init(struct lt_scanner *scanner, size_t bytes_max, uint32_t elements_max)
{
    *scanner = (struct lt_scanner){.bytes_max = bytes_max, .elements_max = elements_max};
    begin(scanner);
}

/* Bytes of the header that begins with a type byte: that and the length field. 0 stands for 1. */
static const uint8_t header_lengths[256] = {
    [0xc4] = 2, [0xc7] = 2, [0xd9] = 2,                         /* bin, ext, str 8 */
    [0xc5] = 3, [0xc8] = 3, [0xda] = 3, [0xdc] = 3, [0xde] = 3, /* bin, ext, str, array, map 16 */
    [0xc6] = 5, [0xc9] = 5, [0xdb] = 5, [0xdd] = 5, [0xdf] = 5, /* bin, ext, str, array, map 32 */
};

static inline size_t header_length(uint8_t type)
{
    return header_lengths[type] ? header_lengths[type] : 1;
}

static uint64_t length_field(const uint8_t *header)
{
    uint64_t value = 0;
    for (size_t i = 1; i < header_length(header[0]); i++)
        value = value << 8 | header[i];
    return value;
}

/* What a complete header announces: payload bytes, or objects inside a container. */
struct announced {
    uint64_t payload;
    uint64_t objects;
    int container;
};

static struct announced read_header(const uint8_t *header)
{
    uint8_t type = header[0];
    if (type < 0x80 || type >= 0xe0) /* small integers */
        return (struct announced){0};
    if (type < 0x90)
        return (struct announced){.objects = 2u * (type & 0x0f), .container = 1};
    if (type < 0xa0)
        return (struct announced){.objects = type & 0x0f, .container = 1};
    if (type < 0xc0)
        return (struct announced){.payload = type & 0x1f};
    switch (type) {
    case 0xcc: /* uint 8, int 8 */
    case 0xd0:
        return (struct announced){.payload = 1};
    case 0xcd: /* uint 16, int 16 */
    case 0xd1:
        return (struct announced){.payload = 2};
    case 0xca: /* float 32, uint 32, int 32 */
    case 0xce:
    case 0xd2:
        return (struct announced){.payload = 4};
    case 0xcb: /* float 64, uint 64, int 64 */
    case 0xcf:
    case 0xd3:
        return (struct announced){.payload = 8};
    case 0xd4: /* fixext: a type byte and 1, 2, 4, 8 or 16 bytes */
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return (struct announced){.payload = 1 + (UINT64_C(1) << (type - 0xd4))};
    case 0xc7: /* ext: the type byte comes after the length */
    case 0xc8:
    case 0xc9:
        return (struct announced){.payload = 1 + length_field(header)};
    case 0xdc:
    case 0xdd:
        return (struct announced){.objects = length_field(header), .container = 1};
    case 0xde:
    case 0xdf:
        return (struct announced){.objects = 2 * length_field(header), .container = 1};
    default: /* nil, false, true without payload; bin and str with a length field */
        return (struct announced){.payload = length_field(header)};
    }
}

/* Takes account of a complete header, which is scanned. */
static int enter(struct lt_scanner *scanner, const uint8_t *header)
{
    if (header[0] == 0xc1)
        return LT_EMALFORMED;
    struct announced announced = read_header(header);
    /* Every object is at least one byte, so a count is also a number of bytes to come. */
    uint64_t room = scanner->bytes_max - scanner->scanned;
    if (announced.payload > room || announced.objects > room)
        return LT_ETOOLARGE;
    if (announced.objects > scanner->elements_max - scanner->elements)
        return LT_ETOOLARGE;
    if (announced.container && scanner->depth == LT_FRAME_DEPTH_MAX)
        return LT_ETOOLARGE;
    scanner->elements += (uint32_t)announced.objects;
    scanner->skip = announced.payload;
    if (announced.objects > 0)
        scanner->left[scanner->depth++] = announced.objects;
    return LT_OK;
}

/* An object that is not an open container has ended: closes every container that ends with it. Returns whether the
 * whole object has ended. */
static int leave(struct lt_scanner *scanner)
{
    while (scanner->depth > 0) {
        if (--scanner->left[scanner->depth - 1] > 0)
            return 0;
        scanner->depth--;
    }
    return 1;
}

/* The next header, complete and scanned: in `data` if it is there in one piece, otherwise gathered in the scanner.
 * NULL: more bytes are needed, or the limit is reached (`scanned` tells). */
static const uint8_t *take_header(struct lt_scanner *scanner, const uint8_t *data, size_t end)
{
    const uint8_t *next = data + scanner->scanned;
    size_t length = header_length(*next);
    if (scanner->header_bytes == 0 && length <= end - scanner->scanned) {
        scanner->scanned += length;
        return next;
    }
    while (scanner->scanned < end) {
        scanner->header[scanner->header_bytes++] = data[scanner->scanned++];
        if (scanner->header_bytes == header_length(scanner->header[0])) {
            scanner->header_bytes = 0;
            return scanner->header;
        }
    }
    return NULL;
}

int lt_scan(struct lt_scanner *scanner, const uint8_t *data, size_t size, size_t *ret_bytes)
{
    assert(scanner->scanned <= size);
    if (scanner->elements > scanner->elements_max)
        return LT_ETOOLARGE;
    size_t end = size < scanner->bytes_max ? size : scanner->bytes_max;
    for (;;) {
        if (scanner->scanned >= end)
            return scanner->scanned >= scanner->bytes_max ? LT_ETOOLARGE : LT_EBUSY;
        if (scanner->skip > 0) {
            size_t available = end - scanner->scanned;
            size_t skipped = scanner->skip < available ? (size_t)scanner->skip : available;
            scanner->scanned += skipped;
            scanner->skip -= skipped;
        } else {
            const uint8_t *header = take_header(scanner, data, end);
            if (!header)
                continue;
            uint32_t depth = scanner->depth;
            int error = enter(scanner, header);
            if (error)
                return error;
            if (scanner->depth > depth)
                continue;
        }
        if (scanner->skip == 0 && leave(scanner)) {
            *ret_bytes = scanner->scanned;
            begin(scanner);
            return LT_OK;
        }
    }
}
