#include "storage/documents.h"

#include <endian.h>
#include <string.h>

#include "proto/alloc.h"
#include "storage/sealed.h"
#include "storage/state.h"

#define VERSION_BYTES (2 * 4 + 7 * 8 + 32)
#define PART_HEAD_BYTES 16
#define SPACE_BYTES 5 /* in front of the names of a namespace that is not the public one */
#define KEY_BYTES_MAX (SPACE_BYTES + LT_DOCUMENT_NAME_MAX)
#define PART_KEY_BYTES_MAX (KEY_BYTES_MAX + 1 + 8)

static_assert(PART_KEY_BYTES_MAX <= 511, "LMDB takes keys of at most 511 bytes");

const struct lt_document_version *lt_document_version(const struct lt_document *document, uint32_t number)
{
    for (uint32_t i = document->count; i > 0; i--)
        if (number == 0 || document->versions[i - 1].number == number)
            return &document->versions[i - 1];
    return NULL;
}

/* --- keys --- */

static size_t space_key(uint32_t space, uint8_t *ret_key)
{
    uint32_t number = htobe32(space);
    if (space == 0)
        return 0;
    ret_key[0] = 0;
    memcpy(ret_key + 1, &number, sizeof number);
    return SPACE_BYTES;
}

static size_t document_key(uint32_t space, const char *name, uint8_t ret_key[KEY_BYTES_MAX])
{
    size_t begin = space_key(space, ret_key), bytes = strlen(name);
    memcpy(ret_key + begin, name, bytes);
    return begin + bytes;
}

static size_t part_key(uint32_t space, const char *name, uint32_t version, uint32_t number,
                       uint8_t ret_key[PART_KEY_BYTES_MAX])
{
    size_t bytes = document_key(space, name, ret_key);
    uint32_t numbers[2] = {htobe32(version), htobe32(number)};
    ret_key[bytes++] = 0;
    memcpy(ret_key + bytes, numbers, sizeof numbers);
    return bytes + sizeof numbers;
}

/* Whether a key is one of the namespace's. */
static bool is_of_space(const MDB_val *key, uint32_t space)
{
    uint8_t begin[SPACE_BYTES];
    size_t bytes = space_key(space, begin);
    const uint8_t *data = key->mv_data;
    return space ? key->mv_size > bytes && memcmp(data, begin, bytes) == 0 : key->mv_size > 0 && data[0] != 0;
}

/* --- documents --- */

static void write_version(uint8_t *at, const struct lt_document_version *version)
{
    const uint64_t counts[] = {version->created, version->bytes,   version->tokens, version->spans,
                               version->kept,    version->encoded, version->dropped};
    lt_put_u32(at, version->number);
    lt_put_u32(at + 4, version->parts);
    for (size_t i = 0; i < 7; i++)
        lt_put_u64(at + 8 + 8 * i, counts[i]);
    memcpy(at + 64, version->encoder, sizeof version->encoder);
}

static void read_version(const uint8_t *at, struct lt_document_version *version)
{
    uint64_t *const counts[] = {&version->created, &version->bytes,   &version->tokens, &version->spans,
                                &version->kept,    &version->encoded, &version->dropped};
    version->number = lt_take_u32(at);
    version->parts = lt_take_u32(at + 4);
    for (size_t i = 0; i < 7; i++)
        *counts[i] = lt_take_u64(at + 8 + 8 * i);
    memcpy(version->encoder, at + 64, sizeof version->encoder);
}

static int read_document(const MDB_val *name, const MDB_val *value, struct lt_document *ret_document)
{
    const uint8_t *content;
    size_t bytes;
    int code = lt_sealed_open(LT_SEALED_DOCUMENT, name->mv_data, name->mv_size, value->mv_data, value->mv_size,
                              &content, &bytes);
    if (code)
        return code;
    uint32_t count = bytes < 4 ? 0 : lt_take_u32(content);
    if (count == 0 || count > LT_DOCUMENT_VERSIONS_MAX || bytes != 4 + count * (size_t)VERSION_BYTES)
        return LT_ECORRUPT;
    ret_document->count = count;
    ret_document->checksum = lt_sealed_checksum(value->mv_data, value->mv_size);
    for (uint32_t i = 0; i < count; i++)
        read_version(content + 4 + i * (size_t)VERSION_BYTES, &ret_document->versions[i]);
    return LT_OK;
}

int lt_document_find(struct lt_store *store, uint32_t space, const char *name, struct lt_document *ret_document)
{
    uint8_t key_data[KEY_BYTES_MAX];
    MDB_txn *transaction;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    MDB_val key = {document_key(space, name, key_data), key_data}, value;
    code = lt_store_format_code(mdb_get(transaction, store->environment.documents, &key, &value));
    if (code == LT_OK)
        code = read_document(&key, &value, ret_document);
    mdb_txn_abort(transaction);
    return code;
}

static int next_document(MDB_cursor *cursor, uint32_t space, const char *after, char *ret_name,
                         struct lt_document *ret_document)
{
    uint8_t behind[KEY_BYTES_MAX + 1], begin[SPACE_BYTES];
    size_t bytes = document_key(space, after, behind), begin_bytes = space_key(space, begin);
    behind[bytes] = bytes == 0; /* the least key that comes behind it; those with a zero byte in front are others' */
    MDB_val key = {bytes + 1, behind}, value;
    int code = lt_store_format_code(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
    if (code)
        return code;
    if (!is_of_space(&key, space))
        return LT_ENOTFOUND;
    size_t name_bytes = key.mv_size - begin_bytes;
    if (name_bytes > LT_DOCUMENT_NAME_MAX)
        return LT_EIO;
    memcpy(ret_name, (const char *)key.mv_data + begin_bytes, name_bytes);
    ret_name[name_bytes] = '\0';
    return read_document(&key, &value, ret_document);
}

int lt_document_next(struct lt_store *store, uint32_t space, const char *after, char ret_name[LT_DOCUMENT_NAME_MAX + 1],
                     struct lt_document *ret_document)
{
    MDB_txn *transaction;
    MDB_cursor *cursor;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    code = lt_store_format_code(mdb_cursor_open(transaction, store->environment.documents, &cursor));
    if (code == LT_OK) {
        code = next_document(cursor, space, after, ret_name, ret_document);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(transaction);
    return code;
}

int lt_documents_used(struct lt_store *store, uint64_t *ret_bytes, uint64_t *ret_most)
{
    MDB_txn *transaction;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    code = lt_environment_documents_used(&store->environment, transaction, ret_bytes);
    mdb_txn_abort(transaction);
    *ret_most = store->options.budget_bytes / LT_DOCUMENTS_SHARE;
    return code;
}

int lt_document_put(struct lt_changes *changes, const char *name, const struct lt_document *document)
{
    size_t bytes = 4 + document->count * (size_t)VERSION_BYTES;
    uint8_t key[KEY_BYTES_MAX], *value;
    size_t key_bytes = document_key(lt_changes_space(changes), name, key);
    int code = lt_changes_put(changes, LT_DATABASE_DOCUMENTS, key, key_bytes, LT_SEALED_BYTES(bytes), &value);
    if (code)
        return code;
    uint8_t *content = value + LT_SEALED_HEAD_BYTES;
    lt_put_u32(content, document->count);
    for (uint32_t i = 0; i < document->count; i++)
        write_version(content + 4 + i * (size_t)VERSION_BYTES, &document->versions[i]);
    lt_sealed_close(LT_SEALED_DOCUMENT, key, key_bytes, value, bytes);
    return LT_OK;
}

int lt_document_expect(struct lt_changes *changes, const char *name, const struct lt_document *document)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t bytes = document_key(lt_changes_space(changes), name, key);
    return lt_changes_expect(changes, LT_DATABASE_DOCUMENTS, key, bytes, document->checksum);
}

/* --- parts --- */

static size_t content_bytes(const struct lt_document_part *part)
{
    return PART_HEAD_BYTES + part->spans * (sizeof *part->keys + 1) + part->tokens * sizeof *part->ids + part->bytes;
}

/* Copies the content, so that its numbers are aligned and outlive the transaction. */
static int read_part(const uint8_t *content, size_t bytes, struct lt_document_part *ret_part)
{
    if (bytes < PART_HEAD_BYTES)
        return LT_ECORRUPT;
    struct lt_document_part part = {
        .spans = lt_take_u32(content), .tokens = lt_take_u32(content + 4), .bytes = lt_take_u32(content + 8)};
    if (bytes != content_bytes(&part))
        return LT_ECORRUPT;
    uint8_t *memory = lt_malloc(bytes);
    if (!memory)
        return LT_ENOMEM;
    memcpy(memory, content, bytes);
    uint32_t *ids = (uint32_t *)(memory + PART_HEAD_BYTES + part.spans * sizeof *part.keys);
    for (uint32_t i = 0; i < part.tokens; i++)
        ids[i] = le32toh(ids[i]);
    part.memory = memory;
    part.keys = (struct lt_span_key *)(memory + PART_HEAD_BYTES);
    part.ids = ids;
    part.lengths = (uint8_t *)(ids + part.tokens);
    part.text = (char *)(part.lengths + part.spans);
    uint64_t total = 0;
    for (uint32_t i = 0; i < part.spans; i++)
        total += part.lengths[i];
    if (total != part.tokens) {
        lt_document_part_finish(&part);
        return LT_ECORRUPT;
    }
    *ret_part = part;
    return LT_OK;
}

int lt_document_part_read(struct lt_store *store, uint32_t space, const char *name, uint32_t version, uint32_t number,
                          struct lt_document_part *ret_part)
{
    uint8_t key_data[PART_KEY_BYTES_MAX];
    MDB_txn *transaction;
    MDB_val key = {part_key(space, name, version, number, key_data), key_data}, value;
    const uint8_t *content;
    size_t bytes;
    int code = lt_store_format_code(mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &transaction));
    if (code)
        return code;
    code = lt_store_format_code(mdb_get(transaction, store->environment.parts, &key, &value));
    if (code == LT_OK)
        code = lt_sealed_open(LT_SEALED_PART, key.mv_data, key.mv_size, value.mv_data, value.mv_size, &content, &bytes);
    if (code == LT_OK)
        code = read_part(content, bytes, ret_part);
    mdb_txn_abort(transaction);
    return code;
}

void lt_document_part_finish(struct lt_document_part *part)
{
    lt_free(part->memory);
    *part = (struct lt_document_part){0};
}

int lt_document_part_put(struct lt_changes *changes, const char *name, uint32_t version, uint32_t number,
                         const struct lt_document_part *part)
{
    uint8_t key[PART_KEY_BYTES_MAX];
    size_t key_bytes = part_key(lt_changes_space(changes), name, version, number, key), bytes = content_bytes(part);
    uint8_t *value;
    int code = lt_changes_put(changes, LT_DATABASE_PARTS, key, key_bytes, LT_SEALED_BYTES(bytes), &value);
    if (code)
        return code;
    uint8_t *at = value + LT_SEALED_HEAD_BYTES;
    lt_put_u32(at, part->spans);
    lt_put_u32(at + 4, part->tokens);
    lt_put_u32(at + 8, part->bytes);
    lt_put_u32(at + 12, 0);
    at = mempcpy(at + PART_HEAD_BYTES, part->keys, part->spans * sizeof *part->keys);
    for (uint32_t i = 0; i < part->tokens; i++, at += 4)
        lt_put_u32(at, part->ids[i]);
    at = mempcpy(at, part->lengths, part->spans);
    memcpy(at, part->text, part->bytes);
    lt_sealed_close(LT_SEALED_PART, key, key_bytes, value, bytes);
    return LT_OK;
}

int lt_document_remove_parts(struct lt_changes *changes, const char *name, const struct lt_document_version *version)
{
    int code = LT_OK;
    for (uint32_t number = 0; number < version->parts && code == LT_OK; number++) {
        uint8_t key[PART_KEY_BYTES_MAX];
        size_t bytes = part_key(lt_changes_space(changes), name, version->number, number, key);
        code = lt_changes_remove(changes, LT_DATABASE_PARTS, key, bytes);
    }
    return code;
}

int lt_document_remove(struct lt_changes *changes, const char *name, const struct lt_document *document)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t bytes = document_key(lt_changes_space(changes), name, key);
    int code = lt_changes_remove(changes, LT_DATABASE_DOCUMENTS, key, bytes);
    for (uint32_t i = 0; i < document->count && code == LT_OK; i++)
        code = lt_document_remove_parts(changes, name, &document->versions[i]);
    return code;
}

/* --- a namespace --- */

static int empty(MDB_txn *transaction, MDB_dbi database, uint32_t space, uint64_t most, uint64_t *removed)
{
    MDB_cursor *cursor;
    uint8_t begin[SPACE_BYTES];
    int code = lt_store_format_code(mdb_cursor_open(transaction, database, &cursor));
    if (code)
        return code;
    while (*removed < most) {
        MDB_val key = {space_key(space, begin), begin}, value;
        code = lt_store_format_code(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
        if (code || !is_of_space(&key, space))
            break;
        code = lt_store_format_code(mdb_cursor_del(cursor, 0));
        if (code)
            break;
        ++*removed;
    }
    mdb_cursor_close(cursor);
    return code == LT_ENOTFOUND ? LT_OK : code;
}

int lt_documents_empty(const struct lt_environment *environment, MDB_txn *transaction, uint32_t space, uint64_t most,
                       uint64_t *ret_removed)
{
    *ret_removed = 0;
    int code = empty(transaction, environment->parts, space, most, ret_removed);
    return code ? code : empty(transaction, environment->documents, space, most, ret_removed);
}
