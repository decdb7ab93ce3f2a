// SPDX-License-Identifier: MIT
/*
 * Where the pages of a huge range probably are: one page at random of each of as many equal
 * parts as there are samples. That is never worse than drawing from the whole, so the interval
 * of plain drawing (Wilson's, which stays sound near none and all) is on the safe side.
 */
#include "base.h"
#include "placement.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

static const char operation[] = "placement sample";

#define Z2 3.8414588 /* the square of 1.9600: 95 of 100 */

enum {
	CHUNK = 512
};

/* splitmix64 */
static uint64_t next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void count(struct numaperf_estimate *now, int status)
{
	now->pages_sampled++;
	if (status >= 0 && status < NUMAPERF_NODES_MAX) {
		now->sampled_on_node[status]++;
	} else if (status == -ENOENT || status == -EFAULT) {
		now->sampled_absent++;
	} else if (status == -EBUSY) {
		now->sampled_busy++;
	} else {
		now->sampled_unknown++;
		now->error = now->error ? now->error : status < 0 ? -status : EIO;
	}
}

/* 0 or -errno. */
static int draw(char *addr, size_t samples, struct numaperf_estimate *now)
{
	uint64_t seed = now->seed;
	void *pages[CHUNK];
	int status[CHUNK];

	for (size_t done = 0; done < samples;) {
		size_t n = MIN(samples - done, CHUNK);
		int err;

		for (size_t i = 0; i < n; i++) {
			unsigned __int128 total = now->pages_total;
			size_t from = (size_t)(total * (done + i) / samples);
			size_t to = (size_t)(total * (done + i + 1) / samples);

			from += next_random(&seed) % (to - from);
			pages[i] = addr + from * now->page_size;
			status[i] = -EIO;
		}
		err = np_sys->move_pages(0, n, pages, NULL, status, 0);
		if (err < 0)
			return err;
		for (size_t i = 0; i < n; i++)
			count(now, status[i]);
		done += n;
	}
	now->method = NUMAPERF_PLACEMENT_MOVE_PAGES;
	return 0;
}

/* What is filtered cannot be sampled, but counted. */
static int count_all(const char *addr, size_t length, struct numaperf_estimate *now)
{
	struct numaperf_placement *where;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*where), 0) < 0)
		return np_fail_memory(operation);
	where = p;
	err = np_placement_scan(addr, length, NULL, where, NULL);
	if (!err) {
		now->method = where->method;
		now->pages_sampled = where->pages_total;
		now->sampled_absent = where->pages_absent;
		now->sampled_busy = where->pages_busy;
		now->sampled_unknown = where->pages_unknown;
		now->error = where->error;
		memcpy(now->sampled_on_node, where->pages_on_node,
		       sizeof(now->sampled_on_node));
	}
	np_free(where);
	return err;
}

static int sample(char *addr, size_t length, size_t samples, struct numaperf_estimate *now)
{
	int err;

	now->page_size = np_page_size();
	now->pages_total = length / now->page_size;
	now->seed = np_clock_ns() ^ (uintptr_t)addr;
	if (samples >= now->pages_total)
		return count_all(addr, length, now);
	err = draw(addr, samples, now);
	if (err == -EPERM || err == -ENOSYS || err == -EACCES)
		return count_all(addr, length, now);
	return err ? np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL, "move_pages failed")
		   : 0;
}

int numaperf_placement_sample(const void *addr, size_t length, size_t samples,
			      struct numaperf_estimate *estimate)
{
	uintptr_t page = np_page_size(), start = (uintptr_t)addr / page * page, end;
	struct numaperf_estimate *now;
	void *p;
	int err;

	if (!estimate || estimate->sz < sizeof(*now))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "sz must be set to sizeof(struct numaperf_estimate)");
	if (!samples || !length || length > UINTPTR_MAX - (uintptr_t)addr - page)
		return np_fail(
			-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			"no samples, or the range is empty or reaches beyond the address "
			"space");
	end = ROUND_UP((uintptr_t)addr + length, page);
	err = np_sys->mapped((const void *)start, end - start);
	if (err < 0)
		return np_fail(err == -ENOMEM ? -EFAULT : err, NUMAPERF_REASON_INVALID,
			       operation, NULL, "part of the range 0x%lx-0x%lx is not mapped",
			       start, end);
	if (np_sys->alloc(&p, sizeof(*now), 0) < 0)
		return np_fail_memory(operation);
	now = p;
	err = sample((char *)start, end - start, samples, now);
	if (!err) {
		now->time_ns = np_clock_ns();
		np_snapshot_write(estimate, estimate->sz, now, sizeof(*now));
	}
	np_free(now);
	return err;
}

/* Newton's way to a square root: libm is not worth a dependency. */
static double root(double x)
{
	double r = x > 1 ? x : 1;

	for (int i = 0; i < 64 && x > 0; i++)
		r = (r + x / r) / 2;
	return x > 0 ? r : 0;
}

int numaperf_estimate_share(const struct numaperf_estimate *e, int node,
			    struct numaperf_share *share)
{
	double n, p, centre, half;

	if (!e || !share || node < -1 || node >= NUMAPERF_NODES_MAX || !e->pages_sampled)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "no estimate, or no such node");
	n = (double)e->pages_sampled;
	p = (double)(node < 0 ? e->sampled_absent : e->sampled_on_node[node]) / n;
	*share = (struct numaperf_share){ p, p, p };
	if (e->pages_sampled >= e->pages_total)
		return 0; /* all were looked at */
	centre = (p + Z2 / (2 * n)) / (1 + Z2 / n);
	half = root(Z2 * (p * (1 - p) / n + Z2 / (4 * n * n))) / (1 + Z2 / n);
	share->low = MAX(centre - half, 0.0);
	share->high = MIN(centre + half, 1.0);
	/* rounding must not exclude what was seen */
	share->low = MIN(share->low, p);
	share->high = MAX(share->high, p);
	return 0;
}
