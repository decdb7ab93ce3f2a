/* SPDX-License-Identifier: MIT */
/*
 * Who is watched, a thread's slot, the guarantee of an address, and how a violation is told.
 *
 * Most of it runs under a run-queue lock: nothing here allocates or waits. A thread's slot is
 * found in an open-addressed table that threads are entered into without a lock (a thread is
 * entered by its parent, before it is woken, or by the CPU that switches to it: never by two).
 */
#ifndef NP_WATCH_BPF_H
#define NP_WATCH_BPF_H

#include "maps.bpf.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

#define np_at(map, index) \
 ({                       \
__u32 at_ = (index);                  \
bpf_map_lookup_elem(&(map), &at_);    \
 })

#define np_add(counter, n) ((void)__sync_fetch_and_add(&(counter), (n)))

/* ---- ids, as the monitor sees them ---- */

/* A task's id in the monitor's pid namespace, 0: it is not in it. Levels nest at most 32 deep
 * (MAX_PID_NS_LEVEL); containers in containers in containers are 3. */
static __always_inline __u32 np_tid_inside(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);

	for (int i = 0; i < 8; i++) {
		struct upid upid = {};

		if (i > level)
			break;
		bpf_core_read(&upid, sizeof(upid), &pid->numbers[i]);
		if (BPF_CORE_READ(upid.ns, ns.inum) == cfg.pidns)
			return upid.nr;
	}
	return 0;
}

static __always_inline __u32 np_tid(struct task_struct *task)
{
	return cfg.pidns ? np_tid_inside(task) : task->pid;
}

static __always_inline __u32 np_tgid(struct task_struct *task)
{
	return cfg.pidns ? np_tid_inside(BPF_CORE_READ(task, group_leader)) : task->tgid;
}

/* Whose address space it is; 0: nobody's any more. For pointers the verifier knows nothing of.
 */
static __always_inline __u32 np_owner(struct mm_struct *mm)
{
	struct task_struct *owner = BPF_CORE_READ(mm, owner);

	if (!owner)
		return 0;
	return cfg.pidns ? np_tid_inside(BPF_CORE_READ(owner, group_leader))
			 : BPF_CORE_READ(owner, tgid);
}

/* ---- who is watched ---- */

static __always_inline bool np_in_cgroup(struct task_struct *task)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	__u32 level = cfg.cgroup_level; /* not inside bpf_core_read(): it would be relocated */
	struct cgroup *at = NULL;

	if (BPF_CORE_READ(cgroup, level) < level)
		return false;
	bpf_core_read(&at, sizeof(at), &cgroup->ancestors[level & 63]);
	return at && BPF_CORE_READ(at, kn, id) == cfg.cgroup;
}

static __always_inline bool np_process_watched(__u32 tgid)
{
	if (state.only)
		return tgid == state.only;
	return bpf_map_lookup_elem(&tgids, &tgid) != NULL;
}

static __always_inline bool np_watched(struct task_struct *task)
{
	if (cfg.scope == NP_WATCH_TGIDS)
		return np_process_watched(np_tgid(task));
	if (task->flags & PF_KTHREAD)
		return false;
	return cfg.scope == NP_WATCH_ALL || np_in_cgroup(task);
}

/* ---- a thread's slot ---- */

static __always_inline struct np_thread *np_find(__u32 tid, __u32 *slot)
{
	__u32 mask = cfg.threads * 4 - 1, at = np_hash(tid);

	*slot = 0;
	for (int i = 0; i < NP_TID_PROBES; i++) {
		__u64 *entry = np_at(tids, (at + i) & mask);

		if (!entry || !*entry)
			return NULL;
		if (*entry >> 32 == tid) {
			*slot = (__u32)*entry;
			return np_at(threads, *slot);
		}
	}
	return NULL;
}

/* A free slot: they are handed out in turn, and user space frees those of threads that are
 * gone. */
static __always_inline struct np_thread *np_take(__u32 *slot)
{
	for (int i = 0; i < 16; i++) {
		__u32 at = __sync_fetch_and_add(&state.cursor, 1) & (cfg.threads - 1);
		struct np_thread *t = np_at(threads, at);

		if (t && __sync_val_compare_and_swap(&t->state, NP_SLOT_FREE, NP_SLOT_LIVE) ==
				 NP_SLOT_FREE) {
			*slot = at;
			return t;
		}
	}
	return NULL;
}

static __always_inline void np_lost_thread(void)
{
	struct np_totals *sum = np_at(totals, 0);

	if (sum)
		np_add(sum->threads_lost, 1);
}

/* Enters the thread; NULL: there is no room, which is counted. */
static __always_inline struct np_thread *np_enter(struct task_struct *task, __u32 tid,
						  __u32 *slot)
{
	__u32 mask = cfg.threads * 4 - 1, at = np_hash(tid);
	struct np_thread *t = np_take(slot);
	struct np_totals *sum = np_at(totals, 0);
	__u32 *pin;

	if (!t || !sum) {
		np_lost_thread();
		return NULL;
	}
	t->tid = tid;
	t->tgid = np_tgid(task);
	bpf_core_read(&t->comm, sizeof(t->comm), &task->comm);
	pin = bpf_map_lookup_elem(&pinned, &tid);
	t->pin = pin ? *pin : 0;
	for (int i = 0; i < NP_TID_PROBES; i++) {
		__u64 *entry = np_at(tids, (at + i) & mask);
		__u64 there;

		if (!entry)
			break;
		there = *entry;
		if (there >> 32)
			continue;
		if (__sync_val_compare_and_swap(entry, there, (__u64)tid << 32 | *slot) ==
		    there) {
			np_add(sum->threads_seen, 1);
			return t;
		}
	}
	t->state = NP_SLOT_FREE;
	np_lost_thread();
	return NULL;
}

#define NP_PF_EXITING 0x4 /* PF_EXITING, include/linux/sched.h, 5.8 to 6.18 */

/* One that is exiting still runs for a moment after its exit was told, and its slot may have
 * been freed by then: who entered it once more would keep it for ever. */
static __always_inline struct np_thread *np_thread_of(struct task_struct *task, __u32 *slot)
{
	__u32 tid = np_tid(task);
	struct np_thread *t = np_find(tid, slot);

	if (t || !tid || BPF_CORE_READ(task, flags) & NP_PF_EXITING)
		return t;
	return np_enter(task, tid, slot);
}

static __always_inline struct np_thread_node *np_thread_on(__u32 slot, __u32 node)
{
	return np_at(thread_nodes, slot * cfg.nodes + node);
}

static __always_inline __u32 np_cpu_node(__u32 cpu)
{
	struct np_on_cpu *on = np_at(on_cpus, cpu);

	return on ? on->node : NP_NODE_UNKNOWN;
}

/* ---- guarantees ---- */

static __always_inline bool np_pin_has(__u32 watch, __u32 cpu)
{
	__u64 *word = np_at(pin_words, watch * ((cfg.cpus + 63) / 64) + cpu / 64);

	return !word || *word >> (cpu & 63) & 1;
}

/* Whether an affinity is what guarantee `watch` says, up to the last possible CPU. */
static __always_inline bool np_pin_is(__u32 watch, const struct cpumask *mask)
{
	__u32 words = (cfg.cpus + 63) / 64;

	for (__u32 i = 0; i < 128; i++) {
		__u64 *want, have = 0;

		if (i >= words)
			break;
		want = np_at(pin_words, watch * words + i);
		bpf_probe_read_kernel(&have, sizeof(have), (const char *)mask + i * 8);
		if (i == words - 1 && cfg.cpus & 63)
			have &= (1ull << (cfg.cpus & 63)) - 1;
		if (want && have != *want)
			return false;
	}
	return true;
}

static __always_inline bool np_range_has(const struct np_range *range, __u32 node)
{
	__u32 word = node / 64;

	if (word >= NP_NODE_WORDS)
		return false;
	barrier_var(word); /* or clang drops the mask, which the verifier cannot do without */
	return range->nodes[word & (NP_NODE_WORDS - 1)] >> (node & 63) & 1;
}

/* Ranges of a process, from the first one on that ends behind an address. */
struct np_walk {
	__u32 next, stop; /* places in the table */
	__u64 end;
};

/* Ranges that one huge page may touch: what is beyond that is left to the looks. */
#define NP_RANGES_A_PAGE 4

/* Those that [address, address + pages) touches: a binary search for the first. */
static __always_inline struct np_walk np_ranges_of(__u32 tgid, __u64 address, __u64 pages)
{
	struct np_totals *sum = np_at(totals, 0);
	__u32 version, low = 0, high, base;
	struct np_walk walk = { .end = address + (pages << 12) };

	if (!sum)
		return walk;
	version = sum->ranges_version & 1;
	base = version ? cfg.ranges : 0;
	high = sum->ranges_count[version];
	walk.stop = base + high;
	for (int i = 0; i < 20; i++) { /* 2^20 ranges */
		__u32 middle = (low + high) / 2;
		struct np_range *range;

		if (low >= high)
			break;
		range = np_at(ranges, base + middle);
		if (!range)
			break;
		if (range->tgid < tgid || (range->tgid == tgid && range->end <= address))
			low = middle + 1;
		else
			high = middle;
	}
	walk.next = base + low;
	return walk;
}

static __always_inline struct np_range *np_next_range(struct np_walk *walk, __u32 tgid)
{
	struct np_range *range;

	if (walk->next >= walk->stop)
		return NULL;
	range = np_at(ranges, walk->next);
	walk->next++;
	return range && range->tgid == tgid && range->start < walk->end ? range : NULL;
}

/* Whether anybody watches ranges at all: most of the time nobody does. */
static __always_inline bool np_ranges_any(void)
{
	struct np_totals *sum = np_at(totals, 0);

	return sum && sum->ranges_count[sum->ranges_version & 1];
}

/* ---- telling ---- */

#define NP_WINDOW 100000000ull /* ns */

/* Whether this CPU has sent enough for now; what is held back is counted. */
static __always_inline bool np_limited(struct np_totals *sum, __u64 now)
{
	struct np_rate *rate = np_at(rates, 0);

	if (!rate)
		return false;
	if (now - rate->window > NP_WINDOW) {
		rate->window = now;
		rate->sent = 0;
	}
	if (rate->sent >= cfg.burst) {
		np_add(sum->events_limited, 1);
		return true;
	}
	rate->sent++;
	return false;
}

/*
 * Room for an event, already filled with who is doing it (the current thread); NULL: there is
 * none, or this CPU has sent enough for now. What is not sent is counted.
 */
static __always_inline struct np_event *np_event_begin(__u32 kind, __u32 cause, bool actor)
{
	bool notice = kind >= NP_EVENT_COLLAPSE;
	struct np_totals *sum = np_at(totals, 0);
	__u64 now = bpf_ktime_get_ns();
	struct task_struct *me;
	struct np_event *e;

	if (!sum || (!notice && np_limited(sum, now)))
		return NULL;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		if (notice)
			np_add(sum->notices_lost, 1);
		else
			np_add(sum->events_lost, 1);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->cause = cause;
	e->time_ns = now;
	e->from_cpu = e->to_cpu = e->from_node = e->to_node = -1;
	if (actor) {
		me = bpf_get_current_task_btf();
		e->actor_tgid = np_tgid(me);
		e->actor_tid = np_tid(me);
		bpf_get_current_comm(&e->actor, sizeof(e->actor));
	}
	return e;
}

/* Blames whoever takes a CPU offline. */
static __always_inline void np_event_unplugger(struct np_event *e)
{
	e->actor_tgid = state.unplug_tgid;
	e->actor_tid = state.unplug_tid;
	__builtin_memcpy(e->actor, state.unplug, sizeof(e->actor));
}

static __always_inline void np_event_end(struct np_event *e)
{
	bpf_ringbuf_submit(e, 0);
}

/* Counts against a guarantee; its id, 0 when it has none (any more). */
static __always_inline __u64 np_violated(__u32 watch, __u64 n)
{
	struct np_watch *w = np_at(watches, watch);
	__u64 now;

	if (!w || !w->id)
		return 0;
	now = bpf_ktime_get_ns();
	if (!w->first_ns)
		w->first_ns = now;
	w->last_ns = now;
	np_add(w->violations, n);
	return w->id;
}

/* ---- who moves pages at the moment ---- */

static __always_inline struct np_bracket *np_bracket_now(void)
{
	__u32 me = (__u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&brackets, &me);
}

/* ---- pages ---- */

static __always_inline void np_run_send(const struct np_run *run, __u32 cause)
{
	struct np_event *e = np_event_begin(run->kind, cause, true);

	if (!e)
		return;
	e->time_ns = run->since;
	e->id = run->id;
	e->tgid = run->tgid;
	e->address = run->address;
	e->pages = run->pages;
	e->from_node = run->from;
	e->to_node = run->to;
	np_event_end(e);
}

/* Tells what the thread has moved so far. */
static __always_inline void np_run_end(struct np_bracket *bracket)
{
	if (bracket->run.pages)
		np_run_send(&bracket->run, bracket->cause);
	bracket->run.pages = 0;
}

static __always_inline bool np_run_goes_on(const struct np_run *run, const struct np_run *next)
{
	return run->pages && run->id == next->id && run->end == next->address &&
	       run->from == next->from && run->to == next->to && run->kind == next->kind &&
	       next->since - run->since < NP_WINDOW;
}

/*
 * Pages that moved are told when the next ones do not follow them, when the migration ends, or
 * when the window does; everything else at once.
 */
static __always_inline void np_run_add(struct np_run *next, __u32 cause)
{
	struct np_bracket *bracket = np_bracket_now();

	next->since = bpf_ktime_get_ns();
	next->end = next->address + (next->pages << 12);
	if (!bracket || !bracket->cause) {
		np_run_send(next, cause);
	} else if (np_run_goes_on(&bracket->run, next)) {
		bracket->run.pages += next->pages;
		bracket->run.end = next->end;
	} else {
		np_run_end(bracket);
		bracket->run = *next;
	}
}

/*
 * Tells that pages came to node `to`: of each range that they are in and that may not be there,
 * how many. A huge page may begin before a range, or end behind it.
 */
static __always_inline void np_tell_pages(__u32 tgid, __u64 address, __u64 pages, int from,
					  int to, __u32 cause)
{
	struct np_walk walk = np_ranges_of(tgid, address, pages);

	for (int i = 0; i < NP_RANGES_A_PAGE; i++) {
		struct np_range *range = np_next_range(&walk, tgid);
		struct np_run run = {
			.kind = NP_EVENT_PAGE, .tgid = tgid, .from = from, .to = to
		};
		__u64 end;

		if (!range)
			break;
		if (np_range_has(range, to))
			continue;
		run.address = range->start > address ? range->start : address;
		end = range->end < walk.end ? range->end : walk.end;
		run.pages = (end - run.address) >> 12;
		run.id = np_violated(range->watch, run.pages);
		if (run.id)
			np_run_add(&run, cause);
	}
}

#endif
