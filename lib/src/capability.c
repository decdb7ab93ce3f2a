// SPDX-License-Identifier: MIT
/*
 * What this process, on this kernel, may guarantee, and why not.
 *
 * Every feature is tried for real, on a thread made for the purpose: it inherits what its
 * creator may do (credentials, seccomp filter, cpuset), and its affinity, policy and scheduling
 * class end with it. So nothing has to be restored on the caller, and nothing that the caller
 * was promised is broken for even a moment.
 */
#include "capability.h"
#include "base.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* From linux/mempolicy.h of newer kernels than the headers we may be compiled with. */
enum {
	POLICY_DEFAULT = 0,
	POLICY_BIND = 2,
	POLICY_PREFERRED_MANY = 5,
	POLICY_WEIGHTED_INTERLEAVE = 6,
	POLICY_NONE_SUCH = 0xfff, /* beyond MPOL_MAX of any kernel: EINVAL */
	POLICY_F_NUMA_BALANCING = 1 << 13,
	POLICY_F_MEMS_ALLOWED = 1 << 2,
	MOVE_MF_MOVE = 1 << 1,
};

#ifndef MADV_POPULATE_WRITE
# define MADV_POPULATE_WRITE 23
#endif
#ifndef CAP_PERFMON
# define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
# define CAP_BPF 39
#endif

#define WORDS ((unsigned int)(NUMAPERF_NODES_MAX / 64))

/* Below this a memory lock is of no use: the default of kernels before 5.16. */
#define MEMLOCK_USEFUL (64u << 10)

/* ---- names ---- */

/*
 * `since` is the release that brought the call, as major * 1000 + minor; `numa`: only in
 * kernels built for NUMA. Only used to tell a filter's ENOSYS from the kernel's own.
 * `einval_is_old`: the call is older than what is asked of it here, so an old kernel says
 * EINVAL.
 */
static const struct feature {
	const char *name;
	unsigned int since;
	bool numa, einval_is_old;
} features[NUMAPERF_FEATURE_COUNT] = {
	[NUMAPERF_FEATURE_SCHED_SETAFFINITY] = { "sched_setaffinity", 2006, false, false },
	[NUMAPERF_FEATURE_MBIND] = { "mbind", 2006, true, false },
	[NUMAPERF_FEATURE_SET_MEMPOLICY] = { "set_mempolicy", 2006, true, false },
	[NUMAPERF_FEATURE_GET_MEMPOLICY] = { "get_mempolicy", 2006, true, false },
	[NUMAPERF_FEATURE_MOVE_PAGES] = { "move_pages", 2006, true, false },
	[NUMAPERF_FEATURE_MIGRATE_PAGES] = { "migrate_pages", 2006, true, false },
	[NUMAPERF_FEATURE_PREFERRED_MANY] = { "preferred_many", 2006, true, true },
	[NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE] = { "weighted_interleave", 2006, true, true },
	[NUMAPERF_FEATURE_HOME_NODE] = { "set_mempolicy_home_node", 5017, true, false },
	[NUMAPERF_FEATURE_BIND_BALANCING] = { "bind_balancing", 2006, true, true },
	[NUMAPERF_FEATURE_POPULATE_WRITE] = { "populate_write", 2006, false, true },
	[NUMAPERF_FEATURE_MLOCK] = { "mlock", 2006, false, false },
	[NUMAPERF_FEATURE_SCHED_FIFO] = { "sched_fifo", 2006, false, false },
	[NUMAPERF_FEATURE_BTF] = { "btf", 5002, false, false },
	[NUMAPERF_FEATURE_BPF] = { "bpf", 4017, false, true },
};

const char *numaperf_usable_name(enum numaperf_usable usable)
{
	static const char *const names[] = {
		[NUMAPERF_USABLE_UNKNOWN] = "unknown",
		[NUMAPERF_USABLE_OK] = "ok",
		[NUMAPERF_USABLE_SECCOMP] = "seccomp",
		[NUMAPERF_USABLE_TOO_OLD] = "kernel too old",
		[NUMAPERF_USABLE_NO_PRIVILEGE] = "no privilege",
		[NUMAPERF_USABLE_FAILED] = "failed",
	};

	return (size_t)usable < ARRAY_SIZE(names) ? names[usable] : names[0];
}

const char *numaperf_feature_name(enum numaperf_feature feature)
{
	return (size_t)feature < ARRAY_SIZE(features) ? features[feature].name : NULL;
}

/* ---- privilege ---- */

/*
 * Effective capabilities that count. Those of a user namespace do not: the kernel's checks that
 * matter here are capable(), against the initial one. When it cannot be told which namespace
 * this is (no /proc), none is taken for granted.
 */
static uint64_t effective_capabilities(bool *user_namespace)
{
	uint64_t caps = 0;

	*user_namespace = np_sys->user_namespace() != 0;
	if (*user_namespace || np_sys->capget(&caps) < 0)
		return 0;
	return caps;
}

static bool has(uint64_t caps, int capability)
{
	return caps >> capability & 1;
}

/* That the kernel can bear witness to a binding: what loading our programs takes. */
static bool may_witness(uint64_t caps)
{
	return has(caps, CAP_SYS_ADMIN) || (has(caps, CAP_BPF) && has(caps, CAP_PERFMON));
}

bool np_capable(int capability)
{
	bool user_namespace;

	return has(effective_capabilities(&user_namespace), capability);
}

/* The sysctl's value; 0 also on a kernel that has none; -1: cannot be found out. */
static int numa_balancing(int root)
{
	int64_t value;
	char text[64];
	int r = np_read_number(root, "proc/sys/kernel/numa_balancing", &value);

	if (!r)
		return value > 0 ? (int)value : 0;
	/* "does not exist" is an answer only where the others do */
	if (r == -ENOENT &&
	    np_read_small(root, "proc/sys/kernel/ostype", text, sizeof(text)) > 0)
		return 0;
	return -1;
}

#define SETCAP                                                          \
 "run as root, or: setcap cap_sys_admin,cap_sys_nice+ep PROGRAM; in a " \
 "container: --cap-add SYS_ADMIN --cap-add SYS_NICE"
#define OUTSIDE                                                                            \
 "those of a user namespace do not count outside it; run outside it, as root, or: setcap " \
 "cap_sys_admin,cap_sys_nice+ep PROGRAM"
#define SYSCTL "sysctl -w kernel.numa_balancing=0"

int np_hard_mode_require(enum numaperf_mode mode, const char *operation)
{
	bool nice, witness, user_namespace;
	int root, balancing;
	const char *lacks;
	uint64_t caps;

	if (mode == NUMAPERF_SOFT || mode == NUMAPERF_STRICT_UNWITNESSED)
		return 0;
	if (mode != NUMAPERF_STRICT)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there is no mode %d", (int)mode);

	caps = effective_capabilities(&user_namespace);
	nice = has(caps, CAP_SYS_NICE);
	witness = may_witness(caps);
	if (!nice || !witness) {
		lacks = nice	  ? "CAP_SYS_ADMIN is missing"
			: witness ? "CAP_SYS_NICE is missing"
				  : "CAP_SYS_NICE and CAP_SYS_ADMIN are missing";
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_PERMISSION, operation,
			       user_namespace ? OUTSIDE
			       : witness      ? SETCAP
					      : SETCAP " (CAP_BPF with CAP_PERFMON do as well "
						       "as CAP_SYS_ADMIN)",
			       "permission denied (%s)", lacks);
	}

	root = np_sys->open_root(NULL);
	balancing = root < 0 ? -1 : numa_balancing(root);
	if (root >= 0)
		np_sys->close(root);
	if (balancing > 0)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_BALANCING, operation,
			       SYSCTL, "NUMA balancing is enabled (kernel.numa_balancing=%d)",
			       balancing);
	if (balancing < 0)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_BALANCING, operation,
			       "mount /proc; " SYSCTL,
			       "NUMA balancing is not known to be off (kernel.numa_balancing "
			       "cannot be read)");
	return 0;
}

/* ---- affinity ---- */

int np_affinity_get(int tid, struct numaperf_cpuset *cpus)
{
	int n;

	/* The kernel writes as many bytes as its own mask has. EINVAL (it has more CPUs than a
	 * numaperf_cpuset) is left as it is: half a mask would be a wrong one. */
	numaperf_cpuset_zero(cpus);
	n = np_sys->sched_getaffinity(tid, sizeof(cpus->bits), cpus->bits);
	return n < 0 ? n : 0;
}

int np_affinity_set(int tid, const struct numaperf_cpuset *cpus)
{
	int r = np_sys->sched_setaffinity(tid, sizeof(cpus->bits), cpus->bits);

	return r < 0 ? r : 0;
}

/* ---- files ---- */

/* A kernel list of CPUs or of nodes; one of the two out-parameters is NULL. Parsing keeps the
 * caller's error record: what cannot be read is absent here, not a failure. */
static int list_from_text(const char *text, struct numaperf_cpuset *cpus,
			  struct numaperf_nodemask *nodes)
{
	struct numaperf_error before;
	int r;

	np_error_save(&before);
	r = cpus ? numaperf_cpuset_parse(cpus, text) : numaperf_nodemask_parse(nodes, text);
	if (r)
		np_error_restore(&before);
	return r;
}

static int list_from_file(int dir, const char *path, struct numaperf_cpuset *cpus,
			  struct numaperf_nodemask *nodes)
{
	char *text;
	int r = np_read_file(dir, path, &text, NULL);

	if (r < 0)
		return r;
	r = list_from_text(text, cpus, nodes);
	np_free(text);
	return r;
}

int np_cpus_from_file(int dir, const char *path, struct numaperf_cpuset *cpus)
{
	numaperf_cpuset_zero(cpus);
	return list_from_file(dir, path, cpus, NULL);
}

int np_nodes_from_file(int dir, const char *path, struct numaperf_nodemask *nodes)
{
	numaperf_nodemask_zero(nodes);
	return list_from_file(dir, path, NULL, nodes);
}

/* Of the thread, not of the process: each may be in a cpuset of its own. */
static int mems_allowed(int root, struct numaperf_nodemask *nodes)
{
	static const char key[] = "\nMems_allowed_list:";
	char *text, *at;
	int r = np_read_file(root, "proc/thread-self/status", &text, NULL);

	if (r < 0)
		return r;
	at = strstr(text, key);
	r = -ENOENT;
	if (at) {
		at += strlen(key);
		at[strcspn(at, "\n")] = '\0';
		r = list_from_text(at, NULL, nodes);
	}
	np_free(text);
	return r;
}

/* major * 1000 + minor of the running kernel; 0: unknown. */
static unsigned int kernel_release(int root)
{
	unsigned int major, minor;
	char text[128];

	if (np_read_small(root, "proc/sys/kernel/osrelease", text, sizeof(text)) < 0 ||
	    sscanf(text, "%u.%u", &major, &minor) != 2)
		return 0;
	return major * 1000 + minor;
}

static bool file_exists(int root, const char *path)
{
	int fd = np_sys->open_at(root, path);

	if (fd >= 0)
		np_sys->close(fd);
	return fd >= 0 || fd == -EACCES || fd == -EPERM;
}

/* ---- trying ---- */

struct probe {
	struct numaperf_capabilities *caps;
	int root;
	int seccomp;	       /* 2: a filter is installed; < 0: unknown */
	unsigned int release;  /* of the kernel */
	bool numa;	       /* built for NUMA */
	bool fifo_was_checked; /* sched_setscheduler() got as far as the kernel's own checks */
	uint64_t memlock;
};

/*
 * Whether the kernel itself may have said EPERM (or EACCES) to what was tried, and it is no
 * filter. For all that is not named it never does, whatever the privilege: an own thread's
 * affinity (check_same_owner() in kernel/sched), policies of an own mapping without MOVE_ALL
 * (do_mbind() in mm/mempolicy.c), asking for an own page (kernel_move_pages() in mm/migrate.c).
 */
static bool kernel_may_refuse(const struct probe *p, enum numaperf_feature f)
{
	const struct numaperf_capabilities *caps = p->caps;

	switch (f) {
	case NUMAPERF_FEATURE_MLOCK: /* can_do_mlock() in mm/mlock.c */
		return !caps->cap_ipc_lock && p->memlock == 0;
	case NUMAPERF_FEATURE_SCHED_FIFO:
		return p->fifo_was_checked;
	case NUMAPERF_FEATURE_BPF:
		return !caps->strict_memory_binding;
	case NUMAPERF_FEATURE_BTF:
		return true;
	default:
		return false;
	}
}

static bool lacks_privilege(const struct probe *p, enum numaperf_feature f)
{
	const struct numaperf_capabilities *caps = p->caps;

	switch (f) {
	case NUMAPERF_FEATURE_MLOCK:
		return !caps->cap_ipc_lock;
	case NUMAPERF_FEATURE_SCHED_FIFO:
		return !caps->cap_sys_nice; /* with it: a cgroup without real-time budget */
	case NUMAPERF_FEATURE_BPF:
		return !caps->strict_memory_binding;
	case NUMAPERF_FEATURE_BTF:
		return true;
	default:
		return false;
	}
}

static enum numaperf_usable judge(const struct probe *p, enum numaperf_feature f, int error)
{
	switch (error) {
	case ENOSYS:
		/* a filter may say so, too (Docker does for what it does not know): then it is
		 * the filter's word if the kernel has the call */
		if (p->seccomp == 2 && p->release >= features[f].since &&
		    (p->numa || !features[f].numa))
			return NUMAPERF_USABLE_SECCOMP;
		return NUMAPERF_USABLE_TOO_OLD;
	case EPERM:
	case EACCES:
		if (p->seccomp != 0 && !kernel_may_refuse(p, f))
			return NUMAPERF_USABLE_SECCOMP;
		return lacks_privilege(p, f) ? NUMAPERF_USABLE_NO_PRIVILEGE
					     : NUMAPERF_USABLE_FAILED;
	case EINVAL:
		return features[f].einval_is_old ? NUMAPERF_USABLE_TOO_OLD
						 : NUMAPERF_USABLE_FAILED;
	case ENOMEM: /* mlock(2): beyond RLIMIT_MEMLOCK */
		return f == NUMAPERF_FEATURE_MLOCK && lacks_privilege(p, f)
			       ? NUMAPERF_USABLE_NO_PRIVILEGE
			       : NUMAPERF_USABLE_FAILED;
	case ENOENT: /* BTF: built without, or before it */
		return f == NUMAPERF_FEATURE_BTF && file_exists(p->root, "sys/kernel")
			       ? NUMAPERF_USABLE_TOO_OLD
			       : NUMAPERF_USABLE_FAILED;
	default:
		return NUMAPERF_USABLE_FAILED;
	}
}

/* Enters what an attempt returned; whether it worked. */
static bool tried(struct probe *p, enum numaperf_feature f, int result)
{
	struct numaperf_feature_state *state = &p->caps->feature[f];

	state->error = result < 0 ? -result : 0;
	state->usable = result < 0 ? judge(p, f, -result) : NUMAPERF_USABLE_OK;
	return result >= 0;
}

/*
 * What an affinity may be set to is what is left of all CPUs when they are asked for. Where
 * asking is refused, an affinity cannot be set to anything but what it is.
 */
static void try_affinity(struct probe *p)
{
	struct numaperf_cpuset all, *allowed = &p->caps->cpus_allowed;

	numaperf_cpuset_fill_below(&all, NUMAPERF_CPUS_MAX);
	tried(p, NUMAPERF_FEATURE_SCHED_SETAFFINITY, np_affinity_set(0, &all));
	if (np_affinity_get(0, allowed) < 0)
		numaperf_cpuset_zero(allowed);
}

static void try_policies(struct probe *p, void *page, size_t size)
{
	const uint64_t *nodes = p->caps->nodes_allowed.bits;
	int node = numaperf_nodemask_first(&p->caps->nodes_allowed);
	bool bound;

	/* Any other policy of this thread than its creator's is gone with the thread. */
	tried(p, NUMAPERF_FEATURE_SET_MEMPOLICY,
	      np_sys->set_mempolicy(POLICY_BIND, nodes, WORDS));
	np_sys->set_mempolicy(POLICY_DEFAULT, NULL, 0);

	bound = tried(p, NUMAPERF_FEATURE_MBIND,
		      np_sys->mbind(page, size, POLICY_BIND, nodes, WORDS, 0));
	if (!bound)
		return;
	tried(p, NUMAPERF_FEATURE_BIND_BALANCING,
	      np_sys->mbind(page, size, POLICY_BIND | POLICY_F_NUMA_BALANCING, nodes, WORDS,
			    0));
	tried(p, NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE,
	      np_sys->mbind(page, size, POLICY_WEIGHTED_INTERLEAVE, nodes, WORDS, 0));
	tried(p, NUMAPERF_FEATURE_PREFERRED_MANY,
	      np_sys->mbind(page, size, POLICY_PREFERRED_MANY, nodes, WORDS, 0));
	/* a home needs a policy of this kind to sit in: EOPNOTSUPP or ENOENT otherwise */
	if (np_sys->mbind(page, size, POLICY_BIND, nodes, WORDS, 0) >= 0)
		tried(p, NUMAPERF_FEATURE_HOME_NODE, np_sys->set_home_node(page, size, node));
}

static void try_pages(struct probe *p, void *page, size_t size)
{
	struct numaperf_nodemask none = { { 0 } };
	int status = -EFAULT, r;

	tried(p, NUMAPERF_FEATURE_POPULATE_WRITE,
	      np_sys->madvise(page, size, MADV_POPULATE_WRITE));
	*(volatile char *)page = 1;
	r = np_sys->move_pages(0, 1, &page, NULL, &status, MOVE_MF_MOVE);
	tried(p, NUMAPERF_FEATURE_MOVE_PAGES, r < 0 ? r : status);

	/*
	 * To no node at all: all checks of kernel_migrate_pages() (mm/mempolicy.c) are passed,
	 * then it says EINVAL. Any true target, even the same node, first drains the LRU caches
	 * of every CPU, which disturbs the whole machine.
	 */
	r = np_sys->migrate_pages(0, WORDS, p->caps->nodes_allowed.bits, none.bits);
	tried(p, NUMAPERF_FEATURE_MIGRATE_PAGES, r == -EINVAL ? 0 : r);

	if (tried(p, NUMAPERF_FEATURE_MLOCK, np_sys->mlock(page, size)))
		np_sys->munlock(page, size);
}

static void try_fifo(struct probe *p)
{
	/* do_sched_setscheduler() refuses a negative policy before it looks at privilege, so
	 * only a filter can have anything else to say */
	p->fifo_was_checked = np_sys->set_scheduler(0, -1, 0) == -EINVAL;
	if (tried(p, NUMAPERF_FEATURE_SCHED_FIFO, np_sys->set_scheduler(0, SCHED_FIFO, 1)))
		np_sys->set_scheduler(0, SCHED_OTHER, 0);
}

static void try_bpf(struct probe *p)
{
	unsigned char magic[2];
	int fd = np_sys->open_at(p->root, "sys/kernel/btf/vmlinux"), r = fd;

	if (fd >= 0) {
		r = np_sys->read(fd, magic, sizeof(magic));
		np_sys->close(fd);
		/* struct btf_header, linux/btf.h */
		if (r >= 0 && (r != sizeof(magic) || (magic[0] ^ magic[1]) != (0xeb ^ 0x9f)))
			r = -EBADMSG;
	}
	tried(p, NUMAPERF_FEATURE_BTF, r);

	/* Refused for certain (is_perfmon_prog_type() in kernel/bpf/syscall.c), and many a
	 * service's filter kills for bpf(2): then it is better not called at all. */
	r = p->seccomp == 2 && !p->caps->strict_memory_binding ? -EPERM : np_sys->bpf_probe();
	tried(p, NUMAPERF_FEATURE_BPF, r);
}

static void *try_all(void *arg)
{
	struct probe *p = arg;
	struct numaperf_nodemask *nodes = &p->caps->nodes_allowed, mask = { { 0 } };
	size_t size = np_page_size();
	int policy;
	void *page;

	tried(p, NUMAPERF_FEATURE_GET_MEMPOLICY,
	      np_sys->get_mempolicy(&policy, mask.bits, WORDS, NULL, 0));
	if (mems_allowed(p->root, nodes) < 0 &&
	    np_sys->get_mempolicy(NULL, nodes->bits, WORDS, NULL, POLICY_F_MEMS_ALLOWED) < 0)
		numaperf_nodemask_zero(nodes);
	if (numaperf_nodemask_empty(nodes))
		*nodes = numaperf_nodemask_single(0); /* a kernel without cpusets */
	try_affinity(p);
	if (np_sys->map(&page, size) >= 0) {
		try_policies(p, page, size);
		try_pages(p, page, size);
		np_sys->unmap(page, size);
	}
	try_bpf(p);
	try_fifo(p); /* last: nothing else of this runs at real-time priority */
	return NULL;
}

/* ---- the interface ---- */

#define FIRST_RELEASE_SIZE \
 (offsetof(struct numaperf_capabilities, nodes_allowed) + sizeof(struct numaperf_nodemask))

_Static_assert(sizeof(struct numaperf_capabilities) ==
		       sizeof(size_t) + sizeof(unsigned int) + 12 * sizeof(bool) +
			       NUMAPERF_FEATURE_MAX * sizeof(struct numaperf_feature_state) +
			       2 * sizeof(struct numaperf_cpuset) +
			       sizeof(struct numaperf_nodemask),
	       "no padding");

static void detect_privilege(struct probe *p)
{
	struct numaperf_capabilities *caps = p->caps;
	uint64_t effective = effective_capabilities(&caps->user_namespace);
	int balancing = p->root < 0 ? -1 : numa_balancing(p->root);

	caps->cap_sys_admin = has(effective, CAP_SYS_ADMIN);
	caps->cap_sys_nice = has(effective, CAP_SYS_NICE);
	caps->cap_bpf = has(effective, CAP_BPF);
	caps->cap_perfmon = has(effective, CAP_PERFMON);
	caps->cap_ipc_lock = has(effective, CAP_IPC_LOCK);
	caps->cap_sys_ptrace = has(effective, CAP_SYS_PTRACE);

	p->seccomp = np_sys->seccomp_mode();
	caps->seccomp = p->seccomp == 2;
	if (np_sys->memlock_limit(&p->memlock) < 0)
		p->memlock = 0;

	caps->strict_memory_binding = may_witness(effective);
	caps->strict_cpu_affinity = caps->cap_sys_nice;
	caps->numa_balancing_disabled = balancing == 0;
	caps->memory_locking = caps->cap_ipc_lock || p->memlock > MEMLOCK_USEFUL;
}

/* The stack that the probing thread needs is small; the default one would be locked into memory
 * whole in a program that called mlockall(MCL_FUTURE). */
#define PROBE_STACK (256u << 10)

static void probe_on_a_thread(struct probe *p)
{
	pthread_t thread;
	int r = np_sys->thread_create(&thread, PROBE_STACK, try_all, p);

	if (r == -EINVAL) /* too small for this program's thread-local data */
		r = np_sys->thread_create(&thread, 0, try_all, p);
	if (r >= 0) {
		np_sys->thread_join(thread);
		return;
	}
	for (int f = 0; f < NUMAPERF_FEATURE_COUNT; f++)
		p->caps->feature[f].error = -r;
	np_affinity_get(0, &p->caps->cpus_allowed);
	if (mems_allowed(p->root, &p->caps->nodes_allowed) < 0)
		numaperf_nodemask_zero(&p->caps->nodes_allowed);
}

int numaperf_capabilities_detect(struct numaperf_capabilities *caps)
{
	struct numaperf_capabilities found = { .sz = sizeof(found) };
	struct probe p = { .caps = &found };
	struct numaperf_nodemask online;

	if (!caps || caps->sz < FIRST_RELEASE_SIZE)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "capability detection",
			       "set caps->sz to sizeof(*caps)",
			       "the struct is absent or too small");
	p.root = np_sys->open_root(NULL);
	if (np_nodes_from_file(p.root, "sys/devices/system/node/online", &online) < 0 ||
	    numaperf_nodemask_empty(&online))
		online = numaperf_nodemask_single(0); /* a kernel without NUMA */
	found.node_count = numaperf_nodemask_count(&online);
	np_cpus_from_file(p.root, "sys/devices/system/cpu/isolated", &found.cpus_isolated);
	p.release = kernel_release(p.root);
	/* both exist in kernels built for NUMA only; a container may hide either */
	p.numa = file_exists(p.root, "sys/devices/system/node/online") ||
		 file_exists(p.root, "proc/thread-self/numa_maps");
	detect_privilege(&p);
	probe_on_a_thread(&p);
	if (p.root >= 0)
		np_sys->close(p.root);
	np_snapshot_write(caps, caps->sz, &found, sizeof(found));
	return 0;
}

bool numaperf_capabilities_hard_mode(const struct numaperf_capabilities *caps)
{
	return caps && numaperf_capabilities_missing(caps, NULL, 0) == 0;
}

size_t numaperf_capabilities_missing(const struct numaperf_capabilities *caps,
				     const char **missing, size_t max)
{
	const char *lines[NUMAPERF_MISSING_MAX];
	size_t n = 0;

	if (!caps->strict_memory_binding)
		lines[n++] = caps->user_namespace
				     ? "CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON (strict "
				       "memory binding): " OUTSIDE
				     : "CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON (strict "
				       "memory binding): " SETCAP;
	if (!caps->strict_cpu_affinity)
		lines[n++] = caps->user_namespace
				     ? "CAP_SYS_NICE (strict CPU affinity): " OUTSIDE
				     : "CAP_SYS_NICE (strict CPU affinity): " SETCAP;
	if (!caps->numa_balancing_disabled)
		lines[n++] = "kernel.numa_balancing=0 (the kernel may move pages): " SYSCTL;
	for (size_t i = 0; i < n && i < max; i++)
		missing[i] = lines[i];
	return n;
}
