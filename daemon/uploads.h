/* Texts of documents that arrive in several requests of doc.put. A connection has at most one on its way; it goes when
 * the connection does. All of them together, and those that the engine is at work on, have a bound. Loop thread only.
 */
#ifndef LT_DAEMON_UPLOADS_H
#define LT_DAEMON_UPLOADS_H

#include "proto/messages.h"

struct lt_session;
struct lt_server;

struct lt_upload;

/* Joins the text of a request doc.put to what came before it of the same document. If more is to come, the text is kept
 * and *ret_received says how much there is; else the request has all of it. LT_ENOTFOUND (the namespace), LT_EPARAM,
 * LT_ETOOLARGE, LT_EBUSY, LT_ENOMEM; `error` is filled. */
int lt_upload_join(struct lt_session *session, struct lt_request *whole, uint64_t *ret_received,
                   struct lt_error *error);

/* Gives up the upload of a session, if it has one. */
void lt_upload_drop(struct lt_session *session);

/* A request that lt_upload_join has passed as complete is to be freed. */
void lt_upload_release(struct lt_server *server, const struct lt_request *request);

#endif
