/* Where the daemon is, and the connection to it. */
#ifndef LATENTCTL_DAEMON_H
#define LATENTCTL_DAEMON_H

#include "clients/ctl/command.h"

/* Decides on context->socket: what -s says, $LATENTD_SOCKET, the user's own daemon, that of the system if it is there
 * and the user's is not. */
void daemon_find(struct context *context);

/* Takes the token to present from --token-file or $LATENTD_TOKEN, and gives it to context->latent with --tls-ca. False
 * if the file cannot be read or has no token; *ret_why then says so. */
bool daemon_take_token(struct context *context, const char **ret_why);

/* Connects context->latent, which was made. An exit code; a failure was reported. */
int daemon_connect(struct context *context);

#endif
