/* Prompts as OpenAI's API gives them, as segments of the protocol. Loop thread. */
#ifndef LT_DAEMON_HTTP_PROMPT_H
#define LT_DAEMON_HTTP_PROMPT_H

#include <jansson.h>

#include "proto/error.h"

/* `prompt` of a completion: one text, which is continued. Adds "prompt" and "format". LT_EPARAM with the name of the
 * parameter, LT_ENOMEM. */
int lt_http_pass_prompt(const json_t *body, json_t *passed, const char **ret_name, struct lt_error *error);

/* `messages` of a chat: what system and developer say is a document, the user's a question, the assistant's an answer.
 * The last is the user's. Adds "segments". Errors as above. */
int lt_http_pass_messages(const json_t *body, json_t *passed, const char **ret_name, struct lt_error *error);

#endif
