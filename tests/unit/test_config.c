/* Settings: which layer wins, and what each kind of mistake is answered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/config_values.h"
#include "proto/alloc.h"

static char file[] = "/tmp/latentd-test-config-XXXXXX";

static const char *const variables[] = {"STORE",
                                        "SOCKET",
                                        "MODEL",
                                        "LISTEN",
                                        "BUDGET",
                                        "MEMORY",
                                        "DURABILITY",
                                        "LATENT_TYPE",
                                        "WEIGHTS",
                                        "THREADS",
                                        "LOG_LEVEL",
                                        "CONFIG",
                                        "HTTP",
                                        "TOKENS",
                                        "ALLOW",
                                        "REMOTE",
                                        "REMOTE_PASSWORD_FILE",
                                        "REMOTE_DEADLINE",
                                        "REMOTE_LEASE",
                                        "REMOTE_KEEP"};

static int make_file(void **state)
{
    (void)state;
    int descriptor = mkstemp(file);
    return descriptor < 0 || close(descriptor);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        char name[64];
        snprintf(name, sizeof name, "LATENTD_%s", variables[i]);
        unsetenv(name);
    }
    setenv("HOME", "/home/somebody", 1);
    unsetenv("XDG_DATA_HOME");
    unsetenv("XDG_RUNTIME_DIR");
    return 0;
}

static void write_file(const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

/* Loads with these flags, separated by single spaces. */
static int load(const char *flags, struct lt_config *ret_config, struct lt_error *error)
{
    char copy[512], program[] = "latentd", *arguments[16] = {program}, *rest = copy;
    int count = 1;
    enum lt_config_outcome outcome;
    snprintf(copy, sizeof copy, "%s", flags);
    for (char *word; *flags && (word = strsep(&rest, " ")) != NULL;)
        arguments[count++] = word;
    return lt_config_load(count, arguments, ret_config, &outcome, error);
}

static void fills_in_defaults(void **state)
{
    (void)state;
    struct lt_config config;
    struct lt_error error;
    char socket[64];
    assert_int_equal(load("--model a.gguf", &config, &error), LT_OK);
    snprintf(socket, sizeof socket, "/tmp/latentd-%u/latentd.sock", (unsigned)getuid());
    assert_string_equal(config.store, "/home/somebody/.local/share/latentd");
    assert_string_equal(config.socket, socket);
    assert_int_equal(config.budget_bytes, 1ull << 30);
    assert_int_equal(config.memory_bytes, 64ull << 20);
    assert_int_equal(config.state_bytes, 128ull << 20);
    assert_int_equal(config.durability, LT_DURABILITY_GROUP);
    assert_int_equal(config.latent_type, LT_LATENT_I8);
    assert_int_equal(config.threads, 0);
    assert_float_equal(config.verify_sample, 0.001, 0);
    assert_int_equal(config.precision, LT_PRECISION_INT8);
    assert_null(config.listen);
    assert_null(config.http);
    assert_null(config.remote);
    assert_int_equal(config.remote_deadline, 20);
    assert_int_equal(config.remote_lease, 100);
    assert_int_equal(config.remote_keep, 0);
    lt_config_finish(&config);

    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    assert_int_equal(load("--model a.gguf", &config, &error), LT_OK);
    assert_string_equal(config.socket, "/run/user/7/latentd.sock");
    lt_config_finish(&config);
}

static void times_of_the_remote_tier(void **state)
{
    (void)state;
    struct lt_config config;
    struct lt_error error;
    setenv("LATENTD_REMOTE", "redis://a:1,b,[::1]:2", 1);
    assert_int_equal(load("--model a.gguf --remote-deadline 5ms --remote-lease 2s --remote-keep 7d", &config, &error),
                     LT_OK);
    assert_string_equal(config.remote, "redis://a:1,b,[::1]:2");
    assert_int_equal(config.remote_deadline, 5);
    assert_int_equal(config.remote_lease, 2000);
    assert_int_equal(config.remote_keep, 7 * 86400);
    lt_config_finish(&config);
}

static void a_time_is_a_number_and_a_unit(void **state)
{
    static const char *const wrong[] = {"", "ms", "-1s", "1", "1 s", "1sec", "1001ms", "2s", "99999999999999999999d"};
    uint32_t time = 7;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(lt_config_time_parse(wrong[i], 1, 1000, &time));
    assert_false(lt_config_time_parse("1500ms", 1000, 1000, &time)); /* no whole number of seconds */
    assert_int_equal(time, 7);
    assert_true(lt_config_time_parse("1s", 1, 1000, &time));
    assert_int_equal(time, 1000);
    assert_true(lt_config_time_parse("2000ms", 1000, 1000, &time));
    assert_int_equal(time, 2);
    assert_true(lt_config_time_parse("0", 1, 1000, &time));
    assert_int_equal(time, 0);
}

static void flags_override_the_environment_which_overrides_the_file(void **state)
{
    (void)state;
    struct lt_config config;
    struct lt_error error;
    char flags[128];
    write_file("[latentd]\nmodel = file.gguf\nstore = /file\nsocket = /file.sock\nbudget = 100M\nlatent_type = f16\n");
    setenv("LATENTD_STORE", "/environment", 1);
    setenv("LATENTD_SOCKET", "/environment.sock", 1);
    setenv("LATENTD_MODEL", "one.gguf:two.gguf", 1);
    snprintf(flags, sizeof flags, "--config %s --socket /flag.sock", file);
    assert_int_equal(load(flags, &config, &error), LT_OK);
    assert_int_equal(config.budget_bytes, 100 << 20);
    assert_int_equal(config.latent_type, LT_LATENT_F16);
    assert_string_equal(config.store, "/environment");
    assert_string_equal(config.socket, "/flag.sock");
    assert_int_equal(config.model_count, 2);
    assert_string_equal(config.models[1], "two.gguf");
    lt_config_finish(&config);

    /* A list given by flags replaces the whole list. */
    assert_int_equal(load("--model=x.gguf --model y.gguf --model z.gguf", &config, &error), LT_OK);
    assert_int_equal(config.model_count, 3);
    assert_string_equal(config.models[0], "x.gguf");
    lt_config_finish(&config);
}

static void reads_sizes_with_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {{"67108864", 64 << 20}, {"65536K", 64 << 20}, {"2g", 2ull << 30}, {"1T", 1ull << 40}};
    struct lt_config config;
    struct lt_error error;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char flags[128];
        snprintf(flags, sizeof flags, "--model a.gguf --budget %s", sizes[i].text);
        assert_int_equal(load(flags, &config, &error), LT_OK);
        assert_int_equal(config.budget_bytes, sizes[i].bytes);
        lt_config_finish(&config);
    }
}

static void names_what_is_wrong_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *flags, *message;
    } mistakes[] = {
        {"", "no model"},
        {"--budget 10", "--budget: '10' is not a size"},
        {"--budget 99999999999999G", "is not a size"},
        {"--budget -1", "is not a size"},
        {"--states much", "--states: 'much' is not a size, such as 0, 64M or 1G"},
        {"--memory some", "--memory: 'some' is not a size, such as 0, 64M or 1G"},
        {"--budget 512MB", "is not a size"},
        {"--durability maybe", "--durability: 'maybe' is not group, sync or relaxed"},
        {"--latent-type f8", "--latent-type: 'f8' is not i8 or f16"},
        {"--weights f32", "--weights: 'f32' is not int8 or f16"},
        {"--threads two", "--threads: 'two' is not a number"},
        {"--threads 1025", "from 0 to 1024"},
        {"--verify-sample often", "--verify-sample: 'often' is not a share of hits from 0 to 1"},
        {"--verify-sample 1.01", "from 0 to 1"},
        {"--verify-sample nan", "from 0 to 1"},
        {"--log-level loud", "'loud' is not debug"},
        {"--store=", "--store: the value is empty"},
        {"--colour", "unknown option --colour"},
        {"--model", "--model needs a value"},
        {"extra", "unexpected argument 'extra'"},
        {"--config /nowhere/latentd.conf", "cannot read the config file /nowhere/latentd.conf"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct lt_config config;
        struct lt_error error;
        assert_int_equal(load(mistakes[i].flags, &config, &error), LT_ECONFIG);
        if (!strstr(error.message, mistakes[i].message))
            fail_msg("'%s' was answered with '%s', which lacks '%s'", mistakes[i].flags, error.message,
                     mistakes[i].message);
    }
}

static void names_what_is_wrong_in_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } mistakes[] = {
        {"[latentd]\ncolour = red\n", "unknown setting 'colour'"},
        {"[other]\nstore = /x\n", "unknown section [other]"},
        {"[latentd]\nbudget = much\n", "budget: 'much' is not a size"},
        {"[latentd]\n\nnonsense\n", "line 3 is not 'name = value'"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct lt_config config;
        struct lt_error error;
        char flags[128];
        write_file(mistakes[i].text);
        snprintf(flags, sizeof flags, "--model a.gguf --config=%s", file);
        assert_int_equal(load(flags, &config, &error), LT_ECONFIG);
        if (!strstr(error.message, mistakes[i].message) || !strstr(error.message, file))
            fail_msg("'%s' was answered with '%s'", mistakes[i].text, error.message);
    }
}

static void reloads_the_log_level_unless_it_was_given_by_flag(void **state)
{
    (void)state;
    struct lt_config config;
    struct lt_error error;
    enum lt_log_level level;
    char flags[128];
    write_file("[latentd]\nlog_level = warning\n");
    snprintf(flags, sizeof flags, "--model a.gguf --config %s", file);
    assert_int_equal(load(flags, &config, &error), LT_OK);
    assert_int_equal(config.log_level, LT_LOG_WARNING);
    write_file("[latentd]\nlog_level = debug\n");
    assert_int_equal(lt_config_reload_log_level(&config, &level, &error), LT_OK);
    assert_int_equal(level, LT_LOG_DEBUG);
    write_file("[latentd]\nlog_level = loud\n");
    assert_int_equal(lt_config_reload_log_level(&config, &level, &error), LT_ECONFIG);
    lt_config_finish(&config);

    snprintf(flags, sizeof flags, "--model a.gguf --log-level error --config %s", file);
    write_file("[latentd]\nlog_level = debug\n");
    assert_int_equal(load(flags, &config, &error), LT_OK);
    assert_int_equal(lt_config_reload_log_level(&config, &level, &error), LT_OK);
    assert_int_equal(level, LT_LOG_ERROR);
    lt_config_finish(&config);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char flags[128];
    write_file("[latentd]\nstore = /file\n");
    setenv("LATENTD_MODEL", "one.gguf:two.gguf", 1);
    snprintf(flags, sizeof flags, "--listen 127.0.0.1:1 --config %s", file);
    for (size_t n = 1;; n++) {
        struct lt_config config;
        struct lt_error error;
        lt_alloc_fail_at(n);
        int code = load(flags, &config, &error);
        lt_alloc_fail_at(0);
        if (code == LT_OK) {
            assert_true(n > 6);
            lt_config_finish(&config);
            return;
        }
        assert_int_equal(code, LT_ENOMEM);
        assert_int_equal(error.code, LT_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fills_in_defaults, clear_environment),
        cmocka_unit_test_setup(times_of_the_remote_tier, clear_environment),
        cmocka_unit_test_setup(a_time_is_a_number_and_a_unit, clear_environment),
        cmocka_unit_test_setup(flags_override_the_environment_which_overrides_the_file, clear_environment),
        cmocka_unit_test_setup(reads_sizes_with_units, clear_environment),
        cmocka_unit_test_setup(names_what_is_wrong_and_where, clear_environment),
        cmocka_unit_test_setup(names_what_is_wrong_in_the_file, clear_environment),
        cmocka_unit_test_setup(reloads_the_log_level_unless_it_was_given_by_flag, clear_environment),
        cmocka_unit_test_setup(every_allocation_may_fail, clear_environment),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
