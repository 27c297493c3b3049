#include "storage/queues.h"

#include <string.h>

#include "proto/record.h"

#define PAGE_HEADER 16      /* of LMDB */
#define NODE_OVERHEAD 18    /* of LMDB: a node's header and pointer, and the number that is its key */
#define INDEX_ENTRY_COST 52 /* 26 bytes in a page at least half full */

static uint64_t prefix_of(const struct lt_span_key *key)
{
    uint64_t prefix;
    memcpy(&prefix, key->bytes, sizeof prefix);
    return prefix;
}

int lt_queues_init(struct lt_queues *queues, const struct lt_environment *environment)
{
    MDB_txn *transaction;
    *queues = (struct lt_queues){{0}};
    int code = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &transaction);
    if (code)
        return lt_store_format_code(code);
    for (int queue = 0; queue < LT_QUEUE_COUNT && !code; queue++) {
        MDB_cursor *cursor;
        MDB_val number, record;
        code = mdb_cursor_open(transaction, environment->queues[queue], &cursor);
        if (code)
            break;
        code = mdb_cursor_get(cursor, &number, &record, MDB_LAST);
        if (!code && number.mv_size == sizeof *queues->next) {
            memcpy(&queues->next[queue], number.mv_data, number.mv_size);
            queues->next[queue]++;
        }
        mdb_cursor_close(cursor);
        code = code == MDB_NOTFOUND ? MDB_SUCCESS : code;
    }
    mdb_txn_abort(transaction);
    return lt_store_format_code(code);
}

int lt_queues_find(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                   uint64_t *ret_place)
{
    return lt_store_format_find(transaction, environment->index, key, ret_place);
}

int lt_queues_read(MDB_cursor *cursor, uint64_t place, MDB_val *ret_record)
{
    uint64_t number = lt_place_number(place);
    MDB_val name = {sizeof number, &number};
    return lt_store_format_code(mdb_cursor_get(cursor, &name, ret_record, MDB_SET));
}

int lt_queues_read_place(const struct lt_environment *environment, MDB_txn *transaction, uint64_t place,
                         MDB_val *ret_record)
{
    uint64_t number = lt_place_number(place);
    MDB_val name = {sizeof number, &number};
    return lt_store_format_code(mdb_get(transaction, environment->queues[lt_place_queue(place)], &name, ret_record));
}

int lt_queues_append(struct lt_queues *queues, const struct lt_environment *environment, MDB_txn *transaction,
                     enum lt_queue queue, const struct lt_span_key *key, const void *record, size_t bytes,
                     uint64_t *ret_place)
{
    uint64_t number = queues->next[queue], place = lt_place(queue, number), prefix = prefix_of(key);
    MDB_val name = {sizeof number, &number}, value = {bytes, (void *)record};
    int code = mdb_put(transaction, environment->queues[queue], &name, &value, MDB_APPEND);
    if (!code) {
        queues->next[queue]++;
        MDB_val entry = {sizeof prefix, &prefix}, where = {sizeof place, &place};
        code = mdb_put(transaction, environment->index, &entry, &where, 0);
    }
    if (!code)
        *ret_place = place;
    return lt_store_format_code(code);
}

int lt_queues_replace(const struct lt_environment *environment, MDB_txn *transaction, uint64_t place,
                      const void *record, size_t bytes)
{
    uint64_t number = lt_place_number(place);
    MDB_val name = {sizeof number, &number}, value = {bytes, (void *)record};
    return lt_store_format_code(mdb_put(transaction, environment->queues[lt_place_queue(place)], &name, &value, 0));
}

/* Removes the index entry of a key, if it is this place that it points to. */
static int forget_place(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                        uint64_t place)
{
    uint64_t found, prefix = prefix_of(key);
    MDB_val name = {sizeof prefix, &prefix};
    int code = lt_queues_find(environment, transaction, key, &found);
    if (code == LT_OK && found == place)
        code = lt_store_format_code(mdb_del(transaction, environment->index, &name, NULL));
    return code == LT_ENOTFOUND ? LT_OK : code;
}

int lt_queues_take_oldest(const struct lt_environment *environment, MDB_txn *transaction, enum lt_queue queue,
                          uint8_t *ret_record, size_t *ret_bytes, struct lt_span_key *ret_key, uint64_t *ret_place)
{
    MDB_cursor *cursor;
    MDB_val name, value;
    uint64_t number = 0;
    int code = mdb_cursor_open(transaction, environment->queues[queue], &cursor);
    if (code)
        return lt_store_format_code(code);
    code = mdb_cursor_get(cursor, &name, &value, MDB_FIRST);
    if (!code) {
        memcpy(&number, name.mv_data, name.mv_size < sizeof number ? name.mv_size : sizeof number);
        *ret_bytes = value.mv_size < LT_RECORD_BYTES_MAX ? value.mv_size : LT_RECORD_BYTES_MAX;
        memcpy(ret_record, value.mv_data, *ret_bytes);
        code = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    if (code)
        return lt_store_format_code(code);
    lt_record_claimed_key(ret_record, *ret_bytes, ret_key);
    *ret_place = lt_place(queue, number);
    return forget_place(environment, transaction, ret_key, *ret_place);
}

int lt_queues_remove(const struct lt_environment *environment, MDB_txn *transaction, const struct lt_span_key *key,
                     uint64_t place)
{
    uint64_t number = lt_place_number(place);
    MDB_val name = {sizeof number, &number};
    int code = lt_store_format_code(mdb_del(transaction, environment->queues[lt_place_queue(place)], &name, NULL));
    return code ? code : forget_place(environment, transaction, key, place);
}

uint64_t lt_queues_cost(const struct lt_environment *environment, size_t bytes)
{
    size_t page = environment->page_bytes, node = bytes + NODE_OVERHEAD, usable = page - PAGE_HEADER;
    size_t in_a_page = usable / node;
    uint64_t pages_cost = in_a_page > 1 ? page / in_a_page : (bytes + PAGE_HEADER + page - 1) / page * page + 64;
    return pages_cost + INDEX_ENTRY_COST;
}
