// SPDX-License-Identifier: MIT
/* The monitor without programs, on this machine's own kernel: what it finds by looking; what a
 * failure of any call leaves behind; what a forked child may do. */
#include "../../lib/src/guarantee.h"
#include "../../lib/src/snapshot.h"
#include "../../lib/src/sys.h"
#include "../../lib/src/util.h"
#include "child.h"
#include "fault.h"

#include <errno.h>
#include <numaperf.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
/* cmocka wants these before it */
#include <cmocka.h>

#define PAGE  4096u
#define PAGES 64u

static struct numaperf_topology *topo;
static struct np_sys table;
/* atomic: the monitor's thread asks */
static int stray_pages, unseen_pages, refuse_moves;

/* The first so many of the pages asked about are on node 1, which does not exist here; of some
 * of them the kernel says that they are not there. */
static int move_pages(int pid, unsigned long n, void **pages, const int *nodes, int *status,
		      int flags)
{
	int err = __atomic_load_n(&refuse_moves, __ATOMIC_SEQ_CST), r;

	if (err)
		return err;
	r = np_sys_real.move_pages(pid, n, pages, nodes, status, flags);
	for (unsigned long i = 0; !nodes && i < n; i++)
		if ((int)i < __atomic_load_n(&unseen_pages, __ATOMIC_SEQ_CST))
			status[i] = -ENOENT;
		else if ((int)i < __atomic_load_n(&stray_pages, __ATOMIC_SEQ_CST))
			status[i] = 1;
	return r;
}

static int set_up(void **state)
{
	(void)state;
	stray_pages = unseen_pages = refuse_moves = 0;
	table = np_sys_real;
	table.move_pages = move_pages;
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
	return numaperf_topology_discover(&topo);
}

static int drop_topology(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	return 0;
}

static unsigned int calls;

static void on_violation(void *ctx, const struct numaperf_violation *v)
{
	(void)ctx;
	(void)v;
	__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
}

static const struct numaperf_monitor_opts sampler = {
	.sz = sizeof(sampler),
	.rung_max = NUMAPERF_RUNG_POLLING,
	.interval_ms = 10,
	.on_violation = on_violation,
};

static struct numaperf_monitor *create(void)
{
	struct numaperf_monitor *mon;

	calls = 0;
	assert_int_equal(numaperf_monitor_create(&mon, topo, &sampler), 0);
	assert_true(numaperf_monitor_sampler(mon));
	return mon;
}

static struct np_snapshot snapshot(struct numaperf_monitor *mon)
{
	struct np_snapshot s;

	assert_int_equal(np_monitor_snapshot(mon, NP_FLUSH_ALL, &s), 0);
	assert_true(s.sampler);
	return s;
}

static void flush(struct numaperf_monitor *mon)
{
	assert_int_equal(numaperf_monitor_flush(mon, 20000), 0);
}

static void destroy(struct numaperf_monitor *mon)
{
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

/* ---- threads ---- */

/* A thread that sleeps until it is told to end. */
struct sleeper {
	pthread_t thread;
	int tid, end;
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->tid, np_gettid(), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&s->end, __ATOMIC_SEQ_CST))
		usleep(1000);
	return NULL;
}

static void start(struct sleeper *s)
{
	*s = (struct sleeper){ 0 };
	assert_int_equal(pthread_create(&s->thread, NULL, sleep_on, s), 0);
	while (!__atomic_load_n(&s->tid, __ATOMIC_SEQ_CST))
		usleep(1000);
}

static void end(struct sleeper *s)
{
	__atomic_store_n(&s->end, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
}

static void set_affinity(int tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(tid, sizeof(set), &set), 0);
}

static void an_affinity_changed_from_outside(void **state)
{
	struct numaperf_cpuset allowed = { { 0 } }, one;
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;
	struct sleeper t;
	uint64_t id;
	int first, other;

	(void)state;
	numaperf_topology_allowed_cpus(topo, &allowed);
	first = numaperf_cpuset_first(&allowed);
	other = numaperf_cpuset_next(&allowed, first);
	if (other < 0) {
		print_message("skip: one CPU only\n");
		destroy(mon);
		skip();
	}
	start(&t);
	set_affinity(t.tid, first);
	one = numaperf_cpuset_single(first);
	assert_int_equal(numaperf_monitor_watch_thread(mon, t.tid, &one, &id), 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].last_look, 0);
	assert_int_equal(s.guarantee[0].violations, 0);
	assert_false(s.guarantee[0].baseline_broken);
	np_snapshot_free(&s);
	set_affinity(t.tid, other);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].last_look, -EXDEV);
	assert_true(s.guarantee[0].violations >= 1);
	assert_true(s.guarantee[0].affinity_changed);
	assert_false(s.guarantee[0].baseline_broken);
	np_snapshot_free(&s);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	assert_int_equal(v.guarantee, id);
	assert_int_equal(v.tid, t.tid);
	assert_int_equal(v.rung, NUMAPERF_RUNG_POLLING);
	/* back, and away again: that is another one */
	while (numaperf_monitor_next_violation(mon, &v))
		;
	set_affinity(t.tid, first);
	flush(mon);
	set_affinity(t.tid, other);
	flush(mon);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	end(&t);
	destroy(mon);
}

static void a_thread_that_ends_has_not_violated(void **state)
{
	struct numaperf_monitor *mon = create();
	struct numaperf_cpuset cpus = { { 0 } };
	struct np_snapshot s;
	struct sleeper t;

	(void)state;
	assert_true(sched_getaffinity(0, sizeof(cpus), (cpu_set_t *)&cpus) == 0);
	start(&t);
	assert_int_equal(numaperf_monitor_watch_thread(mon, t.tid, &cpus, NULL), 0);
	flush(mon);
	end(&t);
	for (int i = 0; i < 20000; i++) { /* joined, and for a moment still listed */
		s = snapshot(mon);
		if (s.guarantee[0].ended)
			break;
		np_snapshot_free(&s);
		usleep(1000);
	}
	assert_true(s.guarantee[0].ended);
	assert_int_equal(s.guarantee[0].violations, 0);
	np_snapshot_free(&s);
	destroy(mon);
}

static bool shown(struct numaperf_monitor *mon, int tid, struct numaperf_thread_activity *a)
{
	int err;

	for (size_t i = 0;; i++) {
		a->sz = sizeof(*a);
		err = numaperf_monitor_thread(mon, i, a);
		if (err == -ENOENT)
			return false;
		if (!err && a->tid == tid)
			return true;
	}
}

static void threads_and_their_time(void **state)
{
	struct numaperf_thread_activity a;
	struct numaperf_node_activity node = { .sz = sizeof(node) }, later = node;
	struct numaperf_thread_node part = { .sz = sizeof(part) };
	struct numaperf_monitor *mon = create();
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };
	struct sleeper s;

	(void)state;
	flush(mon);
	assert_true(shown(mon, np_gettid(), &a));
	start(&s);
	for (int i = 0; i < 2000; i++) { /* until a tick of ours is seen */
		for (volatile int spin = 0; spin < 1000000; spin++)
			;
		flush(mon);
		assert_true(shown(mon, np_gettid(), &a));
		if (a.run_time_ns)
			break;
	}
	assert_true(a.run_time_ns > 0);
	assert_int_equal(a.pid, getpid());
	assert_true(shown(mon, s.tid, &a));
	assert_int_equal(numaperf_monitor_node(mon, 0, &node), 0);
	assert_true(node.run_time_ns > 0);
	assert_int_equal(numaperf_monitor_thread_node(mon, 0, 0, &part), 0);
	assert_int_equal(numaperf_monitor_totals(mon, &t), 0);
	assert_true(t.threads_live >= 3);
	end(&s);
	for (int i = 0; i < 20000 && shown(mon, s.tid, &a); i++) {
		usleep(1000);
		flush(mon);
	}
	assert_false(shown(mon, s.tid, &a));
	assert_int_equal(numaperf_monitor_node(mon, 0, &later), 0);
	assert_true(later.run_time_ns >= node.run_time_ns); /* whoever is gone has run */
	destroy(mon);
}

static void more_threads_than_there_is_room_for(void **state)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };
	struct numaperf_monitor_opts o = sampler;
	struct numaperf_monitor *mon;

	(void)state;
	o.threads_max = 1;
	assert_int_equal(numaperf_monitor_create(&mon, topo, &o), 0);
	flush(mon);
	assert_int_equal(numaperf_monitor_totals(mon, &t), 0);
	assert_int_equal(t.threads_live, 1);
	assert_true(t.threads_lost >= 1);
	destroy(mon);
}

static void children_are_followed(void **state)
{
	struct numaperf_monitor_opts o = sampler;
	struct numaperf_thread_activity a;
	struct numaperf_monitor *mon;
	pid_t child = fork();

	(void)state;
	if (!child) {
		pid_t me = getpid(), below = fork();

		/* the signal is not sent for a parent that has ended before it is asked for */
		if (!below && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != me))
			_exit(0);
		pause();
		_exit(below < 0);
	}
	o.scope = NUMAPERF_SCOPE_PID;
	o.pid = child;
	assert_int_equal(numaperf_monitor_create(&mon, topo, &o), 0);
	flush(mon);
	assert_true(shown(mon, child, &a));
	assert_false(shown(mon, getpid(), &a));
	assert_int_equal(numaperf_monitor_watch_process(mon, getpid()), 0);
	flush(mon);
	assert_true(shown(mon, getpid(), &a));
	destroy(mon);
	/* its own child ends with the pipe of this test's process group at the latest */
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* ---- pages ---- */

static char *map_pages(void)
{
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 1, PAGES * PAGE);
	return p;
}

static void pages_that_went_astray(void **state)
{
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0);
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;
	char *p = map_pages();

	(void)state;
	assert_int_equal(numaperf_monitor_watch_range(mon, p, PAGES * PAGE, &node0, NULL), 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].last_look, 0);
	assert_int_equal(s.node[0].resident_pages, PAGES);
	assert_int_equal(s.guarantee[0].pages_absent, 0);
	np_snapshot_free(&s);
	__atomic_store_n(&stray_pages, 5, __ATOMIC_SEQ_CST);
	flush(mon);
	s = snapshot(mon); /* told once, however often it is looked at */
	assert_int_equal(s.guarantee[0].violations, 5);
	assert_int_equal(s.guarantee[0].last_look, -EXDEV);
	assert_int_equal(s.guarantee[0].to_node, 1);
	assert_int_equal(s.totals.violations, 5);
	assert_false(s.guarantee[0].baseline_broken);
	np_snapshot_free(&s);
	assert_int_equal(__atomic_load_n(&calls, __ATOMIC_SEQ_CST), 1);
	/* some cannot be seen for a while, which does not mean that they were back */
	__atomic_store_n(&unseen_pages, 3, __ATOMIC_SEQ_CST);
	flush(mon);
	__atomic_store_n(&unseen_pages, 0, __ATOMIC_SEQ_CST);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, 5);
	np_snapshot_free(&s);
	/* back, and astray once more */
	__atomic_store_n(&stray_pages, 0, __ATOMIC_SEQ_CST);
	flush(mon);
	__atomic_store_n(&stray_pages, 2, __ATOMIC_SEQ_CST);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, 7);
	np_snapshot_free(&s);
	destroy(mon);
	munmap(p, PAGES * PAGE);
}

static void a_baseline_that_is_broken(void **state)
{
	struct numaperf_nodemask node1 = numaperf_nodemask_single(1);
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;
	char *p = map_pages();
	uint64_t id;

	(void)state;
	assert_int_equal(numaperf_monitor_watch_range(mon, p, PAGES * PAGE, &node1, &id), 0);
	s = snapshot(mon);
	assert_true(s.guarantee[0].baseline_broken);
	assert_int_equal(s.guarantee[0].violations, PAGES);
	np_snapshot_free(&s);
	assert_int_equal(numaperf_monitor_next_violation(mon, &v), 1);
	assert_int_equal(v.count, PAGES);
	assert_ptr_equal(v.address, p);
	assert_int_equal(v.to_node, 0);
	/* unwatched: what was seen stays */
	assert_int_equal(numaperf_monitor_unwatch(mon, id), 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].violations, PAGES);
	assert_false(s.guarantee[0].ended);
	assert_true(s.guarantee[0].until_ns > 0);
	np_snapshot_free(&s);
	destroy(mon);
	munmap(p, PAGES * PAGE);
}

static void what_cannot_be_asked_is_no_good_news(void **state)
{
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0);
	struct numaperf_monitor *mon = create();
	struct np_snapshot s;
	char *p = map_pages();

	(void)state;
	__atomic_store_n(&refuse_moves, -ENOMEM, __ATOMIC_SEQ_CST);
	assert_int_equal(numaperf_monitor_watch_range(mon, p, PAGES * PAGE, &node0, NULL), 0);
	s = snapshot(mon);
	assert_int_equal(s.guarantee[0].last_look, -ENOMEM);
	assert_int_equal(s.guarantee[0].violations, 0);
	np_snapshot_free(&s);
	destroy(mon);
	munmap(p, PAGES * PAGE);
}

static void a_region_without_move_pages(void **state)
{
	struct numaperf_region_opts opts = { .sz = sizeof(opts),
					     .policy = NUMAPERF_POLICY_BIND,
					     .mode = NUMAPERF_STRICT_UNWITNESSED };
	struct numaperf_monitor *mon = create();
	struct numaperf_region *region;
	struct np_snapshot s;

	(void)state;
	numaperf_nodemask_set(&opts.nodes, 0);
	assert_int_equal(numaperf_region_create(&region, PAGES * PAGE, &opts), 0);
	__atomic_store_n(&refuse_moves, -EPERM, __ATOMIC_SEQ_CST);
	assert_int_equal(numaperf_monitor_watch_region(mon, region), 0);
	s = snapshot(mon); /* numa_maps knows its mapping */
	assert_int_equal(s.guarantee_count, 1);
	assert_int_equal(s.guarantee[0].last_look, 0);
	assert_int_equal(s.node[0].resident_pages, PAGES);
	np_snapshot_free(&s);
	numaperf_region_unref(region);
	s = snapshot(mon); /* the monitor has a reference of its own */
	assert_false(s.guarantee[0].ended);
	np_snapshot_free(&s);
	destroy(mon);
}

static void a_soft_region_is_only_counted(void **state)
{
	struct numaperf_monitor *mon = create();
	struct numaperf_region *region;
	struct np_snapshot s;

	(void)state;
	assert_int_equal(numaperf_region_create(&region, PAGES * PAGE, NULL), 0);
	memset(numaperf_region_data(region), 1, 3 * PAGE);
	assert_int_equal(numaperf_monitor_watch_region(mon, region), 0);
	assert_int_equal(numaperf_monitor_watch_region(mon, region), 0);
	assert_int_equal(numaperf_monitor_watch_region(mon, NULL), -EINVAL);
	__atomic_store_n(&stray_pages, 1, __ATOMIC_SEQ_CST);
	s = snapshot(mon);
	assert_int_equal(s.guarantee_count, 0);
	assert_true(s.node[0].resident_pages >= 2);
	assert_int_equal(s.totals.violations, 0);
	np_snapshot_free(&s);
	destroy(mon);
	numaperf_region_unref(region);
}

static void several_monitors_at_once(void **state)
{
	struct numaperf_nodemask node1 = numaperf_nodemask_single(1);
	struct numaperf_monitor *a = create(), *b = create();
	struct np_snapshot s;
	char *p = map_pages();

	(void)state;
	assert_int_equal(numaperf_monitor_watch_range(a, p, PAGES * PAGE, &node1, NULL), 0);
	s = snapshot(b);
	assert_int_equal(s.guarantee_count, 0);
	np_snapshot_free(&s);
	destroy(a);
	s = snapshot(b);
	assert_int_equal(s.totals.violations, 0);
	np_snapshot_free(&s);
	destroy(b);
	munmap(p, PAGES * PAGE);
}

static void a_snapshot_has_the_settings(void **state)
{
	struct numaperf_monitor *mon = create();
	struct np_snapshot s = snapshot(mon);

	(void)state;
	assert_int_equal(s.scope, NUMAPERF_SCOPE_SELF);
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.node_count, numaperf_topology_node_count(topo));
	assert_true(s.node[0].has_memory);
	assert_true(s.balancing >= -1);
	assert_true(s.now_ns >= s.since_ns);
	assert_int_equal(s.hook[NUMAPERF_METRIC_FAULTS].rung, NUMAPERF_RUNG_ABSENT);
	assert_true(numaperf_cpuset_empty(&s.offline_cpus));
	np_snapshot_free(&s);
	assert_null(s.node);
	destroy(mon);
}

/* ---- failures ---- */

static void creation_survives_each_failure(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM, -EMFILE, -EIO };
	int fds = fault_open_fds(), threads = fault_threads_settled();
	struct numaperf_monitor *mon;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		int err;

		fault_start(&plan);
		err = numaperf_monitor_create(&mon, topo, &sampler);
		if (!err)
			err = numaperf_monitor_destroy(mon);
		fault_stop();
		if (err)
			assert_true(plan.failed && numaperf_last_error()->code == err);
		assert_int_equal(fault_open_fds(), fds);
		/* the thread's calls go on as long as it lives: the creator's own are over */
		if (plan.hits > 400)
			break;
	}
	assert_true(fault_threads_are(threads));
}

static void watching_survives_each_failure(void **state)
{
	static const int errors[] = { -ENOMEM };
	struct numaperf_nodemask node0 = numaperf_nodemask_single(0);
	struct numaperf_monitor *mon;
	struct fault_plan plan;
	char *p = map_pages();

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct np_snapshot s;
		int err;

		plan.only = "alloc";
		fault_start(&plan);
		err = numaperf_monitor_create(&mon, topo, &sampler);
		if (!err) {
			err = numaperf_monitor_watch_range(mon, p, PAGES * PAGE, &node0, NULL);
			assert_true(!err || err == -ENOMEM);
			err = np_monitor_snapshot(mon, NP_FLUSH_NONE, &s);
			if (!err)
				np_snapshot_free(&s);
			numaperf_monitor_destroy(mon);
		}
		fault_stop();
		if (plan.hits > 400)
			break;
	}
	munmap(p, PAGES * PAGE);
}

/* ---- fork ---- */

static void in_the_child(void *arg)
{
	struct numaperf_node_activity a = { .sz = sizeof(a) };
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct numaperf_monitor *mon = arg;
	struct np_snapshot s;

	CHECK(numaperf_monitor_flush(mon, 10) == -EOWNERDEAD);
	CHECK(numaperf_monitor_node(mon, 0, &a) == -EOWNERDEAD);
	CHECK(numaperf_monitor_next_violation(mon, &v) == -EOWNERDEAD);
	CHECK(numaperf_monitor_fd(mon) == -EOWNERDEAD);
	CHECK(np_monitor_snapshot(mon, NP_FLUSH_ALL, &s) == -EOWNERDEAD);
	CHECK(numaperf_monitor_unwatch(mon, 1) == -EOWNERDEAD);
	CHECK(numaperf_monitor_destroy(mon) == 0);
	/* a new one works */
	CHECK(numaperf_monitor_create(&mon, topo, &sampler) == 0);
	CHECK(numaperf_monitor_flush(mon, 20000) == 0);
	CHECK(numaperf_monitor_destroy(mon) == 0);
}

static void __attribute__((unused)) a_forked_child_has_no_monitor(void **state)
{
	struct numaperf_monitor *mon = create();

	(void)state;
	assert_int_equal(child_run(in_the_child, mon), 0);
	flush(mon); /* the parent's is as it was */
	destroy(mon);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_affinity_changed_from_outside),
		TEST(a_thread_that_ends_has_not_violated),
		TEST(threads_and_their_time),
		TEST(more_threads_than_there_is_room_for),
		TEST(children_are_followed),
		TEST(pages_that_went_astray),
		TEST(a_baseline_that_is_broken),
		TEST(what_cannot_be_asked_is_no_good_news),
		TEST(a_region_without_move_pages),
		TEST(a_soft_region_is_only_counted),
		TEST(several_monitors_at_once),
		TEST(a_snapshot_has_the_settings),
		TEST(creation_survives_each_failure),
		TEST(watching_survives_each_failure),
#if !CHILD_TSAN /* it starts no threads after a fork of many */
		TEST(a_forked_child_has_no_monitor),
#endif
	};

	return cmocka_run_group_tests_name("monitor_sampler", tests, make_topology,
					   drop_topology);
}
