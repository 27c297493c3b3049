/* Jobs that compute nothing and may have to wait for the disk: libuv's pool of threads does them, so that neither the
 * loop nor the engine has to. */
#ifndef LT_DAEMON_POOL_H
#define LT_DAEMON_POOL_H

#include "daemon/job.h"
#include "daemon/server.h"

/* Has a thread of the pool do what the job asks. When `done` is called, in the loop thread, job->final.bytes is the
 * response, or empty if memory ran out. LT_EBUSY when LT_POOL_QUEUE_MAX jobs wait, LT_ENOMEM: the job stays the
 * caller's. Loop thread. */
int lt_pool_submit(struct lt_server *server, struct lt_job *job, void (*done)(struct lt_server *, struct lt_job *));

#endif
