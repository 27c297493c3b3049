/* Every limit on what a peer or a file controls, in one place, with the relations between them checked at compile time.
 */
#ifndef LT_PROTO_LIMITS_H
#define LT_PROTO_LIMITS_H

#include <assert.h>

/* Wire */
#define LT_FRAME_BYTES_MAX (1u << 20)   /* one request, in bytes */
#define LT_FRAME_DEPTH_MAX 16           /* nesting of arrays and maps */
#define LT_FRAME_ELEMENTS_MAX 65536     /* objects in one request, containers included */
#define LT_REPLY_BYTES_MAX (8u << 20)   /* one reply, as a client accepts it */
#define LT_REPLY_ELEMENTS_MAX 1048576   /* objects in one reply, as a client accepts it */
#define LT_WRITE_QUEUE_PAUSE (1u << 20) /* bytes unread by a client: its generation pauses */
#define LT_WRITE_QUEUE_MAX (16u << 20)  /* bytes unread by a client: its connection is closed */
#define LT_CONNECTIONS_MAX 1024
#define LT_CONNECTION_REQUESTS_MAX 256 /* requests of one connection that are not answered yet */
#define LT_ENGINE_QUEUE_MAX 1024       /* requests that wait for the engine */
#define LT_POOL_QUEUE_MAX 1024         /* requests that wait for a disk */
#define LT_FRAME_SECONDS_MAX 10        /* from the first byte of a frame to its last */

/* Who may connect */
#define LT_TOKENS_MAX 1024                 /* in the token file */
#define LT_TOKEN_FILE_BYTES_MAX (1u << 20) /* comments included */
#define LT_TOKEN_LINE_BYTES_MAX 512        /* of that file */
#define LT_TOKEN_NAME_MAX 64               /* by which people know a token */
#define LT_TOKEN_BYTES_MIN 16
#define LT_TOKEN_BYTES_MAX 256
#define LT_PEER_RULES_MAX 256 /* users and groups that are allowed on the Unix socket */
#define LT_PEER_RULE_BYTES_MAX 512
#define LT_PEER_GROUPS_MAX 65536 /* of one peer, which is as many as Linux has */

/* Before it is known who connects: until a token has come, where one is needed */
#define LT_PREAUTH_CONNECTIONS_MAX 64 /* over TCP, and as many over HTTP */
#define LT_PREAUTH_SECONDS_MAX 5      /* for a token to come */
#define LT_PREAUTH_FRAME_BYTES_MAX 4096
#define LT_PREAUTH_FRAME_ELEMENTS_MAX 64
#define LT_PREAUTH_BODY_BYTES_MAX (64u << 10) /* that are read, and thrown away, so that a client gets to read why */

/* TLS */
#define LT_TLS_FILE_BYTES_MAX (256u << 10)     /* of a certificate with its chain, or a key */
#define LT_TLS_HANDSHAKE_BYTES_MAX (64u << 10) /* that a client sends before the connection is made */

/* HTTP */
#define LT_HTTP_BODY_BYTES_MAX (4u << 20)    /* one request's body: JSON may take several bytes for one of a text */
#define LT_HTTP_BODIES_BYTES_MAX (64u << 20) /* bodies of all requests together */
#define LT_HTTP_HEADER_BYTES_MAX                                                                                       \
    (32u << 10) /* of one request; what its connection needs beside comes out of it, too                               \
                 */
#define LT_HTTP_CONNECTIONS_MAX 512
#define LT_HTTP_STREAM_PAUSE (32u << 10)      /* bytes of a stream unread by a client: its generation pauses */
#define LT_HTTP_SEND_BYTES (32u << 10)        /* that the kernel keeps for a connection */
#define LT_HTTP_INPUTS_MAX 256                /* texts of one request for embeddings */
#define LT_HTTP_SPANS_MAX 2048                /* whose latents one reply has */
#define LT_HTTP_SECONDS_IDLE 60               /* without a request, or without reading the answer */
#define LT_HTTP_RECENT_MAX 32                 /* requests that the live page shows */
#define LT_HTTP_RECENT_BYTES_MAX (128u << 10) /* of one of them */

/* Request parameters */
#define LT_METHOD_NAME_MAX 32
#define LT_CLIENT_NAME_MAX 64
#define LT_MODEL_NAME_MAX 64
#define LT_MODELS_MAX 16
#define LT_SEGMENTS_MAX 256
#define LT_STOP_TEXTS_MAX 8
#define LT_STOP_TEXT_BYTES_MAX 256
#define LT_PROMPT_BYTES_MAX (512u << 10)
#define LT_GENERATE_TOKENS_MAX 65536
#define LT_TOP_K_MAX 1024
#define LT_TEMPERATURE_MAX 10.0
#define LT_REPETITION_PENALTY_MAX 2.0
#define LT_LATENT_KEYS_MAX 1024
#define LT_NEAR_COUNT_MAX 100     /* nearest spans of one */
#define LT_NEAR_SPANS_MAX 64      /* spans to look for at once */
#define LT_NEAR_QUEUE_MAX 64      /* searches that wait for the one under way */
#define LT_EXPLAIN_TOKENS_MAX 256 /* of the answer that explain runs */

/* Documents */
#define LT_DOCUMENT_NAME_MAX 255
#define LT_DOCUMENT_BYTES_MAX (32u << 20) /* text of one version */
#define LT_DOCUMENT_VERSIONS_MAX 8        /* of one document; the oldest goes */
#define LT_DOCUMENT_PART_SPANS 1024       /* spans after which a part of a version ends */
#define LT_DOCUMENT_LIST_MAX 1000         /* documents of one reply */
#define LT_UPLOADS_BYTES_MAX (128u << 20) /* texts of documents on their way in, of all connections */

/* Model files */
#define LT_MODEL_FILE_BYTES_MAX (4ull << 30)
#define LT_MODEL_KEYS_MAX 4096 /* metadata entries of a GGUF file */
#define LT_MODEL_TENSORS_MAX 8192
#define LT_MODEL_STRING_MAX (64u << 10)
#define LT_VOCABULARY_MAX 131072
#define LT_PIECE_BYTES_MAX 256 /* text of one token */
#define LT_WIDTH_MAX 4096
#define LT_FEED_FORWARD_MAX 16384
#define LT_HEADS_MAX 64
#define LT_LAYERS_MAX 64 /* of one sub-network */
#define LT_SPAN_TOKENS_MAX 64
#define LT_WINDOW_MAX 256
#define LT_CONTEXT_MAX 65536 /* tokens */

/* Store */
#define LT_DIGEST_BYTES 32 /* BLAKE2b as it is used here */
#define LT_SPAN_KEY_BYTES LT_DIGEST_BYTES
#define LT_FINGERPRINT_BYTES LT_DIGEST_BYTES /* of an encoder */
#define LT_LATENT_DIMENSION_MAX LT_WIDTH_MAX
#define LT_RECORD_BYTES_MAX (26 + LT_SPAN_KEY_BYTES + 4 * LT_SPAN_TOKENS_MAX + 2 * LT_LATENT_DIMENSION_MAX + 8)
#define LT_STORE_BYTES_MIN (16ull << 20) /* smallest byte budget */
#define LT_STORE_READERS_MAX 512
#define LT_STORE_ENCODERS_MAX 16  /* fingerprints that a store remembers */
#define LT_WRITER_QUEUE_MAX 65536 /* records that wait for the writer */
#define LT_LATENT_BATCH_MAX 4096  /* keys of one lookup */

/* Namespaces and lifetime */
#define LT_NAMESPACE_NAME_MAX 64
#define LT_NAMESPACES_MAX 1024
#define LT_NAMESPACE_QUOTA_MIN (64u << 10) /* smallest quota, in bytes */
#define LT_NAMESPACE_QUOTA_MAX (1ull << 50)
#define LT_PINS_MAX 65536              /* latents that are pinned */
#define LT_PINS_SHARE 4                /* of the budget, they have at most one part in so many */
#define LT_PACK_PIECE_MAX (512u << 10) /* bytes of a pack in one message */
#define LT_PACK_DOCUMENTS_MAX 256
#define LT_PACK_TEXT_BYTES_MAX (128u << 20) /* of all documents of a pack */
#define LT_TRANSFERS_MAX 4                  /* packs that are on their way */
#define LT_PATH_BYTES_MAX 4096
#define LT_SCAN_RECORDS_MAX 1024 /* records in one reply */
#define LT_TTL_SECONDS_MAX (10u * 366 * 24 * 3600)

/* Remote tier */
#define LT_REMOTE_HOST_BYTES_MAX 255
#define LT_REMOTE_NODES_MAX 256               /* masters, and seeds, that are known at once */
#define LT_REMOTE_QUEUE_MAX 16384             /* latents that wait to be written */
#define LT_REMOTE_IN_FLIGHT_MAX 512           /* of those, sent and not answered yet */
#define LT_REMOTE_REPLY_BYTES_MAX (16u << 20) /* of a node, to one command */
#define LT_REMOTE_PASSWORD_BYTES_MAX 512
#define LT_REMOTE_MILLISECONDS_MAX 10000     /* of a deadline or a lease */
#define LT_REMOTE_KEEP_SECONDS_MAX 315360000 /* ten years */

/* Config files */
#define LT_CONFIG_LINE_MAX 1024

static_assert(LT_PROMPT_BYTES_MAX < LT_FRAME_BYTES_MAX, "a prompt of the greatest length must fit a frame");
static_assert(6 * LT_PROMPT_BYTES_MAX < LT_HTTP_BODY_BYTES_MAX, "a prompt must fit, even if JSON escapes all of it");
static_assert(LT_WRITE_QUEUE_PAUSE < LT_WRITE_QUEUE_MAX, "a slow reader pauses before it is closed");
static_assert(LT_HTTP_STREAM_PAUSE < LT_WRITE_QUEUE_MAX, "likewise over HTTP");
static_assert(LT_REPLY_BYTES_MAX < LT_WRITE_QUEUE_MAX, "one reply must fit the write queue");
static_assert(LT_TOKEN_BYTES_MAX + LT_CLIENT_NAME_MAX + 128 < LT_PREAUTH_FRAME_BYTES_MAX,
              "a hello with a token must fit");
static_assert(LT_PREAUTH_CONNECTIONS_MAX < LT_CONNECTIONS_MAX, "who is known must find room beside who is not");
static_assert(LT_UPLOADS_BYTES_MAX >= LT_DOCUMENT_BYTES_MAX, "one document of the greatest size must get in");
static_assert(LT_LATENT_KEYS_MAX <= LT_LATENT_BATCH_MAX, "latent.get is one lookup");
static_assert(LT_MODELS_MAX <= LT_STORE_ENCODERS_MAX, "the encoders of all models must be remembered");
static_assert(LT_LATENT_KEYS_MAX * 2 * 2048 <= LT_REPLY_BYTES_MAX, "latents of width 2048 in f16 must fit a reply");

#endif
