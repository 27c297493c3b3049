/* A pack as a file, as it comes in from somebody: once as it is, and once with its checksums made right, so that what
 * is behind them is met as well. What is read keeps to what the manifest says. */
#include <sodium.h>
#include <string.h>

#include "storage/pack.h"
#include "tests/fuzz/file.h"

#define MOST ((uint64_t)1 << 20)
#define SUM 80 /* of the header: the body's checksum; storage/pack.h has the layout */
#define SEAL 112

static volatile uint8_t touched;

static void read_pack(const uint8_t *data, size_t size)
{
    struct lt_pack_reader *reader = NULL;
    struct lt_pack_manifest manifest;
    struct lt_error error = {0};
    char path[64];
    int file = file_of(data, size, path);
    int code = lt_pack_reader_create(file, MOST, &reader, &manifest, &error);
    require(code == LT_OK || (!reader && error.code == code && error.message[0]));
    if (reader) {
        uint64_t entries = 0, whole = 0;
        const uint8_t *content;
        uint8_t kind;
        size_t bytes = 0;
        require(manifest.whole_bytes <= MOST);
        while ((code = lt_pack_read(reader, &kind, &content, &bytes)) == LT_OK) {
            for (size_t i = 0; i < bytes; i++)
                touched = content[i]; /* all of it is there */
            entries++;
            whole += 4 + bytes;
        }
        require(code != LT_ENOTFOUND || (entries == manifest.entries && whole == manifest.whole_bytes));
        require(entries <= manifest.entries && whole <= manifest.whole_bytes);
        lt_pack_reader_destroy(reader);
    }
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_pack(data, size);
    if (size < LT_PACK_HEADER_BYTES)
        return 0;
    uint8_t *mended = malloc(size);
    require(mended != NULL);
    memcpy(mended, data, size);
    crypto_generichash(mended + SUM, 32, mended + LT_PACK_HEADER_BYTES, size - LT_PACK_HEADER_BYTES, NULL, 0);
    crypto_generichash(mended + SEAL, 32, mended, SEAL, NULL, 0);
    read_pack(mended, size);
    free(mended);
    return 0;
}
