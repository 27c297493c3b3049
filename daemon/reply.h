/* Replies of the engine as MessagePack: tokens, results with their receipt. proto/PROTOCOL.md names the
 * fields. */
#ifndef LT_DAEMON_REPLY_H
#define LT_DAEMON_REPLY_H

#include "daemon/task.h"
#include "proto/writer.h"

/* ["token", {id, text}], with the task's piece. */
void lt_reply_token(struct lt_writer *writer, const struct lt_task *task);

/* The text of tokens as a person reads it: control tokens by name, bytes that are no UTF-8 replaced. One string. */
void lt_reply_token_text(struct lt_writer *writer, const struct lt_model *model, const uint32_t *tokens,
                         uint32_t count);

/* Parts of several responses, each a pair: "usage" of a prompt and its answer, and the prompt's "spans", with
 * their latents or without. */
void lt_reply_usage(struct lt_writer *writer, const struct lt_task *task);
void lt_reply_spans(struct lt_writer *writer, const struct lt_task *task, bool latents);

/* The response to generate; the text must be at its end. */
void lt_reply_generation(struct lt_writer *writer, const struct lt_task *task);

/* The response to encode. */
void lt_reply_encoding(struct lt_writer *writer, const struct lt_task *task);

/* The response to score; the text must be at its end. */
void lt_reply_score(struct lt_writer *writer, const struct lt_task *task);

#endif
