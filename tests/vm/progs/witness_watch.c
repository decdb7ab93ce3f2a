/* SPDX-License-Identifier: MIT */
/*
 * witness_watch RUNG PROVOCATION [PAGES]: opens a monitor of itself that climbs no higher than
 * RUNG (fentry, tp_btf, polling), watches a range and itself as a thread, does the deed with
 * raw system calls or lets the helper do it, and says what it did and what the monitor saw:
 *
 *	did=PROVOCATION addr= pages= from= to= culprit= tid=	ground truth
 *	and what witness_say.h lists
 *
 * Pages begin on node 0, the thread on its CPUs; the other node is 1.
 */
#include "witness_say.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef MADV_COLLAPSE
# define MADV_COLLAPSE 25
#endif

#define CGROUP "/sys/fs/cgroup/witness"
#define DEBUG  "/sys/kernel/debug/sched/numa_balancing/"
#define KSM    "/sys/kernel/mm/ksm/"

enum {
	HOME = 0,
	AWAY = 1
};

static struct numaperf_topology *topo;
static struct helper helper;
static char *area; /* of which [area, area + pages) is watched */
static size_t pages = 256;
static struct numaperf_cpuset watched_cpus; /* empty: HOME's */
static struct numaperf_nodemask watched_nodes;

/* the truth */
static char *did_addr;
static size_t did_pages;
static int did_culprit, did_from = HOME, did_to = AWAY;

static void pin_me(int node)
{
	struct numaperf_cpuset cpus;

	cpus_of(topo, node, &cpus);
	need(!raw_pin(0, &cpus), "sched_setaffinity");
	sched_yield();
}

static void did(char *addr, size_t n, int culprit)
{
	did_addr = addr;
	did_pages = n;
	did_culprit = culprit;
}

/* ---- memory at home ---- */

static void home(void)
{
	area = map(pages * PAGE, PAGE);
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, HOME, 0), "mbind");
	touch(area, pages);
}

static void nothing(void)
{
	for (int i = 0; i < 100; i++)
		sched_yield();
	touch(area, pages);
	did(NULL, 0, 0);
}

static void page_move(void)
{
	did(area, pages, getpid());
	need(!raw_move(0, area, pages, AWAY, MPOL_MF_MOVE), "move_pages");
}

static void move_and_back(void)
{
	page_move();
	need(!raw_move(0, area, pages, HOME, MPOL_MF_MOVE), "move_pages");
}

static void foreign_move(void)
{
	struct order o = { .kind = ORDER_MIGRATE, .id = getpid(), .from = HOME, .to = AWAY };

	did(area, pages, helper.pid);
	helper_do(&helper, &o, false);
}

static void foreign_move_pages(void)
{
	struct order o = {
		.kind = ORDER_MOVE, .id = getpid(), .to = AWAY, .addr = area, .pages = pages
	};

	did(area, pages, helper.pid);
	helper_do(&helper, &o, false);
}

static void mbind_move(void)
{
	did(area, pages, getpid());
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, AWAY, MPOL_MF_MOVE), "mbind");
}

/* ---- faults ---- */

static void bound_to(int node)
{
	area = map(pages * PAGE, PAGE);
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, node, 0), "mbind");
}

static void bound_away(void)
{
	bound_to(AWAY);
}

static void bound_home(void)
{
	bound_to(HOME);
}

static void fault(void)
{
	did(area, pages, getpid());
	touch(area, pages);
}

static void local_fault(void)
{
	fault();
	did_to = HOME;
}

static void huge_away(void)
{
	pages = 2 * HUGE / PAGE;
	area = map(pages * PAGE, HUGE);
	need(!madvise(area, pages * PAGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, AWAY, 0), "mbind");
}

static void hugetlb_away(void)
{
	need(write_file(
		     "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
		     "2"),
	     "nr_hugepages");
	pages = 2 * HUGE / PAGE;
	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	need(area != MAP_FAILED, "MAP_HUGETLB");
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, AWAY, 0), "mbind");
}

/* A file whose pages are on the other node, in the page cache. */
static int file_fd;

static void file_away(void)
{
	char block[PAGE];

	area = NULL;
	memset(block, 0xc3, sizeof(block));
	mkdir("/run/np-file", 0700);
	need(!mount("np", "/run/np-file", "tmpfs", 0, "mpol=bind:1"), "mount");
	file_fd = open("/run/np-file/data", O_RDWR | O_CREAT, 0700);
	for (size_t i = 0; i < pages; i++)
		need(write(file_fd, block, sizeof(block)) == (ssize_t)sizeof(block), "write");
}

static void file_fault(void)
{
	static const int how[] = { PROT_READ, PROT_READ | PROT_EXEC };

	for (int i = 0; i < 2; i++) {
		volatile char *p = mmap(NULL, pages * PAGE, how[i], MAP_SHARED, file_fd, 0);

		need(p != MAP_FAILED, "mmap");
		did((char *)p, pages, getpid());
		for (size_t k = 0; k < pages; k++)
			(void)p[k * PAGE];
	}
}

/* ---- balancing ---- */

static void quick_balancing(void)
{
	need(write_file(DEBUG "scan_delay_ms", "10"), DEBUG);
	need(write_file(DEBUG "scan_period_min_ms", "20"), DEBUG);
	need(write_file(DEBUG "scan_period_max_ms", "50"), DEBUG);
}

static void hinting_home(void)
{
	area = map(pages * PAGE, PAGE);
	touch(area, pages); /* first touch, no policy */
	need(pages_on(area, pages, HOME) == pages, "pages begin elsewhere");
	quick_balancing();
	pin_me(AWAY);
	cpus_of(topo, AWAY, &watched_cpus);
}

static void hinting(void)
{
	uint64_t end = now_ns() + 20000000000u;

	balancing("1");
	while (now_ns() < end) {
		for (int i = 0; i < 20; i++)
			touch(area, pages);
		if (pages_on(area, pages, AWAY) == pages)
			break;
	}
	balancing("0");
	did(area, pages_on(area, pages, AWAY), getpid());
}

static void numa_away(void)
{
	area = map(pages * PAGE, PAGE);
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND | MPOL_F_NUMA_BALANCING, AWAY, 0),
	     "mbind");
	touch(area, pages);
	quick_balancing();
	numaperf_nodemask_zero(&watched_nodes);
	numaperf_nodemask_set(&watched_nodes, AWAY);
}

static void numa_task_move(void)
{
	uint64_t end = now_ns() + 40000000000u;

	did(NULL, 0, getpid());
	balancing("1");
	pin_me(-1);
	while (now_ns() < end && node_here() == HOME)
		for (int i = 0; i < 20; i++)
			touch(area, pages);
	balancing("0");
}

/* ---- CPUs ---- */

static void affinity_by(bool spin)
{
	struct order o = { .kind = ORDER_PIN, .id = my_tid() };

	cpus_of(topo, AWAY, &o.cpus);
	did(NULL, 0, helper.pid);
	helper_do(&helper, &o, spin);
}

static void affinity(void)
{
	affinity_by(true);
}

static void affinity_asleep(void)
{
	affinity_by(false);
}

static void affinity_self(void)
{
	did(NULL, 0, getpid());
	pin_me(AWAY);
}

static void write_list(const char *path, int node)
{
	struct numaperf_cpuset cpus;
	char list[64];

	cpus_of(topo, node, &cpus);
	numaperf_cpuset_format(&cpus, list, sizeof(list));
	helper_write(&helper, path, list, false);
}

static void into_cgroup(void)
{
	home();
	mkdir(CGROUP, 0755);
	write_list(CGROUP "/cpuset.cpus", -1);
	helper_write(&helper, CGROUP "/cpuset.mems", "0", false);
	need(write_file(CGROUP "/cgroup.procs", "0"), CGROUP);
	pin_me(HOME);
}

static void cpuset_cpus(void)
{
	struct numaperf_cpuset cpus;
	char list[64];

	cpus_of(topo, AWAY, &cpus);
	numaperf_cpuset_format(&cpus, list, sizeof(list));
	did(NULL, 0, helper.pid);
	helper_write(&helper, CGROUP "/cpuset.cpus", list, true);
}

/* A worker of the kernel's moves the pages, some time after the write. */
static void cpuset_mems(void)
{
	did(area, pages, 0);
	helper_write(&helper, CGROUP "/cpuset.mems", "1", false);
	for (int i = 0; i < 100 && pages_on(area, pages, AWAY) < pages; i++)
		usleep(100000);
}

static void two_cgroups(void)
{
	home();
	mkdir(CGROUP, 0755);
	write_list(CGROUP "/cpuset.cpus", AWAY);
}

static void cgroup_move(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	did(NULL, 0, helper.pid);
	helper_write(&helper, CGROUP "/cgroup.procs", pid, true);
}

static int last_cpu;
static char online[64];

static void on_last_cpu(void)
{
	struct numaperf_cpuset cpus;

	home();
	cpus_of(topo, AWAY, &cpus);
	NUMAPERF_CPUSET_FOR_EACH (cpu, &cpus)
		last_cpu = cpu;
	numaperf_cpuset_zero(&watched_cpus);
	numaperf_cpuset_set(&watched_cpus, last_cpu);
	need(!raw_pin(0, &watched_cpus), "sched_setaffinity");
	sched_yield();
	snprintf(online, sizeof(online), "/sys/devices/system/cpu/cpu%d/online", last_cpu);
}

static void hot_unplug(void)
{
	did(NULL, 0, helper.pid);
	did_from = AWAY;
	did_to = node_here();
	helper_write(&helper, online, "0", true);
	did_to = node_here();
	printf("cpu=%d\n", last_cpu);
}

/* ---- huge pages made, pages merged ---- */

/* Of one huge extent the watched part is at home, the larger rest away. */
static void collapse_home(bool tail)
{
	size_t part = 200, all = HUGE / PAGE;
	char *extent = map(HUGE, HUGE);

	area = tail ? extent + (all - part) * PAGE : extent;
	pages = part;
	touch(area, pages);
	raw_mempolicy(AWAY);
	touch(extent, all);
	raw_mempolicy(-1);
	need(pages_on(area, pages, HOME) == pages, "pages begin elsewhere");
	need(!madvise(extent, HUGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
}

static void collapse_head(void)
{
	collapse_home(false);
}

static void collapse_tail(void)
{
	collapse_home(true);
}

static void collapse(void)
{
	char *extent = (char *)((uintptr_t)area / HUGE * HUGE);

	need(!madvise(extent, HUGE, MADV_COLLAPSE), "MADV_COLLAPSE");
	did(area, pages_on(area, pages, AWAY), getpid());
}

static void ksm_home(void)
{
	area = map(2 * pages * PAGE, PAGE);
	for (size_t i = 0; i < 2 * pages; i++) {
		if (i == pages)
			raw_mempolicy(AWAY);
		memset(area + i * PAGE, 0x5a, PAGE);
		memcpy(area + i * PAGE + 8, &(size_t){ i % pages }, sizeof(size_t));
	}
	raw_mempolicy(-1);
	need(pages_on(area, pages, HOME) == pages, "pages begin elsewhere");
}

static void ksm(void)
{
	need(write_file(KSM "merge_across_nodes", "1"), "merge_across_nodes");
	need(write_file(KSM "sleep_millisecs", "10"), "ksm");
	need(write_file(KSM "pages_to_scan", "2000"), "ksm");
	need(!madvise(area, 2 * pages * PAGE, MADV_MERGEABLE), "MADV_MERGEABLE");
	need(write_file(KSM "run", "1"), "ksm");
	for (int i = 0; i < 150; i++) {
		FILE *f = fopen(KSM "pages_sharing", "re");
		size_t sharing = 0;

		if (!f || fscanf(f, "%zu", &sharing) != 1)
			die("pages_sharing");
		fclose(f);
		if (sharing >= pages)
			break;
		usleep(100000);
	}
	write_file(KSM "run", "0");
	did(area, pages_on(area, pages, AWAY), 0);
}

/* ---- all of them ---- */

static const struct provocation {
	const char *name;
	void (*prepare)(void), (*act)(void);
} provocations[] = {
	{ "none", home, nothing },
	{ "remote-fault", bound_away, fault },
	{ "local-fault", bound_home, local_fault },
	{ "huge-fault", huge_away, fault },
	{ "hugetlb-fault", hugetlb_away, fault },
	{ "file-fault", file_away, file_fault },
	{ "page-move", home, page_move },
	{ "foreign-move", home, foreign_move },
	{ "foreign-move-pages", home, foreign_move_pages },
	{ "mbind-move", home, mbind_move },
	{ "move-and-back", home, move_and_back },
	{ "hinting", hinting_home, hinting },
	{ "numa-task-move", numa_away, numa_task_move },
	{ "affinity", home, affinity },
	{ "affinity-asleep", home, affinity_asleep },
	{ "affinity-self", home, affinity_self },
	{ "cpuset-cpus", into_cgroup, cpuset_cpus },
	{ "cpuset-mems", into_cgroup, cpuset_mems },
	{ "cgroup-move", two_cgroups, cgroup_move },
	{ "hot-unplug", on_last_cpu, hot_unplug },
	{ "collapse", collapse_head, collapse },
	{ "collapse-tail", collapse_tail, collapse },
	{ "ksm", ksm_home, ksm },
};

static enum numaperf_rung rung_of(const char *s)
{
	for (int r = NUMAPERF_RUNG_POLLING; r <= NUMAPERF_RUNG_FENTRY; r++)
		if (!strcmp(s, numaperf_rung_name((enum numaperf_rung)r)))
			return (enum numaperf_rung)r;
	die("no rung %s", s);
}

static const struct provocation *provocation_of(const char *s)
{
	for (size_t i = 0; i < sizeof(provocations) / sizeof(provocations[0]); i++)
		if (!strcmp(s, provocations[i].name))
			return &provocations[i];
	die("no provocation %s", s);
}

static void watch(struct numaperf_monitor *mon)
{
	uint64_t id;

	if (numaperf_cpuset_empty(&watched_cpus))
		cpus_of(topo, HOME, &watched_cpus);
	need(!numaperf_monitor_watch_thread(mon, my_tid(), &watched_cpus, &id), "watch_thread");
	if (area)
		need(!numaperf_monitor_watch_range(mon, area, pages * PAGE, &watched_nodes,
						   &id),
		     "watch_range");
}

static void say_hooks(const struct numaperf_monitor *mon)
{
	struct numaperf_hook hook = { .sz = sizeof(hook) };

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		need(!numaperf_monitor_hook(mon, (enum numaperf_metric)m, &hook), "hook");
		printf("hook.%s=%s\n", numaperf_metric_name(hook.metric),
		       numaperf_rung_name(hook.rung));
		if (hook.reason[0])
			printf("why.%s=%s\n", numaperf_metric_name(hook.metric), hook.reason);
	}
}

static void clean_up(void)
{
	if (online[0])
		helper_write(&helper, online, "1", false);
	if (file_fd)
		umount2("/run/np-file", MNT_DETACH);
	write_file("/sys/fs/cgroup/cgroup.procs", "0");
	rmdir(CGROUP);
}

int main(int argc, char **argv)
{
	struct numaperf_monitor_opts opts = { .sz = sizeof(opts),
					      .on_violation = on_violation };
	static struct stats before, after;
	const struct provocation *what;
	struct numaperf_monitor *mon;
	int err;

	if (argc < 3)
		return 9;
	setvbuf(stdout, NULL, _IOLBF, 0);
	helper = helper_start();
	prctl(PR_SET_NAME, "np-witness");
	what = provocation_of(argv[2]);
	if (argc > 3)
		pages = (size_t)atol(argv[3]);
	opts.rung_max = rung_of(argv[1]);
	balancing("0");
	need(!numaperf_topology_discover(&topo), "topology");
	pin_me(HOME);
	numaperf_nodemask_set(&watched_nodes, HOME);
	err = numaperf_monitor_create(&mon, topo, &opts);
	if (err)
		return refused(err);
	say_hooks(mon);
	what->prepare();
	watch(mon);
	need(!numaperf_monitor_flush(mon, 30000), "flush");
	take_stats(mon, &before, my_tid());

	what->act();

	err = numaperf_monitor_flush(mon, 30000);
	take_stats(mon, &after, my_tid());
	printf("did=%s\naddr=%#lx\npages=%zu\nfrom=%d\nto=%d\nculprit=%d\ntid=%d\n", what->name,
	       (unsigned long)did_addr, did_pages, did_from, did_to, did_culprit, my_tid());
	printf("flush=%d\n", err);
	say_violations();
	say_stats(&before, &after);
	say_report(mon);
	numaperf_monitor_destroy(mon);
	clean_up();
	close(helper.orders);
	waitpid(helper.pid, NULL, 0);
	numaperf_topology_unref(topo);
	puts("end=1");
	return 0;
}
