// SPDX-License-Identifier: MIT
/* Where pages really are: move_pages(2) as a question, numa_maps where it is refused. */
#include "placement.h"
#include "base.h"
#include "numa_maps.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaif.h>
#include <sys/mman.h>

static const char operation[] = "placement query";

#define NODE_WORDS (NUMAPERF_NODES_MAX / 64)

/* Flags that the kernel adds to a mode (include/uapi/linux/mempolicy.h, MPOL_MODE_FLAGS):
 * static and relative nodes, balancing. */
#define MODE_FLAGS (7 << 13)

const char *numaperf_policy_name(enum numaperf_policy policy)
{
	switch (policy) {
	case NUMAPERF_POLICY_LOCAL:
		return "local";
	case NUMAPERF_POLICY_BIND:
		return "bind";
	case NUMAPERF_POLICY_PREFERRED:
		return "preferred";
	case NUMAPERF_POLICY_INTERLEAVE:
		return "interleave";
	case NUMAPERF_POLICY_WEIGHTED_INTERLEAVE:
		return "weighted-interleave";
	case NUMAPERF_POLICY_DEFAULT:
		return "default";
	case NUMAPERF_POLICY_OTHER:
		break;
	}
	return "other";
}

const char *numaperf_enforcement_name(enum numaperf_enforcement enforcement)
{
	switch (enforcement) {
	case NUMAPERF_ENFORCEMENT_BEST_EFFORT:
		return "best-effort";
	case NUMAPERF_ENFORCEMENT_STRICT:
		return "strict";
	case NUMAPERF_ENFORCEMENT_NONE:
		break;
	}
	return "none";
}

const char *numaperf_placement_method_name(enum numaperf_placement_method method)
{
	switch (method) {
	case NUMAPERF_PLACEMENT_MOVE_PAGES:
		return "move_pages";
	case NUMAPERF_PLACEMENT_NUMA_MAPS:
		return "numa_maps";
	case NUMAPERF_PLACEMENT_NONE:
		break;
	}
	return "none";
}

int np_policy_read(const void *addr, enum numaperf_policy *policy,
		   struct numaperf_nodemask *nodes)
{
	int mode = 0, err;

	numaperf_nodemask_zero(nodes);
	*policy = NUMAPERF_POLICY_OTHER;
	/* MPOL_F_ADDR alone only looks the mapping up; with MPOL_F_NODE it would fault in */
	err = np_sys->get_mempolicy(&mode, nodes->bits, NODE_WORDS, addr, MPOL_F_ADDR);
	if (err < 0)
		return err;
	switch (mode & ~MODE_FLAGS) {
	case MPOL_DEFAULT:
		*policy = NUMAPERF_POLICY_DEFAULT;
		break;
	case MPOL_LOCAL:
		*policy = NUMAPERF_POLICY_LOCAL;
		break;
	case MPOL_BIND:
		*policy = NUMAPERF_POLICY_BIND;
		break;
	case MPOL_INTERLEAVE:
		*policy = NUMAPERF_POLICY_INTERLEAVE;
		break;
	case NP_MPOL_WEIGHTED_INTERLEAVE:
		*policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
		break;
	case MPOL_PREFERRED:
	case MPOL_PREFERRED_MANY:
		/* before Linux 5.14 LOCAL was kept as PREFERRED of no node */
		*policy = numaperf_nodemask_empty(nodes) ? NUMAPERF_POLICY_LOCAL
							 : NUMAPERF_POLICY_PREFERRED;
		break;
	}
	return 0;
}

/* ---- counting ---- */

static void count_stray(struct np_stray *stray, const struct numaperf_nodemask *home, int node,
			size_t pages, const void *addr)
{
	if (!home || !pages || numaperf_nodemask_test(home, node))
		return;
	if (!stray->pages) {
		stray->first = addr;
		stray->node = node;
	}
	stray->pages += pages;
}

/* 512 pages a call: 6 KiB of stack whatever the range, and the lock of the address space is
 * let go in between. */
enum {
	CHUNK = 512
};

/* 0 or -errno. */
static int scan_move_pages(char *addr, size_t length, const struct numaperf_nodemask *home,
			   struct numaperf_placement *where, struct np_stray *stray)
{
	size_t page = where->page_size;
	void *pages[CHUNK];
	int status[CHUNK];

	for (size_t done = 0; done < length;) {
		size_t n = MIN((length - done) / page, CHUNK);
		int err;

		for (size_t i = 0; i < n; i++) {
			pages[i] = addr + done + i * page;
			status[i] = -EIO; /* what stays unwritten is not known */
		}
		err = np_sys->move_pages(0, n, pages, NULL, status, 0);
		if (err < 0)
			return err;
		for (size_t i = 0; i < n; i++) {
			int s = status[i];

			if (s >= 0 && s < NUMAPERF_NODES_MAX) {
				where->pages_on_node[s]++;
				count_stray(stray, home, s, 1, pages[i]);
			} else if (s == -ENOENT || s == -EFAULT) {
				/* never touched: ENOENT (6.12) or EFAULT (6.1); the shared zero
				 * page: EFAULT */
				where->pages_absent++;
			} else if (s == -EBUSY) {
				where->pages_busy++;
			} else {
				where->pages_unknown++;
				if (!where->error)
					where->error = s < 0 ? -s : EIO;
			}
		}
		done += n * page;
	}
	where->method = NUMAPERF_PLACEMENT_MOVE_PAGES;
	return 0;
}

/* 0 or -errno. */
static int scan_numa_maps(const char *addr, size_t length, const struct numaperf_nodemask *home,
			  struct numaperf_placement *where, struct np_stray *stray)
{
	struct np_numa_maps maps;
	uint64_t start = (uintptr_t)addr;
	int err = np_numa_maps_read(start, start + length, &maps);

	if (err)
		return err;
	if (maps.pages > where->pages_total)
		return -EIO;
	memcpy(where->pages_on_node, maps.pages_on_node, sizeof(maps.pages_on_node));
	where->pages_absent = where->pages_total - maps.pages;
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++)
		count_stray(stray, home, node, maps.pages_on_node[node], NULL);
	if (where->effective_policy == NUMAPERF_POLICY_OTHER) {
		where->effective_policy = maps.policy;
		where->effective = maps.nodes;
	}
	where->method = NUMAPERF_PLACEMENT_NUMA_MAPS;
	return 0;
}

/*
 * Linux 6.1 to 6.4 (include/linux/mm.h, gup_can_follow_protnone()): move_pages(2) finds nothing
 * where a page may not be accessed, which is how balancing marks pages whose next use it wants
 * to see. Probed on a page without access. 1: it does so; 0: not, or it cannot be told.
 */
static int marked_read_as_absent(void)
{
	static int known = -1;
	int answer = __atomic_load_n(&known, __ATOMIC_RELAXED), status = 0;
	void *page;

	if (answer >= 0)
		return answer;
	if (np_sys->map(&page, np_page_size()) < 0)
		return 0;
	*(volatile char *)page = 1;
	answer = np_sys->protect(page, np_page_size(), PROT_NONE) >= 0 &&
		 np_sys->move_pages(0, 1, &page, NULL, &status, 0) >= 0 &&
		 (status == -ENOENT || status == -EFAULT);
	np_sys->unmap(page, np_page_size());
	__atomic_store_n(&known, answer, __ATOMIC_RELAXED);
	return answer;
}

static void start_over(size_t length, struct numaperf_placement *where, struct np_stray *stray)
{
	memset(where, 0, sizeof(*where));
	where->sz = sizeof(*where);
	where->page_size = np_page_size();
	where->pages_total = length / where->page_size;
	where->requested_policy = NUMAPERF_POLICY_DEFAULT;
	*stray = (struct np_stray){ .node = -1 };
}

/* numa_maps sees them. Where it cannot be asked, absent they stay. */
static void find_marked(const void *addr, size_t length, const struct numaperf_nodemask *home,
			struct numaperf_placement *where, struct np_stray *stray)
{
	struct numaperf_placement seen;
	struct np_stray away;

	start_over(length, &seen, &away);
	seen.effective_policy = where->effective_policy;
	seen.effective = where->effective;
	if (scan_numa_maps(addr, length, home, &seen, &away) ||
	    seen.pages_absent >= where->pages_absent)
		return;
	if (stray->pages)
		away.first = stray->first, away.node = stray->node;
	*where = seen;
	*stray = away;
}

static int fail_numa_maps(int err, int refused)
{
	if (err == -ENOMEM)
		return np_fail_memory(operation);
	if (err == -EOPNOTSUPP)
		return np_fail(
			err, NUMAPERF_REASON_SECCOMP, operation,
			"allow move_pages in the seccomp profile, or ask about whole "
			"mappings",
			"move_pages is refused (%s), and the range is not exactly a number "
			"of mappings, which is all that numa_maps counts",
			strerrordesc_np(-refused));
	return np_fail(err, NUMAPERF_REASON_SYSTEM, operation,
		       "allow move_pages in the seccomp profile, or mount /proc",
		       "move_pages is refused (%s), and /proc/self/numa_maps does not help",
		       strerrordesc_np(-refused));
}

int np_placement_scan(const void *addr, size_t length, const struct numaperf_nodemask *home,
		      struct numaperf_placement *where, struct np_stray *stray)
{
	struct np_stray unused;
	int err;

	if (!stray)
		stray = &unused;
	start_over(length, where, stray);
	err = scan_move_pages((char *)addr, length, home, where, stray);
	if (err == -EPERM || err == -ENOSYS || err == -EACCES) {
		int refused = err;

		start_over(length, where, stray);
		np_policy_read(addr, &where->effective_policy, &where->effective);
		err = scan_numa_maps(addr, length, home, where, stray);
		if (err)
			return fail_numa_maps(err, refused);
	} else if (err) {
		return np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL,
			       "move_pages failed");
	} else {
		np_policy_read(addr, &where->effective_policy, &where->effective);
		if (where->pages_absent && marked_read_as_absent())
			find_marked(addr, length, home, where, stray);
	}
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++)
		if (where->pages_on_node[node])
			numaperf_nodemask_set(&where->actual, node);
	/* OTHER may be a policy of somebody else's or one that the kernel would not tell */
	if (where->effective_policy != NUMAPERF_POLICY_DEFAULT &&
	    where->effective_policy != NUMAPERF_POLICY_OTHER)
		where->enforcement = NUMAPERF_ENFORCEMENT_BEST_EFFORT;
	where->time_ns = np_clock_ns();
	return 0;
}

int numaperf_placement_query(const void *addr, size_t length, struct numaperf_placement *where)
{
	uintptr_t page = np_page_size(), start = (uintptr_t)addr / page * page, end;
	struct numaperf_placement found;
	int err;

	if (!where || where->sz < sizeof(found))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "sz must be set to sizeof(struct numaperf_placement)");
	if (!length || length > UINTPTR_MAX - (uintptr_t)addr - page)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "the range is empty or reaches beyond the address space");
	end = ROUND_UP((uintptr_t)addr + length, page);
	err = np_sys->mapped((const void *)start, end - start);
	if (err == -ENOMEM)
		return np_fail(-EFAULT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "part of the range 0x%lx-0x%lx is not mapped", start, end);
	if (err)
		return np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL,
			       "whether the range is mapped cannot be found out");
	err = np_placement_scan((const void *)start, end - start, NULL, &found, NULL);
	if (err)
		return err;
	np_snapshot_write(where, where->sz, &found, sizeof(found));
	return 0;
}
