/* SPDX-License-Identifier: MIT */
/* Rank 6: asking the kernel, program by program. Knows libbpf. */
#ifndef NP_HOOK_PROBE_H
#define NP_HOOK_PROBE_H

#include "hook_ladder.h"

/* What was found out, once a process; only hook*.c look inside. */
struct np_probed {
	int error[NP_PROG_COUNT]; /* 0: accepted; else an errno */
	enum np_refuser refuser;  /* whose word a refusal is */
	unsigned int page_node_shift, page_node_mask;
};

/*
 * Loads and attaches a program of two instructions on each hook and drops it again: BTF alone
 * does not tell (fentry is there and refused on some machines). ENOENT: no such hook; ENODATA:
 * no BTF at all; ENOTSUP: page.flags is laid out in a way that we do not know.
 */
void np_probe(struct np_probed *out);

/*
 * libbpf speaks to standard error unless told otherwise, and whom it speaks to is one setting
 * for the whole program: taken for the time between these two, and given back. Between them no
 * other thread of ours is in libbpf. The text is what it last warned of.
 */
void np_libbpf_begin(void);
const char *np_libbpf_said(void);
void np_libbpf_end(void);

#endif
