// SPDX-License-Identifier: MIT
/*
 * Pages on their way: asked where they are, told where to go, asked again. What move_pages(2)
 * returns is not trusted with more than the reason: a page that is one with 511 others takes
 * them along, and one that is under way says EBUSY.
 */
#include "region_move.h"
#include "base.h"
#include "placement.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaif.h>

#define ATTEMPTS 4

/* Of pages that the region's mapping is made of: one or many base pages each. */
enum {
	CHUNK = 512
};

struct mover {
	struct numaperf_region *r;
	const struct numaperf_migrate_opts *opts;
	struct numaperf_migration *sum;
	int flags;
	int attempt;
	bool last;
	/* of an interleaved region without stretches, in pages of the mapping */
	size_t has[NUMAPERF_NODES_MAX];
	size_t want[NUMAPERF_NODES_MAX];
	int turn;     /* the node that was given the last surplus page */
	bool coarse;  /* pages take others along: shares are kept to half a huge page */
	size_t wrong; /* pages of this pass that are not where they were sent */
	/* one chunk */
	size_t count;
	void *pages[CHUNK];
	int before[CHUNK], after[CHUNK], target[CHUNK];
	size_t move_count;
	void *move_pages[CHUNK];
	int move_nodes[CHUNK], move_status[CHUNK];
	size_t move_at[CHUNK]; /* its place in the chunk */
};

static int ask(struct mover *m, int *status)
{
	for (size_t i = 0; i < m->count; i++)
		status[i] = -EIO;
	return np_sys->move_pages(0, m->count, m->pages, NULL, status, 0);
}

/* ---- where a page belongs ---- */

static bool by_quota(const struct numaperf_region *r)
{
	return np_region_interleaved(r) && !r->stretches;
}

static int stretch_node(const struct numaperf_region *r, size_t offset)
{
	size_t low = 0, high = r->stretch_count;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (r->stretches[mid].offset <= offset)
			low = mid;
		else
			high = mid;
	}
	return r->stretches[low].node;
}

/* The k-th of the nodes, round and round. */
static int kth_node(const struct numaperf_nodemask *nodes, unsigned int k)
{
	k %= numaperf_nodemask_count(nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, nodes)
		if (!k--)
			return node;
	return -1;
}

/* The next node round that has not its share. */
static int poor_node(struct mover *m)
{
	int first = -1;

	NUMAPERF_NODEMASK_FOR_EACH (node, &m->r->nodes) {
		if (m->has[node] >= m->want[node])
			continue;
		if (node > m->turn)
			return m->turn = node;
		first = first < 0 ? node : first;
	}
	return m->turn = first;
}

/* `node`: where it is. */
static int belongs(struct mover *m, size_t offset, int node)
{
	const struct numaperf_region *r = m->r;
	bool at_home = numaperf_nodemask_test(&r->nodes, node);
	int to;

	if (r->stretches)
		return stretch_node(r, offset);
	if (!by_quota(r))
		return at_home ? node : kth_node(&r->nodes, (unsigned int)(node + m->attempt));
	if (at_home && m->has[node] <= m->want[node] + (m->coarse ? CHUNK / 2 : 0))
		return node;
	to = poor_node(m);
	if (to < 0)
		return at_home ? node : kth_node(&r->nodes, (unsigned int)node);
	m->has[node]--;
	m->has[to]++;
	return to;
}

/*
 * What each node is to have: its share, and of the pages that no whole share is left for, one
 * more for those that have most, so that fewest move.
 */
static void count_out(struct mover *m, const struct numaperf_placement *where)
{
	size_t scale = m->r->page / where->page_size, there = 0, given = 0;
	uint64_t sum = 0;

	for (int node = 0; node < NUMAPERF_NODES_MAX; node++) {
		m->has[node] = where->pages_on_node[node] / scale;
		m->want[node] = 0;
		there += m->has[node];
	}
	NUMAPERF_NODEMASK_FOR_EACH (node, &m->r->nodes)
		sum += m->r->weights[node];
	NUMAPERF_NODEMASK_FOR_EACH (node, &m->r->nodes) {
		m->want[node] = (size_t)((unsigned __int128)there * m->r->weights[node] / sum);
		given += m->want[node];
	}
	for (; given < there; given++) {
		long best = 0;
		int at = -1;

		NUMAPERF_NODEMASK_FOR_EACH (node, &m->r->nodes) {
			long over = (long)m->has[node] - (long)m->want[node];

			if (at < 0 || over > best) {
				at = node;
				best = over;
			}
		}
		m->want[at]++;
	}
	m->turn = -1;
}

/* ---- one chunk ---- */

static void leave(struct mover *m, size_t i, int error)
{
	size_t pages = m->r->page / np_page_size();

	switch (error) {
	case EACCES:
		m->sum->pages_shared += pages;
		break;
	case EBUSY:
	case EAGAIN:
		error = EBUSY;
		m->sum->pages_busy += pages;
		break;
	case ENOMEM:
		m->sum->pages_no_room += pages;
		break;
	default:
		m->sum->pages_failed += pages;
		if (!m->sum->error)
			m->sum->error = error;
	}
	if (m->opts && m->opts->unmoved)
		m->opts->unmoved(m->opts->unmoved_ctx, m->pages[i], m->after[i], error);
}

/* Why it is not there: the word for the page, or else for the call. */
static int reason(const struct mover *m, size_t i, int called)
{
	for (size_t k = 0; k < m->move_count; k++)
		if (m->move_at[k] == i && m->move_status[k] < 0 && m->move_status[k] != -EAGAIN)
			return -m->move_status[k];
	return called < 0 ? -called : EBUSY;
}

/* What became of a page that was there before and after. */
static void settle(struct mover *m, size_t i, int called)
{
	if (m->after[i] != m->before[i])
		m->sum->pages_moved += m->r->page / np_page_size();
	if (m->after[i] == m->target[i])
		return;
	m->has[m->target[i]]--;
	m->has[m->after[i]]++;
	if (m->target[i] == m->before[i]) {
		m->coarse = true;
		return;
	}
	m->wrong++;
	if (m->last)
		leave(m, i, reason(m, i, called));
}

static int send(struct mover *m)
{
	int called = 0;

	if (m->move_count)
		called = np_sys->move_pages(0, m->move_count, m->move_pages, m->move_nodes,
					    m->move_status, m->flags);
	if (called == -EPERM || called == -ENOSYS || called == -EACCES)
		return called;
	memcpy(m->after, m->before, sizeof(m->after));
	if (m->move_count) {
		int err = ask(m, m->after);

		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < m->count; i++)
		if (m->before[i] >= 0 && m->after[i] >= 0)
			settle(m, i, called);
	return 0;
}

static int move_chunk(struct mover *m)
{
	int err = ask(m, m->before);

	if (err < 0)
		return err;
	m->move_count = 0;
	for (size_t i = 0; i < m->count; i++) {
		size_t offset = (size_t)((char *)m->pages[i] - (char *)m->r->data);

		m->target[i] = m->before[i];
		if (m->before[i] < 0 || m->before[i] >= NUMAPERF_NODES_MAX)
			continue;
		m->target[i] = belongs(m, offset, m->before[i]);
		if (m->target[i] == m->before[i])
			continue;
		m->move_pages[m->move_count] = m->pages[i];
		m->move_nodes[m->move_count] = m->target[i];
		m->move_status[m->move_count] = -EAGAIN; /* what stays unwritten */
		m->move_at[m->move_count++] = i;
	}
	return send(m);
}

/* ---- all of them ---- */

/* Chunks end where huge pages do, so that what goes along is seen. */
static int move_pass(struct mover *m)
{
	const struct numaperf_migrate_opts *o = m->opts;
	char *start = m->r->data, *end = start + m->r->size, *at = start;
	size_t span = CHUNK * m->r->page;

	m->wrong = 0;
	while (at < end) {
		char *next = (char *)((uintptr_t)at / span * span + span);
		int err;

		next = MIN(next, end);
		for (m->count = 0; at < next; at += m->r->page)
			m->pages[m->count++] = at;
		err = move_chunk(m);
		if (err < 0)
			return err;
		if (o && o->progress &&
		    o->progress(o->progress_ctx, (size_t)(at - start), m->r->size))
			return -ECANCELED;
	}
	return 0;
}

size_t np_migration_left(const struct numaperf_migration *sum)
{
	return sum->pages_shared + sum->pages_busy + sum->pages_no_room + sum->pages_failed;
}

/* By the sums: how many pages are outside the nodes, or beyond their node's share. */
static size_t misplaced(struct mover *m, const struct numaperf_placement *where)
{
	const struct numaperf_region *r = m->r;
	size_t scale = r->page / where->page_size, wrong = 0;

	if (by_quota(r))
		count_out(m, where);
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++) {
		size_t has = where->pages_on_node[node] / scale, may = has;

		if (by_quota(r))
			may = m->want[node];
		else if (r->stretches)
			may = np_region_share(r, node) / r->page;
		else if (!numaperf_nodemask_test(&r->nodes, node))
			may = 0;
		wrong += has > may ? (has - may) * scale : 0;
	}
	return wrong;
}

static int look(struct mover *m, struct numaperf_placement *where)
{
	return np_placement_scan(m->r->data, m->r->size, NULL, where, NULL);
}

/* move_pages is refused: the policy call moves what does not conform to it, whichever it is. */
static int move_by_policy(struct mover *m, struct numaperf_placement *where)
{
	size_t before, left;
	int err = look(m, where);

	if (err)
		return err;
	before = misplaced(m, where);
	err = np_region_set_policy(m->r, NP_ENFORCE,
				   m->flags | (np_region_strict(m->r) ? MPOL_MF_STRICT : 0));
	if (err < 0 && err != -EIO)
		return err;
	err = look(m, where);
	if (err)
		return err;
	left = misplaced(m, where);
	m->sum->pages_moved = before > left ? before - left : 0;
	m->sum->pages_failed = left;
	m->sum->error = left ? EIO : 0;
	m->sum->method = NUMAPERF_PLACEMENT_NUMA_MAPS;
	m->sum->attempts = 1;
	if (left && m->opts && m->opts->unmoved)
		m->opts->unmoved(m->opts->unmoved_ctx, NULL, -1, EIO);
	return 0;
}

/* What move_pages does not see (placement.c, find_marked()), the policy call does. */
static int move_marked(struct mover *m, struct numaperf_placement *where)
{
	size_t wrong, left;
	int err = look(m, where);

	if (err || where->method != NUMAPERF_PLACEMENT_NUMA_MAPS || by_quota(m->r))
		return err;
	wrong = misplaced(m, where);
	left = np_migration_left(m->sum);
	if (wrong <= left)
		return 0;
	err = np_region_set_policy(m->r, NP_ENFORCE, m->flags);
	if (err >= 0 || err == -EIO)
		err = look(m, where);
	if (err)
		return err;
	m->sum->pages_moved += wrong - misplaced(m, where);
	wrong = misplaced(m, where);
	m->sum->pages_busy += wrong > left ? wrong - left : 0;
	if (wrong > left && m->opts && m->opts->unmoved)
		m->opts->unmoved(m->opts->unmoved_ctx, NULL, -1, EBUSY);
	return 0;
}

static int move_by_page(struct mover *m, struct numaperf_placement *where)
{
	int err = 0;

	m->sum->method = NUMAPERF_PLACEMENT_MOVE_PAGES;
	for (m->attempt = 0; m->attempt < ATTEMPTS; m->attempt++) {
		err = look(m, where);
		if (err)
			return err;
		m->last = m->attempt == ATTEMPTS - 1;
		m->sum->attempts = m->attempt + 1;
		if (by_quota(m->r))
			count_out(m, where);
		err = move_pass(m);
		if (err < 0)
			return err;
		if (!m->wrong && !m->coarse)
			break;
	}
	return move_marked(m, where);
}

int np_region_move(struct numaperf_region *r, const struct numaperf_migrate_opts *o,
		   struct numaperf_migration *sum)
{
	struct numaperf_placement *where;
	struct mover *m;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*m) + sizeof(*where), 0) < 0)
		return -ENOMEM;
	m = p;
	where = (struct numaperf_placement *)(m + 1);
	*m = (struct mover){ .r = r, .opts = o, .sum = sum };
	m->flags = o && o->move_all ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE;
	err = move_by_page(m, where);
	if (err == -EPERM || err == -ENOSYS || err == -EACCES) {
		*sum = (struct numaperf_migration){ .sz = sum->sz };
		err = move_by_policy(m, where);
	}
	if (!err) {
		size_t gone;

		sum->page_size = where->page_size;
		sum->pages_total = where->pages_total;
		sum->pages_absent = where->pages_absent;
		gone = sum->pages_absent + sum->pages_moved + np_migration_left(sum);
		sum->pages_already = gone < sum->pages_total ? sum->pages_total - gone : 0;
	}
	np_free(m);
	return err;
}
