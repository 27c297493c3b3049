/* The file format of LMDB 0.9, as far as it is used here: pages in the machine's byte order, of which the first two are
 * meta pages, each with the state after a transaction; the one with the greater transaction number counts. A tree has
 * branch pages and leaf pages; values that do not fit a leaf lie on overflow pages. There is one tree of free pages,
 * one of named databases, and one for each of these. Duplicates (MDB_DUPSORT), which change the form of pages, are not
 * used.
 */
#include "storage/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define META_PAGES 2
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 32 /* as LMDB's cursors */
#define KEY_BYTES_MAX 511
#define INTEGER_KEYS 0x08u

enum { BRANCH = 0x01, LEAF = 0x02, OVERFLOW = 0x04 }; /* kinds of pages */
enum { ON_OVERFLOW = 0x01, NAMED_DATABASE = 0x02 };   /* flags of nodes */

struct page_head {
    uint64_t number;
    uint16_t unused, kind;
    uint16_t lower, upper; /* of the free room; on overflow pages, together, how many there are */
};

struct node {
    uint16_t low, high; /* of the value's size; on branch pages, of a page number with `flags` above them */
    uint16_t flags, key_bytes;
};

struct database {
    uint32_t page_bytes;
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
    uint32_t magic, version;
    uint64_t address, map_bytes;
    struct database free_pages, names;
    uint64_t last_page, transaction;
};

struct checking {
    const uint8_t *file;
    uint64_t page_count;
    size_t page_bytes;
    uint8_t *used;     /* a bit a page */
    uint64_t page;     /* that is looked at */
    const char *wrong; /* NULL: nothing yet */
};

/* One tree being walked, and what was found in it. */
struct walk {
    struct checking *checking;
    const struct database *database;
    struct database found;
    bool is_names, is_free_pages;
    const uint8_t *last_key; /* NULL before the first */
    size_t last_bytes;
    bool last_is_separator; /* the next key may be the same */
};

static bool wrong(struct checking *checking, const char *what)
{
    if (!checking->wrong)
        checking->wrong = what;
    return false;
}

static const uint8_t *page_at(const struct checking *checking, uint64_t number)
{
    return checking->file + number * checking->page_bytes;
}

static bool take_pages(struct checking *checking, uint64_t number, uint64_t count)
{
    if (number < META_PAGES || number >= checking->page_count || count > checking->page_count - number)
        return wrong(checking, "a page number leads out of the file");
    for (uint64_t page = number; page < number + count; page++) {
        if (checking->used[page / 8] >> page % 8 & 1)
            return wrong(checking, "a page is used twice");
        checking->used[page / 8] |= (uint8_t)(1u << page % 8);
    }
    return true;
}

static bool walk_tree(struct checking *checking, const struct database *database, bool is_names, bool is_free_pages);

/* --- keys --- */

static int compare(const struct walk *walk, const uint8_t *key, size_t bytes)
{
    if (walk->database->flags & INTEGER_KEYS) {
        uint64_t last, next;
        memcpy(&last, walk->last_key, sizeof last);
        memcpy(&next, key, sizeof next);
        return (last > next) - (last < next);
    }
    int order = memcmp(walk->last_key, key, bytes < walk->last_bytes ? bytes : walk->last_bytes);
    return order ? order : (walk->last_bytes > bytes) - (walk->last_bytes < bytes);
}

/* Keys rise from left to right; a separator stands between those of the pages left and right of it. */
static bool next_key(struct walk *walk, const uint8_t *key, size_t bytes, bool is_separator)
{
    if (bytes == 0 || bytes > KEY_BYTES_MAX || (walk->database->flags & INTEGER_KEYS && bytes != sizeof(uint64_t)))
        return wrong(walk->checking, "a key has a wrong size");
    if (walk->last_key && compare(walk, key, bytes) >= (walk->last_is_separator ? 1 : 0))
        return wrong(walk->checking, "keys are not in order");
    walk->last_key = key;
    walk->last_bytes = bytes;
    walk->last_is_separator = is_separator;
    return true;
}

/* --- values --- */

/* A list of free pages: how many, then their numbers, falling. */
static bool check_free_pages(struct checking *checking, const uint8_t *value, size_t bytes)
{
    uint64_t count, page, last = NO_PAGE;
    if (bytes < sizeof count)
        return wrong(checking, "a list of free pages is too short");
    memcpy(&count, value, sizeof count);
    if (count > bytes / sizeof page - 1)
        return wrong(checking, "a list of free pages is too short");
    for (uint64_t i = 1; i <= count; i++, last = page) {
        memcpy(&page, value + i * sizeof page, sizeof page);
        if (page >= last)
            return wrong(checking, "free pages are not in order");
        if (!take_pages(checking, page, 1))
            return false;
    }
    return true;
}

static bool check_value(struct walk *walk, const struct node *node, const uint8_t *value, size_t bytes)
{
    struct checking *checking = walk->checking;
    uint64_t here = checking->page, number;
    if (node->flags & ON_OVERFLOW) {
        struct page_head head;
        uint64_t count = (sizeof head - 1 + bytes) / checking->page_bytes + 1;
        memcpy(&number, value, sizeof number);
        if (!take_pages(checking, number, count))
            return false;
        memcpy(&head, page_at(checking, number), sizeof head);
        checking->page = number;
        if (head.number != number || head.kind != OVERFLOW || (head.lower | (uint32_t)head.upper << 16) != count)
            return wrong(checking, "it is not the overflow page that it should be");
        walk->found.overflow_pages += count;
        value = page_at(checking, number) + sizeof head;
    }
    bool sound = true;
    if (walk->is_free_pages) {
        sound = check_free_pages(checking, value, bytes);
    } else if (node->flags & NAMED_DATABASE) {
        struct database database;
        if (!walk->is_names || bytes != sizeof database)
            return wrong(checking, "a database stands where none can be");
        memcpy(&database, value, sizeof database);
        sound = walk_tree(checking, &database, false, false);
    }
    checking->page = sound ? here : checking->page;
    return sound;
}

/* --- pages --- */

static bool walk_page(struct walk *walk, uint64_t number, unsigned depth);

static bool walk_node(struct walk *walk, const uint8_t *page, uint16_t at, bool is_leaf, bool is_first, unsigned depth,
                      size_t *node_bytes)
{
    struct checking *checking = walk->checking;
    struct node node;
    if (at % 2 || at > checking->page_bytes - sizeof node)
        return wrong(checking, "an entry lies outside of its page");
    memcpy(&node, page + at, sizeof node);
    size_t value_bytes = node.low | (size_t)node.high << 16, room = checking->page_bytes - at - sizeof node;
    size_t here = !is_leaf ? 0 : node.flags & ON_OVERFLOW ? sizeof(uint64_t) : value_bytes;
    if (is_leaf && node.flags & ~(ON_OVERFLOW | NAMED_DATABASE))
        return wrong(checking, "an entry has unknown flags");
    if (node.key_bytes > room || here > room - node.key_bytes)
        return wrong(checking, "an entry does not fit its page");
    const uint8_t *key = page + at + sizeof node;
    *node_bytes += (sizeof node + node.key_bytes + here + 1) & ~(size_t)1;
    if ((is_leaf || !is_first) && !next_key(walk, key, node.key_bytes, !is_leaf))
        return false;
    walk->found.entries += is_leaf;
    return is_leaf ? check_value(walk, &node, key + node.key_bytes, value_bytes)
                   : walk_page(walk, value_bytes | (uint64_t)node.flags << 32, depth + 1);
}

static bool walk_page(struct walk *walk, uint64_t number, unsigned depth)
{
    struct checking *checking = walk->checking;
    struct page_head head;
    if (!take_pages(checking, number, 1))
        return false;
    const uint8_t *page = page_at(checking, number);
    uint64_t above = checking->page;
    checking->page = number;
    memcpy(&head, page, sizeof head);
    bool is_leaf = depth == walk->database->depth;
    if (head.number != number || head.kind != (is_leaf ? LEAF : BRANCH))
        return wrong(checking, "it is not the page that it should be");
    if (head.lower < sizeof head || head.lower % 2 || head.lower > head.upper || head.upper > checking->page_bytes)
        return wrong(checking, "its head is damaged");
    size_t count = (head.lower - sizeof head) / sizeof(uint16_t), node_bytes = 0;
    if (count < (is_leaf ? 1 : 2))
        return wrong(checking, "it has too few entries");
    for (size_t i = 0; i < count; i++) {
        uint16_t at;
        memcpy(&at, page + sizeof head + i * sizeof at, sizeof at);
        if (at < head.upper)
            return wrong(checking, "an entry lies outside of its page");
        if (!walk_node(walk, page, at, is_leaf, i == 0, depth, &node_bytes))
            return false;
    }
    if (node_bytes != checking->page_bytes - head.upper)
        return wrong(checking, "its entries overlap, or there is room between them");
    walk->found.leaf_pages += is_leaf;
    walk->found.branch_pages += !is_leaf;
    checking->page = above;
    return true;
}

static bool walk_tree(struct checking *checking, const struct database *database, bool is_names, bool is_free_pages)
{
    struct walk walk = {
        .checking = checking, .database = database, .is_names = is_names, .is_free_pages = is_free_pages};
    if (database->depth > DEPTH_MAX || (database->depth == 0) != (database->root == NO_PAGE))
        return wrong(checking, "a tree is too deep, or has no root");
    if (database->root != NO_PAGE && !walk_page(&walk, database->root, 1))
        return false;
    if (walk.found.entries != database->entries || walk.found.leaf_pages != database->leaf_pages ||
        walk.found.branch_pages != database->branch_pages || walk.found.overflow_pages != database->overflow_pages)
        return wrong(checking, "a tree has more or fewer pages than it says");
    return true;
}

/* --- the file --- */

/* The meta page that counts; NULL if neither is one, which LMDB says itself. */
static const struct meta *find_meta(const uint8_t *file, size_t bytes, struct meta *ret_meta)
{
    struct meta metas[META_PAGES] = {{0}};
    size_t page_bytes = 0, found = META_PAGES;
    for (size_t i = 0; i < META_PAGES && bytes >= (i + 1) * page_bytes; i++) {
        size_t at = i * page_bytes + sizeof(struct page_head);
        if (at + sizeof *metas > bytes)
            break;
        memcpy(&metas[i], file + at, sizeof *metas);
        if (metas[i].magic != META_MAGIC || metas[i].version != META_VERSION)
            return NULL;
        page_bytes = metas[0].free_pages.page_bytes;
        if (found == META_PAGES || metas[i].transaction > metas[found].transaction)
            found = i;
    }
    if (found == META_PAGES)
        return NULL;
    *ret_meta = metas[found];
    return ret_meta;
}

static int check_file(const char *folder, const uint8_t *file, size_t bytes, struct lt_error *error)
{
    struct meta meta;
    if (!find_meta(file, bytes, &meta))
        return LT_OK;
    struct checking checking = {.file = file, .page_bytes = meta.free_pages.page_bytes};
    size_t page_bytes = checking.page_bytes;
    if (page_bytes < 512 || page_bytes > 65536 || page_bytes & (page_bytes - 1))
        return lt_fail(error, LT_ESTORE, "%s/data.mdb is damaged: its pages have %zu bytes", folder, page_bytes);
    checking.page_count = bytes / page_bytes;
    if (meta.last_page >= checking.page_count)
        return LT_OK; /* truncated, which is said elsewhere */
    checking.page_count = meta.last_page + 1;
    checking.used = lt_calloc(1, checking.page_count / 8 + 1);
    if (!checking.used)
        return lt_fail_code(error, LT_ENOMEM);
    bool sound = walk_tree(&checking, &meta.names, true, false) && walk_tree(&checking, &meta.free_pages, false, true);
    lt_free(checking.used);
    if (sound)
        return LT_OK;
    return lt_fail(
        error, LT_ESTORE,
        "%s/data.mdb is damaged (page %llu: %s); restore it, or remove the folder: latents are encoded again", folder,
        (unsigned long long)checking.page, checking.wrong);
}

int lt_pages_check(const char *folder, struct lt_error *error)
{
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &info) != 0 || info.st_size == 0) {
        if (descriptor >= 0)
            close(descriptor);
        return LT_OK; /* new; or LMDB says what is wrong */
    }
    void *file = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (file == MAP_FAILED)
        return lt_fail(error, LT_ESTORE, "cannot read %s: %s", path, strerror(errno));
    int code = check_file(folder, file, (size_t)info.st_size, error);
    munmap(file, (size_t)info.st_size);
    return code;
}
