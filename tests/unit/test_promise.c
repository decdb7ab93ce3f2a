// SPDX-License-Identifier: MIT
/* What a process promises: from texts of /proc, and the arithmetic of ranges. */
#include "promise.h"
#include "tree.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

static const struct promise_rules as_read = { .said = false };

static const char maps[] = "1000-2000 r-xp 00000000 08:01 42      /usr/bin/prog\n"
			   "2000-3000 rw-p 00000000 00:00 0       [heap]\n"
			   "3000-4000 rw-p 00000000 00:00 0 \n"
			   "4000-6000 r--p 00000000 00:00 0 \n"
			   "6000-7000 rw-s 00000000 00:01 7       /memfd:ring (deleted)\n"
			   "7000-8000 rw-p 00000000 08:01 43      /srv/data with a name\n"
			   "8000-a000 rw-s 00000000 00:0f 9       /srv/huge/pool\n"
			   "a000-b000 rw-p 00000000 00:00 0       [anon:arena]\n"
			   "b000-c000 r-xp 00000000 00:00 0       [vdso]\n";

static const char numa_maps[] = "00001000 bind:0 file=/usr/bin/prog mapped=1 N0=1\n"
				"00002000 bind:1 heap anon=1 dirty=1 N1=1\n"
				"00003000 bind=static:0-1 anon=1 N0=1\n"
				"00004000 bind=static|balancing:0-1\n"
				"00006000 bind:0 file=/memfd:ring\\040(deleted) N0=1\n"
				"00007000 bind:0 file=/srv/data\\040with\\040a\\040name N0=1\n"
				"00008000 bind:1 file=/srv/huge/pool huge dirty=1 N1=1\n"
				"0000a000 prefer:0 anon=1 N0=1\n"
				"0000b000 bind:0\n";

static void assert_range(const struct promises *p, size_t nth, uint64_t start, uint64_t end,
			 const char *nodes)
{
	char text[64];

	assert_true(nth < p->ranges);
	numaperf_nodemask_format(&p->range[nth].nodes, text, sizeof(text));
	assert_int_equal(p->range[nth].start, start);
	assert_int_equal(p->range[nth].end, end);
	assert_string_equal(text, nodes);
}

static void bound_memory_is_a_promise(void **state)
{
	struct promises p = { 0 };

	(void)state;
	assert_int_equal(promises_parse(&p, maps, numa_maps, &as_read), 0);
	assert_range(&p, 0, 0x2000, 0x3000, "1");
	assert_range(&p, 1, 0x3000, 0x6000, "0-1"); /* two neighbours, joined */
	assert_range(&p, 2, 0x6000, 0x7000, "0");
	assert_range(&p, 3, 0x8000, 0xa000, "1");
	assert_int_equal(p.ranges, 4);
	promises_free(&p);
}

static void other_policies_promise_nothing(void **state)
{
	static const char *const policies[] = { "default",	   "prefer:0",
						"prefer (many):0", "interleave:0-1",
						"local",	   "bind",
						"bind:",	   "bind:x",
						"bindery:0",	   "weighted interleave:0",
						"bind=static" };
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct promises p = { 0 };

		snprintf(text, sizeof(text), "3000 %s anon=1 N0=1\n", policies[i]);
		assert_int_equal(promises_parse(&p, "3000-4000 rw-p 00000000 00:00 0 \n", text,
						&as_read),
				 0);
		if (p.ranges)
			fail_msg("'%s' was taken for a promise", policies[i]);
		promises_free(&p);
	}
}

static void nodes_may_be_said(void **state)
{
	struct promise_rules rules = { .said = true, .nodes = numaperf_nodemask_single(3) };
	struct promises p = { 0 };

	(void)state;
	assert_int_equal(promises_parse(&p, maps, numa_maps, &rules), 0);
	assert_range(&p, 0, 0x2000, 0x7000, "3"); /* whatever its policy; but no file */
	assert_range(&p, 1, 0x8000, 0xb000, "3");
	assert_int_equal(p.ranges, 2);
	promises_free(&p);

	/* only threads were said: memory is none of our business */
	numaperf_nodemask_zero(&rules.nodes);
	assert_int_equal(promises_parse(&p, maps, numa_maps, &rules), 0);
	assert_int_equal(p.ranges, 0);
	promises_free(&p);
}

static void texts_that_differ_are_joined_by_address(void **state)
{
	struct promises p = { 0 };

	(void)state;
	/* one mapping came between the two readings, one went */
	assert_int_equal(promises_parse(&p,
					"1000-2000 rw-p 0 00:00 0 \n"
					"3000-4000 rw-p 0 00:00 0 \n",
					"2000 bind:1\n3000 bind:0\n", &as_read),
			 0);
	assert_int_equal(p.ranges, 1);
	assert_range(&p, 0, 0x3000, 0x4000, "0");
	promises_free(&p);
	assert_int_equal(promises_parse(&p, maps, NULL, &as_read), 0);
	assert_int_equal(p.ranges, 0);
	assert_int_equal(promises_parse(&p, "rubbish\n\n-\n1-\n", "rubbish", &as_read), 0);
	assert_int_equal(p.ranges, 0);
	promises_free(&p);
}

static void put(struct promises *p, uint64_t start, uint64_t end, int node)
{
	struct promise_range range = { .start = start, .end = end };

	range.nodes = numaperf_nodemask_single(node);
	assert_int_equal(promises_add_range(p, &range), 0);
}

static void gaps_are_what_no_range_has(void **state)
{
	struct promises p = { 0 };
	uint64_t start = 5, end = 100;

	(void)state;
	put(&p, 60, 70, 0);
	put(&p, 10, 20, 0);
	put(&p, 20, 30, 1);
	promises_sort(&p);
	assert_true(promises_gap(&p, &start, &end));
	assert_int_equal(start, 5);
	assert_int_equal(end, 10);
	start = 10, end = 100;
	assert_true(promises_gap(&p, &start, &end));
	assert_int_equal(start, 30);
	assert_int_equal(end, 60);
	start = 65, end = 100;
	assert_true(promises_gap(&p, &start, &end));
	assert_int_equal(start, 70);
	assert_int_equal(end, 100);
	assert_true(promises_cover(&p, 10, 30));
	assert_true(promises_cover(&p, 62, 70));
	assert_false(promises_cover(&p, 10, 31));
	assert_false(promises_cover(&p, 9, 30));
	assert_false(promises_cover(&p, 25, 65));
	promises_free(&p);
}

static void only_what_both_have_is_common(void **state)
{
	struct promise_thread one = { .tid = 1, .cpus = numaperf_cpuset_single(0) };
	struct promise_thread two = { .tid = 2, .cpus = numaperf_cpuset_single(1) };
	struct promises a = { 0 }, b = { 0 }, both;

	(void)state;
	put(&a, 0, 10, 0);
	put(&a, 20, 30, 1);
	put(&a, 40, 50, 0);
	put(&b, 5, 25, 0); /* of the second range its nodes are others */
	put(&b, 42, 44, 0);
	put(&b, 46, 60, 0);
	assert_int_equal(promises_add_thread(&a, &one), 0);
	assert_int_equal(promises_add_thread(&a, &two), 0);
	two.cpus = numaperf_cpuset_single(0);
	assert_int_equal(promises_add_thread(&b, &two), 0);
	assert_int_equal(promises_add_thread(&b, &one), 0);

	assert_int_equal(promises_common(&both, &a, &b), 0);
	assert_int_equal(both.threads, 1);
	assert_int_equal(both.thread[0].tid, 1);
	assert_range(&both, 0, 5, 10, "0");
	assert_range(&both, 1, 42, 44, "0");
	assert_range(&both, 2, 46, 50, "0");
	assert_int_equal(both.ranges, 3);
	promises_free(&a);
	promises_free(&b);
	promises_free(&both);
}

static void pinned_is_inside_one_node(void **state)
{
	static const struct tree_node two[] = {
		{ .first_cpu = 0, .cpus = 4, .distance = "10 20" },
		{ .first_cpu = 4, .cpus = 4, .distance = "20 10" },
	};
	static const struct tree_node one[] = {
		{ .first_cpu = 0, .cpus = 8, .distance = "10" },
	};
	struct numaperf_topology *topo = tree_topology(two, 2), *flat = tree_topology(one, 1);
	static const struct {
		const char *cpus;
		bool on_two, on_one;
	} cases[] = {
		{ "0-3", true, true },	{ "2", true, true },	 { "4-7", true, true },
		{ "3-4", false, true }, { "0-7", false, false }, { "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct numaperf_cpuset cpus;

		assert_int_equal(numaperf_cpuset_parse(&cpus, cases[i].cpus), 0);
		if (promise_pinned(topo, &cpus) != cases[i].on_two)
			fail_msg("'%s' on two nodes", cases[i].cpus);
		if (promise_pinned(flat, &cpus) != cases[i].on_one)
			fail_msg("'%s' on one node", cases[i].cpus);
	}
	numaperf_topology_unref(topo);
	numaperf_topology_unref(flat);
}

static void this_process_is_read(void **state)
{
	struct promise_rules rules = { .said = true };
	struct promises p;

	(void)state;
	rules.cpus = numaperf_cpuset_single(0);
	assert_int_equal(promises_read(&p, getpid(), &rules), 0);
	assert_int_equal(p.threads, 1);
	assert_int_equal(p.thread[0].tid, getpid());
	assert_int_equal(p.ranges, 0);
	promises_free(&p);
	rules.nodes = numaperf_nodemask_single(0);
	assert_int_equal(promises_read(&p, getpid(), &rules), 0);
	assert_true(promises_cover(&p, (uintptr_t)&rules, (uintptr_t)&rules + sizeof(rules)));
	assert_false(promises_cover(&p, (uintptr_t)maps, (uintptr_t)maps + 1)); /* a file's */
	promises_free(&p);
	assert_int_equal(promises_read(&p, 1 << 30, &rules), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bound_memory_is_a_promise),
		cmocka_unit_test(other_policies_promise_nothing),
		cmocka_unit_test(nodes_may_be_said),
		cmocka_unit_test(texts_that_differ_are_joined_by_address),
		cmocka_unit_test(gaps_are_what_no_range_has),
		cmocka_unit_test(only_what_both_have_is_common),
		cmocka_unit_test(pinned_is_inside_one_node),
		cmocka_unit_test(this_process_is_read),
	};

	return cmocka_run_group_tests_name("promise", tests, NULL, NULL);
}
