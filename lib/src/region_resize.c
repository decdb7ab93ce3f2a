// SPDX-License-Identifier: MIT
/*
 * A region made larger or smaller. The new part is made first, as a region of its own that
 * happens to begin where the other ends, and whatever fails, fails there. Then, where there was
 * no room, the old part is moved beside it: page tables only, no page is copied.
 */
#include "base.h"
#include "capability.h"
#include "guarantee.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>

static const char operation[] = "region resizing";

/* ---- the new part ---- */

static void count_stretches(const struct numaperf_region *r, size_t *has)
{
	for (size_t i = 0; i < r->stretch_count; i++)
		has[r->stretches[i].node] += r->stretches[i].length;
}

static int spread_tail(const struct numaperf_region *r, struct numaperf_region *tail)
{
	size_t *has;
	void *p;
	int err;

	if (!r->stretches)
		return 0;
	if (np_sys->alloc(&p, NUMAPERF_NODES_MAX * sizeof(*has), 0) < 0)
		return np_fail_memory(operation);
	has = p;
	count_stretches(r, has);
	err = np_region_spread(tail, has);
	np_free(has);
	return err;
}

static int map_tail(struct numaperf_region *tail)
{
	int err = np_region_map_part(tail);

	if (err >= 0)
		return 0;
	if (!np_region_huge(tail))
		return np_fail_memory(operation);
	return np_fail(
		np_region_strict(tail) ? -NUMAPERF_EHARDMODE : err, NUMAPERF_REASON_HUGEPAGES,
		operation,
		"reserve more (/sys/devices/system/node/nodeN/hugepages), or ask for less",
		"not enough huge pages: %zu more of %zu KiB cannot be mapped",
		tail->size / tail->page, tail->page >> 10);
}

/* r's options over [data, data + size) of `tail`, which is address space of ours. */
static int make_tail(const struct numaperf_region *r, struct numaperf_region *tail)
{
	int err;

	tail->operation = operation;
	tail->stretches = NULL;
	tail->stretch_count = 0;
	tail->locked = 0;
	err = spread_tail(r, tail);
	if (!err && np_region_strict(r))
		err = np_region_require(tail, NULL);
	if (!err)
		err = map_tail(tail);
	if (!err)
		err = np_region_advise(tail);
	if (!err)
		err = np_region_strict(r) ? np_region_prove(tail) : np_region_place_soft(tail);
	return err ? err : np_region_lock(tail);
}

/* Both parts' stretches in one list, which replaces the tail's. */
static int join_stretches(const struct numaperf_region *r, struct numaperf_region *tail)
{
	size_t count = r->stretch_count + tail->stretch_count;
	struct np_stretch *all;
	void *p;

	if (!r->stretches)
		return 0;
	if (np_sys->alloc(&p, count * sizeof(*all), 0) < 0)
		return np_fail_memory(operation);
	all = p;
	memcpy(all, r->stretches, r->stretch_count * sizeof(*all));
	for (size_t i = 0; i < tail->stretch_count; i++) {
		all[r->stretch_count + i] = tail->stretches[i];
		all[r->stretch_count + i].offset += r->size;
	}
	np_free(tail->stretches);
	tail->stretches = all;
	tail->stretch_count = count;
	return 0;
}

/* ---- giving back ---- */

/* [data + from, data + to) is set aside again; if the place was taken in that moment, the
 * region ends there. */
static int give_back(struct numaperf_region *r, size_t from, size_t to)
{
	char *at = (char *)r->data + from, *end = (char *)r->data + to;
	char *last = (char *)r->base + r->length;
	int err = np_sys->unmap(at, to - from);

	if (err < 0)
		return err;
	if (np_sys->reserve_at(at, to - from) >= 0)
		return 0;
	np_sys->unmap(end, (size_t)(last - end));
	r->length = (size_t)(at - (char *)r->base);
	r->room = from;
	return 0;
}

/* ---- moving ---- */

struct mappings {
	char *text, *next;
	uintptr_t start, end; /* of what is left */
	bool blind;	      /* /proc is not there: one mapping, hopefully */
};

static void open_mappings(struct mappings *m, const struct numaperf_region *r)
{
	int root = np_sys->open_root(NULL);

	*m = (struct mappings){ .start = (uintptr_t)r->data,
				.end = (uintptr_t)r->data + r->size };
	m->blind = root < 0 || np_read_file(root, "proc/self/maps", &m->text, NULL);
	if (root >= 0)
		np_sys->close(root);
	m->next = m->text;
}

/* The next mapping's part of the range; false: there is none left. A call that crosses from one
 * to another is EFAULT before Linux 6.17. */
static bool next_mapping(struct mappings *m, uintptr_t *from, size_t *length)
{
	if (m->start >= m->end)
		return false;
	*from = m->start;
	*length = m->end - m->start;
	while (!m->blind && *m->next) {
		uintptr_t start = strtoul(m->next, &m->next, 16), end = 0;

		if (*m->next == '-')
			end = strtoul(m->next + 1, &m->next, 16);
		m->next = strchrnul(m->next, '\n');
		m->next += *m->next == '\n';
		if (start <= m->start && end > m->start) {
			*length = MIN(end, m->end) - m->start;
			break;
		}
	}
	m->start += *length;
	return true;
}

/*
 * [from, from + size) to `to`, mapping by mapping. What they leave stays mapped, so that nobody
 * takes the place before it is known that they all went (not for explicit huge pages, of which
 * the kernel would keep none). 0 or -errno: all of it is where it was.
 */
static int move_all(const struct numaperf_region *r, char *to)
{
	bool keep = !np_region_huge(r);
	struct mappings m;
	uintptr_t from;
	size_t length, done = 0;
	int err = 0;

	open_mappings(&m, r);
	while (!err && next_mapping(&m, &from, &length)) {
		err = np_sys->move_mapping((void *)from, length, to + done, keep);
		err = err < 0 ? err : 0;
		if (!err)
			done += length;
	}
	np_free(m.text);
	if (!err)
		return 0;
	if (done) {
		struct numaperf_region moved = *r;

		moved.data = to;
		moved.size = done;
		open_mappings(&m, &moved);
		while (next_mapping(&m, &from, &length))
			np_sys->move_mapping((void *)from, length,
					     (char *)r->data + (from - (uintptr_t)to), false);
		np_free(m.text);
	}
	return err;
}

/* ---- the three ways ---- */

/* What `tail` has become is now part of r. */
static void adopt(struct numaperf_region *r, struct numaperf_region *tail, uint64_t guarantee)
{
	np_guarantee_leave(r->guarantee);
	r->guarantee = guarantee;
	if (r->stretches) {
		np_free(r->stretches);
		r->stretches = tail->stretches;
		r->stretch_count = tail->stretch_count;
	}
	r->policy_set = r->policy_set && tail->policy_set;
	r->balanced = r->balanced && tail->balanced;
	r->homed = r->homed && tail->homed;
	r->guarded = r->guarded && tail->guarded;
	r->locked += tail->locked;
	r->size += tail->size;
}

static int grow_in_place(struct numaperf_region *r, size_t size)
{
	struct numaperf_region tail = *r, whole = *r;
	struct numaperf_error why;
	uint64_t guarantee;
	int err;

	tail.data = (char *)r->data + r->size;
	tail.size = size - r->size;
	whole.size = size;
	err = make_tail(r, &tail);
	if (!err)
		err = join_stretches(r, &tail);
	if (!err)
		err = np_region_promise(&whole, r, &guarantee);
	if (!err) {
		adopt(r, &tail, guarantee);
		return 0;
	}
	np_error_save(&why);
	np_free(tail.stretches);
	give_back(r, r->size, size);
	return np_error_restore(&why);
}

static int grow_elsewhere(struct numaperf_region *r, size_t size)
{
	struct numaperf_region next = *r, tail;
	struct numaperf_error why;
	uint64_t guarantee = 0;
	int err;

	next.operation = operation;
	next.size = size;
	next.opts.size_max = 0;
	err = np_region_reserve(&next);
	if (err)
		return err;
	tail = next;
	tail.data = (char *)next.data + r->size;
	tail.size = size - r->size;
	err = make_tail(r, &tail);
	if (!err)
		err = join_stretches(r, &tail);
	if (!err)
		err = np_region_promise(&next, r, &guarantee);
	if (!err) {
		err = move_all(r, next.data);
		if (err)
			err = np_fail(
				err, NUMAPERF_REASON_SYSTEM, operation,
				"set size_max when it is created",
				"the %zu KiB that are there cannot be moved to where more "
				"have room (%s)",
				r->size >> 10, strerrordesc_np(-err));
	}
	if (err) {
		np_error_save(&why);
		np_guarantee_leave(guarantee);
		np_free(tail.stretches);
		np_sys->unmap(next.base, next.length);
		return np_error_restore(&why);
	}
	if (np_region_huge(r))
		np_region_unmap_around(r);
	else
		np_sys->unmap(r->base, r->length);
	r->base = next.base;
	r->length = next.length;
	r->data = next.data;
	r->room = next.room;
	adopt(r, &tail, guarantee);
	return 0;
}

static int shrink(struct numaperf_region *r, size_t size)
{
	struct numaperf_region rest = *r;
	uint64_t guarantee;
	int err;

	rest.size = size;
	err = np_region_promise(&rest, r, &guarantee);
	if (err)
		return err;
	if (give_back(r, size, r->size) < 0) {
		np_guarantee_leave(guarantee);
		return np_fail_memory(operation);
	}
	np_guarantee_leave(r->guarantee);
	r->guarantee = guarantee;
	r->size = size;
	r->locked = MIN(r->locked, size);
	while (r->stretch_count && r->stretches[r->stretch_count - 1].offset >= size)
		r->stretch_count--;
	if (r->stretch_count) {
		struct np_stretch *last = &r->stretches[r->stretch_count - 1];

		last->length = MIN(last->length, size - last->offset);
	}
	return 0;
}

int numaperf_region_resize(struct numaperf_region *region, size_t size)
{
	struct numaperf_region *r = region;
	int err;

	if (!size || size > SIZE_MAX / 4)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "the size is 0 or larger than any address space");
	if (r->file)
		return np_fail(-EOPNOTSUPP, NUMAPERF_REASON_INVALID, operation,
			       "map the file again",
			       "a file's region has the size that the file has");
	size = ROUND_UP(size, r->page);
	if (size == r->size)
		return 0;
	if (size < r->size)
		return shrink(r, size);
	err = np_hard_mode_require(r->opts.mode, operation);
	if (err)
		return err;
	return size <= r->room ? grow_in_place(r, size) : grow_elsewhere(r, size);
}
