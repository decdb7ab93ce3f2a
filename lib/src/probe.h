/* SPDX-License-Identifier: MIT */
/*
 * Rank 0: static probes for bpftrace, perf and SystemTap: a nop each, whose place and arguments
 * are noted in the file. Where sys/sdt.h (Debian: systemtap-sdt-dev) was missing when this was
 * built they are nothing; `bpftrace -l 'usdt:/path/to/libnumaperf.so:*'` tells.
 *
 * submit(node, tasks, hard-home): a producer; its tasks are queued.
 *
 * start(function, argument, home): the worker that is about to run it, stolen or queued; not
 * one that its own spawner runs.
 *
 * end(function, argument): it has returned.
 *
 * steal(function, argument, home, tasks): before start, of what another worker or node had.
 *
 * park(worker), wake(worker): goes to sleep, is awake again.
 *
 * pin_lost(worker, node): numaperf_executor_state() has found that its thread may leave its
 * node.
 */
#ifndef NP_PROBE_H
#define NP_PROBE_H

#if defined(__has_include) && __has_include(<sys/sdt.h>)
# include <sys/sdt.h>
# define NP_PROBE1(name, a)	     DTRACE_PROBE1(numaperf, name, a)
# define NP_PROBE2(name, a, b)	     DTRACE_PROBE2(numaperf, name, a, b)
# define NP_PROBE3(name, a, b, c)    DTRACE_PROBE3(numaperf, name, a, b, c)
# define NP_PROBE4(name, a, b, c, d) DTRACE_PROBE4(numaperf, name, a, b, c, d)
#else
# define NP_PROBE1(name, a)	     ((void)0)
# define NP_PROBE2(name, a, b)	     ((void)0)
# define NP_PROBE3(name, a, b, c)    ((void)0)
# define NP_PROBE4(name, a, b, c, d) ((void)0)
#endif

#endif
