/* Bodies of OpenAI's API as parameters of the protocol. Here only names and shapes are translated; what values are
 * right, and what is the default, is decided where it is for the socket: by lt_request_decode. Loop thread. */
#ifndef LT_DAEMON_HTTP_PARAMETERS_H
#define LT_DAEMON_HTTP_PARAMETERS_H

#include <jansson.h>
#include <stdbool.h>

#include "proto/error.h"
#include "proto/messages.h"

/* What a path does with a parameter that it knows. */
enum lt_http_use {
    LT_HTTP_PASS,    /* the protocol has it, as `means` or under the same name */
    LT_HTTP_READ,    /* the handler looks at it itself */
    LT_HTTP_IGNORE,  /* says something about the client that is of no matter here */
    LT_HTTP_NEUTRAL, /* only the value that means nothing is taken: `means`, as JSON */
};

struct lt_http_parameter {
    const char *name;
    enum lt_http_use use;
    const char *means;
};

/* Checks every member of a body against the list, which ends with a NULL name, and makes the parameters to be passed. A
 * null is the same as leaving out. LT_EPARAM, LT_ENOMEM; *ret_name then is the parameter's name, from the list or the
 * body. The caller owns *ret_passed. */
int lt_http_parameters_read(const json_t *body, const struct lt_http_parameter *list, json_t **ret_passed,
                            const char **ret_name, struct lt_error *error);

/* A boolean of the body, `otherwise` if it is left out. LT_EPARAM. */
int lt_http_parameter_bool(const json_t *body, const char *name, bool otherwise, bool *ret_value,
                           struct lt_error *error);

/* Makes the request of a method with these parameters. Errors as lt_request_decode. */
int lt_http_request_make(enum lt_method method, uint32_t id, const json_t *parameters, struct lt_request **ret_request,
                         struct lt_error *error);

#endif
