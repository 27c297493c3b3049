/* liblatent: talk to a latentd daemon from C, or read its store beside it. This header is the manual; it needs no other
 * header of latentd.
 * cc program.c $(pkg-config --cflags --libs latent)
 *
 *     struct latent_generate_options options;
 *     struct latent_generation answer;
 *     struct latent *latent = latent_create();
 *     if (!latent)
 *         return LATENT_ENOMEM;
 *     latent_generate_options_init(&options);
 *     options.prompt = "Who lives in the lighthouse?";
 *     int code = latent_connect(latent, "/run/latentd/latentd.sock");
 *     if (!code)
 *         code = latent_generate(latent, &options, NULL, NULL, &answer);
 *     if (code) {
 *         fprintf(stderr, "%s\n", latent_error_message(latent));
 *     } else {
 *         puts(answer.text);
 *         latent_generation_finish(&answer);
 *     }
 *     latent_destroy(latent);
 *
 * Calls block. A `struct latent` is one connection and belongs to one thread at a time; make one for each thread.
 * Functions that can fail return 0 or a negative code and leave their outputs (`ret_`) untouched on failure;
 * latent_error_message then says what happened. After LATENT_EIO, LATENT_ECLOSED, LATENT_ETIMEOUT and LATENT_EMALFORMED
 * the connection is closed: latent_connect opens it again. After every other error it can be used on.
 *
 * The library raises no signals, prints nothing and keeps no global state. What a daemon sends is checked against
 * limits (8 MiB, 1,048,576 objects, depth 16 for one reply) before memory is reserved for it. */
#ifndef LATENT_H
#define LATENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The codes of the protocol (proto/PROTOCOL.md), and those that arise on this side. */
enum latent_code {
    LATENT_OK = 0,
    LATENT_ENOMEM = -1,
    LATENT_EIO = -2,        /* reading or writing the socket failed */
    LATENT_EMALFORMED = -3, /* the peer does not speak the protocol */
    LATENT_ETOOLARGE = -4,
    LATENT_EMETHOD = -5,
    LATENT_EPARAM = -6, /* a parameter is wrong; the message names it */
    LATENT_ECONTEXT = -7,
    LATENT_EUTF8 = -8,
    LATENT_EMODEL = -9,
    LATENT_ENOMODEL = -10,
    LATENT_ESTORE = -11,
    LATENT_EFORMAT = -12,
    LATENT_ENOTFOUND = -13,
    LATENT_ECORRUPT = -14,
    LATENT_EFULL = -15,
    LATENT_EBUSY = -16,      /* the daemon has too much to do; try again later */
    LATENT_ECANCELLED = -17, /* the token function asked to stop */
    LATENT_ESHUTDOWN = -18,
    LATENT_ECONNECT = -19, /* nobody answers at the address */
    LATENT_ECLOSED = -20,  /* the daemon closed the connection, or it was never opened */
    LATENT_EADDRESS = -21,
    LATENT_ECONFIG = -22,
    LATENT_ETIMEOUT = -23, /* nothing was heard for the time of latent_set_timeout */
    LATENT_EINTERNAL = -24,
    LATENT_EDENIED =
        -25, /* the daemon does not know who asks, or does not allow it; the message says what is missing */
};

/* The name of a code on the wire ("bad_parameter"), or "unknown". Never NULL. */
const char *latent_error_name(int code);

/* ---- Connection ---- */

struct latent;

/* A connection that is not open yet. NULL: out of memory. */
struct latent *latent_create(void);

/* Closes and frees; NULL is allowed. */
void latent_destroy(struct latent *latent);

/* Opens the connection, closing the one that was open before. `address` is a path, unix:PATH, tcp://HOST:PORT,
 * tls://HOST:PORT, or with [IPV6] in place of HOST. Over TLS the daemon's certificate must be one for that host.
 * LATENT_EPARAM: not an address. LATENT_ECONNECT: nobody there. LATENT_EDENIED: the token is not known there. */
int latent_connect(struct latent *latent, const char *address);

/* A file of authorities, PEM, one of which must have signed the certificate of a daemon at a tls:// address; NULL, as
 * created: one of the system's. The path is copied. LATENT_ENOMEM. */
int latent_set_tls_ca(struct latent *latent, const char *path);

/* The token that latent_connect presents from now on, as `latentctl token new` printed it; NULL, as created, for none.
 * It is copied, and overwritten when it is no longer needed. LATENT_EPARAM: it cannot be one. */
int latent_set_token(struct latent *latent, const char *token);

/* How long to wait while nothing can be sent or received: 300,000 ms unless set; 0 waits for ever. */
void latent_set_timeout(struct latent *latent, unsigned milliseconds);

/* In which namespace the calls that follow are, and for how many seconds latents that they store are to live (0: for
 * ever). NULL and LATENT_TTL_DEFAULT, as created, leave it to the daemon: the namespace `public`, and the namespace's
 * own time. For latent_generate, latent_encode and latent_score. LATENT_EPARAM: the name is longer than 64 bytes. */
#define LATENT_TTL_DEFAULT UINT32_MAX
int latent_set_namespace(struct latent *latent, const char *name, uint32_t ttl_seconds);

/* Called now and then while a method works that takes long, with what is done and how much there is. It must not use
 * the same connection. NULL, as created: nobody is told. */
typedef void (*latent_progress_function)(uint64_t done, uint64_t total, void *data);
void latent_on_progress(struct latent *latent, latent_progress_function on_progress, void *data);

/* What the last failed call says, for a person. Never NULL; valid until the next call. */
const char *latent_error_message(const struct latent *latent);

/* ---- Replies and their values ---- */

/* What a method returned. Values and texts taken from it live as long as it does. Immutable: any number of threads may
 * read one. */
struct latent_reply;
struct latent_value;

/* NULL is allowed. */
void latent_reply_destroy(struct latent_reply *reply);

/* The reply as one line of JSON without a newline, to be freed with free(). Binary becomes hexadecimal. NULL: out of
 * memory. */
char *latent_reply_json(const struct latent_reply *reply);

/* The same of a value. */
char *latent_value_json(const struct latent_value *value);

/* The value at a path as "usage.prompt_tokens" or "spans[3].key"; "" is the whole reply. NULL if there is none. */
const struct latent_value *latent_reply_at(const struct latent_reply *reply, const char *path);

/* The same from a value on; NULL gives NULL. */
const struct latent_value *latent_value_at(const struct latent_value *value, const char *path);

/* Items of an array, or pairs of a map; 0 for anything else and NULL. */
size_t latent_value_count(const struct latent_value *value);

/* An item of an array or the value of a pair of a map, in the order in which they were sent; NULL past the end and for
 * anything else. */
const struct latent_value *latent_value_item(const struct latent_value *value, size_t index);

/* The key of a pair of a map, NULL past the end, if it is no text, and for anything else. */
const char *latent_value_key(const struct latent_value *value, size_t index);

/* The value itself, or `otherwise` if it is NULL or of another kind. Integers will do as reals. A text is UTF-8 and
 * terminated. */
uint64_t latent_value_uint(const struct latent_value *value, uint64_t otherwise);
double latent_value_real(const struct latent_value *value, double otherwise);
bool latent_value_bool(const struct latent_value *value, bool otherwise);
const char *latent_value_text(const struct latent_value *value, const char *otherwise);

/* Text or binary with its length, which counts zero bytes in it; NULL if it is neither. */
const void *latent_value_bytes(const struct latent_value *value, size_t *ret_bytes);

/* ---- Calls ---- */

/* Any method of the protocol. `params` is a JSON object, or NULL for none. LATENT_EPARAM if it is no JSON object. Token
 * notifications are passed over. */
int latent_call(struct latent *latent, const char *method, const char *params, struct latent_reply **ret_reply);

int latent_ping(struct latent *latent);
int latent_stats(struct latent *latent, struct latent_reply **ret_reply);
int latent_info(struct latent *latent, struct latent_reply **ret_reply);
int latent_models(struct latent *latent, struct latent_reply **ret_reply);

/* Asks the daemon to finish what it has begun and to stop. It answers before it does. */
int latent_shutdown(struct latent *latent);

/* ---- Receipts: what a prompt cost and what was reused ---- */

struct latent_span {
    const char *text; /* terminated; U+FFFD stands for a character that a span's end cuts in two */
    uint64_t tokens;
    const char *key; /* 64 hexadecimal digits */
    bool hit;
    const char *outcome; /* of a hit "memory", "disk", "remote" or "joined"; of a miss "new", "evicted", "corrupt",
                            "expired" or "encoder" */
};

struct latent_usage {
    uint64_t prompt_tokens, prompt_spans, span_hits, span_misses;
    uint64_t restored_spans; /* of latent_generate: the prompt's, mixed before for one that began alike */
    uint64_t refined_spans;  /* of latent_generate: of the others, whose refinement was stored */
    uint64_t completion_tokens, completion_spans; /* of latent_generate */
};

/* Milliseconds. Stages that did not run are 0. */
struct latent_timings {
    double ttft; /* to the first token */
    double tokenize, lookup, encode, refine, mix, decode, total;
};

/* Floating-point operations of each stage. */
struct latent_operations {
    uint64_t encode, refine, mix, decode;
    uint64_t refine_saved; /* that stored refinement made unnecessary */
};

struct latent_receipt {
    struct latent_usage usage;
    struct latent_timings timings;
    struct latent_operations operations;
    struct latent_span *spans; /* of the prompt, in order */
    size_t span_count;
};

/* ---- Generate ---- */

enum latent_role {
    LATENT_DOCUMENT, /* text to know about */
    LATENT_USER,     /* what is asked */
};

struct latent_segment {
    enum latent_role role;
    const char *text;
    size_t bytes;
    const char *document; /* not NULL: the name of a stored document, instead of role and text */
    uint32_t version;     /* of it; 0: the newest */
};

/* Set with latent_generate_options_init, which leaves every choice to the daemon; then change what matters. Exactly one
 * of prompt and segments must be given. */
struct latent_generate_options {
    const char *prompt; /* terminated; the same as one user segment */
    const struct latent_segment *segments;
    size_t segment_count;
    const char *model;         /* NULL: the daemon's default model */
    const char *format;        /* "chat" or "text" (continue the text); NULL: "chat" */
    uint32_t max_tokens;       /* 0: 128 */
    double temperature;        /* 0: always the likeliest token; negative: 0.7 */
    int32_t top_k;             /* 0: no such limit; negative: 40 */
    double top_p;              /* negative: 0.95 */
    double repetition_penalty; /* 1: none; negative: 1.2 */
    uint64_t seed;             /* the same seed, the same answer */
    const char *const *stop;   /* texts that end the answer */
    size_t stop_count;
};

struct latent_generation {
    struct latent_reply *reply; /* owns all that is here */
    const char *text;
    size_t text_bytes;
    const char *finish_reason; /* "stop" or "length" */
    const char *model;
    struct latent_receipt receipt;
};

void latent_generate_options_init(struct latent_generate_options *options);

/* Called with each piece of the answer as it comes: `bytes` bytes of UTF-8, also terminated, valid during the call. Not
 * 0 cancels. It must not use the same connection. */
typedef int (*latent_token_function)(const char *text, size_t bytes, void *data);

/* Generates; on_token may be NULL. LATENT_ECANCELLED if on_token cancelled before the answer was complete. */
int latent_generate(struct latent *latent, const struct latent_generate_options *options,
                    latent_token_function on_token, void *data, struct latent_generation *ret_generation);
void latent_generation_finish(struct latent_generation *generation);

/* ---- Encode: have a text's spans in the cache ---- */

struct latent_encoding {
    struct latent_reply *reply;
    const char *model;
    uint64_t dimension; /* numbers in one latent */
    struct latent_receipt receipt;
};

/* `model` NULL: the default model. */
int latent_encode(struct latent *latent, const char *model, const char *text, size_t bytes,
                  struct latent_encoding *ret_encoding);
void latent_encoding_finish(struct latent_encoding *encoding);

/* ---- Packs: latents and documents in one file, for another machine ---- */

/* Takes a piece of a pack; not 0 gives up. */
typedef int (*latent_write_function)(const void *piece, size_t bytes, void *data);

/* Fills a piece of at most `bytes` bytes; returns how many there are, 0 at the end, negative to give up. */
typedef long (*latent_read_function)(void *piece, size_t bytes, void *data);

/* Writes the latents of the namespace (latent_set_namespace) as a pack, those of the encoder of `model` (NULL: the
 * default model); or, if document_count is not 0, these documents of it, at most 256, and the latents of their spans.
 * The reply has `records`, `bytes`, `size`, `skipped`, `documents` and `missing` (latents of documents that are not
 * stored: whoever takes the pack encodes them when they are needed). LATENT_ENOTFOUND for a document that there is not;
 * LATENT_EIO if `write` gave up. */
int latent_export(struct latent *latent, const char *model, const char *const *documents, size_t document_count,
                  latent_write_function write, void *data, struct latent_reply **ret_reply);

/* Takes a pack into the namespace, all of it or nothing. The reply has `records`, `expired`, `model` and `documents`,
 * an array of maps with `name`, `version` and `unchanged`: each becomes the newest version of its name, unless it is
 * that. LATENT_ECORRUPT, LATENT_EFORMAT (of another encoder, or a later version), LATENT_ETOOLARGE; LATENT_EIO if
 * `read` gave up. */
int latent_import(struct latent *latent, latent_read_function read, void *data, struct latent_reply **ret_reply);

/* ---- Documents: named texts that the daemon keeps, in versions ---- */

struct latent_document_change {
    struct latent_reply *reply;
    const char *name;
    uint64_t version;
    bool unchanged; /* the text was that of the newest version: there is no new one */
    uint64_t bytes, tokens, spans;
    uint64_t kept;    /* spans that the version before had, too */
    uint64_t encoded; /* spans that were not in the cache */
    uint64_t dropped; /* spans of the version before that this one has no more */
    uint64_t encode_operations;
    double total_ms;
};

/* Stores a text of up to 32 MiB as the newest version of a document; it is on the daemon's disk on return. `model`
 * NULL: the default model. on_progress may be NULL. The methods doc.get, doc.list, doc.history and doc.remove go
 * through latent_call. In the namespace of latent_set_namespace; how long its latents live is the namespace's to say.
 */
int latent_document_put(struct latent *latent, const char *model, const char *name, const char *text, size_t bytes,
                        latent_progress_function on_progress, void *data, struct latent_document_change *ret_change);
void latent_document_change_finish(struct latent_document_change *change);

/* ---- Score: how well a model predicts a text ---- */

struct latent_score {
    struct latent_reply *reply;
    const char *model;
    uint64_t bytes, tokens;
    double nats;          /* of all tokens together */
    double bits_per_byte; /* nats / ln 2 / bytes */
};

/* `model` NULL: the default model. A text longer than the model's context is scored in pieces of it. */
int latent_score(struct latent *latent, const char *model, const char *text, size_t bytes,
                 struct latent_score *ret_score);
void latent_score_finish(struct latent_score *score);

/* ---- Latents ---- */

enum latent_type {
    LATENT_F16 = 1, /* IEEE 754 half precision, little-endian */
    LATENT_I8 = 2,  /* signed bytes, each to be multiplied by the latent's scale */
};

#define LATENT_KEY_BYTES 32
#define LATENT_SPAN_TOKENS_MAX 64

/* A latent as it is stored. What the pointers go into belongs to whom it is from. */
struct latent_stored {
    enum latent_type type;
    uint32_t dimension;    /* numbers */
    float scale;           /* of LATENT_I8 */
    const void *numbers;   /* [dimension] of the type, at any address: not aligned */
    uint32_t namespace_id; /* 0: public */
    uint32_t created;      /* seconds since the epoch */
    uint32_t expires;      /* the same; 0: never */
    uint32_t token_count;  /* of its span */
    const void *tokens;    /* little-endian, at any address; latent_stored_tokens reads them */
    uint32_t token_bytes;  /* of one of them, 2 or 4 */
};

/* Copies the numbers out as floats; `ret_numbers` has room for `dimension`. */
void latent_stored_numbers(const struct latent_stored *stored, float *ret_numbers);

/* Copies the token ids out; `ret_tokens` has room for token_count, at most LATENT_SPAN_TOKENS_MAX. */
void latent_stored_tokens(const struct latent_stored *stored, uint32_t *ret_tokens);

/* A key from its 64 hexadecimal digits. LATENT_EPARAM if it is something else. */
int latent_key_parse(const char *text, uint8_t ret_key[LATENT_KEY_BYTES]);

/* Latents that the daemon gave. */
struct latent_batch {
    struct latent_reply *reply;
    size_t count;
};

/* Asks for the latents of 1 to 1024 keys, one behind the other, in the namespace of latent_set_namespace. `model` NULL:
 * the default model. */
int latent_get(struct latent *latent, const char *model, const uint8_t *keys, size_t count,
               struct latent_batch *ret_batch);

/* The latent of the key with that index, without tokens and times, valid as long as the batch. False: there is none. */
bool latent_batch_at(const struct latent_batch *batch, size_t index, struct latent_stored *ret_stored);
void latent_batch_finish(struct latent_batch *batch);

enum latent_outcome {
    LATENT_PUT_STORED,
    LATENT_PUT_KNOWN,   /* it was there already and stays as it is */
    LATENT_PUT_REFUSED, /* too many wait to be written; try again later */
};

/* Gives the daemon 1 to 1024 latents, with their tokens and all of one type and dimension, that the encoder with this
 * fingerprint made (`encoder_fingerprint` of latent_models, read by latent_key_parse). proto/PROTOCOL.md says what is
 * trusted. They go into the namespace of latent_set_namespace. `ret_outcomes` has room for `count`, or is NULL.
 * LATENT_EPARAM: one of them is wrong, the message says which and why, and none is stored. */
int latent_put(struct latent *latent, const char *model, const uint8_t encoder[LATENT_KEY_BYTES],
               const struct latent_stored *latents, size_t count, enum latent_outcome *ret_outcomes);

/* ---- Attach: read a store on this machine without asking its daemon ---- */

/* The files of a store are mapped read-only and latents are read where they lie, whether a daemon is at work on them or
 * not. Each is checked before it is handed out. What to know:
 *
 * - Whoever may open the files may read all of them: it takes the user that the daemon runs as, and write permission
 * for lock.mdb, where readers are entered. Latents are found by key, and only those of `public` have keys that anybody
 *   can make: others have the salt of their namespace in them, and come from replies of the daemon in it.
 * - A snapshot is the store as of one moment. What it hands out is valid until it ends or is renewed, and not longer.
 * - Keep snapshots short: tens of milliseconds, not seconds. The daemon cannot use any page again that was freed since
 *   the oldest snapshot began. If one is held for long while the daemon writes and evicts, its file grows to the limit,
 *   and then new latents are not stored.
 * - A latent is visible when it is on disk, about 10 ms after it was made; latent.get sees it at once.
 * - The daemon does not notice what is read here: for eviction, a latent that only attached processes use is unused.
 * - A process attaches to a store once; threads share it, each with a snapshot of its own. A child made by fork must
 *   not use its parent's, and the daemon's own process must not attach.
 * - A reader that is killed leaves nothing behind that the daemon would not clear away. */

struct latent_store;
struct latent_snapshot;

/* Attaches to the store in `folder`, or, if that is NULL, to that of the daemon that `latent` is connected to. `latent`
 * takes the error message and need not be connected otherwise. LATENT_ESTORE: no store, damaged, no permission.
 * LATENT_EFORMAT: of a format that this library does not know. LATENT_ENOMEM. */
int latent_attach(struct latent *latent, const char *folder, struct latent_store **ret_store);

/* All snapshots must have ended. NULL is allowed. */
void latent_detach(struct latent_store *store);

/* The store as it is now. A snapshot belongs to one thread at a time. LATENT_EBUSY: as many processes as possible look
 * at the store. LATENT_ENOMEM, LATENT_EIO. */
int latent_snapshot_begin(struct latent_store *store, struct latent_snapshot **ret_snapshot);

/* Moves the snapshot to what the store is now; much cheaper than ending and beginning. After a failure, LATENT_EIO, it
 * can only be ended. */
int latent_snapshot_renew(struct latent_snapshot *snapshot);

/* NULL is allowed. */
void latent_snapshot_end(struct latent_snapshot *snapshot);

/* The latent of a span key. LATENT_ENOTFOUND: there is none, or its time is over. LATENT_ECORRUPT: what is there failed
 * its check. LATENT_EIO. */
int latent_snapshot_find(struct latent_snapshot *snapshot, const uint8_t key[LATENT_KEY_BYTES],
                         struct latent_stored *ret_stored);

#ifdef __cplusplus
}
#endif

#endif
