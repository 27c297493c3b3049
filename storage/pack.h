/* Packs: latents in one file, and documents made of them, to be carried to another machine. What is in it is bound to
 * one encoder and to nothing else: records are keyed as in the public namespace, so a pack tells neither salts nor keys
 * of where it comes from, and whoever takes it keys them anew.
 *
 *   offset   bytes   field
 *   0        4       magic "LTPK"
 *   4        4       version, 1
 *   8        8       created: seconds since the epoch
 *   16       8       n, entries of the body
 *   24       8       bytes of the body before compression
 *   32       8       b, bytes of the body
 *   40       32      encoder fingerprint
 *   72       4       type of all latents (enum lt_latent_type)
 *   76       4       dimension of all latents
 *   80       32      BLAKE2b-256 of the body
 *   112      32      BLAKE2b-256 of all bytes before it
 *   144      b       body: one zstd frame of n entries
 *
 * An entry is a kind (u8), the bytes of its content (u24), and the content. Kinds are
 *
 *   1   latent: a record of namespace 0 (proto/record.h)
 *   2   document: u32 bytes of its text, then its name
 *   3   text: a piece of that of the document before, of 64 KiB at most; it may end anywhere
 *
 * A document goes as its text: whoever takes it cuts it into spans himself, and need not believe what they were. An
 * entry of any other kind is of a later version. Numbers are little-endian.
 *
 * Both sides go through a file with buffers of fixed size. One thread at a time. */
#ifndef LT_STORAGE_PACK_H
#define LT_STORAGE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/record.h"

#define LT_PACK_VERSION 1
#define LT_PACK_HEADER_BYTES 144
#define LT_PACK_ENTRY_BYTES_MAX ((size_t)64 << 10)
#define LT_PACK_DOCUMENT_HEAD_BYTES 4 /* in front of the name */

enum lt_pack_kind { LT_PACK_LATENT = 1, LT_PACK_DOCUMENT = 2, LT_PACK_TEXT = 3 };

struct lt_pack_manifest {
    uint64_t created;
    uint64_t entries;
    uint64_t whole_bytes; /* of the body before compression */
    uint64_t body_bytes;
    uint8_t encoder[32];
    enum lt_latent_type type;
    uint32_t dimension;
};

struct lt_pack_writer;
struct lt_pack_reader;

/* Begins a pack at the start of an empty file, which stays the caller's. Of the manifest encoder, type and dimension
 * are used. LT_ENOMEM. */
int lt_pack_writer_create(int file, const struct lt_pack_manifest *manifest, struct lt_pack_writer **ret_writer);
void lt_pack_writer_destroy(struct lt_pack_writer *writer);

/* Adds an entry. LT_EFULL: the disk is; LT_EIO. */
int lt_pack_write(struct lt_pack_writer *writer, uint8_t kind, const void *content, size_t bytes);

/* Ends the pack; its manifest is whole then. LT_EFULL, LT_EIO. */
int lt_pack_writer_finish(struct lt_pack_writer *writer, struct lt_pack_manifest *ret_manifest);

/* Opens a pack and checks all but its entries: that it is one, of this version, complete and unchanged, and that its
 * body is not of more than `most` bytes before compression. LT_ECORRUPT, LT_EFORMAT, LT_ETOOLARGE, LT_EIO, LT_ENOMEM;
 * `error` says which. */
int lt_pack_reader_create(int file, uint64_t most, struct lt_pack_reader **ret_reader,
                          struct lt_pack_manifest *ret_manifest, struct lt_error *error);
void lt_pack_reader_destroy(struct lt_pack_reader *reader);

/* Goes back to the first entry. */
void lt_pack_rewind(struct lt_pack_reader *reader);

/* The next entry; its content is valid until the next call. LT_ENOTFOUND at the end, if as many were there as the
 * manifest says; LT_ECORRUPT, LT_EIO. */
int lt_pack_read(struct lt_pack_reader *reader, uint8_t *ret_kind, const uint8_t **ret_content, size_t *ret_bytes);

#endif
