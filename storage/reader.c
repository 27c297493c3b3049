#include "storage/reader.h"

#include <string.h>

#include "proto/alloc.h"
#include "proto/record.h"

#define AHEAD 4
#define PAGE 4096
#define CACHE_LINE 64

static void destroy(struct lt_reader *reader)
{
    for (int i = 0; i < 2 * LT_QUEUE_COUNT; i++)
        if (reader->cursors[i / 2][i % 2])
            mdb_cursor_close(reader->cursors[i / 2][i % 2]);
    if (reader->transaction)
        mdb_txn_abort(reader->transaction);
    lt_free(reader);
}

static int begin(struct lt_reader *reader, const struct lt_environment *environment)
{
    int code = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &reader->transaction);
    for (int i = 0; i < 2 * LT_QUEUE_COUNT && !code; i++)
        code = mdb_cursor_open(reader->transaction, environment->queues[i / 2], &reader->cursors[i / 2][i % 2]);
    return lt_store_format_code(code);
}

static int renew(struct lt_reader *reader)
{
    int code = mdb_txn_renew(reader->transaction);
    for (int i = 0; i < 2 * LT_QUEUE_COUNT && !code; i++)
        code = mdb_cursor_renew(reader->transaction, reader->cursors[i / 2][i % 2]);
    return lt_store_format_code(code);
}

int lt_reader_begin(struct lt_readers *readers, const struct lt_environment *environment, struct lt_reader **ret_reader)
{
    struct lt_reader *reader = atomic_exchange(&readers->idle, NULL);
    int code;
    if (reader) {
        code = renew(reader);
    } else {
        reader = lt_calloc(1, sizeof *reader);
        if (!reader)
            return LT_ENOMEM;
        code = begin(reader, environment);
    }
    if (code) {
        destroy(reader);
        return code;
    }
    reader->following = NULL;
    *ret_reader = reader;
    return LT_OK;
}

void lt_reader_end(struct lt_readers *readers, struct lt_reader *reader)
{
    struct lt_reader *none = NULL;
    mdb_txn_reset(reader->transaction);
    if (!atomic_compare_exchange_strong(&readers->idle, &none, reader))
        destroy(reader);
}

void lt_readers_finish(struct lt_readers *readers)
{
    struct lt_reader *reader = atomic_exchange(&readers->idle, NULL);
    if (reader)
        destroy(reader);
}

/* --- finding --- */

/* Asks memory for the record that comes a few later. LMDB fills a page from its end to its start, and new pages mostly
 * follow each other; where that is not so, nothing is lost but the asking. */
static void ask_ahead(const MDB_val *record)
{
    uintptr_t here = (uintptr_t)record->mv_data, ahead = here - AHEAD * record->mv_size;
    if (ahead / PAGE != here / PAGE)
        ahead += 2 * PAGE;
    for (size_t byte = 0; byte < record->mv_size && byte < PAGE; byte += CACHE_LINE)
        __builtin_prefetch((const uint8_t *)(ahead + byte));
}

/* Expects the record behind the one at `place`, where `cursor` stands. */
static void follow(struct lt_reader *reader, MDB_cursor *cursor, uint64_t place)
{
    MDB_val number;
    uint64_t next = lt_place_number(place) + 1;
    bool there = mdb_cursor_get(cursor, &number, &reader->next, MDB_NEXT) == MDB_SUCCESS &&
                 number.mv_size == sizeof next && memcmp(number.mv_data, &next, sizeof next) == 0;
    reader->following = there ? cursor : NULL;
    reader->next_place = lt_place(lt_place_queue(place), next);
    reader->passed_over = false;
    if (there)
        ask_ahead(&reader->next);
}

/* A run may be broken by spans that an earlier text had, which lie elsewhere: it is given up when two in a row are not
 * its next. */
int lt_reader_find(struct lt_reader *reader, const struct lt_environment *environment, const struct lt_span_key *key,
                   uint64_t *ret_place, MDB_val *ret_record)
{
    struct lt_span_key expected;
    if (reader->following) {
        lt_record_claimed_key(reader->next.mv_data, reader->next.mv_size, &expected);
        if (memcmp(&expected, key, sizeof *key) == 0) {
            *ret_place = reader->next_place;
            *ret_record = reader->next;
            follow(reader, reader->following, reader->next_place);
            return LT_OK;
        }
    }
    int code = lt_queues_find(environment, reader->transaction, key, ret_place);
    if (code)
        return code;
    MDB_cursor **cursors = reader->cursors[lt_place_queue(*ret_place)];
    MDB_cursor *cursor = cursors[reader->following == cursors[0]];
    code = lt_queues_read(cursor, *ret_place, ret_record);
    if (code)
        return code;
    if (!reader->following || reader->passed_over)
        follow(reader, cursor, *ret_place);
    else
        reader->passed_over = true;
    return LT_OK;
}
