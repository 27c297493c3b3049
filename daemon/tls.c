#include "daemon/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/limits.h"

#define PIECE_BYTES ((size_t)16 << 10) /* a record of TLS has no more */

struct lt_tls_context {
    SSL_CTX *context;
};

struct lt_tls {
    SSL *ssl;
    BIO *in, *out;          /* the connection's, which ssl owns */
    size_t handshake_bytes; /* that the peer has sent so far */
};

/* --- files --- */

static int read_all(int descriptor, struct lt_buffer *text)
{
    char piece[4096];
    ssize_t count;
    while ((count = read(descriptor, piece, sizeof piece)) > 0) {
        int code = lt_buffer_append(text, piece, (size_t)count);
        if (code)
            return code;
    }
    explicit_bzero(piece, sizeof piece);
    return count < 0 ? LT_EIO : lt_buffer_append(text, "", 1);
}

int lt_tls_read_file(const char *path, bool is_key, struct lt_buffer *ret_text, struct lt_error *error)
{
    struct stat status;
    struct lt_buffer text;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return lt_fail(error, LT_ECONFIG, "cannot read %s: %s", path, strerror(errno));
    lt_buffer_init(&text, LT_TLS_FILE_BYTES_MAX + 1);
    int code = LT_OK;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        code = lt_fail(error, LT_ECONFIG, "%s must be a regular file", path);
    else if (is_key && status.st_mode & 07)
        code = lt_fail(error, LT_ECONFIG,
                       "the key %s has the mode %04o, which lets others than its owner and group at it; chmod 640",
                       path, status.st_mode & 07777);
    if (code == LT_OK && (code = read_all(descriptor, &text)) != LT_OK)
        lt_fail(error, code == LT_ENOMEM ? code : LT_ECONFIG, "cannot read %s, of at most %u bytes: %s", path,
                LT_TLS_FILE_BYTES_MAX, lt_error_message(code));
    close(descriptor);
    if (code)
        lt_buffer_finish(&text);
    else
        *ret_text = text;
    return code;
}

/* --- context --- */

/* The first reason that OpenSSL has left, and forgets all. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return text ? text : "the reason is not known";
}

/* Never asks for a passphrase: a daemon has nobody to ask. */
static int no_passphrase(char *buffer, int bytes, int writing, void *context)
{
    (void)buffer;
    (void)bytes;
    (void)writing;
    (void)context;
    return 0;
}

static int configure(SSL_CTX *context, const char *certificate_file, const char *key_file, struct lt_error *error)
{
    struct lt_buffer ignored;
    int code = lt_tls_read_file(key_file, true, &ignored, error); /* for its mode, and that it is no pipe */
    if (code)
        return code;
    explicit_bzero(ignored.data, ignored.size);
    lt_buffer_finish(&ignored);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1)
        return lt_fail(error, LT_ECONFIG, "cannot use the certificate %s: %s", certificate_file, reason());
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return lt_fail(error, LT_ECONFIG, "cannot use the key %s with that certificate: %s", key_file, reason());
    return LT_OK;
}

int lt_tls_context_create(const char *certificate_file, const char *key_file, struct lt_tls_context **ret_context,
                          struct lt_error *error)
{
    struct lt_tls_context *context = lt_calloc(1, sizeof *context);
    int code = LT_OK;
    if (context)
        context->context = SSL_CTX_new(TLS_server_method());
    if (!context || !context->context)
        code = lt_fail_code(error, LT_ENOMEM);
    if (code == LT_OK)
        code = configure(context->context, certificate_file, key_file, error);
    if (code)
        lt_tls_context_destroy(context);
    else
        *ret_context = context;
    return code;
}

void lt_tls_context_destroy(struct lt_tls_context *context)
{
    if (context)
        SSL_CTX_free(context->context);
    lt_free(context);
}

/* --- connections --- */

int lt_tls_create(struct lt_tls_context *context, struct lt_tls **ret_tls)
{
    struct lt_tls *tls = lt_calloc(1, sizeof *tls);
    SSL *ssl = tls ? SSL_new(context->context) : NULL;
    BIO *in = ssl ? BIO_new(BIO_s_mem()) : NULL, *out = in ? BIO_new(BIO_s_mem()) : NULL;
    if (!out) {
        BIO_free(in);
        SSL_free(ssl);
        lt_free(tls);
        return LT_ENOMEM;
    }
    SSL_set_bio(ssl, in, out); /* and owns them from now on */
    SSL_set_accept_state(ssl);
    *tls = (struct lt_tls){.ssl = ssl, .in = in, .out = out};
    *ret_tls = tls;
    return LT_OK;
}

void lt_tls_destroy(struct lt_tls *tls)
{
    if (tls)
        SSL_free(tls->ssl);
    lt_free(tls);
}

bool lt_tls_is_ready(const struct lt_tls *tls)
{
    return SSL_is_init_finished(tls->ssl);
}

/* What a call that did not succeed means. LT_OK: more bytes are needed. */
static int outcome(struct lt_tls *tls, int result, struct lt_error *error)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return LT_OK;
    case SSL_ERROR_ZERO_RETURN:
        return lt_fail_code(error, LT_ECLOSED);
    default:
        return lt_fail(error, LT_EMALFORMED, "TLS failed: %s", reason());
    }
}

static int read_plain(struct lt_tls *tls, struct lt_buffer *plain, struct lt_error *error)
{
    for (;;) {
        int code = lt_buffer_reserve(plain, PIECE_BYTES);
        if (code)
            return lt_fail_code(error, code);
        int count = SSL_read(tls->ssl, plain->data + plain->size, (int)PIECE_BYTES);
        if (count <= 0)
            return outcome(tls, count, error);
        plain->size += (size_t)count;
    }
}

int lt_tls_receive(struct lt_tls *tls, const void *data, size_t bytes, struct lt_buffer *plain, struct lt_error *error)
{
    ERR_clear_error();
    if (bytes > INT_MAX || BIO_write(tls->in, data, (int)bytes) != (int)bytes)
        return lt_fail_code(error, LT_ENOMEM);
    if (!lt_tls_is_ready(tls)) {
        tls->handshake_bytes += bytes;
        int result = SSL_do_handshake(tls->ssl);
        int code = result == 1 ? LT_OK : outcome(tls, result, error);
        if (code)
            return code;
        if (!lt_tls_is_ready(tls))
            return tls->handshake_bytes <= LT_TLS_HANDSHAKE_BYTES_MAX
                       ? LT_OK
                       : lt_fail(error, LT_ETOOLARGE, "a TLS handshake of more than %u bytes",
                                 LT_TLS_HANDSHAKE_BYTES_MAX);
    }
    return read_plain(tls, plain, error);
}

int lt_tls_send(struct lt_tls *tls, const void *data, size_t bytes)
{
    ERR_clear_error();
    return SSL_write(tls->ssl, data, (int)bytes) == (int)bytes ? LT_OK : LT_EMALFORMED;
}

int lt_tls_take(struct lt_tls *tls, struct lt_buffer *bytes)
{
    size_t waiting = BIO_ctrl_pending(tls->out);
    int code = lt_buffer_reserve(bytes, waiting);
    if (code || !waiting)
        return code;
    int count = BIO_read(tls->out, bytes->data + bytes->size, (int)waiting);
    bytes->size += count > 0 ? (size_t)count : 0;
    return count == (int)waiting ? LT_OK : LT_ENOMEM;
}
