// SPDX-License-Identifier: MIT
/* A region's address space: guard pages, alignment, memory or a file in it, and what goes with
 * the mapping: name, fork, transparent huge pages, mlock. */
#include "base.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#ifndef MAP_HUGE_SHIFT
# define MAP_HUGE_SHIFT 26
#endif

/* ---- address space ---- */

int np_region_reserve(struct numaperf_region *r)
{
	size_t page = np_page_size(), align = r->page, guard = r->page;

	if (r->opts.thp == NUMAPERF_THP_ON && !r->file)
		align = MAX(align, np_huge_page_transparent());
	r->room = ROUND_UP(MAX(r->size, r->opts.size_max), r->page);
	r->length = r->room + align + page + guard;
	if (np_sys->reserve(&r->base, r->length) < 0) {
		r->base = NULL;
		return np_fail_memory(r->operation);
	}
	r->data = (void *)ROUND_UP((uintptr_t)r->base + page, align);
	return 0;
}

/* Only the two ends are ours any more: what is between them, somebody else may have by now. */
void np_region_unmap_around(struct numaperf_region *r)
{
	char *base = r->base, *data = r->data, *end = data + r->size;

	np_sys->unmap(base, (size_t)(data - base));
	np_sys->unmap(end, (size_t)(base + r->length - end));
	r->base = NULL;
}

void np_region_unmap(struct numaperf_region *r)
{
	if (r->base)
		np_sys->unmap(r->base, r->length);
	r->base = NULL;
	np_free(r->stretches);
	r->stretches = NULL;
}

/*
 * What cannot be made out of reserved pages by mprotect(2) is mapped into a hole, because
 * MAP_FIXED that fails may already have unmapped what was there, and the hole would not be
 * known for one. Another thread's mapping may come to lie in it: -EEXIST.
 */
static int map_into_hole(void *at, size_t length, int flags, int fd, uint64_t offset)
{
	int err = np_sys->unmap(at, length);

	return err < 0 ? err : np_sys->map_at(at, length, flags, fd, offset);
}

static int huge_flags(const struct numaperf_region *r)
{
	return MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
	       (__builtin_ctzl(r->page) << MAP_HUGE_SHIFT);
}

int np_region_map_part(struct numaperf_region *r)
{
	int err;

	if (!np_region_huge(r))
		return np_sys->protect(r->data, r->size, PROT_READ | PROT_WRITE);
	err = map_into_hole(r->data, r->size, huge_flags(r), -1, 0);
	if (err < 0 && np_sys->reserve_at(r->data, r->size) < 0)
		return -EEXIST;
	return err;
}

/* ---- explicit huge pages ---- */

static int fail_huge(const struct numaperf_region *r, int err)
{
	return np_fail(
		-NUMAPERF_EHARDMODE, NUMAPERF_REASON_HUGEPAGES, r->operation,
		"reserve more (/sys/devices/system/node/nodeN/hugepages), or ask for less",
		"not enough huge pages: %zu of %zu KiB cannot be mapped (%s)",
		r->size / r->page, r->page >> 10, strerrordesc_np(-err));
}

/* Base pages in their place, huge ones as far as the kernel makes them by itself. */
static int do_without_huge(struct numaperf_region *r, int err)
{
	np_log(NUMAPERF_LOG_WARNING,
	       "region: %zu huge pages of %zu KiB cannot be mapped (%s): base pages in their "
	       "place",
	       r->size / r->page, r->page >> 10, strerrordesc_np(-err));
	r->opts.thp = NUMAPERF_THP_ON;
	r->page = np_page_size();
	return np_region_map(r, NULL);
}

static int map_huge(struct numaperf_region *r)
{
	int err = -EAGAIN;

	/* the hole was taken: another place */
	for (int i = 0; i < 8; i++) {
		int failed = np_region_reserve(r);

		if (failed)
			return failed;
		err = map_into_hole(r->data, r->size, huge_flags(r), -1, 0);
		if (err >= 0)
			return 0;
		np_region_unmap_around(r);
		if (err != -EEXIST)
			break;
	}
	return np_region_strict(r) ? fail_huge(r, err) : do_without_huge(r, err);
}

/* ---- files ---- */

static int fail_file(const struct numaperf_region *r, int err)
{
	if (err == -EACCES || err == -EPERM)
		return np_fail(-EACCES, NUMAPERF_REASON_PERMISSION, r->operation,
			       "open it for reading, and for a shared region for writing too",
			       "the descriptor does not allow it");
	if (err == -ENOMEM && r->page > np_page_size())
		return np_fail(err, NUMAPERF_REASON_HUGEPAGES, r->operation,
			       "reserve more (/sys/devices/system/node/nodeN/hugepages)",
			       "not enough huge pages for the file's %zu KiB", r->size >> 10);
	if (err == -ENOMEM)
		return np_fail_memory(r->operation);
	return np_fail(err, NUMAPERF_REASON_SYSTEM, r->operation, NULL,
		       "the file cannot be mapped");
}

static int map_file(struct numaperf_region *r, const struct np_region_file *file)
{
	int flags = r->shared ? MAP_SHARED : MAP_PRIVATE, err = -EAGAIN;

	for (int i = 0; i < 8; i++) {
		int failed = np_region_reserve(r);

		if (failed)
			return failed;
		err = map_into_hole(r->data, r->size, flags, file->fd, file->offset);
		if (err >= 0)
			return 0;
		np_region_unmap_around(r);
		if (err != -EEXIST)
			break;
	}
	return fail_file(r, err);
}

/* ---- all of them ---- */

int np_region_map(struct numaperf_region *r, const struct np_region_file *file)
{
	int err;

	if (file)
		return map_file(r, file);
	if (np_region_huge(r))
		return map_huge(r);
	err = np_region_reserve(r);
	if (err)
		return err;
	return np_region_map_part(r) < 0 ? np_fail_memory(r->operation) : 0;
}

int np_region_advise(struct numaperf_region *r)
{
	static const int fork_advice[] = {
		[NUMAPERF_FORK_WIPE] = MADV_WIPEONFORK,
		[NUMAPERF_FORK_NONE] = MADV_DONTFORK,
	};
	int err;

	/* names are for eyes: a kernel without them does all the rest */
	if (r->name[0] && !r->file)
		np_sys->name_mapping(r->data, r->size, r->name);
	if (r->opts.fork != NUMAPERF_FORK_KEEP) {
		err = np_sys->madvise(r->data, r->size, fork_advice[r->opts.fork]);
		if (err < 0)
			return np_fail(err, NUMAPERF_REASON_UNSUPPORTED, r->operation,
				       "leave the fork option, or run a newer kernel",
				       "this kernel cannot keep the pages from a child");
	}
	if (r->opts.thp == NUMAPERF_THP_DEFAULT)
		return 0;
	err = np_sys->madvise(r->data, r->size,
			      r->opts.thp == NUMAPERF_THP_ON ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (err < 0 && r->opts.thp == NUMAPERF_THP_ON)
		np_log(NUMAPERF_LOG_WARNING,
		       "region: transparent huge pages are not to be had (%s)",
		       strerrordesc_np(-err));
	if (r->opts.thp == NUMAPERF_THP_OFF)
		r->guarded = err >= 0;
	return 0;
}

int np_region_lock(struct numaperf_region *r)
{
	bool later = r->opts.prefault == NUMAPERF_PREFAULT_NONE && !np_region_strict(r);
	int err;

	if (!r->opts.lock)
		return 0;
	err = later ? np_sys->mlock_on_fault(r->data, r->size)
		    : np_sys->mlock(r->data, r->size);
	if (err >= 0) {
		r->locked = r->size;
		return 0;
	}
	if (np_region_strict(r))
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_PERMISSION, r->operation,
			       "raise RLIMIT_MEMLOCK (ulimit -l), or give it CAP_IPC_LOCK",
			       "permission denied (%zu KiB cannot be locked in memory: %s)",
			       r->size >> 10, strerrordesc_np(-err));
	np_log(NUMAPERF_LOG_WARNING,
	       "region: %zu KiB cannot be locked in memory (%s): they may be swapped out",
	       r->size >> 10, strerrordesc_np(-err));
	return 0;
}

void np_region_guard(struct numaperf_region *r)
{
	/* both refuse where there is nothing to guard against: a kernel without KSM or THP,
	 * explicit huge pages */
	np_sys->madvise(r->data, r->size, MADV_UNMERGEABLE);
	if (r->opts.thp != NUMAPERF_THP_ON)
		r->guarded = np_sys->madvise(r->data, r->size, MADV_NOHUGEPAGE) >= 0;
}
