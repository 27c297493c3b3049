/* The one list of errors: code, wire name, default message.
 *
 * Functions that can fail return an int: 0 (LT_OK) or one of these negative codes, and leave their ret_ outputs
 * untouched on failure. Where a person will read the reason, the function also takes a `struct lt_error` and fills it
 * with what was wrong, where, and what would be right. Nothing below daemon/ logs or exits. */
#ifndef LT_PROTO_ERROR_H
#define LT_PROTO_ERROR_H

#define LT_ERROR_MAP(X)                                                                                                \
    X(ENOMEM, -1, "out_of_memory", "out of memory")                                                                    \
    X(EIO, -2, "io", "input or output failed")                                                                         \
    X(EMALFORMED, -3, "malformed", "not a valid MessagePack-RPC message")                                              \
    X(ETOOLARGE, -4, "too_large", "larger than the limit")                                                             \
    X(EMETHOD, -5, "unknown_method", "unknown method")                                                                 \
    X(EPARAM, -6, "bad_parameter", "a parameter is unknown, missing, of the wrong type or out of range")               \
    X(ECONTEXT, -7, "context_exceeded", "the prompt is longer than the model's context")                               \
    X(EUTF8, -8, "invalid_utf8", "text is not valid UTF-8")                                                            \
    X(EMODEL, -9, "bad_model", "the model file is missing, damaged or of another kind")                                \
    X(ENOMODEL, -10, "unknown_model", "no such model")                                                                 \
    X(ESTORE, -11, "bad_store", "the store cannot be used")                                                            \
    X(EFORMAT, -12, "store_format", "the store was made for another format")                                           \
    X(ENOTFOUND, -13, "not_found", "not found")                                                                        \
    X(ECORRUPT, -14, "corrupt", "a record failed its check")                                                           \
    X(EFULL, -15, "full", "no room left")                                                                              \
    X(EBUSY, -16, "busy", "too much work is waiting; try again later")                                                 \
    X(ECANCELLED, -17, "cancelled", "the request was cancelled")                                                       \
    X(ESHUTDOWN, -18, "shutting_down", "the daemon is stopping")                                                       \
    X(ECONNECT, -19, "connect", "cannot connect")                                                                      \
    X(ECLOSED, -20, "closed", "the connection was closed")                                                             \
    X(EADDRESS, -21, "address_in_use", "the socket is in use")                                                         \
    X(ECONFIG, -22, "bad_config", "a flag, environment variable or config line is wrong")                              \
    X(ETIMEOUT, -23, "timeout", "not done in time")                                                                    \
    X(EINTERNAL, -24, "internal", "an internal error")                                                                 \
    X(EDENIED, -25, "denied", "not allowed")

enum {
    LT_OK = 0,
#define LT_ERROR_CODE(name, code, wire, message) LT_##name = (code),
    LT_ERROR_MAP(LT_ERROR_CODE)
#undef LT_ERROR_CODE
};

#define LT_ERROR_MESSAGE_BYTES 320

/* What went wrong, for a person. Always terminated. */
struct lt_error {
    int code;
    char message[LT_ERROR_MESSAGE_BYTES];
};

/* Wire name of a code ("bad_parameter"), or "unknown" for a code that is not in the list. Never NULL. */
const char *lt_error_name(int code);

/* The list's message for a code. Never NULL. */
const char *lt_error_message(int code);

/* The code of a wire name, or LT_EINTERNAL if there is none. */
int lt_error_code(const char *name);

/* Fills `error` (may be NULL) with the code and a printf message cut to fit; returns `code`, so that a caller can write
 * `return lt_fail(error, LT_EPARAM, "...")`. */
int lt_fail(struct lt_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with the list's own message. */
int lt_fail_code(struct lt_error *error, int code);

#endif
