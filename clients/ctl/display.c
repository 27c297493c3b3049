/* Quantities and texts for people. */
#include "clients/ctl/display.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct quantity show_count(uint64_t count)
{
    char digits[24];
    struct quantity shown;
    size_t bytes = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *at = shown.text;
    for (size_t i = 0; i < bytes; i++) {
        if (i > 0 && (bytes - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return shown;
}

/* value / 10^3 or 2^10 until it is small, with the unit of that size. */
static struct quantity show_scaled(double value, double step, const char *const *units, size_t unit_count)
{
    struct quantity shown;
    size_t unit = 0;
    for (; value >= step && unit + 1 < unit_count; unit++)
        value /= step;
    snprintf(shown.text, sizeof shown.text, unit && value < 100 ? "%.1f%s" : "%.0f%s", value, units[unit]);
    return shown;
}

struct quantity show_bytes(uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    return show_scaled((double)bytes, 1024, units, sizeof units / sizeof *units);
}

struct quantity show_operations(uint64_t operations)
{
    static const char *const units[] = {"", " K", " M", " G", " T", " P"};
    return show_scaled((double)operations, 1000, units, sizeof units / sizeof *units);
}

struct quantity show_milliseconds(double milliseconds)
{
    struct quantity shown = {"-"};
    if (isnan(milliseconds))
        return shown;
    if (milliseconds >= 10000)
        snprintf(shown.text, sizeof shown.text, "%.1f s", milliseconds / 1000);
    else
        snprintf(shown.text, sizeof shown.text, "%.*f ms",
                 milliseconds < 10    ? 2
                 : milliseconds < 100 ? 1
                                      : 0,
                 milliseconds);
    return shown;
}

struct quantity show_duration(double seconds)
{
    struct quantity shown;
    uint64_t whole = seconds > 0 ? (uint64_t)seconds : 0;
    if (seconds > 0 && seconds < 1)
        return show_milliseconds(1e3 * seconds);
    if (whole < 60)
        snprintf(shown.text, sizeof shown.text, "%.1f s", seconds > 0 ? seconds : 0);
    else if (whole < 3600)
        snprintf(shown.text, sizeof shown.text, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else if (whole < 86400)
        snprintf(shown.text, sizeof shown.text, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole % 3600 / 60);
    else
        snprintf(shown.text, sizeof shown.text, "%" PRIu64 " d %" PRIu64 " h", whole / 86400, whole % 86400 / 3600);
    return shown;
}

struct quantity show_rate(uint64_t hits, uint64_t lookups)
{
    struct quantity shown = {"-"};
    if (lookups > 0)
        snprintf(shown.text, sizeof shown.text, "%.1f %%", 100 * (double)hits / (double)lookups);
    return shown;
}

struct quantity show_bar(double rate, int width)
{
    struct quantity shown;
    int room = (int)sizeof shown.text - 3;
    if (width > room)
        width = room;
    int full = rate >= 1 ? width : rate > 0 ? (int)(rate * width) : 0;
    char *at = shown.text;
    *at++ = '[';
    for (int i = 0; i < width; i++)
        *at++ = i < full ? '#' : '-';
    strcpy(at, "]");
    return shown;
}

const char *colour_begin(bool enabled, enum colour colour)
{
    static const char *const sequences[] = {
        [COLOUR_GOOD] = "\033[32m",   [COLOUR_BAD] = "\033[33m", [COLOUR_FAINT] = "\033[2m",
        [COLOUR_HEADING] = "\033[1m", [COLOUR_NONE] = "",
    };
    return enabled ? sequences[colour] : "";
}

const char *colour_end(bool enabled)
{
    return enabled ? "\033[0m" : "";
}

/* Bytes of the character at `text`, which is valid UTF-8. */
static int character_bytes(const char *text)
{
    unsigned char lead = (unsigned char)*text;
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* One character as it is shown, and the columns that it takes (one for each character: these texts are mostly narrow).
 */
static int show_character(const char *text, char *ret_shown, size_t bytes)
{
    if (*text == '\n')
        return snprintf(ret_shown, bytes, "\\n");
    if (*text == '"' || *text == '\\')
        return snprintf(ret_shown, bytes, "\\%c", *text);
    if ((unsigned char)*text == 0xc2 && (unsigned char)text[1] < 0xa0) /* C1 control characters steer terminals, too */
        return snprintf(ret_shown, bytes, "\\x%02x", (unsigned char)text[1]);
    if ((unsigned char)*text < 0x20 || *text == 0x7f)
        return snprintf(ret_shown, bytes, "\\x%02x", (unsigned char)*text);
    snprintf(ret_shown, bytes, "%.*s", character_bytes(text), text);
    return 1;
}

int text_columns(const char *text)
{
    int columns = 0;
    for (; *text; text += character_bytes(text))
        columns++;
    return columns;
}

int escaped_columns(const char *text)
{
    char shown[8];
    int columns = 0;
    for (; *text; text += character_bytes(text))
        columns += show_character(text, shown, sizeof shown);
    return columns;
}

void print_escaped(const char *text)
{
    char shown[8];
    for (; *text; text += character_bytes(text)) {
        show_character(text, shown, sizeof shown);
        fputs(shown, stdout);
    }
}

void print_cell(const char *text, int columns)
{
    int width = columns < 0 ? -columns : columns, used = text_columns(text), room = used < width ? width - used : 0;
    printf("%*s%s%*s", columns < 0 ? 0 : room, "", text, columns < 0 ? room : 0, "");
}

void print_cells(const char *const *cells, const int *columns, size_t count)
{
    while (count > 0 && !*cells[count - 1])
        count--;
    fputs(count ? "  " : "", stdout);
    for (size_t i = 0; i < count; i++)
        print_cell(cells[i], i + 1 == count && columns[i] < 0 ? 0 : columns[i]);
    putchar('\n');
}

void print_quoted(const char *text, int columns)
{
    char shown[8];
    int used = 2;
    putchar('"');
    while (*text) {
        int wide = show_character(text, shown, sizeof shown);
        bool last = text[character_bytes(text)] == '\0';
        if (used + wide + (last ? 0 : 3) > columns)
            break;
        fputs(shown, stdout);
        used += wide;
        text += character_bytes(text);
    }
    putchar('"');
    if (*text) {
        fputs("...", stdout);
        used += 3;
    }
    printf("%*s", used < columns ? columns - used : 0, "");
}

void print_quoted_short(const char *text, int columns)
{
    if (escaped_columns(text) + 2 > columns) {
        print_quoted(text, columns);
    } else {
        putchar('"');
        print_escaped(text);
        putchar('"');
    }
}

bool print_text(const char *text, size_t bytes, bool terminal)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool steers = terminal && ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f);
        if (putchar(steers ? '?' : byte) == EOF)
            return false;
    }
    return fflush(stdout) == 0;
}
