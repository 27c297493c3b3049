/* Requests as the daemon understands them: decoded, checked against the limits, every default filled in.
 *
 * The list of methods stands here once. proto/PROTOCOL.md is the contract for other implementations. */
#ifndef LT_PROTO_MESSAGES_H
#define LT_PROTO_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/error.h"
#include "proto/limits.h"

#define LT_PROTOCOL_VERSION 1

#define LT_METHOD_MAP(X)                                                                                               \
    X(HELLO, "hello")                                                                                                  \
    X(PING, "ping")                                                                                                    \
    X(GENERATE, "generate")                                                                                            \
    X(ENCODE, "encode")                                                                                                \
    X(SCORE, "score")                                                                                                  \
    X(EXPLAIN, "explain")                                                                                              \
    X(NEAR, "near")                                                                                                    \
    X(LATENT_GET, "latent.get")                                                                                        \
    X(NAMESPACE_PUT, "namespace.put")                                                                                  \
    X(NAMESPACE_LIST, "namespace.list")                                                                                \
    X(NAMESPACE_REMOVE, "namespace.remove")                                                                            \
    X(PIN, "pin")                                                                                                      \
    X(UNPIN, "unpin")                                                                                                  \
    X(EVICT, "evict")                                                                                                  \
    X(FLUSH, "flush")                                                                                                  \
    X(SCAN, "scan")                                                                                                    \
    X(VERIFY, "verify")                                                                                                \
    X(BACKUP, "backup")                                                                                                \
    X(EXPORT_BEGIN, "export.begin")                                                                                    \
    X(EXPORT_READ, "export.read")                                                                                      \
    X(IMPORT_WRITE, "import.write")                                                                                    \
    X(IMPORT_END, "import.end")                                                                                        \
    X(STATS, "stats")                                                                                                  \
    X(INFO, "info")                                                                                                    \
    X(MODELS, "models")                                                                                                \
    X(CANCEL, "cancel")                                                                                                \
    X(SHUTDOWN, "shutdown")

enum lt_method {
#define LT_METHOD_ENUM(identifier, name) LT_METHOD_##identifier,
    LT_METHOD_MAP(LT_METHOD_ENUM)
#undef LT_METHOD_ENUM
        LT_METHOD_COUNT
};

const char *lt_method_name(enum lt_method method);

enum lt_segment_role {
    LT_ROLE_DOCUMENT, /* "document": text to know about */
    LT_ROLE_USER,     /* "user": what is asked */
    LT_ROLE_ANSWER,   /* "answer": what was said to it */
};

const char *lt_role_name(enum lt_segment_role role);

/* Text of one segment: valid UTF-8, not empty, not terminated. */
struct lt_segment {
    enum lt_segment_role role;
    const char *text;
    size_t bytes;
};

struct lt_text {
    const char *text;
    size_t bytes;
};

enum lt_format {
    LT_FORMAT_CHAT, /* "chat": segments, then an answer */
    LT_FORMAT_TEXT, /* "text": the last segment is continued; roles are all document */
};

struct lt_generate_request {
    char model[LT_MODEL_NAME_MAX + 1]; /* empty: the default model */
    struct lt_segment *segments;       /* at least one */
    size_t segment_count;
    enum lt_format format;     /* "format", default chat */
    uint32_t max_tokens;       /* default 128 */
    double temperature;        /* default 0.7 */
    uint32_t top_k;            /* default 40 */
    double top_p;              /* default 0.95 */
    double repetition_penalty; /* default 1.2; 1 is none */
    uint64_t seed;             /* default 0: the same request gives the same answer */
    struct lt_text stop[LT_STOP_TEXTS_MAX];
    size_t stop_count;
    bool stream; /* default true: notifications "token" */
};

enum lt_latents {
    LT_LATENTS_NONE,
    LT_LATENTS_MEAN,  /* "mean": of all spans */
    LT_LATENTS_SPANS, /* "spans": of each span as well */
};

struct lt_encode_request {
    char model[LT_MODEL_NAME_MAX + 1];
    struct lt_segment segment; /* role document */
    enum lt_latents latents;   /* what to send of them, default nothing */
};

struct lt_score_request {
    char model[LT_MODEL_NAME_MAX + 1];
    struct lt_segment *segments; /* at least one */
    size_t segment_count;
    bool in_pieces; /* given as one text: it may be longer than the context */
};

struct lt_explain_request {
    struct lt_generate_request generate; /* the prompt, and how it is asked: at temperature 0, not streamed */
    struct lt_text measure;              /* a long text to run the projection with; NULL: it is counted only */
};

struct lt_near_request {
    char model[LT_MODEL_NAME_MAX + 1];
    struct lt_segment segment; /* role document */
    uint32_t k;                /* default 10 */
};

struct lt_latent_get_request {
    char model[LT_MODEL_NAME_MAX + 1];
    uint8_t (*keys)[LT_SPAN_KEY_BYTES];
    size_t key_count;
};

struct lt_namespace_request {
    char name[LT_NAMESPACE_NAME_MAX + 1];
    bool has_quota, has_ttl; /* given, else they stay as they are */
    uint64_t quota_bytes;    /* 0: none */
    uint32_t ttl_seconds;    /* 0: latents never expire */
};

/* Which latents are meant: by key, by the spans of a text, or for evict a share of all. */
struct lt_keys_request {
    char model[LT_MODEL_NAME_MAX + 1];
    uint8_t (*keys)[LT_SPAN_KEY_BYTES]; /* [key_count]; NULL if a text or a share is given */
    size_t key_count;
    struct lt_text text; /* owned; NULL if keys or a share are given */
    double share;        /* above 0 to 1; 0 if keys or a text are given */
};

struct lt_flush_request {
    bool all; /* of all namespaces; else of the request's */
};

struct lt_scan_request {
    bool has_cursor;
    uint8_t cursor[LT_SPAN_KEY_BYTES]; /* the key after which to go on */
    uint32_t count;
};

struct lt_verify_request {
    bool reencode; /* compare each latent with one that is encoded now */
};

struct lt_backup_request {
    char path[LT_PATH_BYTES_MAX + 1]; /* absolute */
};

struct lt_pack_request {
    char model[LT_MODEL_NAME_MAX + 1]; /* of export.begin */
    uint64_t offset;                   /* of export.read and import.write */
    struct lt_text data;               /* of import.write; owned */
};

struct lt_hello_request {
    uint32_t version; /* 0 if the client did not say */
};

struct lt_cancel_request {
    uint32_t id; /* of the request to cancel, on the same connection */
};

#define LT_TTL_OF_NAMESPACE UINT32_MAX

struct lt_request {
    enum lt_method method;
    uint32_t id;
    char space[LT_NAMESPACE_NAME_MAX + 1]; /* "namespace": empty if not given */
    uint32_t ttl_seconds;                  /* "ttl_s", or LT_TTL_OF_NAMESPACE if not given */
    union {
        struct lt_hello_request hello;
        struct lt_generate_request generate;
        struct lt_encode_request encode;
        struct lt_score_request score;
        struct lt_explain_request explain;
        struct lt_near_request near;
        struct lt_latent_get_request latent_get;
        struct lt_namespace_request namespace_request;
        struct lt_keys_request keys;
        struct lt_flush_request flush;
        struct lt_scan_request scan;
        struct lt_verify_request verify;
        struct lt_backup_request backup;
        struct lt_pack_request pack;
        struct lt_cancel_request cancel;
    };
};

/* Decodes one frame that lt_scan has passed. The request owns copies of all that it needs; the frame may go.
 * On failure ret_id (and *ret_id_known) still tell which request it was, if that much could be read, so that it can be
 * answered; `error` names the parameter and says what would be right. LT_EMALFORMED: not a request. LT_EMETHOD,
 * LT_EPARAM, LT_EUTF8, LT_ETOOLARGE, LT_ENOMEM. A notification from a client (type 2) is LT_EMALFORMED, too: the
 * protocol has none. */
int lt_request_decode(const uint8_t *frame, size_t bytes, struct lt_request **ret_request, uint32_t *ret_id,
                      bool *ret_id_known, struct lt_error *error);
void lt_request_destroy(struct lt_request *request);

#endif
