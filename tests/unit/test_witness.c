// SPDX-License-Identifier: MIT
/*
 * The programs on the kernel of this machine, through the monitor. What they count is held
 * against what the kernel itself counts: /proc/PID/task/TID/schedstat and sched.
 */
#include "../../lib/src/sys.h"
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <numaperf.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
/* cmocka wants these before it */
#include <cmocka.h>

static struct numaperf_topology *topo;
static bool witness; /* programs can be attached here */

#define NEED_WITNESS()                                                   \
 do {                                                                    \
  if (!witness) {                                                        \
   print_message("SKIP %s: no BPF program can be had here\n", __func__); \
   skip();                                                               \
  }                                                                      \
 } while (0)

/* ---- the test's own view of the kernel ---- */

static long long from_proc(int tid, const char *file, const char *key)
{
	char path[96], text[8192], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = key ? strstr(text, key) : text;
	if (!at)
		return -1;
	if (key)
		at = strchr(at, ':') + 1;
	return atoll(at);
}

static void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static void spin_ms(unsigned int ms)
{
	uint64_t end = np_clock_ns() + ms * 1000000ull;

	while (np_clock_ns() < end)
		;
}

static void go_to(int tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set))
		abort();
}

/* The first two CPUs that this process may use; false: there is only one. */
static bool two_cpus(int cpu[2])
{
	struct numaperf_cpuset all;

	numaperf_topology_allowed_cpus(topo, &all);
	cpu[0] = numaperf_cpuset_first(&all);
	cpu[1] = numaperf_cpuset_next(&all, cpu[0]);
	return cpu[1] >= 0;
}

/* ---- the monitor ---- */

static struct numaperf_monitor_opts opts(void)
{
	return (struct numaperf_monitor_opts){ .sz = sizeof(struct numaperf_monitor_opts),
					       .interval_ms = 20 };
}

static struct numaperf_monitor *open_with(const struct numaperf_monitor_opts *o)
{
	struct numaperf_monitor *mon = NULL;

	if (numaperf_monitor_create(&mon, topo, o))
		fail_msg("%s", numaperf_last_error()->message);
	return mon;
}

static void flush(struct numaperf_monitor *mon)
{
	assert_int_equal(numaperf_monitor_flush(mon, 5000), 0);
}

static bool find(struct numaperf_monitor *mon, int tid, struct numaperf_thread_activity *a)
{
	for (size_t i = 0;; i++) {
		int err;

		a->sz = sizeof(*a);
		err = numaperf_monitor_thread(mon, i, a);
		if (err == -ENOENT)
			return false;
		if (!err && a->tid == tid)
			return true;
	}
}

static struct numaperf_thread_activity activity(struct numaperf_monitor *mon, int tid)
{
	struct numaperf_thread_activity a;

	if (!find(mon, tid, &a))
		fail_msg("thread %d is not seen", tid);
	return a;
}

static struct numaperf_monitor_totals totals(const struct numaperf_monitor *mon)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };

	assert_int_equal(numaperf_monitor_totals(mon, &t), 0);
	return t;
}

/* ---- tests ---- */

static void root_on_a_kernel_with_btf_has_a_witness(void **state)
{
	struct numaperf_hook hook[NUMAPERF_METRIC_COUNT] = { { .sz = sizeof(hook[0]) } };

	(void)state;
	if (!child_is_root() || access("/sys/kernel/btf/vmlinux", R_OK)) {
		print_message("SKIP %s: not root, or no BTF\n", __func__);
		skip();
	}
	assert_int_equal(numaperf_probe_hooks(hook, NUMAPERF_METRIC_COUNT),
			 NUMAPERF_METRIC_COUNT);
	assert_true(hook[NUMAPERF_METRIC_RUN_TIME].rung >= NUMAPERF_RUNG_TP_BTF);
	assert_true(hook[NUMAPERF_METRIC_THREAD_MOVES].rung >= NUMAPERF_RUNG_TP_BTF);
	assert_true(hook[NUMAPERF_METRIC_PAGE_MOVES].rung >= NUMAPERF_RUNG_TP_BTF);
	assert_true(hook[NUMAPERF_METRIC_AFFINITY].rung >= NUMAPERF_RUNG_TP_BTF);
}

static void no_higher_than_asked(void **state)
{
	static const enum numaperf_rung limits[] = { NUMAPERF_RUNG_POLLING,
						     NUMAPERF_RUNG_TP_BTF };

	(void)state;
	NEED_WITNESS();
	for (size_t i = 0; i < 2; i++) {
		struct numaperf_monitor_opts o = opts();
		struct numaperf_monitor *mon;

		o.rung_max = limits[i];
		mon = open_with(&o);
		assert_int_equal(numaperf_monitor_sampler(mon),
				 limits[i] == NUMAPERF_RUNG_POLLING);
		for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
			struct numaperf_hook hook = { .sz = sizeof(hook) };

			assert_int_equal(numaperf_monitor_hook(mon, m, &hook), 0);
			assert_true(hook.rung <= limits[i]);
		}
		assert_int_equal(numaperf_monitor_destroy(mon), 0);
	}
}

static void run_time_is_the_schedulers(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_monitor *mon;
	long long before, ran;
	uint64_t seen;
	int tid = np_gettid();

	(void)state;
	NEED_WITNESS();
	mon = open_with(&o);
	sleep_ms(5); /* off the CPU and on again: from here on it is seen */
	before = from_proc(tid, "schedstat", NULL);
	seen = activity(mon, tid).run_time_ns;
	for (int i = 0; i < 20; i++) {
		spin_ms(10);
		sleep_ms(1);
	}
	ran = from_proc(tid, "schedstat", NULL) - before;
	seen = activity(mon, tid).run_time_ns - seen;
	assert_true(before >= 0);
	if (llabs((long long)seen - ran) > ran / 50 + 2000000)
		fail_msg("seen %llu ns, the scheduler says %lld", (unsigned long long)seen,
			 ran);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void moves_are_the_schedulers(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_thread_activity a, b;
	struct numaperf_monitor *mon;
	int tid = np_gettid(), cpu[2];
	long long before, moved;
	uint64_t all = 0;
	cpu_set_t was;

	(void)state;
	NEED_WITNESS();
	if (!two_cpus(cpu)) {
		print_message("SKIP %s: one CPU\n", __func__);
		skip();
	}
	sched_getaffinity(0, sizeof(was), &was);
	go_to(0, cpu[0]);
	mon = open_with(&o);
	sleep_ms(5);
	a = activity(mon, tid);
	before = from_proc(tid, "sched", "se.nr_migrations");
	for (int i = 0; i < 100; i++)
		go_to(0, cpu[(i + 1) % 2]);
	moved = from_proc(tid, "sched", "se.nr_migrations") - before;
	b = activity(mon, tid);
	sched_setaffinity(0, sizeof(was), &was);
	assert_int_equal(b.moves[NUMAPERF_MOVE_AFFINITY] - a.moves[NUMAPERF_MOVE_AFFINITY],
			 100);
	for (int c = 0; c < NUMAPERF_MOVE_CAUSES; c++)
		all += b.moves[c] - a.moves[c];
	if (before >= 0) /* CONFIG_SCHED_DEBUG */
		assert_int_equal(all, moved);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void pages_are_counted_where_they_land(void **state)
{
	enum {
		PAGES = 3000
	};
	struct numaperf_monitor_opts o = opts();
	struct numaperf_thread_activity a, b;
	struct numaperf_monitor *mon;
	int tid = np_gettid();
	uint64_t n;
	char *p;

	(void)state;
	NEED_WITNESS();
	mon = open_with(&o);
	p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
	p[0] = 1;
	a = activity(mon, tid);
	for (size_t i = 1; i <= PAGES - 1; i++)
		p[i * 4096] = 1;
	b = activity(mon, tid);
	n = b.faults_local + b.faults_remote - a.faults_local - a.faults_remote;
	assert_true(n >= PAGES - 1);
#ifndef NP_SANITIZE /* with one, each page is followed by some of shadow memory */
	if (n > PAGES - 1 + PAGES / 100)
		fail_msg("%llu pages, %d were touched", (unsigned long long)n, PAGES - 1);
#endif
	munmap(p, PAGES * 4096);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void *spin_until(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

struct spinner {
	int tid, stop, cpu;
	pthread_t thread;
};

static void *spinner_main(void *arg)
{
	struct spinner *s = arg;

	go_to(0, s->cpu);
	__atomic_store_n(&s->tid, np_gettid(), __ATOMIC_RELEASE);
	return spin_until(&s->stop);
}

static void spinner_start(struct spinner *s, int cpu)
{
	*s = (struct spinner){ .cpu = cpu };
	assert_int_equal(pthread_create(&s->thread, NULL, spinner_main, s), 0);
	while (!__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void spinner_stop(struct spinner *s)
{
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
}

static void a_pin_that_holds(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_cpuset cpus;
	struct numaperf_monitor *mon;
	struct spinner s;
	int cpu[2];

	(void)state;
	NEED_WITNESS();
	two_cpus(cpu);
	spinner_start(&s, cpu[0]);
	mon = open_with(&o);
	cpus = numaperf_cpuset_single(cpu[0]);
	assert_int_equal(numaperf_monitor_watch_thread(mon, s.tid, &cpus, NULL), 0);
	sleep_ms(200);
	flush(mon);
	assert_int_equal(totals(mon).violations, 0);
	spinner_stop(&s);
	flush(mon);
	assert_int_equal(totals(mon).violations, 0);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void a_pin_that_somebody_breaks(void **state)
{
	struct numaperf_violation v = { .sz = sizeof(v) };
	struct numaperf_monitor_opts o = opts();
	struct numaperf_cpuset cpus;
	struct numaperf_monitor *mon;
	bool seen = false;
	struct spinner s;
	int cpu[2];
	pid_t child;

	(void)state;
	NEED_WITNESS();
	if (!two_cpus(cpu)) {
		print_message("SKIP %s: one CPU\n", __func__);
		skip();
	}
	spinner_start(&s, cpu[0]);
	mon = open_with(&o);
	cpus = numaperf_cpuset_single(cpu[0]);
	assert_int_equal(numaperf_monitor_watch_thread(mon, s.tid, &cpus, NULL), 0);
	flush(mon);
	child = fork();
	if (!child) {
		prctl(PR_SET_NAME, "np-culprit");
		go_to(s.tid, cpu[1]);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	sleep_ms(50);
	flush(mon);
	while (numaperf_monitor_next_violation(mon, &v) == 1) {
		if (v.kind != NUMAPERF_VIOLATION_CPU)
			continue;
		seen = true;
		assert_int_equal(v.tid, s.tid);
		assert_int_equal(v.from_cpu, cpu[0]);
		assert_int_equal(v.to_cpu, cpu[1]);
		assert_int_equal(v.move_cause, NUMAPERF_MOVE_AFFINITY);
		assert_string_equal(v.actor, "np-culprit");
		/* a process that the monitor does not watch, by its own id all the same */
		assert_int_equal(v.actor_pid, child);
		assert_non_null(strstr(v.message, "np-culprit"));
	}
	assert_true(seen);
	spinner_stop(&s);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void *short_life(void *arg)
{
	(void)arg;
	sched_yield();
	return NULL;
}

/* Slots of threads that are gone serve again. */
static void threads_come_and_go(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_monitor_totals t;
	struct numaperf_monitor *mon;

	(void)state;
	NEED_WITNESS();
	o.threads_max = 128;
	mon = open_with(&o);
	for (int wave = 0; wave < 12; wave++) {
		pthread_t thread[40];

		for (int i = 0; i < 40; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, short_life, NULL), 0);
		for (int i = 0; i < 40; i++)
			pthread_join(thread[i], NULL);
		for (int i = 0; i < 4; i++) {
			sleep_ms(25);
			flush(mon);
		}
	}
	t = totals(mon);
	assert_int_equal(t.threads_lost, 0);
	assert_true(t.threads_seen >= 480);
	assert_true(t.threads_live < 40);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

/* A thread gives itself a name once it runs, as threads of pools do. */
static void a_new_name_is_known(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_monitor *mon;
	char before[16];

	(void)state;
	NEED_WITNESS();
	mon = open_with(&o);
	sleep_ms(1);
	prctl(PR_GET_NAME, before);
	assert_string_equal(activity(mon, (int)np_gettid()).comm, before);
	prctl(PR_SET_NAME, "np-renamed");
	assert_string_equal(activity(mon, (int)np_gettid()).comm, "np-renamed");
	prctl(PR_SET_NAME, before);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void more_threads_than_room_are_counted(void **state)
{
	struct numaperf_monitor_opts o = opts();
	pthread_t thread[60];
	struct numaperf_monitor *mon;
	int stop = 0;

	(void)state;
	NEED_WITNESS();
	o.threads_max = 16;
	mon = open_with(&o);
	for (int i = 0; i < 60; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, spin_until, &stop), 0);
	sleep_ms(50);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 60; i++)
		pthread_join(thread[i], NULL);
	assert_true(totals(mon).threads_lost > 0);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void two_monitors_see_the_same(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_monitor *one, *two;
	uint64_t a, b, a0, b0;
	int tid = np_gettid();

	(void)state;
	NEED_WITNESS();
	one = open_with(&o);
	two = open_with(&o);
	sleep_ms(5);
	a0 = activity(one, tid).run_time_ns;
	b0 = activity(two, tid).run_time_ns;
	spin_ms(100);
	sleep_ms(5);
	a = activity(one, tid).run_time_ns - a0;
	b = activity(two, tid).run_time_ns - b0;
	if (llabs((long long)a - (long long)b) > (long long)a / 50 + 1000000)
		fail_msg("%llu ns and %llu ns", (unsigned long long)a, (unsigned long long)b);
	assert_int_equal(numaperf_monitor_destroy(one), 0);
	spin_ms(5);
	assert_true(activity(two, tid).run_time_ns - b0 > b);
	assert_int_equal(numaperf_monitor_destroy(two), 0);
}

/* A child that sleeps in between, so that it is seen coming and going. */
static pid_t busy_child(void)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		spin_ms(2);
		sleep_ms(1);
	}
}

static void end_child(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void another_process(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_thread_activity a;
	struct numaperf_monitor *mon;
	pid_t child, other;

	(void)state;
	NEED_WITNESS();
	child = busy_child();
	other = busy_child();
	o.scope = NUMAPERF_SCOPE_PID;
	o.pid = child;
	mon = open_with(&o);
	sleep_ms(50);
	assert_true(activity(mon, child).run_time_ns > 0);
	assert_false(find(mon, other, &a));
	assert_false(find(mon, getpid(), &a));
	assert_int_equal(numaperf_monitor_watch_process(mon, other), 0);
	sleep_ms(50);
	assert_true(activity(mon, other).run_time_ns > 0);
	end_child(child);
	sleep_ms(10);
	if (find(mon, child, &a))
		assert_true(a.exited);
	end_child(other);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void a_child_that_becomes_another_program(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_thread_activity a;
	struct numaperf_monitor *mon;
	int go[2];
	pid_t child;
	char c;

	(void)state;
	NEED_WITNESS();
	assert_int_equal(pipe(go), 0);
	child = fork();
	if (!child) {
		pid_t below;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		below = fork();
		if (!below) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			execlp("sleep", "sleep", "30", NULL);
			_exit(127);
		}
		prctl(PR_SET_NAME, "np-parent");
		waitpid(below, NULL, 0);
		_exit(0);
	}
	o.scope = NUMAPERF_SCOPE_PID;
	o.pid = child;
	mon = open_with(&o);
	assert_int_equal(write(go[1], "x", 1), 1);
	for (int i = 0, seen = 0; !seen; i++) {
		for (size_t n = 0;; n++) {
			int err;

			a.sz = sizeof(a);
			err = numaperf_monitor_thread(mon, n, &a);
			if (err == -ENOENT)
				break;
			if (!err && a.pid != child && !strcmp(a.comm, "sleep"))
				seen = 1;
		}
		assert_true(i < 200);
		sleep_ms(10);
	}
	end_child(child);
	close(go[0]);
	close(go[1]);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

static void the_whole_machine(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_monitor *mon;
	pid_t child;

	(void)state;
	NEED_WITNESS();
	child = busy_child();
	o.scope = NUMAPERF_SCOPE_SYSTEM;
	mon = open_with(&o);
	assert_false(numaperf_monitor_sampler(mon));
	sleep_ms(50);
	flush(mon);
	assert_true(activity(mon, child).run_time_ns > 0);
	end_child(child);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
}

/* A cgroup of version 2 of the test's own, or NULL. */
static const char *make_cgroup(char *path, size_t size)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, size, "%s/cgroup.controllers", roots[i]);
		if (access(path, R_OK))
			continue;
		snprintf(path, size, "%s/numaperf-test-%d", roots[i], getpid());
		if (!mkdir(path, 0755))
			return path;
	}
	return NULL;
}

static void one_cgroup(void **state)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_thread_activity a;
	struct numaperf_monitor *mon;
	char path[128], procs[160], pid[16];
	pid_t in, out;
	int fd;

	(void)state;
	NEED_WITNESS();
	if (!make_cgroup(path, sizeof(path))) {
		print_message("SKIP %s: no cgroup of version 2 can be made here\n", __func__);
		skip();
	}
	in = busy_child();
	out = busy_child();
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	snprintf(pid, sizeof(pid), "%d", in);
	fd = open(procs, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pid, strlen(pid)), (ssize_t)strlen(pid));
	close(fd);
	o.scope = NUMAPERF_SCOPE_CGROUP;
	o.cgroup = path;
	mon = open_with(&o);
	assert_false(numaperf_monitor_sampler(mon));
	sleep_ms(50);
	assert_true(activity(mon, in).run_time_ns > 0);
	assert_false(find(mon, out, &a));
	end_child(in);
	end_child(out);
	assert_int_equal(numaperf_monitor_destroy(mon), 0);
	for (int i = 0; i < 100 && rmdir(path); i++)
		sleep_ms(10);
}

#if !CHILD_TSAN /* it starts no threads after a fork of many */

static void count_without_privilege(void *arg)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_capabilities caps = { .sz = sizeof(caps) };
	struct numaperf_thread_activity a = { 0 }, b = { 0 };
	struct numaperf_monitor *mon;
	char *p;

	(void)arg;
	o.drop_capabilities = true;
	CHECK(!numaperf_monitor_create(&mon, topo, &o));
	CHECK(!numaperf_monitor_sampler(mon));
	numaperf_capabilities_detect(&caps);
	CHECK(!caps.cap_sys_admin && !caps.cap_bpf && !caps.cap_perfmon);
	p = mmap(NULL, 1000 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	madvise(p, 1000 * 4096, MADV_NOHUGEPAGE);
	p[0] = 1;
	CHECK(find(mon, np_gettid(), &a));
	for (size_t i = 1; i < 1000; i++)
		p[i * 4096] = 1;
	CHECK(find(mon, np_gettid(), &b));
	CHECK(b.faults_local + b.faults_remote - a.faults_local - a.faults_remote >= 999);
	CHECK(!numaperf_monitor_flush(mon, 5000));
	CHECK(!numaperf_monitor_destroy(mon));
}

static void counting_goes_on_without_capabilities(void **state)
{
	(void)state;
	NEED_WITNESS();
	assert_int_equal(child_run(count_without_privilege, NULL), 0);
}

/* Process 1 of a namespace of its own, with a /proc of its own. */
static void watch_inside(void)
{
	struct numaperf_monitor_opts o = opts();
	struct numaperf_thread_activity a = { 0 };
	struct numaperf_monitor *mon;
	pid_t child;

	CHECK(!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK(!mount("proc", "/proc", "proc", 0, NULL));
	CHECK(getpid() == 1);
	child = busy_child();
	o.scope = NUMAPERF_SCOPE_PID;
	o.pid = child;
	CHECK(!numaperf_monitor_create(&mon, topo, &o));
	CHECK(!numaperf_monitor_sampler(mon));
	sleep_ms(50);
	CHECK(find(mon, child, &a));
	CHECK(a.run_time_ns > 0 && a.pid == child);
	end_child(child);
	CHECK(!numaperf_monitor_destroy(mon));
}

static void in_a_pid_namespace(void *arg)
{
	pid_t child;
	int status;

	(void)arg;
	CHECK(!unshare(CLONE_NEWPID | CLONE_NEWNS));
	child = fork();
	if (!child) {
		watch_inside();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && !status);
}

static void process_ids_are_those_of_the_container(void **state)
{
	(void)state;
	NEED_WITNESS();
	assert_int_equal(child_run(in_a_pid_namespace, NULL), 0);
}

#endif

static int set_up(void **state)
{
	struct numaperf_hook hook[NUMAPERF_METRIC_COUNT] = { { .sz = sizeof(hook[0]) } };

	(void)state;
	if (numaperf_topology_discover(&topo))
		return -1;
	witness = numaperf_probe_hooks(hook, NUMAPERF_METRIC_COUNT) > 0 &&
		  hook[NUMAPERF_METRIC_RUN_TIME].rung >= NUMAPERF_RUNG_TP_BTF;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_on_a_kernel_with_btf_has_a_witness),
		cmocka_unit_test(no_higher_than_asked),
		cmocka_unit_test(run_time_is_the_schedulers),
		cmocka_unit_test(moves_are_the_schedulers),
		cmocka_unit_test(pages_are_counted_where_they_land),
		cmocka_unit_test(a_pin_that_holds),
		cmocka_unit_test(a_pin_that_somebody_breaks),
		cmocka_unit_test(threads_come_and_go),
		cmocka_unit_test(a_new_name_is_known),
		cmocka_unit_test(more_threads_than_room_are_counted),
		cmocka_unit_test(two_monitors_see_the_same),
		cmocka_unit_test(another_process),
		cmocka_unit_test(a_child_that_becomes_another_program),
		cmocka_unit_test(the_whole_machine),
		cmocka_unit_test(one_cgroup),
#if !CHILD_TSAN
		cmocka_unit_test(counting_goes_on_without_capabilities),
		cmocka_unit_test(process_ids_are_those_of_the_container),
#endif
	};

	return cmocka_run_group_tests_name("witness", tests, set_up, tear_down);
}
