/* What lies in the store for a document: written there under a right checksum, through the store itself, and read. The
 * first byte says whether the rest is a document or a part of one. What is read is refused as corrupt, or hangs
 * together. */
#include <ftw.h>
#include <string.h>

#include "storage/changes.h"
#include "storage/documents.h"
#include "storage/sealed.h"
#include "tests/fuzz/file.h"

static const char name[] = "name";
static const uint8_t part_key[] = "name\0\0\0\0\1\0\0\0"; /* and a zero byte: version 1, part 0 */
static char folder[] = "/tmp/fuzz-document-XXXXXX";

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct lt_store *the_store(void)
{
    static struct lt_store *store;
    struct lt_error error;
    const struct lt_store_options options = {.path = folder,
                                             .budget_bytes = 16 << 20,
                                             .durability = LT_DURABILITY_RELAXED,
                                             .commit_milliseconds = 1,
                                             .commit_bytes = 1 << 20};
    if (!store) {
        require(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
        require(lt_store_open(&options, &store, &error) == LT_OK);
    }
    return store;
}

static void write_value(struct lt_store *store, enum lt_database database, enum lt_sealed_kind kind, const void *key,
                        size_t key_bytes, const uint8_t *content, size_t bytes)
{
    struct lt_changes *changes = lt_changes_create(0);
    uint8_t *value;
    require(changes && lt_changes_put(changes, database, key, key_bytes, LT_SEALED_BYTES(bytes), &value) == LT_OK);
    memcpy(value + LT_SEALED_HEAD_BYTES, content, bytes);
    lt_sealed_close(kind, key, key_bytes, value, bytes);
    lt_store_change(store, changes, NULL, NULL);
    require(lt_store_flush(store) == LT_OK);
}

static void read_document(struct lt_store *store)
{
    struct lt_document document, same;
    char found[LT_DOCUMENT_NAME_MAX + 1];
    int code = lt_document_find(store, 0, name, &document);
    require(code == LT_OK || code == LT_ECORRUPT);
    require(lt_document_next(store, 0, "", found, &same) == code && strcmp(found, name) == 0);
    if (code)
        return;
    require(document.count >= 1 && document.count <= LT_DOCUMENT_VERSIONS_MAX);
    require(lt_document_version(&document, 0) == &document.versions[document.count - 1]);
}

static volatile uint8_t touched; /* all that is read is there */

static void read_part(struct lt_store *store)
{
    struct lt_document_part part;
    int code = lt_document_part_read(store, 0, name, 1, 0, &part);
    require(code == LT_OK || code == LT_ECORRUPT);
    if (code)
        return;
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < part.spans; i++) {
        tokens += part.lengths[i];
        touched = part.keys[i].bytes[LT_SPAN_KEY_BYTES - 1];
    }
    for (uint32_t i = 0; i < part.tokens; i++)
        touched = (uint8_t)part.ids[i];
    for (uint32_t i = 0; i < part.bytes; i++)
        touched = (uint8_t)part.text[i];
    require(tokens == part.tokens);
    lt_document_part_finish(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lt_store *store = the_store();
    if (size == 0)
        return 0;
    if (data[0] & 1) {
        write_value(store, LT_DATABASE_PARTS, LT_SEALED_PART, part_key, sizeof part_key, data + 1, size - 1);
        read_part(store);
    } else {
        write_value(store, LT_DATABASE_DOCUMENTS, LT_SEALED_DOCUMENT, name, sizeof name - 1, data + 1, size - 1);
        read_document(store);
    }
    return 0;
}
