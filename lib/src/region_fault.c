// SPDX-License-Identifier: MIT
/*
 * Who touches a region's pages: the caller, or threads pinned to the memory's nodes. The range
 * is cut into pieces; each node has those that it is to hold in a queue of its own, and its
 * threads take from there until it is empty. What no thread could be had for, the caller does.
 */
#include "affinity.h"
#include "base.h"
#include "capability.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
# define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* From this size on threads are worth starting: measured, 8 MiB take 1.7 times less with two.
 */
#define PARALLEL_MIN ((size_t)8 << 20)
/* What a thread takes at a time: no huge page is touched by two, and the last ones to work are
 * done at almost the same time. */
#define PIECE_MIN ((size_t)2 << 20)
#define PIECE_MAX ((size_t)64 << 20)
/* More never pay: the memory of a node is then what limits. */
#define THREADS_MAX 64

/* ---- one piece ---- */

static void touch(const struct numaperf_region *r, char *addr, size_t length)
{
	/* Volatile: clang makes a mere load of an atomic operation that changes nothing, and
	 * that brings no page. New memory is zero, and stays so; a file's private page becomes
	 * a copy of itself; what others may be writing is only read, which brings shared memory
	 * in. */
	for (size_t i = 0; i < length; i += np_page_size()) {
		volatile char *byte = addr + i;

		if (r->shared)
			(void)*byte;
		else
			*byte = r->file ? *byte : 0;
	}
}

/* 0 or -errno. */
static int populate(const struct numaperf_region *r, char *addr, size_t length)
{
	int err;

	if (!length)
		return 0;
	err = np_sys->madvise(addr, length, MADV_POPULATE_WRITE);
	if (err >= 0)
		return 0;
	/* an older kernel, or a filter. To touch a huge page that cannot be had is SIGBUS. */
	if ((err == -EINVAL || err == -EPERM || err == -ENOSYS) && r->page == np_page_size()) {
		touch(r, addr, length);
		return 0;
	}
	return err;
}

/* ---- the work ---- */

struct piece {
	char *addr;
	size_t length;
};

/* What is to lie on one node, or on any of several. */
struct queue {
	struct numaperf_cpuset cpus; /* near that memory */
	size_t next, end;	     /* in `pieces` */
	int node;
};

struct work {
	struct numaperf_region *r;
	struct piece *pieces;
	struct queue *queues;
	size_t piece_count, queue_count, done;
	pthread_mutex_t lock; /* of `done` and the caller's callback */
	int err;	      /* the first; nobody begins another piece then */
};

static int report(struct work *w, size_t length)
{
	const struct numaperf_region_opts *o = &w->r->opts;
	int stop = 0;

	if (!o->progress)
		return 0;
	pthread_mutex_lock(&w->lock);
	w->done += length;
	if (!__atomic_load_n(&w->err, __ATOMIC_RELAXED))
		stop = o->progress(o->progress_ctx, w->done, w->r->size);
	pthread_mutex_unlock(&w->lock);
	return stop ? -ECANCELED : 0;
}

static void drain(struct work *w, struct queue *q)
{
	int none = 0;

	while (!__atomic_load_n(&w->err, __ATOMIC_RELAXED)) {
		size_t i = __atomic_fetch_add(&q->next, 1, __ATOMIC_RELAXED);
		struct piece *p = &w->pieces[i];
		int err;

		if (i >= q->end)
			return;
		err = populate(w->r, p->addr, p->length);
		if (!err)
			err = report(w, p->length);
		if (err)
			__atomic_compare_exchange_n(&w->err, &none, err, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

struct hand {
	struct work *work;
	struct queue *queue;
	pthread_t thread;
	bool started;
};

static void *help(void *arg)
{
	struct hand *h = arg;
	struct numaperf_cpuset granted;

	/* a wish: elsewhere it is slower and the policy still decides; nothing to report */
	np_affinity_pin("region prefault", &h->queue->cpus, NUMAPERF_SOFT, true, &granted);
	drain(h->work, h->queue);
	return NULL;
}

/* ---- where the CPUs are ---- */

static bool node_cpus(int root, int node, struct numaperf_cpuset *cpus)
{
	char path[96];

	snprintf(path, sizeof(path), NP_NODE_PATH, node, "cpulist");
	return !np_cpus_from_file(root, path, cpus) && !numaperf_cpuset_empty(cpus);
}

/* The node's own CPUs, or those of the nearest node that has some, by its row of distances. */
static void cpus_near(int root, int node, struct numaperf_cpuset *cpus)
{
	struct numaperf_nodemask online, tried = { 0 };
	char path[96], row[NUMAPERF_NODES_MAX * 4];

	if (node_cpus(root, node, cpus))
		return;
	snprintf(path, sizeof(path), NP_NODE_PATH, node, "distance");
	if (np_nodes_from_file(root, "sys/devices/system/node/online", &online) ||
	    np_read_small(root, path, row, sizeof(row)) < 0)
		return;
	for (;;) {
		unsigned long nearest = 0;
		int best = -1;
		char *p = row;

		NUMAPERF_NODEMASK_FOR_EACH (other, &online) {
			unsigned long distance = strtoul(p, &p, 10);

			if (numaperf_nodemask_test(&tried, other) ||
			    (best >= 0 && distance >= nearest))
				continue;
			best = other;
			nearest = distance;
		}
		if (best < 0 || node_cpus(root, best, cpus))
			return;
		numaperf_nodemask_set(&tried, best);
	}
}

/* Where its CPUs cannot be read, a node's threads go where the caller is: no CPUs, no pin. */
static void find_cpus(struct work *w)
{
	int root = np_sys->open_root(NULL);

	if (root < 0)
		return;
	for (size_t i = 0; i < w->queue_count; i++)
		cpus_near(root, w->queues[i].node, &w->queues[i].cpus);
	np_sys->close(root);
}

/* ---- the plan ---- */

static size_t piece_size(const struct numaperf_region *r, bool parallel)
{
	size_t size = parallel ? MIN(ROUND_UP(r->size / 256, PIECE_MIN), PIECE_MAX) : PIECE_MAX;

	return ROUND_UP(size, r->page);
}

static void cut(struct work *w, size_t offset, size_t length, size_t size)
{
	while (length) {
		size_t take = MIN(size, length);

		w->pieces[w->piece_count++] =
			(struct piece){ (char *)w->r->data + offset, take };
		offset += take;
		length -= take;
	}
}

/* A queue for each node: its stretches, or where the kernel chooses, neighbouring parts; with
 * several nodes preferred, it takes the one nearest to who touches. */
static void fill_queues(struct work *w, const struct numaperf_nodemask *nodes, size_t size)
{
	const struct numaperf_region *r = w->r;
	size_t count = numaperf_nodemask_count(nodes), k = 0;

	NUMAPERF_NODEMASK_FOR_EACH (node, nodes) {
		struct queue *q = &w->queues[w->queue_count++];
		size_t from = ROUND_UP(r->size / count * k, PIECE_MIN);
		size_t to = ++k == count ? r->size : ROUND_UP(r->size / count * k, PIECE_MIN);

		q->node = node;
		q->next = w->piece_count;
		for (size_t i = 0; i < r->stretch_count; i++)
			if (r->stretches[i].node == node)
				cut(w, r->stretches[i].offset, r->stretches[i].length, size);
		from = MIN(from, r->size);
		to = MIN(to, r->size);
		if (!r->stretches && to > from)
			cut(w, from, to - from, size);
		q->end = w->piece_count;
	}
}

static int plan(struct work *w, bool parallel)
{
	const struct numaperf_region *r = w->r;
	struct numaperf_nodemask nodes = r->nodes;
	size_t size = piece_size(r, parallel), pieces, queues;
	unsigned int cpu, node = 0;
	void *p;

	if (!parallel)
		nodes = numaperf_nodemask_single(0);
	if (numaperf_nodemask_empty(&nodes)) {
		if (np_sys->getcpu(&cpu, &node) < 0 || node >= NUMAPERF_NODES_MAX)
			node = 0;
		nodes = numaperf_nodemask_single((int)node);
	}
	queues = numaperf_nodemask_count(&nodes);
	pieces = r->size / size + r->stretch_count + queues + 1;
	if (np_sys->alloc(&p, pieces * sizeof(*w->pieces), 0) < 0)
		return -ENOMEM;
	w->pieces = p;
	if (np_sys->alloc(&p, queues * sizeof(*w->queues), 0) < 0)
		return -ENOMEM;
	w->queues = p;
	if (parallel) {
		fill_queues(w, &nodes, size);
		find_cpus(w);
	} else {
		cut(w, 0, r->size, size);
		w->queues[w->queue_count++].end = w->piece_count;
	}
	return 0;
}

static void start(struct work *w, struct hand *hands)
{
	size_t most = MAX(THREADS_MAX / w->queue_count, (size_t)1), n = 0;

	for (size_t i = 0; i < w->queue_count; i++) {
		struct queue *q = &w->queues[i];
		size_t threads = MAX(numaperf_cpuset_count(&q->cpus), 1u);

		threads = MIN(MIN(threads, most), q->end - q->next);
		for (; threads && n < THREADS_MAX; threads--, n++) {
			hands[n] = (struct hand){ .work = w, .queue = q };
			hands[n].started =
				!np_sys->thread_create(&hands[n].thread, 0, help, &hands[n]);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (hands[i].started)
			np_sys->thread_join(hands[i].thread);
}

/* ---- errors ---- */

static int fail_fault(const struct numaperf_region *r, int err)
{
	int code = np_region_strict(r) ? -NUMAPERF_EHARDMODE : err;

	if (err == -ECANCELED)
		return np_fail(err, NUMAPERF_REASON_CANCELED, r->operation, NULL,
			       "stopped by the caller's progress callback");
	if (r->page > np_page_size() && err != -ENOMEM)
		return np_fail(code, NUMAPERF_REASON_HUGEPAGES, r->operation,
			       "reserve more (/sys/devices/system/node/nodeN/hugepages), or "
			       "run Linux 5.14, which can tell without a signal",
			       "not enough huge pages: %zu of %zu KiB could not be faulted in "
			       "(%s)",
			       r->size / r->page, r->page >> 10, strerrordesc_np(-err));
	if (np_region_strict(r))
		return np_fail(code, NUMAPERF_REASON_MEMORY, r->operation,
			       "free memory, or ask for less",
			       "not enough memory: %zu KiB could not be faulted in (%s)",
			       r->size >> 10, strerrordesc_np(-err));
	return np_fail(code, NUMAPERF_REASON_SYSTEM, r->operation,
		       "free memory, or create it without prefault",
		       "%zu KiB could not be faulted in", r->size >> 10);
}

int np_region_fault(struct numaperf_region *r)
{
	bool parallel = r->opts.prefault == NUMAPERF_PREFAULT_PARALLEL &&
			r->size >= MAX(PARALLEL_MIN, 2 * r->page);
	struct work w = { .r = r, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct hand *hands = NULL;
	void *p;
	int err;

	if (!parallel && !r->opts.progress) {
		err = populate(r, r->data, r->size);
		return err ? fail_fault(r, err) : 0;
	}
	err = plan(&w, parallel);
	if (!err && parallel && !np_sys->alloc(&p, THREADS_MAX * sizeof(*hands), 0)) {
		hands = p;
		start(&w, hands);
	}
	for (size_t i = 0; i < w.queue_count && !err; i++)
		drain(&w, &w.queues[i]);
	np_free(hands);
	np_free(w.queues);
	np_free(w.pieces);
	if (err)
		return np_fail_memory(r->operation);
	return w.err ? fail_fault(r, w.err) : 0;
}
