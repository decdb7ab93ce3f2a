/* SPDX-License-Identifier: MIT */
/* Addresses of user programs as names, by elfutils; what was found once is remembered. */
#ifndef TOP_SYMBOL_H
#define TOP_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

struct top_symbols;

/* NULL: no memory. */
struct top_symbols *top_symbols_new(void);
void top_symbols_free(struct top_symbols *symbols);

/*
 * "function+0x12 (library.so)", "0x7f12 (library.so)" or "0x7f12": cleaned, on the heap; NULL:
 * no memory. Names of C++ are as a person wrote them. `life`: tells this process, and the
 * program that it runs, from others of the same number. `caller`: a return address, which is
 * behind the call that it stands for. A process's maps are read when it is first asked for, and
 * again, a few times, when an address is in none of them.
 */
char *top_symbol(struct top_symbols *symbols, int pid, uint64_t life, uint64_t address,
		 bool caller);

/*
 * Whether code is mapped there: a stack that was walked by frame pointers through a function
 * that keeps none ends in numbers that are no addresses. True where the maps cannot be read.
 */
bool top_symbol_is_code(struct top_symbols *symbols, int pid, uint64_t life, uint64_t address);

#endif
