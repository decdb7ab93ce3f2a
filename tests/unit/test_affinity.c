// SPDX-License-Identifier: MIT
/*
 * Pins and pinned threads: on a kernel of our own making (which CPUs exist, are online, are in
 * the cpuset), on the real one, in real cpusets, and with each call failing.
 */
#include "../../lib/src/affinity.h"
#include "../../lib/src/base.h"
#include "../../lib/src/capability.h"
#include "../../lib/src/guarantee.h"
#include "../../lib/src/util.h"
#include "child.h"
#include "fault.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
/* cmocka wants these before it */
#include <cmocka.h>

#define UNWITNESSED NUMAPERF_STRICT_UNWITNESSED

static struct numaperf_cpuset cpus(const char *text)
{
	struct numaperf_cpuset set;

	assert_int_equal(numaperf_cpuset_parse(&set, text), 0);
	return set;
}

static const char *text_of(const struct numaperf_cpuset *set)
{
	static char buf[2][256];
	static int which;

	which = !which;
	numaperf_cpuset_format(set, buf[which], sizeof(buf[which]));
	return buf[which];
}

static struct numaperf_cpuset all_cpus(void)
{
	struct numaperf_cpuset all;

	numaperf_cpuset_fill_below(&all, NUMAPERF_CPUS_MAX);
	return all;
}

/* ---- a kernel of our own: __sched_setaffinity() and sched_getaffinity() as in 6.12 ---- */

static struct {
	struct np_sys table;
	char root[64];
	struct numaperf_cpuset possible, online, cpuset, isolated;
	struct numaperf_cpuset asked; /* what the thread asked for last */
	struct numaperf_cpuset sets[16];
	int set_count;
	uint64_t caps;
} fake;

static int fake_setaffinity(int tid, size_t size, const void *mask)
{
	struct numaperf_cpuset set = { { 0 } }, got;

	assert_int_equal(tid, 0);
	memcpy(&set, mask, MIN(size, sizeof(set)));
	assert_true(fake.set_count < (int)ARRAY_SIZE(fake.sets));
	fake.sets[fake.set_count++] = set;
	numaperf_cpuset_and(&got, &set, &fake.cpuset);
	numaperf_cpuset_and(&got, &got, &fake.online);
	if (numaperf_cpuset_empty(&got))
		return -EINVAL;
	fake.asked = set;
	return 0;
}

static struct numaperf_cpuset effective(void)
{
	struct numaperf_cpuset now;

	numaperf_cpuset_and(&now, &fake.asked, &fake.cpuset);
	numaperf_cpuset_and(&now, &now, &fake.online);
	return now;
}

static int fake_getaffinity(int tid, size_t size, void *mask)
{
	struct numaperf_cpuset now = effective();
	size_t bytes = ROUND_UP((size_t)numaperf_cpuset_last(&fake.possible) + 1, 64) / 8;

	(void)tid;
	if (size < bytes) /* as the kernel: nr_cpu_ids must fit */
		return -EINVAL;
	memcpy(mask, &now, bytes);
	return (int)bytes;
}

static int fake_open_root(const char *root)
{
	return np_sys_real.open_root(root && *root ? root : fake.root);
}

static int fake_capget(uint64_t *effective_caps)
{
	*effective_caps = fake.caps;
	return 0;
}

static int fake_user_namespace(void)
{
	return 0;
}

static void put(const char *name, const char *text)
{
	tree_put(fake.root, name, text);
}

static void machine(const char *possible, const char *online, const char *cpuset,
		    const char *isolated)
{
	fake.possible = cpus(possible);
	fake.online = cpus(online);
	fake.cpuset = cpus(cpuset);
	fake.isolated = cpus(isolated);
	put("sys/devices/system/cpu/possible", possible);
	put("sys/devices/system/cpu/online", online);
	put("sys/devices/system/cpu/isolated", isolated);
	numaperf_cpuset_andnot(&fake.asked, &fake.possible, &fake.isolated); /* as init */
	fake.set_count = 0;
}

static int setup(void **state)
{
	(void)state;
	snprintf(fake.root, sizeof(fake.root), "/tmp/np-affinity-XXXXXX");
	if (!mkdtemp(fake.root))
		return -1;
	put("proc/sys/kernel/numa_balancing", "0\n");
	put("proc/sys/kernel/ostype", "Linux\n");
	fake.caps = ~0ull;
	fake.table = np_sys_real;
	fake.table.open_root = fake_open_root;
	fake.table.capget = fake_capget;
	fake.table.user_namespace = fake_user_namespace;
	fake.table.sched_setaffinity = fake_setaffinity;
	fake.table.sched_getaffinity = fake_getaffinity;
	np_sys = &fake.table;
	machine("0-7", "0-7", "0-7", "");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	np_sys = &np_sys_real;
	snprintf(command, sizeof(command), "rm -rf '%s'", fake.root);
	return system(command);
}

static void assert_asked(const char *text)
{
	assert_string_equal(text_of(&fake.asked), text);
}

/* ---- refusals ---- */

static void refusals_name_each_missing_cpu(void **state)
{
	static const struct {
		const char *possible, *online, *cpuset, *isolated, *ask, *reason;
		enum numaperf_reason id;
	} cases[] = {
		{ "0-3", "0-1,3", "0-1", "", "0-3",
		  "affinity not fully applied (asked for 0-3, granted 0-1; 2 is offline; 3 is "
		  "outside the cpuset)",
		  NUMAPERF_REASON_AFFINITY },
		{ "0-7", "0-7", "0-1", "", "0-3",
		  "affinity not fully applied (asked for 0-3, granted 0-1; 2-3 are outside the "
		  "cpuset)",
		  NUMAPERF_REASON_CPUSET },
		{ "0-7", "0-5", "0-7", "", "4-7",
		  "affinity not fully applied (asked for 4-7, granted 4-5; 6-7 are offline)",
		  NUMAPERF_REASON_AFFINITY },
		{ "0-3", "0-3", "0-3", "", "2-4,64",
		  "affinity not fully applied (asked for 2-4,64, granted 2-3; 4,64 do not "
		  "exist)",
		  NUMAPERF_REASON_AFFINITY },
		{ "0-3", "0-3", "0-1", "2", "1-3",
		  "affinity not fully applied (asked for 1-3, granted 1; 2 is isolated; 3 is "
		  "outside the cpuset)",
		  NUMAPERF_REASON_AFFINITY },
		/* nothing is left: the kernel says EINVAL */
		{ "0-7", "0-7", "0-1", "", "5",
		  "affinity not fully applied (asked for 5, granted none; 5 is outside the "
		  "cpuset)",
		  NUMAPERF_REASON_CPUSET },
		{ "0-7", "0-6", "0-7", "", "7",
		  "affinity not fully applied (asked for 7, granted none; 7 is offline)",
		  NUMAPERF_REASON_AFFINITY },
		{ "0-3", "0-3", "0-3", "", "9",
		  "affinity not fully applied (asked for 9, granted none; 9 does not exist)",
		  NUMAPERF_REASON_AFFINITY },
		{ "0-8191", "0-8190", "0-8191", "", "5000,8191",
		  "affinity not fully applied (asked for 5000,8191, granted 5000; 8191 is "
		  "offline)",
		  NUMAPERF_REASON_AFFINITY },
	};
	static const enum numaperf_mode modes[] = { NUMAPERF_STRICT, UNWITNESSED };
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_cpuset set, before;
	struct numaperf_pin pin;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			machine(cases[i].possible, cases[i].online, cases[i].cpuset,
				cases[i].isolated);
			before = effective();
			set = cpus(cases[i].ask);
			assert_int_equal(numaperf_pin_thread(&pin, &set, modes[m]),
					 -NUMAPERF_EHARDMODE);
			assert_string_equal(e->reason, cases[i].reason);
			assert_int_equal(e->reason_id, cases[i].id);
			assert_int_equal(e->code, -NUMAPERF_EHARDMODE);
			assert_string_equal(e->operation, "thread pin");
			assert_true(e->remedy[0]);
			assert_int_equal(pin.tid, 0);
			set = effective();
			assert_true(numaperf_cpuset_equal(&set, &before));
			assert_int_equal(np_guarantee_count(), 0);
		}
}

static void a_refusal_leaves_a_pinned_thread_as_it_was(void **state)
{
	struct numaperf_cpuset set = cpus("2-5");
	struct numaperf_pin pin;

	(void)state;
	machine("0-7", "0-7", "0-4", "");
	fake.asked = cpus("1-2");
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), -NUMAPERF_EHARDMODE);
	assert_asked("1-2");
}

static void long_lists_are_cut(void **state)
{
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_cpuset set = { { 0 } };
	struct numaperf_pin pin;

	(void)state;
	machine("0-8191", "0-8191", "0-4095", "");
	for (int cpu = 0; cpu < NUMAPERF_CPUS_MAX; cpu += 2)
		numaperf_cpuset_set(&set, cpu);
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), -NUMAPERF_EHARDMODE);
	assert_int_equal(e->reason_id, NUMAPERF_REASON_CPUSET);
	assert_non_null(strstr(e->reason, "asked for 0,2,4,6,"));
	assert_non_null(strstr(e->reason, "... are outside the cpuset)"));
}

static void hard_mode_comes_first(void **state)
{
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_cpuset set = cpus("0-1");
	struct numaperf_pin pin;

	(void)state;
	fake.caps = ~(1ull << CAP_SYS_NICE);
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), -NUMAPERF_EHARDMODE);
	assert_string_equal(e->reason, "permission denied (CAP_SYS_NICE is missing)");
	fake.caps = ~0ull;
	put("proc/sys/kernel/numa_balancing", "1\n");
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), -NUMAPERF_EHARDMODE);
	assert_string_equal(e->reason, "NUMA balancing is enabled (kernel.numa_balancing=1)");
	assert_int_equal(fake.set_count, 0);
	assert_int_equal(numaperf_pin_thread(&pin, &set, UNWITNESSED), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_SOFT), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
}

static void wrong_arguments(void **state)
{
	struct numaperf_cpuset none = cpus(""), some = cpus("0");
	struct numaperf_pin pin;

	(void)state;
	assert_int_equal(numaperf_pin_thread(&pin, &none, NUMAPERF_SOFT), -EINVAL);
	assert_int_equal(numaperf_pin_thread(&pin, NULL, NUMAPERF_SOFT), -EINVAL);
	assert_int_equal(numaperf_pin_thread(NULL, &some, NUMAPERF_SOFT), -EINVAL);
	assert_int_equal(numaperf_pin_thread(&pin, &some, 7), -EINVAL);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_INVALID);
	assert_int_equal(numaperf_pin_thread_to_node(&pin, NULL, 0, NUMAPERF_SOFT), -EINVAL);
	assert_int_equal(fake.set_count, 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(numaperf_pin_release(NULL), 0);
	assert_int_equal(numaperf_pin_check(&pin), -EINVAL);
}

/* ---- soft ---- */

static char logged[512];

static void log_line(void *ctx, enum numaperf_log_level level, const char *line)
{
	(void)ctx;
	if (level == NUMAPERF_LOG_WARNING)
		snprintf(logged, sizeof(logged), "%s", line);
}

static void soft_takes_what_is_granted(void **state)
{
	struct numaperf_cpuset set = cpus("0-3"), outside = cpus("6");
	struct numaperf_pin pin;

	(void)state;
	machine("0-7", "0-7", "0-1", "");
	logged[0] = '\0';
	numaperf_set_log(log_line, NULL, NUMAPERF_LOG_WARNING);
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_SOFT), 0);
	assert_string_equal(logged,
			    "thread pin: affinity not fully applied (asked for 0-3, granted "
			    "0-1; 2-3 are outside the cpuset)");
	assert_string_equal(text_of(&pin.granted), "0-1");
	assert_int_equal(numaperf_pin_check(&pin), 0);
	assert_int_equal(np_guarantee_count(), 0); /* promises nothing */
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(numaperf_pin_thread(&pin, &outside, NUMAPERF_SOFT), -EINVAL);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_CPUSET);
	logged[0] = '\0';
	set = cpus("0");
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_SOFT), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_string_equal(logged, "");
	numaperf_set_log(NULL, NULL, 0);
}

/* ---- the way back ---- */

static void a_free_thread_is_free_again(void **state)
{
	struct numaperf_cpuset set = cpus("1"), now;
	struct numaperf_pin pin;

	(void)state;
	machine("0-7", "0-6", "0-3", "");
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), 0);
	assert_asked("1");
	fake.cpuset = cpus("0-5");
	assert_int_equal(numaperf_pin_release(&pin), 0);
	now = effective();
	assert_string_equal(text_of(&now), "0-5");
	fake.cpuset = cpus("0-7"); /* and of what comes later, too */
	fake.online = cpus("0-7");
	now = effective();
	assert_string_equal(text_of(&now), "0-7");
}

static void free_but_for_isolated_cpus(void **state)
{
	struct numaperf_cpuset set = cpus("2-3"), now;
	struct numaperf_pin pin;

	(void)state;
	machine("0-7", "0-7", "0-3", "2-3");
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	fake.cpuset = cpus("0-7");
	now = effective();
	assert_string_equal(text_of(&now), "0-1,4-7");
}

static void a_pinned_thread_goes_back_to_its_pin(void **state)
{
	struct numaperf_cpuset set = cpus("2");
	struct numaperf_pin pin;

	(void)state;
	fake.asked = cpus("4-5");
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_asked("4-5");

	/* the cpuset has taken it away meanwhile: then all that is left */
	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_STRICT), 0);
	fake.cpuset = cpus("0-3");
	assert_int_equal(numaperf_pin_release(&pin), 0);
	set = effective();
	assert_string_equal(text_of(&set), "0-3");
}

static void pins_nest_and_are_never_widened(void **state)
{
	struct numaperf_cpuset outer_set = cpus("0-7"), inner_set = cpus("3");
	struct numaperf_cpuset refused = cpus("3-9");
	struct numaperf_pin outer, inner;

	(void)state;
	assert_int_equal(numaperf_pin_thread(&outer, &outer_set, NUMAPERF_STRICT), 0);
	fake.set_count = 0;
	assert_int_equal(numaperf_pin_thread(&inner, &inner_set, NUMAPERF_STRICT), 0);
	assert_int_equal(numaperf_pin_release(&inner), 0);
	assert_int_equal(fake.set_count, 2);
	assert_string_equal(text_of(&fake.sets[0]), "3");
	/* it allows all of the cpuset, and is a pin all the same */
	assert_string_equal(text_of(&fake.sets[1]), "0-7");
	assert_int_equal(numaperf_pin_thread(&inner, &refused, NUMAPERF_STRICT),
			 -NUMAPERF_EHARDMODE);
	assert_asked("0-7");
	assert_int_equal(numaperf_pin_check(&outer), 0);
	assert_int_equal(np_guarantee_count(), 1);
	assert_int_equal(numaperf_pin_release(&outer), 0);
	assert_int_equal(numaperf_cpuset_count(&fake.asked), NUMAPERF_CPUS_MAX);
}

/* ---- lost pins ---- */

static void lost_pins_are_told(void **state)
{
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_cpuset set = cpus("2-3");
	struct numaperf_pin pin;

	(void)state;
	assert_int_equal(numaperf_pin_thread(&pin, &set, UNWITNESSED), 0);
	assert_int_equal(numaperf_pin_check(&pin), 0);
	fake.online = cpus("0-2,4-7");
	put("sys/devices/system/cpu/online", "0-2,4-7\n");
	assert_int_equal(numaperf_pin_check(&pin), -NUMAPERF_EHARDMODE);
	assert_int_equal(e->reason_id, NUMAPERF_REASON_AFFINITY);
	assert_string_equal(e->reason, "affinity not fully applied any more (granted 2-3, now "
				       "2; 3 is offline)");
	fake.online = cpus("0-7");
	assert_int_equal(numaperf_pin_check(&pin), 0);
	fake.asked = all_cpus();
	assert_int_equal(numaperf_pin_release(&pin), -NUMAPERF_EHARDMODE);
	assert_string_equal(e->reason, "affinity not fully applied any more (granted 2-3, now "
				       "0-7)");
	assert_int_equal(np_guarantee_count(), 0);
	assert_int_equal(pin.tid, 0);

	assert_int_equal(numaperf_pin_thread(&pin, &set, NUMAPERF_SOFT), 0);
	fake.asked = cpus("2");
	assert_int_equal(numaperf_pin_check(&pin), -ESTALE);
	assert_int_equal(numaperf_pin_release(&pin), -ESTALE);
	assert_int_equal(numaperf_cpuset_count(&fake.asked), NUMAPERF_CPUS_MAX);
}

/* ---- nodes ---- */

static struct numaperf_topology *two_nodes(void)
{
	struct numaperf_topology *topo;

	put("sys/devices/system/cpu/present", "0-7\n");
	put("sys/devices/system/node/online", "0-2\n");
	put("sys/devices/system/node/possible", "0-2\n");
	put("sys/devices/system/node/node0/cpulist", "0-3\n");
	put("sys/devices/system/node/node1/cpulist", "4-7\n");
	put("sys/devices/system/node/node2/cpulist", "\n");
	put("sys/devices/system/node/node0/distance", "10 20 20\n");
	put("sys/devices/system/node/node1/distance", "20 10 20\n");
	put("sys/devices/system/node/node2/distance", "20 20 10\n");
	for (int n = 0; n < 3; n++) {
		char name[64], text[64];

		snprintf(name, sizeof(name), "sys/devices/system/node/node%d/meminfo", n);
		snprintf(text, sizeof(text), "Node %d MemTotal: 1024 kB\n", n);
		put(name, text);
	}
	assert_int_equal(numaperf_topology_load(&topo, fake.root), 0);
	return topo;
}

static void pins_to_nodes(void **state)
{
	struct numaperf_topology *topo;
	struct numaperf_pin pin;

	(void)state;
	machine("0-7", "0-7", "0-7", "5");
	topo = two_nodes();
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 1, NUMAPERF_STRICT), 0);
	assert_asked("4-7");
	assert_int_equal(np_guarantee_count(), 1);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	/* soft: a thread that landed on an isolated CPU would stay there */
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 1, NUMAPERF_SOFT), 0);
	assert_asked("4,6-7");
	assert_int_equal(numaperf_pin_release(&pin), 0);

	fake.cpuset = cpus("0-4");
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 1, NUMAPERF_SOFT), 0);
	assert_string_equal(text_of(&pin.granted), "4");
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 1, NUMAPERF_STRICT),
			 -NUMAPERF_EHARDMODE);
	fake.cpuset = cpus("0-3");
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 1, NUMAPERF_SOFT), -EINVAL);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_CPUSET);

	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 2, NUMAPERF_SOFT), -ENODEV);
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 2, UNWITNESSED),
			 -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 3, NUMAPERF_SOFT), -ENOENT);
	assert_int_equal(numaperf_pin_thread_to_node(&pin, topo, 3, UNWITNESSED), -ENOENT);
	numaperf_topology_unref(topo);
}

/* ---- the real kernel ---- */

static struct numaperf_cpuset raw_affinity(int tid)
{
	struct numaperf_cpuset now = { { 0 } };

	assert_true(syscall(SYS_sched_getaffinity, tid, sizeof(now), &now) > 0);
	return now;
}

static struct numaperf_cpuset first_cpu(void)
{
	struct numaperf_cpuset now = raw_affinity(0);

	return numaperf_cpuset_single(numaperf_cpuset_first(&now));
}

struct seen {
	struct np_guarantee g;
	int begun, gone;
};

static void see(void *ctx, const struct np_guarantee *g, bool gone)
{
	struct seen *s = ctx;

	s->g = *g;
	if (gone)
		s->gone++;
	else
		s->begun++;
}

static void a_real_pin(void **state)
{
	struct numaperf_cpuset one = first_cpu(), before = raw_affinity(0), now;
	struct seen seen = { .begun = 0 };
	struct np_guarantee_subscriber s = { .fn = see, .ctx = &seen };
	struct numaperf_pin pin;
	unsigned int cpu, node;

	(void)state;
	np_guarantee_subscribe(&s);
	assert_int_equal(numaperf_pin_thread(&pin, &one, UNWITNESSED), 0);
	now = raw_affinity(0);
	assert_true(numaperf_cpuset_equal(&now, &one));
	assert_int_equal(numaperf_current_cpu(), numaperf_cpuset_first(&one));
	assert_int_equal(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
	assert_int_equal(numaperf_current_node(), node);
	assert_int_equal(seen.begun, 1);
	assert_int_equal(seen.g.kind, NP_GUARANTEE_CPUS);
	assert_int_equal(seen.g.mode, UNWITNESSED);
	assert_int_equal(seen.g.tid, np_gettid());
	assert_ptr_equal(seen.g.owner, &pin);
	assert_true(numaperf_cpuset_equal(&seen.g.cpus, &one));
	assert_int_equal(numaperf_pin_check(&pin), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
	assert_int_equal(seen.gone, 1);
	now = raw_affinity(0);
	assert_true(numaperf_cpuset_equal(&now, &before));
	assert_int_equal(numaperf_pin_release(&pin), 0);
	np_guarantee_unsubscribe(&s);
}

static void *elsewhere(void *arg)
{
	struct numaperf_pin *pin = arg;

	if (numaperf_pin_check(pin))
		return pin;
	if (numaperf_pin_release(pin) != -EPERM)
		return pin;
	return NULL;
}

static void others_may_ask_but_not_release(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_pin pin;
	pthread_t thread;
	void *what;

	(void)state;
	assert_int_equal(numaperf_pin_thread(&pin, &one, NUMAPERF_SOFT), 0);
	assert_int_equal(pthread_create(&thread, NULL, elsewhere, &pin), 0);
	pthread_join(thread, &what);
	assert_null(what);
	assert_int_equal(numaperf_pin_check(&pin), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
}

static void no_registry_no_pin(void **state)
{
	struct fault_plan plan = { .nth = 1, .error = -ENOMEM, .only = "alloc" };
	struct numaperf_cpuset one = first_cpu(), before = raw_affinity(0), now;
	struct numaperf_pin pin;

	(void)state;
	fault_start(&plan);
	assert_int_equal(numaperf_pin_thread(&pin, &one, UNWITNESSED), -ENOMEM);
	fault_stop();
	now = raw_affinity(0);
	assert_true(numaperf_cpuset_equal(&now, &before));
	assert_int_equal(pin.tid, 0);
	assert_int_equal(np_guarantee_count(), 0);
}

static const int errors[] = { -ENOMEM, -EPERM, -EINVAL, -ENOSYS, -EMFILE, -EIO, -EAGAIN };

/* One call fails: either the pin is there and true, or nothing has changed. From a thread that
 * was free, and from one that was pinned. */
static void every_failure_of_a_pin_is_clean(void **state)
{
	struct numaperf_cpuset one = first_cpu(), all = raw_affinity(0), before, now;
	int fds = fault_open_fds(), err, clean = 0;
	struct fault_plan plan;
	struct numaperf_pin pin;

	(void)state;
	for (int pinned = 0; pinned < 2; pinned++) {
		before = pinned ? numaperf_cpuset_single(numaperf_cpuset_last(&all)) : all;
		assert_int_equal(np_affinity_set(0, &before), 0);
		FAULT_SWEEP(plan, errors)
		{
			fault_start(&plan);
			err = numaperf_pin_thread(&pin, &one, UNWITNESSED);
			fault_stop();
			now = raw_affinity(0);
			if (err) {
				assert_non_null(plan.failed);
				assert_int_equal(numaperf_last_error()->code, err);
				assert_true(numaperf_cpuset_equal(&now, &before));
			} else {
				assert_true(numaperf_cpuset_equal(&now, &one));
				assert_int_equal(numaperf_pin_check(&pin), 0);
				assert_int_equal(numaperf_pin_release(&pin), 0);
				now = raw_affinity(0);
				assert_true(numaperf_cpuset_equal(&now, &before));
				clean += !plan.failed;
			}
			assert_int_equal(np_guarantee_count(), 0);
			assert_int_equal(fault_open_fds(), fds);
		}
	}
	assert_int_equal(clean, 2 * ARRAY_SIZE(errors));
	np_affinity_set(0, &all);
}

static void every_failure_of_a_release_is_told(void **state)
{
	struct numaperf_cpuset one = first_cpu(), before = raw_affinity(0), now;
	struct fault_plan plan;
	struct numaperf_pin pin;
	int err;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		assert_int_equal(numaperf_pin_thread(&pin, &one, UNWITNESSED), 0);
		fault_start(&plan);
		err = numaperf_pin_release(&pin);
		fault_stop();
		assert_int_equal(pin.tid, 0);
		assert_int_equal(np_guarantee_count(), 0);
		now = raw_affinity(0);
		/* an error that was not told would be a thread that stays pinned unknown */
		if (!err)
			assert_true(numaperf_cpuset_equal(&now, &before));
		else
			assert_non_null(plan.failed);
		np_affinity_set(0, &before);
	}
}

/* ---- threads born pinned ---- */

struct told {
	struct numaperf_cpuset affinity;
	sigset_t signals;
	char name[16];
	int tid, policy, priority, ran;
	struct numaperf_thread *self;
	int self_join;
	uint32_t go;
};

static void tell(void *arg)
{
	struct told *t = arg;

	t->ran++;
	t->tid = np_gettid();
	syscall(SYS_sched_getaffinity, 0, sizeof(t->affinity), &t->affinity);
	pthread_sigmask(SIG_SETMASK, NULL, &t->signals);
	prctl(PR_GET_NAME, t->name, 0, 0, 0);
	t->policy = np_sys_real.get_scheduler(0, &t->priority);
}

static void a_thread_is_born_pinned(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_thread_opts opts = {
		.sz = sizeof(opts),
		.cpus = &one,
		.mode = UNWITNESSED,
		.name = "a name that is far too long",
	};
	struct told told = { .ran = 0 };
	struct numaperf_thread *thread;
	int tid;

	(void)state;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &opts, tell, &told), 0);
	tid = numaperf_thread_tid(thread);
	assert_int_equal(numaperf_thread_check(thread), 0);
	assert_int_equal(numaperf_thread_join(thread), 0);
	assert_int_equal(told.ran, 1);
	assert_int_equal(told.tid, tid);
	assert_true(numaperf_cpuset_equal(&told.affinity, &one));
	assert_string_equal(told.name, "a name that is ");
	assert_true(sigismember(&told.signals, SIGTERM) && sigismember(&told.signals, SIGUSR1));
	assert_int_equal(np_guarantee_count(), 0);
	assert_int_equal(numaperf_thread_join(NULL), 0);
}

static void on_the_nodes_cpus(void **state)
{
	struct numaperf_thread_opts opts = { .sz = sizeof(opts), .mode = NUMAPERF_SOFT };
	struct numaperf_topology *topo;
	struct numaperf_thread *thread;
	struct numaperf_cpuset want, all = raw_affinity(0);
	struct told told = { .ran = 0 };

	(void)state;
	assert_int_equal(numaperf_topology_discover(&topo), 0);
	opts.node = numaperf_topology_cpu_node(topo, numaperf_cpuset_first(&all));
	assert_int_equal(numaperf_topology_node_cpus(topo, opts.node, &want), 0);
	numaperf_cpuset_and(&want, &want, &all);
	assert_int_equal(numaperf_thread_create(&thread, topo, &opts, tell, &told), 0);
	assert_int_equal(numaperf_thread_join(thread), 0);
	assert_true(numaperf_cpuset_equal(&told.affinity, &want));

	opts.node = NUMAPERF_ANY_NODE;
	assert_int_equal(numaperf_thread_create(&thread, topo, &opts, tell, &told), 0);
	assert_int_equal(numaperf_thread_join(thread), 0);
	assert_false(numaperf_cpuset_empty(&told.affinity));

	opts.node = 1023;
	assert_int_equal(numaperf_thread_create(&thread, topo, &opts, tell, &told), -ENOENT);
	assert_null(thread);
	numaperf_topology_unref(topo);
	assert_int_equal(told.ran, 2);
}

static void wait_for_go(void *arg)
{
	struct told *t = arg;

	while (!__atomic_load_n(&t->go, __ATOMIC_ACQUIRE))
		np_sys_real.futex_wait(&t->go, 0, -1);
	if (t->self)
		t->self_join = numaperf_thread_join(t->self);
}

static void let_go(struct told *t)
{
	__atomic_store_n(&t->go, 1, __ATOMIC_RELEASE);
	np_sys_real.futex_wake(&t->go, 1);
}

static void a_lost_thread_pin_is_told(void **state)
{
	static const enum numaperf_mode modes[] = { NUMAPERF_SOFT, UNWITNESSED };
	struct numaperf_cpuset all = raw_affinity(0), one = first_cpu(), other;
	struct numaperf_thread_opts opts = { .sz = sizeof(opts), .cpus = &one };
	struct numaperf_thread *thread;

	(void)state;
	other = numaperf_cpuset_single(numaperf_cpuset_last(&all));
	if (numaperf_cpuset_equal(&other, &one)) {
		print_message("SKIP a_lost_thread_pin_is_told: needs two CPUs\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int lost = modes[i] == NUMAPERF_SOFT ? -ESTALE : -NUMAPERF_EHARDMODE;
		struct told told = { .go = 0 };

		opts.mode = modes[i];
		assert_int_equal(
			numaperf_thread_create(&thread, NULL, &opts, wait_for_go, &told), 0);
		assert_int_equal(np_guarantee_count(), i);
		assert_int_equal(numaperf_thread_check(thread), 0);
		assert_int_equal(np_affinity_set(numaperf_thread_tid(thread), &other), 0);
		assert_int_equal(numaperf_thread_check(thread), lost);
		let_go(&told);
		assert_int_equal(numaperf_thread_join(thread), lost);
		assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_AFFINITY);
		assert_int_equal(np_guarantee_count(), 0);
	}
}

static void a_thread_does_not_wait_for_itself(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_thread_opts opts = { .sz = sizeof(opts), .cpus = &one };
	struct numaperf_thread *thread;
	struct told told = { .go = 0 };

	(void)state;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &opts, wait_for_go, &told), 0);
	told.self = thread;
	let_go(&told);
	assert_int_equal(numaperf_thread_join(thread), 0);
	assert_int_equal(told.self_join, -EDEADLK);
}

static void leave_early(void *arg)
{
	(void)arg;
	pthread_exit(NULL);
}

static void pthread_exit_leaves_nothing(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_thread_opts opts = { .sz = sizeof(opts),
					     .cpus = &one,
					     .mode = UNWITNESSED };
	struct numaperf_thread *thread;

	(void)state;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &opts, leave_early, NULL), 0);
	assert_int_equal(numaperf_thread_join(thread), 0);
	assert_int_equal(np_guarantee_count(), 0);
}

static void check_after_the_end(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_thread_opts opts = { .sz = sizeof(opts), .cpus = &one };
	struct told told = { .ran = 0 };

	(void)state;
	/* the end comes before, in and after the check */
	for (int i = 0; i < 200; i++) {
		struct numaperf_thread *thread;

		assert_int_equal(numaperf_thread_create(&thread, NULL, &opts, tell, &told), 0);
		assert_int_equal(numaperf_thread_check(thread), 0);
		assert_int_equal(numaperf_thread_check(thread), 0);
		assert_int_equal(numaperf_thread_join(thread), 0);
	}
	assert_int_equal(told.ran, 200);
}

static void wrong_thread_arguments(void **state)
{
	struct {
		struct numaperf_thread_opts opts;
		long newer;
	} s = { .newer = 0 };
	struct numaperf_cpuset one = first_cpu(), none = cpus("");
	struct numaperf_thread *thread;
	struct told told = { .ran = 0 };

	(void)state;
	s.opts.sz = sizeof(s);
	s.opts.cpus = &one;
	s.newer = 1;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -E2BIG);
	s.newer = 0;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), 0);
	assert_int_equal(numaperf_thread_join(thread), 0);
	s.opts.realtime_priority = 100;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -EINVAL);
	s.opts.realtime_priority = -1;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -EINVAL);
	s.opts.realtime_priority = 0;
	s.opts.stack_size = 1;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -EINVAL);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_INVALID);
	s.opts.stack_size = 1 << 20;
	s.opts.cpus = &none;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -EINVAL);
	s.opts.cpus = NULL;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -EINVAL);
	s.opts.cpus = &one;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, NULL, NULL), -EINVAL);
	assert_int_equal(numaperf_thread_create(NULL, NULL, &s.opts, tell, &told), -EINVAL);
	s.opts.mode = 9;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &s.opts, tell, &told), -EINVAL);
	assert_int_equal(told.ran, 1);
}

static void a_refused_thread_leaves_nothing(void **state)
{
	struct numaperf_cpuset absent = numaperf_cpuset_single(NUMAPERF_CPUS_MAX - 1);
	struct numaperf_thread_opts opts = { .sz = sizeof(opts),
					     .cpus = &absent,
					     .mode = UNWITNESSED };
	struct numaperf_thread *thread;
	struct told told = { .ran = 0 };
	int threads = fault_threads_settled();

	(void)state;
	assert_int_equal(numaperf_thread_create(&thread, NULL, &opts, tell, &told),
			 -NUMAPERF_EHARDMODE);
	assert_null(thread);
	/* the new thread's words, on this one */
	assert_string_equal(numaperf_last_error()->operation, "pinned thread");
	assert_non_null(strstr(numaperf_last_error()->reason, "8191 does not exist"));
	assert_true(fault_threads_are(threads));
	assert_int_equal(np_guarantee_count(), 0);
	assert_int_equal(told.ran, 0);
}

static void every_failure_of_a_thread_is_clean(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_thread_opts opts = {
		.sz = sizeof(opts), .cpus = &one, .name = "swept", .mode = UNWITNESSED
	};
	int fds = fault_open_fds(), threads = fault_threads_settled(), clean = 0, runs = 0, err;
	struct numaperf_thread *thread;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct told told = { .ran = 0 };

		fault_start(&plan);
		err = numaperf_thread_create(&thread, NULL, &opts, tell, &told);
		if (!err)
			err = numaperf_thread_join(thread);
		fault_stop();
		runs++;
		/* a name is worth no failure */
		if (!plan.failed || !strcmp(plan.failed, "set_thread_name")) {
			assert_int_equal(err, 0);
			clean += !plan.failed;
		} else {
			assert_int_not_equal(err, 0);
			assert_int_equal(numaperf_last_error()->code, err);
		}
		if (told.ran)
			assert_true(numaperf_cpuset_equal(&told.affinity, &one));
		assert_int_equal(np_guarantee_count(), 0);
		assert_int_equal(fault_open_fds(), fds);
		assert_true(fault_threads_are(threads));
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
	assert_true(runs > 5 * (int)ARRAY_SIZE(errors));
}

/* ---- real-time priority, in child processes ---- */

static struct numaperf_thread_opts fifo_opts(struct numaperf_cpuset *one)
{
	*one = first_cpu();
	return (struct numaperf_thread_opts){ .sz = sizeof(struct numaperf_thread_opts),
					      .cpus = one,
					      .realtime_priority = 3 };
}

static void fifo_with_privilege(void *arg)
{
	struct numaperf_cpuset one;
	struct numaperf_thread_opts opts = fifo_opts(&one);
	struct numaperf_thread *thread;
	struct told told = { .ran = 0 };

	(void)arg;
	CHECK(!numaperf_thread_create(&thread, NULL, &opts, tell, &told));
	CHECK(!numaperf_thread_join(thread));
	CHECK(told.ran && told.policy == SCHED_FIFO && told.priority == 3);

	/* what a real-time creator hands down is put down */
	CHECK(!np_sys->set_scheduler(0, SCHED_FIFO, 1));
	opts.realtime_priority = 0;
	CHECK(!numaperf_thread_create(&thread, NULL, &opts, tell, &told));
	CHECK(!numaperf_thread_join(thread));
	CHECK(told.ran == 2 && told.policy == SCHED_OTHER && told.priority == 0);
}

static void fifo_without_privilege(void *arg)
{
	struct numaperf_cpuset one;
	struct numaperf_thread_opts opts = fifo_opts(&one);
	struct rlimit none = { 0, 0 }, some = { 5, 5 };
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_thread *thread;
	struct told told = { .ran = 0 };
	bool limited;

	(void)arg;
	/* a limit that allows it does as well (raising it needs CAP_SYS_RESOURCE) */
	limited = !setrlimit(RLIMIT_RTPRIO, &some);
	if (!limited)
		fputs("part of realtime_priority left out: RLIMIT_RTPRIO cannot be raised\n",
		      stderr);
	child_drop(CAP_SYS_NICE);
	if (limited) {
		CHECK(!numaperf_thread_create(&thread, NULL, &opts, tell, &told));
		CHECK(!numaperf_thread_join(thread));
		CHECK(told.ran == 1 && told.policy == SCHED_FIFO);
	}

	CHECK(!setrlimit(RLIMIT_RTPRIO, &none));
	CHECK(numaperf_thread_create(&thread, NULL, &opts, tell, &told) == -NUMAPERF_EHARDMODE);
	CHECK(!thread && told.ran == limited);
	CHECK(e->reason_id == NUMAPERF_REASON_PERMISSION);
	CHECK(!strcmp(e->reason, "permission denied (CAP_SYS_NICE is missing)"));
	CHECK(fault_threads_are(1 + CHILD_TSAN));

	/* and hard mode's gate, before anything is tried */
	opts.realtime_priority = 0;
	opts.mode = NUMAPERF_STRICT;
	CHECK(numaperf_thread_create(&thread, NULL, &opts, tell, &told) == -NUMAPERF_EHARDMODE);
	CHECK(!strcmp(e->reason, "permission denied (CAP_SYS_NICE is missing)"));
	opts.mode = UNWITNESSED;
	CHECK(!numaperf_thread_create(&thread, NULL, &opts, tell, &told));
	CHECK(!numaperf_thread_join(thread));
	CHECK(told.ran == limited + 1);
}

static void fifo_filtered(void *arg)
{
	struct numaperf_cpuset one;
	struct numaperf_thread_opts opts = fifo_opts(&one);
	struct numaperf_thread *thread;
	struct told told = { .ran = 0 };

	child_deny(SYS_sched_setscheduler, *(int *)arg);
	CHECK(numaperf_thread_create(&thread, NULL, &opts, tell, &told) == -NUMAPERF_EHARDMODE);
	CHECK(numaperf_last_error()->reason_id == NUMAPERF_REASON_SECCOMP);
	CHECK(!told.ran);
}

static void realtime_priority(void **state)
{
	int eperm = EPERM, enosys = ENOSYS;

	(void)state;
	if (!child_is_root() || np_sys->user_namespace() != 0 || !np_capable(CAP_SYS_NICE)) {
		print_message("SKIP realtime_priority: needs CAP_SYS_NICE\n");
		skip();
	}
	assert_int_equal(child_run(fifo_with_privilege, NULL), 0);
	assert_int_equal(child_run(fifo_without_privilege, NULL), 0);
	assert_int_equal(child_run(fifo_filtered, &eperm), 0);
	assert_int_equal(child_run(fifo_filtered, &enosys), 0);
}

/* ---- seccomp, fork ---- */

static void pin_filtered(void *arg)
{
	struct numaperf_cpuset one = first_cpu(), before = raw_affinity(0), now;
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_pin pin;
	int error = *(int *)arg;

	child_deny(SYS_sched_setaffinity, error);
	CHECK(numaperf_pin_thread(&pin, &one, UNWITNESSED) == -NUMAPERF_EHARDMODE);
	CHECK(e->reason_id == NUMAPERF_REASON_SECCOMP);
	CHECK(!strcmp(e->reason, "affinity not fully applied (sched_setaffinity is refused by "
				 "a seccomp filter)"));
	CHECK(numaperf_pin_thread(&pin, &one, NUMAPERF_SOFT) == -error);
	CHECK(e->reason_id == NUMAPERF_REASON_SECCOMP);
	now = raw_affinity(0);
	CHECK(numaperf_cpuset_equal(&now, &before));
}

static void filters_are_named(void **state)
{
	int eperm = EPERM, enosys = ENOSYS;

	(void)state;
	assert_int_equal(child_run(pin_filtered, &eperm), 0);
	assert_int_equal(child_run(pin_filtered, &enosys), 0);
}

static void in_a_fork(void *arg)
{
	void **of_parent = arg;

	CHECK(numaperf_pin_release(of_parent[0]) == -EPERM);
	CHECK(numaperf_thread_join(of_parent[1]) == -ESRCH);
}

static void forked_children_own_nothing(void **state)
{
	struct numaperf_cpuset one = first_cpu();
	struct numaperf_thread_opts opts = { .sz = sizeof(opts), .cpus = &one };
	struct told told = { .go = 0 };
	struct numaperf_thread *thread;
	struct numaperf_pin pin;
	void *arg[2];

	(void)state;
	assert_int_equal(numaperf_pin_thread(&pin, &one, UNWITNESSED), 0);
	assert_int_equal(numaperf_thread_create(&thread, NULL, &opts, wait_for_go, &told), 0);
	arg[0] = &pin;
	arg[1] = thread;
	assert_int_equal(child_run(in_a_fork, arg), 0);
	let_go(&told);
	assert_int_equal(numaperf_thread_join(thread), 0);
	assert_int_equal(numaperf_pin_release(&pin), 0);
}

/* ---- real cpusets: version 1 or 2, whichever can be written here ---- */

static struct {
	int version;
	char path[128];
	int first, second; /* two CPUs that may be used */
} group;

static int write_to(const char *dir, const char *file, const char *text)
{
	char path[256];
	int fd, r;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int set_group(const char *file, const char *format, int a, int b)
{
	char text[32];

	snprintf(text, sizeof(text), format, a, b);
	return write_to(group.path, file, text);
}

/* A child cpuset of the root one with all that it needs; false: there can be none. */
static bool make_group(void)
{
	static const struct {
		int version;
		const char *root, *mems;
	} places[] = {
		{ 1, "/sys/fs/cgroup/cpuset", "cpuset.mems" },
		{ 2, "/sys/fs/cgroup", "cpuset.mems.effective" },
		{ 2, "/sys/fs/cgroup/unified", "cpuset.mems.effective" },
	};
	struct numaperf_cpuset now = raw_affinity(0);
	char path[256], mems[4096];
	ssize_t n;
	int fd;

	group.first = numaperf_cpuset_first(&now);
	group.second = numaperf_cpuset_next(&now, group.first);
	for (size_t i = 0; i < ARRAY_SIZE(places) && group.second >= 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i].root, places[i].mems);
		if (places[i].version == 2)
			write_to(places[i].root, "cgroup.subtree_control", "+cpuset");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, mems, sizeof(mems) - 1);
		close(fd);
		if (n <= 0)
			continue;
		mems[n] = '\0';
		snprintf(group.path, sizeof(group.path), "%s/np-test-%d", places[i].root,
			 getpid());
		if (mkdir(group.path, 0755))
			continue;
		group.version = places[i].version;
		if (!write_to(group.path, "cpuset.mems", mems) &&
		    !set_group("cpuset.cpus", "%d,%d", group.first, group.second))
			return true;
		rmdir(group.path);
	}
	return false;
}

static int group_setup(void **state)
{
	(void)state;
	memset(&group, 0, sizeof(group));
	if (!make_group())
		group.version = 0;
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	if (!group.version)
		return 0;
	/* the child that was in it is reaped; the kernel may take a moment to notice */
	for (int i = 0; i < 1000 && rmdir(group.path); i++)
		usleep(10000);
	return access(group.path, F_OK) ? 0 : -1;
}

/* The calling process, which has one thread that matters, moves in. */
static void move_in(void)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(!write_to(group.path, "cgroup.procs", pid));
}

static bool affinity_is(const char *format, int a, int b)
{
	struct numaperf_cpuset now = raw_affinity(0), want;
	char text[32];

	snprintf(text, sizeof(text), format, a, b);
	return !numaperf_cpuset_parse(&want, text) && numaperf_cpuset_equal(&now, &want);
}

static void outside(void *arg)
{
	const struct numaperf_error *e = numaperf_last_error();
	struct numaperf_cpuset both, second = numaperf_cpuset_single(group.second);
	struct numaperf_capabilities caps = { .sz = sizeof(caps) };
	struct numaperf_pin pin;
	char want[128];

	(void)arg;
	both = numaperf_cpuset_single(group.first);
	numaperf_cpuset_or(&both, &both, &second);
	CHECK(!set_group("cpuset.cpus", "%d", group.first, 0));
	move_in();
	CHECK(numaperf_pin_thread(&pin, &both, UNWITNESSED) == -NUMAPERF_EHARDMODE);
	CHECK(e->reason_id == NUMAPERF_REASON_CPUSET);
	snprintf(want, sizeof(want), "; %d is outside the cpuset)", group.second);
	CHECK(strstr(e->reason, want));
	CHECK(affinity_is("%d", group.first, 0));
	CHECK(numaperf_pin_thread(&pin, &second, NUMAPERF_SOFT) == -EINVAL);
	CHECK(e->reason_id == NUMAPERF_REASON_CPUSET);
	CHECK(!numaperf_pin_thread(&pin, &both, NUMAPERF_SOFT));
	CHECK(numaperf_cpuset_count(&pin.granted) == 1);
	CHECK(!numaperf_pin_release(&pin));
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(numaperf_cpuset_count(&caps.cpus_allowed) == 1);
	CHECK(numaperf_cpuset_test(&caps.cpus_allowed, group.first));
	/* none of the refusals and pins has frozen the thread on what there was */
	CHECK(!set_group("cpuset.cpus", "%d,%d", group.first, group.second));
	CHECK(affinity_is("%d,%d", group.first, group.second));
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(numaperf_cpuset_count(&caps.cpus_allowed) == 2);
}

static void growing(void *arg)
{
	struct numaperf_cpuset first = numaperf_cpuset_single(group.first);
	struct numaperf_pin pin;
	int err;

	(void)arg;
	CHECK(!set_group("cpuset.cpus", "%d", group.first, 0));
	move_in();
	CHECK(!numaperf_pin_thread(&pin, &first, UNWITNESSED));
	CHECK(!numaperf_pin_release(&pin));
	CHECK(affinity_is("%d", group.first, 0));
	CHECK(!set_group("cpuset.cpus", "%d,%d", group.first, group.second));
	CHECK(affinity_is("%d,%d", group.first, group.second));
	/* also what it gained while the pin was in force, whether or not the kernel keeps pins
	 */
	CHECK(!set_group("cpuset.cpus", "%d", group.first, 0));
	CHECK(!numaperf_pin_thread(&pin, &first, UNWITNESSED));
	CHECK(!set_group("cpuset.cpus", "%d,%d", group.first, group.second));
	err = numaperf_pin_release(&pin); /* 6.1 erases pins when the cpuset changes */
	CHECK(err == 0 || err == -NUMAPERF_EHARDMODE);
	CHECK(affinity_is("%d,%d", group.first, group.second));
}

static void shrinking(void *arg)
{
	struct numaperf_cpuset second = numaperf_cpuset_single(group.second);
	struct numaperf_pin pin;

	(void)arg;
	move_in();
	CHECK(!numaperf_pin_thread(&pin, &second, UNWITNESSED));
	CHECK(!numaperf_pin_check(&pin));
	CHECK(!set_group("cpuset.cpus", "%d", group.first, 0));
	CHECK(numaperf_pin_check(&pin) == -NUMAPERF_EHARDMODE);
	CHECK(strstr(numaperf_last_error()->reason, "outside the cpuset"));
	CHECK(numaperf_pin_release(&pin) == -NUMAPERF_EHARDMODE);
	CHECK(affinity_is("%d", group.first, 0));
}

static void in_group(void (*fn)(void *arg), const char *name)
{
	if (!group.version) {
		print_message("SKIP %s: no cpuset that could be written, or one CPU only\n",
			      name);
		skip();
	}
	assert_int_equal(child_run(fn, NULL), 0);
}

static void outside_a_real_cpuset(void **state)
{
	(void)state;
	in_group(outside, "outside_a_real_cpuset");
}

static void a_real_cpuset_grows(void **state)
{
	(void)state;
	in_group(growing, "a_real_cpuset_grows");
}

static void a_real_cpuset_shrinks(void **state)
{
	(void)state;
	in_group(shrinking, "a_real_cpuset_shrinks");
}

#define WITH_FAKE(fn)  cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define WITH_GROUP(fn) cmocka_unit_test_setup_teardown(fn, group_setup, group_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(refusals_name_each_missing_cpu),
		WITH_FAKE(a_refusal_leaves_a_pinned_thread_as_it_was),
		WITH_FAKE(long_lists_are_cut),
		WITH_FAKE(hard_mode_comes_first),
		WITH_FAKE(wrong_arguments),
		WITH_FAKE(soft_takes_what_is_granted),
		WITH_FAKE(a_free_thread_is_free_again),
		WITH_FAKE(free_but_for_isolated_cpus),
		WITH_FAKE(a_pinned_thread_goes_back_to_its_pin),
		WITH_FAKE(pins_nest_and_are_never_widened),
		WITH_FAKE(lost_pins_are_told),
		WITH_FAKE(pins_to_nodes),
		cmocka_unit_test(a_real_pin),
		cmocka_unit_test(others_may_ask_but_not_release),
		cmocka_unit_test(no_registry_no_pin),
		cmocka_unit_test(every_failure_of_a_pin_is_clean),
		cmocka_unit_test(every_failure_of_a_release_is_told),
		cmocka_unit_test(a_thread_is_born_pinned),
		cmocka_unit_test(on_the_nodes_cpus),
		cmocka_unit_test(a_lost_thread_pin_is_told),
		cmocka_unit_test(a_thread_does_not_wait_for_itself),
		cmocka_unit_test(pthread_exit_leaves_nothing),
		cmocka_unit_test(check_after_the_end),
		cmocka_unit_test(wrong_thread_arguments),
		cmocka_unit_test(a_refused_thread_leaves_nothing),
		cmocka_unit_test(every_failure_of_a_thread_is_clean),
		cmocka_unit_test(realtime_priority),
		cmocka_unit_test(filters_are_named),
		cmocka_unit_test(forked_children_own_nothing),
		WITH_GROUP(outside_a_real_cpuset),
		WITH_GROUP(a_real_cpuset_grows),
		WITH_GROUP(a_real_cpuset_shrinks),
	};

	return cmocka_run_group_tests_name("affinity", tests, NULL, NULL);
}
