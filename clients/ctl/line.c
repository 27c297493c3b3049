#include "clients/ctl/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <editline/readline.h>

#include "clients/ctl/complete.h"
#include "clients/ctl/interrupt.h"
#include "clients/ctl/options.h"

#define HISTORY_LINES_MAX 1000
#define WORDS_MAX 64

static const char *const own_words[] = {"set", "quit", "exit"};

/* ---- What a line is ---- */

bool line_is_own(const char *word)
{
    for (size_t i = 0; i < sizeof own_words / sizeof *own_words; i++)
        if (strcmp(own_words[i], word) == 0)
            return true;
    return false;
}

bool line_is_command(const char *line)
{
    char word[32];
    enum command command;
    size_t bytes = strcspn(line, " \t\n");
    if (bytes >= sizeof word)
        return false;
    memcpy(word, line, bytes);
    word[bytes] = '\0';
    return line_is_own(word) || options_find_command(word, &command);
}

/* ---- Completion ---- */

/* Candidates for the word that is typed. libedit asks for them one by one and wants each in memory of its own. */
static struct {
    char **items;
    size_t count, given;
} found;

static void keep(const char *candidate, const char *about, void *data)
{
    const char *typed = data;
    (void)about;
    bool is_path = strcmp(candidate, CANDIDATE_FILE) == 0 || strcmp(candidate, CANDIDATE_DIRECTORY) == 0;
    char *item = is_path ? rl_filename_completion_function(typed, 0) : strdup(candidate);
    while (item) {
        char **items = realloc(found.items, (found.count + 1) * sizeof *items);
        if (!items) {
            free(item);
            return;
        }
        found.items = items;
        found.items[found.count++] = item;
        item = is_path ? rl_filename_completion_function(typed, 1) : NULL;
    }
}

static char *next_candidate(const char *typed, int state)
{
    (void)typed;
    (void)state;
    return found.given < found.count ? strdup(found.items[found.given++]) : NULL;
}

static void find_candidates(const char *typed, const char *before)
{
    const char *words[WORDS_MAX];
    size_t count = 0;
    char *copy = strdup(before), *rest = copy;
    for (char *word; rest && (word = strsep(&rest, " \t")) != NULL && count + 1 < WORDS_MAX;)
        if (*word)
            words[count++] = word;
    if (count == 0)
        for (size_t i = 0; i < sizeof own_words / sizeof *own_words; i++)
            if (strncmp(own_words[i], typed, strlen(typed)) == 0)
                keep(own_words[i], "", NULL);
    if (count > 0 && strcmp(words[0], "set") == 0)
        words[0] = options_command_name(COMMAND_GENERATE);
    words[count++] = typed;
    complete_words(count, words, keep, (void *)typed);
    free(copy);
}

static char **complete_line(const char *typed, int start, int end)
{
    char **matches = NULL;
    (void)end;
    char *before = strndup(rl_line_buffer, (size_t)start);
    found.count = found.given = 0;
    if (before && (start == 0 || line_is_command(before)))
        find_candidates(typed, before);
    if (found.count)
        matches = rl_completion_matches(typed, next_candidate);
    for (size_t i = 0; i < found.count; i++)
        free(found.items[i]);
    free(found.items);
    found.items = NULL;
    free(before);
    return matches;
}

/* ---- History ---- */

/* Makes the folders of the file, too. False if there is no place for it. */
static bool history_path(char *ret_path, size_t bytes)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length = 0;
    if (state && *state)
        length = snprintf(ret_path, bytes, "%s/latentctl/history", state);
    else if (home && *home)
        length = snprintf(ret_path, bytes, "%s/.local/state/latentctl/history", home);
    if (length <= 0 || (size_t)length >= bytes)
        return false;
    for (char *slash = strchr(ret_path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(ret_path, 0700) != 0 && errno != EEXIST;
        *slash = '/';
        if (failed)
            return false;
    }
    return true;
}

void line_open(void)
{
    char path[4096];
    rl_readline_name = "latentctl";
    rl_attempted_completion_function = complete_line;
    rl_attempted_completion_over = 1;
    using_history();
    stifle_history(HISTORY_LINES_MAX);
    if (isatty(STDIN_FILENO) && history_path(path, sizeof path))
        read_history(path);
}

void line_close(void)
{
    char path[4096];
    if (isatty(STDIN_FILENO) && history_path(path, sizeof path))
        write_history(path);
}

/* ---- Reading ---- */

static char *read_plain(void)
{
    char *line = NULL;
    size_t room = 0;
    if (getline(&line, &room, stdin) >= 0)
        return line;
    free(line);
    return NULL;
}

char *line_read(const char *prompt)
{
    if (!isatty(STDIN_FILENO))
        return read_plain();
    for (;;) {
        char *line = readline(prompt);
        if (!line && interrupted()) {
            interrupt_clear();
            putchar('\n');
            continue;
        }
        if (line && line[strspn(line, " \t")])
            add_history(line);
        if (!line)
            putchar('\n');
        return line;
    }
}
