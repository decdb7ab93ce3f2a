// SPDX-License-Identifier: MIT
/*
 * Looks from outside: where pages are, what a thread's affinity is, what the settings are. A
 * sampler has nothing else; with programs they find what happened before watching began, and
 * hold the programs' story against the kernel's.
 */
#include "capability.h"
#include "monitor.h"
#include "placement.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK	   512 /* pages a call */
#define SHADOW_MAX 4u  /* looks that an affinity may take to come back after a nested pin */

/* ---- settings ---- */

int np_read_setting(const char *path)
{
	int root = np_sys->open_root(NULL), err;
	int64_t value;

	if (root < 0)
		return -1;
	err = np_read_number(root, path, &value);
	np_sys->close(root);
	return err ? -1 : (int)value;
}

int64_t np_read_vmstat(const char *key)
{
	int root = np_sys->open_root(NULL), err;
	size_t len = strlen(key);
	int64_t value = -1;
	char *text;

	if (root < 0)
		return -1;
	err = np_read_file(root, "proc/vmstat", &text, NULL);
	np_sys->close(root);
	if (err)
		return -1;
	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line != 0)
		if (!strncmp(line, key, len) && line[len] == ' ')
			value = strtoll(line + len, NULL, 10);
	np_free(text);
	return value;
}

/* CPUs that were online and are not any more; those whose going was told are left out. */
static void look_at_cpus(struct numaperf_monitor *mon, int root)
{
	struct numaperf_cpuset now, gone;
	struct np_event e;

	if (np_cpus_from_file(root, "sys/devices/system/cpu/online", &now) ||
	    numaperf_cpuset_empty(&now))
		return;
	numaperf_cpuset_andnot(&gone, &mon->online, &now);
	/* one that is told to be going is still online for a moment; or it stayed after all */
	if (np_clock_ns() - mon->leaving_ns > 2000000000u)
		numaperf_cpuset_zero(&mon->leaving);
	numaperf_cpuset_andnot(&mon->online, &now, &mon->leaving);
	NUMAPERF_CPUSET_FOR_EACH (cpu, &gone) {
		e = np_event_of(NP_EVENT_HOTPLUG, NP_MOVE_HOTPLUG, 1);
		e.from_cpu = cpu;
		e.from_node = numaperf_topology_cpu_node(mon->topo, cpu);
		np_monitor_unplugged(mon, &e, NUMAPERF_RUNG_POLLING);
	}
}

static void look_at_nodes(struct numaperf_monitor *mon, int root)
{
	struct numaperf_nodemask now, gone;
	struct np_event e;

	if (np_nodes_from_file(root, "sys/devices/system/node/online", &now) ||
	    numaperf_nodemask_empty(&now))
		return;
	numaperf_nodemask_andnot(&gone, &mon->online_nodes, &now);
	mon->online_nodes = now;
	NUMAPERF_NODEMASK_FOR_EACH (node, &gone) {
		e = np_event_of(NP_EVENT_HOTPLUG, NP_MOVE_HOTPLUG, 1);
		e.from_node = node;
		np_monitor_unplugged(mon, &e, NUMAPERF_RUNG_POLLING);
	}
}

void np_monitor_look_settings(struct numaperf_monitor *mon)
{
	int root = np_sys->open_root(NULL);

	mon->balancing_now = np_read_setting("proc/sys/kernel/numa_balancing");
	if (root < 0)
		return;
	look_at_cpus(mon, root);
	look_at_nodes(mon, root);
	np_sys->close(root);
}

/* ---- pages ---- */

static void start_over(const struct numaperf_monitor *mon, struct np_sweep *s)
{
	uint64_t *on_node = s->on_node, *resident = s->resident;
	bool whole = s->whole;

	*s = (struct np_sweep){ .whole = whole, .node = -1 };
	s->on_node = on_node;
	s->resident = resident;
	memset(on_node, 0, mon->nodes * sizeof(*on_node));
}

static void count_page(const struct numaperf_monitor *mon, struct np_guard *g, const void *page,
		       int node, uint64_t pages)
{
	struct np_sweep *s = &g->sweep;
	int index = numaperf_topology_node_index(mon->topo, node);

	if (index >= 0)
		s->on_node[index] += pages;
	if (numaperf_nodemask_test(&g->seen.nodes, node))
		return;
	if (!s->stray) {
		s->first = page;
		s->node = node;
	}
	s->stray += pages;
}

/* `n` pages from where the sweep is. 0 or -errno. */
static int look_at_chunk(const struct numaperf_monitor *mon, struct np_guard *g, size_t n)
{
	size_t page = np_page_size();
	struct np_sweep *s = &g->sweep;
	void *pages[CHUNK];
	int status[CHUNK], err;

	for (size_t i = 0; i < n; i++) {
		pages[i] = (void *)(uintptr_t)(g->seen.address + s->at + i * page);
		status[i] = -EIO; /* what stays unwritten is not known */
	}
	err = np_sys->move_pages(g->seen.pid, n, pages, NULL, status, 0);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (status[i] >= 0) {
			count_page(mon, g, pages[i], status[i], 1);
		} else if (status[i] == -ENOENT || status[i] == -EFAULT) {
			s->absent++;
		} else {
			s->unknown++;
			if (!s->error)
				s->error = status[i];
		}
	}
	s->at += n * page;
	return 0;
}

/* move_pages is refused: numa_maps knows the sums, for this process. 0 or -errno. */
static int look_at_sums(const struct numaperf_monitor *mon, struct np_guard *g)
{
	struct numaperf_placement where;
	int err;

	if (g->seen.pid)
		return -EPERM;
	err = np_placement_scan((const void *)(uintptr_t)g->seen.address, g->seen.length, NULL,
				&where, NULL);
	if (err)
		return err;
	start_over(mon, &g->sweep);
	NUMAPERF_NODEMASK_FOR_EACH (node, &where.actual)
		count_page(mon, g, NULL, node, where.pages_on_node[node]);
	g->sweep.absent = where.pages_absent;
	g->sweep.at = g->seen.length;
	return 0;
}

static void look_at_pages(struct numaperf_monitor *mon, struct np_guard *g, size_t budget)
{
	size_t page = np_page_size(), length = g->seen.length;
	struct np_sweep *s = &g->sweep;
	int err = 0;

	if (!s->at)
		start_over(mon, s);
	while (s->at < length && budget && !err) {
		size_t n = MIN(MIN((length - s->at) / page, (size_t)CHUNK), budget);

		err = look_at_chunk(mon, g, n);
		budget -= n;
	}
	if (err == -EPERM || err == -ENOSYS || err == -EACCES)
		err = look_at_sums(mon, g);
	if (err) {
		s->at = 0;
		g->look = err;
		return;
	}
	g->look = s->stray ? -EXDEV : -EINPROGRESS;
	if (s->at < length)
		return;
	memcpy(s->resident, s->on_node, mon->nodes * sizeof(*s->resident));
	numaperf_nodemask_zero(&g->seen.found);
	for (unsigned int i = 0; i < mon->nodes; i++)
		if (s->on_node[i])
			numaperf_nodemask_set(&g->seen.found,
					      numaperf_topology_node_id(mon->topo, i));
	g->seen.pages_absent = s->absent;
	if (!s->stray)
		g->look = s->unknown ? s->error : 0;
	s->whole = true;
	s->at = 0;
}

/* ---- affinities ---- */

/* The kernel tells an affinity without the CPUs that are offline: those are another matter. */
static int compare_affinity(const struct numaperf_monitor *mon, const struct np_guard *g)
{
	struct numaperf_cpuset now, granted;
	int err = np_affinity_get(g->seen.tid, &now);

	if (err)
		return err;
	numaperf_cpuset_and(&granted, &g->seen.cpus, &mon->online);
	return numaperf_cpuset_equal(&now, &granted) ||
			       numaperf_cpuset_equal(&now, &g->seen.cpus)
		       ? 0
		       : -EXDEV;
}

static void look_at_affinity(struct numaperf_monitor *mon, struct np_guard *g)
{
	int found;

	if (g->shadowed && np_guard_in_force(mon, g->seen.tid, NULL) != g)
		return;
	found = compare_affinity(mon, g);
	/* the pin that lay over it has been released: its thread is about to go back */
	if (g->shadowed && found == -EXDEV && g->waits++ < SHADOW_MAX)
		return;
	if (g->shadowed)
		np_guard_resume(mon, g);
	g->look = found;
}

/* ---- all of them ---- */

void np_guard_look(struct numaperf_monitor *mon, struct np_guard *g, size_t pages)
{
	switch (g->seen.kind) {
	case NUMAPERF_GUARANTEE_CPUS:
		look_at_affinity(mon, g);
		break;
	case NUMAPERF_GUARANTEE_PAGES:
		look_at_pages(mon, g, pages);
		break;
	case NUMAPERF_GUARANTEE_BALANCING:
		g->look = mon->balancing_now < 0 ? -ENODATA : mon->balancing_now ? -EXDEV : 0;
		break;
	}
	if (g->look != -EINPROGRESS)
		g->seen.looks++;
}

/* ---- what they mean ---- */

/* A thread that moves pages may be off its CPU for so long in the middle of it. */
#define RUN_NS 1000000000

/* Suspicions that an event is about to tell of, with their cause: a run of pages that move is
 * told when it ends. What was lost on the way never is: so not for ever. */
static uint64_t on_the_way(const struct numaperf_monitor *mon, struct np_guard *g)
{
	uint64_t pages = np_guard_unweighed(mon, g), now = np_clock_ns();

	if (pages != g->wait) {
		g->wait = pages;
		g->wait_ns = now;
	}
	return now - g->wait_ns < MAX(mon->interval_ns, RUN_NS) ? pages : 0;
}

static bool watches_moves(const struct numaperf_monitor *mon)
{
	return mon->hooks && mon->hook[NUMAPERF_METRIC_PAGE_MOVES].rung >= NUMAPERF_RUNG_TP_BTF;
}

/* Of the pages that the look found astray: how many nothing has told of. */
static uint64_t unexplained(const struct numaperf_monitor *mon, struct np_guard *g,
			    const struct np_event *cause)
{
	bool exact = watches_moves(mon);
	uint64_t known = exact ? np_guard_violations(mon, g) : g->strays;

	if (exact && !cause)
		known += on_the_way(mon, g);
	return g->sweep.stray > known ? g->sweep.stray - known : 0;
}

bool np_monitor_puzzled(struct numaperf_monitor *mon)
{
	bool puzzled = false;

	if (!watches_moves(mon))
		return false;
	pthread_mutex_lock(&mon->lock);
	for (size_t i = 0; i < mon->guards && !puzzled; i++) {
		struct np_guard *g = mon->guard[i];

		puzzled = g->seen.kind == NUMAPERF_GUARANTEE_PAGES && !g->quiet &&
			  np_guard_live(g) && g->look != -EINPROGRESS &&
			  unexplained(mon, g, NULL);
	}
	pthread_mutex_unlock(&mon->lock);
	return puzzled;
}

static void settle_pages(struct numaperf_monitor *mon, struct np_guard *g,
			 const struct np_event *cause)
{
	uint64_t stray = g->sweep.stray, news = unexplained(mon, g, cause), unseen;
	struct np_event e;

	if (news) {
		e = np_event_of(NP_EVENT_PAGE, NP_PAGE_UNKNOWN, news);
		if (cause) {
			e = *cause;
			e.pages = news;
		}
		e.address = (uintptr_t)g->sweep.first;
		e.to_node = g->sweep.node;
		np_monitor_tell(mon, g, NUMAPERF_VIOLATION_PAGE,
				cause ? mon->hook[NUMAPERF_METRIC_COLLAPSE].rung
				      : NUMAPERF_RUNG_POLLING,
				&e);
	}
	/* pages that are back may go astray once more; where one that cannot be seen is (6.1
	 * says of those that balancing has marked that they are not there), is not known */
	unseen = g->sweep.absent + g->sweep.unknown;
	g->strays = g->sweep.at ? MAX(g->strays, stray)
				: MAX(stray, MIN(g->strays, stray + unseen));
}

static void settle_off(struct numaperf_monitor *mon, struct np_guard *g)
{
	bool cpus = g->seen.kind == NUMAPERF_GUARANTEE_CPUS;
	struct np_event e;

	if (g->look == -EXDEV && !g->off) {
		g->off = true;
		g->off_by_look = true;
		e = np_event_of(cpus ? NP_EVENT_AFFINITY : NP_EVENT_BALANCING, 0, 1);
		np_monitor_tell(mon, g,
				cpus ? NUMAPERF_VIOLATION_AFFINITY
				     : NUMAPERF_VIOLATION_BALANCING,
				NUMAPERF_RUNG_POLLING, &e);
	} else if (!g->look) {
		g->off = g->off_by_look = false;
	}
}

void np_guard_settle(struct numaperf_monitor *mon, struct np_guard *g,
		     const struct np_event *cause)
{
	int look = g->look;
	bool first = g->baseline;

	if (look == -EINPROGRESS)
		return;
	g->look = -EINPROGRESS;
	g->seen.last_look = look;
	if (look == -ESRCH) {
		np_guard_end(mon, g, true);
		return;
	}
	if (g->quiet)
		return;
	if (first && look == -EXDEV)
		g->seen.baseline_broken = true;
	g->baseline = first && g->seen.kind == NUMAPERF_GUARANTEE_PAGES && !g->sweep.whole;
	/* what the programs do not watch is not known to hold */
	if (!look && mon->hooks && g->unwatched)
		g->seen.last_look = g->unwatched;
	g->look = look;
	if (g->seen.kind == NUMAPERF_GUARANTEE_PAGES)
		settle_pages(mon, g, cause);
	else
		settle_off(mon, g);
	g->look = -EINPROGRESS;
}

void np_monitor_settle(struct numaperf_monitor *mon)
{
	for (size_t i = 0; i < mon->guards; i++)
		np_guard_settle(mon, mon->guard[i], NULL);
}

/* Window by window, so that nobody has to wait for the lock for long. */
static void look_at_guard(struct numaperf_monitor *mon, struct np_guard *g, size_t *budget)
{
	size_t pages = g->seen.length / np_page_size(), done = 0;

	if (g->seen.kind != NUMAPERF_GUARANTEE_PAGES) {
		np_guard_look(mon, g, 0);
		return;
	}
	while (done < pages && *budget && np_guard_live(g)) {
		size_t n = MIN(MIN(pages - done, *budget), (size_t)NP_LOOK_WINDOW);

		np_guard_look(mon, g, n);
		done += n;
		*budget -= n;
		if (!g->sweep.at)
			break;
		pthread_mutex_unlock(&mon->lock);
		pthread_mutex_lock(&mon->lock);
	}
}

void np_monitor_look(struct numaperf_monitor *mon, bool all)
{
	size_t budget = all ? SIZE_MAX : NP_LOOK_PAGES;

	pthread_mutex_lock(&mon->lock);
	np_monitor_look_settings(mon);
	/* with programs a look is a second opinion */
	if (!all && mon->hooks && mon->rounds++ % NP_LOOK_INTERVAL) {
		if (mon->balancing)
			np_guard_look(mon, mon->balancing, 0);
		pthread_mutex_unlock(&mon->lock);
		return;
	}
	for (size_t i = 0; i < mon->guards; i++) {
		size_t at = (mon->look_next + i) % mon->guards;
		struct np_guard *g = mon->guard[at];

		if (!np_guard_live(g))
			continue;
		if (!budget) {
			mon->look_next = at;
			break;
		}
		if (all)
			g->sweep.at = 0;
		look_at_guard(mon, g, &budget);
		if (g->sweep.at)
			mon->look_next = at;
	}
	pthread_mutex_unlock(&mon->lock);
}
