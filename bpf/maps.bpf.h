/* SPDX-License-Identifier: MIT */
/*
 * Where the programs keep what they know. maps.bpf.c defines all of it, the others only refer
 * to it. Every number of entries is set by user space before loading. What is counted lies in
 * mapped arrays, so that nobody needs a system call to read it.
 */
#ifndef NP_MAPS_BPF_H
#define NP_MAPS_BPF_H

#include "compat.bpf.h"

#ifdef NP_MAPS_HERE
# define NP_EXTERN
#else
# define NP_EXTERN extern
#endif

/* Pages of one guarantee that came one after the other: told as one event. */
struct np_run {
	__u64 id, pages; /* pages 0: there is none */
	__u64 since;
	__u64 address, end;
	__u32 kind, tgid;
	__s32 from, to;
};

struct np_bracket {
	__u32 cause; /* NP_PAGE_*: why the thread of this id is migrating pages; 0: it is not */
	__u32 asked; /* what it was asked to do: noted before the migration begins */
	__u32 collapse;
	__u32 reserved;
	struct np_run run; /* what it moved last and has not been told yet */
};

struct np_rate {
	__u64 window;
	__u64 sent;
};

#define NP_MAP(kind, name, key_type, value_type, flags, entries) \
 NP_EXTERN struct {                                              \
  __uint(type, kind);                                            \
  __uint(map_flags, flags);                                      \
  __uint(max_entries, entries);                                  \
  __type(key, key_type);                                         \
  __type(value, value_type);                                     \
 } name SEC(".maps")

#define NP_COUNTERS(name, value_type) \
 NP_MAP(BPF_MAP_TYPE_ARRAY, name, __u32, value_type, BPF_F_MMAPABLE, 1)

NP_COUNTERS(threads, struct np_thread);
NP_COUNTERS(thread_nodes, struct np_thread_node); /* [slot * nodes + node] */
NP_COUNTERS(cells, struct np_cell);		  /* [cpu * nodes + memory node] */
NP_COUNTERS(flows, struct np_flow);		  /* [from node * nodes + to node] */
NP_COUNTERS(watches, struct np_watch);
NP_COUNTERS(totals, struct np_totals);
NP_COUNTERS(on_cpus, struct np_on_cpu);
/* A hash table of slots: tid << 32 | slot; 0 was never used, NP_TID_GONE no longer is. Open
 * addressing, NP_TID_PROBES places; four places a slot. */
NP_COUNTERS(tids, __u64);
/* the node of each CPU; 8 bytes because the kernel rounds what lies in an array up to that */
NP_COUNTERS(pin_words, __u64); /* [guarantee * words a set + cpu / 64] */
NP_COUNTERS(ranges,
	    struct np_range); /* two tables; totals.ranges_version says which is in force */

NP_MAP(BPF_MAP_TYPE_HASH, tgids, __u32, __u8, 0, 4096); /* watched processes */
NP_MAP(BPF_MAP_TYPE_HASH, pinned, __u32, __u32, 0, 1);	/* tid: its guarantee + 1 */
NP_MAP(BPF_MAP_TYPE_HASH, brackets, __u32, struct np_bracket, 0,
       4096); /* by machine-wide tid */
NP_MAP(BPF_MAP_TYPE_PERCPU_ARRAY, rates, __u32, struct np_rate, 0, 1);
NP_MAP(BPF_MAP_TYPE_HASH, stack_pages, struct np_stack_key, __u64, 0, 1);

NP_EXTERN struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, NP_STACK_DEPTH * sizeof(__u64));
} stacks SEC(".maps");

NP_EXTERN struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

#ifdef NP_MAPS_HERE
const volatile struct np_config cfg;
struct np_state state;
#else
extern const volatile struct np_config cfg;
extern struct np_state state;
#endif

#endif
