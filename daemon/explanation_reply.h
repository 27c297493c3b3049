/* The response to explain. proto/PROTOCOL.md names the fields. */
#ifndef LT_DAEMON_EXPLANATION_REPLY_H
#define LT_DAEMON_EXPLANATION_REPLY_H

#include "daemon/explanation.h"
#include "proto/writer.h"

/* The explanation must be done. */
void lt_reply_explanation(struct lt_writer *writer, const struct lt_explanation *explanation);

#endif
