// SPDX-License-Identifier: MIT
/*
 * What happened, as violations. Events that go on where the last one ended become one
 * violation, which is told when something else happens or when there is nothing more for now:
 * into the list, and through the callback.
 */
#include "base.h"
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define NEAR (2u << 20) /* pages that are this near are one story */

struct np_event np_event_of(uint32_t kind, uint32_t cause, uint64_t count)
{
	return (struct np_event){
		.kind = kind,
		.cause = cause,
		.time_ns = np_clock_ns(),
		.pages = count,
		.from_cpu = -1,
		.to_cpu = -1,
		.from_node = -1,
		.to_node = -1,
	};
}

void np_clean_comm(char out[16], const char comm[16])
{
	size_t i = 0;

	/* ASCII only: what else there is may turn a line round or hide in it */
	for (; i < 15 && comm[i]; i++)
		out[i] = comm[i] >= ' ' && comm[i] < 0x7f ? comm[i] : '?';
	memset(out + i, 0, 16 - i);
}

/* ---- words ---- */

static void add(char *text, size_t size, const char *fmt, ...) NUMAPERF_PRINTF(3, 4);

static void add(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
}

static void add_cpu(char *text, size_t size, const char *word, int cpu, int node)
{
	if (cpu < 0)
		return;
	add(text, size, " %s CPU %d", word, cpu);
	if (node >= 0)
		add(text, size, " (node %d)", node);
}

/* The thread, unless the guarantee is named after it. */
static bool named_after(const struct np_told *t)
{
	char thread[32];

	snprintf(thread, sizeof(thread), "thread %d", t->v.tid);
	return !strcmp(thread, t->label);
}

static void say_cpu(const struct np_told *t, char *text, size_t size)
{
	const struct numaperf_violation *v = &t->v;

	if (!named_after(t))
		add(text, size, "thread %d ", v->tid);
	add(text, size, "was moved");
	add_cpu(text, size, "from", v->from_cpu, v->from_node);
	add_cpu(text, size, "to", v->to_cpu, v->to_node);
	if (v->count > 1)
		add(text, size, ", %llu times", (unsigned long long)v->count);
}

static void say_page(const struct np_told *t, char *text, size_t size)
{
	const struct numaperf_violation *v = &t->v;
	bool moved = v->page_cause != NUMAPERF_PAGE_FAULT && !t->from_look;

	add(text, size, "%llu page%s", (unsigned long long)v->count, v->count == 1 ? "" : "s");
	if (v->address)
		add(text, size, " %s %p", moved ? "from" : "at", v->address);
	add(text, size, moved ? " moved" : v->count == 1 ? " is" : " are");
	if (moved && v->from_node >= 0)
		add(text, size, " from node %d", v->from_node);
	if (v->to_node >= 0)
		add(text, size, "%s node %d", moved ? " to" : " on", v->to_node);
	else
		add(text, size, moved ? " away" : " elsewhere");
}

static void say(struct np_told *t)
{
	const struct numaperf_violation *v = &t->v;
	char *text = t->message;
	size_t size = sizeof(t->message);
	const char *cause =
		v->move_cause ? numaperf_move_cause_name(v->move_cause) : "cause not known";

	snprintf(text, size, "%s: ", t->label);
	if (t->lost) {
		add(text, size, "%llu %s that left no details (events were lost)",
		    (unsigned long long)v->count,
		    v->kind == NUMAPERF_VIOLATION_PAGE ? "pages" : "violations");
		return;
	}
	switch (v->kind) {
	case NUMAPERF_VIOLATION_CPU:
		say_cpu(t, text, size);
		break;
	case NUMAPERF_VIOLATION_AFFINITY:
		if (named_after(t))
			add(text, size, "its affinity was changed");
		else
			add(text, size, "the affinity of thread %d was changed", v->tid);
		break;
	case NUMAPERF_VIOLATION_PAGE:
		say_page(t, text, size);
		cause = v->page_cause ? numaperf_page_cause_name(v->page_cause)
				      : "cause not known";
		break;
	case NUMAPERF_VIOLATION_BALANCING:
		add(text, size, "it is switched on");
		cause = NULL;
		break;
	case NUMAPERF_VIOLATION_HOTPLUG:
		if (v->from_cpu >= 0)
			add(text, size, "CPU %d goes offline", v->from_cpu);
		else
			add(text, size, "node %d is offline", v->from_node);
		cause = NULL;
		break;
	}
	if (t->from_look)
		add(text, size, " (found by looking: cause not known)");
	else if (cause)
		add(text, size, ": %s", cause);
	if (v->actor[0])
		add(text, size, ", by %s (process %d)", v->actor, v->actor_pid);
	else if (v->actor_pid)
		add(text, size, ", by process %d", v->actor_pid);
}

/* ---- telling ---- */

static void signal_list(const struct numaperf_monitor *mon, bool readable)
{
	uint64_t n = 1;

	if (readable)
		np_sys->write(mon->list_fd, &n, sizeof(n));
	else
		np_sys->read(mon->list_fd, &n, sizeof(n));
}

static void list(struct numaperf_monitor *mon, const struct np_told *t)
{
	if (mon->list_count == mon->list_max) {
		mon->list_head = (mon->list_head + 1) % mon->list_max;
		mon->list_count--;
		mon->list_dropped++;
	}
	mon->list[(mon->list_head + mon->list_count) % mon->list_max] = *t;
	if (!mon->list_count++)
		signal_list(mon, true);
}

/* The texts are in the record itself: pointers are set where it comes to rest. */
static void point(struct np_told *t)
{
	t->v.label = t->label;
	t->v.message = t->message;
}

void np_monitor_deliver(struct numaperf_monitor *mon)
{
	struct np_told t;

	if (!mon->pending.v.count)
		return;
	t = mon->pending;
	mon->pending.v.count = 0;
	say(&t);
	list(mon, &t);
	if (!mon->on_violation)
		return;
	point(&t);
	pthread_mutex_unlock(&mon->lock);
	mon->on_violation(mon->ctx, &t.v);
	pthread_mutex_lock(&mon->lock);
}

static bool continues(const struct np_told *last, const struct np_told *next)
{
	const struct numaperf_violation *a = &last->v, *b = &next->v;

	if (!a->count || a->guarantee != b->guarantee || a->kind != b->kind ||
	    a->rung != b->rung || a->move_cause != b->move_cause ||
	    a->page_cause != b->page_cause || a->from_node != b->from_node ||
	    a->to_node != b->to_node || a->from_cpu != b->from_cpu || a->to_cpu != b->to_cpu ||
	    a->actor_tid != b->actor_tid || a->actor_pid != b->actor_pid || a->tid != b->tid ||
	    last->lost || next->lost)
		return false;
	if (b->kind != NUMAPERF_VIOLATION_PAGE)
		return true;
	return b->address >= a->address && last->end && b->address &&
	       (uintptr_t)b->address <= (uintptr_t)last->end + NEAR;
}

/* What is kept of the first one for the verdict. */
static void keep_first(struct np_guard *g, struct np_told *t)
{
	if (g->seen.evidence[0] || g->seen.first_ns)
		return;
	say(t);
	snprintf(g->seen.evidence, sizeof(g->seen.evidence), "%s", t->message);
	g->seen.first_ns = t->v.time_ns;
	g->seen.actor_pid = t->v.actor_pid;
	memcpy(g->seen.actor, t->v.actor, sizeof(g->seen.actor));
	g->seen.to_node = t->v.to_node;
	g->seen.to_cpu = t->v.to_cpu;
}

static void count(struct numaperf_monitor *mon, struct np_guard *g, const struct np_told *t)
{
	const struct numaperf_violation *v = &t->v;

	g->seen.violations += v->count;
	mon->told_total += v->count;
	if (v->kind == NUMAPERF_VIOLATION_PAGE)
		g->seen.pages_by_cause[v->page_cause] += v->count;
	else if (v->kind != NUMAPERF_VIOLATION_BALANCING)
		g->seen.moves_by_cause[v->move_cause] += v->count;
	g->seen.affinity_changed |= v->kind == NUMAPERF_VIOLATION_AFFINITY;
}

void np_monitor_tell(struct numaperf_monitor *mon, struct np_guard *g,
		     enum numaperf_violation_kind kind, enum numaperf_rung rung,
		     const struct np_event *e)
{
	bool page = kind == NUMAPERF_VIOLATION_PAGE;
	size_t length = (size_t)MAX(e->pages, 1) * np_page_size();
	struct np_told t = {
		.v = {
			.sz = sizeof(t.v),
			.kind = kind,
			.rung = rung,
			.move_cause = !page && e->cause < NUMAPERF_MOVE_CAUSES ? e->cause : 0,
			.page_cause = page && e->cause < NUMAPERF_PAGE_CAUSES ? e->cause : 0,
			.time_ns = e->time_ns,
			.guarantee = g->seen.id,
			.count = page ? MAX(e->pages, 1) : 1,
			.address = (const void *)(uintptr_t)e->address,
			.pid = e->tgid ? (int)e->tgid : g->seen.pid ? g->seen.pid : mon->self,
			.tid = e->tid ? (int)e->tid : g->seen.tid,
			.from_cpu = e->from_cpu,
			.to_cpu = e->to_cpu,
			.from_node = e->from_node,
			.to_node = e->to_node,
			.actor_pid = (int)e->actor_tgid,
			.actor_tid = (int)e->actor_tid,
		},
		.end = e->address ? (const char *)(uintptr_t)e->address + length : NULL,
		.from_look = rung == NUMAPERF_RUNG_POLLING,
		.lost = !e->kind,
	};

	if (t.lost)
		t.v.count = e->pages;
	memcpy(t.label, g->seen.label, sizeof(t.label));
	np_clean_comm(t.v.actor, e->actor);
	keep_first(g, &t);
	count(mon, g, &t);
	if (continues(&mon->pending, &t)) {
		mon->pending.v.count += t.v.count;
		if ((uintptr_t)t.end > (uintptr_t)mon->pending.end)
			mon->pending.end = t.end;
		return;
	}
	np_monitor_deliver(mon);
	/* the callback may have begun something, but only this thread makes it pend */
	mon->pending = t;
}

/* ---- events ---- */

static struct np_guard *guard_of(const struct numaperf_monitor *mon, uint64_t key)
{
	uint32_t watch = (uint32_t)key - 1;
	struct np_guard *g =
		key && watch < mon->counters->watches ? mon->by_watch[watch] : NULL;

	return g && g->key == key ? g : NULL;
}

static void affinity_event(struct numaperf_monitor *mon, struct np_guard *g,
			   const struct np_event *e)
{
	g->counted++;
	/* a look was faster: it has been told, and now it is known why */
	if (g->off_by_look) {
		g->off_by_look = false;
		if (g->seen.moves_by_cause[NUMAPERF_MOVE_UNKNOWN] &&
		    e->cause < NUMAPERF_MOVE_CAUSES) {
			g->seen.moves_by_cause[NUMAPERF_MOVE_UNKNOWN]--;
			g->seen.moves_by_cause[e->cause]++;
		}
		return;
	}
	g->off = true;
	np_monitor_tell(mon, g, NUMAPERF_VIOLATION_AFFINITY,
			mon->hook[NUMAPERF_METRIC_AFFINITY].rung, e);
}

static void balancing_event(struct numaperf_monitor *mon, const struct np_event *e)
{
	struct np_guard *g = mon->balancing;

	mon->balancing_now = (int)e->pages;
	if (!g || !e->pages)
		return;
	g->off = true;
	np_monitor_tell(mon, g, NUMAPERF_VIOLATION_BALANCING,
			mon->hook[NUMAPERF_METRIC_BALANCING].rung, e);
}

void np_monitor_unplugged(struct numaperf_monitor *mon, const struct np_event *e,
			  enum numaperf_rung rung)
{
	for (size_t i = 0; i < mon->guards; i++) {
		struct np_guard *g = mon->guard[i];
		bool cpus = g->seen.kind == NUMAPERF_GUARANTEE_CPUS;

		if (g->quiet || !np_guard_live(g) || g->shadowed)
			continue;
		if (cpus ? numaperf_cpuset_test(&g->seen.cpus, e->from_cpu)
			 : e->from_cpu < 0 &&
				    numaperf_nodemask_test(&g->seen.nodes, e->from_node))
			np_monitor_tell(mon, g, NUMAPERF_VIOLATION_HOTPLUG, rung, e);
	}
}

static void hotplug_event(struct numaperf_monitor *mon, struct np_event *e)
{
	if (e->from_cpu < 0) {
		e->from_cpu = e->to_cpu;
		e->to_cpu = -1;
	}
	numaperf_cpuset_clear(&mon->online, e->from_cpu);
	numaperf_cpuset_set(&mon->leaving, e->from_cpu);
	mon->leaving_ns = np_clock_ns();
	np_monitor_unplugged(mon, e, mon->hook[NUMAPERF_METRIC_HOTPLUG].rung);
}

/* A process has ended, or is another program: nothing of it is promised any more. */
static void process_ended(struct numaperf_monitor *mon, uint32_t tgid)
{
	for (size_t i = 0; i < mon->guards; i++)
		if (mon->guard[i]->seen.pid && np_guard_owner_is(mon, mon->guard[i], tgid))
			np_guard_end(mon, mon->guard[i], true);
}

void np_monitor_event(struct numaperf_monitor *mon, const struct np_event *e)
{
	struct np_guard *g = guard_of(mon, e->id);
	struct np_event copy = *e;

	switch (e->kind) {
	case NP_EVENT_CPU:
		if (!g)
			break;
		g->counted++;
		np_monitor_tell(mon, g, NUMAPERF_VIOLATION_CPU,
				mon->hook[NUMAPERF_METRIC_THREAD_MOVES].rung, e);
		break;
	case NP_EVENT_AFFINITY:
		if (g)
			affinity_event(mon, g, e);
		break;
	case NP_EVENT_PAGE:
		if (!g)
			break;
		g->counted += MAX(e->pages, 1);
		np_monitor_tell(
			mon, g, NUMAPERF_VIOLATION_PAGE,
			mon->hook[e->cause == NP_PAGE_FAULT ? NUMAPERF_METRIC_FAULTS
							    : NUMAPERF_METRIC_PAGE_MOVES]
				.rung,
			e);
		break;
	case NP_EVENT_SUSPECT:
		if (g)
			np_monitor_suspect(mon, g, e);
		break;
	case NP_EVENT_COLLAPSE:
		np_monitor_collapse(mon, e);
		break;
	case NP_EVENT_BALANCING:
		balancing_event(mon, e);
		break;
	case NP_EVENT_HOTPLUG:
		hotplug_event(mon, &copy);
		break;
	case NP_EVENT_EXIT:
	case NP_EVENT_EXEC:
		process_ended(mon, e->tgid);
		break;
	}
}

/* ---- the list ---- */

int numaperf_monitor_fd(const struct numaperf_monitor *mon)
{
	int err = np_monitor_alive(mon, "asking for the descriptor");

	return err ? err : mon->list_fd;
}

int numaperf_monitor_next_violation(struct numaperf_monitor *mon, struct numaperf_violation *v)
{
	static _Thread_local struct np_told taken;
	static const char what[] = "taking a violation";
	int err = np_monitor_alive(mon, what);
	bool any;

	if (err)
		return err;
	if (!v || v->sz < sizeof(size_t))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, what,
			       "set sz to the struct's size", "sz is not set");
	pthread_mutex_lock(&mon->lock);
	any = mon->list_count;
	if (any) {
		taken = mon->list[mon->list_head];
		mon->list_head = (mon->list_head + 1) % mon->list_max;
		if (!--mon->list_count)
			signal_list(mon, false);
	}
	pthread_mutex_unlock(&mon->lock);
	if (!any)
		return 0;
	point(&taken);
	np_snapshot_write(v, v->sz, &taken.v, sizeof(taken.v));
	return 1;
}
