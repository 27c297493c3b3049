/* Namespaces in the store: entries, usage and order of expiry follow what is put, evicted, swept and removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <lmdb.h>
#include <sodium.h>
#include <time.h>

#include "storage/namespaces.h"
#include "tests/unit/store_folder.h"

static struct lt_namespace make(struct lt_store *store, const char *name, uint64_t quota, uint32_t ttl)
{
    const struct lt_namespace_settings settings = {.quota_bytes = &quota, .ttl_seconds = &ttl};
    struct lt_namespace space = {0};
    struct lt_error error = {0};
    bool created = false;
    assert_int_equal(lt_namespace_put(store, name, &settings, &space, &created, &error), LT_OK);
    assert_true(created);
    return space;
}

static struct lt_namespace_usage usage(struct lt_store *store, uint32_t id)
{
    struct lt_namespace_usage usage = {.space.id = UINT32_MAX};
    lt_namespace_list(store, id, &usage, 1);
    assert_int_equal(usage.space.id, id);
    return usage;
}

static void settings_and_salts_are_kept(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_namespace a = make(store, "a", 1 << 20, 60), b = make(store, "b", 0, 0), found;
    assert_int_not_equal(a.id, b.id);
    assert_memory_not_equal(a.salt, b.salt, sizeof a.salt);
    lt_store_close(store);
    store = open_store();
    assert_int_equal(lt_namespace_find(store, "a", &found), LT_OK);
    assert_memory_equal(&found, &a, sizeof a);
    assert_int_equal(lt_namespace_find(store, "c", &found), LT_ENOTFOUND);
    assert_int_equal(lt_namespace_find(store, "public", &found), LT_OK);
    assert_int_equal(found.id, 0);
    assert_int_equal(found.salt_bytes, 0);
    lt_store_close(store);
}

static void numbers_are_never_given_again(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_error error;
    uint64_t removed;
    struct lt_namespace first = make(store, "a", 0, 0);
    assert_int_equal(put_in(store, first.id, 1, 0), LT_OK);
    assert_int_equal(lt_namespace_remove(store, "a", &removed, &error), LT_OK);
    assert_int_equal(removed, 1);
    lt_store_close(store);
    store = open_store();
    assert_true(make(store, "a", 0, 0).id > first.id);
    /* What comes late for the one that is gone is not taken. */
    assert_int_equal(put_in(store, first.id, 2, 0), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    assert_int_equal(get(store, 2), LT_LOOKUP_MISS_NEW);
    lt_store_close(store);
}

static void usage_follows_what_is_there(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_namespace a = make(store, "a", 0, 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(put_in(store, i % 4 ? a.id : 0, 12 * i, 0), LT_OK); /* records of one size */
    assert_int_equal(put_in(store, a.id, 12, 0), LT_OK);                     /* is there */
    assert_int_equal(lt_store_flush(store), LT_OK);
    for (int reopened = 0; reopened < 2; reopened++) {
        assert_int_equal(usage(store, a.id).entries, 75);
        assert_int_equal(usage(store, 0).entries, 25);
        assert_int_equal(usage(store, a.id).bytes, 3 * usage(store, 0).bytes);
        lt_store_close(store);
        store = open_store();
    }
    lt_store_close(store);
}

static void a_quota_holds_and_spares_what_is_read(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    const uint64_t quota = 100 * 600;
    struct lt_namespace a = make(store, "a", quota, 0);
    uint32_t mine = 1000;
    assert_int_equal(put(store, 1), LT_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(put_in(store, a.id, mine + i, 0), LT_OK);
        assert_int_equal(lt_store_flush(store), LT_OK);
        assert_true(usage(store, a.id).bytes <= quota);
        struct lt_latent latent = {.key = key_of(mine), .type = LT_LATENT_F16, .dimension = DIMENSION};
        uint16_t payload[DIMENSION];
        enum lt_lookup lookup;
        latent.payload = payload;
        assert_int_equal(lt_store_get(store, &latent, 1, &lookup), LT_OK);
        assert_true(lt_lookup_is_hit(lookup));
    }
    struct lt_namespace_usage used = usage(store, a.id);
    assert_true(used.entries >= 90);
    assert_int_equal(used.entries + used.counts[LT_NAMESPACE_EVICTED], 1000);
    assert_int_equal(usage(store, 0).entries, 1);
    lt_store_close(store);
}

static void what_expires_is_swept(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    struct lt_namespace a = make(store, "a", 0, 0);
    uint32_t now = (uint32_t)time(NULL);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(put_in(store, i % 2 ? a.id : 0, i, i < 6 ? now + 1 : now + 1000), LT_OK);
    assert_int_equal(lt_store_flush(store), LT_OK);
    while (usage(store, 0).entries + usage(store, a.id).entries > 4)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(usage(store, 0).entries, 2);
    assert_int_equal(usage(store, a.id).entries, 2);
    lt_store_close(store);
}

static void a_damaged_entry_is_refused_at_the_start(void **state)
{
    (void)state;
    struct lt_store *store = open_store();
    make(store, "tenant", 0, 0);
    lt_store_close(store);
    MDB_env *env;
    MDB_txn *transaction;
    MDB_dbi database;
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 32);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &transaction), 0);
    assert_int_equal(mdb_dbi_open(transaction, "namespaces", 0, &database), 0);
    MDB_val name = {6, (void *)"tenant"}, value;
    uint8_t bytes[56];
    assert_int_equal(mdb_get(transaction, database, &name, &value), 0);
    assert_int_equal(value.mv_size, sizeof bytes);
    memcpy(bytes, value.mv_data, sizeof bytes);
    bytes[20] ^= 1;
    value.mv_data = bytes;
    assert_int_equal(mdb_put(transaction, database, &name, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(transaction), 0);
    mdb_env_close(env);
    const struct lt_store_options options = {
        .path = path, .budget_bytes = 64 << 20, .commit_milliseconds = 10, .commit_bytes = 1 << 20};
    struct lt_error error = {0};
    assert_int_equal(lt_store_open(&options, &store, &error), LT_ESTORE);
    assert_non_null(strstr(error.message, "tenant"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(settings_and_salts_are_kept), IN_A_FOLDER(numbers_are_never_given_again),
        IN_A_FOLDER(usage_follows_what_is_there), IN_A_FOLDER(a_quota_holds_and_spares_what_is_read),
        IN_A_FOLDER(what_expires_is_swept),       IN_A_FOLDER(a_damaged_entry_is_refused_at_the_start),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
