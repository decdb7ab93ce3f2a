// SPDX-License-Identifier: MIT
/*
 * Twins of the programs: the same bodies behind raw tracepoints, the one kind of tracing
 * program that the kernel runs on demand (BPF_PROG_TEST_RUN) with arguments and a CPU of the
 * caller's choice; tp_btf refuses (net/bpf/test_run.c, 5.10 to 6.18). The sources are included,
 * so what is tested is what is shipped. test_bodies.c does not load the programs that come with
 * them.
 */
#include "../../bpf/maps.bpf.c"

#include "../../bpf/fault.bpf.c"
#include "../../bpf/migrate.bpf.c"
#include "../../bpf/sched.bpf.c"

#include "twins.h"

struct np_said said;

static __always_inline void here(void)
{
	struct task_struct *me = bpf_get_current_task_btf();

	said.cpu = bpf_get_smp_processor_id();
	said.tid = me->pid;
	said.tgid = me->tgid;
}

#define TWIN(name, answer) \
 SEC("raw_tp/twin")        \
 int name(__u64 *arg)      \
 {                         \
  here();                  \
  return answer;           \
 }

/* ---- decide.h ---- */

TWIN(move_cause, np_move_cause(arg[0], arg[1], arg[2], arg[3], arg[4]))
TWIN(affinity_cause, np_affinity_cause(arg[0], arg[1], arg[2], arg[3]))
TWIN(page_cause, np_page_cause(arg[0], arg[1], arg[2]))
TWIN(file_kind, np_file_kind(arg[0]))
TWIN(anon_kind, np_anon_kind(arg[0]))
TWIN(alloc_counts, np_alloc_counts(arg[0]))
TWIN(alloc_kind, np_alloc_kind(arg[0], arg[1]))
TWIN(cpu_leaves, np_cpu_leaves(arg[0], arg[1], arg[2], arg[3]))
TWIN(hash, np_hash(arg[0]))

/* ---- watch.bpf.h: threads. A slot is told as slot + 1; 0: none. ---- */

SEC("raw_tp/twin")
int find(__u64 *arg)
{
	__u32 slot;

	here();
	return np_find(arg[0], &slot) ? slot + 1 : 0;
}

SEC("raw_tp/twin")
int enter(__u64 *arg)
{
	__u32 slot;

	here();
	return np_enter(bpf_get_current_task_btf(), arg[0], &slot) ? slot + 1 : 0;
}

/* ---- ranges and guarantees ---- */

/* The guarantees of the ranges that [arg 1, arg 1 + arg 2 pages) of process arg 0 touches. */
SEC("raw_tp/twin")
int touched(__u64 *arg)
{
	struct np_walk walk = np_ranges_of(arg[0], arg[1], arg[2]);
	int n = 0;

	here();
	for (int i = 0; i < NP_RANGES_A_PAGE; i++) {
		struct np_range *range = np_next_range(&walk, arg[0]);

		if (!range)
			break;
		said.found[i] = range->watch;
		n++;
	}
	return n;
}

SEC("raw_tp/twin")
int range_has(__u64 *arg)
{
	struct np_range *range = np_at(ranges, arg[0]);

	here();
	return range ? np_range_has(range, arg[1]) : -1;
}

SEC("raw_tp/twin")
int tell(__u64 *arg)
{
	here();
	np_tell_pages(arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	return 0;
}

SEC("raw_tp/twin")
int suspected(__u64 *arg)
{
	here();
	suspect(arg[0], arg[1]);
	return 0;
}

/* The caller migrates pages from the one on to the other. */
SEC("raw_tp/twin")
int begins(__u64 *arg)
{
	here();
	return ____np_migrate_start(arg, 0, arg[0]);
}

SEC("raw_tp/twin")
int ends(__u64 *arg)
{
	here();
	return ____np_migrate_end(arg, arg[0]);
}

/* Something that nobody else counts. */
SEC("raw_tp/twin")
int notices(__u64 *arg)
{
	struct np_event *e = np_event_begin(arg[0], 0, false);

	here();
	if (!e)
		return 0;
	np_event_end(e);
	return 1;
}

TWIN(pin_has, np_pin_has(arg[0], arg[1]))

/* Guarantee arg 0 against the affinity that stands at the words of guarantee arg 1. */
SEC("raw_tp/twin")
int pin_is(__u64 *arg)
{
	__u64 *mask = np_at(pin_words, (__u32)arg[1] * ((cfg.cpus + 63) / 64));

	here();
	return mask ? np_pin_is(arg[0], (const struct cpumask *)mask) : -1;
}

/* ---- whole bodies, done by and to the thread that calls ---- */

SEC("raw_tp/twin")
int lands(__u64 *arg)
{
	here();
	landed(arg, bpf_get_current_task_btf(), arg[0], arg[1], arg[2]);
	return 0;
}

SEC("raw_tp/twin")
int moves(__u64 *arg)
{
	here();
	return ____np_sched_migrate_task(arg, bpf_get_current_task_btf(), arg[0]);
}

/* From another thread to the caller, and back. */
SEC("raw_tp/twin")
int switches(__u64 *arg)
{
	struct task_struct *me = bpf_get_current_task_btf();

	here();
	return ____np_sched_switch(arg, false, me, me);
}
