// SPDX-License-Identifier: MIT
/* In the place of hook.c in a build with BPF=0: there are no programs, and this says so. */
#include "base.h"
#include "hook.h"
#include "hook_table.h"

#include <errno.h>
#include <stdio.h>

const bool np_hooks_built = false;

void np_hooks_probe(enum numaperf_rung rung_max, struct numaperf_hook *table)
{
	(void)rung_max;
	for (int i = 0; i < NUMAPERF_METRIC_COUNT; i++)
		np_hook_fallback(&table[i], i, EOPNOTSUPP, "built without BPF (make BPF=0)",
				 "build it with clang, bpftool and libbpf-dev: make");
}

int np_hooks_open(struct np_hooks **hooks, const struct np_hooks_opts *opts,
		  struct numaperf_hook *table)
{
	(void)hooks;
	(void)opts;
	np_hooks_probe(NUMAPERF_RUNG_ABSENT, table);
	return np_fail(-EOPNOTSUPP, NUMAPERF_REASON_UNSUPPORTED, "loading the BPF programs",
		       "build it with clang, bpftool and libbpf-dev: make",
		       "this library was built without BPF (make BPF=0)");
}

/* Nothing can be open, so nobody gets here. */
void np_hooks_close(struct np_hooks *hooks)
{
	(void)hooks;
}

const struct np_counters *np_hooks_counters(const struct np_hooks *hooks)
{
	(void)hooks;
	return NULL;
}

int np_hooks_watch_process(struct np_hooks *hooks, int tgid, bool on)
{
	(void)hooks;
	(void)tgid;
	(void)on;
	return -EOPNOTSUPP;
}

int np_hooks_pin(struct np_hooks *hooks, int tid, unsigned int watch,
		 const struct numaperf_cpuset *cpus)
{
	(void)hooks;
	(void)tid;
	(void)watch;
	(void)cpus;
	return -EOPNOTSUPP;
}

void np_hooks_unpin(struct np_hooks *hooks, int tid)
{
	(void)hooks;
	(void)tid;
}

int np_hooks_set_ranges(struct np_hooks *hooks, const struct np_range *range, size_t count)
{
	(void)hooks;
	(void)range;
	(void)count;
	return -EOPNOTSUPP;
}

void np_hooks_free_thread(struct np_hooks *hooks, unsigned int slot)
{
	(void)hooks;
	(void)slot;
}

int np_hooks_poll(struct np_hooks *hooks, int timeout_ms, np_event_fn fn, void *ctx)
{
	(void)hooks;
	(void)timeout_ms;
	(void)fn;
	(void)ctx;
	return -EOPNOTSUPP;
}

int np_hooks_fd(const struct np_hooks *hooks)
{
	(void)hooks;
	return -1;
}

int np_hooks_stacks(struct np_hooks *hooks,
		    int (*fn)(void *ctx, const struct numaperf_stack *stack), void *ctx)
{
	(void)hooks;
	(void)fn;
	(void)ctx;
	return -EOPNOTSUPP;
}
