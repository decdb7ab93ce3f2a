// SPDX-License-Identifier: MIT
/*
 * What may be guaranteed: against what the kernel says elsewhere, with real filters, dropped
 * capabilities and namespaces in child processes, and with each call failing in each way.
 */
#include "../../lib/src/capability.h"
#include "../../lib/src/util.h"
#include "child.h"
#include "fault.h"
#include "tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <numaif.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
/* cmocka wants these before it */
#include <cmocka.h>

/* ---- a machine of our own: a tree for the files, and calls that answer as told ---- */

static struct {
	struct np_sys table;
	char root[64];
	uint64_t caps;
	int user_namespace, seccomp;
	uint64_t memlock;
} fake;

static int fake_open_root(const char *root)
{
	return np_sys_real.open_root(root && *root ? root : fake.root);
}

static int fake_capget(uint64_t *effective)
{
	*effective = fake.caps;
	return 0;
}

static int fake_user_namespace(void)
{
	return fake.user_namespace;
}

static int fake_seccomp_mode(void)
{
	return fake.seccomp;
}

static int fake_memlock_limit(uint64_t *bytes)
{
	*bytes = fake.memlock;
	return 0;
}

static void put(const char *name, const char *text)
{
	tree_put(fake.root, name, text);
}

static void take_away(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fake.root, name);
	assert_int_equal(unlink(path), 0);
}

#define BALANCING	"proc/sys/kernel/numa_balancing"
#define BIT(capability) (1ull << (capability))

/* Root on a kernel that could do it all, balancing off. */
static int setup(void **state)
{
	(void)state;
	snprintf(fake.root, sizeof(fake.root), "/tmp/np-capability-XXXXXX");
	if (!mkdtemp(fake.root))
		return -1;
	put(BALANCING, "0\n");
	put("proc/sys/kernel/ostype", "Linux\n");
	put("proc/sys/kernel/osrelease", "6.12.95-amd64\n");
	put("proc/thread-self/status", "Name:\tx\nMems_allowed_list:\t0\n");
	put("proc/thread-self/numa_maps", "");
	put("sys/devices/system/node/online", "0,4-5\n");
	put("sys/devices/system/cpu/isolated", "3,9\n");
	put("sys/kernel/btf/vmlinux", "\x9f\xeb\x01");
	fake.table = np_sys_real;
	fake.table.open_root = fake_open_root;
	fake.table.capget = fake_capget;
	fake.table.user_namespace = fake_user_namespace;
	fake.table.seccomp_mode = fake_seccomp_mode;
	fake.table.memlock_limit = fake_memlock_limit;
	fake.caps = ~0ull;
	fake.user_namespace = fake.seccomp = 0;
	fake.memlock = UINT64_MAX;
	np_sys = &fake.table;
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

static struct numaperf_capabilities detect(void)
{
	struct numaperf_capabilities caps = { .sz = sizeof(caps) };

	assert_int_equal(numaperf_capabilities_detect(&caps), 0);
	return caps;
}

static void assert_usable(const struct numaperf_capabilities *caps, enum numaperf_feature f,
			  enum numaperf_usable usable, int error)
{
	if (caps->feature[f].usable != usable || caps->feature[f].error != error)
		fail_msg("%s: %s (errno %d) instead of %s (errno %d)", numaperf_feature_name(f),
			 numaperf_usable_name(caps->feature[f].usable), caps->feature[f].error,
			 numaperf_usable_name(usable), error);
}

/* ---- the interface ---- */

static void names_are_total(void **state)
{
	(void)state;
	for (int i = 0; i < NUMAPERF_FEATURE_COUNT; i++) {
		assert_non_null(numaperf_feature_name(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(numaperf_feature_name(i),
						numaperf_feature_name(j));
	}
	assert_null(numaperf_feature_name(NUMAPERF_FEATURE_COUNT));
	assert_null(numaperf_feature_name(-1));
	assert_string_equal(numaperf_usable_name(NUMAPERF_USABLE_TOO_OLD), "kernel too old");
	for (int i = NUMAPERF_USABLE_OK; i <= NUMAPERF_USABLE_FAILED; i++)
		assert_string_not_equal(numaperf_usable_name(i), "unknown");
	assert_string_equal(numaperf_usable_name(NUMAPERF_USABLE_FAILED + 1), "unknown");
	assert_string_equal(numaperf_usable_name(-1), "unknown");
}

static void sizes(void **state)
{
	struct {
		struct numaperf_capabilities caps;
		unsigned char newer[16], beyond[16];
	} s;

	(void)state;
	s.caps.sz = sizeof(s.caps) - 1;
	assert_int_equal(numaperf_capabilities_detect(&s.caps), -EINVAL);
	assert_int_equal(numaperf_capabilities_detect(NULL), -EINVAL);
	memset(&s, 0xa5, sizeof(s));
	s.caps.sz = sizeof(s.caps) + sizeof(s.newer);
	assert_int_equal(numaperf_capabilities_detect(&s.caps), 0);
	assert_int_equal(s.caps.sz, sizeof(s.caps) + sizeof(s.newer));
	assert_int_equal(s.caps.node_count, 3);
	for (size_t i = 0; i < sizeof(s.newer); i++) {
		assert_int_equal(s.newer[i], 0);
		assert_int_equal(s.beyond[i], 0xa5);
	}
}

/* ---- this machine, against what it says elsewhere ---- */

static unsigned int count_node_folders(void)
{
	DIR *d = opendir("/sys/devices/system/node");
	const struct dirent *e;
	unsigned int n = 0;

	if (!d)
		return 1;
	while ((e = readdir(d)))
		n += !strncmp(e->d_name, "node", 4) && isdigit((unsigned char)e->d_name[4]);
	closedir(d);
	return n;
}

static bool status_line(const char *key, char *value, size_t size)
{
	char line[16384];
	bool found = false;
	FILE *f = fopen("/proc/thread-self/status", "r");

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key))) {
			snprintf(value, size, "%s", line + strlen(key));
			found = true;
		}
	fclose(f);
	return found;
}

static unsigned int running_release(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%u.%u", &major, &minor), 2);
	return major * 1000 + minor;
}

static void agrees_with_the_machine(void **state)
{
	struct numaperf_capabilities caps = detect();
	struct numaperf_nodemask nodes;
	char text[4096];
	uint64_t effective;
	FILE *f;
	int value = 0;

	(void)state;
	assert_int_equal(caps.node_count, count_node_folders());
	assert_true(status_line("CapEff:", text, sizeof(text)));
	effective = strtoull(text, NULL, 16);
	if (!caps.user_namespace) {
		assert_int_equal(caps.cap_sys_admin, !!(effective & BIT(CAP_SYS_ADMIN)));
		assert_int_equal(caps.cap_sys_nice, !!(effective & BIT(CAP_SYS_NICE)));
		assert_int_equal(caps.cap_bpf, !!(effective & BIT(CAP_BPF)));
		assert_int_equal(caps.cap_perfmon, !!(effective & BIT(CAP_PERFMON)));
		assert_int_equal(caps.cap_ipc_lock, !!(effective & BIT(CAP_IPC_LOCK)));
		assert_int_equal(caps.cap_sys_ptrace, !!(effective & BIT(CAP_SYS_PTRACE)));
	}
	assert_true(status_line("Seccomp:", text, sizeof(text)));
	assert_int_equal(caps.seccomp, atoi(text) == 2);
	if (status_line("Mems_allowed_list:", text, sizeof(text))) {
		assert_int_equal(numaperf_nodemask_parse(&nodes, text), 0);
		assert_true(numaperf_nodemask_equal(&nodes, &caps.nodes_allowed));
	}
	f = fopen("/proc/sys/kernel/numa_balancing", "r");
	if (f) {
		assert_int_equal(fscanf(f, "%d", &value), 1);
		fclose(f);
	}
	assert_int_equal(caps.numa_balancing_disabled, value == 0);
	assert_int_equal(numaperf_capabilities_hard_mode(&caps),
			 caps.strict_memory_binding && caps.strict_cpu_affinity && !value);
	assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT, "test") == 0,
			 numaperf_capabilities_hard_mode(&caps));
}

/* What each release brought (man pages mbind(2), set_mempolicy_home_node(2), madvise(2)). */
static void versions_are_found_by_doing(void **state)
{
	static const struct {
		enum numaperf_feature feature;
		unsigned int since;
	} expect[] = {
		{ NUMAPERF_FEATURE_SCHED_SETAFFINITY, 0 },
		{ NUMAPERF_FEATURE_MBIND, 0 },
		{ NUMAPERF_FEATURE_SET_MEMPOLICY, 0 },
		{ NUMAPERF_FEATURE_GET_MEMPOLICY, 0 },
		{ NUMAPERF_FEATURE_MOVE_PAGES, 0 },
		{ NUMAPERF_FEATURE_MIGRATE_PAGES, 0 },
		{ NUMAPERF_FEATURE_PREFERRED_MANY, 5015 },
		{ NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE, 6009 },
		{ NUMAPERF_FEATURE_HOME_NODE, 5017 },
		{ NUMAPERF_FEATURE_BIND_BALANCING, 5015 },
		{ NUMAPERF_FEATURE_POPULATE_WRITE, 5014 },
	};
	struct numaperf_capabilities caps = detect();
	unsigned int release = running_release();

	(void)state;
	if (caps.seccomp || !count_node_folders() || access("/proc/self/numa_maps", F_OK)) {
		print_message(
			"SKIP versions_are_found_by_doing: a seccomp filter, or no NUMA\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
		bool old = release < expect[i].since;

		assert_usable(&caps, expect[i].feature,
			      old ? NUMAPERF_USABLE_TOO_OLD : NUMAPERF_USABLE_OK,
			      !old						? 0
			      : expect[i].feature == NUMAPERF_FEATURE_HOME_NODE ? ENOSYS
										: EINVAL);
	}
	if (!child_is_root() || caps.user_namespace)
		return;
	assert_usable(&caps, NUMAPERF_FEATURE_MLOCK, NUMAPERF_USABLE_OK, 0);
	assert_usable(&caps, NUMAPERF_FEATURE_SCHED_FIFO, NUMAPERF_USABLE_OK, 0);
	assert_usable(&caps, NUMAPERF_FEATURE_BPF, NUMAPERF_USABLE_OK, 0);
	assert_usable(&caps, NUMAPERF_FEATURE_BTF,
		      access("/sys/kernel/btf/vmlinux", R_OK) ? NUMAPERF_USABLE_TOO_OLD
							      : NUMAPERF_USABLE_OK,
		      access("/sys/kernel/btf/vmlinux", R_OK) ? ENOENT : 0);
}

/* Changing calls that were made by the thread that asked. */
static int caller, touched;

static int watched_setaffinity(int tid, size_t size, const void *mask)
{
	touched += np_gettid() == caller || tid != 0;
	return np_sys_real.sched_setaffinity(tid, size, mask);
}

static int watched_set_mempolicy(int policy, const uint64_t *nodes, unsigned int nwords)
{
	touched += np_gettid() == caller;
	return np_sys_real.set_mempolicy(policy, nodes, nwords);
}

static int watched_set_scheduler(int tid, int policy, int priority)
{
	touched += np_gettid() == caller || tid != 0;
	return np_sys_real.set_scheduler(tid, policy, priority);
}

static void has_no_lasting_effect(void **state)
{
	struct numaperf_capabilities caps;
	struct np_sys table = np_sys_real;
	struct numaperf_cpuset before, after, one;
	unsigned long nodes[16] = { 0 }, nodes_after[16] = { 0 };
	int policy, policy_after, priority, fds, mappings, threads;

	(void)state;
	caps = detect(); /* libc and sanitizers have their caches warm now */
	np_affinity_get(0, &before);
	one = numaperf_cpuset_single(numaperf_cpuset_first(&before));
	assert_int_equal(np_affinity_set(0, &one), 0);
	nodes[numaperf_nodemask_first(&caps.nodes_allowed) / 64] =
		1ul << numaperf_nodemask_first(&caps.nodes_allowed) % 64;
	assert_int_equal(set_mempolicy(MPOL_BIND, nodes, 1025), 0);
	caller = np_gettid();
	touched = 0;
	table.sched_setaffinity = watched_setaffinity;
	table.set_mempolicy = watched_set_mempolicy;
	table.set_scheduler = watched_set_scheduler;
	np_sys = &table;
	fds = fault_open_fds();
	mappings = fault_mappings();
	threads = fault_threads_settled();
	caps = detect();
	assert_int_equal(fault_open_fds(), fds);
	if (!CHILD_TSAN) /* which maps for itself as it goes */
		assert_true(fault_mappings() <= mappings);
	assert_true(fault_threads_are(threads));
	np_sys = &np_sys_real;
	assert_int_equal(touched, 0);
	assert_int_equal(get_mempolicy(&policy_after, nodes_after, 1024, NULL, 0), 0);
	assert_int_equal(set_mempolicy(MPOL_DEFAULT, NULL, 0), 0);
	assert_int_equal(policy_after, MPOL_BIND);
	assert_memory_equal(nodes_after, nodes, sizeof(nodes));
	policy = np_sys->get_scheduler(0, &priority);
	assert_int_equal(policy, SCHED_OTHER);
	np_affinity_get(0, &after);
	assert_true(numaperf_cpuset_equal(&after, &one));

	/* what the cpuset allows, not what this thread is pinned to */
	assert_true(numaperf_cpuset_subset(&before, &caps.cpus_allowed));
	np_affinity_set(0, &before);
}

/* ---- requirements ---- */

static void missing_texts_name_the_remedy(void **state)
{
	struct numaperf_capabilities caps = detect();
	const char *text[NUMAPERF_MISSING_MAX] = { NULL };

	(void)state;
	assert_true(caps.strict_memory_binding && caps.strict_cpu_affinity &&
		    caps.numa_balancing_disabled && caps.memory_locking);
	assert_true(numaperf_capabilities_hard_mode(&caps));
	assert_int_equal(numaperf_capabilities_missing(&caps, text, NUMAPERF_MISSING_MAX), 0);
	assert_null(text[0]);
	assert_false(numaperf_capabilities_hard_mode(NULL));

	fake.caps = 0;
	put(BALANCING, "1\n");
	caps = detect();
	assert_false(numaperf_capabilities_hard_mode(&caps));
	assert_int_equal(numaperf_capabilities_missing(&caps, text, 1), 3);
	assert_null(text[1]);
	assert_int_equal(numaperf_capabilities_missing(&caps, text, NUMAPERF_MISSING_MAX), 3);
	assert_non_null(strstr(text[0], "CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON"));
	assert_non_null(strstr(text[0], "setcap cap_sys_admin,cap_sys_nice+ep PROGRAM"));
	assert_non_null(strstr(text[1], "CAP_SYS_NICE (strict CPU affinity): run as root"));
	assert_string_equal(text[2], "kernel.numa_balancing=0 (the kernel may move pages): "
				     "sysctl -w kernel.numa_balancing=0");

	fake.caps = ~BIT(CAP_SYS_NICE);
	put(BALANCING, "0\n");
	caps = detect();
	assert_int_equal(numaperf_capabilities_missing(&caps, text, NUMAPERF_MISSING_MAX), 1);
	assert_non_null(strstr(text[0], "CAP_SYS_NICE"));
	assert_null(strstr(text[0], "namespace"));
}

static void what_counts_as_binding(void **state)
{
	static const struct {
		uint64_t caps;
		bool binding;
	} cases[] = {
		{ BIT(CAP_SYS_ADMIN), true },
		{ BIT(CAP_BPF) | BIT(CAP_PERFMON), true },
		{ BIT(CAP_BPF), false },
		{ BIT(CAP_PERFMON), false },
		{ ~(BIT(CAP_SYS_ADMIN) | BIT(CAP_BPF)), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.caps = cases[i].caps | BIT(CAP_SYS_NICE);
		assert_int_equal(detect().strict_memory_binding, cases[i].binding);
		assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT, "x"),
				 cases[i].binding ? 0 : -NUMAPERF_EHARDMODE);
	}
}

static void memory_locking(void **state)
{
	(void)state;
	fake.caps = 0;
	fake.memlock = 64 << 10;
	assert_false(detect().memory_locking);
	fake.memlock = (64 << 10) + 1;
	assert_true(detect().memory_locking);
	fake.memlock = 0;
	fake.caps = BIT(CAP_IPC_LOCK);
	assert_true(detect().memory_locking);
	assert_true(detect().cap_ipc_lock);
}

static void assert_refused(enum numaperf_reason reason, const char *text, const char *remedy)
{
	const struct numaperf_error *e = numaperf_last_error();

	assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT, "region creation"),
			 -NUMAPERF_EHARDMODE);
	assert_int_equal(e->code, -NUMAPERF_EHARDMODE);
	assert_int_equal(e->reason_id, reason);
	assert_string_equal(e->operation, "region creation");
	assert_string_equal(e->reason, text);
	if (!strstr(e->remedy, remedy))
		fail_msg("\"%s\" is not in \"%s\"", remedy, e->remedy);
}

static void the_gate_looks_afresh(void **state)
{
	(void)state;
	assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT, "x"), 0);
	fake.caps = ~BIT(CAP_SYS_NICE);
	assert_refused(NUMAPERF_REASON_PERMISSION,
		       "permission denied (CAP_SYS_NICE is missing)", "cap_sys_nice");
	fake.caps = BIT(CAP_SYS_NICE);
	assert_refused(NUMAPERF_REASON_PERMISSION,
		       "permission denied (CAP_SYS_ADMIN is missing)",
		       "CAP_BPF with CAP_PERFMON");
	fake.caps = 0;
	assert_refused(NUMAPERF_REASON_PERMISSION,
		       "permission denied (CAP_SYS_NICE and CAP_SYS_ADMIN are missing)",
		       "run as root");
	/* and only the strict mode has a gate */
	assert_int_equal(np_hard_mode_require(NUMAPERF_SOFT, "x"), 0);
	assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT_UNWITNESSED, "x"), 0);
	assert_int_equal(np_hard_mode_require(3, "x"), -EINVAL);
	assert_int_equal(np_hard_mode_require(-1, "x"), -EINVAL);

	fake.caps = ~0ull;
	fake.user_namespace = 1;
	assert_refused(NUMAPERF_REASON_PERMISSION,
		       "permission denied (CAP_SYS_NICE and CAP_SYS_ADMIN are missing)",
		       "user namespace");
	fake.user_namespace = -ENOENT; /* not to be found out: not taken for granted */
	assert_refused(NUMAPERF_REASON_PERMISSION,
		       "permission denied (CAP_SYS_NICE and CAP_SYS_ADMIN are missing)", "");
	fake.user_namespace = 0;

	put(BALANCING, "1\n");
	assert_refused(NUMAPERF_REASON_BALANCING,
		       "NUMA balancing is enabled (kernel.numa_balancing=1)",
		       "sysctl -w kernel.numa_balancing=0");
	put(BALANCING, "2\n");
	assert_refused(NUMAPERF_REASON_BALANCING,
		       "NUMA balancing is enabled (kernel.numa_balancing=2)",
		       "sysctl -w kernel.numa_balancing=0");
	put(BALANCING, "garbage\n");
	assert_refused(NUMAPERF_REASON_BALANCING,
		       "NUMA balancing is not known to be off (kernel.numa_balancing cannot be "
		       "read)",
		       "mount /proc");
	/* a kernel built without it has the other files */
	take_away(BALANCING);
	assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT, "x"), 0);
	assert_true(detect().numa_balancing_disabled);
	take_away("proc/sys/kernel/ostype");
	assert_int_equal(np_hard_mode_require(NUMAPERF_STRICT, "x"), -NUMAPERF_EHARDMODE);
	assert_false(detect().numa_balancing_disabled);
}

static void files_are_read(void **state)
{
	struct numaperf_capabilities caps = detect();
	char text[64];

	(void)state;
	assert_int_equal(caps.node_count, 3);
	numaperf_cpuset_format(&caps.cpus_isolated, text, sizeof(text));
	assert_string_equal(text, "3,9");
	take_away("sys/devices/system/node/online");
	take_away("sys/devices/system/cpu/isolated");
	put("proc/thread-self/status", "Mems_allowed:\tf\nNoMems_allowed_list:\t7\n");
	caps = detect();
	assert_int_equal(caps.node_count, 1);
	assert_true(numaperf_cpuset_empty(&caps.cpus_isolated));
	/* asked of the kernel then: this thread's own, which exist */
	assert_false(numaperf_nodemask_empty(&caps.nodes_allowed));
	assert_false(numaperf_nodemask_test(&caps.nodes_allowed, 7));
}

/* ---- each way to fail ---- */

static struct numaperf_capabilities detect_failing(const char *call, int error)
{
	struct fault_plan plan = { .nth = 1, .error = -error, .only = call, .for_ever = true };
	struct numaperf_capabilities caps;

	fault_start(&plan);
	caps = detect();
	fault_stop();
	assert_string_equal(plan.failed, call);
	return caps;
}

#define OLD  NUMAPERF_USABLE_TOO_OLD
#define SEC  NUMAPERF_USABLE_SECCOMP
#define PRIV NUMAPERF_USABLE_NO_PRIVILEGE
#define BAD  NUMAPERF_USABLE_FAILED

static void errors_are_judged(void **state)
{
	static const struct {
		const char *call;
		enum numaperf_feature feature;
		int error;
		enum numaperf_usable plain, filtered; /* without and with a filter */
	} cases[] = {
		{ "sched_setaffinity", NUMAPERF_FEATURE_SCHED_SETAFFINITY, EPERM, BAD, SEC },
		{ "sched_setaffinity", NUMAPERF_FEATURE_SCHED_SETAFFINITY, ENOSYS, OLD, SEC },
		{ "sched_setaffinity", NUMAPERF_FEATURE_SCHED_SETAFFINITY, EACCES, BAD, SEC },
		{ "sched_setaffinity", NUMAPERF_FEATURE_SCHED_SETAFFINITY, EINVAL, BAD, BAD },
		{ "mbind", NUMAPERF_FEATURE_MBIND, EPERM, BAD, SEC },
		{ "mbind", NUMAPERF_FEATURE_MBIND, ENOSYS, OLD, SEC },
		{ "mbind", NUMAPERF_FEATURE_MBIND, ENOMEM, BAD, BAD },
		{ "set_mempolicy", NUMAPERF_FEATURE_SET_MEMPOLICY, EPERM, BAD, SEC },
		{ "set_mempolicy", NUMAPERF_FEATURE_SET_MEMPOLICY, ENOSYS, OLD, SEC },
		{ "get_mempolicy", NUMAPERF_FEATURE_GET_MEMPOLICY, EPERM, BAD, SEC },
		{ "get_mempolicy", NUMAPERF_FEATURE_GET_MEMPOLICY, ENOSYS, OLD, SEC },
		{ "move_pages", NUMAPERF_FEATURE_MOVE_PAGES, EPERM, BAD, SEC },
		{ "move_pages", NUMAPERF_FEATURE_MOVE_PAGES, ENOSYS, OLD, SEC },
		{ "migrate_pages", NUMAPERF_FEATURE_MIGRATE_PAGES, EPERM, BAD, SEC },
		{ "migrate_pages", NUMAPERF_FEATURE_MIGRATE_PAGES, ENOSYS, OLD, SEC },
		{ "set_home_node", NUMAPERF_FEATURE_HOME_NODE, ENOSYS, OLD, SEC },
		{ "set_home_node", NUMAPERF_FEATURE_HOME_NODE, EPERM, BAD, SEC },
		{ "madvise", NUMAPERF_FEATURE_POPULATE_WRITE, EINVAL, OLD, OLD },
		{ "madvise", NUMAPERF_FEATURE_POPULATE_WRITE, EPERM, BAD, SEC },
		{ "mlock", NUMAPERF_FEATURE_MLOCK, EPERM, BAD, SEC },
		{ "mlock", NUMAPERF_FEATURE_MLOCK, EAGAIN, BAD, BAD },
		{ "mlock", NUMAPERF_FEATURE_MLOCK, ENOMEM, BAD, BAD },
		{ "set_scheduler", NUMAPERF_FEATURE_SCHED_FIFO, EPERM, BAD, SEC },
		{ "set_scheduler", NUMAPERF_FEATURE_SCHED_FIFO, ENOSYS, OLD, SEC },
		{ "bpf_probe", NUMAPERF_FEATURE_BPF, EPERM, BAD, SEC },
		{ "bpf_probe", NUMAPERF_FEATURE_BPF, ENOSYS, OLD, SEC },
		{ "bpf_probe", NUMAPERF_FEATURE_BPF, EINVAL, OLD, OLD },
	};
	struct numaperf_capabilities caps;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.seccomp = 0;
		caps = detect_failing(cases[i].call, cases[i].error);
		assert_usable(&caps, cases[i].feature, cases[i].plain, cases[i].error);
		assert_false(caps.seccomp);
		fake.seccomp = 2;
		caps = detect_failing(cases[i].call, cases[i].error);
		assert_usable(&caps, cases[i].feature, cases[i].filtered, cases[i].error);
		assert_true(caps.seccomp);
	}

	/* where the privilege is missing, the kernel itself says no, filter or not */
	fake.caps = 0;
	fake.memlock = 0;
	caps = detect_failing("mlock", EPERM);
	assert_usable(&caps, NUMAPERF_FEATURE_MLOCK, PRIV, EPERM);
	caps = detect_failing("mlock", ENOMEM);
	assert_usable(&caps, NUMAPERF_FEATURE_MLOCK, PRIV, ENOMEM);
	fake.memlock = 4096; /* then the kernel does not say EPERM */
	caps = detect_failing("mlock", EPERM);
	assert_usable(&caps, NUMAPERF_FEATURE_MLOCK, SEC, EPERM);
	caps = detect();
	assert_usable(&caps, NUMAPERF_FEATURE_BPF, PRIV, EPERM);
}

static int unprivileged_set_scheduler(int tid, int policy, int priority)
{
	(void)tid;
	(void)priority;
	return policy < 0 ? -EINVAL : -EPERM; /* in the kernel's order */
}

/* Under a filter that has nothing against it, the kernel's own refusal is the kernel's. */
static void a_filter_is_not_blamed_for_privilege(void **state)
{
	struct numaperf_capabilities caps;

	(void)state;
	fake.seccomp = 2;
	fake.table.set_scheduler = unprivileged_set_scheduler;
	fake.caps = ~BIT(CAP_SYS_NICE);
	caps = detect();
	assert_usable(&caps, NUMAPERF_FEATURE_SCHED_FIFO, PRIV, EPERM);
	/* privileged: a cgroup without real-time budget */
	fake.caps = ~0ull;
	caps = detect();
	assert_usable(&caps, NUMAPERF_FEATURE_SCHED_FIFO, BAD, EPERM);
}

/* The kernel without NUMA, and the one that is older than the call: ENOSYS is its own word. */
static void enosys_of_an_old_kernel(void **state)
{
	struct numaperf_capabilities caps;

	(void)state;
	fake.seccomp = 2;
	caps = detect_failing("set_home_node", ENOSYS);
	assert_usable(&caps, NUMAPERF_FEATURE_HOME_NODE, NUMAPERF_USABLE_SECCOMP, ENOSYS);
	put("proc/sys/kernel/osrelease", "5.10.0-28\n");
	caps = detect_failing("set_home_node", ENOSYS);
	assert_usable(&caps, NUMAPERF_FEATURE_HOME_NODE, NUMAPERF_USABLE_TOO_OLD, ENOSYS);
	caps = detect_failing("mbind", ENOSYS);
	assert_usable(&caps, NUMAPERF_FEATURE_MBIND, NUMAPERF_USABLE_SECCOMP, ENOSYS);
	take_away("sys/devices/system/node/online");
	caps = detect_failing("mbind", ENOSYS);
	assert_usable(&caps, NUMAPERF_FEATURE_MBIND, NUMAPERF_USABLE_SECCOMP, ENOSYS);
	take_away("proc/thread-self/numa_maps");
	caps = detect_failing("mbind", ENOSYS);
	assert_usable(&caps, NUMAPERF_FEATURE_MBIND, NUMAPERF_USABLE_TOO_OLD, ENOSYS);
	/* nothing that stands on it was tried */
	assert_usable(&caps, NUMAPERF_FEATURE_PREFERRED_MANY, NUMAPERF_USABLE_UNKNOWN, 0);
	assert_usable(&caps, NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE, NUMAPERF_USABLE_UNKNOWN, 0);
	assert_usable(&caps, NUMAPERF_FEATURE_BIND_BALANCING, NUMAPERF_USABLE_UNKNOWN, 0);
	assert_usable(&caps, NUMAPERF_FEATURE_HOME_NODE, NUMAPERF_USABLE_UNKNOWN, 0);
}

static int refused_policy;

static int picky_mbind(void *addr, size_t length, int policy, const uint64_t *nodes,
		       unsigned int nwords, unsigned int flags)
{
	return policy == refused_policy
		       ? -EINVAL
		       : np_sys_real.mbind(addr, length, policy, nodes, nwords, flags);
}

static void each_policy_is_tried_by_itself(void **state)
{
	static const struct {
		int policy;
		enum numaperf_feature feature;
	} cases[] = {
		{ 5, NUMAPERF_FEATURE_PREFERRED_MANY },
		{ 6, NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE },
		{ MPOL_BIND | 1 << 13, NUMAPERF_FEATURE_BIND_BALANCING },
	};
	struct numaperf_capabilities real = detect(), caps;

	(void)state;
	fake.table.mbind = picky_mbind;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		refused_policy = cases[i].policy;
		caps = detect();
		for (int f = 0; f < NUMAPERF_FEATURE_COUNT; f++)
			if (f == (int)cases[i].feature)
				assert_usable(&caps, f, NUMAPERF_USABLE_TOO_OLD, EINVAL);
			else
				assert_usable(&caps, f, real.feature[f].usable,
					      real.feature[f].error);
	}
}

static void btf_absent_or_forbidden(void **state)
{
	struct numaperf_capabilities caps = detect();

	(void)state;
	assert_usable(&caps, NUMAPERF_FEATURE_BTF, NUMAPERF_USABLE_OK, 0);
	put("sys/kernel/btf/vmlinux", "no BTF");
	caps = detect();
	assert_usable(&caps, NUMAPERF_FEATURE_BTF, NUMAPERF_USABLE_FAILED, EBADMSG);
	take_away("sys/kernel/btf/vmlinux");
	caps = detect();
	assert_usable(&caps, NUMAPERF_FEATURE_BTF, NUMAPERF_USABLE_TOO_OLD, ENOENT);
}

static void no_thread_for_trying(void **state)
{
	struct numaperf_capabilities caps;
	struct numaperf_cpuset now;

	(void)state;
	caps = detect_failing("thread_create", EAGAIN);
	for (int f = 0; f < NUMAPERF_FEATURE_COUNT; f++)
		assert_usable(&caps, f, NUMAPERF_USABLE_UNKNOWN, EAGAIN);
	assert_true(numaperf_capabilities_hard_mode(&caps));
	np_affinity_get(0, &now);
	assert_true(numaperf_cpuset_equal(&now, &caps.cpus_allowed));
	assert_true(numaperf_nodemask_test(&caps.nodes_allowed, 0));
}

static void every_failure_is_survived(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM, -EINVAL, -ENOSYS, -EMFILE, -EIO };
	struct numaperf_capabilities caps;
	struct numaperf_cpuset before, now;
	struct fault_plan plan;
	int fds = fault_open_fds(), threads = fault_threads_settled(), runs = 0;

	(void)state;
	np_affinity_get(0, &before);
	FAULT_SWEEP(plan, errors)
	{
		fault_start(&plan);
		caps = detect();
		fault_stop();
		assert_int_equal(fault_open_fds(), fds);
		assert_true(fault_threads_are(threads));
		np_affinity_get(0, &now);
		assert_true(numaperf_cpuset_equal(&now, &before));
		for (int f = 0; f < NUMAPERF_FEATURE_COUNT; f++) {
			bool ok = caps.feature[f].usable == NUMAPERF_USABLE_OK;

			assert_false(ok && caps.feature[f].error);
		}
		/* privilege that could not be asked for is not there */
		if (plan.failed &&
		    (!strcmp(plan.failed, "capget") || !strcmp(plan.failed, "user_namespace")))
			assert_false(numaperf_capabilities_hard_mode(&caps));
		runs++;
	}
	assert_true(runs > 20 * (int)ARRAY_SIZE(errors));
}

/* ---- for real, in child processes ---- */

struct denial {
	int nr, error;
	enum numaperf_feature feature;
};

static void denied(void *arg)
{
	const struct denial *d = arg;
	struct numaperf_capabilities before = { .sz = sizeof(before) }, caps = before;

	CHECK(!numaperf_capabilities_detect(&before));
	child_deny(d->nr, d->error);
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(caps.seccomp);
	CHECK(caps.feature[d->feature].usable == NUMAPERF_USABLE_SECCOMP);
	CHECK(caps.feature[d->feature].error == d->error);
	for (int f = 0; f < NUMAPERF_FEATURE_COUNT; f++) {
		bool stands_on_mbind = f == NUMAPERF_FEATURE_PREFERRED_MANY ||
				       f == NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE ||
				       f == NUMAPERF_FEATURE_HOME_NODE ||
				       f == NUMAPERF_FEATURE_BIND_BALANCING;

		if (f == (int)d->feature)
			continue;
		if (d->feature == NUMAPERF_FEATURE_MBIND && stands_on_mbind)
			CHECK(caps.feature[f].usable == NUMAPERF_USABLE_UNKNOWN);
		else
			CHECK(caps.feature[f].usable == before.feature[f].usable);
	}
	/* a filter takes nothing from the three requirements */
	CHECK(numaperf_capabilities_hard_mode(&caps) ==
	      numaperf_capabilities_hard_mode(&before));
}

static void real_filters_are_told_apart(void **state)
{
	static const struct denial calls[] = {
		{ SYS_sched_setaffinity, 0, NUMAPERF_FEATURE_SCHED_SETAFFINITY },
		{ SYS_mbind, 0, NUMAPERF_FEATURE_MBIND },
		{ SYS_set_mempolicy, 0, NUMAPERF_FEATURE_SET_MEMPOLICY },
		{ SYS_get_mempolicy, 0, NUMAPERF_FEATURE_GET_MEMPOLICY },
		{ SYS_move_pages, 0, NUMAPERF_FEATURE_MOVE_PAGES },
		{ SYS_migrate_pages, 0, NUMAPERF_FEATURE_MIGRATE_PAGES },
		{ 450 /* set_mempolicy_home_node */, 0, NUMAPERF_FEATURE_HOME_NODE },
		{ SYS_mlock, 0, NUMAPERF_FEATURE_MLOCK },
		{ SYS_sched_setscheduler, 0, NUMAPERF_FEATURE_SCHED_FIFO },
		{ SYS_bpf, 0, NUMAPERF_FEATURE_BPF },
	};
	static const int errors[] = { EPERM, ENOSYS };

	(void)state;
	if (!child_is_root() || detect().seccomp) {
		print_message(
			"SKIP real_filters_are_told_apart: not root, or filtered already\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
			struct denial d = calls[i];

			d.error = errors[e];
			if (d.nr == 450 && running_release() < 5017)
				continue;
			if (child_run(denied, &d))
				fail_msg("%s with errno %d", numaperf_feature_name(d.feature),
					 d.error);
		}
}

static void without_nice(void *arg)
{
	struct numaperf_capabilities caps = { .sz = sizeof(caps) };
	const char *text[NUMAPERF_MISSING_MAX];
	struct rlimit none = { 0, 0 };
	size_t n;

	(void)arg;
	setrlimit(RLIMIT_RTPRIO, &none);
	child_drop(CAP_SYS_NICE);
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(!caps.cap_sys_nice && !caps.strict_cpu_affinity && caps.cap_sys_admin);
	CHECK(!numaperf_capabilities_hard_mode(&caps));
	n = numaperf_capabilities_missing(&caps, text, NUMAPERF_MISSING_MAX);
	CHECK(n == (caps.numa_balancing_disabled ? 1 : 2));
	CHECK(strstr(text[0], "CAP_SYS_NICE"));
	CHECK(caps.feature[NUMAPERF_FEATURE_SCHED_FIFO].usable == NUMAPERF_USABLE_NO_PRIVILEGE);
	CHECK(caps.feature[NUMAPERF_FEATURE_SCHED_SETAFFINITY].usable == NUMAPERF_USABLE_OK);
	CHECK(caps.feature[NUMAPERF_FEATURE_MOVE_PAGES].usable == NUMAPERF_USABLE_OK);
	CHECK(np_hard_mode_require(NUMAPERF_STRICT, "x") == -NUMAPERF_EHARDMODE);
	CHECK(!strcmp(numaperf_last_error()->reason,
		      "permission denied (CAP_SYS_NICE is missing)"));
}

static void without_bpf(void *arg)
{
	struct numaperf_capabilities caps = { .sz = sizeof(caps) };

	(void)arg;
	child_drop(CAP_SYS_ADMIN);
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(caps.strict_memory_binding); /* CAP_BPF with CAP_PERFMON are left */
	CHECK(caps.feature[NUMAPERF_FEATURE_BPF].usable == NUMAPERF_USABLE_OK);
	child_drop(CAP_PERFMON);
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(!caps.strict_memory_binding);
	CHECK(caps.feature[NUMAPERF_FEATURE_BPF].usable == NUMAPERF_USABLE_NO_PRIVILEGE);
	CHECK(np_hard_mode_require(NUMAPERF_STRICT, "x") == -NUMAPERF_EHARDMODE);
	CHECK(!strcmp(numaperf_last_error()->reason,
		      "permission denied (CAP_SYS_ADMIN is missing)"));
}

static void dropped_capabilities_are_missed(void **state)
{
	(void)state;
	if (!child_is_root() || detect().user_namespace) {
		print_message("SKIP dropped_capabilities_are_missed: needs real root\n");
		skip();
	}
	assert_int_equal(child_run(without_nice, NULL), 0);
	assert_int_equal(child_run(without_bpf, NULL), 0);
}

/* This program itself, started again in one. */
static void in_a_user_namespace(void)
{
	struct numaperf_capabilities caps = { .sz = sizeof(caps) };
	const char *text[NUMAPERF_MISSING_MAX];

	CHECK(geteuid() == 0);
	CHECK(!numaperf_capabilities_detect(&caps));
	CHECK(caps.user_namespace);
	CHECK(!caps.cap_sys_admin && !caps.cap_sys_nice && !caps.cap_ipc_lock);
	CHECK(!caps.strict_memory_binding && !caps.strict_cpu_affinity);
	CHECK(numaperf_capabilities_missing(&caps, text, NUMAPERF_MISSING_MAX) >= 2);
	CHECK(strstr(text[0], "user namespace") && strstr(text[1], "user namespace"));
	CHECK(np_hard_mode_require(NUMAPERF_STRICT, "x") == -NUMAPERF_EHARDMODE);
	CHECK(numaperf_last_error()->reason_id == NUMAPERF_REASON_PERMISSION);
	CHECK(strstr(numaperf_last_error()->remedy, "user namespace"));
	CHECK(caps.feature[NUMAPERF_FEATURE_BPF].usable != NUMAPERF_USABLE_OK);
	CHECK(caps.feature[NUMAPERF_FEATURE_SCHED_FIFO].usable != NUMAPERF_USABLE_OK);
}

#define IN_A_USER_NAMESPACE "in-a-user-namespace"

static int map_ids(int pid)
{
	char path[64];
	FILE *f;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs("0 0 4294967295", f);
	r = fclose(f);
	return r;
}

static void user_namespaces_do_not_count(void **state)
{
	int pipes[2], status, pid;
	char c = 'x';

	(void)state;
	if (!child_is_root() || detect().user_namespace) {
		print_message("SKIP user_namespaces_do_not_count: needs real root\n");
		skip();
	}
	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	/* Not unshare(): it wants a process without threads, and ThreadSanitizer's has one
	 * always. So nothing but bare system calls until exec, either. */
	pid = (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		const char *const args[] = { "test_capability", IN_A_USER_NAMESPACE, NULL };

		if (syscall(SYS_read, pipes[0], &c, 1) == 1) /* it is mapped now */
			syscall(SYS_execve, "/proc/self/exe", args, environ);
		syscall(SYS_exit_group, 2);
	}
	if (pid < 0) { /* a chroot, a limit, a filter */
		close(pipes[0]);
		close(pipes[1]);
		print_message("SKIP user_namespaces_do_not_count: no user namespace here: %s\n",
			      strerror(errno));
		skip();
	}
	/* All ids mapped to themselves: uid_map looks as in the initial namespace. */
	assert_int_equal(map_ids(pid), 0);
	assert_int_equal(write(pipes[1], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(status, 0);
}

#define WITH_FAKE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_total),
		WITH_FAKE(sizes),
		cmocka_unit_test(agrees_with_the_machine),
		cmocka_unit_test(versions_are_found_by_doing),
		cmocka_unit_test(has_no_lasting_effect),
		WITH_FAKE(missing_texts_name_the_remedy),
		WITH_FAKE(what_counts_as_binding),
		WITH_FAKE(memory_locking),
		WITH_FAKE(the_gate_looks_afresh),
		WITH_FAKE(files_are_read),
		WITH_FAKE(errors_are_judged),
		WITH_FAKE(a_filter_is_not_blamed_for_privilege),
		WITH_FAKE(enosys_of_an_old_kernel),
		WITH_FAKE(each_policy_is_tried_by_itself),
		WITH_FAKE(btf_absent_or_forbidden),
		WITH_FAKE(no_thread_for_trying),
		WITH_FAKE(every_failure_is_survived),
		cmocka_unit_test(real_filters_are_told_apart),
		cmocka_unit_test(dropped_capabilities_are_missed),
		cmocka_unit_test(user_namespaces_do_not_count),
	};

	if (argc == 2 && !strcmp(argv[1], IN_A_USER_NAMESPACE)) {
		in_a_user_namespace();
		return 0;
	}
	return cmocka_run_group_tests_name("capability", tests, NULL, NULL);
}
