/* OpenSSL writes to sockets so that a peer that has gone raises SIGPIPE, which a library must not; hence a BIO of our
 * own. */
#include "clients/c/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/alloc.h"

struct tls {
    BIO_METHOD *method;
    SSL_CTX *context;
    SSL *ssl;
};

/* --- the socket --- */

static int socket_of(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static int finish(BIO *bio, ssize_t count)
{
    BIO_clear_retry_flags(bio);
    if (count < 0 && errno == EINTR)
        BIO_set_flags(bio, BIO_FLAGS_SHOULD_RETRY);
    return (int)count;
}

static int write_socket(BIO *bio, const char *data, int bytes)
{
    return finish(bio, send(socket_of(bio), data, (size_t)bytes, MSG_NOSIGNAL));
}

static int read_socket(BIO *bio, char *data, int bytes)
{
    return finish(bio, recv(socket_of(bio), data, (size_t)bytes, 0));
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO *make_bio(struct tls *tls, int socket)
{
    tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals");
    if (!tls->method || !BIO_meth_set_write(tls->method, write_socket) ||
        !BIO_meth_set_read(tls->method, read_socket) || !BIO_meth_set_ctrl(tls->method, control))
        return NULL;
    BIO *bio = BIO_new(tls->method);
    if (bio) {
        BIO_set_data(bio, (void *)(intptr_t)socket);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* --- the handshake --- */

static int make(struct tls *tls, int socket)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    tls->ssl = tls->context ? SSL_new(tls->context) : NULL;
    BIO *bio = tls->ssl ? make_bio(tls, socket) : NULL;
    if (!bio)
        return LT_ENOMEM;
    SSL_set_bio(tls->ssl, bio, bio);
    return LT_OK;
}

static int expect_host(SSL *ssl, const char *host)
{
    uint8_t address[16];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

static int configure(struct tls *tls, const char *host, const char *authorities, struct lt_error *error)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    int trusted = authorities ? X509_STORE_load_file(store, authorities) : X509_STORE_set_default_paths(store);
    if (!trusted)
        return lt_fail(error, LT_EPARAM, "cannot read authorities of certificates from %s",
                       authorities ? authorities : "where the system has them");
    SSL_set_min_proto_version(tls->ssl, TLS1_2_VERSION);
    SSL_set_options(tls->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF); /* messages say where they end */
    SSL_set_mode(tls->ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
    return expect_host(tls->ssl, host) ? LT_OK : lt_fail_code(error, LT_ENOMEM);
}

static int shake_hands(struct tls *tls, const char *host, struct lt_error *error)
{
    int result;
    errno = 0;
    do
        result = SSL_connect(tls->ssl);
    while (result != 1 && SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ);
    if (result == 1)
        return LT_OK;
    long verified = SSL_get_verify_result(tls->ssl);
    const char *why = ERR_reason_error_string(ERR_peek_error());
    if (verified != X509_V_OK)
        return lt_fail(error, LT_ECONNECT, "the certificate of %s is not to be trusted: %s", host,
                       X509_verify_cert_error_string(verified));
    if (errno == EAGAIN)
        return lt_fail(error, LT_ETIMEOUT, "%s does not go on with the TLS handshake", host);
    return lt_fail(error, LT_ECONNECT, "no TLS with %s: %s", host, why ? why : "the connection was closed");
}

int tls_open(int socket, const char *host, const char *authorities, struct tls **ret_tls, struct lt_error *error)
{
    struct tls *tls = lt_calloc(1, sizeof *tls);
    ERR_clear_error();
    int code = tls ? make(tls, socket) : LT_ENOMEM;
    if (code)
        lt_fail_code(error, code);
    if (code == LT_OK)
        code = configure(tls, host, authorities, error);
    if (code == LT_OK)
        code = shake_hands(tls, host, error);
    ERR_clear_error();
    if (code)
        tls_close(tls);
    else
        *ret_tls = tls;
    return code;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    lt_free(tls);
}

/* --- bytes --- */

static ssize_t outcome(struct tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EINTR;
        return -1;
    case SSL_ERROR_SYSCALL: /* errno is the socket's */
        ERR_clear_error();
        return errno ? -1 : 0;
    default:
        ERR_clear_error();
        errno = EPROTO;
        return -1;
    }
}

ssize_t tls_send(struct tls *tls, const void *data, size_t bytes)
{
    int piece = bytes < INT32_MAX ? (int)bytes : INT32_MAX;
    errno = 0;
    int sent = SSL_write(tls->ssl, data, piece);
    return sent > 0 ? sent : outcome(tls, sent);
}

ssize_t tls_receive(struct tls *tls, void *data, size_t bytes)
{
    int piece = bytes < INT32_MAX ? (int)bytes : INT32_MAX;
    errno = 0;
    int count = SSL_read(tls->ssl, data, piece);
    return count > 0 ? count : outcome(tls, count);
}
