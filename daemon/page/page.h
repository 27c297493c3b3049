/* The live page, as embed.py has made one file of page.html, page.css and page.js. */
#ifndef LT_DAEMON_PAGE_H
#define LT_DAEMON_PAGE_H

#include <stddef.h>

extern const unsigned char lt_page[];
extern const size_t lt_page_bytes;
extern const char lt_page_policy[]; /* Content-Security-Policy */

#endif
