/* One line from a person, with editing, history and completion (libedit), or from a pipe, as it comes. */
#ifndef LATENTCTL_LINE_H
#define LATENTCTL_LINE_H

#include <stdbool.h>

/* Reads the history of earlier conversations, if it can: $XDG_STATE_HOME/latentctl/history, else
 * ~/.local/state/latentctl/history. */
void line_open(void);

/* Writes the history, if it can. */
void line_close(void);

/* The next line, to be freed with free(); NULL at the end. Ctrl-C gives up a line and begins another. */
char *line_read(const char *prompt);

/* Whether a line's first word is a command of latentctl or one of the conversation's own: set, quit, exit. */
bool line_is_command(const char *line);
bool line_is_own(const char *word);

#endif
