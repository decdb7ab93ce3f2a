// SPDX-License-Identifier: MIT
/* Regions on this host: options, placement, refusals, and a failure of every call. */
#include "regions.h"
#include "sys.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int create(const struct numaperf_region_opts *opts, size_t size)
{
	struct numaperf_region *region = NULL;
	int err = numaperf_region_create(&region, size, opts);

	if (err)
		assert_null(region);
	else
		numaperf_region_unref(region);
	return err;
}

/* ---- arguments ---- */

static void wrong_options(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct {
		struct numaperf_region_opts opts;
		size_t tail; /* as large as what comes before is aligned: no padding */
	} newer = { .opts = opts };

	(void)state;
	assert_int_equal(create(&opts, 0), -EINVAL);
	assert_int_equal(create(&opts, SIZE_MAX), -EINVAL);
	assert_int_equal(create(&opts, SIZE_MAX / 8), -ENOMEM);
	opts.policy = (enum numaperf_policy)7;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts((enum numaperf_mode)9);
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.prefault = (enum numaperf_prefault)3;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.prefault = NUMAPERF_PREFAULT_NONE;
	opts.thp = (enum numaperf_thp)3;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.thp = NUMAPERF_THP_DEFAULT;
	numaperf_nodemask_zero(&opts.nodes);
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.policy = NUMAPERF_POLICY_LOCAL;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	opts.policy = NUMAPERF_POLICY_PREFERRED;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	assert_non_null(strstr(numaperf_last_error()->reason, "promises nothing"));
	opts = bind_opts(NUMAPERF_SOFT);
	opts.fork = (enum numaperf_fork)3;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.weights[0] = 1;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
	opts.weights[5] = 1;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	assert_non_null(strstr(numaperf_last_error()->reason, "node 5 has a weight"));
	numaperf_nodemask_set(&opts.nodes, 5);
	opts.weights[0] = 0;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	assert_non_null(strstr(numaperf_last_error()->reason, "node 0 has no weight"));
	opts = bind_opts(NUMAPERF_SOFT);
	opts.home = numaperf_nodemask_single(1);
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.home = opts.nodes;
	opts.policy = NUMAPERF_POLICY_INTERLEAVE;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.balancing = true;
	opts.policy = NUMAPERF_POLICY_PREFERRED;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.size_max = KIB / 2;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.name = "a [bracket]";
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.name = "12345678901234567890123456789012345678901234567890123456789012345678901234"
		    "567890";
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.huge_page_size = 3 << 20;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.huge_page_size = 2 << 20;
	opts.thp = NUMAPERF_THP_ON;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.thp = NUMAPERF_THP_DEFAULT;
	opts.huge_page_size = (size_t)1 << 45;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_UNSUPPORTED);
	newer.opts.sz = sizeof(newer);
	assert_int_equal(create(&newer.opts, KIB), 0);
	newer.tail = 1;
	assert_int_equal(create(&newer.opts, KIB), -E2BIG);
	assert_int_equal(numaperf_region_create(NULL, KIB, NULL), -EINVAL);
	numaperf_region_unref(NULL);
}

static void nodes_that_are_not_there(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);

	(void)state;
	opts.nodes = numaperf_nodemask_single(NUMAPERF_NODES_MAX - 1);
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_CPUSET);
	assert_non_null(strstr(numaperf_last_error()->message, "node 1023 is not online"));
	opts.mode = NUMAPERF_SOFT;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	/* soft: the node that is there serves */
	numaperf_nodemask_set(&opts.nodes, 0);
	assert_int_equal(create(&opts, KIB), 0);
}

/* ---- memory ---- */

static void memory_is_zero_aligned_and_shared(void **state)
{
	struct numaperf_region *region;
	char *data;

	(void)state;
	assert_int_equal(numaperf_region_create(&region, 5000, NULL), 0);
	data = numaperf_region_data(region);
	assert_int_equal((uintptr_t)data % np_page_size(), 0);
	assert_int_equal(numaperf_region_size(region), ROUND_UP(5000, np_page_size()));
	for (size_t i = 0; i < numaperf_region_size(region); i++)
		assert_int_equal(data[i], 0);
	assert_ptr_equal(numaperf_region_ref(region), region);
	numaperf_region_unref(region);
	memset(data, 1, numaperf_region_size(region));
	assert_int_equal(numaperf_region_check(region), -ENODATA);
	numaperf_region_unref(region);
}

static void placement_tells_what_was_touched(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *region;
	size_t page = np_page_size();

	(void)state;
	opts.thp = NUMAPERF_THP_OFF;
	assert_int_equal(numaperf_region_create(&region, 64 * page, &opts), 0);
	for (int i = 0; i < 2; i++) { /* asking twice changes nothing */
		assert_int_equal(numaperf_region_placement(region, &where), 0);
		assert_int_equal(where.pages_total, 64);
		assert_int_equal(where.pages_absent, 64);
	}
	memset(numaperf_region_data(region), 1, 10 * page);
	assert_int_equal(numaperf_region_placement(region, &where), 0);
	assert_int_equal(where.pages_absent, 54);
	assert_int_equal(where.pages_on_node[0], 10);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_BEST_EFFORT);
	assert_int_equal(where.requested_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(where.effective_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(numaperf_region_check(region), 0);
	where.sz = 8;
	assert_int_equal(numaperf_region_placement(region, &where), -EINVAL);
	where.sz = sizeof(where);
	numaperf_region_unref(region);
}

static void strict_is_proved_and_registered(void **state)
{
	static const enum numaperf_prefault prefaults[] = { NUMAPERF_PREFAULT_NONE,
							    NUMAPERF_PREFAULT_TOUCH,
							    NUMAPERF_PREFAULT_PARALLEL };
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region *region;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefaults); i++)
		for (int thp = NUMAPERF_THP_DEFAULT; thp <= NUMAPERF_THP_OFF; thp++) {
			struct numaperf_region_opts opts =
				bind_opts(NUMAPERF_STRICT_UNWITNESSED);

			opts.prefault = prefaults[i];
			opts.thp = (enum numaperf_thp)thp;
			opts.policy =
				i == 1 ? NUMAPERF_POLICY_INTERLEAVE : NUMAPERF_POLICY_BIND;
			assert_int_equal(numaperf_region_create(&region, 20480 * KIB, &opts),
					 0);
			assert_int_equal(np_guarantee_count(), 1);
			assert_int_equal(numaperf_region_placement(region, &where), 0);
			assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_STRICT);
			assert_int_equal(where.pages_on_node[0], 20480 / 4);
			assert_int_equal(numaperf_region_check(region), 0);
			numaperf_region_unref(region);
			assert_int_equal(np_guarantee_count(), 0);
		}
}

static void pages_given_back_are_missed(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *region;

	(void)state;
	opts.thp = NUMAPERF_THP_OFF;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	assert_int_equal(madvise(numaperf_region_data(region), 8 * KIB, MADV_DONTNEED), 0);
	assert_int_equal(numaperf_region_check(region), -NUMAPERF_EHARDMODE);
	assert_non_null(strstr(numaperf_last_error()->message, "2 pages are not present"));
	numaperf_region_unref(region);
}

static void too_much_is_refused_before_it_is_touched(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);

	(void)state;
	assert_int_equal(create(&opts, (size_t)1 << 44), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_MEMORY);
	assert_non_null(strstr(numaperf_last_error()->message, "not enough memory"));
}

/* ---- what goes with the mapping ---- */

static void named_locked_and_told(void **state)
{
	struct numaperf_region_info info = { .sz = sizeof(info) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *region;
	bool names = access("/proc/self/maps", R_OK) == 0;
	char line[512], text[64] = "", *data;
	FILE *f;

	(void)state;
	opts.name = text;
	strcpy(text, "the books");
	opts.lock = true;
	assert_int_equal(numaperf_region_create(&region, 100 * KIB, &opts), 0);
	strcpy(text, "changed");
	data = numaperf_region_data(region);
	assert_int_equal(numaperf_region_info(region, &info), 0);
	assert_int_equal(info.size, 100 * KIB);
	assert_int_equal(info.size_max, 100 * KIB);
	assert_int_equal(info.page_size, np_page_size());
	assert_int_equal(info.locked, 100 * KIB);
	assert_true(info.policy);
	assert_false(info.balancing || info.home || info.split || info.file || info.shared);
	assert_true(smaps_flag(data, " lo"));
	assert_int_equal(info.collapsible, !smaps_flag(data, " nh"));
	assert_false(smaps_flag(data, " mg"));
	f = fopen("/proc/self/maps", "r");
	assert_true(names && f);
	names = false;
	while (fgets(line, sizeof(line), f)) {
		unsigned long start;

		sscanf(line, "%lx", &start);
		if (start == (uintptr_t)data)
			names = strstr(line, "[anon:the books]");
	}
	fclose(f);
	/* by doing, whether this kernel has names at all */
	if (!np_sys_real.name_mapping(data, np_page_size(), "x"))
		assert_true(names);
	info.sz = 4;
	assert_int_equal(numaperf_region_info(region, &info), -EINVAL);
	numaperf_region_unref(region);
}

static int refuse_mlock(const void *addr, size_t length)
{
	(void)addr, (void)length;
	return -EPERM;
}

static void what_cannot_be_locked(void **state)
{
	struct numaperf_region_info info = { .sz = sizeof(info) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;

	(void)state;
	table.mlock = refuse_mlock;
	table.mlock_on_fault = refuse_mlock;
	np_sys = &table;
	opts.lock = true;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_PERMISSION);
	assert_non_null(strstr(numaperf_last_error()->remedy, "RLIMIT_MEMLOCK"));
	opts.mode = NUMAPERF_SOFT;
	assert_int_equal(numaperf_region_create(&region, KIB, &opts), 0);
	np_sys = &np_sys_real;
	assert_int_equal(numaperf_region_info(region, &info), 0);
	assert_int_equal(info.locked, 0);
	numaperf_region_unref(region);
}

/* What a child finds at `at`: its byte, or 256: nothing that could be read. */
static int childs_byte(const char *at)
{
	int pipes[2], status, got = 0;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child) {
		/* write(2) from a place that is not mapped is EFAULT, not a signal */
		_exit(write(pipes[1], at, 1) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	got = 256;
	if (!WEXITSTATUS(status)) {
		unsigned char byte;

		assert_int_equal(read(pipes[0], &byte, 1), 1);
		got = byte;
	}
	close(pipes[0]);
	close(pipes[1]);
	return got;
}

static void a_child_has_what_was_chosen(void **state)
{
	static const struct {
		enum numaperf_fork fork;
		int byte;
	} choices[] = { { NUMAPERF_FORK_KEEP, 7 },
			{ NUMAPERF_FORK_WIPE, 0 },
			{ NUMAPERF_FORK_NONE, 256 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		for (int mode = 0; mode < 2; mode++) {
			struct numaperf_region_opts opts =
				bind_opts(mode ? NUMAPERF_STRICT_UNWITNESSED : NUMAPERF_SOFT);
			struct numaperf_region *region;
			char *data;

			opts.fork = choices[i].fork;
			assert_int_equal(numaperf_region_create(&region, 8 * KIB, &opts), 0);
			data = numaperf_region_data(region);
			data[0] = 7;
			assert_int_equal(childs_byte(data), choices[i].byte);
			assert_int_equal(data[0], 7);
			numaperf_region_unref(region);
		}
}

static void weights_of_one_node(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_info info = { .sz = sizeof(info) };
	struct numaperf_region *region;

	(void)state;
	for (int own = 0; own < 2; own++)
		for (int mode = 0; mode < 2; mode++) {
			struct numaperf_region_opts opts =
				bind_opts(mode ? NUMAPERF_STRICT_UNWITNESSED : NUMAPERF_SOFT);

			opts.policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
			opts.prefault = NUMAPERF_PREFAULT_TOUCH;
			opts.weights[0] = own ? 3 : 0;
			assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
			assert_int_equal(numaperf_region_placement(region, &where), 0);
			assert_int_equal(where.pages_on_node[0], 64 * KIB / np_page_size());
			assert_int_equal(where.requested_policy,
					 NUMAPERF_POLICY_WEIGHTED_INTERLEAVE);
			assert_int_equal(where.effective_policy,
					 NUMAPERF_POLICY_WEIGHTED_INTERLEAVE);
			assert_int_equal(numaperf_region_check(region), 0);
			assert_int_equal(numaperf_region_info(region, &info), 0);
			if (own)
				assert_true(info.split);
			numaperf_region_unref(region);
		}
}

static int count_progress(void *ctx, size_t done, size_t total)
{
	size_t *last = ctx;

	assert_true(done > *last && done <= total);
	*last = done;
	return 0;
}

static int stop_at_once(void *ctx, size_t done, size_t total)
{
	(void)ctx, (void)done, (void)total;
	return 1;
}

static void progress_and_its_end(void **state)
{
	int mappings;

	(void)state;
	for (int prefault = NUMAPERF_PREFAULT_TOUCH; prefault <= NUMAPERF_PREFAULT_PARALLEL;
	     prefault++) {
		struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
		size_t last = 0;

		opts.prefault = (enum numaperf_prefault)prefault;
		opts.progress = count_progress;
		opts.progress_ctx = &last;
		assert_int_equal(create(&opts, 20480 * KIB), 0);
		assert_int_equal(last, 20480 * KIB);
		opts.progress = stop_at_once;
		mappings = fault_mappings();
		assert_int_equal(create(&opts, 20480 * KIB), -ECANCELED);
		assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_CANCELED);
		assert_true(fault_mappings() <= mappings + 4); /* stacks kept for later */
		assert_int_equal(np_guarantee_count(), 0);
	}
}

/* Wishes that one node cannot show: that each is asked for, and said. */
static int no_home(void *addr, size_t length, int node)
{
	(void)addr, (void)length, (void)node;
	return -ENOSYS;
}

static int no_balancing(void *addr, size_t length, int policy, const uint64_t *nodes,
			unsigned int nwords, unsigned int flags)
{
	if (policy & (1 << 13))
		return -EINVAL;
	return np_sys_real.mbind(addr, length, policy, nodes, nwords, flags);
}

static void what_an_old_kernel_has_not(void **state)
{
	struct numaperf_region_info info = { .sz = sizeof(info) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;

	(void)state;
	table.set_home_node = no_home;
	table.mbind = no_balancing;
	np_sys = &table;
	opts.balancing = true;
	opts.home = opts.nodes;
	for (int prefault = 0; prefault < 2; prefault++) {
		opts.prefault = (enum numaperf_prefault)prefault;
		assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
		assert_int_equal(numaperf_region_info(region, &info), 0);
		assert_false(info.balancing);
		assert_true(info.home); /* of one node */
		assert_true(info.policy);
		numaperf_region_unref(region);
	}
	opts.mode = NUMAPERF_STRICT_UNWITNESSED;
	assert_int_equal(create(&opts, 64 * KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_UNSUPPORTED);
	np_sys = &np_sys_real;
}

/* ---- refusals ---- */

static int refused_with;
static int refuse_mbind(void *addr, size_t length, int policy, const uint64_t *nodes,
			unsigned int nwords, unsigned int flags)
{
	(void)addr, (void)length, (void)policy, (void)nodes, (void)nwords, (void)flags;
	return refused_with;
}

static int filtered(void)
{
	return 2;
}

static void no_policy_to_be_had(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;

	(void)state;
	table.mbind = refuse_mbind;
	np_sys = &table;
	refused_with = -ENOSYS;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_UNSUPPORTED);
	table.seccomp_mode = filtered;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_SECCOMP);
	refused_with = -EPERM;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_SECCOMP);
	assert_non_null(strstr(numaperf_last_error()->message, "permission denied"));
	opts.mode = NUMAPERF_SOFT;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	assert_int_equal(numaperf_region_placement(region, &where), 0);
	np_sys = &np_sys_real;
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	assert_int_equal(where.pages_absent, 0);
	numaperf_region_unref(region);
}

static int refuse_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			     int *status, int flags)
{
	(void)pid, (void)count, (void)pages, (void)nodes, (void)status, (void)flags;
	return -EPERM;
}

static int refuse_get_mempolicy(int *policy, uint64_t *nodes, unsigned int nwords,
				const void *addr, unsigned int flags)
{
	(void)policy, (void)nodes, (void)nwords, (void)addr, (void)flags;
	return -EPERM;
}

/* numa_maps shows the thread's policy for a mapping that has none: that is not the region's. */
static void the_threads_policy_is_not_the_regions(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_nodemask zero = numaperf_nodemask_single(0);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;

	(void)state;
	refused_with = -EPERM;
	table.mbind = refuse_mbind;
	table.move_pages = refuse_move_pages;
	table.get_mempolicy = refuse_get_mempolicy;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	assert_int_equal(np_sys_real.set_mempolicy(MPOL_BIND, zero.bits, ARRAY_SIZE(zero.bits)),
			 0);
	np_sys = &table;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	assert_int_equal(numaperf_region_placement(region, &where), 0);
	np_sys = &np_sys_real;
	np_sys->set_mempolicy(MPOL_DEFAULT, NULL, 0);
	assert_int_equal(where.method, NUMAPERF_PLACEMENT_NUMA_MAPS);
	assert_int_equal(where.effective_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	numaperf_region_unref(region);
}

/* Another node's word for pages that are here: the proof must not pass. */
static int elsewhere(int pid, unsigned long count, void **pages, const int *nodes, int *status,
		     int flags)
{
	int r = np_sys_real.move_pages(pid, count, pages, nodes, status, flags);

	status[count - 1] = 3;
	return r;
}

static void a_stray_page_fails_the_proof(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;
	int fds = fault_open_fds(), mappings;

	(void)state;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	mappings = fault_mappings();
	table.move_pages = elsewhere;
	np_sys = &table;
	assert_int_equal(create(&opts, 64 * KIB), -NUMAPERF_EHARDMODE);
	assert_non_null(strstr(numaperf_last_error()->message,
			       "1 pages are not on nodes 0; the first is at 0x"));
	assert_int_equal(numaperf_region_check(region), -NUMAPERF_EHARDMODE);
	np_sys = &np_sys_real;
	assert_int_equal(fault_mappings(), mappings);
	assert_int_equal(fault_open_fds(), fds);
	assert_int_equal(numaperf_region_check(region), 0);
	numaperf_region_unref(region);
	assert_int_equal(np_guarantee_count(), 0);
}

static int stop_never(void *ctx, size_t done, size_t total)
{
	(void)total;
	*(size_t *)ctx += done;
	return 0;
}

static void sweep(const struct numaperf_region_opts *opts, size_t size)
{
	int fds = fault_open_fds(), mappings, err;
	struct numaperf_region *region;
	struct fault_plan plan;
	unsigned int clean = 0;

	create(opts, size); /* so that the C library has its arenas */
	mappings = fault_mappings();
	FAULT_SWEEP(plan, region_errors)
	{
		region = NULL;
		fault_start(&plan);
		err = numaperf_region_create(&region, size, opts);
		fault_stop();
		if (err) {
			assert_non_null(plan.failed);
			assert_null(region);
			assert_int_equal(numaperf_last_error()->code, err);
			assert_true(numaperf_last_error()->message[0]);
		} else {
			/* whatever failed: a strict one that was created holds */
			if (opts->mode != NUMAPERF_SOFT)
				assert_int_equal(numaperf_region_check(region), 0);
			memset(numaperf_region_data(region), 1, numaperf_region_size(region));
			numaperf_region_unref(region);
			clean += !plan.failed;
		}
		assert_int_equal(np_guarantee_count(), 0);
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(region_errors));
	/* stacks of threads may be kept for later ones */
	assert_true(fault_mappings() <= mappings + 8);
}

static void every_failure_is_clean(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	size_t last = 0;

	(void)state;
	sweep(&opts, 64 * KIB);
	opts.thp = NUMAPERF_THP_ON;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	sweep(&opts, 64 * KIB);
	opts.mode = NUMAPERF_SOFT;
	sweep(&opts, 64 * KIB);
	opts.policy = NUMAPERF_POLICY_PREFERRED;
	opts.prefault = NUMAPERF_PREFAULT_NONE;
	sweep(&opts, 64 * KIB);
	/* all at once */
	opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	opts.policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
	opts.weights[0] = 2;
	opts.name = "sweep";
	opts.fork = NUMAPERF_FORK_NONE;
	opts.lock = true;
	opts.progress = stop_never;
	opts.progress_ctx = &last;
	sweep(&opts, 64 * KIB);
	opts.weights[0] = 0;
	sweep(&opts, 64 * KIB);
	opts.mode = NUMAPERF_SOFT;
	sweep(&opts, 64 * KIB);
	assert_true(last > 0);
}

/* Threads and the topology's many files in it: only the memory and thread calls fail. */
static void parallel_prefault_survives_refusals(void **state)
{
	static const char *const calls[] = { "thread_create", "madvise", "mbind", "alloc",
					     "sched_setaffinity" };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	int fds = fault_open_fds(), created = 0;

	(void)state;
	opts.prefault = NUMAPERF_PREFAULT_PARALLEL;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (int forever = 0; forever < 2; forever++) {
			struct fault_plan plan = {
				.nth = 1, .error = -EPERM, .only = calls[i], .for_ever = forever
			};
			struct numaperf_region *region = NULL;
			int err;

			fault_start(&plan);
			err = numaperf_region_create(&region, 16384 * KIB, &opts);
			fault_stop();
			if (err) {
				assert_null(region);
				continue;
			}
			created++;
			assert_int_equal(numaperf_region_check(region), 0);
			numaperf_region_unref(region);
		}
	/* threads, populate and pins are not needed for the proof */
	assert_true(created >= 6);
	assert_int_equal(fault_open_fds(), fds);
	assert_int_equal(np_guarantee_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(nodes_that_are_not_there),
		cmocka_unit_test(memory_is_zero_aligned_and_shared),
		cmocka_unit_test(placement_tells_what_was_touched),
		cmocka_unit_test(strict_is_proved_and_registered),
		cmocka_unit_test(pages_given_back_are_missed),
		cmocka_unit_test(too_much_is_refused_before_it_is_touched),
		cmocka_unit_test(named_locked_and_told),
		cmocka_unit_test(what_cannot_be_locked),
		cmocka_unit_test(a_child_has_what_was_chosen),
		cmocka_unit_test(weights_of_one_node),
		cmocka_unit_test(progress_and_its_end),
		cmocka_unit_test(what_an_old_kernel_has_not),
		cmocka_unit_test(no_policy_to_be_had),
		cmocka_unit_test(the_threads_policy_is_not_the_regions),
		cmocka_unit_test(a_stray_page_fails_the_proof),
		cmocka_unit_test(every_failure_is_clean),
		cmocka_unit_test(parallel_prefault_survives_refusals),
	};

	return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
