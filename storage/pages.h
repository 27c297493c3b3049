/* Whether the pages of data.mdb hang together. LMDB believes every page that it reads: a flipped bit in a page's head
 * or in a pointer is a crash. So all pages that are in use are looked at before LMDB opens the file. What is inside
 * records is not looked at: they have checksums of their own. */
#ifndef LT_STORAGE_PAGES_H
#define LT_STORAGE_PAGES_H

#include "proto/error.h"

/* Checks `folder`/data.mdb, if there is one and it has anything in it. Nobody may be writing to it. Takes about a
 * microsecond a page, and the time to read the file if it is not in memory. LT_ESTORE with the page and what is wrong
 * with it; LT_ENOMEM. */
int lt_pages_check(const char *folder, struct lt_error *error);

#endif
