/* Texts: the tokens of one say the same text, and of what is no UTF-8 there are none. The vocabulary has all bytes and
 * some pieces that overlap. */
#include <string.h>

#include "kernels/tokenizer.h"
#include "proto/alloc.h"
#include "proto/utf8.h"
#include "tests/fuzz/target.h"

static struct lt_tokenizer *make(void)
{
    static const char *const pieces[] = {"a",
                                         "b",
                                         "c",
                                         "ab",
                                         "bc",
                                         "abc",
                                         "\xe2\x96\x81",
                                         "\xe2\x96\x81"
                                         "a",
                                         "aa",
                                         "aaaa",
                                         "\xc3\xa9",
                                         "\n\n"};
    static char names[256][8];
    struct lt_vocabulary_entry entries[256 + sizeof pieces / sizeof *pieces];
    struct lt_tokenizer *tokenizer = NULL;
    struct lt_error error = {0};
    uint32_t count = 0;
    for (int byte = 0; byte < 256; byte++) {
        static const char digits[] = "0123456789ABCDEF";
        memcpy(names[byte], "<0x00>", 7);
        names[byte][3] = digits[byte >> 4];
        names[byte][4] = digits[byte & 15];
        entries[count++] = (struct lt_vocabulary_entry){names[byte], 6, 0, LT_TOKEN_BYTE};
    }
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        entries[count++] =
            (struct lt_vocabulary_entry){pieces[i], strlen(pieces[i]), (float)(i % 5) - 3, LT_TOKEN_NORMAL};
    require(lt_tokenizer_create(entries, count, &tokenizer, &error) == LT_OK);
    return tokenizer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lt_tokenizer *tokenizer;
    struct lt_error error = {0};
    uint32_t *tokens;
    size_t count, said = 0;
    if (!tokenizer)
        tokenizer = make();
    int code = lt_tokenizer_encode(tokenizer, (const char *)data, size, &tokens, &count, &error);
    require(code == LT_OK || error.message[0]);
    if (code)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        const char *text = lt_tokenizer_text(tokenizer, tokens[i], &bytes);
        require(said + bytes <= size && memcmp(data + said, text, bytes) == 0);
        said += bytes;
    }
    require(said == size);
    lt_free(tokens);
    return 0;
}
