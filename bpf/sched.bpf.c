// SPDX-License-Identifier: MIT
/* On which node does a watched thread run, for how long, who moved it, and why? */
#include "watch.bpf.h"

/* A pinned thread whose affinity is no longer its own: once, until it is again. */
static __always_inline void check_affinity(struct np_thread *t, struct task_struct *task)
{
	struct np_event *e;
	__u64 id;

	if (np_pin_is(t->pin - 1, &task->cpus_mask)) {
		t->mask_bad = 0;
		return;
	}
	if (t->mask_bad)
		return;
	t->mask_bad = 1;
	id = np_violated(t->pin - 1, 1);
	if (!id)
		return;
	e = np_event_begin(NP_EVENT_AFFINITY, t->cause ? t->cause : NP_MOVE_AFFINITY, false);
	if (!e)
		return;
	e->id = id;
	e->tgid = t->tgid;
	e->tid = t->tid;
	if (t->cause == NP_MOVE_HOTPLUG) {
		np_event_unplugger(e);
	} else {
		e->actor_tgid = t->actor_tgid;
		e->actor_tid = t->actor_tid;
		__builtin_memcpy(e->actor, t->actor, sizeof(e->actor));
	}
	np_event_end(e);
}

/* Where changes of affinities are not seen when they are made, what is known of one is known
 * from the move that it led to, and must not be said of the next. */
static __always_inline void forget_cause(struct np_thread *t)
{
	if (t->cause != NP_MOVE_NUMA_BALANCING)
		t->cause = 0;
	t->actor_tgid = t->actor_tid = 0;
	t->actor[0] = '\0';
}

SEC("tp_btf/sched_switch")
int BPF_PROG(np_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 cpu = bpf_get_smp_processor_id(), slot;
	struct np_on_cpu *on = np_at(on_cpus, cpu);
	bool watched = np_watched(next);
	struct np_thread_node *part;
	struct np_thread *t;
	__u64 now;

	if (!on || (!watched && !on->slot))
		return 0;
	now = bpf_ktime_get_ns();
	if (on->node == NP_NODE_UNKNOWN)
		on->node = bpf_get_numa_node_id();
	if (on->slot) {
		part = np_thread_on(on->slot - 1, on->node);
		if (part)
			part->run_ns += now - on->since;
		on->slot = 0;
	}
	if (!watched)
		return 0;
	t = np_thread_of(next, &slot);
	if (!t)
		return 0;
	on->since = now;
	on->slot = slot + 1;
	if (t->pin)
		check_affinity(t, next);
	if (!cfg.affinity_exact)
		forget_cause(t);
	return 0;
}

/* The kernel's mask has the CPU. */
static __always_inline bool mask_has(const struct cpumask *mask, __u32 cpu)
{
	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (const char *)mask + cpu / 64 * 8);
	return word >> (cpu & 63) & 1;
}

static __always_inline bool stopper(const char *comm)
{
	return comm[0] == 'm' && comm[1] == 'i' && comm[2] == 'g' && comm[3] == 'r' &&
	       comm[9] == '/';
}

/*
 * Who changes the affinity of a running thread wakes the migration thread of its CPU, which
 * then moves it (affine_move_task() in kernel/sched/core.c, 5.10 to 6.18): so without the exact
 * hook, this tells whom that thread works for.
 */
SEC("?tp_btf/sched_waking")
int BPF_PROG(np_sched_waking, struct task_struct *task)
{
	struct np_on_cpu *on;
	char comm[16];

	if (!(task->flags & PF_KTHREAD))
		return 0;
	bpf_core_read(&comm, sizeof(comm), &task->comm);
	if (!stopper(comm))
		return 0;
	on = np_at(on_cpus, task->thread_info.cpu);
	if (!on)
		return 0;
	on->waker_tgid = np_tgid(bpf_get_current_task_btf());
	on->waker_tid = np_tid(bpf_get_current_task_btf());
	bpf_get_current_comm(&on->waker, sizeof(on->waker));
	return 0;
}

/* A move for the mask's sake that nobody has announced: by the caller himself, or by the
 * migration thread on his behalf. One that was asleep is moved by whoever wakes it: no blame.
 */
static __always_inline void blame_mover(struct np_thread *t, bool queued)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct np_on_cpu *on;
	char comm[16];

	t->actor_tgid = t->actor_tid = 0;
	t->actor[0] = '\0';
	if (!queued)
		return;
	bpf_get_current_comm(&comm, sizeof(comm));
	if (!(me->flags & PF_KTHREAD)) {
		t->actor_tgid = np_tgid(me);
		t->actor_tid = np_tid(me);
		__builtin_memcpy(t->actor, comm, sizeof(comm));
		return;
	}
	on = np_at(on_cpus, bpf_get_smp_processor_id());
	if (!on || !stopper(comm))
		return;
	t->actor_tgid = on->waker_tgid;
	t->actor_tid = on->waker_tid;
	__builtin_memcpy(t->actor, on->waker, sizeof(t->actor));
}

/* Fires before the kernel asks whether it is another CPU at all; not for the first placement.
 */
SEC("tp_btf/sched_migrate_task")
int BPF_PROG(np_sched_migrate_task, struct task_struct *task, int to)
{
	__u32 from = task->thread_info.cpu, slot, cause, pending;
	struct np_on_cpu *on;
	struct np_thread *t;
	struct np_flow *flow;
	struct np_event *e;
	__u32 from_node, to_node;
	bool by_mask;
	__u64 id;

	if (from == to || !np_watched(task))
		return 0;
	t = np_thread_of(task, &slot);
	on = np_at(on_cpus, from);
	if (!t || !on)
		return 0;
	pending = t->cause;
	/* one that came to nothing */
	if (pending == NP_MOVE_NUMA_BALANCING && bpf_ktime_get_ns() - t->cause_ns > NP_WINDOW)
		pending = 0;
	cause = np_move_cause(pending, mask_has(&task->cpus_mask, from), on->leaving,
			      task->on_rq, task->__state);
	by_mask = cause == NP_MOVE_AFFINITY || cause == NP_MOVE_CPUSET;
	if (by_mask && !pending)
		blame_mover(t, task->on_rq == NP_ON_RQ_MIGRATING);
	if (!cfg.affinity_exact && (by_mask || cause == NP_MOVE_HOTPLUG))
		t->cause = cause; /* for check_affinity() */
	else if (by_mask || t->cause == NP_MOVE_NUMA_BALANCING)
		t->cause = 0;
	np_add(t->moves[cause & 7], 1);
	from_node = np_cpu_node(from);
	to_node = np_cpu_node(to);
	flow = np_at(flows, from_node * cfg.nodes + to_node);
	if (flow)
		np_add(flow->threads[cause & 7], 1);
	if (from_node != to_node)
		np_add(t->node_moves, 1);

	if (!t->pin || np_pin_has(t->pin - 1, to))
		return 0;
	id = np_violated(t->pin - 1, 1);
	if (!id)
		return 0;
	/* who called for it is known for a change of affinity and for a wake-up; a load
	 * balancer acts for nobody */
	e = np_event_begin(NP_EVENT_CPU, cause, cause == NP_MOVE_WAKEUP);
	if (!e)
		return 0;
	e->id = id;
	e->tgid = t->tgid;
	e->tid = t->tid;
	e->from_cpu = from;
	e->to_cpu = to;
	e->from_node = from_node;
	e->to_node = to_node;
	if (cause == NP_MOVE_HOTPLUG) {
		np_event_unplugger(e);
	} else if (by_mask) {
		e->actor_tgid = t->actor_tgid;
		e->actor_tid = t->actor_tid;
		__builtin_memcpy(e->actor, t->actor, sizeof(e->actor));
	}
	np_event_end(e);
	return 0;
}

/* Balancing moves a thread to its memory: noted, the move itself follows. */
static __always_inline void numa_moves(struct task_struct *task)
{
	struct np_thread *t;
	__u32 slot;

	if (!np_watched(task))
		return;
	t = np_find(np_tid(task), &slot);
	if (!t)
		return;
	t->cause = NP_MOVE_NUMA_BALANCING;
	t->cause_ns = bpf_ktime_get_ns();
}

SEC("tp_btf/sched_move_numa")
int BPF_PROG(np_sched_move_numa, struct task_struct *task)
{
	numa_moves(task);
	return 0;
}

SEC("tp_btf/sched_swap_numa")
int BPF_PROG(np_sched_swap_numa, struct task_struct *task, int from, struct task_struct *other)
{
	numa_moves(task);
	if (other) /* may be NULL for the verifier of 6.14 and later */
		numa_moves(other);
	return 0;
}

/* ---- threads and processes come and go ---- */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(np_sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid, slot;
	__u8 one = 1;

	if (!np_watched(parent))
		return 0;
	tgid = np_tgid(child);
	if (tgid != np_tgid(parent)) {
		if (cfg.scope == NP_WATCH_TGIDS && !cfg.follow)
			return 0;
		if (cfg.scope == NP_WATCH_TGIDS && tgid)
			bpf_map_update_elem(&tgids, &tgid, &one, BPF_ANY);
		state.only = 0; /* it is the only one no more */
	}
	np_thread_of(child, &slot);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(np_sched_process_exec, struct task_struct *task, int old_tid)
{
	struct np_thread *t;
	struct np_event *e;
	__u32 slot;

	if (!np_watched(task))
		return 0;
	t = np_thread_of(task, &slot);
	if (t)
		bpf_core_read(&t->comm, sizeof(t->comm), &task->comm);
	e = np_event_begin(NP_EVENT_EXEC, 0, false);
	if (e) {
		e->tgid = np_tgid(task);
		e->tid = np_tid(task);
		np_event_end(e);
	}
	return 0;
}

/* Not yet its name (fs/exec.c, 5.8 to 6.18): that is what it is about to be. An exec fires it,
 * too. */
SEC("tp_btf/task_rename")
int BPF_PROG(np_task_rename, struct task_struct *task, const char *comm)
{
	struct np_thread *t;
	__u32 slot;

	if (!np_watched(task))
		return 0;
	t = np_find(np_tid(task), &slot);
	if (t)
		bpf_probe_read_kernel_str(&t->comm, sizeof(t->comm), comm);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(np_sched_process_exit, struct task_struct *task)
{
	struct np_thread *t;
	struct np_event *e;
	__u32 slot, tgid;

	/* before it is asked whether it is watched: two threads of a process end at once, and
	 * the other may already have taken the process off the list */
	t = np_find(np_tid(task), &slot);
	if (t) {
		t->pin = 0;
		t->state = NP_SLOT_EXITED;
	}
	if (!np_watched(task))
		return 0;
	/* counted down before this fires (kernel/exit.c, 5.8 to 6.18) */
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	tgid = np_tgid(task);
	e = np_event_begin(NP_EVENT_EXIT, 0, false);
	if (e) {
		e->tgid = tgid;
		np_event_end(e);
	}
	if (cfg.scope == NP_WATCH_TGIDS && !state.only)
		bpf_map_delete_elem(&tgids, &tgid);
	return 0;
}
