/* SPDX-License-Identifier: MIT */
/*
 * The half of witness_advice.c that is watched, a process of its own: it does deeds and does
 * not undo them, which is left to whoever reads the reports. Of each deed there is a report
 * from before and one from after it, and a fresh one of the same monitor for each "r" on stdin,
 * until "n" asks for the next deed: FOLDER/N.txt and FOLDER/N.json, then N on stdout.
 *
 * Beside the one that suffers stands one that nothing is done to, a thread on the first CPU of
 * node 1 (its label: "beside=LABEL") and, where asked for, a range of 64 KiB on node 1: a
 * remedy must leave them alone.
 */
#ifndef NP_WITNESS_DEEDS_H
#define NP_WITNESS_DEEDS_H

#include "witness_provoke.h"

#include <sys/wait.h>

/* ---- deeds that go on, unlike those of witness_provoke.h ---- */

static void switch_on(void)
{
	balancing("1");
}

static void balanced_away(void)
{
	uint64_t end = now_ns() + 40000000000u;

	balancing("1");
	while (now_ns() < end && pages_on(area, pages, AWAY) < pages)
		for (int i = 0; i < 20; i++)
			touch(area, pages);
}

/* Memory that the program itself binds elsewhere than it promised. */
static void fault_away(void)
{
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, away, 0), "mbind");
	touch(area, pages);
}

static void untouched(void)
{
	area = map(pages * PAGE, PAGE);
}

static void into_wide_cgroup(void)
{
	into_cgroup();
	helper_write(&helper, CGROUP "/cpuset.mems", "0-1", false);
}

/* Both levels are set, and it is the upper one that shrinks. */
static void into_nested_cgroup(void)
{
	mkdir(CGROUP, 0755);
	write_cpus(-1, false);
	need(write_file(CGROUP "/cgroup.subtree_control", "+cpuset"), "subtree_control");
	mkdir(CGROUP "/below", 0755);
	helper_write(&helper, CGROUP "/below/cpuset.cpus", "0-3", false);
	need(write_file(CGROUP "/below/cgroup.procs", "0"), CGROUP);
	pin_me(HOME);
	home();
}

static void out_of_nested_cgroup(void)
{
	need(write_file("/sys/fs/cgroup/cgroup.procs", "0"), "cgroup.procs");
	rmdir(CGROUP "/below");
	rmdir(CGROUP);
}

static const struct provocation deeds[] = {
	{ "balancing", home, switch_on, NULL },
	{ "balanced-away", hinting_home, balanced_away, NULL },
	{ "fault-away", untouched, fault_away, NULL },
	{ "cpuset-mems-wide", into_wide_cgroup, cpuset_mems, out_of_cgroup },
	{ "cpuset-above", into_nested_cgroup, cpuset_cpus, out_of_nested_cgroup },
};

static const struct provocation *find(const char *name)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (!strcmp(name, deeds[i].name))
			return &deeds[i];
	for (size_t i = 0; i < sizeof(provocations) / sizeof(provocations[0]); i++)
		if (!strcmp(name, provocations[i].name))
			return &provocations[i];
	die("no deed %s", name);
}

/* ---- beside ---- */

static int beside_tid;
static sem_t beside_there;

static void *stand_by(void *arg)
{
	beside_tid = my_tid();
	sem_post(&beside_there);
	for (;;)
		pause();
	return arg;
}

static void start_beside(void)
{
	pthread_t thread;

	sem_init(&beside_there, 0, 0);
	need(!pthread_create(&thread, NULL, stand_by, NULL), "pthread_create");
	sem_wait(&beside_there);
}

/* After the deed's preparations: on 6.1 a cpuset takes pins away. */
static void watch_beside(struct numaperf_monitor *mon, bool range, uint64_t id[2])
{
	struct numaperf_nodemask nodes = numaperf_nodemask_single(AWAY);
	struct numaperf_cpuset cpus, one;
	char *p;

	cpus_of(topo, AWAY, &cpus);
	numaperf_cpuset_zero(&one);
	numaperf_cpuset_set(&one, numaperf_cpuset_first(&cpus));
	need(!raw_pin(beside_tid, &one), "sched_setaffinity");
	need(!numaperf_monitor_watch_thread(mon, beside_tid, &one, &id[0]), "beside");
	printf("beside=thread %d\n", beside_tid);
	if (!range)
		return;
	/* not map(): the deed's own is to be unmapped */
	p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(p != MAP_FAILED && !raw_mbind(p, 16 * PAGE, MPOL_BIND, AWAY, 0), "mbind");
	touch(p, 16);
	need(!numaperf_monitor_watch_range(mon, p, 16 * PAGE, &nodes, &id[1]), "range beside");
}

/* ---- reports ---- */

static void save(const struct numaperf_report *r, enum numaperf_format format,
		 const char *folder, int n)
{
	int length = numaperf_report_format(r, format, NULL, 0);
	char *text = length < 0 ? NULL : malloc((size_t)length + 1), path[256];
	FILE *f;

	need(text && numaperf_report_format(r, format, text, (size_t)length + 1) == length,
	     "format");
	snprintf(path, sizeof(path), "%s/%d.%s", folder, n,
		 format == NUMAPERF_FORMAT_JSON ? "json" : "txt");
	f = fopen(path, "we");
	need(f && fputs(text, f) >= 0 && !fclose(f), path);
	free(text);
}

static void report(struct numaperf_monitor *mon, const char *folder, int n)
{
	struct numaperf_report *r;

	need(!numaperf_monitor_flush(mon, 30000), "flush");
	need(!numaperf_report_create(&r, mon), "report");
	save(r, NUMAPERF_FORMAT_TEXT, folder, n);
	save(r, NUMAPERF_FORMAT_JSON, folder, n);
	numaperf_report_destroy(r);
	printf("%d\n", n);
	fflush(stdout);
}

static void set_out(void)
{
	area = NULL;
	pages = PAGES;
	did_from = HOME;
	did_to = away;
	balancing("0");
	raw_mempolicy(-1);
	pin_me(HOME);
	cpus_of(topo, HOME, &watched_cpus);
	watched_nodes = numaperf_nodemask_single(HOME);
}

static int made; /* reports */

static void one_deed(struct numaperf_monitor *mon, const char *folder, const char *name,
		     bool range)
{
	const struct provocation *what = find(name);
	uint64_t id[4] = { 0 };
	char c = 'n';

	set_out();
	what->prepare();
	watch_beside(mon, range, id);
	need(!numaperf_monitor_watch_thread(mon, my_tid(), &watched_cpus, &id[2]), "thread");
	if (area)
		need(!numaperf_monitor_watch_range(mon, area, pages * PAGE, &watched_nodes,
						   &id[3]),
		     "range");
	report(mon, folder, made++);
	what->act();
	report(mon, folder, made++);
	while (read(0, &c, 1) == 1 && c != 'n')
		if (c == 'r')
			report(mon, folder, made++);
	for (int i = 0; i < 4; i++)
		need(!id[i] || !numaperf_monitor_unwatch(mon, id[i]), "unwatch");
	unmap();
	if (what->undo)
		what->undo();
}

/* What the watched process does from its first to its last. */
struct deed {
	const char *name;
	bool range; /* there is a range beside it */
};

static int do_deeds(enum numaperf_rung rung, const char *folder, const struct deed *deed,
		    size_t count)
{
	struct numaperf_monitor_opts opts = { .sz = sizeof(opts), .rung_max = rung };
	struct numaperf_monitor *mon;

	helper = helper_start();
	prctl(PR_SET_NAME, "np-witness");
	need(!numaperf_topology_discover(&topo), "topology");
	start_beside();
	need(!numaperf_monitor_create(&mon, topo, &opts), "monitor");
	for (size_t i = 0; i < count; i++)
		one_deed(mon, folder, deed[i].name, deed[i].range);
	numaperf_monitor_destroy(mon);
	close(helper.orders);
	waitpid(helper.pid, NULL, 0);
	numaperf_topology_unref(topo);
	return 0;
}

#endif
