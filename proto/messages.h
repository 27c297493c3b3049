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
#include "proto/record.h"

#define LT_PROTOCOL_VERSION 1

/* What a caller must be allowed to do. */
enum lt_access {
    LT_ACCESS_ANY,      /* "any": nothing in particular */
    LT_ACCESS_READ,     /* "read": look at what is there */
    LT_ACCESS_GENERATE, /* "generate": have the models compute */
    LT_ACCESS_WRITE,    /* "write": say what others will read */
    LT_ACCESS_ADMIN,    /* "admin": decide for all */
};

/* Identifier, name on the wire, access that is needed. */
#define LT_METHOD_MAP(X)                                                                                               \
    X(HELLO, "hello", LT_ACCESS_ANY)                                                                                   \
    X(PING, "ping", LT_ACCESS_ANY)                                                                                     \
    X(GENERATE, "generate", LT_ACCESS_GENERATE)                                                                        \
    X(ENCODE, "encode", LT_ACCESS_GENERATE)                                                                            \
    X(SCORE, "score", LT_ACCESS_GENERATE)                                                                              \
    X(EXPLAIN, "explain", LT_ACCESS_GENERATE)                                                                          \
    X(NEAR, "near", LT_ACCESS_GENERATE)                                                                                \
    X(LATENT_GET, "latent.get", LT_ACCESS_READ)                                                                        \
    X(LATENT_PUT, "latent.put", LT_ACCESS_WRITE)                                                                       \
    X(NAMESPACE_PUT, "namespace.put", LT_ACCESS_ADMIN)                                                                 \
    X(NAMESPACE_LIST, "namespace.list", LT_ACCESS_ADMIN)                                                               \
    X(NAMESPACE_REMOVE, "namespace.remove", LT_ACCESS_ADMIN)                                                           \
    X(PIN, "pin", LT_ACCESS_WRITE)                                                                                     \
    X(UNPIN, "unpin", LT_ACCESS_WRITE)                                                                                 \
    X(EVICT, "evict", LT_ACCESS_WRITE)                                                                                 \
    X(FLUSH, "flush", LT_ACCESS_ADMIN)                                                                                 \
    X(SCAN, "scan", LT_ACCESS_ADMIN)                                                                                   \
    X(VERIFY, "verify", LT_ACCESS_ADMIN)                                                                               \
    X(BACKUP, "backup", LT_ACCESS_ADMIN)                                                                               \
    X(EXPORT_BEGIN, "export.begin", LT_ACCESS_ADMIN)                                                                   \
    X(EXPORT_READ, "export.read", LT_ACCESS_ADMIN)                                                                     \
    X(IMPORT_WRITE, "import.write", LT_ACCESS_WRITE)                                                                   \
    X(IMPORT_END, "import.end", LT_ACCESS_WRITE)                                                                       \
    X(DOCUMENT_PUT, "doc.put", LT_ACCESS_WRITE)                                                                        \
    X(DOCUMENT_GET, "doc.get", LT_ACCESS_READ)                                                                         \
    X(DOCUMENT_LIST, "doc.list", LT_ACCESS_READ)                                                                       \
    X(DOCUMENT_HISTORY, "doc.history", LT_ACCESS_READ)                                                                 \
    X(DOCUMENT_REMOVE, "doc.remove", LT_ACCESS_WRITE)                                                                  \
    X(DOCUMENT_REFINE, "doc.refine", LT_ACCESS_GENERATE)                                                               \
    X(STATS, "stats", LT_ACCESS_READ)                                                                                  \
    X(INFO, "info", LT_ACCESS_READ)                                                                                    \
    X(MODELS, "models", LT_ACCESS_READ)                                                                                \
    X(CANCEL, "cancel", LT_ACCESS_ANY)                                                                                 \
    X(SHUTDOWN, "shutdown", LT_ACCESS_ADMIN)

enum lt_method {
#define LT_METHOD_ENUM(identifier, name, access) LT_METHOD_##identifier,
    LT_METHOD_MAP(LT_METHOD_ENUM)
#undef LT_METHOD_ENUM
        LT_METHOD_COUNT
};

const char *lt_method_name(enum lt_method method);
enum lt_access lt_method_access(enum lt_method method);
const char *lt_access_name(enum lt_access access);

enum lt_segment_role {
    LT_ROLE_DOCUMENT, /* "document": text to know about */
    LT_ROLE_USER,     /* "user": what is asked */
    LT_ROLE_ANSWER,   /* "answer": what was said to it */
};

const char *lt_role_name(enum lt_segment_role role);

/* Text of one segment, or the name of a stored document: valid UTF-8, not empty, not terminated. */
struct lt_segment {
    enum lt_segment_role role;
    const char *text;
    size_t bytes;
    bool stored;      /* `text` is the name of a document, of at most LT_DOCUMENT_NAME_MAX bytes; generate only */
    uint32_t version; /* of it; 0: the newest */
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

/* A latent as its writer gives it: for which tokens, and in the form that latent.get has. */
struct lt_given_latent {
    const uint32_t *tokens; /* [token_count], 1..LT_SPAN_TOKENS_MAX of them */
    uint32_t token_count;
    float scale;            /* of I8; not negative, finite also times 127 */
    const uint8_t *payload; /* [lt_latent_payload_bytes] little-endian */
};

struct lt_latent_put_request {
    char model[LT_MODEL_NAME_MAX + 1];
    uint8_t encoder[LT_FINGERPRINT_BYTES]; /* that made them */
    enum lt_latent_type type;
    uint32_t dimension;
    struct lt_given_latent *latents; /* what they point to is in the same block */
    size_t latent_count;
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
    /* Of export.begin: documents whose latents are meant, and not all of the namespace; [document_count], NULL if none
     * is named. */
    char (*documents)[LT_DOCUMENT_NAME_MAX + 1];
    size_t document_count;
    uint64_t offset;     /* of export.read and import.write */
    struct lt_text data; /* of import.write; owned */
};

/* A text may come in several requests: `offset` is what came before it, and `more` says that it is not the last. */
struct lt_document_put_request {
    char model[LT_MODEL_NAME_MAX + 1];
    char name[LT_DOCUMENT_NAME_MAX + 1];
    char *text;
    size_t bytes;
    uint64_t offset; /* default 0 */
    bool more;       /* default false */
    bool progress;   /* default false: notifications "progress" */
};

/* Of doc.get, doc.history, doc.remove and doc.refine. */
struct lt_document_request {
    char model[LT_MODEL_NAME_MAX + 1];
    char name[LT_DOCUMENT_NAME_MAX + 1];
    uint32_t version; /* get and refine only; 0: the newest */
    uint32_t part;    /* get only; default 0 */
};

struct lt_document_list_request {
    char after[LT_DOCUMENT_NAME_MAX + 1]; /* default empty: from the first on */
    uint32_t limit;                       /* default LT_DOCUMENT_LIST_MAX */
};

struct lt_hello_request {
    uint32_t version;                   /* 0 if the client did not say */
    char token[LT_TOKEN_BYTES_MAX + 1]; /* empty if none was presented; overwritten when the request is destroyed */
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
        struct lt_document_put_request document_put;
        struct lt_document_request document;
        struct lt_document_list_request document_list;
        struct lt_latent_put_request latent_put;
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
