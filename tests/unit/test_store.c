/* The store: put and get, reopening, refusing, eviction, damage, readers beside the writer, and kill -9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "storage/store.h"

#define DIMENSION 256
#define CYCLES 20

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-store-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/store", folder);
    return 0;
}

static int remove_entry(const char *name, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(name);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct lt_store *open_with(uint64_t budget)
{
    const struct lt_store_options options = {
        .path = path, .budget_bytes = budget, .commit_milliseconds = 10, .commit_bytes = 1 << 20};
    struct lt_store *store = NULL;
    struct lt_error error = {0};
    int code = lt_store_open(&options, &store, &error);
    if (code)
        print_error("%s\n", error.message);
    assert_int_equal(code, LT_OK);
    return store;
}

static struct lt_store *open_store(void)
{
    return open_with(64 << 20);
}

static int open_code(struct lt_error *error)
{
    const struct lt_store_options options = {
        .path = path, .budget_bytes = 64 << 20, .commit_milliseconds = 10, .commit_bytes = 1 << 20};
    struct lt_store *store = NULL;
    int code = lt_store_open(&options, &store, error);
    if (code == LT_OK)
        lt_store_close(store);
    return code;
}

static struct lt_span_key key_of(uint32_t number)
{
    static const uint8_t fingerprint[32] = {1};
    struct lt_span_key key;
    lt_span_key(fingerprint, NULL, 0, &number, 1, &key);
    return key;
}

static void fill(uint32_t number, uint16_t *payload)
{
    for (uint32_t i = 0; i < DIMENSION; i++)
        payload[i] = (uint16_t)(number * 31 + i);
}

static int put(struct lt_store *store, uint32_t number)
{
    uint16_t payload[DIMENSION];
    fill(number, payload);
    const struct lt_latent latent = {.key = key_of(number),
                                     .type = LT_LATENT_F16,
                                     .dimension = DIMENSION,
                                     .tokens = number % 12 + 1,
                                     .payload = payload};
    return lt_store_put(store, &latent, 1, NULL);
}

/* Looks a latent up; what is found must be right. */
static enum lt_lookup get(struct lt_store *store, uint32_t number)
{
    uint16_t payload[DIMENSION] = {0}, expected[DIMENSION];
    struct lt_latent latent = {
        .key = key_of(number), .type = LT_LATENT_F16, .dimension = DIMENSION, .payload = payload};
    enum lt_lookup lookup;
    assert_int_equal(lt_store_get(store, &latent, 1, &lookup), LT_OK);
    if (lt_lookup_is_hit(lookup)) {
        fill(number, expected);
        assert_memory_equal(payload, expected, sizeof expected);
        assert_int_equal(latent.tokens, number % 12 + 1);
    }
    return lookup;
}

static uint64_t evictions(struct lt_store *store)
{
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    return stats.evictions;
}

static void put_is_found_at_once_and_after_reopening(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    assert_int_equal(get(store, 1), LT_LOOKUP_MISS_NEW);
    assert_int_equal(put(store, 1), LT_OK);
    assert_true(lt_lookup_is_hit(get(store, 1)));
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    assert_int_equal(put(store, 2), LT_OK); /* not flushed: closing writes it */
    lt_store_close(store);
    store = open_store();
    assert_int_equal(get(store, 1), LT_LOOKUP_HIT_DISK);
    assert_int_equal(get(store, 2), LT_LOOKUP_HIT_DISK);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.entries, 2);
    lt_store_close(store);
}

static void another_dimension_is_a_miss(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    uint16_t payload[2 * DIMENSION];
    assert_int_equal(put(store, 1), LT_OK);
    struct lt_latent wider = {.key = key_of(1), .type = LT_LATENT_F16, .dimension = 2 * DIMENSION, .payload = payload};
    for (int flushed = 0; flushed < 2; flushed++) {
        enum lt_lookup lookup;
        assert_int_equal(lt_store_get(store, &wider, 1, &lookup), LT_OK);
        assert_false(lt_lookup_is_hit(lookup));
        assert_int_equal(lt_store_flush(store), LT_OK);
    }
    lt_store_close(store);
}

static void putting_twice_keeps_one(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(put(store, 1), LT_OK);
        assert_int_equal(lt_store_flush(store), LT_OK);
    }
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.entries, 1);
    lt_store_close(store);
}

static void lifetime_counters_outlive_the_store(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 3; round++) {
        struct lt_store *store = open_store();
        assert_int_equal(lt_store_lifetime(store, 3), 10 * round);
        lt_store_lifetime_add(store, 3, 10);
        lt_store_lifetime_add(store, LT_LIFETIME_COUNTERS - 1, UINT64_C(1) << 40);
        lt_store_close(store);
    }
    struct lt_store *store = open_store();
    assert_int_equal(lt_store_lifetime(store, LT_LIFETIME_COUNTERS - 1), UINT64_C(3) << 40);
    lt_store_close(store);
}

static void eviction_keeps_the_budget_and_what_is_read(void **state)
{
    (void)state;
    const uint64_t budget = LT_STORE_BYTES_MIN;
    struct lt_store *store = open_with(budget);
    struct lt_store_stats stats;
    uint32_t next = 0;
    while (evictions(store) < 20000) {
        for (int i = 0; i < 1000; i++)
            assert_int_equal(put(store, next++), LT_OK);
        assert_true(lt_lookup_is_hit(get(store, 7)));
        assert_int_equal(lt_store_flush(store), LT_OK);
        lt_store_stats(store, &stats);
        assert_true(stats.bytes <= budget);
        assert_true(next < 200000);
    }
    assert_int_equal(stats.write_failures, 0);
    assert_int_equal(stats.entries + stats.evictions, next);
    assert_true(lt_lookup_is_hit(get(store, 7)));
    assert_int_equal(get(store, 8), LT_LOOKUP_MISS_EVICTED);
    assert_int_equal(get(store, next + 1), LT_LOOKUP_MISS_NEW);
    lt_store_close(store);
}

static void one_store_has_one_daemon(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_error error;
    assert_int_equal(open_code(&error), LT_ESTORE);
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_non_null(strstr(error.message, pid));
    lt_store_close(store);
    assert_int_equal(open_code(&error), LT_OK);
}

/* Runs `change` on the closed store's database `name`. */
static void with_database(const char *name, void (*change)(MDB_txn *transaction, MDB_dbi database))
{
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 8);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &transaction), 0);
    assert_int_equal(mdb_dbi_open(transaction, name, 0, &database), 0);
    change(transaction, database);
    assert_int_equal(mdb_txn_commit(transaction), 0);
    mdb_env_close(env);
}

static void write_a_newer_format(MDB_txn *transaction, MDB_dbi database)
{
    uint32_t format = 99;
    char label[] = "format";
    MDB_val name = {sizeof label - 1, label}, value = {sizeof format, &format};
    assert_int_equal(mdb_put(transaction, database, &name, &value, 0), 0);
}

static void a_newer_format_is_refused(void **state)
{
    (void)state;
    struct lt_error error;
    lt_store_close(open_store());
    with_database("meta", write_a_newer_format);
    assert_int_equal(open_code(&error), LT_EFORMAT);
    assert_non_null(strstr(error.message, "99"));
}

static void flip_a_bit_everywhere(MDB_txn *transaction, MDB_dbi database)
{
    MDB_cursor *cursor;
    MDB_val name, value;
    assert_int_equal(mdb_cursor_open(transaction, database, &cursor), 0);
    size_t number = 0;
    while (mdb_cursor_get(cursor, &name, &value, MDB_NEXT) == 0) {
        uint8_t changed[4096];
        memcpy(changed, value.mv_data, value.mv_size);
        changed[number++ * 13 % value.mv_size] ^= 4;
        MDB_val replacement = {value.mv_size, changed};
        assert_int_equal(mdb_cursor_put(cursor, &name, &replacement, MDB_CURRENT), 0);
    }
    mdb_cursor_close(cursor);
}

static void damaged_records_are_never_returned_and_heal(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    for (uint32_t number = 0; number < 50; number++)
        assert_int_equal(put(store, number), LT_OK);
    lt_store_close(store);
    with_database("latents", flip_a_bit_everywhere);
    store = open_store();
    for (uint32_t number = 0; number < 50; number++)
        assert_int_equal(get(store, number), LT_LOOKUP_MISS_CORRUPT);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_int_equal(stats.corrupt, 50);
    for (uint32_t number = 0; number < 50; number++)
        assert_int_equal(put(store, number), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    for (uint32_t number = 0; number < 50; number++)
        assert_int_equal(get(store, number), LT_LOOKUP_HIT_DISK);
    lt_store_close(store);
}

static void what_is_no_store_is_refused(void **state)
{
    (void)state;
    struct lt_error error;
    char file[160];
    lt_store_close(open_store());
    snprintf(file, sizeof file, "%s/data.mdb", path);
    assert_int_equal(truncate(file, 4096), 0);
    assert_int_equal(open_code(&error), LT_ESTORE);
    FILE *garbage = fopen(file, "w");
    assert_non_null(garbage);
    for (int i = 0; i < 5000; i++)
        fprintf(garbage, "garbage ");
    fclose(garbage);
    assert_int_equal(open_code(&error), LT_ESTORE);
    strcpy(path, "/proc/no/such/place");
    assert_int_equal(open_code(&error), LT_ESTORE);
    assert_non_null(strstr(error.message, path));
}

static void *read_much(void *context)
{
    struct lt_store *store = context;
    size_t hits = 0;
    for (uint32_t i = 0; i < 20000; i++)
        hits += lt_lookup_is_hit(get(store, i % 3000));
    return (void *)hits;
}

static void readers_beside_the_writer(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN);
    pthread_t readers[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_much, store), 0);
    for (uint32_t number = 0; number < 30000; number++) {
        int code = put(store, number);
        if (code == LT_EBUSY)
            code = lt_store_flush(store);
        assert_int_equal(code, LT_OK);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    lt_store_close(store);
}

static void queue_has_an_end(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    int code = LT_OK;
    uint32_t number = 0;
    while (code == LT_OK && number < 4 * LT_WRITER_QUEUE_MAX)
        code = put(store, number++);
    assert_true(code == LT_OK || code == LT_EBUSY);
    struct lt_store_stats stats;
    lt_store_stats(store, &stats);
    assert_true(stats.waiting <= LT_WRITER_QUEUE_MAX);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(put(store, number), LT_OK);
    lt_store_close(store);
}

/* A child that puts and flushes until it is killed, and says through a pipe how far it has come. Runs no test code. */
static void put_until_killed(int pipe_end, uint32_t first)
{
    struct lt_store *store = open_store();
    for (uint32_t number = first;; number++) {
        if (put(store, number) != LT_OK || lt_store_flush(store) != LT_OK)
            _exit(1);
        if (write(pipe_end, &number, sizeof number) != sizeof number)
            _exit(1);
    }
}

static void what_was_flushed_survives_kill(void **state)
{
    (void)state;
    uint32_t acknowledged = 0;
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            put_until_killed(ends[1], acknowledged + 1);
        }
        close(ends[1]);
        uint32_t number;
        for (int i = 0; i < 10 + cycle && read(ends[0], &number, sizeof number) == sizeof number; i++)
            acknowledged = number;
        kill(child, SIGKILL);
        while (read(ends[0], &number, sizeof number) == sizeof number)
            acknowledged = number;
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    struct lt_store *store = open_store();
    for (uint32_t number = 1; number <= acknowledged; number++)
        assert_int_equal(get(store, number), LT_LOOKUP_HIT_DISK);
    assert_true(acknowledged >= 10 * CYCLES);
    lt_store_close(store);
}

/* Lets the n-th allocation fail, n = 1, 2, ... until none fails any more. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    const struct lt_store_options options = {
        .path = path, .budget_bytes = 64 << 20, .commit_milliseconds = 10, .commit_bytes = 1 << 20};
    bool clean = false;
    for (size_t n = 1; !clean; n++) {
        struct lt_store *store = NULL;
        struct lt_error error = {0};
        assert_true(n < 100);
        lt_alloc_fail_at(n);
        int code = lt_store_open(&options, &store, &error);
        if (code == LT_OK) {
            int put_code = put(store, (uint32_t)n);
            assert_true(put_code == LT_OK || put_code == LT_ENOMEM);
            clean = put_code == LT_OK;
            lt_alloc_fail_at(0);
            assert_int_equal(lt_lookup_is_hit(get(store, (uint32_t)n)), clean);
            assert_int_equal(lt_store_flush(store), LT_OK);
            lt_store_close(store);
        } else {
            lt_alloc_fail_at(0);
            assert_int_equal(code, LT_ENOMEM);
            assert_int_equal(error.code, LT_ENOMEM);
        }
    }
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(put_is_found_at_once_and_after_reopening),
        IN_A_FOLDER(another_dimension_is_a_miss),
        IN_A_FOLDER(putting_twice_keeps_one),
        IN_A_FOLDER(lifetime_counters_outlive_the_store),
        IN_A_FOLDER(eviction_keeps_the_budget_and_what_is_read),
        IN_A_FOLDER(one_store_has_one_daemon),
        IN_A_FOLDER(a_newer_format_is_refused),
        IN_A_FOLDER(damaged_records_are_never_returned_and_heal),
        IN_A_FOLDER(what_is_no_store_is_refused),
        IN_A_FOLDER(readers_beside_the_writer),
        IN_A_FOLDER(queue_has_an_end),
        IN_A_FOLDER(what_was_flushed_survives_kill),
        IN_A_FOLDER(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
