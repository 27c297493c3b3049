/* What the daemon says of itself: the results of stats, info and models. Loop thread only. */
#ifndef LT_DAEMON_REPORT_H
#define LT_DAEMON_REPORT_H

#include "proto/writer.h"

struct lt_server;

/* Each writes one map. proto/PROTOCOL.md names the fields. Of namespaces, stats tells of all, or if `space` is
 * not empty of that one alone. */
void lt_report_stats(struct lt_writer *writer, const struct lt_server *server, const char *space);
void lt_report_info(struct lt_writer *writer, const struct lt_server *server);
void lt_report_models(struct lt_writer *writer, const struct lt_server *server);

#endif
