// SPDX-License-Identifier: MIT
/* The monitor over programs of the test's making: what it asks of them, and what it makes of
 * what they say. */
#include "../../lib/src/guarantee.h"
#include "../../lib/src/snapshot.h"
#include "../../lib/src/sys.h"
#include "child.h"
#include "fake_hooks.h"
#include "fault.h"

#include <numaperf.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
/* cmocka wants these before it */
#include <cmocka.h>

#define PAGE  4096u
#define PAGES 16u

static struct numaperf_topology *topo;
static struct np_sys table;

/* ---- a kernel that says where pages are ---- */

static int page_node[PAGES]; /* of the watched memory; < 0: -errno */
static char *memory;
static int dropped_on[8], drops, drop_error;

static int fake_move_pages(int pid, unsigned long n, void **pages, const int *nodes,
			   int *status, int flags)
{
	(void)pid;
	(void)nodes;
	(void)flags;
	for (unsigned long i = 0; i < n; i++) {
		size_t at = ((uintptr_t)pages[i] - (uintptr_t)memory) / PAGE;

		status[i] = at < PAGES ? __atomic_load_n(&page_node[at], __ATOMIC_SEQ_CST)
				       : -ENOENT;
	}
	return 0;
}

static int fake_drop(uint64_t keep)
{
	int n = __atomic_fetch_add(&drops, 1, __ATOMIC_SEQ_CST);

	(void)keep;
	if (n < 8)
		dropped_on[n] = np_gettid();
	return drop_error;
}

static void put(size_t first, size_t count, int node)
{
	for (size_t i = first; i < first + count; i++)
		__atomic_store_n(&page_node[i], node, __ATOMIC_SEQ_CST);
}

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	put(0, PAGES, 0);
	drops = drop_error = 0;
	table = np_sys_real;
	table.move_pages = fake_move_pages;
	table.drop_capabilities = fake_drop;
	np_sys = &table;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	np_sys = &np_sys_real;
	return np_guarantee_count() != 0;
}

static int make_topology(void **state)
{
	(void)state;
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	return memory == MAP_FAILED || numaperf_topology_discover(&topo);
}

static int drop_topology(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	munmap(memory, PAGES * PAGE);
	return 0;
}

/* ---- words ---- */

static struct {
	unsigned int calls;
	uint64_t count;
	int tid;
	struct numaperf_violation last;
	char message[512], label[64];
} told;

static void on_violation(void *ctx, const struct numaperf_violation *v)
{
	(void)ctx;
	told.calls++;
	told.count += v->count;
	told.last = *v;
	told.tid = np_gettid();
	snprintf(told.message, sizeof(told.message), "%s", v->message);
	snprintf(told.label, sizeof(told.label), "%s", v->label);
}

static struct numaperf_monitor *create_with(struct numaperf_monitor_opts o)
{
	struct numaperf_monitor *mon;

	memset(&told, 0, sizeof(told));
	o.sz = sizeof(o);
	if (!o.on_violation)
		o.on_violation = on_violation;
	assert_int_equal(numaperf_monitor_create(&mon, topo, &o), 0);
	return mon;
}

static struct numaperf_monitor *create(void)
{
	return create_with((struct numaperf_monitor_opts){ 0 });
}

static void flush(struct numaperf_monitor *mon)
{
	assert_int_equal(numaperf_monitor_flush(mon, 20000), 0);
}

static void destroy(struct numaperf_monitor *mon)
{
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static struct np_event event(uint32_t kind, uint32_t cause)
{
	return (struct np_event){ .kind = kind,
				  .cause = cause,
				  .time_ns = np_clock_ns(),
				  .pages = 1,
				  .from_cpu = -1,
				  .to_cpu = -1,
				  .from_node = -1,
				  .to_node = -1 };
}

/* The programs count against guarantee `watch` and send the event. */
static void violate(unsigned int watch, struct np_event e)
{
	struct np_watch *w = &fake.counters.watch[watch];

	e.id = w->id;
	__atomic_fetch_add(&w->violations, e.kind == NP_EVENT_PAGE ? e.pages : 1,
			   __ATOMIC_SEQ_CST);
	fake_event(&e);
}

static uint64_t watch_memory(struct numaperf_monitor *mon)
{
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0);
	uint64_t id = 0;

	assert_int_equal(numaperf_monitor_watch_range(mon, memory, PAGES * PAGE, &node0, &id),
			 0);
	assert_true(id != 0);
	return id;
}

/* All CPUs that this thread may use: what holds. */
static struct numaperf_cpuset own_cpus(void)
{
	struct numaperf_cpuset cpus = { { 0 } };

	assert_true(sched_getaffinity(0, sizeof(cpus), (cpu_set_t *)&cpus) == 0);
	return cpus;
}

static uint64_t watch_self(struct numaperf_monitor *mon)
{
	struct numaperf_cpuset cpus = own_cpus();
	uint64_t id = 0;

	assert_int_equal(numaperf_monitor_watch_thread(mon, np_gettid(), &cpus, &id), 0);
	return id;
}

static struct np_snapshot snapshot(struct numaperf_monitor *mon)
{
	struct np_snapshot s;

	assert_int_equal(np_monitor_snapshot(mon, NP_FLUSH_ALL, &s), 0);
	assert_true(s.flushed);
	return s;
}

static struct numaperf_monitor_totals totals(const struct numaperf_monitor *mon)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };

	assert_int_equal(numaperf_monitor_totals(mon, &t), 0);
	return t;
}

/* ---- life ---- */

static void scopes_become_the_programs(void **state)
{
	struct numaperf_monitor *mon = create();

	(void)state;
	assert_false(numaperf_monitor_sampler(mon));
	assert_int_equal(fake.opts.scope, NP_WATCH_TGIDS);
	assert_false(fake.opts.follow);
	assert_int_equal(fake.opts.threads, 1024);
	assert_int_equal(fake.watched, 1);
	assert_int_equal(fake.watched_tgid, getpid());
	destroy(mon);
	assert_int_equal(fake.closed, 1);
	mon = create_with((struct numaperf_monitor_opts){ .scope = NUMAPERF_SCOPE_PID,
							  .pid = getppid() });
	assert_true(fake.opts.follow);
	assert_int_equal(fake.watched_tgid, getppid());
	assert_int_equal(numaperf_monitor_watch_process(mon, getpid()), 0);
	assert_int_equal(fake.watched_tgid, getpid());
	assert_int_equal(numaperf_monitor_watch_process(mon, 0x3fffff), -ESRCH);
	destroy(mon);
	mon = create_with((struct numaperf_monitor_opts){ .scope = NUMAPERF_SCOPE_SYSTEM });
	assert_int_equal(fake.opts.scope, NP_WATCH_ALL);
	assert_int_equal(fake.opts.threads, 16384);
	destroy(mon);
}

static void a_cgroup_is_its_folder(void **state)
{
	struct numaperf_monitor_opts o = { .sz = sizeof(o), .scope = NUMAPERF_SCOPE_CGROUP };
	struct numaperf_monitor *mon;
	int err;

	(void)state;
	o.cgroup = "/";
	err = numaperf_monitor_create(&mon, topo, &o);
	if (err == -ENOENT) {
		print_message("skip: cgroup v2 is not mounted here\n");
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(fake.opts.scope, NP_WATCH_CGROUP);
	assert_int_equal(fake.opts.cgroup_level, 0);
	assert_true(fake.opts.cgroup != 0);
	destroy(mon);
	o.cgroup = "/there/is/no/such/group";
	assert_int_equal(numaperf_monitor_create(&mon, topo, &o), -ENOENT);
}

static void wrong_options_are_refused(void **state)
{
	struct numaperf_monitor *mon;
	const struct numaperf_monitor_opts wrong[] = {
		{ .scope = 9 },
		{ .rung_max = 9 },
		{ .interval_ms = 9 },
		{ .threads_max = 1u << 21 },
		{ .ranges_max = 1u << 20 },
		{ .list_max = 1u << 21 },
		{ .scope = NUMAPERF_SCOPE_PID },
		{ .scope = NUMAPERF_SCOPE_CGROUP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct numaperf_monitor_opts o = wrong[i];

		o.sz = sizeof(o);
		assert_int_equal(numaperf_monitor_create(&mon, topo, &o), -EINVAL);
	}
	struct {
		struct numaperf_monitor_opts o;
		int more;
	} later = { .o.sz = sizeof(later), .more = 1 };
	assert_int_equal(numaperf_monitor_create(&mon, topo, &later.o), -E2BIG);
	later.o = (struct numaperf_monitor_opts){ .sz = sizeof(later.o),
						  .scope = NUMAPERF_SCOPE_PID,
						  .pid = 0x3fffff };
	assert_int_equal(numaperf_monitor_create(&mon, topo, &later.o), -ESRCH);
	assert_int_equal(numaperf_monitor_create(&mon, NULL, NULL), -EINVAL);
	assert_int_equal(numaperf_monitor_create(NULL, topo, NULL), -EINVAL);
	assert_int_equal(numaperf_monitor_destroy(NULL), 0);
	assert_int_equal(fake.opened, 0);
}

static void refused_programs_make_a_sampler(void **state)
{
	struct numaperf_hook hook = { .sz = sizeof(hook) };
	struct numaperf_monitor *mon;

	(void)state;
	fake.refuse = -EPERM;
	mon = create();
	assert_true(numaperf_monitor_sampler(mon));
	assert_int_equal(numaperf_monitor_hook(mon, NUMAPERF_METRIC_AFFINITY, &hook), 0);
	assert_int_equal(hook.rung, NUMAPERF_RUNG_POLLING);
	assert_int_equal(hook.error, EPERM);
	assert_string_equal(hook.reason, "refused by the test");
	assert_int_equal(numaperf_monitor_hook(mon, NUMAPERF_METRIC_COUNT, &hook), -ENOENT);
	hook.sz = 0;
	assert_int_equal(numaperf_monitor_hook(mon, NUMAPERF_METRIC_AFFINITY, &hook), -EINVAL);
	destroy(mon);
}

static void polling_by_order_opens_nothing(void **state)
{
	struct numaperf_monitor *mon = create_with(
		(struct numaperf_monitor_opts){ .rung_max = NUMAPERF_RUNG_POLLING });

	(void)state;
	assert_true(numaperf_monitor_sampler(mon));
	assert_int_equal(fake.opened, 0);
	destroy(mon);
}

static void capabilities_go_on_both_threads(void **state)
{
	struct numaperf_monitor_opts o = { .sz = sizeof(o), .drop_capabilities = true };
	int threads = fault_threads_settled();
	struct numaperf_monitor *mon;

	(void)state;
	mon = create_with(o);
	assert_int_equal(drops, 2);
	assert_int_not_equal(dropped_on[0], np_gettid());
	assert_int_equal(dropped_on[1], np_gettid());
	destroy(mon);
	/* the monitor's thread cannot: the caller keeps his */
	drops = 0;
	drop_error = -EPERM;
	assert_int_equal(numaperf_monitor_create(&mon, topo, &o), -EPERM);
	assert_int_equal(drops, 1);
	assert_int_equal(fake.opened, fake.closed);
	assert_true(fault_threads_are(threads));
}

/* ---- events ---- */

static void a_move_is_told(void **state)
{
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct np_event e = event(NP_EVENT_CPU, NP_MOVE_AFFINITY);
	struct numaperf_monitor *mon = create();
	uint64_t id = watch_self(mon);
	char want[256];

	(void)state;
	assert_int_equal(fake.pin_tid, np_gettid());
	e.tid = (uint32_t)np_gettid();
	e.tgid = (uint32_t)getpid();
	e.from_cpu = 2;
	e.from_node = 1;
	e.to_cpu = 0;
	e.to_node = 0;
	e.actor_tgid = e.actor_tid = 77;
	strcpy(e.actor, "taskset");
	violate(fake.pin_watch, e);
	flush(mon);
	assert_int_equal(told.calls, 1);
	assert_int_not_equal(told.tid, np_gettid());
	assert_int_equal(told.last.kind, NUMAPERF_VIOLATION_CPU);
	assert_int_equal(told.last.rung, NUMAPERF_RUNG_FENTRY);
	assert_int_equal(told.last.move_cause, NUMAPERF_MOVE_AFFINITY);
	assert_int_equal(told.last.guarantee, id);
	assert_int_equal(told.last.tid, np_gettid());
	assert_int_equal(told.last.actor_pid, 77);
	snprintf(want, sizeof(want),
		 "thread %d: was moved from CPU 2 (node 1) to CPU 0 (node 0): "
		 "affinity, "
		 "by taskset (process 77)",
		 np_gettid());
	assert_string_equal(told.message, want);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	assert_string_equal(v.message, want);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 0);
	assert_int_equal(totals(mon).violations, 1);
	destroy(mon);
}

static void pages_in_a_row_are_one_story(void **state)
{
	struct np_event e = event(NP_EVENT_PAGE, NP_PAGE_MIGRATE_PAGES);
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;
	char want[256];

	(void)state;
	watch_memory(mon);
	assert_int_equal(fake.ranges, 1);
	assert_int_equal(fake.range[0].start, (uintptr_t)memory);
	assert_int_equal(fake.range[0].end, (uintptr_t)memory + PAGES * PAGE);
	assert_int_equal(fake.range[0].nodes[0], 1);
	assert_int_equal(fake.range[0].tgid, getpid());
	flush(mon);
	put(0, PAGES, 1);
	e.from_node = 0;
	e.to_node = 1;
	e.actor_tgid = e.actor_tid = 80;
	strcpy(e.actor, "migratepages");
	for (size_t i = 0; i < PAGES; i++) {
		e.address = (uintptr_t)memory + i * PAGE;
		violate(fake.range[0].watch, e);
	}
	flush(mon);
	assert_int_equal(told.count, PAGES);
	assert_true(told.calls <= PAGES);
	s = snapshot(mon);
	assert_int_equal(s.guarantee_count, 1);
	assert_int_equal(s.guarantee[0].violations, PAGES);
	assert_int_equal(s.guarantee[0].pages_by_cause[NUMAPERF_PAGE_MIGRATE_PAGES], PAGES);
	assert_int_equal(s.guarantee[0].to_node, 1);
	assert_string_equal(s.guarantee[0].actor, "migratepages");
	assert_int_equal(s.guarantee[0].last_look, -EXDEV);
	assert_false(s.guarantee[0].baseline_broken);
	snprintf(want, sizeof(want),
		 "range 64K (0): 1 page from %p moved from node 0 to node 1: migrate_pages, by "
		 "migratepages (process 80)",
		 (void *)memory);
	assert_string_equal(s.guarantee[0].evidence, want);
	np_snapshot_free(&s);
	destroy(mon);
}

/* In the callback, so that what comes next is one batch for sure. */
static void send_a_batch(void *ctx, const struct numaperf_violation *v)
{
	struct np_event e = event(NP_EVENT_PAGE, NP_PAGE_MBIND);
	bool *sent = ctx;

	if (*sent) {
		on_violation(NULL, v);
		return;
	}
	*sent = true;
	e.to_node = 1;
	for (size_t i = 0; i < 12; i++) {
		e.cause = i < 8 ? NP_PAGE_MBIND : NP_PAGE_COMPACTION;
		e.address = (uintptr_t)memory + i * PAGE;
		violate(fake.range[0].watch, e);
	}
}

static void another_cause_is_another_story(void **state)
{
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct np_event e = event(NP_EVENT_PAGE, NP_PAGE_DAMON);
	bool sent = false;
	struct numaperf_monitor *mon = create_with(
		(struct numaperf_monitor_opts){ .on_violation = send_a_batch, .ctx = &sent });

	(void)state;
	watch_memory(mon);
	violate(fake.range[0].watch, e);
	flush(mon);
	flush(mon);
	assert_int_equal(told.calls, 2);
	assert_int_equal(told.count, 12);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	assert_int_equal(v.page_cause, NUMAPERF_PAGE_DAMON);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	assert_int_equal(v.count, 8);
	assert_int_equal(v.page_cause, NUMAPERF_PAGE_MBIND);
	assert_ptr_equal(v.address, memory);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	assert_int_equal(v.count, 4);
	assert_int_equal(v.page_cause, NUMAPERF_PAGE_COMPACTION);
	destroy(mon);
}

static void events_of_nobody_are_ignored(void **state)
{
	struct np_event e = event(NP_EVENT_CPU, NP_MOVE_WAKEUP);
	struct numaperf_monitor *mon = create();

	(void)state;
	watch_self(mon);
	e.id = fake.counters.watch[fake.pin_watch].id + (1ull << 32); /* another use of it */
	fake_event(&e);
	e.id = UINT64_MAX;
	fake_event(&e);
	e.kind = 99;
	e.id = fake.counters.watch[fake.pin_watch].id;
	fake_event(&e);
	flush(mon);
	assert_int_equal(told.calls, 0);
	assert_int_equal(totals(mon).violations, 0);
	destroy(mon);
}

static void what_left_no_event_counts(void **state)
{
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .interval_ms = 10 });
	struct np_snapshot s;

	(void)state;
	watch_memory(mon);
	flush(mon);
	__atomic_store_n(&fake.counters.watch[fake.range[0].watch].violations, 5,
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&fake.counters.totals->events_limited, 5, __ATOMIC_SEQ_CST);
	assert_int_equal(totals(mon).violations, 5); /* at once */
	assert_int_equal(totals(mon).events_lost, 5);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, 5);
	np_snapshot_free(&s);
	for (int i = 0; i < 2000 && totals(mon).violations == 5 && !told.calls; i++) {
		usleep(1000);
		flush(mon);
	}
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.count, 5);
	assert_non_null(strstr(told.message, "left no details"));
	assert_int_equal(totals(mon).violations, 5);
	destroy(mon);
}

static void a_looks_finding_is_not_counted_twice(void **state)
{
	struct np_event e = event(NP_EVENT_AFFINITY, NP_MOVE_CPUSET);
	struct numaperf_monitor *mon = create();
	struct numaperf_cpuset none = { { 0 } };
	struct np_snapshot s;

	(void)state;
	/* what does not hold: the look finds it, then the programs say so */
	numaperf_cpuset_set(&none, 0);
	assert_int_equal(numaperf_monitor_watch_thread(mon, np_gettid(), &none, NULL), 0);
	flush(mon);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.last.kind, NUMAPERF_VIOLATION_AFFINITY);
	assert_int_equal(told.last.rung, NUMAPERF_RUNG_POLLING);
	violate(fake.pin_watch, e);
	flush(mon);
	assert_int_equal(told.calls, 1);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, 1);
	assert_int_equal(s.guarantee[0].moves_by_cause[NUMAPERF_MOVE_CPUSET], 1);
	assert_true(s.guarantee[0].baseline_broken);
	assert_true(s.guarantee[0].affinity_changed);
	np_snapshot_free(&s);
	destroy(mon);
}

/* ---- suspicion ---- */

static struct numaperf_monitor *create_tp_btf(void)
{
	struct numaperf_monitor *mon;

	fake.page_moves = NUMAPERF_RUNG_TP_BTF;
	mon = create();
	watch_memory(mon);
	flush(mon);
	return mon;
}

static void suspect(struct np_event e, size_t page)
{
	struct np_watch *w = &fake.counters.watch[fake.range[0].watch];

	e.id = w->id;
	e.address = (uintptr_t)memory + page * PAGE;
	__atomic_fetch_add(&w->suspects, e.pages, __ATOMIC_SEQ_CST);
	fake_event(&e);
}

static void a_suspicion_is_confirmed(void **state)
{
	struct np_event e = event(NP_EVENT_SUSPECT, NP_PAGE_MOVE_PAGES);
	struct numaperf_monitor *mon = create_tp_btf();
	struct np_snapshot s;

	(void)state;
	put(3, 1, 1);
	suspect(e, 3);
	flush(mon);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.last.page_cause, NUMAPERF_PAGE_MOVE_PAGES);
	assert_int_equal(told.last.rung, NUMAPERF_RUNG_TP_BTF);
	assert_int_equal(told.last.to_node, 1);
	assert_ptr_equal(told.last.address, memory + 3 * PAGE);
	s = snapshot(mon);
	assert_int_equal(s.totals.suspects, 1);
	assert_int_equal(s.totals.suspects_confirmed, 1);
	assert_int_equal(s.guarantee[0].violations, 1);
	assert_int_equal(s.guarantee[0].suspects_open, 0);
	np_snapshot_free(&s);
	destroy(mon);
}

/* A look in the middle of a long run of moves: the event that ends it knows the cause. */
static void a_look_waits_for_the_suspicion(void **state)
{
	struct np_event e = event(NP_EVENT_SUSPECT, NP_PAGE_MOVE_PAGES);
	struct numaperf_monitor *mon = create_tp_btf();
	struct np_watch *w = &fake.counters.watch[fake.range[0].watch];

	(void)state;
	put(0, 3, 1);
	__atomic_fetch_add(&w->suspects, 3, __ATOMIC_SEQ_CST);
	flush(mon);
	assert_int_equal(told.count, 0);
	e.id = w->id;
	e.address = (uintptr_t)memory;
	e.pages = 3;
	fake_event(&e);
	flush(mon);
	assert_int_equal(told.count, 3);
	assert_int_equal(told.last.page_cause, NUMAPERF_PAGE_MOVE_PAGES);
	assert_int_equal(totals(mon).violations, 3);
	destroy(mon);
}

static void a_look_does_not_wait_for_what_is_lost(void **state)
{
	struct numaperf_monitor *mon;

	(void)state;
	fake.page_moves = NUMAPERF_RUNG_TP_BTF;
	mon = create_with((struct numaperf_monitor_opts){ .interval_ms = 10 });
	watch_memory(mon);
	flush(mon);
	put(0, 3, 1);
	__atomic_fetch_add(&fake.counters.watch[fake.range[0].watch].suspects, 3,
			   __ATOMIC_SEQ_CST);
	flush(mon);
	usleep(11000);
	flush(mon);
	assert_int_equal(totals(mon).violations, 0);
	sleep(1);
	flush(mon);
	assert_int_equal(totals(mon).violations, 3);
	assert_int_equal(told.last.page_cause, NUMAPERF_PAGE_UNKNOWN);
	destroy(mon);
}

static void a_suspicion_stays_open(void **state)
{
	struct np_event e = event(NP_EVENT_SUSPECT, NP_PAGE_MOVE_PAGES);
	struct numaperf_monitor *mon = create_tp_btf();
	struct np_snapshot s;

	(void)state;
	suspect(e, 3); /* it is where it belongs: back again, or never gone */
	/* one more, whose event was lost */
	__atomic_fetch_add(&fake.counters.watch[fake.range[0].watch].suspects, 1,
			   __ATOMIC_SEQ_CST);
	s = snapshot(mon);
	assert_int_equal(told.calls, 0);
	assert_int_equal(s.guarantee[0].violations, 0);
	assert_int_equal(s.guarantee[0].suspects_open, 2);
	assert_int_equal(s.totals.suspects_confirmed, 0);
	np_snapshot_free(&s);
	destroy(mon);
}

static void a_suspicion_is_refuted(void **state)
{
	struct np_event e = event(NP_EVENT_SUSPECT, NP_PAGE_COMPACTION);
	struct numaperf_monitor *mon = create_tp_btf();
	struct np_snapshot s;

	(void)state;
	e.to_node = 0; /* it landed inside */
	suspect(e, 0);
	e.to_node = -1;
	e.tgid = 1; /* it was somebody else's */
	suspect(e, 1);
	s = snapshot(mon);
	assert_int_equal(told.calls, 0);
	assert_int_equal(s.totals.suspects_refuted, 2);
	assert_int_equal(s.guarantee[0].suspects_open, 0);
	np_snapshot_free(&s);
	destroy(mon);
}

static void a_known_landing_needs_no_look(void **state)
{
	struct np_event e = event(NP_EVENT_SUSPECT, NP_PAGE_MBIND);
	struct numaperf_monitor *mon = create_tp_btf();

	(void)state;
	e.tgid = (uint32_t)getpid();
	e.to_node = 1; /* and back by now */
	suspect(e, 2);
	flush(mon);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.last.to_node, 1);
	assert_int_equal(totals(mon).suspects_confirmed, 1);
	destroy(mon);
}

static void a_collapse_is_looked_at(void **state)
{
	struct np_event e = event(NP_EVENT_COLLAPSE, NP_PAGE_COLLAPSE);
	struct numaperf_monitor *mon = create_tp_btf();

	(void)state;
	put(0, 8, 1);
	e.tgid = (uint32_t)getpid();
	e.actor_tgid = 33;
	strcpy(e.actor, "khugepaged");
	fake_event(&e);
	flush(mon);
	assert_int_equal(told.count, 8);
	assert_int_equal(told.last.page_cause, NUMAPERF_PAGE_COLLAPSE);
	assert_string_equal(told.last.actor, "khugepaged");
	assert_int_equal(totals(mon).violations, 8);
	flush(mon); /* the same pages once more are nothing new */
	assert_int_equal(totals(mon).violations, 8);
	destroy(mon);
}

/* The look came between the kernel's deed and its tracepoint. */
static void a_cause_may_be_late(void **state)
{
	struct numaperf_monitor *mon = create_tp_btf();

	(void)state;
	put(0, 8, 1);
	pthread_mutex_lock(&fake.lock);
	fake.late = event(NP_EVENT_COLLAPSE, NP_PAGE_COLLAPSE);
	fake.late.tgid = (uint32_t)getpid();
	fake.late_polls = 2; /* of which the round's own is one */
	pthread_mutex_unlock(&fake.lock);
	flush(mon);
	assert_int_equal(told.count, 8);
	assert_int_equal(told.last.page_cause, NUMAPERF_PAGE_COLLAPSE);
	assert_int_equal(totals(mon).violations, 8);
	destroy(mon);
}

static void a_suspicion_of_many_is_split(void **state)
{
	struct np_event e = event(NP_EVENT_SUSPECT, NP_PAGE_MOVE_PAGES);
	struct numaperf_monitor *mon = create_tp_btf();
	struct np_snapshot s;

	(void)state;
	put(5, 2, 1);
	e.pages = 6; /* of which two are away */
	suspect(e, 2);
	s = snapshot(mon);
	assert_int_equal(told.count, 2);
	assert_ptr_equal(told.last.address, memory + 5 * PAGE);
	assert_int_equal(s.totals.suspects, 6);
	assert_int_equal(s.totals.suspects_confirmed, 2);
	assert_int_equal(s.guarantee[0].suspects_open, 4);
	np_snapshot_free(&s);
	destroy(mon);
}

/* What a lost notice would have told is looked for at once, not when a look is due. */
static void after_a_lost_notice_all_is_looked_at(void **state)
{
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .interval_ms = 60000 });

	(void)state;
	watch_memory(mon);
	flush(mon);
	put(0, 8, 1);
	fake_event(&(struct np_event){ .kind = NP_EVENT_CPU }); /* of nobody: it only wakes */
	usleep(100000);
	assert_int_equal(totals(mon).violations, 0);
	__atomic_store_n(&fake.counters.totals->notices_lost, 1, __ATOMIC_SEQ_CST);
	fake_event(&(struct np_event){ .kind = NP_EVENT_CPU });
	for (int i = 0; i < 5000 && !totals(mon).violations; i++)
		usleep(1000);
	assert_int_equal(totals(mon).violations, 8);
	assert_int_equal(totals(mon).notices_lost, 1);
	destroy(mon);
	assert_int_equal(told.count, 8);
}

/* What a report a second costs: events are taken in, nothing is looked at. */
static void events_alone_can_be_waited_for(void **state)
{
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .interval_ms = 60000 });
	struct np_event e = event(NP_EVENT_PAGE, NP_PAGE_MOVE_PAGES);
	struct np_snapshot s;
	uint64_t looks;

	(void)state;
	watch_memory(mon);
	s = snapshot(mon);
	looks = s.guarantee[0].looks;
	np_snapshot_free(&s);
	e.address = (uintptr_t)memory;
	e.pages = 2;
	violate(fake.range[0].watch, e);
	assert_int_equal(np_monitor_snapshot(mon, NP_FLUSH_EVENTS, &s), 0);
	assert_true(s.flushed);
	assert_int_equal(s.guarantee[0].violations, 2);
	assert_int_equal(s.guarantee[0].looks, looks);
	np_snapshot_free(&s);
	s = snapshot(mon);
	assert_true(s.guarantee[0].looks > looks);
	np_snapshot_free(&s);
	destroy(mon);
	assert_int_equal(told.count, 2);
}

/* ---- the registry ---- */

static uint64_t enter_pin(int tid, enum numaperf_mode mode, const void *owner)
{
	struct np_guarantee g = { .kind = NP_GUARANTEE_CPUS,
				  .mode = mode,
				  .owner = owner,
				  .label = "worker 3 (node 1)",
				  .tid = tid };
	uint64_t id;

	g.cpus = own_cpus();
	assert_int_equal(np_guarantee_enter(&g, &id), 0);
	return id;
}

static void all_guarantees_now_and_later(void **state)
{
	uint64_t a = enter_pin(np_gettid(), NUMAPERF_STRICT_UNWITNESSED, NULL), b;
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .all_guarantees = true });
	struct np_snapshot s;
	struct np_guarantee g = { .kind = NP_GUARANTEE_PAGES,
				  .mode = NUMAPERF_STRICT_UNWITNESSED,
				  .label = "region",
				  .addr = memory,
				  .length = PAGES * PAGE };

	(void)state;
	assert_int_equal(fake.pinned, 1);
	numaperf_nodemask_set(&g.nodes, 0);
	assert_int_equal(np_guarantee_enter(&g, &b), 0);
	assert_int_equal(fake.ranges, 1);
	np_guarantee_leave(a);
	assert_int_equal(fake.unpinned, 1);
	np_guarantee_leave(b);
	assert_int_equal(fake.ranges, 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee_count, 2);
	assert_string_equal(s.guarantee[0].label, "worker 3 (node 1)");
	assert_int_equal(s.guarantee[0].id, a);
	assert_int_equal(s.guarantee[1].id, b);
	for (int i = 0; i < 2; i++) {
		assert_true(s.guarantee[i].ended);
		assert_true(s.guarantee[i].until_ns >= s.guarantee[i].since_ns);
		assert_int_equal(s.guarantee[i].violations, 0);
		assert_int_equal(s.guarantee[i].last_look, 0);
	}
	np_snapshot_free(&s);
	destroy(mon);
	assert_int_equal(told.calls, 0);
}

static void without_the_option_nothing_is_taken_in(void **state)
{
	struct numaperf_monitor *mon = create();
	uint64_t id = enter_pin(np_gettid(), NUMAPERF_STRICT, NULL);
	struct np_snapshot s = snapshot(mon);

	(void)state;
	assert_int_equal(s.guarantee_count, 0);
	assert_int_equal(fake.pinned, 0);
	np_snapshot_free(&s);
	np_guarantee_leave(id);
	destroy(mon);
}

static void a_last_look_before_it_is_gone(void **state)
{
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .all_guarantees = true });
	struct np_guarantee g = { .kind = NP_GUARANTEE_PAGES,
				  .mode = NUMAPERF_STRICT_UNWITNESSED,
				  .addr = memory,
				  .length = PAGES * PAGE };
	struct np_snapshot s;
	uint64_t id;

	(void)state;
	numaperf_nodemask_set(&g.nodes, 0);
	assert_int_equal(np_guarantee_enter(&g, &id), 0);
	flush(mon);
	put(0, 2, 1);
	np_guarantee_leave(id);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, 2);
	assert_true(s.guarantee[0].ended);
	np_snapshot_free(&s);
	destroy(mon);
}

static void balancing_is_promised_with_strict_ones(void **state)
{
	struct np_event e = event(NP_EVENT_BALANCING, 0);
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .all_guarantees = true });
	uint64_t id;
	struct np_snapshot s;

	(void)state;
	fake_event(&e); /* nobody minds */
	flush(mon);
	assert_int_equal(told.calls, 0);
	id = enter_pin(np_gettid(), NUMAPERF_STRICT, NULL);
	e.actor_tgid = 12;
	strcpy(e.actor, "sysctl");
	flush(mon);
	told.calls = 0;
	fake_event(&e);
	flush(mon);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.last.kind, NUMAPERF_VIOLATION_BALANCING);
	assert_string_equal(
		told.message,
		"kernel.numa_balancing=0: it is switched on, by sysctl (process 12)");
	s = snapshot(mon);
	assert_int_equal(s.guarantee_count, 2);
	assert_int_equal(s.guarantee[1].kind, NUMAPERF_GUARANTEE_BALANCING);
	assert_true(s.guarantee[1].violations >= 1);
	np_snapshot_free(&s);
	np_guarantee_leave(id);
	destroy(mon);
}

static void nested_pins_shadow(void **state)
{
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .all_guarantees = true });
	struct np_snapshot s;
	struct numaperf_pin outer = { 0 }, inner = { 0 };
	struct numaperf_cpuset cpus = own_cpus(), one;

	(void)state;
	if (numaperf_cpuset_count(&cpus) < 2) {
		print_message("skip: one CPU only\n");
		destroy(mon);
		skip();
	}
	assert_int_equal(numaperf_pin_thread(&outer, &cpus, NUMAPERF_STRICT_UNWITNESSED), 0);
	flush(mon);
	one = numaperf_cpuset_single(numaperf_cpuset_first(&cpus));
	assert_int_equal(numaperf_pin_thread(&inner, &one, NUMAPERF_STRICT_UNWITNESSED), 0);
	flush(mon);
	assert_int_equal(fake.pinned, 2);
	assert_int_equal(numaperf_pin_release(&inner), 0);
	flush(mon);
	assert_int_equal(fake.pinned, 3); /* the outer one again */
	assert_int_equal(numaperf_pin_release(&outer), 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee_count, 2);
	assert_int_equal(s.guarantee[0].violations + s.guarantee[1].violations, 0);
	np_snapshot_free(&s);
	destroy(mon);
}

static void pins_are_watched_by_their_entry(void **state)
{
	struct numaperf_monitor *mon = create();
	struct numaperf_cpuset cpus = own_cpus();
	struct numaperf_pin pin = { 0 };

	(void)state;
	assert_int_equal(numaperf_pin_thread(&pin, &cpus, NUMAPERF_SOFT), 0);
	assert_int_equal(numaperf_monitor_watch_pin(mon, &pin), -EINVAL);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(numaperf_pin_thread(&pin, &cpus, NUMAPERF_STRICT_UNWITNESSED), 0);
	assert_int_equal(numaperf_monitor_watch_pin(mon, &pin), 0);
	assert_int_equal(numaperf_monitor_watch_pin(mon, &pin), 0);
	assert_int_equal(fake.pinned, 1);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(numaperf_monitor_watch_pin(mon, &pin), -EINVAL);
	assert_int_equal(numaperf_monitor_watch_pin(mon, NULL), -EINVAL);
	destroy(mon);
}

/* ---- what is watched ---- */

static void overlapping_ranges_are_cut(void **state)
{
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0), node1;
	struct numaperf_monitor *mon = create();
	uint64_t id;

	(void)state;
	node1 = numaperf_nodemask_single(1);
	/* the middle first, then all of it: the middle keeps its own */
	assert_int_equal(
		numaperf_monitor_watch_range(mon, memory + 4 * PAGE, 4 * PAGE, &node0, &id), 0);
	assert_int_equal(numaperf_monitor_watch_range(mon, memory, PAGES * PAGE, &node1, NULL),
			 0);
	assert_int_equal(fake.ranges, 3);
	assert_int_equal(fake.range[0].end, (uintptr_t)memory + 4 * PAGE);
	assert_int_equal(fake.range[1].start, (uintptr_t)memory + 4 * PAGE);
	assert_int_equal(fake.range[1].end, (uintptr_t)memory + 8 * PAGE);
	assert_int_equal(fake.range[2].start, (uintptr_t)memory + 8 * PAGE);
	assert_int_equal(fake.range[0].watch, fake.range[2].watch);
	assert_int_not_equal(fake.range[0].watch, fake.range[1].watch);
	assert_int_equal(numaperf_monitor_unwatch(mon, id), 0);
	assert_int_equal(fake.ranges, 1);
	assert_int_equal(numaperf_monitor_unwatch(mon, id), -ENOENT);
	assert_int_equal(numaperf_monitor_unwatch(mon, 0), -ENOENT);
	destroy(mon);
}

static void ranges_are_rounded_out(void **state)
{
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0), none = { { 0 } };
	struct numaperf_monitor *mon = create();

	(void)state;
	assert_int_equal(numaperf_monitor_watch_range(mon, memory + 10, PAGE, &node0, NULL), 0);
	assert_int_equal(fake.range[0].start, (uintptr_t)memory);
	assert_int_equal(fake.range[0].end, (uintptr_t)memory + 2 * PAGE);
	assert_int_equal(numaperf_monitor_watch_range(mon, memory, 0, &node0, NULL), -EINVAL);
	assert_int_equal(numaperf_monitor_watch_range(mon, memory, SIZE_MAX, &node0, NULL),
			 -EINVAL);
	assert_int_equal(numaperf_monitor_watch_range(mon, memory, PAGE, &none, NULL), -EINVAL);
	assert_int_equal(
		numaperf_monitor_watch_process_range(mon, 0x3fffff, memory, PAGE, &node0, NULL),
		-ESRCH);
	destroy(mon);
}

static void threads_must_be_there_and_in_scope(void **state)
{
	struct numaperf_cpuset cpus = own_cpus(), none = { { 0 } };
	struct numaperf_monitor *mon = create();

	(void)state;
	assert_int_equal(numaperf_monitor_watch_thread(mon, np_gettid(), &none, NULL), -EINVAL);
	assert_int_equal(numaperf_monitor_watch_thread(mon, 0x3fffff, &cpus, NULL), -ESRCH);
	assert_int_equal(numaperf_monitor_watch_thread(mon, 0, &cpus, NULL), -ESRCH);
	assert_int_equal(numaperf_monitor_watch_thread(mon, getppid(), &cpus, NULL), -EINVAL);
	assert_int_equal(numaperf_monitor_watch_process(mon, getppid()), -EINVAL);
	destroy(mon);
}

static void no_room_is_said(void **state)
{
	struct numaperf_cpuset cpus = own_cpus();
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;
	uint64_t id;

	(void)state;
	fake.refuse_pin = -ENOSPC;
	assert_int_equal(numaperf_monitor_watch_thread(mon, np_gettid(), &cpus, &id), -ENOSPC);
	destroy(mon);
	/* one from the registry cannot be refused: it does not count as held */
	mon = create_with((struct numaperf_monitor_opts){ .all_guarantees = true });
	id = enter_pin(np_gettid(), NUMAPERF_STRICT_UNWITNESSED, NULL);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].last_look, -ENOSPC);
	np_snapshot_free(&s);
	np_guarantee_leave(id);
	destroy(mon);
}

static void a_process_that_ends_ends_its_guarantees(void **state)
{
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0);
	struct np_event e = event(NP_EVENT_EXIT, 0);
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;

	(void)state;
	assert_int_equal(numaperf_monitor_watch_process_range(mon, getppid(), memory,
							      PAGES * PAGE, &node0, NULL),
			 0);
	watch_memory(mon);
	assert_int_equal(fake.ranges, 2);
	e.tgid = (uint32_t)getppid();
	fake_event(&e);
	s = snapshot(mon);
	assert_true(s.guarantee[0].ended);
	assert_int_equal(s.guarantee[0].pid, getppid());
	assert_false(s.guarantee[1].ended);
	assert_int_equal(fake.ranges, 1);
	np_snapshot_free(&s);
	destroy(mon);
}

static void a_cpu_that_goes_offline(void **state)
{
	struct np_event e = event(NP_EVENT_HOTPLUG, NP_MOVE_HOTPLUG);
	struct numaperf_monitor *mon = create();
	struct numaperf_cpuset cpus = own_cpus();

	(void)state;
	watch_self(mon);
	e.from_cpu = 4711; /* nobody's */
	fake_event(&e);
	flush(mon);
	assert_int_equal(told.calls, 0);
	e.from_cpu = numaperf_cpuset_first(&cpus);
	fake_event(&e);
	flush(mon);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.last.kind, NUMAPERF_VIOLATION_HOTPLUG);
	assert_int_equal(told.last.from_cpu, numaperf_cpuset_first(&cpus));
	destroy(mon);
}

/* ---- executors ---- */

static void count_task(void *arg)
{
	__atomic_fetch_add((unsigned int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void an_executor_leaves_its_counters(void **state)
{
	struct numaperf_monitor *mon = create();
	struct numaperf_executor *exec;
	unsigned int ran = 0;
	struct np_snapshot s;

	(void)state;
	assert_int_equal(numaperf_executor_create(&exec, topo, NULL), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(numaperf_executor_submit(exec, count_task, &ran), 0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(numaperf_monitor_watch_executor(mon, exec), 0);
	assert_int_equal(numaperf_monitor_watch_executor(mon, exec), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(numaperf_executor_submit(exec, count_task, &ran), 0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	s = snapshot(mon);
	assert_true(s.executor);
	assert_int_equal(s.guarantee_count, 0); /* a soft one promises nothing */
	assert_int_equal(s.node[0].local_executions, 50);
	np_snapshot_free(&s);
	numaperf_executor_destroy(exec); /* while it is watched */
	s = snapshot(mon);
	assert_true(s.executor);
	assert_int_equal(s.node[0].local_executions, 50);
	np_snapshot_free(&s);
	assert_int_equal(numaperf_monitor_watch_executor(mon, NULL), -EINVAL);
	destroy(mon);
}

static void strict_workers_end_without_a_violation(void **state)
{
	struct numaperf_executor_opts opts = { .sz = sizeof(opts),
					       .mode = NUMAPERF_STRICT_UNWITNESSED };
	struct numaperf_monitor *mon = create();
	struct numaperf_executor *exec;
	struct np_snapshot s;
	unsigned int workers;

	(void)state;
	assert_int_equal(numaperf_executor_create(&exec, topo, &opts), 0);
	workers = numaperf_executor_worker_count(exec);
	assert_int_equal(numaperf_monitor_watch_executor(mon, exec), 0);
	assert_int_equal(fake.pinned, workers);
	flush(mon);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee_count, workers);
	for (unsigned int i = 0; i < workers; i++) {
		assert_true(s.guarantee[i].ended);
		assert_int_equal(s.guarantee[i].violations, 0);
		assert_int_equal(s.guarantee[i].last_look, 0);
	}
	np_snapshot_free(&s);
	numaperf_executor_destroy(exec);
	destroy(mon);
}

/* ---- list, callback, descriptor ---- */

static void the_list_keeps_the_newest(void **state)
{
	struct np_event e = event(NP_EVENT_PAGE, NP_PAGE_MBIND);
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .list_max = 4 });
	struct pollfd fd = { .fd = numaperf_monitor_fd(mon), .events = POLLIN };

	(void)state;
	watch_memory(mon);
	assert_int_equal(poll(&fd, 1, 0), 0);
	for (size_t i = 0; i < 10; i++) {
		e.cause = i % 2 ? NP_PAGE_MBIND : NP_PAGE_DAMON; /* nothing to join */
		e.address = (uintptr_t)memory + i * PAGE;
		violate(fake.range[0].watch, e);
	}
	flush(mon);
	assert_int_equal(told.calls, 10);
	assert_int_equal(totals(mon).list_dropped, 6);
	for (size_t i = 6; i < 10; i++) {
		assert_int_equal(poll(&fd, 1, 0), 1);
		assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
		assert_ptr_equal(v.address, memory + i * PAGE);
	}
	assert_int_equal(poll(&fd, 1, 0), 0);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 0);
	v.sz = 0;
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), -EINVAL);
	destroy(mon);
}

static void a_flood_is_counted_and_bounded(void **state)
{
	struct np_event e = event(NP_EVENT_PAGE, NP_PAGE_MIGRATE_PAGES);
	struct numaperf_monitor *mon = create();
	const unsigned int n = 100000;
	struct np_snapshot s;

	(void)state;
	watch_memory(mon);
	for (unsigned int i = 0; i < n; i++) {
		e.address = (uintptr_t)memory + (i * 7 % PAGES) * PAGE;
		e.cause = i % 3 ? NP_PAGE_MIGRATE_PAGES : NP_PAGE_MOVE_PAGES;
		violate(fake.range[0].watch, e);
	}
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, n);
	assert_int_equal(s.totals.violations, n);
	assert_int_equal(told.count, n);
	assert_true(s.totals.list_dropped > 0);
	np_snapshot_free(&s);
	destroy(mon);
}

static void text_of_others_is_cleaned(void **state)
{
	struct np_event e = event(NP_EVENT_CPU, NP_MOVE_AFFINITY);
	struct numaperf_monitor *mon = create();

	(void)state;
	watch_self(mon);
	memcpy(e.actor,
	       "a\033[31m\n\xe2\x80\xae"
	       "bcdefgh",
	       16);
	e.actor_tgid = 5;
	violate(fake.pin_watch, e);
	flush(mon);
	assert_string_equal(told.last.actor, "a?[31m????bcdef");
	for (const char *p = told.message; *p; p++)
		assert_true(*p >= ' ' && *p < 0x7f);
	destroy(mon);
}

static struct numaperf_monitor *called_back;
static int in_callback[3];

static void misbehave(void *ctx, const struct numaperf_violation *v)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };

	(void)ctx;
	(void)v;
	in_callback[0] = numaperf_monitor_destroy(called_back);
	in_callback[1] = numaperf_monitor_flush(called_back, 1000);
	in_callback[2] = numaperf_monitor_totals(called_back, &t);
	told.calls++;
}

static void the_callback_cannot_destroy(void **state)
{
	struct np_event e = event(NP_EVENT_CPU, NP_MOVE_WAKEUP);
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .on_violation = misbehave });

	(void)state;
	called_back = mon;
	watch_self(mon);
	violate(fake.pin_watch, e);
	flush(mon);
	assert_int_equal(told.calls, 1);
	assert_int_equal(in_callback[0], -EDEADLK);
	assert_int_equal(in_callback[1], -EDEADLK);
	assert_int_equal(in_callback[2], 0);
	destroy(mon);
}

static int gate;

static void block(void *ctx, const struct numaperf_violation *v)
{
	(void)ctx;
	(void)v;
	while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
		usleep(1000);
}

static void a_flush_can_time_out(void **state)
{
	struct np_event e = event(NP_EVENT_CPU, NP_MOVE_WAKEUP);
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .on_violation = block });

	(void)state;
	gate = 0;
	watch_self(mon);
	flush(mon);
	violate(fake.pin_watch, e);
	assert_int_equal(numaperf_monitor_flush(mon, 50), -ETIMEDOUT);
	__atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
	flush(mon);
	destroy(mon);
}

/* ---- statistics ---- */

static void figures_come_from_the_counters(void **state)
{
	struct numaperf_node_activity a = { .sz = sizeof(a) };
	struct numaperf_cell cell = { .sz = sizeof(cell) };
	struct numaperf_flow flow = { .sz = sizeof(flow) };
	struct numaperf_monitor *mon = create();
	struct np_counters *c = &fake.counters;

	(void)state;
	c->cell[0].pages[NP_KIND_ANON] = 5;
	c->cell[0].pages[NP_KIND_HUGE] = 512;
	c->cell[0].pages[NP_KIND_TEXT] = 3;
	c->cell[0].hinting = 5;
	c->cell[0].hinting_moved = 3;
	c->flow[0].threads[NP_MOVE_WAKEUP] = 9;
	c->thread_node[0].run_ns = 1000;
	__atomic_store_n(&c->thread[0].state, NP_SLOT_LIVE, __ATOMIC_SEQ_CST);
	assert_int_equal(numaperf_monitor_cell(mon, 0, 0, &cell), 0);
	assert_int_equal(cell.pages[NUMAPERF_PAGE_HUGE], 512);
	assert_int_equal(cell.pages[NUMAPERF_PAGE_TEXT], 3);
	assert_int_equal(numaperf_monitor_flow(mon, 0, 0, &flow), 0);
	assert_int_equal(flow.threads[NUMAPERF_MOVE_WAKEUP], 9);
	assert_int_equal(numaperf_monitor_node(mon, 0, &a), 0);
	assert_int_equal(a.faults_local, 517);
	assert_int_equal(a.faults_remote, 0);
	assert_int_equal(a.hinting_local, 2);
	assert_int_equal(a.hinting_remote,
			 3); /* local by now, and remote when it was touched */
	assert_int_equal(a.thread_moves_in, 0); /* inside the node */
	assert_int_equal(a.run_time_ns, 1000);
	assert_int_equal(numaperf_monitor_node(mon, 1000, &a), -ENOENT);
	assert_int_equal(numaperf_monitor_cell(mon, 0, -1, &cell), -ENOENT);
	a.sz = 0;
	assert_int_equal(numaperf_monitor_node(mon, 0, &a), -EINVAL);
	destroy(mon);
}

static void a_running_thread_has_run(void **state)
{
	struct numaperf_thread_activity a = { .sz = sizeof(a) };
	struct numaperf_monitor *mon = create();
	struct np_counters *c = &fake.counters;
	struct np_on_cpu *on = (struct np_on_cpu *)&c->on_cpu[0];
	struct numaperf_thread_node part = { .sz = sizeof(part) };

	(void)state;
	memcpy(c->thread[0].comm, "a\tb", 4);
	c->thread[0].tid = 7;
	on->since = np_clock_ns() - 5000000000u;
	on->slot = 1;
	assert_int_equal(numaperf_monitor_thread(mon, 0, &a), -EAGAIN);
	__atomic_store_n(&c->thread[0].state, NP_SLOT_LIVE, __ATOMIC_SEQ_CST);
	assert_int_equal(numaperf_monitor_thread(mon, 0, &a), 0);
	assert_true(a.run_time_ns >= 5000000000u);
	/* of which node, too */
	assert_int_equal(numaperf_monitor_thread_node(mon, 0, 0, &part), 0);
	assert_true(part.run_time_ns >= a.run_time_ns);
	on->node = 1; /* it is another CPU's */
	assert_int_equal(numaperf_monitor_thread_node(mon, 0, 0, &part), 0);
	assert_int_equal(part.run_time_ns, 0);
	assert_string_equal(a.comm, "a?b");
	assert_int_equal(a.tid, 7);
	assert_int_equal(numaperf_monitor_thread(mon, 1024, &a), -ENOENT);
	destroy(mon);
}

static void threads_that_exited_are_freed_and_stay_in_the_sum(void **state)
{
	struct numaperf_node_activity a = { .sz = sizeof(a) };
	struct numaperf_monitor *mon =
		create_with((struct numaperf_monitor_opts){ .interval_ms = 10 });
	struct np_counters *c = &fake.counters;
	uint64_t id = enter_pin(4242, NUMAPERF_STRICT_UNWITNESSED, NULL);

	(void)state;
	np_guarantee_leave(id);
	c->thread_node[5 * c->nodes].run_ns = 777;
	c->thread[5].tid = 4242;
	__atomic_store_n(&c->thread[5].state, NP_SLOT_EXITED, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 20000 && !__atomic_load_n(&fake.freed, __ATOMIC_SEQ_CST); i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(&fake.freed, __ATOMIC_SEQ_CST), 1);
	assert_int_equal(numaperf_monitor_node(mon, 0, &a), 0);
	assert_int_equal(a.run_time_ns, 777);
	destroy(mon);
}

static int count_stack(void *ctx, const struct numaperf_stack *stack)
{
	*(unsigned int *)ctx += stack->depth;
	return 0;
}

static void stacks_only_by_order(void **state)
{
	struct numaperf_monitor *mon = create();
	unsigned int depth = 0;

	(void)state;
	assert_int_equal(numaperf_monitor_stacks(mon, count_stack, &depth), -EOPNOTSUPP);
	destroy(mon);
	mon = create_with((struct numaperf_monitor_opts){ .stacks = true });
	assert_true(fake.opts.stacks);
	assert_int_equal(numaperf_monitor_stacks(mon, count_stack, &depth), 0);
	assert_int_equal(depth, 3);
	assert_int_equal(numaperf_monitor_stacks(mon, NULL, NULL), -EINVAL);
	destroy(mon);
}

/* ---- names ---- */

static void everything_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(numaperf_move_cause_name(NUMAPERF_MOVE_HOTPLUG), "hot-unplug");
	assert_string_equal(numaperf_page_cause_name(NUMAPERF_PAGE_KSM), "KSM");
	assert_string_equal(numaperf_violation_kind_name(NUMAPERF_VIOLATION_PAGE), "page");
	assert_string_equal(numaperf_scope_name(NUMAPERF_SCOPE_CGROUP), "cgroup");
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		assert_non_null(numaperf_move_cause_name(i));
	for (int i = 0; i < NUMAPERF_PAGE_CAUSES; i++)
		assert_non_null(numaperf_page_cause_name(i));
	assert_string_equal(numaperf_move_cause_name(99), "unknown");
	assert_string_equal(numaperf_page_cause_name(99), "unknown");
	assert_string_equal(numaperf_violation_kind_name(99), "unknown");
	assert_string_equal(numaperf_scope_name(99), "unknown");
}

static void the_probe_fills_what_fits(void **state)
{
	struct numaperf_hook hooks[3] = { { .sz = sizeof(hooks[0]) } };

	(void)state;
	assert_int_equal(numaperf_probe_hooks(hooks, 2), NUMAPERF_METRIC_COUNT);
	assert_int_equal(hooks[1].metric, NUMAPERF_METRIC_THREAD_MOVES);
	assert_int_equal(hooks[2].sz, 0);
	assert_int_equal(numaperf_probe_hooks(NULL, 0), NUMAPERF_METRIC_COUNT);
	hooks[0].sz = 0;
	assert_int_equal(numaperf_probe_hooks(hooks, 2), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(scopes_become_the_programs),
		TEST(a_cgroup_is_its_folder),
		TEST(wrong_options_are_refused),
		TEST(refused_programs_make_a_sampler),
		TEST(polling_by_order_opens_nothing),
		TEST(capabilities_go_on_both_threads),
		TEST(a_move_is_told),
		TEST(pages_in_a_row_are_one_story),
		TEST(another_cause_is_another_story),
		TEST(events_of_nobody_are_ignored),
		TEST(what_left_no_event_counts),
		TEST(a_looks_finding_is_not_counted_twice),
		TEST(a_suspicion_is_confirmed),
		TEST(a_suspicion_stays_open),
		TEST(a_look_waits_for_the_suspicion),
		TEST(a_look_does_not_wait_for_what_is_lost),
		TEST(a_suspicion_is_refuted),
		TEST(a_known_landing_needs_no_look),
		TEST(a_collapse_is_looked_at),
		TEST(a_cause_may_be_late),
		TEST(a_suspicion_of_many_is_split),
		TEST(events_alone_can_be_waited_for),
		TEST(after_a_lost_notice_all_is_looked_at),
		TEST(all_guarantees_now_and_later),
		TEST(without_the_option_nothing_is_taken_in),
		TEST(a_last_look_before_it_is_gone),
		TEST(balancing_is_promised_with_strict_ones),
		TEST(nested_pins_shadow),
		TEST(pins_are_watched_by_their_entry),
		TEST(overlapping_ranges_are_cut),
		TEST(ranges_are_rounded_out),
		TEST(threads_must_be_there_and_in_scope),
		TEST(no_room_is_said),
		TEST(a_process_that_ends_ends_its_guarantees),
		TEST(a_cpu_that_goes_offline),
		TEST(an_executor_leaves_its_counters),
		TEST(strict_workers_end_without_a_violation),
		TEST(the_list_keeps_the_newest),
		TEST(a_flood_is_counted_and_bounded),
		TEST(text_of_others_is_cleaned),
		TEST(the_callback_cannot_destroy),
		TEST(a_flush_can_time_out),
		TEST(figures_come_from_the_counters),
		TEST(a_running_thread_has_run),
		TEST(threads_that_exited_are_freed_and_stay_in_the_sum),
		TEST(stacks_only_by_order),
		TEST(everything_has_a_name),
		TEST(the_probe_fills_what_fits),
	};

	return cmocka_run_group_tests_name("monitor", tests, make_topology, drop_topology);
}
