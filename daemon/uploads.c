#include "daemon/uploads.h"

#include <string.h>

#include "daemon/namespace_choice.h"
#include "daemon/session.h"
#include "proto/alloc.h"

struct lt_upload {
    char name[LT_DOCUMENT_NAME_MAX + 1];
    uint32_t space; /* number of the namespace that it is put in */
    struct lt_buffer text;
};

void lt_upload_drop(struct lt_session *session)
{
    if (!session->upload)
        return;
    session->server->upload_bytes -= session->upload->text.size;
    lt_buffer_finish(&session->upload->text);
    lt_free(session->upload);
    session->upload = NULL;
}

void lt_upload_release(struct lt_server *server, const struct lt_request *request)
{
    if (request->method == LT_METHOD_DOCUMENT_PUT)
        server->upload_bytes -= request->document_put.bytes;
}

/* That the text goes on where what is there ends. */
static int check(const struct lt_session *session, uint32_t space, const struct lt_document_put_request *request,
                 struct lt_error *error)
{
    const struct lt_upload *upload = session->upload;
    bool same = upload && upload->space == space && strcmp(upload->name, request->name) == 0;
    size_t there = same ? upload->text.size : 0;
    if (request->offset != there)
        return lt_fail(error, LT_EPARAM,
                       "doc.put: offset must be %zu, what came of this document on this connection; "
                       "found %llu",
                       there, (unsigned long long)request->offset);
    if (there + request->bytes > LT_DOCUMENT_BYTES_MAX)
        return lt_fail(error, LT_ETOOLARGE, "doc.put: the text has %zu bytes or more; a document has at most %u",
                       there + request->bytes, LT_DOCUMENT_BYTES_MAX);
    if (session->server->upload_bytes + request->bytes > LT_UPLOADS_BYTES_MAX)
        return lt_fail(error, LT_EBUSY, "%zu bytes of documents are on their way already; try again in a second",
                       session->server->upload_bytes);
    return LT_OK;
}

static int keep(struct lt_session *session, uint32_t space, const struct lt_document_put_request *request)
{
    if (!session->upload) {
        session->upload = lt_calloc(1, sizeof *session->upload);
        if (!session->upload)
            return LT_ENOMEM;
        strcpy(session->upload->name, request->name);
        session->upload->space = space;
        lt_buffer_init(&session->upload->text, LT_DOCUMENT_BYTES_MAX);
    }
    int code = lt_buffer_append(&session->upload->text, request->text, request->bytes);
    if (code == LT_OK)
        session->server->upload_bytes += request->bytes;
    return code;
}

int lt_upload_join(struct lt_session *session, struct lt_request *whole, uint64_t *ret_received, struct lt_error *error)
{
    struct lt_document_put_request *request = &whole->document_put;
    struct lt_namespace space;
    if (request->offset == 0)
        lt_upload_drop(session);
    int code = lt_choose_namespace(session->server->store, whole, &space, error);
    if (code == LT_OK)
        code = check(session, space.id, request, error);
    if (code)
        return code;
    if (!request->more && !session->upload) {
        session->server->upload_bytes += request->bytes;
        return LT_OK;
    }
    code = keep(session, space.id, request);
    if (code) {
        lt_upload_drop(session);
        return lt_fail_code(error, code);
    }
    *ret_received = session->upload->text.size;
    if (request->more)
        return LT_OK;
    lt_free(request->text);
    request->text = (char *)session->upload->text.data; /* and with it the count in upload_bytes */
    request->bytes = session->upload->text.size;
    lt_free(session->upload);
    session->upload = NULL;
    return LT_OK;
}
