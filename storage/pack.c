#include "storage/pack.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "proto/alloc.h"

#define PIECE ((size_t)128 << 10)
#define LEVEL 3
#define WINDOW_LOG_MAX 23 /* of zstd: memory that a reader needs, as a power of two */
#define ENTRY_HEAD 4

enum {
    CREATED = 8,
    ENTRIES = 16,
    WHOLE = 24,
    BODY = 32,
    ENCODER = 40,
    TYPE = 72,
    DIMENSION = 76,
    SUM = 80,
    SEAL = 112
};

static_assert(LT_PACK_ENTRY_BYTES_MAX >= LT_RECORD_BYTES_MAX, "a record must fit an entry");
static_assert(SEAL + 32 == LT_PACK_HEADER_BYTES, "the header ends with its own sum");

static const uint8_t MAGIC[4] = {'L', 'T', 'P', 'K'};

static void store_u32(uint8_t *bytes, uint32_t value)
{
    value = htole32(value);
    memcpy(bytes, &value, sizeof value);
}

static void store_u64(uint8_t *bytes, uint64_t value)
{
    value = htole64(value);
    memcpy(bytes, &value, sizeof value);
}

static uint32_t load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

static uint64_t load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return le64toh(value);
}

static void seal(const uint8_t *header, uint8_t *ret_sum)
{
    crypto_generichash(ret_sum, 32, header, SEAL, NULL, 0);
}

/* --- writing --- */

struct lt_pack_writer {
    int file;
    struct lt_pack_manifest manifest;
    ZSTD_CCtx *zstd;
    crypto_generichash_state sum;
    uint8_t out[PIECE];
};

int lt_pack_writer_create(int file, const struct lt_pack_manifest *manifest, struct lt_pack_writer **ret_writer)
{
    struct lt_pack_writer *writer = lt_calloc(1, sizeof *writer);
    if (!writer)
        return LT_ENOMEM;
    writer->file = file;
    writer->manifest = *manifest;
    writer->manifest.created = (uint64_t)time(NULL);
    writer->manifest.entries = writer->manifest.whole_bytes = writer->manifest.body_bytes = 0;
    writer->zstd = ZSTD_createCCtx();
    if (!writer->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, LEVEL))) {
        lt_pack_writer_destroy(writer);
        return LT_ENOMEM;
    }
    crypto_generichash_init(&writer->sum, NULL, 0, 32);
    *ret_writer = writer;
    return LT_OK;
}

void lt_pack_writer_destroy(struct lt_pack_writer *writer)
{
    if (writer)
        ZSTD_freeCCtx(writer->zstd);
    lt_free(writer);
}

static int write_at(int file, const uint8_t *data, size_t bytes, uint64_t offset)
{
    while (bytes) {
        ssize_t written = pwrite(file, data, bytes, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno == ENOSPC || errno == EDQUOT ? LT_EFULL : LT_EIO;
        data += written;
        bytes -= (size_t)written;
        offset += (uint64_t)written;
    }
    return LT_OK;
}

/* Compresses what is there and writes what comes out. */
static int compress(struct lt_pack_writer *writer, const void *data, size_t bytes, ZSTD_EndDirective directive)
{
    ZSTD_inBuffer in = {data, bytes, 0};
    size_t left = 1;
    while (in.pos < in.size || (directive == ZSTD_e_end && left)) {
        ZSTD_outBuffer out = {writer->out, sizeof writer->out, 0};
        left = ZSTD_compressStream2(writer->zstd, &out, &in, directive);
        if (ZSTD_isError(left))
            return LT_ENOMEM; /* nothing else can go wrong here */
        int code = write_at(writer->file, writer->out, out.pos, LT_PACK_HEADER_BYTES + writer->manifest.body_bytes);
        if (code)
            return code;
        crypto_generichash_update(&writer->sum, writer->out, out.pos);
        writer->manifest.body_bytes += out.pos;
    }
    return LT_OK;
}

int lt_pack_write(struct lt_pack_writer *writer, uint8_t kind, const void *content, size_t bytes)
{
    uint8_t head[ENTRY_HEAD];
    assert(bytes <= LT_PACK_ENTRY_BYTES_MAX);
    store_u32(head, (uint32_t)bytes << 8 | kind);
    int code = compress(writer, head, sizeof head, ZSTD_e_continue);
    if (code == LT_OK)
        code = compress(writer, content, bytes, ZSTD_e_continue);
    writer->manifest.entries++;
    writer->manifest.whole_bytes += sizeof head + bytes;
    return code;
}

int lt_pack_writer_finish(struct lt_pack_writer *writer, struct lt_pack_manifest *ret_manifest)
{
    uint8_t header[LT_PACK_HEADER_BYTES] = {0};
    int code = compress(writer, NULL, 0, ZSTD_e_end);
    const struct lt_pack_manifest *manifest = &writer->manifest;
    memcpy(header, MAGIC, sizeof MAGIC);
    store_u32(header + sizeof MAGIC, LT_PACK_VERSION);
    store_u64(header + CREATED, manifest->created);
    store_u64(header + ENTRIES, manifest->entries);
    store_u64(header + WHOLE, manifest->whole_bytes);
    store_u64(header + BODY, manifest->body_bytes);
    memcpy(header + ENCODER, manifest->encoder, sizeof manifest->encoder);
    store_u32(header + TYPE, manifest->type);
    store_u32(header + DIMENSION, manifest->dimension);
    crypto_generichash_final(&writer->sum, header + SUM, 32);
    seal(header, header + SEAL);
    if (code == LT_OK)
        code = write_at(writer->file, header, sizeof header, 0);
    if (code == LT_OK)
        *ret_manifest = *manifest;
    return code;
}

/* --- reading --- */

struct lt_pack_reader {
    int file;
    struct lt_pack_manifest manifest;
    ZSTD_DCtx *zstd;
    uint64_t body_read, entries_read, whole_read;
    bool ended; /* the frame is complete */
    ZSTD_inBuffer compressed;
    uint8_t in[PIECE];
    uint8_t entry[LT_PACK_ENTRY_BYTES_MAX];
};

static int read_at(int file, uint8_t *data, size_t bytes, uint64_t offset, size_t *ret_bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(file, data + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return LT_EIO;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_bytes = done;
    return LT_OK;
}

static int read_header(int file, uint8_t *header, struct lt_pack_manifest *ret_manifest, struct lt_error *error)
{
    uint8_t sum[32];
    size_t bytes = 0;
    int code = read_at(file, header, LT_PACK_HEADER_BYTES, 0, &bytes);
    if (code)
        return lt_fail_code(error, code);
    if (bytes < sizeof MAGIC || memcmp(header, MAGIC, sizeof MAGIC) != 0)
        return lt_fail(error, LT_ECORRUPT, "this is no pack of latents");
    if (bytes < LT_PACK_HEADER_BYTES)
        return lt_fail(error, LT_ECORRUPT, "the pack is cut off: it has not even its head");
    if (load_u32(header + sizeof MAGIC) != LT_PACK_VERSION)
        return lt_fail(error, LT_EFORMAT, "the pack has version %u; this latentd reads version %d",
                       load_u32(header + sizeof MAGIC), LT_PACK_VERSION);
    seal(header, sum);
    if (sodium_memcmp(sum, header + SEAL, sizeof sum) != 0)
        return lt_fail(error, LT_ECORRUPT, "the pack is damaged: its head does not fit its checksum");
    *ret_manifest = (struct lt_pack_manifest){.created = load_u64(header + CREATED),
                                              .entries = load_u64(header + ENTRIES),
                                              .whole_bytes = load_u64(header + WHOLE),
                                              .body_bytes = load_u64(header + BODY),
                                              .type = (enum lt_latent_type)load_u32(header + TYPE),
                                              .dimension = load_u32(header + DIMENSION)};
    memcpy(ret_manifest->encoder, header + ENCODER, sizeof ret_manifest->encoder);
    return LT_OK;
}

/* Reads the whole body for its sum. */
static int check_body(struct lt_pack_reader *reader, const uint8_t *header, struct lt_error *error)
{
    crypto_generichash_state state;
    uint8_t sum[32], more;
    size_t bytes = 0;
    uint64_t done = 0, whole = reader->manifest.body_bytes;
    crypto_generichash_init(&state, NULL, 0, sizeof sum);
    while (done < whole) {
        size_t wanted = whole - done < PIECE ? (size_t)(whole - done) : PIECE;
        int code = read_at(reader->file, reader->in, wanted, LT_PACK_HEADER_BYTES + done, &bytes);
        if (code)
            return lt_fail_code(error, code);
        if (bytes < wanted)
            return lt_fail(error, LT_ECORRUPT, "the pack is cut off: its body has %llu of %llu bytes",
                           (unsigned long long)(done + bytes), (unsigned long long)whole);
        crypto_generichash_update(&state, reader->in, bytes);
        done += bytes;
    }
    crypto_generichash_final(&state, sum, sizeof sum);
    if (sodium_memcmp(sum, header + SUM, sizeof sum) != 0)
        return lt_fail(error, LT_ECORRUPT, "the pack is damaged: its body does not fit its checksum");
    int code = read_at(reader->file, &more, 1, LT_PACK_HEADER_BYTES + whole, &bytes);
    if (code == LT_OK && bytes)
        return lt_fail(error, LT_ECORRUPT, "there is something behind the end of the pack");
    return code ? lt_fail_code(error, code) : LT_OK;
}

int lt_pack_reader_create(int file, uint64_t most, struct lt_pack_reader **ret_reader,
                          struct lt_pack_manifest *ret_manifest, struct lt_error *error)
{
    uint8_t header[LT_PACK_HEADER_BYTES];
    struct lt_pack_reader *reader = lt_calloc(1, sizeof *reader);
    if (!reader)
        return lt_fail_code(error, LT_ENOMEM);
    reader->file = file;
    int code = read_header(file, header, &reader->manifest, error);
    if (code == LT_OK && reader->manifest.whole_bytes > most)
        code = lt_fail(error, LT_ETOOLARGE, "the pack has %llu bytes of latents; the most that can be taken is %llu",
                       (unsigned long long)reader->manifest.whole_bytes, (unsigned long long)most);
    if (code == LT_OK)
        code = check_body(reader, header, error);
    if (code == LT_OK) {
        reader->zstd = ZSTD_createDCtx();
        if (!reader->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(reader->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
            code = lt_fail_code(error, LT_ENOMEM);
    }
    if (code) {
        lt_pack_reader_destroy(reader);
        return code;
    }
    lt_pack_rewind(reader);
    *ret_reader = reader;
    *ret_manifest = reader->manifest;
    return LT_OK;
}

void lt_pack_reader_destroy(struct lt_pack_reader *reader)
{
    if (reader)
        ZSTD_freeDCtx(reader->zstd);
    lt_free(reader);
}

void lt_pack_rewind(struct lt_pack_reader *reader)
{
    ZSTD_DCtx_reset(reader->zstd, ZSTD_reset_session_only);
    reader->body_read = reader->entries_read = reader->whole_read = 0;
    reader->ended = false;
    reader->compressed = (ZSTD_inBuffer){reader->in, 0, 0};
}

static int refill(struct lt_pack_reader *reader)
{
    uint64_t left = reader->manifest.body_bytes - reader->body_read;
    size_t wanted = left < PIECE ? (size_t)left : PIECE, bytes = 0;
    int code = read_at(reader->file, reader->in, wanted, LT_PACK_HEADER_BYTES + reader->body_read, &bytes);
    reader->body_read += bytes;
    reader->compressed = (ZSTD_inBuffer){reader->in, bytes, 0};
    return code == LT_OK && !bytes ? LT_ECORRUPT : code;
}

/* Fills `data`; anything less is corrupt, and so is more than the manifest promised. */
static int take(struct lt_pack_reader *reader, uint8_t *data, size_t bytes)
{
    ZSTD_outBuffer out = {data, bytes, 0};
    if (bytes > reader->manifest.whole_bytes - reader->whole_read)
        return LT_ECORRUPT;
    while (out.pos < out.size) {
        int code = !reader->ended && reader->compressed.pos == reader->compressed.size ? refill(reader) : LT_OK;
        if (code)
            return code;
        if (reader->ended)
            return LT_ECORRUPT;
        size_t left = ZSTD_decompressStream(reader->zstd, &out, &reader->compressed);
        if (ZSTD_isError(left))
            return LT_ECORRUPT;
        reader->ended = left == 0;
    }
    reader->whole_read += bytes;
    return LT_OK;
}

int lt_pack_read(struct lt_pack_reader *reader, uint8_t *ret_kind, const uint8_t **ret_content, size_t *ret_bytes)
{
    uint8_t head[ENTRY_HEAD];
    const struct lt_pack_manifest *manifest = &reader->manifest;
    if (reader->entries_read == manifest->entries)
        return reader->whole_read == manifest->whole_bytes ? LT_ENOTFOUND : LT_ECORRUPT;
    int code = take(reader, head, sizeof head);
    if (code)
        return code;
    size_t bytes = load_u32(head) >> 8;
    if (bytes > LT_PACK_ENTRY_BYTES_MAX)
        return LT_ECORRUPT;
    code = take(reader, reader->entry, bytes);
    if (code)
        return code;
    reader->entries_read++;
    *ret_kind = head[0];
    *ret_content = reader->entry;
    *ret_bytes = bytes;
    return LT_OK;
}
