/* Makes OpenBLAS use the widest vectors that the processor has.
 *
 * Debian's 0.3.21 does not know processors newer than itself and falls back to AVX2 on them, which halves its rate. The
 * choice is read from the environment when the library is loaded, before main: so it is made here by running the
 * program once more. */
#ifndef LT_DAEMON_BLAS_H
#define LT_DAEMON_BLAS_H

/* If OPENBLAS_CORETYPE is not set and this processor deserves one, sets it and executes the program again with the same
 * arguments; returns otherwise (also when executing fails: then the library's own choice stays). Call first in main. */
void lt_blas_choose_core(char **arguments);

/* Threads that BLAS uses from now on; 0: one for each processor that this process may run on. Returns the number. */
int lt_blas_set_threads(int threads);

/* The library's name for the kernels in use, such as "SkylakeX". */
const char *lt_blas_core(void);

#endif
