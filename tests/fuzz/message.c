/* What a client sends on a socket: the scanner, byte by byte and at once, and the decoder of requests. */
#include "proto/messages.h"
#include "proto/scanner.h"
#include "tests/fuzz/target.h"

/* Bytes up to the end of the first object, or an error's code; the pieces that come are `step` bytes long. */
static long scan(const uint8_t *data, size_t size, size_t step)
{
    struct lt_scanner scanner;
    size_t bytes = 0;
    int code = LT_EBUSY;
    lt_scanner_init(&scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    for (size_t come = step; code == LT_EBUSY && come < size + step; come += step)
        code = lt_scan(&scanner, data, come < size ? come : size, &bytes);
    return code ? code : (long)bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lt_request *request;
    struct lt_error error = {0};
    uint32_t id;
    bool id_known;
    long bytes = size ? scan(data, size, size) : LT_EBUSY;
    require(!size || scan(data, size, 1) == bytes);
    if (bytes <= 0)
        return 0;
    require((size_t)bytes <= size);
    int code = lt_request_decode(data, (size_t)bytes, &request, &id, &id_known, &error);
    require(code == LT_OK || (error.code == code && error.message[0]));
    if (code == LT_OK)
        lt_request_destroy(request);
    return 0;
}
