/* What may stand next on a command line: for shells (deploy/completions) and for latentctl repl.
 *
 * Nothing is listed here. Which options a command takes, the tables of options.c say; how values and arguments are
 * called (FILE, NAME, chat|text), and which words follow a command, its help text says (help.c). So a command can be
 * completed as soon as it has a help text. Names that only the daemon knows are asked for. */
#ifndef LATENTCTL_COMPLETE_H
#define LATENTCTL_COMPLETE_H

#include <stddef.h>

/* For paths: the caller offers those that are there. */
#define CANDIDATE_FILE ":file"
#define CANDIDATE_DIRECTORY ":directory"

/* Gets one candidate, and what it is, "" if that is not known. Both are valid during the call. */
typedef void (*candidate_function)(const char *candidate, const char *about, void *data);

/* Offers what may stand in place of the last of the words, which is what was typed of it so far, perhaps "". The words
 * are those behind "latentctl". */
void complete_words(size_t count, const char *const *words, candidate_function offer, void *data);

/* latentctl complete WORD...: the candidates on standard output, one a line: the candidate, a tab, what it is. Always
 * EXIT_DONE. */
int complete_print(size_t count, const char *const *words);

#endif
