// SPDX-License-Identifier: MIT
/*
 * What may move a strict region's pages: KSM, a collapse into huge pages, balancing, fork. What
 * can be prevented is; what cannot, the next look finds. And what becomes of regions when the
 * calls that place them are filtered.
 */
#include "../../unit/child.h"
#include "pages.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#ifndef MADV_COLLAPSE
# define MADV_COLLAPSE 25
#endif
#ifndef PR_SET_MEMORY_MERGE
# define PR_SET_MEMORY_MERGE 67
#endif
#define KSM "/sys/kernel/mm/ksm/"

enum {
	SOME = 1024, /* pages */
	PATIENCE = 90,
};

static struct numaperf_region *strict_on(int node, int pages)
{
	struct numaperf_nodemask one = numaperf_nodemask_single(node);

	return create((size_t)pages * PAGE,
		      options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_STRICT));
}

static void nap(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 },
		  NULL);
}

/* ---- KSM ---- */

/* Pages that all look the same, not zero. */
static void same_pages(void *data)
{
	memset(data, 0x3c, SOME * PAGE);
}

/* Until at least `n` pages share, or patience ends. */
static bool merged(long n)
{
	for (int i = 0; i < PATIENCE * 4; i++) {
		if (file_number(KSM "pages_sharing") >= n)
			return true;
		nap(250);
	}
	printf("# pages_sharing %ld\n", file_number(KSM "pages_sharing"));
	return false;
}

static void ksm(void)
{
	struct numaperf_nodemask one = numaperf_nodemask_single(first);
	struct numaperf_region *soft, *strict;
	bool whole = !prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0);

	soft = create(SOME * PAGE, options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_SOFT));
	strict = strict_on(second, SOME);
	same_pages(numaperf_region_data(soft));
	same_pages(numaperf_region_data(strict));
	if (!whole)
		madvise(numaperf_region_data(soft), SOME * PAGE, MADV_MERGEABLE);
	/* one page for all of them */
	if (!file_write(KSM "max_page_sharing", "10000") ||
	    !file_write(KSM "sleep_millisecs", "1") ||
	    !file_write(KSM "pages_to_scan", "4000") || !file_write(KSM "run", "1"))
		exit(1);
	ok(merged(SOME - SOME / 8), "KSM merges a soft region's pages (%s)",
	   whole ? "for the whole process" : "by madvise; this kernel has no more");
	nap(2000);
	ok(region_all_on(strict, second) && numaperf_region_check(strict) == 0,
	   "KSM: a strict region's pages are not merged");
	/* somebody who has the address can have it all the same */
	madvise(numaperf_region_data(strict), SOME * PAGE, MADV_MERGEABLE);
	ok(merged(2 * SOME - SOME / 8), "KSM, asked for by hand, merges them");
	ok(spread_of(numaperf_region_data(strict), SOME * PAGE).on[first] > 0 &&
		   numaperf_region_check(strict) == -NUMAPERF_EHARDMODE,
	   "and the next look finds them on node %d", first);
	printf("# %s\n", numaperf_last_error()->message);
	file_write(KSM "run", "2");
	prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0);
	numaperf_region_unref(soft);
	numaperf_region_unref(strict);
}

/* ---- collapse ---- */

static void collapse(void)
{
	struct numaperf_region *r = strict_on(second, SOME);
	char *huge = (char *)(((unsigned long)numaperf_region_data(r) + (2ul << 20) - 1) &
			      ~((2ul << 20) - 1));
	cpu_set_t all;
	char *control;
	int err;

	sched_getaffinity(0, sizeof(all), &all);
	go_to(first);
	control = mmap(NULL, 4ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	memset(control, 1, 4ul << 20);
	err = madvise((void *)(((unsigned long)control + (2ul << 20) - 1) & ~((2ul << 20) - 1)),
		      2ul << 20, MADV_COLLAPSE);
	ok(!err, "MADV_COLLAPSE works here");
	err = madvise(huge, 2ul << 20, MADV_COLLAPSE);
	ok(err && region_all_on(r, second) && numaperf_region_check(r) == 0,
	   "MADV_COLLAPSE, from node %d: a strict region refuses it", first);
	sched_setaffinity(0, sizeof(all), &all);
	munmap(control, 4ul << 20);
	numaperf_region_unref(r);
}

/* ---- balancing ---- */

static volatile bool stop;

static void *hammer(void *data)
{
	volatile char *p = data;

	go_to(first);
	while (!stop)
		for (size_t i = 0; i < SOME; i++)
			p[i * PAGE]++;
	return NULL;
}

static void balancing(void)
{
	struct numaperf_nodemask pair = two(first, second);
	struct numaperf_region_opts o =
		options(NUMAPERF_POLICY_BIND, &pair, NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *strict = strict_on(second, SOME), *inside;
	struct numaperf_region_info info = { .sz = sizeof(info) };
	void *control = mmap(NULL, SOME * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct numaperf_migration sum = { .sz = sizeof(sum) };
	struct numaperf_nodemask one;
	long moved = 0, moved_inside = 0;
	struct spread where;
	pthread_t t[3];
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	o.balancing = true;
	o.home = numaperf_nodemask_single(second);
	inside = create(SOME * PAGE, o);
	must(numaperf_region_info(inside, &info));
	ok(info.balancing && region_all_on(inside, second), "bound to two, with balancing");
	madvise(control, SOME * PAGE, MADV_NOHUGEPAGE);
	go_to(second);
	memset(control, 1, SOME * PAGE);
	sched_setaffinity(0, sizeof(all), &all);
	file_write("/proc/sys/kernel/numa_balancing", "1");
	pthread_create(&t[0], NULL, hammer, control);
	pthread_create(&t[1], NULL, hammer, numaperf_region_data(strict));
	pthread_create(&t[2], NULL, hammer, numaperf_region_data(inside));
	for (int i = 0; i < PATIENCE && (!moved || !moved_inside); i++) {
		nap(1000);
		moved = spread_of(control, SOME * PAGE).on[first];
		moved_inside = spread_of(numaperf_region_data(inside), SOME * PAGE).on[first];
	}
	nap(2000);
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	file_write("/proc/sys/kernel/numa_balancing", "0");
	printf("# moved to node %d: %ld without policy, %ld with balancing inside\n", first,
	       moved, moved_inside);
	ok(moved > 0, "balancing moves what has no policy");
	ok(region_all_on(strict, second) && numaperf_region_check(strict) == 0,
	   "balancing: a strict region's pages stay");
	ok(moved_inside > 0 && numaperf_region_check(inside) == 0,
	   "balancing inside its nodes moves pages, and the promise holds");
	/* some are marked just now, which 6.1 reads as absent */
	where = maps_of(numaperf_region_data(inside), SOME * PAGE);
	one = numaperf_nodemask_single(second);
	ok(where.on[first] + where.on[second] == SOME &&
		   numaperf_region_migrate(inside, &one, NULL, &sum) == 0,
	   "and they migrate, marked by balancing or not");
	where = maps_of(numaperf_region_data(inside), SOME * PAGE);
	ok(where.on[second] == SOME && sum.pages_moved + sum.pages_already == SOME,
	   "all of them, and none is called absent");
	printf("# moved %zu, already %zu, absent %zu, busy %zu; now %ld\n", sum.pages_moved,
	       sum.pages_already, sum.pages_absent, sum.pages_busy, where.on[second]);
	munmap(control, SOME * PAGE);
	numaperf_region_unref(strict);
	numaperf_region_unref(inside);
}

/* ---- fork ---- */

static void forking(void)
{
	struct numaperf_region *r = strict_on(second, SOME);
	int pid, status = -1;
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	go_to(first);
	memset(numaperf_region_data(r), 1, SOME * PAGE);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		memset(numaperf_region_data(r), 2, SOME * PAGE / 2);
		_exit(!all_on(numaperf_region_data(r), SOME * PAGE, second));
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "fork: what the child copies is on its node, too");
	pid = fork();
	if (!pid) {
		nap(3000);
		_exit(0);
	}
	/* while both have them */
	memset(numaperf_region_data(r), 3, SOME * PAGE);
	ok(region_all_on(r, second) && numaperf_region_check(r) == 0,
	   "fork: what the parent copies is on its node");
	waitpid(pid, &status, 0);
	sched_setaffinity(0, sizeof(all), &all);
	numaperf_region_unref(r);
}

/* ---- filtered calls ---- */

static int count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

struct filter {
	int error;
	bool mbind, move_pages;
};

static int try(int err)
{
	if (err)
		fprintf(stderr, "# %d %s: %s\n", err,
			numaperf_reason_name(numaperf_last_error()->reason_id),
			numaperf_last_error()->message);
	return err;
}

static void filtered(void *arg)
{
	const struct filter *f = arg;
	struct numaperf_nodemask a = numaperf_nodemask_single(first),
				 b = numaperf_nodemask_single(second);
	struct numaperf_region_opts o = options(NUMAPERF_POLICY_BIND, &b, NUMAPERF_STRICT);
	struct numaperf_migration sum = { .sz = sizeof(sum) };
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region *r = NULL, *soft, *strict;
	int mappings, fds, err;

	soft = create(SOME * PAGE, options(NUMAPERF_POLICY_BIND, &a, NUMAPERF_SOFT));
	strict = create(SOME * PAGE, options(NUMAPERF_POLICY_BIND, &a, NUMAPERF_STRICT));

	if (f->mbind)
		child_deny(SYS_mbind, f->error);
	if (f->move_pages)
		child_deny(SYS_move_pages, f->error);
	/* what is probed once, and what the C library needs for it, is there */
	o.mode = NUMAPERF_SOFT;
	CHECK(numaperf_region_create(&r, SOME * PAGE, &o) == 0);
	CHECK(numaperf_region_placement(r, &where) == 0);
	CHECK(where.method ==
	      (f->move_pages ? NUMAPERF_PLACEMENT_NUMA_MAPS : NUMAPERF_PLACEMENT_MOVE_PAGES));
	numaperf_region_unref(r);
	mappings = count_lines("/proc/self/maps");
	fds = entries("/proc/self/fd");

	o.mode = NUMAPERF_STRICT;
	r = NULL;
	err = try(numaperf_region_create(&r, SOME * PAGE, &o));
	if (f->mbind) {
		CHECK(err == -NUMAPERF_EHARDMODE && !r);
		CHECK(numaperf_last_error()->reason_id == NUMAPERF_REASON_SECCOMP);
	} else {
		CHECK(!err);
		CHECK(maps_of(numaperf_region_data(r), SOME * PAGE).on[second] == SOME);
		CHECK(numaperf_region_check(r) == 0);
		numaperf_region_unref(r);
	}

	err = try(numaperf_region_migrate(soft, &b, NULL, &sum));
	if (f->mbind && f->move_pages) {
		CHECK(err == -f->error);
		CHECK(numaperf_last_error()->reason_id == NUMAPERF_REASON_SECCOMP);
		CHECK(maps_of(numaperf_region_data(soft), SOME * PAGE).on[first] == SOME);
	} else {
		CHECK(err == 0);
		CHECK(maps_of(numaperf_region_data(soft), SOME * PAGE).on[second] == SOME);
		CHECK(sum.pages_moved == SOME);
	}
	err = try(numaperf_region_migrate(strict, &b, NULL, NULL));
	if (f->mbind) {
		CHECK(err == -NUMAPERF_EHARDMODE);
		CHECK(maps_of(numaperf_region_data(strict), SOME * PAGE).on[first] == SOME);
	} else {
		CHECK(err == 0);
		CHECK(maps_of(numaperf_region_data(strict), SOME * PAGE).on[second] == SOME);
	}
	CHECK(count_lines("/proc/self/maps") == mappings);
	CHECK(entries("/proc/self/fd") == fds);
}

static void filters(void)
{
	for (int i = 0; i < 6; i++) {
		struct filter f = { .error = i % 2 ? ENOSYS : EPERM,
				    .mbind = i / 2 != 1,
				    .move_pages = i / 2 != 0 };

		ok(child_run(filtered, &f) == 0,
		   "%s%s%s gives %s: documented errors, nothing is lost",
		   f.mbind ? "mbind" : "", f.mbind && f.move_pages ? " and " : "",
		   f.move_pages ? "move_pages" : "", f.error == EPERM ? "EPERM" : "ENOSYS");
	}
}

int main(void)
{
	discover();
	if (second < 0)
		return 9;
	filters();
	collapse();
	forking();
	ksm();
	balancing();
	numaperf_topology_unref(topo);
	return tests_end();
}
