// SPDX-License-Identifier: MIT
/*
 * Statistics out of the counters that the programs (or the sampler) write: read where they are,
 * without a system call.
 */
#include "base.h"
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

static const char operation[] = "monitor statistics";

/* The counters' own type is the kernel's name for the same 64 bits. */
static uint64_t get(const __u64 *counter)
{
	return (uint64_t)__atomic_load_n(counter, __ATOMIC_RELAXED);
}

static int check(const struct numaperf_monitor *mon, const size_t *sz)
{
	int err = np_monitor_alive(mon, operation);

	if (err || (sz && *sz >= sizeof(size_t)))
		return err;
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
		       "set sz to the struct's size", "sz is not set");
}

static int check_node(const struct numaperf_monitor *mon, int node)
{
	if (node >= 0 && (unsigned int)node < mon->counters->nodes &&
	    numaperf_topology_node_index(mon->topo, node) >= 0)
		return 0;
	return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
		       "node %d is not online", node);
}

/* ---- threads that have exited ---- */

/* Their sums go over to the node's; a reader in between looks again. */
void np_monitor_retire(struct numaperf_monitor *mon, unsigned int slot)
{
	const struct np_counters *c = mon->counters;

	__atomic_fetch_add(&mon->freeing, 1, __ATOMIC_SEQ_CST);
	for (unsigned int node = 0; node < c->nodes; node++) {
		const struct np_thread_node *part =
			&c->thread_node[(size_t)slot * c->nodes + node];

		__atomic_fetch_add(&mon->retired[node].run_ns, get(&part->run_ns),
				   __ATOMIC_RELAXED);
	}
	if (mon->hooks)
		np_hooks_free_thread(mon->hooks, slot);
	else
		np_sampler_free(mon, slot);
	__atomic_fetch_add(&mon->freeing, 1, __ATOMIC_SEQ_CST);
}

/* ---- nodes ---- */

/* What the watched thread that is on the CPU has run there and nobody has added up yet. */
static uint64_t running_ns(const struct np_on_cpu *on, uint32_t slot, uint64_t now)
{
	uint32_t is = __atomic_load_n(&on->slot, __ATOMIC_ACQUIRE);
	uint64_t since = get(&on->since);

	if (!is || (slot != UINT32_MAX && is != slot + 1) || now < since)
		return 0;
	return now - since;
}

static uint64_t node_run_once(const struct numaperf_monitor *mon, int node)
{
	const struct np_counters *c = mon->counters;
	uint64_t sum = __atomic_load_n(&mon->retired[node].run_ns, __ATOMIC_RELAXED);
	uint64_t now = np_clock_ns();

	for (unsigned int slot = 0; slot < c->threads; slot++)
		if (__atomic_load_n(&c->thread[slot].state, __ATOMIC_RELAXED) != NP_SLOT_FREE)
			sum += get(&c->thread_node[(size_t)slot * c->nodes + (unsigned)node]
					    .run_ns);
	for (unsigned int cpu = 0; c->on_cpu && cpu < c->cpus; cpu++)
		if (numaperf_topology_cpu_node(mon->topo, (int)cpu) == node)
			sum += running_ns(&c->on_cpu[cpu], UINT32_MAX, now);
	return sum;
}

/* A thread that is switched away while we add may be counted twice or not at all for that
 * moment: what was once said is not taken back. */
static uint64_t node_run(struct numaperf_monitor *mon, int node)
{
	uint64_t *highest = &mon->retired[node].highest, sum, last;
	uint32_t before;

	do {
		before = __atomic_load_n(&mon->freeing, __ATOMIC_SEQ_CST);
		sum = node_run_once(mon, node);
	} while (before & 1 || before != __atomic_load_n(&mon->freeing, __ATOMIC_SEQ_CST));
	last = __atomic_load_n(highest, __ATOMIC_RELAXED);
	while (sum > last)
		if (__atomic_compare_exchange_n(highest, &last, sum, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return sum;
	return last;
}

void np_monitor_read_cell(const struct numaperf_monitor *mon, int cpu_node, int memory_node,
			  struct numaperf_cell *cell)
{
	const struct np_counters *c = mon->counters;

	*cell = (struct numaperf_cell){ .sz = sizeof(*cell) };
	for (unsigned int cpu = 0; cpu < c->cpus; cpu++) {
		const struct np_cell *from;

		if (numaperf_topology_cpu_node(mon->topo, (int)cpu) != cpu_node)
			continue;
		from = &c->cell[(size_t)cpu * c->nodes + (unsigned)memory_node];
		for (int kind = 0; kind < NUMAPERF_PAGE_KINDS; kind++)
			cell->pages[kind] += get(&from->pages[kind]);
		cell->hinting_faults += get(&from->hinting);
		cell->hinting_moved += get(&from->hinting_moved);
	}
	/* they are counted one after the other */
	cell->hinting_moved = MIN(cell->hinting_moved, cell->hinting_faults);
}

void np_monitor_read_flow(const struct numaperf_monitor *mon, int from, int to,
			  struct numaperf_flow *flow)
{
	const struct np_counters *c = mon->counters;
	const struct np_flow *f = &c->flow[(size_t)from * c->nodes + (unsigned)to];

	*flow = (struct numaperf_flow){ .sz = sizeof(*flow) };
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		flow->threads[i] = get(&f->threads[i]);
	for (int i = 0; i < NUMAPERF_PAGE_CAUSES; i++)
		flow->pages[i] = get(&f->pages[i]);
}

static void add_flow(const struct numaperf_monitor *mon, int from, int to, uint64_t *threads,
		     uint64_t *pages)
{
	struct numaperf_flow flow;

	np_monitor_read_flow(mon, from, to, &flow);
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		*threads += flow.threads[i];
	for (int i = 0; i < NUMAPERF_PAGE_CAUSES; i++)
		*pages += flow.pages[i];
}

void np_monitor_read_node(struct numaperf_monitor *mon, int node,
			  struct numaperf_node_activity *a)
{
	*a = (struct numaperf_node_activity){ .sz = sizeof(*a), .node = node };
	a->run_time_ns = node_run(mon, node);
	for (unsigned int i = 0; i < mon->nodes; i++) {
		int other = numaperf_topology_node_id(mon->topo, i);
		struct numaperf_cell cell;
		uint64_t faults;

		np_monitor_read_cell(mon, node, other, &cell);
		faults = cell.pages[NUMAPERF_PAGE_ANON] + cell.pages[NUMAPERF_PAGE_HUGE];
		if (other == node) {
			a->faults_local += faults;
			a->hinting_local += cell.hinting_faults - cell.hinting_moved;
			a->hinting_remote += cell.hinting_moved;
			continue;
		}
		a->faults_remote += faults;
		a->hinting_remote += cell.hinting_faults;
		add_flow(mon, other, node, &a->thread_moves_in, &a->pages_in);
		add_flow(mon, node, other, &a->thread_moves_out, &a->pages_out);
	}
}

int numaperf_monitor_cell(const struct numaperf_monitor *mon, int cpu_node, int memory_node,
			  struct numaperf_cell *cell)
{
	struct numaperf_cell ours;
	int err = check(mon, cell ? &cell->sz : NULL);

	if (!err)
		err = check_node(mon, cpu_node);
	if (!err)
		err = check_node(mon, memory_node);
	if (err)
		return err;
	np_monitor_read_cell(mon, cpu_node, memory_node, &ours);
	np_snapshot_write(cell, cell->sz, &ours, sizeof(ours));
	return 0;
}

int numaperf_monitor_flow(const struct numaperf_monitor *mon, int from, int to,
			  struct numaperf_flow *flow)
{
	struct numaperf_flow ours;
	int err = check(mon, flow ? &flow->sz : NULL);

	if (!err)
		err = check_node(mon, from);
	if (!err)
		err = check_node(mon, to);
	if (err)
		return err;
	np_monitor_read_flow(mon, from, to, &ours);
	np_snapshot_write(flow, flow->sz, &ours, sizeof(ours));
	return 0;
}

int numaperf_monitor_node(const struct numaperf_monitor *mon, int node,
			  struct numaperf_node_activity *activity)
{
	struct numaperf_node_activity ours;
	int err = check(mon, activity ? &activity->sz : NULL);

	if (!err)
		err = check_node(mon, node);
	if (err)
		return err;
	/* only what was said last is noted in it */
	np_monitor_read_node((struct numaperf_monitor *)mon, node, &ours);
	np_snapshot_write(activity, activity->sz, &ours, sizeof(ours));
	return 0;
}

/* ---- threads ---- */

/* 0, -ENOENT, -EAGAIN; the last without a record: it is an ordinary answer. */
static int find_thread(const struct numaperf_monitor *mon, size_t nth, uint32_t *state)
{
	if (nth >= mon->counters->threads)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there is no thread %zu", nth);
	*state = __atomic_load_n(&mon->counters->thread[nth].state, __ATOMIC_ACQUIRE);
	return *state == NP_SLOT_FREE ? -EAGAIN : 0;
}

/* On one node, up to now: also what it runs there while we ask. */
static uint64_t thread_run(const struct numaperf_monitor *mon, size_t nth, unsigned int node)
{
	const struct np_counters *c = mon->counters;
	const __u64 *counted = &c->thread_node[nth * c->nodes + node].run_ns;
	uint64_t before, sum, now;
	int tries = 8;

	do {
		before = sum = get(counted);
		now = np_clock_ns();
		for (unsigned int cpu = 0; c->on_cpu && cpu < c->cpus; cpu++)
			if (__atomic_load_n(&c->on_cpu[cpu].node, __ATOMIC_RELAXED) == node)
				sum += running_ns(&c->on_cpu[cpu], (uint32_t)nth, now);
		/* it was switched away meanwhile: what it ran would be missing */
	} while (get(counted) != before && --tries);
	return sum;
}

static void add_part(const struct numaperf_monitor *mon, size_t nth, unsigned int node,
		     struct numaperf_thread_activity *a)
{
	const struct np_thread_node *part =
		&mon->counters->thread_node[nth * mon->counters->nodes + node];

	a->run_time_ns += thread_run(mon, nth, node);
	a->faults_local += get(&part->faults_local);
	a->faults_remote += get(&part->faults_remote);
	a->hinting_local += get(&part->hinting_local);
	a->hinting_remote += get(&part->hinting_remote);
}

int numaperf_monitor_thread(const struct numaperf_monitor *mon, size_t nth,
			    struct numaperf_thread_activity *activity)
{
	struct numaperf_thread_activity ours = { .sz = sizeof(ours) };
	int err = check(mon, activity ? &activity->sz : NULL);
	const struct np_counters *c = mon->counters;
	const struct np_thread *t;
	uint32_t state;
	char comm[16];

	if (!err)
		err = find_thread(mon, nth, &state);
	if (err)
		return err;
	t = &c->thread[nth];
	ours.pid = (int)__atomic_load_n(&t->tgid, __ATOMIC_RELAXED);
	ours.tid = (int)__atomic_load_n(&t->tid, __ATOMIC_RELAXED);
	for (size_t i = 0; i < sizeof(comm); i++)
		comm[i] = __atomic_load_n(&t->comm[i], __ATOMIC_RELAXED);
	np_clean_comm(ours.comm, comm);
	ours.exited = state == NP_SLOT_EXITED;
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		ours.moves[i] = get(&t->moves[i]);
	ours.node_moves = get(&t->node_moves);
	for (unsigned int node = 0; node < c->nodes; node++)
		add_part(mon, nth, node, &ours);
	np_snapshot_write(activity, activity->sz, &ours, sizeof(ours));
	return 0;
}

int numaperf_monitor_thread_node(const struct numaperf_monitor *mon, size_t nth, int node,
				 struct numaperf_thread_node *part)
{
	struct numaperf_thread_node ours = { .sz = sizeof(ours) };
	int err = check(mon, part ? &part->sz : NULL);
	const struct np_thread_node *from;
	uint32_t state;

	if (!err)
		err = check_node(mon, node);
	if (!err)
		err = find_thread(mon, nth, &state);
	if (err)
		return err;
	from = &mon->counters->thread_node[nth * mon->counters->nodes + (unsigned)node];
	ours.run_time_ns = thread_run(mon, nth, (unsigned)node);
	ours.faults_local = get(&from->faults_local);
	ours.faults_remote = get(&from->faults_remote);
	ours.pages_landed = get(&from->pages_landed);
	np_snapshot_write(part, part->sz, &ours, sizeof(ours));
	return 0;
}

/* ---- sums ---- */

void np_monitor_read_totals(struct numaperf_monitor *mon, struct numaperf_monitor_totals *t)
{
	const struct np_counters *c = mon->counters;
	const struct np_totals *sum = c->totals;

	*t = (struct numaperf_monitor_totals){
		.sz = sizeof(*t),
		.since_ns = mon->since_ns,
		.now_ns = np_clock_ns(),
		.violations = mon->told_total,
		.events_lost = get(&sum->events_lost) + get(&sum->events_limited),
		.list_dropped = mon->list_dropped,
		.threads_lost = get(&sum->threads_lost),
		.threads_seen = get(&sum->threads_seen),
		.notices_lost = get(&sum->notices_lost),
		.suspects_confirmed = mon->confirmed,
		.suspects_refuted = mon->refuted,
	};
	for (size_t i = 0; i < mon->guards; i++) {
		const struct np_watch *counter = np_guard_counter(mon, mon->guard[i]);

		t->violations += np_guard_untold(mon, mon->guard[i]);
		if (counter)
			t->suspects += get(&counter->suspects);
	}
	for (unsigned int slot = 0; slot < c->threads; slot++)
		t->threads_live += __atomic_load_n(&c->thread[slot].state, __ATOMIC_RELAXED) ==
				   NP_SLOT_LIVE;
}

int numaperf_monitor_totals(const struct numaperf_monitor *mon,
			    struct numaperf_monitor_totals *totals)
{
	struct numaperf_monitor *locked = (struct numaperf_monitor *)mon;
	struct numaperf_monitor_totals ours;
	int err = check(mon, totals ? &totals->sz : NULL);

	if (err)
		return err;
	pthread_mutex_lock(&locked->lock);
	np_monitor_read_totals(locked, &ours);
	pthread_mutex_unlock(&locked->lock);
	np_snapshot_write(totals, totals->sz, &ours, sizeof(ours));
	return 0;
}

int numaperf_monitor_stacks(const struct numaperf_monitor *mon,
			    int (*fn)(void *ctx, const struct numaperf_stack *stack), void *ctx)
{
	int err = np_monitor_alive(mon, operation);

	if (err)
		return err;
	if (!fn)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there is no function to call");
	if (!mon->hooks || !mon->stacks)
		return np_fail(-EOPNOTSUPP, NUMAPERF_REASON_UNSUPPORTED, operation,
			       mon->hooks ? "set the option `stacks`" : NULL,
			       mon->hooks ? "stacks were not asked for"
					  : "a sampler sees no stacks");
	return np_hooks_stacks(mon->hooks, fn, ctx);
}
