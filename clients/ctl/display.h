/* How latentctl shows quantities and texts to people. */
#ifndef LATENTCTL_DISPLAY_H
#define LATENTCTL_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct quantity {
    char text[32];
};

/* "1,234,567" */
struct quantity show_count(uint64_t count);

/* "512 B", "1.5 MiB" */
struct quantity show_bytes(uint64_t bytes);

/* "12.3 M" */
struct quantity show_operations(uint64_t operations);

/* "0.12 ms", "1.50 s"; "-" for NAN */
struct quantity show_milliseconds(double milliseconds);

/* "0.12 ms", "5.2 s", "3 min 20 s", "2 h 5 min", "4 d 3 h" */
struct quantity show_duration(double seconds);

/* "87.5 %", or "-" if nothing was looked up */
struct quantity show_rate(uint64_t hits, uint64_t lookups);

/* "[########----]" with `width` places. `rate` is 0 to 1. */
struct quantity show_bar(double rate, int width);

enum colour { COLOUR_GOOD, COLOUR_BAD, COLOUR_FAINT, COLOUR_HEADING, COLOUR_NONE };

/* The sequences that begin and end a colour; empty if `enabled` is false. */
const char *colour_begin(bool enabled, enum colour colour);
const char *colour_end(bool enabled);

/* Prints a text in quotation marks on standard output, cut and filled to `columns`, control characters as \n or \xHH.
 */
void print_quoted(const char *text, int columns);

/* The same in at most `columns`, not filled. */
void print_quoted_short(const char *text, int columns);

/* Columns that a text takes when it is printed: one for each character. */
int text_columns(const char *text);

/* The same of print_escaped. */
int escaped_columns(const char *text);

/* Prints a text with control characters, quotation marks and backslashes escaped. */
void print_escaped(const char *text);

/* Prints a text in a column: at its right edge, or at its left one if `columns` is negative. */
void print_cell(const char *text, int columns);

/* Prints `count` cells as one line, indented by two, without spaces at its end. */
void print_cells(const char *const *cells, const int *columns, size_t count);

/* Writes a text to standard output. On a terminal control characters other than newline and tab become '?', because
 * what a model says must not steer the terminal. False if it could not be written. */
bool print_text(const char *text, size_t bytes, bool terminal);

#endif
