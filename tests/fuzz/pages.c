/* data.mdb as a whole, as it is looked at before LMDB opens it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/pages.h"
#include "tests/fuzz/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char folder[] = "/tmp/fuzz-pages-XXXXXX", path[64];
    struct lt_error error = {0};
    char link[64];
    if (!path[0]) {
        require(mkdtemp(folder) != NULL);
        snprintf(path, sizeof path, "%s/data.mdb", folder);
    }
    int file = file_of(data, size, link);
    require(symlink(link, path) == 0);
    int code = lt_pages_check(folder, &error);
    require(code == LT_OK || error.message[0]);
    unlink(path);
    close(file);
    return 0;
}
