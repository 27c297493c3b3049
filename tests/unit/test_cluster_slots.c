/* Slots and redirections, against values of the Redis Cluster specification and of redis-cli. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/cluster_slots.h"

static uint16_t slot(const char *key)
{
    return lt_cluster_slot(key, strlen(key));
}

static void slots_are_those_of_redis(void **state)
{
    (void)state;
    assert_int_equal(slot("123456789"), 0x31C3); /* the specification's own check value */
    assert_int_equal(slot("foo"), 12182);        /* redis-cli cluster keyslot foo */
    assert_int_equal(slot(""), 0);
}

static void only_the_hash_tag_counts(void **state)
{
    (void)state;
    assert_int_equal(slot("{user1000}.following"), slot("user1000"));
    assert_int_equal(slot("foo{bar}{zap}"), slot("bar"));
    assert_int_equal(slot("foo{{bar}}zap"), slot("{bar"));
    assert_int_not_equal(slot("foo{}{bar}"), slot("bar")); /* an empty tag is none */
    assert_int_not_equal(slot("foo{bar"), slot("bar"));
}

static void expect_address(const char *text, const char *host, unsigned port)
{
    struct lt_cluster_address address;
    assert_true(lt_cluster_address_parse(text, strlen(text), &address));
    assert_string_equal(address.host, host);
    assert_int_equal(address.port, port);
}

static void addresses(void **state)
{
    (void)state;
    expect_address("127.0.0.1:7000", "127.0.0.1", 7000);
    expect_address("redis.example", "redis.example", LT_CLUSTER_PORT);
    expect_address("[::1]:7000", "::1", 7000);
    expect_address("[::1]", "::1", LT_CLUSTER_PORT);
}

static void what_is_no_address(void **state)
{
    static const char *const texts[] = {"",        ":7000", "host:", "host:0",   "host:65536",
                                        "host:7x", "[::1",  "[]:1",  "[::1]7000"};
    struct lt_cluster_address address;
    char longest[LT_REMOTE_HOST_BYTES_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(lt_cluster_address_parse(texts[i], strlen(texts[i]), &address));
    memset(longest, 'a', sizeof longest);
    assert_true(lt_cluster_address_parse(longest, LT_REMOTE_HOST_BYTES_MAX, &address));
    assert_false(lt_cluster_address_parse(longest, LT_REMOTE_HOST_BYTES_MAX + 1, &address));
}

static void expect_redirection(const char *text, bool ask, unsigned at, const char *host, unsigned port)
{
    struct lt_cluster_redirection redirection;
    assert_true(lt_cluster_redirection_parse(text, strlen(text), &redirection));
    assert_int_equal(redirection.ask, ask);
    assert_int_equal(redirection.slot, at);
    assert_string_equal(redirection.address.host, host);
    assert_int_equal(redirection.address.port, port);
}

static void redirections(void **state)
{
    (void)state;
    expect_redirection("MOVED 3999 127.0.0.1:6381", false, 3999, "127.0.0.1", 6381);
    expect_redirection("ASK 16383 127.0.0.1:6381", true, 16383, "127.0.0.1", 6381);
    expect_redirection("MOVED 1 ::1:6381", false, 1, "::1", 6381);
    expect_redirection("MOVED 0 :6381", false, 0, "", 6381); /* the node that says it */
}

static void what_is_no_redirection(void **state)
{
    static const char *const texts[] = {
        "",          "MOVED",     "MOVED ",       "MOVED 1", "MOVED 16384 h:1", "MOVED x h:1",
        "MOVED 1 h", "ASK 1 h:0", "ASKING 1 h:1", "ERR no",  "MOVED :1 h",      "ASK 1 h:99999"};
    struct lt_cluster_redirection redirection;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(lt_cluster_redirection_parse(texts[i], strlen(texts[i]), &redirection));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(only_the_hash_tag_counts),
        cmocka_unit_test(addresses),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(redirections),
        cmocka_unit_test(what_is_no_redirection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
