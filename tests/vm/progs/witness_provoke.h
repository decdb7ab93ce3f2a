/* SPDX-License-Identifier: MIT */
/*
 * What is done on purpose: each prepares (before it is watched) and acts, and notes what it
 * did. Pages begin on node 0, the thread on its CPUs; the other node is 1, for pages `away`.
 */
#ifndef NP_WITNESS_PROVOKE_H
#define NP_WITNESS_PROVOKE_H

#include "witness_kernel.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mount.h>
#include <sys/stat.h>

#ifndef MADV_COLLAPSE
# define MADV_COLLAPSE 25
#endif

#define CGROUP "/sys/fs/cgroup/witness"
#define DEBUG  "/sys/kernel/debug/sched/numa_balancing/"
#define KSM    "/sys/kernel/mm/ksm/"

enum {
	HOME = 0,
	AWAY = 1,
	PAGES = 1024,
	SPINNERS = 8,
};

static struct numaperf_topology *topo;
static struct helper helper;
static int away = AWAY;

/* one provocation's */
static char *area; /* of which [area, area + pages) is watched */
static size_t pages;
static struct numaperf_cpuset watched_cpus;
static struct numaperf_nodemask watched_nodes;

/* the truth */
static char *did_addr;
static size_t did_pages;
static int did_culprit, did_from, did_to;

static void pin_me(int node)
{
	struct numaperf_cpuset cpus;

	cpus_of(topo, node, &cpus);
	need(!raw_pin(0, &cpus), "sched_setaffinity");
	sched_yield();
}

static void pin_one(int node)
{
	struct numaperf_cpuset cpus, one;

	cpus_of(topo, node, &cpus);
	numaperf_cpuset_zero(&one);
	numaperf_cpuset_set(&one, numaperf_cpuset_first(&cpus));
	need(!raw_pin(0, &one), "sched_setaffinity");
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
	need(!raw_move(0, area, pages, away, MPOL_MF_MOVE), "move_pages");
}

static void move_and_back(void)
{
	page_move();
	need(!raw_move(0, area, pages, HOME, MPOL_MF_MOVE), "move_pages");
}

static void foreign_move(void)
{
	struct order o = { .kind = ORDER_MIGRATE, .id = getpid(), .from = HOME, .to = away };

	did(area, pages, helper.pid);
	helper_do(&helper, &o, false);
}

static void foreign_move_pages(void)
{
	struct order o = {
		.kind = ORDER_MOVE, .id = getpid(), .to = away, .addr = area, .pages = pages
	};

	did(area, pages, helper.pid);
	helper_do(&helper, &o, false);
}

static void mbind_move(void)
{
	did(area, pages, getpid());
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, away, MPOL_MF_MOVE), "mbind");
}

/* ---- faults ---- */

static void bound_to(int node)
{
	area = map(pages * PAGE, PAGE);
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, node, 0), "mbind");
}

static void bound_away(void)
{
	bound_to(away);
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
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, away, 0), "mbind");
}

static void reserve(const char *count)
{
	char path[96];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 away);
	need(write_file(path, count), path);
}

static void hugetlb_away(void)
{
	reserve("2");
	pages = 2 * HUGE / PAGE;
	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	need(area != MAP_FAILED, "MAP_HUGETLB");
	need(!raw_mbind(area, pages * PAGE, MPOL_BIND, away, 0), "mbind");
}

static void no_hugetlb(void)
{
	munmap(area, pages * PAGE);
	reserve("0");
}

/* A file whose pages are on the other node, in the page cache. */
static int file_fd;

static void file_away(void)
{
	char block[PAGE], policy[32];

	snprintf(policy, sizeof(policy), "mpol=bind:%d", away);
	memset(block, 0xc3, sizeof(block));
	mkdir("/run/np-file", 0700);
	need(!mount("np", "/run/np-file", "tmpfs", 0, policy), "mount");
	file_fd = open("/run/np-file/data", O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	for (size_t i = 0; i < pages; i++)
		need(write(file_fd, block, sizeof(block)) == (ssize_t)sizeof(block), "write");
}

static void no_file(void)
{
	close(file_fd);
	umount2("/run/np-file", MNT_DETACH);
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
		munmap((void *)p, pages * PAGE);
	}
}

/* Many, that nobody watches: only counted. */
enum {
	MANY = 16384
};

static char *many;

static void many_away(void)
{
	many = map(MANY * PAGE, PAGE);
	need(!raw_mbind(many, MANY * PAGE, MPOL_BIND, away, 0), "mbind");
}

static void many_faults(void)
{
	did(NULL, 0, getpid());
	touch(many, MANY);
	printf("faulted=%d\n", MANY);
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
	/* 6.1 does not see those that are marked: none left at home, five times in a row, will
	 * do */
	for (int gone = 0; now_ns() < end && gone < 5;) {
		for (int i = 0; i < 20; i++)
			touch(area, pages);
		if (pages_on(area, pages, AWAY) == pages)
			break;
		gone = pages_on(area, pages, HOME) ? 0 : gone + 1;
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
	touch(area, pages); /* 6.1 says of those it has marked that they are not there */
	printf("arrived=%d\n", node_here());
}

/* ---- CPUs ---- */

static void affinity_by(bool spin)
{
	struct order o = { .kind = ORDER_PIN, .id = my_tid() };
	struct numaperf_cpuset cpus;

	cpus_of(topo, AWAY, &cpus);
	numaperf_cpuset_set(&o.cpus, numaperf_cpuset_first(&cpus));
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
	pin_one(AWAY);
}

/* All CPUs of the machine (-1), or the first of a node. */
static void write_cpus(int node, bool spin)
{
	struct numaperf_cpuset cpus;
	char list[64];

	cpus_of(topo, node, &cpus);
	if (node < 0)
		numaperf_cpuset_format(&cpus, list, sizeof(list));
	else
		snprintf(list, sizeof(list), "%d", numaperf_cpuset_first(&cpus));
	helper_write(&helper, CGROUP "/cpuset.cpus", list, spin);
}

static void into_cgroup(void)
{
	mkdir(CGROUP, 0755);
	write_cpus(-1, false);
	helper_write(&helper, CGROUP "/cpuset.mems", "0", false);
	need(write_file(CGROUP "/cgroup.procs", "0"), CGROUP);
	pin_me(HOME);
	home();
}

static void out_of_cgroup(void)
{
	helper_write(&helper, CGROUP "/cpuset.mems", "0", false);
	need(write_file("/sys/fs/cgroup/cgroup.procs", "0"), "cgroup.procs");
	rmdir(CGROUP);
}

static void cpuset_cpus(void)
{
	did(NULL, 0, helper.pid);
	write_cpus(AWAY, true);
}

/* A worker of the kernel moves the pages; the write waits for it. */
static void cpuset_mems(void)
{
	char text[8];

	did(area, pages, 0);
	snprintf(text, sizeof(text), "%d", away);
	helper_write(&helper, CGROUP "/cpuset.mems", text, false);
	for (int i = 0; i < 100 && pages_on(area, pages, away) < pages; i++)
		usleep(100000);
}

static void two_cgroups(void)
{
	home();
	mkdir(CGROUP, 0755);
	write_cpus(AWAY, false);
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
	helper_write(&helper, online, "0", true);
}

static void plug_in(void)
{
	helper_write(&helper, online, "1", false);
	usleep(500000); /* 6.1 sets affinities anew, some time later */
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
	raw_mempolicy(away);
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
	did(area, pages_on(area, pages, away), getpid());
}

static void ksm_home(void)
{
	area = map(2 * pages * PAGE, PAGE);
	for (size_t i = 0; i < 2 * pages; i++) {
		if (i == pages)
			raw_mempolicy(away);
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
	did(area, pages_on(area, pages, away), 0);
}

static void no_ksm(void)
{
	write_file(KSM "run", "2"); /* takes them apart */
	write_file(KSM "run", "0");
}

/* ---- more threads than CPUs ---- */

static sem_t start, finished, leave;
static bool spinning;
static unsigned int hops; /* that the spinners have noticed themselves */
static pthread_t spinner[SPINNERS];

static void *spin(void *arg)
{
	int before = -1, cpu;

	prctl(PR_SET_NAME, "np-spin");
	sem_wait(&start);
	while (__atomic_load_n(&spinning, __ATOMIC_RELAXED)) {
		cpu = sched_getcpu();
		if (before >= 0 && cpu != before)
			__atomic_fetch_add(&hops, 1, __ATOMIC_RELAXED);
		before = cpu;
	}
	sem_post(&finished);
	sem_wait(&leave);
	return arg;
}

static void spinners(void)
{
	sem_init(&start, 0, 0);
	sem_init(&finished, 0, 0);
	sem_init(&leave, 0, 0);
	pin_me(-1);
	for (int i = 0; i < SPINNERS; i++)
		need(!pthread_create(&spinner[i], NULL, spin, NULL), "pthread_create");
	usleep(200000);
	cpus_of(topo, -1, &watched_cpus);
}

/* Until it has happened: a host that is busy lets the guest balance less. */
static void load_balance(void)
{
	spinning = true;
	hops = 0;
	did(NULL, 0, 0);
	for (int i = 0; i < SPINNERS; i++)
		sem_post(&start);
	sleep(8);
	for (int i = 0; i < 32 && __atomic_load_n(&hops, __ATOMIC_RELAXED) < 24; i++)
		sleep(1);
	__atomic_store_n(&spinning, false, __ATOMIC_RELAXED);
	for (int i = 0; i < SPINNERS; i++)
		sem_wait(&finished);
}

static void no_spinners(void)
{
	for (int i = 0; i < SPINNERS; i++)
		sem_post(&leave);
	for (int i = 0; i < SPINNERS; i++)
		pthread_join(spinner[i], NULL);
}

/* ---- all of them ---- */

static const struct provocation {
	const char *name;
	void (*prepare)(void), (*act)(void), (*undo)(void);
} provocations[] = {
	{ "none", home, nothing, NULL },
	{ "remote-fault", bound_away, fault, NULL },
	{ "local-fault", bound_home, local_fault, NULL },
	{ "huge-fault", huge_away, fault, NULL },
	{ "hugetlb-fault", hugetlb_away, fault, no_hugetlb },
	{ "file-fault", file_away, file_fault, no_file },
	{ "page-move", home, page_move, NULL },
	{ "foreign-move", home, foreign_move, NULL },
	{ "foreign-move-pages", home, foreign_move_pages, NULL },
	{ "mbind-move", home, mbind_move, NULL },
	{ "move-and-back", home, move_and_back, NULL },
	{ "hinting", hinting_home, hinting, NULL },
	{ "numa-task-move", numa_away, numa_task_move, NULL },
	{ "affinity", home, affinity, NULL },
	{ "affinity-asleep", home, affinity_asleep, NULL },
	{ "affinity-self", home, affinity_self, NULL },
	{ "cpuset-cpus", into_cgroup, cpuset_cpus, out_of_cgroup },
	{ "cpuset-mems", into_cgroup, cpuset_mems, out_of_cgroup },
	{ "cgroup-move", two_cgroups, cgroup_move, out_of_cgroup },
	{ "hot-unplug", on_last_cpu, hot_unplug, plug_in },
	{ "collapse", collapse_head, collapse, NULL },
	{ "collapse-tail", collapse_tail, collapse, NULL },
	{ "ksm", ksm_home, ksm, no_ksm },
	{ "load-balance", spinners, load_balance, no_spinners },
	{ "many-faults", many_away, many_faults, NULL },
};

#endif
