/* latentctl top: the daemon at work, a screen a second. It asks for nothing but stats, which is answered without the
 * engine, so that looking costs nothing. */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "clients/ctl/command.h"
#include "clients/ctl/display.h"
#include "clients/ctl/interrupt.h"
#include "clients/ctl/rates.h"

#define GRAPH_ROWS 5
#define LABEL_COLUMNS 9
#define BAR_WIDTH 24

enum { PAIR_GOOD = 1, PAIR_BAD };

struct top {
    struct context *context;
    struct rates rates;
    struct latent_reply *stats; /* the last answer */
    bool blocks;                /* the terminal has block characters */
    int row;                    /* that is written next */
};

static const struct line {
    enum rate rate;
    const char *title;
    bool large; /* shown with K, M, G */
} lines[] = {
    {RATE_REQUESTS, "requests/s", false},           {RATE_PROMPT_TOKENS, "prompt tokens/s", false},
    {RATE_ANSWER_TOKENS, "answer tokens/s", false}, {RATE_LOOKUPS, "spans looked up/s", false},
    {RATE_ENCODED, "spans encoded/s", false},       {RATE_OPERATIONS, "operations/s", true},
};

/* ---- Drawing ---- */

/* Writes a line, less what does not fit the screen. */
static void print_line(struct top *top, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_line(struct top *top, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (top->row < LINES)
        mvaddnstr(top->row, 0, text, COLS);
    top->row++;
}

/* One character of a graph, `eighths` high: 0 is empty, 8 full. */
static void draw_block(const struct top *top, int row, int column, int eighths)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    int level = eighths < 0 ? 0 : eighths > 8 ? 8 : eighths;
    if (row < LINES && column < COLS)
        mvaddstr(row, column, top->blocks ? blocks[level] : level >= 4 ? "#" : level ? "." : " ");
}

/* A curve of the last answers, the youngest at the right: `rows` high, `most` fills it. */
static void draw_curve(const struct top *top, enum rate rate, double most, int row, int rows, int column)
{
    for (int at = COLS - 1; at >= column; at--) {
        double value = rates_value(&top->rates, rate, (size_t)(COLS - 1 - at));
        int eighths = isnan(value) || most <= 0 ? 0 : (int)lround(8 * rows * value / most);
        if (value > 0 && eighths == 0)
            eighths = 1;
        for (int i = 0; i < rows; i++)
            draw_block(top, row + rows - 1 - i, at, eighths - 8 * i);
    }
}

static double greatest(const struct top *top, enum rate rate, int columns)
{
    double most = 0;
    for (int age = 0; age < columns; age++)
        most = fmax(most, rates_value(&top->rates, rate, (size_t)age)); /* fmax passes over NAN */
    return most;
}

static uint64_t counter(const struct top *top, const char *path)
{
    return latent_value_uint(latent_reply_at(top->stats, path), 0);
}

static void draw_head(struct top *top)
{
    double uptime = latent_value_real(latent_reply_at(top->stats, "uptime_s"), 0);
    attron(A_BOLD);
    print_line(top, "latentd on %s, running for %s", top->context->socket, show_duration(uptime).text);
    attroff(A_BOLD);
    print_line(top, "%s connections, %s requests under way, %s failed", show_count(counter(top, "connections")).text,
               show_count(counter(top, "running")).text, show_count(counter(top, "requests_failed")).text);
    print_line(top, "first token: half within %s, 99 %% within %s",
               show_milliseconds(latent_value_real(latent_reply_at(top->stats, "ttft_p50_ms"), NAN)).text,
               show_milliseconds(latent_value_real(latent_reply_at(top->stats, "ttft_p99_ms"), NAN)).text);
    top->row++;
}

static void draw_hit_rate(struct top *top)
{
    double now = rates_value(&top->rates, RATE_HITS, 0);
    char shown[32] = "-";
    if (!isnan(now))
        snprintf(shown, sizeof shown, "%.1f %%", 100 * now);
    print_line(top, "hit rate   now %s   since the start %s   lifetime %s", shown,
               show_rate(counter(top, "span_hits"), counter(top, "span_lookups")).text,
               show_rate(counter(top, "lifetime.span_hits"), counter(top, "lifetime.span_lookups")).text);
    int row = top->row;
    int colour = now >= 0.5 ? COLOR_PAIR(PAIR_GOOD) : isnan(now) ? 0 : COLOR_PAIR(PAIR_BAD);
    attron(colour);
    draw_curve(top, RATE_HITS, 1, row, GRAPH_ROWS, LABEL_COLUMNS);
    attroff(colour);
    print_line(top, "%*s", LABEL_COLUMNS - 2, "100 %");
    top->row = row + GRAPH_ROWS - 1;
    print_line(top, "%*s", LABEL_COLUMNS - 2, "0 %");
    top->row++;
}

static void draw_rates(struct top *top)
{
    const int column = 32;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        double now = rates_value(&top->rates, lines[i].rate, 0);
        char shown[32] = "-";
        if (lines[i].large && !isnan(now))
            snprintf(shown, sizeof shown, "%s", show_operations((uint64_t)now).text);
        else if (!isnan(now))
            snprintf(shown, sizeof shown, now < 10 ? "%.1f" : "%.0f", now);
        draw_curve(top, lines[i].rate, greatest(top, lines[i].rate, COLS - column), top->row, 1, column);
        print_line(top, "%-18s %10s", lines[i].title, shown);
    }
    top->row++;
}

static void draw_store(struct top *top)
{
    uint64_t bytes = counter(top, "store_bytes"), budget = counter(top, "store_budget_bytes");
    print_line(top, "store              %s %s of %s",
               show_bar(budget ? (double)bytes / (double)budget : 0, BAR_WIDTH).text, show_bytes(bytes).text,
               show_bytes(budget).text);
    print_line(top, "  latents          %s, %s waiting to be written, %s evicted, %s damaged",
               show_count(counter(top, "store_entries")).text, show_count(counter(top, "store_waiting")).text,
               show_count(counter(top, "evictions")).text, show_count(counter(top, "store_corrupt")).text);
}

static void draw(struct top *top)
{
    erase();
    top->row = 0;
    draw_head(top);
    draw_hit_rate(top);
    draw_rates(top);
    draw_store(top);
    move(LINES - 1, 0);
    clrtoeol();
    addnstr("q quits", COLS);
    refresh();
}

/* ---- The loop ---- */

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ask(struct top *top)
{
    struct latent_reply *stats = NULL;
    int code = latent_stats(top->context->latent, &stats);
    if (code)
        return code;
    latent_reply_destroy(top->stats);
    top->stats = stats;
    rates_take(&top->rates, stats, clock_seconds());
    return LATENT_OK;
}

/* Draws and waits until the next answer is due. False if that is the end. */
static bool wait_for_second(struct top *top)
{
    double due = top->rates.seconds + 1;
    for (;;) {
        draw(top);
        double left = due - clock_seconds();
        if (left <= 0)
            return true;
        timeout((int)ceil(1e3 * left));
        int key = getch(); /* a change of the window's size is a key, too */
        if (key == 'q' || key == 'Q' || interrupted())
            return false;
    }
}

static bool open_screen(const struct context *context)
{
    if (!newterm(NULL, stdout, stdin))
        return false;
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (context->colour && has_colors()) {
        start_color();
        use_default_colors();
        init_pair(PAIR_GOOD, COLOR_GREEN, -1);
        init_pair(PAIR_BAD, COLOR_YELLOW, -1);
    }
    return true;
}

int command_top(struct context *context)
{
    struct top top = {.context = context};
    if (!context->terminal || !isatty(STDIN_FILENO))
        return report_failure(context, LATENT_EPARAM, "top is for terminals; stats --json has the same counters");
    const char *locale = setlocale(LC_CTYPE, "");
    top.blocks = locale && (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"));
    interrupt_catch();
    if (!open_screen(context))
        return report_failure(context, LATENT_EIO, "this terminal cannot be drawn on; is TERM set?");
    int code = ask(&top);
    while (code == LATENT_OK && wait_for_second(&top))
        code = ask(&top);
    endwin();
    latent_reply_destroy(top.stats);
    return code ? report_call(context, code) : EXIT_DONE;
}
