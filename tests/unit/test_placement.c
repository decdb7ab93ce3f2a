// SPDX-License-Identifier: MIT
/* Where pages are: on the host's own node by real calls, on several by a replaced table. */
#include "../../lib/src/base.h"
#include "../../lib/src/numa_maps.h"
#include "../../lib/src/placement.h"
#include "../../lib/src/util.h"
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <numaif.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

static size_t page;

/* Between guards, so that it is one mapping of /proc. */
static char *map_pages(size_t n)
{
	char *p = mmap(NULL, (n + 2) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + page, n * page, PROT_READ | PROT_WRITE), 0);
	madvise(p + page, n * page, MADV_NOHUGEPAGE);
	return p + page;
}

static void unmap_pages(char *p, size_t n)
{
	munmap(p - page, (n + 2) * page);
}

/* By the kernel's own bitmap, which is not how the library asks. */
static size_t resident(char *p, size_t n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t count = 0;

	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t entry;

		assert_int_equal(
			pread(fd, &entry, 8, (off_t)((uintptr_t)(p + i * page) / page * 8)), 8);
		count += entry >> 63;
	}
	close(fd);
	return count;
}

static struct numaperf_placement ask(const void *addr, size_t length)
{
	struct numaperf_placement where = { .sz = sizeof(where) };

	assert_int_equal(numaperf_placement_query(addr, length, &where), 0);
	return where;
}

static size_t on_nodes(const struct numaperf_placement *where)
{
	size_t n = 0;

	for (int i = 0; i < NUMAPERF_NODES_MAX; i++)
		n += where->pages_on_node[i];
	return n;
}

static int back_to_normal(void **state)
{
	(void)state;
	np_sys = &np_sys_real;
	return 0;
}

/* ---- real calls ---- */

static void asking_faults_nothing_in(void **state)
{
	char *p = map_pages(600);
	struct numaperf_placement w = ask(p, 600 * page);

	(void)state;
	assert_int_equal(w.pages_total, 600);
	assert_int_equal(w.pages_absent, 600);
	assert_int_equal(on_nodes(&w), 0);
	assert_true(numaperf_nodemask_empty(&w.actual));
	assert_int_equal(resident(p, 600), 0);
	for (size_t i = 0; i < 600; i += 2)
		p[i * page] = 1;
	w = ask(p, 600 * page);
	assert_int_equal(on_nodes(&w), 300);
	assert_int_equal(w.pages_absent, 300);
	assert_int_equal(resident(p, 600), 300);
	assert_int_equal(w.method, NUMAPERF_PLACEMENT_MOVE_PAGES);
	assert_int_equal(w.page_size, page);
	assert_int_equal(w.requested_policy, NUMAPERF_POLICY_DEFAULT);
	assert_int_equal(w.effective_policy, NUMAPERF_POLICY_DEFAULT);
	assert_int_equal(w.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	assert_true(w.time_ns && w.time_ns <= np_clock_ns());
	unmap_pages(p, 600);
}

static void the_zero_page_is_no_page(void **state)
{
	char *p = map_pages(8);
	struct numaperf_placement w;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(((volatile char *)p)[i * page], 0);
	assert_int_equal(resident(p, 8), 8);
	w = ask(p, 8 * page);
	assert_int_equal(w.pages_absent, 8);
	assert_int_equal(on_nodes(&w), 0);
	unmap_pages(p, 8);
}

static void ranges_are_rounded_to_pages(void **state)
{
	char *p = map_pages(4);
	struct numaperf_placement w;

	(void)state;
	memset(p, 1, 4 * page);
	w = ask(p + page - 1, 2);
	assert_int_equal(w.pages_total, 2);
	assert_int_equal(on_nodes(&w), 2);
	w = ask(p + page, page);
	assert_int_equal(w.pages_total, 1);
	unmap_pages(p, 4);
}

static void a_policy_is_read_back(void **state)
{
	unsigned long node0 = 1;
	char *p = map_pages(4);
	struct numaperf_placement w;

	(void)state;
	assert_int_equal(mbind(p, 4 * page, MPOL_BIND, &node0, 2, 0), 0);
	memset(p, 1, 4 * page);
	w = ask(p, 4 * page);
	assert_int_equal(w.effective_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(numaperf_nodemask_count(&w.effective), 1);
	assert_true(numaperf_nodemask_test(&w.effective, 0));
	assert_true(numaperf_nodemask_empty(&w.requested));
	assert_int_equal(w.enforcement, NUMAPERF_ENFORCEMENT_BEST_EFFORT);
	assert_int_equal(w.pages_on_node[0], 4);
	assert_true(numaperf_nodemask_test(&w.actual, 0));
	unmap_pages(p, 4);
}

static void wrong_questions_are_refused(void **state)
{
	struct numaperf_placement w = { .sz = sizeof(w) };
	struct {
		struct numaperf_placement w;
		uint64_t later;
	} newer = { .w.sz = sizeof(newer), .later = 7 };
	char *p = map_pages(3);

	(void)state;
	assert_int_equal(numaperf_placement_query(p, page, NULL), -EINVAL);
	w.sz = sizeof(w) - 1;
	assert_int_equal(numaperf_placement_query(p, page, &w), -EINVAL);
	w.sz = sizeof(w);
	assert_int_equal(numaperf_placement_query(p, 0, &w), -EINVAL);
	assert_int_equal(numaperf_placement_query(p, SIZE_MAX, &w), -EINVAL);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_INVALID);
	assert_int_equal(numaperf_placement_query(NULL, page, &w), -EFAULT);
	munmap(p + page, page);
	assert_int_equal(numaperf_placement_query(p, 3 * page, &w), -EFAULT);
	assert_int_equal(numaperf_placement_query(p, page, &w), 0);
	assert_int_equal(numaperf_placement_query(p, page, &newer.w), 0);
	assert_int_equal(newer.w.sz, sizeof(newer));
	assert_int_equal(newer.later, 0);
	unmap_pages(p, 3);
}

/* ---- a table with several nodes ---- */

static int move_pages_error, calls;
static unsigned long most;

/* Page i is on node i % 3, but some are special. */
static int fake_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			   int *status, int flags)
{
	(void)pid;
	(void)flags;
	assert_null(nodes);
	calls++;
	most = MAX(most, count);
	if (move_pages_error)
		return move_pages_error;
	for (unsigned long i = 0; i < count; i++) {
		uintptr_t n = (uintptr_t)pages[i] / page - 1000;

		status[i] = n == 7    ? -ENOENT
			    : n == 8  ? -EFAULT
			    : n == 9  ? -EBUSY
			    : n == 10 ? -EACCES
			    : n == 11 ? NUMAPERF_NODES_MAX
				      : (int)(n % 3);
	}
	return 0;
}

static int fake_mapped(const void *addr, size_t length)
{
	(void)addr;
	(void)length;
	return 0;
}

static int fake_get_mempolicy(int *policy, uint64_t *nodes, unsigned int nwords,
			      const void *addr, unsigned int flags)
{
	assert_int_equal(nwords, NUMAPERF_NODES_MAX / 64);
	assert_int_equal(flags, MPOL_F_ADDR); /* F_NODE would fault the page in */
	assert_non_null(addr);
	*policy = MPOL_INTERLEAVE | 1 << 15;
	nodes[0] = 7;
	return 0;
}

static struct np_sys several_nodes(void)
{
	struct np_sys table = np_sys_real;

	table.move_pages = fake_move_pages;
	table.mapped = fake_mapped;
	table.get_mempolicy = fake_get_mempolicy;
	move_pages_error = calls = 0;
	most = 0;
	return table;
}

static void every_status_is_counted_once(void **state)
{
	struct np_sys table = several_nodes();
	struct numaperf_placement w;

	(void)state;
	np_sys = &table;
	w = ask((void *)(1000 * page), 1800 * page);
	assert_int_equal(w.pages_total, 1800);
	assert_int_equal(w.pages_absent, 2);
	assert_int_equal(w.pages_busy, 1);
	assert_int_equal(w.pages_unknown, 2);
	assert_int_equal(w.error, EACCES);
	assert_int_equal(w.pages_on_node[0], 600 - 1); /* 9 */
	assert_int_equal(w.pages_on_node[1], 600 - 2); /* 7, 10 */
	assert_int_equal(w.pages_on_node[2], 600 - 2); /* 8, 11 */
	assert_int_equal(on_nodes(&w) + w.pages_absent + w.pages_busy + w.pages_unknown, 1800);
	assert_int_equal(numaperf_nodemask_count(&w.actual), 3);
	assert_int_equal(w.effective_policy, NUMAPERF_POLICY_INTERLEAVE);
	assert_int_equal(numaperf_nodemask_count(&w.effective), 3);
	/* bounded memory: in parts */
	assert_true(calls >= 2 && most <= 1024);
}

static void strays_are_found(void **state)
{
	struct np_sys table = several_nodes();
	struct numaperf_nodemask home = numaperf_nodemask_single(0);
	struct numaperf_placement w;
	struct np_stray stray;

	(void)state;
	np_sys = &table;
	numaperf_nodemask_set(&home, 2);
	assert_int_equal(
		np_placement_scan((void *)(1012 * page), 999 * page, &home, &w, &stray), 0);
	assert_int_equal(stray.pages, 333);
	assert_int_equal(stray.node, 1);
	assert_ptr_equal(stray.first, (void *)(1013 * page));
	numaperf_nodemask_set(&home, 1);
	assert_int_equal(
		np_placement_scan((void *)(1012 * page), 999 * page, &home, &w, &stray), 0);
	assert_int_equal(stray.pages, 0);
	assert_null(stray.first);
	assert_int_equal(stray.node, -1);
}

static int ignoring_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			       int *status, int flags)
{
	(void)pid;
	(void)count;
	(void)pages;
	(void)nodes;
	(void)status;
	(void)flags;
	return 0;
}

static void a_status_left_unwritten_is_unknown(void **state)
{
	struct np_sys table = several_nodes();
	struct numaperf_placement w;

	(void)state;
	table.move_pages = ignoring_move_pages;
	np_sys = &table;
	w = ask((void *)(2000 * page), 600 * page);
	assert_int_equal(w.pages_unknown, 600);
	assert_int_equal(w.error, EIO);
}

static void refused_move_pages_gives_numa_maps(void **state)
{
	static const int refusals[] = { -EPERM, -ENOSYS };
	struct np_sys table = several_nodes();
	char *p = map_pages(6);
	struct numaperf_placement w;

	(void)state;
	table = np_sys_real;
	table.move_pages = fake_move_pages;
	np_sys = &table;
	memset(p, 1, 4 * page);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		move_pages_error = refusals[i];
		w = ask(p, 6 * page);
		assert_int_equal(w.method, NUMAPERF_PLACEMENT_NUMA_MAPS);
		assert_int_equal(on_nodes(&w), 4);
		assert_int_equal(w.pages_absent, 2);
		assert_int_equal(w.pages_total, 6);
		assert_false(numaperf_nodemask_empty(&w.actual));
		w.sz = sizeof(w);
		/* half of a mapping is more than numa_maps can tell */
		assert_int_equal(numaperf_placement_query(p, 3 * page, &w), -EOPNOTSUPP);
		assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_SECCOMP);
	}
	move_pages_error = -ENOMEM;
	assert_int_equal(numaperf_placement_query(p, 6 * page, &w), -ENOMEM);
	np_sys = &np_sys_real;
	unmap_pages(p, 6);
}

static int refused_get_mempolicy(int *policy, uint64_t *nodes, unsigned int nwords,
				 const void *addr, unsigned int flags)
{
	(void)policy;
	(void)nodes;
	(void)nwords;
	(void)addr;
	(void)flags;
	return -EPERM;
}

static void a_refused_policy_is_read_from_numa_maps(void **state)
{
	struct np_sys table = np_sys_real;
	unsigned long node0 = 1;
	char *p = map_pages(2);
	struct numaperf_placement w;

	(void)state;
	assert_int_equal(mbind(p, 2 * page, MPOL_BIND, &node0, 2, 0), 0);
	table.get_mempolicy = refused_get_mempolicy;
	np_sys = &table;
	w = ask(p, 2 * page);
	assert_int_equal(w.effective_policy, NUMAPERF_POLICY_OTHER);
	assert_int_equal(w.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	table.move_pages = fake_move_pages;
	move_pages_error = -EPERM;
	w = ask(p, 2 * page);
	assert_int_equal(w.effective_policy, NUMAPERF_POLICY_BIND);
	assert_true(numaperf_nodemask_test(&w.effective, 0));
	assert_int_equal(w.enforcement, NUMAPERF_ENFORCEMENT_BEST_EFFORT);
	np_sys = &np_sys_real;
	unmap_pages(p, 2);
}

static void failing_calls_change_and_leak_nothing(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM, -EINVAL, -ENOSYS, -EMFILE, -EIO };
	struct numaperf_placement w, before;
	struct fault_plan plan;
	char *p = map_pages(1200);
	int fds = fault_open_fds(), mappings = fault_mappings();

	(void)state;
	p[0] = 1;
	memset(&before, 0x5a, sizeof(before));
	before.sz = sizeof(before);
	FAULT_SWEEP(plan, errors)
	{
		int err;

		w = before;
		plan.for_ever = fault_n_ % 2;
		fault_start(&plan);
		err = numaperf_placement_query(p, 1200 * page, &w);
		fault_stop();
		if (err)
			assert_memory_equal(&w, &before, sizeof(w));
		else
			assert_int_equal(on_nodes(&w) + w.pages_absent, 1200);
	}
	assert_int_equal(fault_open_fds(), fds);
	assert_int_equal(fault_mappings(), mappings);
	assert_int_equal(resident(p, 1200), 1);
	unmap_pages(p, 1200);
}

/* ---- texts ---- */

static const char maps[] =
	"1000-3000 rw-p 00000000 00:00 0 \n"
	"10000-14000 rw-p 00000000 00:00 0 \n"
	"14000-16000 rw-p 00000000 00:00 0                          [heap]\n"
	"400000-800000 rw-s 00000000 00:0f 7                        /anon_hugepage (deleted)\n"
	"7f0000000000-7f0000002000 r-xp 00000000 08:01 99           /lib/N0=5 x\n";
static const char numa_maps[] =
	"00001000 default anon=1 dirty=1 N0=1 kernelpagesize_kB=4\n"
	"00010000 bind=static:0-1 anon=3 dirty=3 active=0 N0=2 N1=1 kernelpagesize_kB=4\n"
	"00014000 prefer (many):1,3 heap anon=1 dirty=1 N12=1 kernelpagesize_kB=4\n"
	"00400000 interleave:0-3 file=/anon_hugepage\\040(deleted) huge dirty=2 N1=1 N3=1 "
	"kernelpagesize_kB=2048\n"
	"7f0000000000 local file=/lib/N0\\0755\\040x mapped=2 N2=2 kernelpagesize_kB=4\n";

static void numa_maps_are_summed(void **state)
{
	struct np_numa_maps out;

	(void)state;
	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x10000, 0x16000, 4096, &out), 0);
	assert_int_equal(out.pages, 4);
	assert_int_equal(out.pages_on_node[0], 2);
	assert_int_equal(out.pages_on_node[1], 1);
	assert_int_equal(out.pages_on_node[12], 1);
	assert_int_equal(out.policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(out.nodes.bits[0], 3);

	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x14000, 0x16000, 4096, &out), 0);
	assert_int_equal(out.policy, NUMAPERF_POLICY_PREFERRED);
	assert_int_equal(out.nodes.bits[0], 1 << 1 | 1 << 3);

	/* a huge page is 512 small ones */
	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x400000, 0x800000, 4096, &out),
			 0);
	assert_int_equal(out.policy, NUMAPERF_POLICY_INTERLEAVE);
	assert_int_equal(out.pages, 1024);
	assert_int_equal(out.pages_on_node[3], 512);

	assert_int_equal(
		np_numa_maps_parse(maps, numa_maps, 0x7f0000000000, 0x7f0000002000, 4096, &out),
		0);
	assert_int_equal(out.policy, NUMAPERF_POLICY_LOCAL);
	assert_int_equal(out.pages, 2);
	assert_int_equal(out.pages_on_node[2], 2);
}

static void numa_maps_that_do_not_fit_are_refused(void **state)
{
	struct np_numa_maps out;

	(void)state;
	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x10000, 0x15000, 4096, &out),
			 -EOPNOTSUPP);
	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x11000, 0x16000, 4096, &out),
			 -EOPNOTSUPP);
	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x1000, 0x14000, 4096, &out),
			 -EFAULT);
	assert_int_equal(np_numa_maps_parse(maps, numa_maps, 0x10000, 0x17000, 4096, &out),
			 -EFAULT);
	assert_int_equal(np_numa_maps_parse(maps, "", 0x10000, 0x16000, 4096, &out), -EIO);
	assert_int_equal(
		np_numa_maps_parse("rubbish\n", numa_maps, 0x10000, 0x16000, 4096, &out), -EIO);
	assert_int_equal(np_numa_maps_parse("10000-14000 rw-p\n", "10000 bind:0 N4096=1\n",
					    0x10000, 0x14000, 4096, &out),
			 -EIO);
	assert_int_equal(np_numa_maps_parse("", "", 0x10000, 0x14000, 4096, &out), -EFAULT);
}

static void swap_is_read_from_smaps(void **state)
{
	static const char smaps[] = "1000-3000 rw-p 00000000 00:00 0 \n"
				    "Size:                  8 kB\n"
				    "Anonymous:             4 kB\n"
				    "Swap:                  4 kB\n"
				    "SwapPss:               4 kB\n"
				    "3000-5000 rw-p 00000000 00:00 0 \n"
				    "Swap:                  8 kB\n"
				    "6000-7000 rw-p 00000000 00:00 0 \n"
				    "Size:                  4 kB\n";
	uint64_t bytes = 1;

	(void)state;
	assert_int_equal(np_smaps_parse_swapped(smaps, 0x1000, 0x3000, &bytes), 0);
	assert_int_equal(bytes, 4096);
	assert_int_equal(np_smaps_parse_swapped(smaps, 0x3000, 0x5000, &bytes), 0);
	assert_int_equal(bytes, 8192);
	assert_int_equal(np_smaps_parse_swapped(smaps, 0x1000, 0x5000, &bytes), -EIO);
	assert_int_equal(np_smaps_parse_swapped(smaps, 0x6000, 0x7000, &bytes), -EIO);
	assert_int_equal(bytes, 8192);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(numaperf_policy_name(NUMAPERF_POLICY_LOCAL), "local");
	assert_string_equal(numaperf_policy_name(NUMAPERF_POLICY_BIND), "bind");
	assert_string_equal(numaperf_policy_name(NUMAPERF_POLICY_PREFERRED), "preferred");
	assert_string_equal(numaperf_policy_name(NUMAPERF_POLICY_INTERLEAVE), "interleave");
	assert_string_equal(numaperf_policy_name(NUMAPERF_POLICY_DEFAULT), "default");
	assert_string_equal(numaperf_policy_name((enum numaperf_policy)99), "other");
	assert_string_equal(numaperf_enforcement_name(NUMAPERF_ENFORCEMENT_NONE), "none");
	assert_string_equal(numaperf_enforcement_name(NUMAPERF_ENFORCEMENT_BEST_EFFORT),
			    "best-effort");
	assert_string_equal(numaperf_enforcement_name(NUMAPERF_ENFORCEMENT_STRICT), "strict");
	assert_string_equal(numaperf_placement_method_name(NUMAPERF_PLACEMENT_MOVE_PAGES),
			    "move_pages");
	assert_string_equal(numaperf_placement_method_name(NUMAPERF_PLACEMENT_NUMA_MAPS),
			    "numa_maps");
	assert_string_equal(numaperf_placement_method_name(NUMAPERF_PLACEMENT_NONE), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asking_faults_nothing_in),
		cmocka_unit_test(the_zero_page_is_no_page),
		cmocka_unit_test(ranges_are_rounded_to_pages),
		cmocka_unit_test(a_policy_is_read_back),
		cmocka_unit_test(wrong_questions_are_refused),
		cmocka_unit_test_teardown(every_status_is_counted_once, back_to_normal),
		cmocka_unit_test_teardown(strays_are_found, back_to_normal),
		cmocka_unit_test_teardown(a_status_left_unwritten_is_unknown, back_to_normal),
		cmocka_unit_test_teardown(refused_move_pages_gives_numa_maps, back_to_normal),
		cmocka_unit_test_teardown(a_refused_policy_is_read_from_numa_maps,
					  back_to_normal),
		cmocka_unit_test_teardown(failing_calls_change_and_leak_nothing,
					  back_to_normal),
		cmocka_unit_test(numa_maps_are_summed),
		cmocka_unit_test(numa_maps_that_do_not_fit_are_refused),
		cmocka_unit_test(swap_is_read_from_smaps),
		cmocka_unit_test(names),
	};

	page = np_page_size();
	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
