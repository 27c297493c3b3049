#include "daemon/answer_text.h"

#include <string.h>

#include "proto/error.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define ANSWER_BYTES_MAX ((size_t)4 << 20)

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void lt_answer_text_init(struct lt_answer_text *answer, const struct lt_text *stops, size_t stop_count)
{
    *answer = (struct lt_answer_text){.stops = stops, .stop_count = stop_count};
    lt_buffer_init(&answer->text, ANSWER_BYTES_MAX);
}

void lt_answer_text_finish(struct lt_answer_text *answer)
{
    lt_buffer_finish(&answer->text);
}

static int drop_partial(struct lt_answer_text *answer)
{
    if (!answer->partial_bytes)
        return LT_OK;
    answer->partial_bytes = 0;
    return lt_buffer_append(&answer->text, replacement, sizeof replacement - 1);
}

static int append_byte(struct lt_answer_text *answer, uint8_t byte)
{
    size_t bytes;
    answer->partial[answer->partial_bytes++] = byte;
    int code = lt_utf8_character(answer->partial, answer->partial_bytes, &bytes);
    if (code == LT_EBUSY)
        return LT_OK;
    size_t count = answer->partial_bytes;
    if (code == LT_OK) {
        answer->partial_bytes = 0;
        return lt_buffer_append(&answer->text, answer->partial, count);
    }
    code = drop_partial(answer);
    /* The byte that broke a character may begin the next one. */
    return code || count == 1 ? code : append_byte(answer, byte);
}

/* Cuts the text in front of the earliest stop text that ends behind `before`. */
static void find_stop(struct lt_answer_text *answer, size_t before)
{
    size_t earliest = answer->text.size;
    for (size_t i = 0; i < answer->stop_count; i++) {
        const struct lt_text *stop = &answer->stops[i];
        size_t from = before >= stop->bytes ? before - stop->bytes + 1 : 0;
        const uint8_t *found = memmem(answer->text.data + from, answer->text.size - from, stop->text, stop->bytes);
        if (found && (size_t)(found - answer->text.data) < earliest)
            earliest = (size_t)(found - answer->text.data);
    }
    if (earliest < answer->text.size) {
        answer->text.size = earliest;
        answer->stopped = true;
    }
}

int lt_answer_text_append(struct lt_answer_text *answer, const char *bytes, size_t count)
{
    size_t before = answer->text.size;
    for (size_t i = 0; i < count; i++) {
        int code = append_byte(answer, (uint8_t)bytes[i]);
        if (code)
            return code;
    }
    if (answer->text.size > before)
        find_stop(answer, before);
    return LT_OK;
}

int lt_answer_text_end(struct lt_answer_text *answer)
{
    return answer->stopped ? LT_OK : drop_partial(answer);
}

/* Bytes at the end of the text that may be the beginning of a stop text. */
static size_t held_back(const struct lt_answer_text *answer)
{
    size_t most = 0;
    for (size_t i = 0; i < answer->stop_count; i++) {
        const struct lt_text *stop = &answer->stops[i];
        size_t length = stop->bytes - 1 < answer->text.size ? stop->bytes - 1 : answer->text.size;
        while (length > most && memcmp(answer->text.data + answer->text.size - length, stop->text, length) != 0)
            length--;
        if (length > most)
            most = length;
    }
    return most;
}

void lt_answer_text_take(struct lt_answer_text *answer, bool last, const char **ret_text, size_t *ret_bytes)
{
    size_t end = answer->text.size;
    if (!last && !answer->stopped) {
        end -= held_back(answer);
        while (end > answer->sent && end < answer->text.size && (answer->text.data[end] & 0xc0) == 0x80)
            end--;
    }
    if (end < answer->sent)
        end = answer->sent;
    *ret_text = (const char *)answer->text.data + answer->sent;
    *ret_bytes = end - answer->sent;
    answer->sent = end;
}
