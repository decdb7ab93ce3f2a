// SPDX-License-Identifier: MIT
/*
 * What is to be said of each guarantee. `held` is said only of what was watched without a gap:
 * whatever leaves one makes it `unverified`, and is named.
 */
#include "report.h"
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static enum numaperf_rung rung(const struct np_snapshot *s, enum numaperf_metric metric)
{
	return s->hook[metric].rung;
}

/* Sets the reason and says that there is one. */
#define GAP(...) (snprintf(out, size, __VA_ARGS__), true)

static bool below(const struct np_snapshot *s, enum numaperf_metric metric, char *out,
		  size_t size)
{
	const struct numaperf_hook *h = &s->hook[metric];

	if (h->rung >= NUMAPERF_RUNG_TP_BTF)
		return false;
	return GAP("%s is only %s%s%s", numaperf_metric_name(metric),
		   h->rung == NUMAPERF_RUNG_POLLING ? "polled" : "absent",
		   h->reason[0] ? ": " : "", h->reason);
}

/* What is true of all kinds but the balancing switch. */
static bool gap_any(const struct np_snapshot *s, const struct np_seen *g, char *out,
		    size_t size)
{
	const struct numaperf_hook *h = &s->hook[NUMAPERF_METRIC_RUN_TIME];

	if (s->sampler)
		return GAP("only sampled, no program watches in the kernel%s%s",
			   h->reason[0] ? ": " : "", h->reason);
	if (g->mode == NUMAPERF_STRICT_UNWITNESSED)
		return GAP("promised without a witness (strict-unwitnessed); nothing was seen "
			   "against it");
	if (!s->flushed)
		return GAP("what happened last had not been taken in when the report was made");
	if (s->totals.notices_lost)
		return GAP("%" PRIu64
			   " notices of the kernel's doing were lost, and some may be of this",
			   s->totals.notices_lost);
	return false;
}

static bool gap_cpus(const struct np_snapshot *s, const struct np_seen *g, char *out,
		     size_t size)
{
	if (below(s, NUMAPERF_METRIC_RUN_TIME, out, size) ||
	    below(s, NUMAPERF_METRIC_THREAD_MOVES, out, size) ||
	    below(s, NUMAPERF_METRIC_AFFINITY, out, size))
		return true;
	if (s->totals.threads_lost)
		return GAP("%" PRIu64 " threads could not be counted (threads_max)",
			   s->totals.threads_lost);
	if (g->last_look && g->last_look != -EAGAIN && !g->ended)
		return GAP("its affinity could not be read (%s)",
			   strerrordesc_np(-g->last_look));
	return false;
}

/* KSM can have merged pages across nodes without our seeing it. */
static bool ksm_unseen(const struct np_snapshot *s)
{
	return rung(s, NUMAPERF_METRIC_KSM) < NUMAPERF_RUNG_TP_BTF && s->ksm_run != 0 &&
	       s->ksm_across != 0;
}

/* Every way to another node is seen page by page. */
static bool pages_exact(const struct np_snapshot *s)
{
	return rung(s, NUMAPERF_METRIC_PAGE_MOVES) == NUMAPERF_RUNG_FENTRY &&
	       rung(s, NUMAPERF_METRIC_FAULTS) == NUMAPERF_RUNG_FENTRY &&
	       rung(s, NUMAPERF_METRIC_COLLAPSE) == NUMAPERF_RUNG_FENTRY;
}

static bool gap_pages(const struct np_snapshot *s, const struct np_seen *g, char *out,
		      size_t size)
{
	if (below(s, NUMAPERF_METRIC_PAGE_MOVES, out, size) ||
	    below(s, NUMAPERF_METRIC_COLLAPSE, out, size))
		return true;
	if (ksm_unseen(s))
		return GAP("KSM may merge pages across nodes here, and is not seen doing so");
	if (g->suspects_open)
		return GAP("%" PRIu64
			   " pages at its addresses were moved by somebody; they are in "
			   "place now, and whether they were away is not known on this rung",
			   g->suspects_open);
	if (pages_exact(s))
		return false;
	if (g->last_look == -EAGAIN || !g->looks)
		return GAP("its pages were never looked at");
	if (g->last_look)
		return GAP("its pages could not be looked at (%s)",
			   strerrordesc_np(-g->last_look));
	if (g->pages_absent)
		return GAP("%" PRIu64
			   " of its pages are not there; where they will come up is not "
			   "watched on this rung",
			   g->pages_absent);
	return false;
}

static bool gap_balancing(const struct np_snapshot *s, char *out, size_t size)
{
	if (s->node_count <= 1)
		return false;
	if (!s->flushed)
		return GAP("what happened last had not been taken in when the report was made");
	if (s->balancing < 0)
		return GAP("kernel.numa_balancing cannot be read");
	if (rung(s, NUMAPERF_METRIC_BALANCING) == NUMAPERF_RUNG_FENTRY)
		return false;
	if (s->balancing_acted)
		return GAP("it reads 0, and yet balancing marked pages while we watched "
			   "(numa_pte_updates of /proc/vmstat grew)");
	return false;
}

/* On what `held` stands. */
static void ground(const struct np_snapshot *s, const struct np_seen *g, char *out, size_t size)
{
	switch (g->kind) {
	case NUMAPERF_GUARANTEE_CPUS:
		snprintf(out, size, "every switch and move of the thread was watched (%s)",
			 numaperf_rung_name(rung(s, NUMAPERF_METRIC_AFFINITY)));
		break;
	case NUMAPERF_GUARANTEE_PAGES:
		if (pages_exact(s))
			snprintf(out, size,
				 "every page that moved or came up was watched (fentry)");
		else
			snprintf(out, size,
				 "every page move of the machine was held against its "
				 "addresses, and "
				 "all its pages are in place (tp_btf)");
		break;
	case NUMAPERF_GUARANTEE_BALANCING:
		if (s->node_count <= 1)
			snprintf(out, size, "one node: there is nowhere to move to");
		else if (rung(s, NUMAPERF_METRIC_BALANCING) == NUMAPERF_RUNG_FENTRY)
			snprintf(out, size, "every write to the switch was watched (fentry)");
		else
			snprintf(out, size,
				 "it read 0 each time (polled), and numa_pte_updates stood "
				 "still");
		break;
	}
}

static bool broken(const struct np_snapshot *s, const struct np_seen *g)
{
	return g->violations || g->baseline_broken || g->last_look == -EXDEV ||
	       (g->kind == NUMAPERF_GUARANTEE_BALANCING && s->balancing > 0 &&
		s->node_count > 1);
}

static void evidence(const struct np_snapshot *s, const struct np_seen *g, char *out,
		     size_t size)
{
	int n = 0;

	if (g->evidence[0])
		n = snprintf(out, size, "%s", g->evidence);
	else if (g->baseline_broken)
		n = snprintf(out, size, "it did not hold when watching began");
	else if (g->kind == NUMAPERF_GUARANTEE_BALANCING)
		n = snprintf(out, size, "kernel.numa_balancing is %d", s->balancing);
	else
		n = snprintf(out, size, "it does not hold now; how that came was not seen");
	if (g->violations > 1 && n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, " (%" PRIu64 " %s in all)", g->violations,
			 g->kind == NUMAPERF_GUARANTEE_PAGES ? "pages" : "times");
}

void np_report_judge(const struct np_snapshot *s, const struct np_seen *g,
		     struct np_judged *out)
{
	bool gap;

	snprintf(out->label, sizeof(out->label), "%s", g->label);
	np_report_clean(out->label);
	if (broken(s, g)) {
		out->verdict = NUMAPERF_VERDICT_VIOLATED;
		evidence(s, g, out->reason, sizeof(out->reason));
		np_report_clean(out->reason);
		return;
	}
	if (g->kind == NUMAPERF_GUARANTEE_BALANCING)
		gap = gap_balancing(s, out->reason, sizeof(out->reason));
	else
		gap = gap_any(s, g, out->reason, sizeof(out->reason)) ||
		      (g->kind == NUMAPERF_GUARANTEE_CPUS
			       ? gap_cpus(s, g, out->reason, sizeof(out->reason))
			       : gap_pages(s, g, out->reason, sizeof(out->reason)));
	out->verdict = gap ? NUMAPERF_VERDICT_UNVERIFIED : NUMAPERF_VERDICT_HELD;
	if (!gap)
		ground(s, g, out->reason, sizeof(out->reason));
	np_report_clean(out->reason);
}
