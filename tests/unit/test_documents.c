/* Documents in the store: versions and parts, all or nothing, room and the lack of it, damage, refined latents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <lmdb.h>

#include "storage/documents.h"
#include "storage/namespaces.h"
#include "storage/refined.h"
#include "store_folder.h"

#define SPANS 40

static void note_code(void *context, int code)
{
    *(int *)context = code;
}

/* Submits and waits. */
static int write_changes(struct lt_store *store, struct lt_changes *changes)
{
    int code = 1;
    lt_store_change(store, changes, note_code, &code);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_not_equal(code, 1); /* it was said before the flush returned */
    return code;
}

/* Two parts of SPANS spans of two tokens each, and a text of so many bytes each. */
static void add_version(struct lt_changes *changes, const char *name, uint32_t number, struct lt_document *document,
                        size_t text_bytes)
{
    struct lt_span_key keys[SPANS];
    uint32_t ids[2 * SPANS];
    uint8_t lengths[SPANS];
    char *text = malloc(text_bytes);
    memset(text, 'a' + (int)number % 26, text_bytes);
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t i = 0; i < SPANS; i++) {
            keys[i] = key_of(number * 1000 + part * 100 + i);
            ids[2 * i] = ids[2 * i + 1] = number + i;
            lengths[i] = 2;
        }
        const struct lt_document_part content = {.spans = SPANS,
                                                 .tokens = 2 * SPANS,
                                                 .bytes = (uint32_t)text_bytes,
                                                 .keys = keys,
                                                 .ids = ids,
                                                 .lengths = lengths,
                                                 .text = text};
        assert_int_equal(lt_document_part_put(changes, name, number, part, &content), LT_OK);
    }
    document->versions[document->count++] = (struct lt_document_version){.number = number,
                                                                         .parts = 2,
                                                                         .created = 1000 + number,
                                                                         .bytes = 2 * text_bytes,
                                                                         .tokens = 4 * SPANS,
                                                                         .spans = 2 * SPANS,
                                                                         .kept = 3,
                                                                         .encoded = 4,
                                                                         .dropped = 5,
                                                                         .encoder = {number & 255}};
    assert_int_equal(lt_document_put(changes, name, document), LT_OK);
    free(text);
}

static int put_version(struct lt_store *store, const char *name, uint32_t number, struct lt_document *document,
                       size_t text_bytes)
{
    struct lt_changes *changes = lt_changes_create(0);
    add_version(changes, name, number, document, text_bytes);
    return write_changes(store, changes);
}

static void check_version(struct lt_store *store, const char *name, uint32_t number, size_t text_bytes)
{
    struct lt_document document;
    struct lt_document_part part;
    assert_int_equal(lt_document_find(store, 0, name, &document), LT_OK);
    const struct lt_document_version *version = lt_document_version(&document, number);
    assert_non_null(version);
    assert_int_equal(version->bytes, 2 * text_bytes);
    assert_int_equal(version->created, 1000 + number);
    assert_int_equal(version->encoder[0], number);
    for (uint32_t i = 0; i < version->parts; i++) {
        struct lt_span_key key = key_of(number * 1000 + i * 100 + 7);
        assert_int_equal(lt_document_part_read(store, 0, name, number, i, &part), LT_OK);
        assert_int_equal(part.spans, SPANS);
        assert_int_equal(part.ids[15], number + 7);
        assert_memory_equal(&part.keys[7], &key, sizeof key);
        assert_int_equal(part.lengths[SPANS - 1], 2);
        assert_int_equal(part.text[text_bytes - 1], 'a' + (int)number % 26);
        lt_document_part_finish(&part);
    }
    assert_int_equal(lt_document_part_read(store, 0, name, number, version->parts, &part), LT_ENOTFOUND);
}

static void versions_are_there_after_reopening(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 0);
    struct lt_document document = {0};
    assert_int_equal(lt_document_find(store, 0, "a", &document), LT_ENOTFOUND);
    for (uint32_t number = 1; number <= 3; number++)
        assert_int_equal(put_version(store, "a", number, &document, 100 * number), LT_OK);
    lt_store_close(store);
    store = open_with(64 << 20, 0);
    for (uint32_t number = 1; number <= 3; number++)
        check_version(store, "a", number, 100 * number);
    assert_int_equal(lt_document_find(store, 0, "a", &document), LT_OK);
    assert_int_equal(lt_document_version(&document, 0)->number, 3);
    assert_null(lt_document_version(&document, 4));
    lt_store_close(store);
}

static void names_come_in_their_order(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a/b", "ab", "b", "\xc3\xa4"};
    struct lt_store *store = open_with(64 << 20, 0);
    for (size_t i = 5; i > 0; i--) {
        struct lt_document document = {0};
        assert_int_equal(put_version(store, names[i - 1], (uint32_t)i, &document, 10), LT_OK);
    }
    char name[LT_DOCUMENT_NAME_MAX + 1] = "";
    for (size_t i = 0; i < 5; i++) {
        struct lt_document document;
        assert_int_equal(lt_document_next(store, 0, name, name, &document), LT_OK);
        assert_string_equal(name, names[i]);
        assert_int_equal(document.versions[0].number, i + 1);
    }
    assert_int_equal(lt_document_next(store, 0, name, name, &(struct lt_document){0}), LT_ENOTFOUND);
    lt_store_close(store);
}

static void removing_takes_all_of_it(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 0);
    struct lt_document document = {0}, neighbour = {0};
    struct lt_document_part part;
    uint64_t before, after, most;
    assert_int_equal(put_version(store, "ab", 1, &neighbour, 10), LT_OK);
    assert_int_equal(lt_documents_used(store, &before, &most), LT_OK);
    assert_int_equal(most, 32 << 20);
    for (uint32_t number = 1; number <= 2; number++)
        assert_int_equal(put_version(store, "a", number, &document, 100000), LT_OK);
    struct lt_changes *changes = lt_changes_create(0);
    assert_int_equal(lt_document_remove(changes, "a", &document), LT_OK);
    assert_int_equal(write_changes(store, changes), LT_OK);
    assert_int_equal(lt_document_find(store, 0, "a", &document), LT_ENOTFOUND);
    assert_int_equal(lt_document_part_read(store, 0, "a", 2, 0, &part), LT_ENOTFOUND);
    assert_int_equal(lt_documents_used(store, &after, &most), LT_OK);
    assert_int_equal(after, before);
    check_version(store, "ab", 1, 10);
    lt_store_close(store);
}

static int put_latent(struct lt_store *store, uint32_t number)
{
    uint16_t payload[DIMENSION] = {(uint16_t)number};
    const struct lt_latent latent = {.key = key_of(number),
                                     .type = LT_LATENT_F16,
                                     .dimension = DIMENSION,
                                     .token_count = 1,
                                     .tokens = &number,
                                     .payload = payload};
    return lt_store_put(store, &latent, 1, NULL);
}

static enum lt_lookup get_latent(struct lt_store *store, uint32_t number)
{
    uint16_t payload[DIMENSION];
    enum lt_lookup lookup;
    struct lt_latent latent = {
        .key = key_of(number), .type = LT_LATENT_F16, .dimension = DIMENSION, .payload = payload};
    assert_int_equal(lt_store_get(store, &latent, 1, &lookup), LT_OK);
    return lookup;
}

struct witness {
    struct lt_store *store;
    uint32_t latents;
    int code, on_disk;
};

/* Called when the changes are written: how many latents are, too. */
static void count_on_disk(void *context, int code)
{
    struct witness *witness = context;
    struct lt_store_stats stats;
    lt_store_stats(witness->store, &stats);
    witness->code = code;
    witness->on_disk = (int)(stats.entries - stats.waiting);
}

static void changes_come_after_the_latents_before_them(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 0);
    struct witness witness = {.store = store, .latents = 20000, .code = 1}; /* three groups */
    for (uint32_t number = 0; number < witness.latents; number++)
        assert_int_equal(put_latent(store, number), LT_OK);
    struct lt_document document = {0};
    struct lt_changes *changes = lt_changes_create(0);
    add_version(changes, "a", 1, &document, 10);
    lt_store_change(store, changes, count_on_disk, &witness);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(witness.code, LT_OK);
    assert_int_equal(witness.on_disk, witness.latents);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.entries, witness.latents);
    check_version(store, "a", 1, 10);
    lt_store_close(store);
}

static void visited_latents_are_spared(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    struct lt_store_stats stats = {0};
    struct lt_span_key visited[100];
    size_t spared = 0, others = 0;
    for (uint32_t number = 0; number < 200; number++)
        assert_int_equal(put_latent(store, number), LT_OK);
    for (uint32_t number = 0; number < 100; number++)
        visited[number] = key_of(number);
    lt_store_spare(store, visited, 100);
    for (uint32_t number = 1000; stats.evictions < 1000; number += 500) {
        for (uint32_t i = 0; i < 500; i++)
            assert_int_equal(put_latent(store, number + i), LT_OK);
        assert_int_equal(lt_store_flush(store), LT_OK);
        lt_store_stats(store, &stats);
    }
    for (uint32_t number = 0; number < 100; number++) {
        spared += lt_lookup_is_hit(get_latent(store, number));
        others += lt_lookup_is_hit(get_latent(store, 100 + number));
    }
    assert_true(spared > 80); /* a few share their bit with others */
    assert_int_equal(others, 0);
    lt_store_close(store);
}

static void what_has_no_room_leaves_no_trace(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    struct lt_document small = {0}, large = {0};
    assert_int_equal(put_version(store, "small", 1, &small, 1000), LT_OK);
    assert_int_equal(put_latent(store, 1), LT_OK);
    assert_int_equal(put_version(store, "large", 1, &large, 5 << 20), LT_EFULL);
    assert_int_equal(lt_document_find(store, 0, "large", &large), LT_ENOTFOUND);
    assert_int_equal(get_latent(store, 1), LT_LOOKUP_HIT_DISK); /* of the same group */
    check_version(store, "small", 1, 1000);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.write_failures, 0);
    assert_true(stats.bytes < 1 << 20);
    lt_store_close(store);
}

/* Flips one bit in each value of a database of the closed store. */
static void damage(const char *database_name)
{
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    MDB_cursor *cursor;
    MDB_val key, value;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 16);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &transaction), 0);
    assert_int_equal(mdb_dbi_open(transaction, database_name, 0, &database), 0);
    assert_int_equal(mdb_cursor_open(transaction, database, &cursor), 0);
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    assert_int_equal(code, 0);
    for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint8_t *copy = malloc(value.mv_size);
        memcpy(copy, value.mv_data, value.mv_size);
        copy[value.mv_size / 2] ^= 4;
        MDB_val changed = {value.mv_size, copy};
        assert_int_equal(mdb_cursor_put(cursor, &key, &changed, MDB_CURRENT), 0);
        free(copy);
    }
    mdb_cursor_close(cursor);
    assert_int_equal(mdb_txn_commit(transaction), 0);
    mdb_env_close(env);
}

static void what_was_made_of_something_that_changed_is_not_written(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 0);
    struct lt_document one = {0}, other = {0}, now;
    for (uint32_t number = 1; number <= 2; number++) { /* the first and the second of its name, by two at once */
        struct lt_changes *first = lt_changes_create(0), *second = lt_changes_create(0);
        assert_int_equal(lt_document_expect(first, "a", &one), LT_OK);
        assert_int_equal(lt_document_expect(second, "a", &other), LT_OK);
        add_version(first, "a", number, &one, 100);
        add_version(second, "a", number + 10, &other, 100);
        assert_int_equal(write_changes(store, first), LT_OK);
        assert_int_equal(write_changes(store, second), LT_EBUSY);
        assert_int_equal(lt_document_find(store, 0, "a", &now), LT_OK);
        assert_int_equal(lt_document_version(&now, 0)->number, number);
        one = other = now;
    }
    struct lt_changes *removal = lt_changes_create(0), *late = lt_changes_create(0);
    assert_int_equal(lt_document_remove(removal, "a", &now), LT_OK);
    assert_int_equal(write_changes(store, removal), LT_OK);
    assert_int_equal(lt_document_expect(late, "a", &now), LT_OK);
    add_version(late, "a", 3, &now, 100);
    assert_int_equal(lt_store_change_wait(store, late), LT_EBUSY);
    assert_int_equal(lt_document_find(store, 0, "a", &now), LT_ENOTFOUND);
    lt_store_close(store);
}

static void joined_changes_are_written_together_or_not_at_all(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 0);
    struct lt_document a = {0}, b = {0}, found;
    for (int busy = 1; busy >= 0; busy--) {
        struct lt_changes *changes = lt_changes_create(0), *more = lt_changes_create(0);
        a.count = b.count = 0;
        add_version(changes, "a", 1, &a, 100);
        b.checksum = (uint64_t)busy; /* of one that is not there */
        assert_int_equal(lt_document_expect(more, "b", &b), LT_OK);
        add_version(more, "b", 1, &b, 100);
        lt_changes_join(changes, more);
        lt_changes_join(changes, lt_changes_create(0)); /* one without any */
        assert_int_equal(lt_store_change_wait(store, changes), busy ? LT_EBUSY : LT_OK);
        assert_int_equal(lt_document_find(store, 0, "a", &found), busy ? LT_ENOTFOUND : LT_OK);
        assert_int_equal(lt_document_find(store, 0, "b", &found), busy ? LT_ENOTFOUND : LT_OK);
    }
    lt_store_close(store);
}

/* Documents of stores that knew no namespaces lie under their bare names, and are the public one's. */
static void namespaces_share_names_and_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    struct lt_store *store = open_with(64 << 20, 0);
    struct lt_namespace spaces[2];
    struct lt_error error;
    bool created;
    char name[LT_DOCUMENT_NAME_MAX + 1];
    uint64_t removed;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            lt_namespace_put(store, names[i], &(struct lt_namespace_settings){0}, &spaces[i], &created, &error), LT_OK);
    const uint32_t ids[] = {0, spaces[0].id, spaces[1].id};
    for (uint32_t i = 0; i < 3; i++) {
        struct lt_document document = {0};
        struct lt_changes *changes = lt_changes_create(ids[i]);
        add_version(changes, "a", i + 1, &document, 100);
        assert_int_equal(write_changes(store, changes), LT_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct lt_document document;
        struct lt_document_part part;
        assert_int_equal(lt_document_find(store, ids[i], "a", &document), LT_OK);
        assert_int_equal(document.versions[0].number, i + 1);
        assert_int_equal(lt_document_part_read(store, ids[i], "a", i + 1, 0, &part), LT_OK);
        lt_document_part_finish(&part);
        assert_int_equal(lt_document_part_read(store, ids[(i + 1) % 3], "a", i + 1, 0, &part), LT_ENOTFOUND);
        assert_int_equal(lt_document_next(store, ids[i], "", name, &document), LT_OK);
        assert_string_equal(name, "a");
        assert_int_equal(lt_document_next(store, ids[i], name, name, &document), LT_ENOTFOUND);
    }
    assert_int_equal(lt_namespace_remove(store, "a", &removed, &error), LT_OK);
    struct lt_document document = {0};
    assert_int_equal(lt_document_find(store, ids[1], "a", &document), LT_ENOTFOUND);
    assert_int_equal(lt_document_find(store, ids[2], "a", &document), LT_OK);
    struct lt_changes *late = lt_changes_create(ids[1]);
    document.count = 0;
    add_version(late, "a", 1, &document, 100);
    assert_int_equal(write_changes(store, late), LT_ENOTFOUND);
    lt_store_close(store);

    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi documents;
    MDB_stat stat;
    MDB_val key = {1, (void *)"a"}, value;
    assert_int_equal(mdb_env_create(&environment), 0);
    assert_int_equal(mdb_env_set_maxdbs(environment, 16), 0);
    assert_int_equal(mdb_env_open(environment, path, MDB_RDONLY, 0600), 0);
    assert_int_equal(mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction), 0);
    assert_int_equal(mdb_dbi_open(transaction, "documents", 0, &documents), 0);
    assert_int_equal(mdb_get(transaction, documents, &key, &value), 0);
    assert_int_equal(mdb_stat(transaction, documents, &stat), 0);
    assert_int_equal(stat.ms_entries, 2);
    assert_int_equal(mdb_dbi_open(transaction, "parts", 0, &documents), 0);
    assert_int_equal(mdb_stat(transaction, documents, &stat), 0);
    assert_int_equal(stat.ms_entries, 4); /* two parts of each document: nothing of the late one */
    mdb_txn_abort(transaction);
    mdb_env_close(environment);
}

static void damage_is_seen(void **state)
{
    (void)state;
    struct lt_store *store = open_with(64 << 20, 0);
    struct lt_document document = {0};
    struct lt_document_part part;
    float refined[DIMENSION] = {1.5f}, read[DIMENSION];
    struct lt_span_key chain = key_of(5);
    size_t found;
    assert_int_equal(put_version(store, "a", 1, &document, 100), LT_OK);
    struct lt_changes *changes = lt_changes_create(0);
    assert_int_equal(lt_refined_put(changes, &chain, DIMENSION, refined), LT_OK);
    assert_int_equal(write_changes(store, changes), LT_OK);
    assert_int_equal(lt_refined_get(store, &chain, 1, DIMENSION, read, &found), LT_OK);
    assert_int_equal(found, 1);
    lt_store_close(store);
    damage("parts");
    damage("refined");
    store = open_with(64 << 20, 0);
    assert_int_equal(lt_document_find(store, 0, "a", &document), LT_OK);
    assert_int_equal(lt_document_part_read(store, 0, "a", 1, 0, &part), LT_ECORRUPT);
    assert_int_equal(lt_refined_get(store, &chain, 1, DIMENSION, read, &found), LT_OK);
    assert_int_equal(found, 0);
    lt_store_close(store);
    damage("documents");
    store = open_with(64 << 20, 0);
    char name[LT_DOCUMENT_NAME_MAX + 1];
    assert_int_equal(lt_document_find(store, 0, "a", &document), LT_ECORRUPT);
    assert_int_equal(lt_document_next(store, 0, "", name, &document), LT_ECORRUPT);
    assert_string_equal(name, "a");
    lt_store_close(store);
}

static void put_refined(struct lt_store *store, uint32_t first, uint32_t count)
{
    struct lt_changes *changes = lt_changes_create(0);
    float refined[DIMENSION];
    for (uint32_t number = first; number < first + count; number++) {
        struct lt_span_key chain = key_of(number);
        for (uint32_t i = 0; i < DIMENSION; i++)
            refined[i] = (float)number + (float)i / DIMENSION;
        assert_int_equal(lt_refined_put(changes, &chain, DIMENSION, refined), LT_OK);
    }
    assert_int_equal(write_changes(store, changes), LT_OK);
}

static size_t get_refined(struct lt_store *store, uint32_t first, uint32_t count)
{
    struct lt_span_key chain[16];
    float refined[16 * DIMENSION];
    size_t found;
    for (uint32_t i = 0; i < count; i++)
        chain[i] = key_of(first + i);
    assert_int_equal(lt_refined_get(store, chain, count, DIMENSION, refined, &found), LT_OK);
    for (size_t i = 0; i < found; i++)
        assert_true(refined[i * DIMENSION + 3] == (float)(first + i) + 3.0f / DIMENSION);
    return found;
}

static void refined_latents_are_exact_and_the_oldest_go_first(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0); /* 2 MiB of refined latents */
    put_refined(store, 0, 10);
    assert_int_equal(get_refined(store, 0, 10), 10);
    assert_int_equal(get_refined(store, 8, 4), 2); /* up to the first that is missing */
    put_refined(store, 0, 10);                     /* once more: they are no younger for it */
    for (uint32_t first = 100; first < 4000; first += 100)
        put_refined(store, first, 100);
    assert_int_equal(get_refined(store, 0, 1), 0);
    assert_int_equal(get_refined(store, 3990, 10), 10);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_true(stats.bytes < LT_STORE_BYTES_MIN / LT_REFINED_SHARE + (1 << 20));
    assert_int_equal(stats.entries, 0); /* they are no latents */
    lt_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(versions_are_there_after_reopening),
        IN_A_FOLDER(names_come_in_their_order),
        IN_A_FOLDER(removing_takes_all_of_it),
        IN_A_FOLDER(changes_come_after_the_latents_before_them),
        IN_A_FOLDER(visited_latents_are_spared),
        IN_A_FOLDER(what_has_no_room_leaves_no_trace),
        IN_A_FOLDER(what_was_made_of_something_that_changed_is_not_written),
        IN_A_FOLDER(joined_changes_are_written_together_or_not_at_all),
        IN_A_FOLDER(namespaces_share_names_and_nothing_else),
        IN_A_FOLDER(damage_is_seen),
        IN_A_FOLDER(refined_latents_are_exact_and_the_oldest_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
