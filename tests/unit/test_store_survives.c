/* What a store does not do: open what is not its own, return what is damaged, lose what it has acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_folder.h"

#define CYCLES 20

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

static uint32_t written_format;

static void write_the_format(MDB_txn *transaction, MDB_dbi database)
{
    uint32_t format = written_format;
    char label[] = "format";
    MDB_val name = {sizeof label - 1, label}, value = {sizeof format, &format};
    assert_int_equal(mdb_put(transaction, database, &name, &value, 0), 0);
}

static void another_format_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t format;
        const char *message;
    } others[] = {{1, "has format 1;"}, {2, "has format 2;"}, {99, "has format 99;"}};
    struct lt_error error;
    lt_store_close(open_store());
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        written_format = others[i].format;
        with_database("meta", write_the_format);
        assert_int_equal(open_code(&error), LT_EFORMAT);
        assert_non_null(strstr(error.message, others[i].message));
    }
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
    with_database("small", flip_a_bit_everywhere);
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
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 1 << 20);
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

/* A child that holds a snapshot until it is killed, so that no page can be used again. */
static pid_t hold_a_snapshot(void)
{
    int ends[2];
    char ready;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        MDB_env *env;
        MDB_txn *transaction;
        if (mdb_env_create(&env) || mdb_env_open(env, path, MDB_RDONLY, 0600) ||
            mdb_txn_begin(env, NULL, MDB_RDONLY, &transaction) || write(ends[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &ready, 1), 1);
    close(ends[0]);
    return child;
}

static void a_full_map_costs_groups_and_heals(void **state)
{
    (void)state;
    struct lt_store *store = open_with(LT_STORE_BYTES_MIN, 0);
    assert_int_equal(put(store, 0), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    pid_t child = hold_a_snapshot();
    struct lt_store_stats stats = {0};
    uint32_t number = 1;
    for (; !stats.write_failures; number++) {
        assert_true(number < 1000000);
        assert_int_equal(put(store, number), LT_OK);
        if (number % 4000 == 0)
            (void)lt_store_flush(store);
        lt_store_stats(store, &stats);
    }
    assert_int_equal(stats.write_error, LT_EFULL);
    assert_int_equal(put(store, 0), LT_OK);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)lt_store_flush(store); /* what was under way may have failed still */
    assert_int_equal(put(store, number), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    lt_store_stats(store, &stats);
    assert_true(stats.bytes <= stats.budget_bytes);
    assert_int_equal(get(store, number), LT_LOOKUP_HIT_DISK);
    lt_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(one_store_has_one_daemon),
        IN_A_FOLDER(another_format_is_refused),
        IN_A_FOLDER(damaged_records_are_never_returned_and_heal),
        IN_A_FOLDER(what_is_no_store_is_refused),
        IN_A_FOLDER(readers_beside_the_writer),
        IN_A_FOLDER(what_was_flushed_survives_kill),
        IN_A_FOLDER(a_full_map_costs_groups_and_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
