// SPDX-License-Identifier: MIT
/* Who changes what the guarantees rest on: affinities, the balancing switch, CPUs that go? */
#include "watch.bpf.h"

static __always_inline void blame_me(struct np_thread *t, __u32 cause)
{
	struct task_struct *me = bpf_get_current_task_btf();

	t->cause = cause;
	t->cause_ns = bpf_ktime_get_ns();
	t->actor_tgid = np_tgid(me);
	t->actor_tid = np_tid(me);
	bpf_get_current_comm(&t->actor, sizeof(t->actor));
}

static __always_inline void affinity_changes(struct task_struct *task,
					     const struct cpumask *mask, bool remembers,
					     bool user_mask, __u32 flags)
{
	struct np_on_cpu *on;
	struct np_thread *t;
	struct np_event *e;
	__u32 slot, cause;
	__u64 id;

	/* the thread itself, for the length of a critical section in the kernel */
	if (flags & (NP_SCA_MIGRATE_DISABLE | NP_SCA_MIGRATE_ENABLE) || !np_watched(task))
		return;
	t = np_thread_of(task, &slot);
	on = np_at(on_cpus, task->thread_info.cpu);
	if (!t || !on)
		return;
	cause = np_affinity_cause(remembers, user_mask, flags, on->leaving);
	blame_me(t, cause);
	if (!t->pin)
		return;
	if (np_pin_is(t->pin - 1, mask)) {
		t->mask_bad = 0;
		return;
	}
	if (t->mask_bad)
		return;
	t->mask_bad = 1;
	id = np_violated(t->pin - 1, 1);
	if (!id)
		return;
	e = np_event_begin(NP_EVENT_AFFINITY, cause, true);
	if (!e)
		return;
	if (cause == NP_MOVE_HOTPLUG)
		np_event_unplugger(e);
	e->id = id;
	e->tgid = t->tgid;
	e->tid = t->tid;
	np_event_end(e);
}

/* up to 6.1: (task, mask, flags) */
SEC("?fentry/set_cpus_allowed_common")
int BPF_PROG(np_set_cpus_allowed_61, struct task_struct *task, const struct cpumask *mask,
	     __u32 flags)
{
	affinity_changes(task, mask, false, false, flags);
	return 0;
}

/* since 6.2: (task, context) */
SEC("?fentry/set_cpus_allowed_common")
int BPF_PROG(np_set_cpus_allowed, struct task_struct *task, struct affinity_context *context)
{
	affinity_changes(task, BPF_CORE_READ(context, new_mask), true,
			 BPF_CORE_READ(context, user_mask) != NULL,
			 BPF_CORE_READ(context, flags));
	return 0;
}

/* Without the above: that its cgroup was changed is known, and by whom. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(np_cgroup_attach_task, struct cgroup *to, const char *path,
	     struct task_struct *task)
{
	struct np_thread *t;
	__u32 slot;

	if (!np_watched(task))
		return 0;
	t = np_find(np_tid(task), &slot);
	if (t)
		blame_me(t, NP_MOVE_CPUSET);
	return 0;
}

/* The buffer is the kernel's own copy of what was written (5.8 to 6.18). */
SEC("?fexit/sysctl_numa_balancing")
int BPF_PROG(np_numa_balancing, const struct ctl_table *table, int write, void *buffer,
	     __u64 *length, __u64 *offset, int ret)
{
	struct np_totals *sum = np_at(totals, 0);
	struct np_event *e;
	char first = '0';

	if (!write || ret || !sum)
		return 0;
	bpf_probe_read_kernel(&first, sizeof(first), buffer);
	if (first == '0')
		return 0;
	np_add(sum->balancing_on, 1);
	e = np_event_begin(NP_EVENT_BALANCING, 0, true);
	if (!e)
		return 0;
	e->pages = first - '0';
	np_event_end(e);
	return 0;
}

static __always_inline void unplugger_is(struct task_struct *task)
{
	state.unplug_tgid = np_tgid(task);
	state.unplug_tid = np_tid(task);
	bpf_get_current_comm(&state.unplug, sizeof(state.unplug));
}

/* Since 6.6 a worker of the kernel's does the rest. */
SEC("?fentry/cpu_device_down")
int BPF_PROG(np_cpu_down)
{
	unplugger_is(bpf_get_current_task_btf());
	state.unplug_noted = 1;
	return 0;
}

/* A worker that nobody is known to have sent. */
static __always_inline void find_unplugger(void)
{
	struct task_struct *me = bpf_get_current_task_btf();

	if (!(me->flags & PF_KTHREAD)) {
		unplugger_is(me);
	} else if (!state.unplug_noted) {
		state.unplug_tgid = state.unplug_tid = 0;
		state.unplug[0] = '\0';
	}
	state.unplug_noted = 0;
}

SEC("tp_btf/cpuhp_enter")
int BPF_PROG(np_cpuhp_enter, unsigned int cpu, int target, int step)
{
	__u32 active = bpf_core_enum_value(enum cpuhp_state, CPUHP_AP_ACTIVE);
	__u32 online = bpf_core_enum_value(enum cpuhp_state, CPUHP_ONLINE);
	struct np_on_cpu *on = np_at(on_cpus, cpu);
	struct np_event *e;

	if (!on)
		return 0;
	if (target >= online) {
		on->leaving = 0;
		return 0;
	}
	if (on->leaving || !np_cpu_leaves(target, step, active, online))
		return 0;
	on->leaving = 1;
	find_unplugger();
	e = np_event_begin(NP_EVENT_HOTPLUG, NP_MOVE_HOTPLUG, false);
	if (!e)
		return 0;
	np_event_unplugger(e);
	e->from_cpu = cpu;
	e->from_node = np_cpu_node(cpu);
	np_event_end(e);
	return 0;
}
