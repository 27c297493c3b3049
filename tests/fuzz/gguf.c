/* A model file: its tables, and the vocabulary in it. */
#include "kernels/gguf.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lt_error error = {0};
    struct lt_gguf *gguf;
    char path[64];
    int file = file_of(data, size, path);
    int code = lt_gguf_open(path, &gguf, &error);
    require(code == LT_OK || error.message[0]);
    if (code == LT_OK)
        lt_gguf_close(gguf);
    close(file);
    return 0;
}
