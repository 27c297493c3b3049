/* Stores read by other processes with liblatent: what is found is right, what is no store is refused, and neither a
 * writer that evicts nor a reader that is killed disturbs the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <lmdb.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients/c/latent.h"
#include "proto/store_format.h"
#include "tests/unit/store_folder.h"

#define READERS 4
#define TINY_BUDGET LT_STORE_BYTES_MIN

static struct latent_store *attach(void)
{
    struct latent *latent = latent_create();
    struct latent_store *store = NULL;
    assert_non_null(latent);
    int code = latent_attach(latent, path, &store);
    if (code)
        print_error("%s\n", latent_error_message(latent));
    assert_int_equal(code, LATENT_OK);
    latent_destroy(latent);
    return store;
}

static void expect_refusal(const char *where, int code, const char *part)
{
    struct latent *latent = latent_create();
    struct latent_store *store = (struct latent_store *)&latent;
    assert_non_null(latent);
    assert_int_equal(latent_attach(latent, where, &store), code);
    assert_ptr_equal(store, &latent); /* untouched */
    if (!strstr(latent_error_message(latent), part))
        fail_msg("\"%s\" does not say \"%s\"", latent_error_message(latent), part);
    latent_destroy(latent);
}

static int find(struct latent_snapshot *snapshot, uint32_t number, struct latent_stored *ret_stored)
{
    struct lt_span_key key = key_of(number);
    return latent_snapshot_find(snapshot, key.bytes, ret_stored);
}

/* That this is the latent which put() makes of the number. Plain, because readers are processes without cmocka. */
static bool is_right(const struct latent_stored *stored, uint32_t number)
{
    uint16_t expected[DIMENSION];
    uint32_t tokens[LATENT_SPAN_TOKENS_MAX];
    fill(number, expected);
    latent_stored_tokens(stored, tokens);
    return stored->type == LATENT_F16 && stored->dimension == DIMENSION && stored->created == 1000 + number &&
           stored->token_count == number % 12 + 1 && tokens[0] == 5 &&
           memcmp(stored->numbers, expected, sizeof expected) == 0;
}

/* --- what is found --- */

static void finds_what_is_stored(void **state)
{
    (void)state;
    struct lt_store *written = open_store();
    for (uint32_t number = 0; number < 100; number++)
        assert_int_equal(put(written, number), LT_OK);
    assert_int_equal(put_expiring(written, 100, 1), LT_OK);
    assert_int_equal(get(written, 100), LT_LOOKUP_MISS_EXPIRED);
    lt_store_close(written);

    struct latent_store *store = attach();
    struct latent_snapshot *snapshot = NULL;
    struct latent_stored stored;
    assert_int_equal(latent_snapshot_begin(store, &snapshot), LATENT_OK);
    for (uint32_t number = 0; number < 100; number++) {
        assert_int_equal(find(snapshot, number, &stored), LATENT_OK);
        assert_true(is_right(&stored, number));
        assert_int_equal(stored.expires, 0);
        assert_true(stored.created != 0);
    }
    assert_int_equal(find(snapshot, 100, &stored), LATENT_ENOTFOUND); /* expired */
    assert_int_equal(find(snapshot, 101, &stored), LATENT_ENOTFOUND);
    latent_snapshot_end(snapshot);
    latent_detach(store);
}

static void reads_numbers_of_both_types(void **state)
{
    (void)state;
    static const uint16_t halves[8] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0x7c00, 0xfc00, 0x8000};
    static const float expected_halves[8] = {1, -2, 0x1p-24f, -0x1.ff8p-15f, 65504, HUGE_VALF, -HUGE_VALF, -0.0f};
    static const int8_t bytes[8] = {1, -1, 127, -127, 0, 64, -64, 3};
    static const uint32_t tokens[3] = {7, 70000, 131071};
    struct lt_latent latents[2] = {
        {.key = key_of(1), .type = LT_LATENT_F16, .dimension = 8, .token_count = 3, .tokens = tokens},
        {.key = key_of(2), .type = LT_LATENT_I8, .dimension = 8, .scale = 0.5f, .token_count = 3, .tokens = tokens}};
    latents[0].payload = (void *)halves;
    latents[1].payload = (void *)bytes;
    struct lt_store *written = open_store();
    assert_int_equal(lt_store_put(written, latents, 2, NULL), LT_OK);
    lt_store_close(written);

    struct latent_store *store = attach();
    struct latent_snapshot *snapshot = NULL;
    struct latent_stored stored;
    float numbers[8];
    uint32_t read_tokens[LATENT_SPAN_TOKENS_MAX];
    assert_int_equal(latent_snapshot_begin(store, &snapshot), LATENT_OK);
    assert_int_equal(find(snapshot, 1, &stored), LATENT_OK);
    latent_stored_numbers(&stored, numbers);
    assert_memory_equal(numbers, expected_halves, sizeof numbers);
    latent_stored_tokens(&stored, read_tokens);
    assert_memory_equal(read_tokens, tokens, sizeof tokens);
    assert_int_equal(find(snapshot, 2, &stored), LATENT_OK);
    latent_stored_numbers(&stored, numbers);
    for (int i = 0; i < 8; i++)
        assert_true(numbers[i] == 0.5f * (float)bytes[i]);
    latent_snapshot_end(snapshot);
    latent_detach(store);
}

/* Changes one byte of a record in the file. */
static void damage(uint32_t number)
{
    char file[128];
    uint16_t payload[DIMENSION];
    snprintf(file, sizeof file, "%s/data.mdb", path);
    fill(number, payload);
    FILE *data = fopen(file, "r+b");
    assert_non_null(data);
    static char content[1 << 20];
    size_t bytes = fread(content, 1, sizeof content, data);
    char *found = memmem(content, bytes, payload, sizeof payload);
    assert_non_null(found);
    assert_int_equal(fseek(data, found - content, SEEK_SET), 0);
    fputc(found[0] ^ 1, data);
    assert_int_equal(fclose(data), 0);
}

static void hands_out_nothing_damaged(void **state)
{
    (void)state;
    struct lt_store *written = open_store();
    struct latent_stored stored = {0};
    for (uint32_t number = 0; number < 3; number++)
        assert_int_equal(put(written, number), LT_OK);
    lt_store_close(written);
    damage(1);
    struct latent_store *store = attach();
    struct latent_snapshot *snapshot = NULL;
    assert_int_equal(latent_snapshot_begin(store, &snapshot), LATENT_OK);
    assert_int_equal(find(snapshot, 0, &stored), LATENT_OK);
    assert_int_equal(find(snapshot, 1, &stored), LATENT_ECORRUPT);
    assert_true(is_right(&stored, 0)); /* untouched */
    assert_int_equal(find(snapshot, 2, &stored), LATENT_OK);
    latent_snapshot_end(snapshot);
    latent_detach(store);
}

static void parses_keys(void **state)
{
    (void)state;
    uint8_t key[LATENT_KEY_BYTES] = {9};
    const char *text = "00ff1Aa0000000000000000000000000000000000000000000000000000000fE";
    assert_int_equal(latent_key_parse(text, key), LATENT_OK);
    assert_memory_equal(key, "\x00\xff\x1a\xa0", 4);
    assert_int_equal(key[31], 0xfe);
    assert_int_equal(latent_key_parse("", key), LATENT_EPARAM);
    assert_int_equal(latent_key_parse(text + 1, key), LATENT_EPARAM);
    assert_int_equal(latent_key_parse("0g", key), LATENT_EPARAM);
    assert_int_equal(key[31], 0xfe);
}

/* --- what is refused --- */

static void make_environment(const char *database, const char *name, const void *value, size_t bytes)
{
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi handle;
    MDB_val key = {strlen(name), (void *)name}, content = {bytes, (void *)value};
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 4);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &transaction), 0);
    assert_int_equal(mdb_dbi_open(transaction, database, MDB_CREATE, &handle), 0);
    assert_int_equal(mdb_put(transaction, handle, &key, &content, 0), 0);
    assert_int_equal(mdb_txn_commit(transaction), 0);
    mdb_env_close(env);
}

static void refuses_what_is_not_there(void **state)
{
    (void)state;
    char file[128];
    expect_refusal(path, LATENT_ESTORE, "No such file");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal(path, LATENT_ESTORE, "there is no store in");
    snprintf(file, sizeof file, "%s/data.mdb", path);
    FILE *data = fopen(file, "w");
    assert_non_null(data);
    fputs("no LMDB at all", data);
    fclose(data);
    expect_refusal(file, LATENT_ESTORE, "is a folder");
    expect_refusal(path, LATENT_ESTORE, "not an LMDB file");
}

static void refuses_what_another_program_made(void **state)
{
    (void)state;
    make_environment("theirs", "key", "value", 5);
    expect_refusal(path, LATENT_ESTORE, "not a store of latentd");
}

static void refuses_another_format(void **state)
{
    (void)state;
    make_environment(LT_STORE_META, LT_STORE_FORMAT_KEY, "\x63\0\0\0", 4);
    expect_refusal(path, LATENT_EFORMAT, "has format 99; this library reads format");
}

static void refuses_a_truncated_file(void **state)
{
    (void)state;
    char file[128];
    struct lt_store *written = open_store();
    for (uint32_t number = 0; number < 1000; number++)
        assert_int_equal(put(written, number), LT_OK);
    lt_store_close(written);
    snprintf(file, sizeof file, "%s/data.mdb", path);
    assert_int_equal(truncate(file, 65536), 0);
    expect_refusal(path, LATENT_ESTORE, "truncated");
}

/* --- readers beside a writer --- */

/* Runs `work` in a process of its own, which was made before the store was opened; `work` begins when `start` closes.
 */
static pid_t start_reader(int start[2], int (*work)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        close(start[1]);
        while (read(start[0], &byte, 1) > 0)
            continue;
        _exit(work());
    }
    return child;
}

static struct latent_store *attach_in_child(void)
{
    struct latent *latent = latent_create();
    struct latent_store *store = NULL;
    if (!latent || latent_attach(latent, path, &store))
        _exit(10);
    latent_destroy(latent);
    return store;
}

static bool writer_is_done(void)
{
    char file[128];
    snprintf(file, sizeof file, "%s/done", folder);
    return access(file, F_OK) == 0;
}

static void say_done(void)
{
    char file[128];
    snprintf(file, sizeof file, "%s/done", folder);
    FILE *done = fopen(file, "w");
    assert_non_null(done);
    fclose(done);
}

/* Looks at random latents, one snapshot after the other, until the writer is done. 0: found some, and all were right.
 */
static int read_until_done(void)
{
    struct latent_store *store = attach_in_child();
    struct latent_snapshot *snapshot;
    uint32_t found = 0, random = (uint32_t)getpid();
    if (latent_snapshot_begin(store, &snapshot))
        return 11;
    while (!writer_is_done() || !found) {
        if (latent_snapshot_renew(snapshot))
            return 12;
        for (int i = 0; i < 1000; i++) {
            struct latent_stored stored;
            random = random * 1664525 + 1013904223;
            uint32_t number = (random >> 8) % 100000;
            int code = find(snapshot, number, &stored);
            if (code == LATENT_OK && !is_right(&stored, number))
                return 13;
            if (code != LATENT_OK && code != LATENT_ENOTFOUND)
                return 14;
            found += code == LATENT_OK;
        }
    }
    latent_snapshot_end(snapshot);
    latent_detach(store);
    return 0;
}

static void expect_exit(pid_t child, int expected)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void several_processes_read_while_the_store_writes_and_evicts(void **state)
{
    (void)state;
    int start[2];
    pid_t readers[READERS];
    struct lt_store_stats stats;
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < READERS; i++)
        readers[i] = start_reader(start, read_until_done);
    struct lt_store *store = open_with(TINY_BUDGET, 0);
    close(start[0]);
    close(start[1]);
    for (uint32_t number = 0; number < 100000; number++)
        if (put(store, number) == LT_EBUSY) {
            assert_int_equal(lt_store_flush(store), LT_OK);
            number--;
        }
    assert_int_equal(lt_store_flush(store), LT_OK);
    say_done();
    for (int i = 0; i < READERS; i++)
        expect_exit(readers[i], 0);
    lt_store_stats(store, &stats);
    assert_true(stats.evictions > 10000);
    assert_int_equal(stats.write_failures, 0);
    lt_store_close(store);
}

/* A reader that holds a snapshot for ever; says so by a file. */
static int hold_a_snapshot(void)
{
    struct latent_snapshot *snapshot;
    if (latent_snapshot_begin(attach_in_child(), &snapshot))
        return 11;
    say_done();
    for (;;)
        pause();
}

static int count_slot(const char *line, void *context)
{
    *(int *)context += isdigit((unsigned char)line[strspn(line, " ")]) != 0; /* not the heading */
    return 0;
}

/* How many reader slots are taken, by LMDB's own count, asked by a process of its own. */
static int count_slots(void)
{
    MDB_env *env;
    int slots = 0;
    if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 16) || mdb_env_open(env, path, MDB_RDONLY, 0))
        return 20;
    mdb_reader_list(env, count_slot, &slots);
    return slots;
}

static int slots_in_use(void)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(count_slots());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Starts a reader that holds a snapshot, and kills it. Returns the open store. */
static struct lt_store *kill_a_reader(void)
{
    int start[2];
    assert_int_equal(pipe(start), 0);
    pid_t reader = start_reader(start, hold_a_snapshot);
    struct lt_store *store = open_with(TINY_BUDGET, 0);
    assert_int_equal(put(store, 0), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    close(start[0]);
    close(start[1]);
    while (!writer_is_done())
        usleep(1000);
    assert_int_equal(kill(reader, SIGKILL), 0);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    return store;
}

static void a_killed_readers_slot_is_cleared(void **state)
{
    (void)state;
    struct lt_store *store = kill_a_reader();
    int with_the_dead = slots_in_use();
    lt_store_check_readers(store);
    assert_int_equal(slots_in_use(), with_the_dead - 1);
    lt_store_close(store);
}

/* Its snapshot keeps old pages from being used again; before the map is full, somebody must notice that nobody reads.
 */
static void a_killed_reader_does_not_stop_the_writer(void **state)
{
    (void)state;
    struct lt_store *store = kill_a_reader();
    struct lt_store_stats stats = {0};
    uint32_t number = 1;
    for (uint64_t written = 0; written < 3 * (2 * TINY_BUDGET + (64 << 20)); written += 2 * DIMENSION, number++)
        if (put(store, number) == LT_EBUSY)
            assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    lt_store_stats(store, &stats);
    assert_int_equal(stats.write_failures, 0);
    lt_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(finds_what_is_stored),
        IN_A_FOLDER(reads_numbers_of_both_types),
        IN_A_FOLDER(hands_out_nothing_damaged),
        cmocka_unit_test(parses_keys),
        IN_A_FOLDER(refuses_what_is_not_there),
        IN_A_FOLDER(refuses_what_another_program_made),
        IN_A_FOLDER(refuses_another_format),
        IN_A_FOLDER(refuses_a_truncated_file),
        IN_A_FOLDER(several_processes_read_while_the_store_writes_and_evicts),
        IN_A_FOLDER(a_killed_readers_slot_is_cleared),
        IN_A_FOLDER(a_killed_reader_does_not_stop_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
