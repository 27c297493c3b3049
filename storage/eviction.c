#include "storage/eviction.h"

#include <string.h>

#include "proto/alloc.h"
#include "proto/record.h"

#define BATCH 64            /* evictions between two looks at the pages in use */
#define SMALL_SHARE 20      /* the small queue is one part in so many of all */
#define READS_MAX 3         /* as far as is counted */
#define MOVES_MAX 16        /* latents spared in a row: each is written again, and the writer must come to an end */
#define BYTES_OF_LATENT 256 /* of the budget, as few as are expected */
#define WAYS 4

/* Evicted keys by 32 bits each, in sets of few; the youngest of a set first, the oldest is forgotten. */
struct lt_evicted_keys {
    size_t sets;
    _Atomic(uint32_t) tags[][WAYS];
};

static uint64_t hash_of(const struct lt_span_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes + 8, sizeof hash);
    return hash;
}

int lt_eviction_init(struct lt_eviction *eviction, uint64_t budget)
{
    memset(eviction, 0, sizeof *eviction);
    eviction->read_bytes = 1;
    while (eviction->read_bytes * 4 * BYTES_OF_LATENT < budget)
        eviction->read_bytes *= 2;
    for (int queue = 0; queue < LT_QUEUE_COUNT; queue++) {
        eviction->reads[queue] = lt_calloc(eviction->read_bytes, sizeof *eviction->reads[queue]);
        if (!eviction->reads[queue])
            return LT_ENOMEM;
    }
    return LT_OK;
}

void lt_eviction_finish(struct lt_eviction *eviction)
{
    lt_free(atomic_load(&eviction->evicted));
    for (int queue = 0; queue < LT_QUEUE_COUNT; queue++)
        lt_free(eviction->reads[queue]);
    memset(eviction, 0, sizeof *eviction);
}

/* --- reads --- */

static _Atomic(uint8_t) *counters_of(struct lt_eviction *eviction, uint64_t place, int *ret_shift)
{
    uint64_t number = lt_place_number(place);
    *ret_shift = 2 * (int)(number & 3);
    return &eviction->reads[lt_place_queue(place)][(number >> 2) & (eviction->read_bytes - 1)];
}

static int reads_of(struct lt_eviction *eviction, uint64_t place)
{
    int shift;
    _Atomic(uint8_t) *counters = counters_of(eviction, place, &shift);
    return atomic_load_explicit(counters, memory_order_relaxed) >> shift & READS_MAX;
}

static void set_reads(struct lt_eviction *eviction, uint64_t place, int reads)
{
    int shift;
    _Atomic(uint8_t) *counters = counters_of(eviction, place, &shift);
    uint8_t old = atomic_load_explicit(counters, memory_order_relaxed), changed;
    do
        changed = (uint8_t)((old & ~(READS_MAX << shift)) | reads << shift);
    while (!atomic_compare_exchange_weak_explicit(counters, &old, changed, memory_order_relaxed, memory_order_relaxed));
}

int lt_eviction_visit(struct lt_eviction *eviction, uint64_t place)
{
    int reads = reads_of(eviction, place);
    if (reads < READS_MAX)
        set_reads(eviction, place, reads + 1);
    return reads;
}

static atomic_uint_fast64_t *spared_word(struct lt_eviction *eviction, const struct lt_span_key *key, uint64_t *ret_bit)
{
    uint64_t hash = hash_of(key);
    *ret_bit = 1ull << (hash & 63);
    return &eviction->spared[(hash >> 6) % LT_SPARED_WORDS];
}

void lt_eviction_spare(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    uint64_t bit;
    atomic_uint_fast64_t *word = spared_word(eviction, key, &bit);
    if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
}

static bool take_spared(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    uint64_t bit;
    atomic_uint_fast64_t *word = spared_word(eviction, key, &bit);
    return atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed) & bit;
}

/* --- evicted keys --- */

/* Where a key is remembered, and as what. */
static _Atomic(uint32_t) *evicted_set(struct lt_evicted_keys *evicted, const struct lt_span_key *key, uint32_t *ret_tag)
{
    uint64_t hash = hash_of(key);
    *ret_tag = (uint32_t)hash | 1;
    return evicted->tags[(hash >> 32) * evicted->sets >> 32];
}

bool lt_eviction_remembers(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    struct lt_evicted_keys *evicted = atomic_load_explicit(&eviction->evicted, memory_order_acquire);
    if (!evicted)
        return false;
    uint32_t tag;
    _Atomic(uint32_t) *set = evicted_set(evicted, key, &tag);
    for (int way = 0; way < WAYS; way++)
        if (atomic_load_explicit(&set[way], memory_order_relaxed) == tag)
            return true;
    return false;
}

/* Room for as many keys as there are latents now that the first has to go, or for half of those that are expected, if
 * it goes before the store is full. */
static int prepare_to_remember(struct lt_eviction *eviction, uint64_t entries)
{
    if (atomic_load(&eviction->evicted))
        return LT_OK;
    size_t expected = 2 * eviction->read_bytes, sets = (entries > expected ? entries : expected) / WAYS + 1;
    struct lt_evicted_keys *evicted = lt_calloc(1, sizeof *evicted + sets * sizeof *evicted->tags);
    if (!evicted)
        return LT_ENOMEM;
    evicted->sets = sets;
    atomic_store_explicit(&eviction->evicted, evicted, memory_order_release);
    return LT_OK;
}

static void remember(struct lt_eviction *eviction, const struct lt_span_key *key)
{
    uint32_t tag;
    _Atomic(uint32_t) *set = evicted_set(atomic_load(&eviction->evicted), key, &tag);
    int last = 0; /* where it stands already, or the oldest */
    while (last < WAYS - 1 && atomic_load_explicit(&set[last], memory_order_relaxed) != tag)
        last++;
    for (int way = last; way > 0; way--)
        atomic_store_explicit(&set[way], atomic_load_explicit(&set[way - 1], memory_order_relaxed),
                              memory_order_relaxed);
    atomic_store_explicit(&set[0], tag, memory_order_relaxed);
}

/* --- eviction --- */

static int entries_of(const struct lt_environment *environment, MDB_txn *transaction, enum lt_queue queue,
                      uint64_t *ret_entries)
{
    MDB_stat stat;
    int code = mdb_stat(transaction, environment->queues[queue], &stat);
    *ret_entries = code ? 0 : stat.ms_entries;
    return lt_store_format_code(code);
}

static int choose_queue(const struct lt_environment *environment, MDB_txn *transaction, enum lt_queue *ret_queue)
{
    uint64_t in_small, in_main;
    int code = entries_of(environment, transaction, LT_QUEUE_SMALL, &in_small);
    if (code == LT_OK)
        code = entries_of(environment, transaction, LT_QUEUE_MAIN, &in_main);
    if (code == LT_OK)
        *ret_queue = in_small * SMALL_SHARE >= in_small + in_main ? LT_QUEUE_SMALL : LT_QUEUE_MAIN;
    return code;
}

static int append(struct lt_eviction *eviction, struct lt_queues *queues, const struct lt_environment *environment,
                  MDB_txn *transaction, enum lt_queue queue, const struct lt_span_key *key, int reads,
                  const void *record, size_t bytes)
{
    uint64_t place;
    int code = lt_queues_append(queues, environment, transaction, queue, key, record, bytes, &place);
    if (code == LT_OK)
        set_reads(eviction, place, reads);
    return code;
}

int lt_eviction_add(struct lt_eviction *eviction, struct lt_queues *queues, const struct lt_environment *environment,
                    MDB_txn *transaction, const struct lt_span_key *key, const void *record, size_t bytes)
{
    enum lt_queue queue = lt_eviction_remembers(eviction, key) ? LT_QUEUE_MAIN : LT_QUEUE_SMALL;
    return append(eviction, queues, environment, transaction, queue, key, 0, record, bytes);
}

/* Puts back what was taken: behind all others of the main queue. */
static int put_back(struct lt_eviction *eviction, struct lt_queues *queues, const struct lt_environment *environment,
                    MDB_txn *transaction, const struct lt_span_key *key, int reads, const void *record, size_t bytes)
{
    return append(eviction, queues, environment, transaction, LT_QUEUE_MAIN, key, reads, record, bytes);
}

/* Evicts one latent. LT_ENOTFOUND when there is none but pinned ones. */
static int evict_one(struct lt_eviction *eviction, struct lt_queues *queues, struct lt_ledger *ledger,
                     const struct lt_environment *environment, MDB_txn *transaction)
{
    uint8_t record[LT_RECORD_BYTES_MAX];
    size_t bytes, pinned = 0;
    uint64_t place;
    struct lt_span_key key;
    for (int moves = 0;;) {
        enum lt_queue queue;
        int code = choose_queue(environment, transaction, &queue);
        if (pinned > ledger->pins.count) /* there is nothing else in the main queue */
            queue = LT_QUEUE_SMALL;
        if (code == LT_OK)
            code = lt_queues_take_oldest(environment, transaction, queue, record, &bytes, &key, &place);
        if (code)
            return code;
        int reads = reads_of(eviction, place) + take_spared(eviction, &key);
        bool pins = lt_pins_has(&ledger->pins, &key);
        if (!pins && (reads == 0 || moves++ == MOVES_MAX))
            break;
        code = put_back(eviction, queues, environment, transaction, &key,
                        queue == LT_QUEUE_MAIN && reads ? reads - 1 : 0, record, bytes);
        if (code)
            return code;
        pinned = pins ? pinned + 1 : 0;
    }
    remember(eviction, &key);
    atomic_fetch_add_explicit(&eviction->count, 1, memory_order_relaxed);
    return lt_ledger_evicted(ledger, environment, transaction, &key, record, bytes);
}

int lt_eviction_evict(struct lt_eviction *eviction, struct lt_queues *queues, struct lt_ledger *ledger,
                      const struct lt_environment *environment, MDB_txn *transaction, uint64_t count,
                      uint64_t *ret_evicted)
{
    uint64_t bytes, entries, evicted = 0;
    int code = lt_environment_used(environment, transaction, &bytes, &entries);
    if (code == LT_OK && count)
        code = prepare_to_remember(eviction, entries);
    while (code == LT_OK && evicted < count) {
        code = evict_one(eviction, queues, ledger, environment, transaction);
        evicted += code == LT_OK;
    }
    *ret_evicted = evicted;
    return code == LT_ENOTFOUND ? LT_OK : code;
}

int lt_eviction_make_room(struct lt_eviction *eviction, struct lt_queues *queues, struct lt_ledger *ledger,
                          const struct lt_environment *environment, MDB_txn *transaction, uint64_t budget,
                          uint64_t incoming)
{
    uint64_t used, entries, evicted = 1;
    int code = lt_environment_used(environment, transaction, &used, &entries);
    while (code == LT_OK && entries && evicted && used + incoming > budget) {
        code = lt_eviction_evict(eviction, queues, ledger, environment, transaction, BATCH, &evicted);
        if (code == LT_OK)
            code = lt_environment_used(environment, transaction, &used, &entries);
    }
    return code;
}

/* --- other reasons to go --- */

bool lt_eviction_spares(struct lt_eviction *eviction, const struct lt_span_key *key, uint64_t place)
{
    int reads = reads_of(eviction, place);
    if (reads)
        set_reads(eviction, place, reads - 1);
    return take_spared(eviction, key) || reads;
}

void lt_eviction_note(struct lt_eviction *eviction, const struct lt_span_key *key, uint64_t entries)
{
    if (prepare_to_remember(eviction, entries) == LT_OK) /* without memory, its miss says that it is new */
        remember(eviction, key);
    atomic_fetch_add_explicit(&eviction->count, 1, memory_order_relaxed);
}

void lt_eviction_forget(struct lt_eviction *eviction)
{
    struct lt_evicted_keys *evicted = atomic_load(&eviction->evicted);
    for (size_t set = 0; evicted && set < evicted->sets; set++)
        for (int way = 0; way < WAYS; way++)
            atomic_store_explicit(&evicted->tags[set][way], 0, memory_order_relaxed);
}
