/* liblatent against a peer that misbehaves: a thread that takes one connection, waits for a request and then sends what
 * the test says. How the library works with latentd itself is tested in tests/integration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clients/c/latent.h"

struct peer {
    char folder[64];
    char path[96];
    int listener;
    pthread_t thread;
    const char *answer; /* sent after the first request, in pieces */
    size_t answer_bytes;
    size_t piece;
    bool silent; /* then keeps the connection open until the client goes */
    char request[4096];
    size_t request_bytes;
};

static void *serve(void *data)
{
    struct peer *peer = data;
    int client = accept(peer->listener, NULL, NULL);
    ssize_t count = recv(client, peer->request, sizeof peer->request, 0);
    peer->request_bytes = count > 0 ? (size_t)count : 0;
    for (size_t sent = 0; sent < peer->answer_bytes; sent += peer->piece) {
        size_t left = peer->answer_bytes - sent;
        if (send(client, peer->answer + sent, left < peer->piece ? left : peer->piece, MSG_NOSIGNAL) < 0)
            break;
    }
    char more[256];
    while (peer->silent && recv(client, more, sizeof more, 0) > 0)
        continue;
    close(client);
    return NULL;
}

/* A peer at work and a client that is connected to it. */
static struct latent *begin(struct peer *peer, const char *answer, size_t bytes, bool silent)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *peer = (struct peer){.answer = answer, .answer_bytes = bytes, .piece = 3, .silent = silent};
    strcpy(peer->folder, "/tmp/test_client_XXXXXX");
    assert_non_null(mkdtemp(peer->folder));
    snprintf(peer->path, sizeof peer->path, "%s/socket", peer->folder);
    strcpy(address.sun_path, peer->path);
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer->listener, 1), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
    struct latent *latent = latent_create();
    assert_non_null(latent);
    assert_int_equal(latent_connect(latent, peer->path), LATENT_OK);
    return latent;
}

static void end(struct peer *peer, struct latent *latent)
{
    latent_destroy(latent);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    unlink(peer->path);
    rmdir(peer->folder);
}

/* That a call fails with a code and a message that has `part` in it, and that the connection is then closed. */
static void expect_failure(const char *answer, size_t bytes, int code, const char *part)
{
    struct peer peer;
    struct latent *latent = begin(&peer, answer, bytes, false);
    struct latent_reply *reply = (struct latent_reply *)&peer;
    assert_int_equal(latent_stats(latent, &reply), code);
    assert_ptr_equal(reply, &peer); /* untouched */
    if (!strstr(latent_error_message(latent), part))
        fail_msg("\"%s\" does not say \"%s\"", latent_error_message(latent), part);
    assert_int_equal(latent_ping(latent), LATENT_ECLOSED);
    end(&peer, latent);
}

#define EXPECT_FAILURE(literal, code, part) expect_failure(literal, sizeof(literal) - 1, code, part)

static void refuses_malformed_replies(void **state)
{
    (void)state;
    EXPECT_FAILURE("", LATENT_ECLOSED, "closed the connection");
    EXPECT_FAILURE("\x94\x01", LATENT_ECLOSED, "middle of a reply");
    EXPECT_FAILURE("\xc1", LATENT_EMALFORMED, "never sends");
    EXPECT_FAILURE("HTTP/1.1 400 Bad Request\r\n", LATENT_EMALFORMED, "MessagePack-RPC");
    EXPECT_FAILURE("\xdd\xff\xff\xff\xff", LATENT_EMALFORMED, "larger than the limit");
    EXPECT_FAILURE("\xc6\xff\xff\xff\xff", LATENT_EMALFORMED, "larger than the limit");
    EXPECT_FAILURE("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", LATENT_EMALFORMED,
                   "larger than the limit");
    EXPECT_FAILURE("\x94\x00\x01\xa4ping\x90", LATENT_EMALFORMED, "MessagePack-RPC");
    EXPECT_FAILURE("\x93\x01\x01\xc0", LATENT_EMALFORMED, "MessagePack-RPC");
    EXPECT_FAILURE("\x94\x01\x02\xc0\xc0", LATENT_EMALFORMED, "not made");
    EXPECT_FAILURE("\x94\x01\xc0\xc0\xc0", LATENT_EMALFORMED, "without an id");
    EXPECT_FAILURE("\x94\x01\xa1x\xc0\xc0", LATENT_EMALFORMED, "not made");
    EXPECT_FAILURE("\x94\x01\x01\xc0\xa2\xc3(", LATENT_EMALFORMED, "UTF-8");
    EXPECT_FAILURE("\x94\x01\xc0\x82\xa4name\xa9too_large\xa7message\xa4long\xc0", LATENT_ETOOLARGE, "long");
}

static void passes_on_the_daemons_errors(void **state)
{
    (void)state;
    static const char answer[] = "\x94\x01\x01\x83\xa4"
                                 "code\xf0\xa4name\xa4"
                                 "busy\xa7message\xa5later\xc0";
    struct peer peer;
    struct latent *latent = begin(&peer, answer, sizeof answer - 1, false);
    assert_int_equal(latent_ping(latent), LATENT_EBUSY);
    assert_string_equal(latent_error_message(latent), "later");
    assert_string_equal(latent_error_name(LATENT_EBUSY), "busy");
    end(&peer, latent);
}

static void gives_up_when_nothing_comes(void **state)
{
    (void)state;
    struct peer peer;
    struct latent *latent = begin(&peer, "\x94\x01", 2, true);
    latent_set_timeout(latent, 50);
    assert_int_equal(latent_ping(latent), LATENT_ETIMEOUT);
    assert_non_null(strstr(latent_error_message(latent), "50 ms"));
    end(&peer, latent);
}

static void reads_values_by_path(void **state)
{
    (void)state;
    /* [1, 1, nil, {"a": {"b": [1, -2, 0.5, "text"]}, "yes": true, "bin": <ff 00>, "end": "z"}] */
    static const char answer[] = "\x94\x01\x01\xc0\x84\xa1"
                                 "a\x81\xa1"
                                 "b\x94\x01\xfe\xcb\x3f\xe0\0\0\0\0\0\0\xa4"
                                 "text\xa3yes\xc3\xa3"
                                 "bin\xc4\x02\xff\x00\xa3"
                                 "end\xa1z";
    struct peer peer;
    struct latent_reply *reply;
    struct latent *latent = begin(&peer, answer, sizeof answer - 1, false);
    assert_int_equal(latent_call(latent, "stats", "{\"x\":[1,2.5,null,\"s\",true]}", &reply), LATENT_OK);
    const struct latent_value *b = latent_reply_at(reply, "a.b");
    assert_int_equal(latent_value_count(b), 4);
    assert_int_equal(latent_value_uint(latent_value_item(b, 0), 9), 1);
    assert_int_equal(latent_value_uint(latent_value_item(b, 1), 9), 9);
    assert_true(latent_value_real(latent_value_item(b, 1), 9) == -2);
    assert_true(latent_value_real(latent_reply_at(reply, "a.b[2]"), 9) == 0.5);
    assert_string_equal(latent_value_text(latent_reply_at(reply, "a.b[3]"), NULL), "text");
    assert_null(latent_reply_at(reply, "a.b[4]"));
    assert_string_equal(latent_value_key(latent_reply_at(reply, ""), 1), "yes");
    assert_true(latent_value_bool(latent_value_item(latent_reply_at(reply, ""), 1), false));
    assert_null(latent_value_key(latent_reply_at(reply, ""), 4));
    assert_null(latent_value_key(b, 0));
    assert_null(latent_value_item(NULL, 0));
    assert_null(latent_reply_at(reply, "a.c"));
    assert_null(latent_reply_at(reply, "a.b[x]"));
    assert_null(latent_reply_at(reply, "yes.no"));
    assert_null(latent_value_at(NULL, "a"));
    assert_true(latent_value_bool(latent_reply_at(reply, "yes"), false));
    size_t bytes = 0;
    assert_memory_equal(latent_value_bytes(latent_reply_at(reply, "bin"), &bytes), "\xff\0", 2);
    assert_int_equal(bytes, 2);
    assert_string_equal(latent_value_text(latent_reply_at(reply, "end"), NULL), "z");
    char *json = latent_reply_json(reply);
    assert_string_equal(json, "{\"a\":{\"b\":[1,-2,0.5,\"text\"]},\"yes\":true,\"bin\":\"ff00\",\"end\":\"z\"}");
    free(json);
    latent_reply_destroy(reply);
    end(&peer, latent);
    static const char request[] = "\x94\x00\x01\xa5stats\x91\x81\xa1x\x95\x01\xcb\x40\x04\0\0\0\0\0\0\xc0\xa1s\xc3";
    assert_int_equal(peer.request_bytes, sizeof request - 1);
    assert_memory_equal(peer.request, request, sizeof request - 1);
}

/* Notes the tokens; asks to cancel at the second. */
static int cancel_at_second(const char *text, size_t bytes, void *data)
{
    char *seen = data;
    assert_int_equal(strlen(text), bytes);
    strcat(strcat(seen, text), "|");
    return strcmp(seen, "a|b|") == 0;
}

/* Tokens a, b and c, the answer to the cancel (request 2) and that to generate (request 1), in this order. */
static void cancels_and_waits_for_both_answers(void **state)
{
    (void)state;
    static const char answer[] = "\x93\x02\xa5token\x91\x82\xa2id\x01\xa4text\xa1"
                                 "a\x93\x02\xa5token\x91\x82\xa2id\x05\xa4text\xa1"
                                 "x\x93\x02\xa5token\x91\x82\xa2id\x01\xa4text\xa1"
                                 "b\x93\x02\xa5token\x91\x82\xa2id\x01\xa4text\xa1"
                                 "c\x94\x01\x02\xc0\x81\xa9"
                                 "cancelled\xc3"
                                 "\x94\x01\x01\x82\xa4name\xa9"
                                 "cancelled\xa7message\xa4gone\xc0";
    struct peer peer;
    struct latent_generate_options options;
    struct latent_generation generation;
    char seen[64] = "";
    struct latent *latent = begin(&peer, answer, sizeof answer - 1, true);
    latent_generate_options_init(&options);
    options.prompt = "p";
    assert_int_equal(latent_generate(latent, &options, cancel_at_second, seen, &generation), LATENT_ECANCELLED);
    assert_string_equal(seen, "a|b|");
    assert_string_equal(latent_error_message(latent), "gone");
    end(&peer, latent);
}

static void refuses_a_generation_without_text(void **state)
{
    (void)state;
    struct peer peer;
    struct latent_generate_options options;
    struct latent_generation generation;
    struct latent *latent = begin(&peer, "\x94\x01\x01\xc0\x80", 5, false);
    latent_generate_options_init(&options);
    options.prompt = "p";
    assert_int_equal(latent_generate(latent, &options, NULL, NULL, &generation), LATENT_EMALFORMED);
    end(&peer, latent);
}

static void says_what_an_address_is(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",          "unix:",       "tcp://",     "tcp://host",
                                        "tcp://:80", "tcp://host:", "tcp://[]:1", "tls://host"};
    struct latent *latent = latent_create();
    assert_int_equal(latent_ping(latent), LATENT_ECLOSED);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(latent_connect(latent, wrong[i]), LATENT_EPARAM);
    char path[200];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(latent_connect(latent, path), LATENT_EPARAM);
    assert_int_equal(latent_connect(latent, "/nonexistent/socket"), LATENT_ECONNECT);
    assert_non_null(strstr(latent_error_message(latent), "/nonexistent/socket"));
    latent_destroy(latent);
    latent_destroy(NULL);
}

static void says_what_a_token_is(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "fifteen-letters", "with a blank in between", "\xc3\xbcmlaut-in-a-token"};
    char large[258];
    struct latent *latent = latent_create();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(latent_set_token(latent, wrong[i]), LATENT_EPARAM);
        assert_non_null(strstr(latent_error_message(latent), "16 to 256"));
    }
    memset(large, 'x', sizeof large);
    large[257] = '\0';
    assert_int_equal(latent_set_token(latent, large), LATENT_EPARAM);
    assert_int_equal(latent_set_token(latent, large + 1), LATENT_OK);
    assert_int_equal(latent_set_token(latent, NULL), LATENT_OK);
    latent_destroy(latent);
}

static void checks_params_before_sending(void **state)
{
    (void)state;
    struct latent *latent = latent_create();
    struct latent_reply *reply;
    assert_int_equal(latent_call(latent, "ping", "{\"a\":", &reply), LATENT_EPARAM);
    assert_int_equal(latent_call(latent, "ping", "[]", &reply), LATENT_EPARAM);
    assert_int_equal(latent_call(latent, "ping", "{\"a\":1,\"a\":2}", &reply), LATENT_EPARAM);
    char *text = malloc(2u << 20);
    assert_non_null(text);
    memset(text, 'x', 2u << 20);
    struct latent_encoding encoding;
    assert_int_equal(latent_encode(latent, NULL, text, 2u << 20, &encoding), LATENT_ETOOLARGE);
    free(text);
    latent_destroy(latent);
}

/* A reply to latent.get with two latents, the second of which is not there, and scales. */
#define BATCH                                                                                                          \
    "\x94\x01\x01\xc0\x85\xa5model\xa1m\xa9"                                                                           \
    "dimension\x03\xa4type\xa2i8\xa7latents\x92\xc4\x03\x01\xff\x7f\xc0\xa6scales\x92\xca\x3f\x00\x00\x00\xc0"

static void reads_latents(void **state)
{
    (void)state;
    struct peer peer;
    struct latent_batch batch;
    struct latent_stored stored;
    float numbers[3];
    uint8_t keys[2 * LATENT_KEY_BYTES] = {7};
    struct latent *latent = begin(&peer, BATCH, sizeof BATCH - 1, false);
    assert_int_equal(latent_get(latent, NULL, keys, 2, &batch), LATENT_OK);
    assert_int_equal(batch.count, 2);
    assert_true(latent_batch_at(&batch, 0, &stored));
    assert_int_equal(stored.type, LATENT_I8);
    assert_int_equal(stored.dimension, 3);
    latent_stored_numbers(&stored, numbers);
    assert_true(numbers[0] == 0.5f && numbers[1] == -0.5f && numbers[2] == 63.5f);
    assert_false(latent_batch_at(&batch, 1, &stored));
    assert_false(latent_batch_at(&batch, 2, &stored));
    latent_batch_finish(&batch);
    end(&peer, latent);
    assert_non_null(memmem(peer.request, peer.request_bytes, "latent.get", 10));
}

static void believes_no_latents_of_another_size(void **state)
{
    (void)state;
    struct peer peer;
    struct latent_batch batch;
    struct latent_stored stored;
    char answer[] = BATCH;
    ((char *)memmem(answer, sizeof answer, "dimension\x03", 10))[9] = 4;
    struct latent *latent = begin(&peer, answer, sizeof answer - 1, false);
    assert_int_equal(latent_get(latent, NULL, (const uint8_t[2 * LATENT_KEY_BYTES]){7}, 2, &batch), LATENT_OK);
    assert_false(latent_batch_at(&batch, 0, &stored));
    latent_batch_finish(&batch);
    end(&peer, latent);
}

static void expects_as_many_latents_as_it_asked_for(void **state)
{
    (void)state;
    struct peer peer;
    struct latent_batch batch;
    struct latent *latent = begin(&peer, BATCH, sizeof BATCH - 1, false);
    assert_int_equal(latent_get(latent, NULL, (const uint8_t[LATENT_KEY_BYTES]){7}, 1, &batch), LATENT_EMALFORMED);
    assert_non_null(strstr(latent_error_message(latent), "another number of latents"));
    end(&peer, latent);
}

static void gives_no_latents_that_are_none(void **state)
{
    (void)state;
    struct latent *latent = latent_create();
    const uint8_t encoder[LATENT_KEY_BYTES] = {1};
    const uint32_t tokens[2] = {1, 2};
    const int8_t numbers[3] = {1, 2, 3};
    struct latent_stored latents[2];
    latents[0] = latents[1] = (struct latent_stored){.type = LATENT_I8,
                                                     .dimension = 3,
                                                     .scale = 1,
                                                     .numbers = numbers,
                                                     .token_count = 2,
                                                     .tokens = tokens,
                                                     .token_bytes = 4};
    assert_int_equal(latent_put(latent, NULL, encoder, latents, 0, NULL), LATENT_EPARAM);
    assert_int_equal(latent_put(latent, NULL, encoder, latents, 2, NULL), LATENT_ECLOSED); /* nothing wrong so far */
    latents[1].token_count = LATENT_SPAN_TOKENS_MAX + 1;
    assert_int_equal(latent_put(latent, NULL, encoder, latents, 2, NULL), LATENT_EPARAM);
    assert_non_null(strstr(latent_error_message(latent), "latent 1 has 65 tokens"));
    latents[1] = latents[0];
    latents[1].type = LATENT_F16;
    assert_int_equal(latent_put(latent, NULL, encoder, latents, 2, NULL), LATENT_EPARAM);
    assert_non_null(strstr(latent_error_message(latent), "another type"));
    latent_destroy(latent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_replies),
        cmocka_unit_test(passes_on_the_daemons_errors),
        cmocka_unit_test(reads_latents),
        cmocka_unit_test(believes_no_latents_of_another_size),
        cmocka_unit_test(expects_as_many_latents_as_it_asked_for),
        cmocka_unit_test(gives_no_latents_that_are_none),
        cmocka_unit_test(gives_up_when_nothing_comes),
        cmocka_unit_test(reads_values_by_path),
        cmocka_unit_test(cancels_and_waits_for_both_answers),
        cmocka_unit_test(refuses_a_generation_without_text),
        cmocka_unit_test(says_what_an_address_is),
        cmocka_unit_test(says_what_a_token_is),
        cmocka_unit_test(checks_params_before_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
