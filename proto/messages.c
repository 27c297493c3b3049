/* Decoding of requests: the envelope [0, id, method, params] and, for each method, its parameters.
 *
 * A frame is scanned again here, although the daemon has scanned it to find its end: it costs little, and so no caller
 * can hand msgpack-c bytes that make it reserve memory for counts that nobody sent. msgpack-c's strings point into the
 * frame; all that a request keeps is copied out of it. */
#include "proto/messages.h"

#include <inttypes.h>
#include <msgpack/unpack.h>
#include <stdio.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/document_requests.h"
#include "proto/explain_request.h"
#include "proto/generate_request.h"
#include "proto/latent_requests.h"
#include "proto/lifetime_requests.h"
#include "proto/parameters.h"
#include "proto/scanner.h"
#include "proto/segments.h"

static const char *const method_names[LT_METHOD_COUNT] = {
#define LT_METHOD_NAME(identifier, name, access) name,
    LT_METHOD_MAP(LT_METHOD_NAME)
#undef LT_METHOD_NAME
};

static const enum lt_access method_access[LT_METHOD_COUNT] = {
#define LT_METHOD_ACCESS(identifier, name, access) access,
    LT_METHOD_MAP(LT_METHOD_ACCESS)
#undef LT_METHOD_ACCESS
};

const char *lt_method_name(enum lt_method method)
{
    return method < LT_METHOD_COUNT ? method_names[method] : "unknown";
}

enum lt_access lt_method_access(enum lt_method method)
{
    return method < LT_METHOD_COUNT ? method_access[method] : LT_ACCESS_ADMIN;
}

const char *lt_access_name(enum lt_access access)
{
    static const char *const names[] = {[LT_ACCESS_ANY] = "any",
                                        [LT_ACCESS_READ] = "read",
                                        [LT_ACCESS_GENERATE] = "generate",
                                        [LT_ACCESS_WRITE] = "write",
                                        [LT_ACCESS_ADMIN] = "admin"};
    return names[access];
}

/* As lt_parameter_name, but no message ever quotes what was sent: it may be a token with one character too many. */
static int read_token(const struct lt_parameters *parameters, char *ret_token)
{
    const msgpack_object *value = lt_parameter_find(parameters, "token");
    bool right = !value || (value->type == MSGPACK_OBJECT_STR && value->via.str.size >= LT_TOKEN_BYTES_MIN &&
                            value->via.str.size <= LT_TOKEN_BYTES_MAX);
    for (uint32_t i = 0; value && right && i < value->via.str.size; i++)
        right = value->via.str.ptr[i] > ' ' && value->via.str.ptr[i] < 0x7f;
    if (!right)
        return lt_fail(parameters->error, LT_EPARAM,
                       "%s: token must be a string of %d to %d printable ASCII characters without blanks",
                       parameters->method, LT_TOKEN_BYTES_MIN, LT_TOKEN_BYTES_MAX);
    if (value) {
        memcpy(ret_token, value->via.str.ptr, value->via.str.size);
        ret_token[value->via.str.size] = '\0';
    }
    return LT_OK;
}

static int read_hello(const struct lt_parameters *parameters, struct lt_hello_request *hello)
{
    static const char *const names[] = {"version", "client", "token", NULL};
    char client[LT_CLIENT_NAME_MAX + 1];
    uint64_t version = 0;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_uint(parameters, "version", LT_PROTOCOL_VERSION, LT_PROTOCOL_VERSION, &version);
    if (!error)
        error = lt_parameter_name(parameters, "client", LT_CLIENT_NAME_MAX, client);
    hello->version = (uint32_t)version;
    return error ? error : read_token(parameters, hello->token);
}

/* The parameter "text" as a segment that owns its text. */
static int read_text(const struct lt_parameters *parameters, struct lt_segment *ret_segment)
{
    struct lt_text text;
    const msgpack_object *value = lt_parameter_find(parameters, "text");
    if (!value)
        return lt_parameter_wrong(parameters, "text", "a string", NULL);
    int error = lt_parameter_text(parameters, value, "text", LT_PROMPT_BYTES_MAX, &text);
    if (error)
        return error;
    char *copy = lt_malloc(text.bytes);
    if (!copy)
        return lt_fail_code(parameters->error, LT_ENOMEM);
    memcpy(copy, text.text, text.bytes);
    *ret_segment = (struct lt_segment){.role = LT_ROLE_DOCUMENT, .text = copy, .bytes = text.bytes};
    return LT_OK;
}

static int read_encode(const struct lt_parameters *parameters, struct lt_encode_request *request)
{
    static const char *const names[] = {"text", "model", "latents", "namespace", "ttl_s", NULL};
    static const char *const choices[] = {"mean", "spans", NULL};
    int latents = -1;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error)
        error = lt_parameter_choice(parameters, "latents", choices, &latents);
    request->latents = (enum lt_latents)(latents + 1);
    return error ? error : read_text(parameters, &request->segment);
}

static int read_near(const struct lt_parameters *parameters, struct lt_near_request *request)
{
    static const char *const names[] = {"text", "k", "model", "namespace", NULL};
    uint64_t k = 10;
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error)
        error = lt_parameter_uint(parameters, "k", 1, LT_NEAR_COUNT_MAX, &k);
    request->k = (uint32_t)k;
    return error ? error : read_text(parameters, &request->segment);
}

static int read_score(const struct lt_parameters *parameters, struct lt_score_request *request)
{
    static const char *const names[] = {"text", "segments", "model", "namespace", "ttl_s", NULL};
    static const struct lt_segments_rule rule = {"text", LT_ROLE_DOCUMENT, .stored = false};
    int error = lt_parameters_check_names(parameters, names);
    if (!error)
        error = lt_parameter_name(parameters, "model", LT_MODEL_NAME_MAX, request->model);
    if (!error)
        error = lt_segments_read(parameters, &rule, &request->segments, &request->segment_count);
    if (!error)
        error = lt_segments_own(parameters, &request->segments, request->segment_count, NULL, 0);
    request->in_pieces = lt_parameter_find(parameters, "text") != NULL;
    return error;
}

static int read_cancel(const struct lt_parameters *parameters, struct lt_cancel_request *cancel)
{
    static const char *const names[] = {"id", NULL};
    uint64_t id = 0;
    int error = lt_parameters_check_names(parameters, names);
    if (!error && !lt_parameter_find(parameters, "id"))
        error = lt_parameter_wrong(parameters, "id", "the id of a request of this connection", NULL);
    if (!error)
        error = lt_parameter_uint(parameters, "id", 0, UINT32_MAX, &id);
    cancel->id = (uint32_t)id;
    return error;
}

static int read_of_method(const struct lt_parameters *parameters, struct lt_request *request)
{
    static const char *const none[] = {NULL};
    switch (request->method) {
    case LT_METHOD_HELLO:
        return read_hello(parameters, &request->hello);
    case LT_METHOD_GENERATE:
        return lt_generate_request_read(parameters, &request->generate);
    case LT_METHOD_ENCODE:
        return read_encode(parameters, &request->encode);
    case LT_METHOD_SCORE:
        return read_score(parameters, &request->score);
    case LT_METHOD_EXPLAIN:
        return lt_explain_request_read(parameters, &request->explain);
    case LT_METHOD_NEAR:
        return read_near(parameters, &request->near);
    case LT_METHOD_LATENT_GET:
        return lt_latent_get_request_read(parameters, &request->latent_get);
    case LT_METHOD_LATENT_PUT:
        return lt_latent_put_request_read(parameters, &request->latent_put);
    case LT_METHOD_NAMESPACE_PUT:
        return lt_namespace_put_request_read(parameters, &request->namespace_request);
    case LT_METHOD_NAMESPACE_REMOVE:
        return lt_namespace_remove_request_read(parameters, &request->namespace_request);
    case LT_METHOD_PIN:
    case LT_METHOD_UNPIN:
    case LT_METHOD_EVICT:
        return lt_keys_request_read(parameters, request->method, &request->keys);
    case LT_METHOD_FLUSH:
        return lt_flush_request_read(parameters, &request->flush);
    case LT_METHOD_SCAN:
        return lt_scan_request_read(parameters, &request->scan);
    case LT_METHOD_VERIFY:
        return lt_verify_request_read(parameters, &request->verify);
    case LT_METHOD_BACKUP:
        return lt_backup_request_read(parameters, &request->backup);
    case LT_METHOD_EXPORT_BEGIN:
    case LT_METHOD_EXPORT_READ:
    case LT_METHOD_IMPORT_WRITE:
    case LT_METHOD_IMPORT_END:
        return lt_pack_request_read(parameters, request->method, &request->pack);
    case LT_METHOD_DOCUMENT_PUT:
        return lt_document_put_request_read(parameters, &request->document_put);
    case LT_METHOD_DOCUMENT_GET:
    case LT_METHOD_DOCUMENT_HISTORY:
    case LT_METHOD_DOCUMENT_REMOVE:
    case LT_METHOD_DOCUMENT_REFINE:
        return lt_document_request_read(parameters, request->method, &request->document);
    case LT_METHOD_DOCUMENT_LIST:
        return lt_document_list_request_read(parameters, &request->document_list);
    case LT_METHOD_CANCEL:
        return read_cancel(parameters, &request->cancel);
    default:
        return lt_parameters_check_names(parameters, none);
    }
}

static int read_parameters(const msgpack_object *params, struct lt_request *request, struct lt_error *error)
{
    struct lt_parameters parameters;
    int code = lt_parameters_init(&parameters, params, lt_method_name(request->method), error);
    if (code == LT_OK)
        code = read_of_method(&parameters, request);
    /* Methods that have neither have refused both by now. */
    return code ? code : lt_space_read(&parameters, request);
}

static int find_method(const msgpack_object *name, enum lt_method *ret_method, struct lt_error *error)
{
    char printable[LT_METHOD_NAME_MAX + 1] = "";
    for (int method = 0; method < LT_METHOD_COUNT; method++) {
        if (strlen(method_names[method]) == name->via.str.size &&
            memcmp(method_names[method], name->via.str.ptr, name->via.str.size) == 0) {
            *ret_method = (enum lt_method)method;
            return LT_OK;
        }
    }
    for (uint32_t i = 0; i < name->via.str.size && i < LT_METHOD_NAME_MAX; i++) {
        char character = name->via.str.ptr[i];
        printable[i] = character >= 0x20 && character < 0x7f ? character : '?';
    }
    return lt_fail(error, LT_EMETHOD, "there is no method \"%s\"", printable);
}

static bool is_uint(const msgpack_object *value, uint64_t max)
{
    return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= max;
}

/* Reads the envelope; *ret_method and *ret_params on success, ret_id and ret_id_known as soon as they are known. */
static int read_envelope(const msgpack_object *message, enum lt_method *ret_method, const msgpack_object **ret_params,
                         uint32_t *ret_id, bool *ret_id_known, struct lt_error *error)
{
    const msgpack_object *items = message->via.array.ptr;
    if (message->type != MSGPACK_OBJECT_ARRAY || message->via.array.size == 0)
        return lt_fail(error, LT_EMALFORMED, "a request is an array: [0, id, method, params]");
    if (!is_uint(&items[0], 0))
        return lt_fail(error, LT_EMALFORMED, "only requests are taken: the first item must be 0");
    if (message->via.array.size > 1 && is_uint(&items[1], UINT32_MAX)) {
        *ret_id = (uint32_t)items[1].via.u64;
        *ret_id_known = true;
    }
    if (message->via.array.size != 4)
        return lt_fail(error, LT_EMALFORMED, "a request has 4 items, [0, id, method, params]; this has %" PRIu32,
                       message->via.array.size);
    if (!*ret_id_known)
        return lt_fail(error, LT_EMALFORMED, "the id of a request must be an integer from 0 to %" PRIu32, UINT32_MAX);
    if (items[2].type != MSGPACK_OBJECT_STR)
        return lt_fail(error, LT_EMALFORMED, "the method of a request must be a string");
    *ret_params = &items[3];
    return find_method(&items[2], ret_method, error);
}

static int scan_whole(const uint8_t *frame, size_t bytes, struct lt_error *error)
{
    struct lt_scanner scanner;
    size_t length = 0;
    lt_scanner_init(&scanner, LT_FRAME_BYTES_MAX, LT_FRAME_ELEMENTS_MAX);
    int code = lt_scan(&scanner, frame, bytes, &length);
    if (code == LT_ETOOLARGE)
        return lt_fail(error, code, "a request may have %u bytes, %u elements and a depth of %u", LT_FRAME_BYTES_MAX,
                       LT_FRAME_ELEMENTS_MAX, LT_FRAME_DEPTH_MAX);
    if (code || length != bytes)
        return lt_fail_code(error, LT_EMALFORMED);
    return LT_OK;
}

static int build_request(const msgpack_object *message, struct lt_request **ret_request, uint32_t *ret_id,
                         bool *ret_id_known, struct lt_error *error)
{
    const msgpack_object *params = NULL;
    enum lt_method method = LT_METHOD_COUNT;
    int code = read_envelope(message, &method, &params, ret_id, ret_id_known, error);
    if (code)
        return code;
    struct lt_request *request = lt_calloc(1, sizeof *request);
    if (!request)
        return lt_fail_code(error, LT_ENOMEM);
    request->method = method;
    request->id = *ret_id;
    code = read_parameters(params, request, error);
    if (code) {
        lt_request_destroy(request);
        return code;
    }
    *ret_request = request;
    return LT_OK;
}

int lt_request_decode(const uint8_t *frame, size_t bytes, struct lt_request **ret_request, uint32_t *ret_id,
                      bool *ret_id_known, struct lt_error *error)
{
    *ret_id_known = false;
    int code = scan_whole(frame, bytes, error);
    if (code)
        return code;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    switch (msgpack_unpack_next(&unpacked, (const char *)frame, bytes, NULL)) {
    case MSGPACK_UNPACK_SUCCESS:
        code = build_request(&unpacked.data, ret_request, ret_id, ret_id_known, error);
        break;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        code = lt_fail_code(error, LT_ENOMEM);
        break;
    default:
        code = lt_fail_code(error, LT_EMALFORMED);
    }
    msgpack_unpacked_destroy(&unpacked);
    return code;
}

void lt_request_destroy(struct lt_request *request)
{
    if (!request)
        return;
    switch (request->method) {
    case LT_METHOD_HELLO:
        explicit_bzero(request->hello.token, sizeof request->hello.token);
        break;
    case LT_METHOD_GENERATE:
        lt_free(request->generate.segments);
        break;
    case LT_METHOD_ENCODE:
        lt_free((char *)request->encode.segment.text);
        break;
    case LT_METHOD_NEAR:
        lt_free((char *)request->near.segment.text);
        break;
    case LT_METHOD_SCORE:
        lt_free(request->score.segments);
        break;
    case LT_METHOD_EXPLAIN:
        lt_free(request->explain.generate.segments);
        break;
    case LT_METHOD_LATENT_GET:
        lt_free(request->latent_get.keys);
        break;
    case LT_METHOD_PIN:
    case LT_METHOD_UNPIN:
    case LT_METHOD_EVICT:
        lt_free(request->keys.keys);
        lt_free((char *)request->keys.text.text);
        break;
    case LT_METHOD_EXPORT_BEGIN:
        lt_free(request->pack.documents);
        break;
    case LT_METHOD_IMPORT_WRITE:
        lt_free((char *)request->pack.data.text);
        break;
    case LT_METHOD_DOCUMENT_PUT:
        lt_free(request->document_put.text);
        break;
    case LT_METHOD_LATENT_PUT:
        lt_free(request->latent_put.latents);
        break;
    default:
        break;
    }
    lt_free(request);
}
