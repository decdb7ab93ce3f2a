// SPDX-License-Identifier: MIT
/*
 * Looking for work, and sleeping when there is none.
 *
 * A worker sleeps after a few fruitless sweeps, unless looking on has paid of late: when its
 * sleeps have been so short that it would have been faster to look for work until it came. It
 * then looks on for as long, one worker a node, and gives that up when it was in vain: for a
 * while, and for a longer while each time. So who gets a task every 20 us has no wake-ups to
 * pay for, and who gets one every millisecond costs no CPU in between.
 */
#include "probe.h"
#include "sys.h"
#include "worker.h"

/* Before it sleeps: it looks at remote nodes after two. */
#define SWEEPS	   3
#define SWEEP_SPIN 16

/* For so long it looks on: about as long as a wake-up takes, so that what is spent in vain is
 * no more than what it might have saved. And sleeps of which that would have saved a part. */
#define PATIENCE_NS 25000
#define SHORT_NS    50000

/* Short sleeps before it tries to look on; more the more often that was in vain. */
#define TRY	  2
#define DOUBT_MAX 31

void np_stop_searching(struct np_worker *w)
{
	w->fruitless = 0;
	if (np_likely(!w->searching))
		return;
	w->searching = false;
	if (w->looks_until) {
		w->looks_until = 0;
		w->doubt = 0;
	}
	if (!np_search_end(&w->node->idle))
		return;
	np_fence();
	if (__atomic_load_n(&w->exec->idle_total, __ATOMIC_SEQ_CST))
		np_pass_on(w);
}

bool np_looks_on(struct np_worker *w)
{
	uint64_t now;

	if (w->fruitless < SWEEPS)
		return true;
	if (!w->patient || __atomic_load_n(&w->node->idle.searching, __ATOMIC_RELAXED) > 1)
		return false;
	now = np_clock_ns();
	if (!w->looks_until)
		w->looks_until = now + PATIENCE_NS;
	return now < w->looks_until;
}

void np_search(struct np_worker *w)
{
	if (!w->searching) {
		w->searching = true;
		np_search_begin(&w->node->idle);
	}
	for (int i = 0; i < SWEEP_SPIN; i++)
		np_relax();
}

/* It has slept for so long; might looking on have been better? */
static void learn(struct np_worker *w, uint64_t slept_ns)
{
	bool in_vain = w->looks_until;

	w->looks_until = 0;
	if (in_vain) {
		w->patient = false;
		w->short_sleeps = 0;
		w->doubt = MIN(2 * w->doubt + 1, DOUBT_MAX);
	} else if (slept_ns >= SHORT_NS) {
		w->patient = false;
		w->short_sleeps /= 2;
	} else if (++w->short_sleeps >= TRY + w->doubt) {
		w->patient = true;
		w->short_sleeps = 0;
	}
}

void np_sleep_idle(struct np_worker *w, bool (*enough)(struct np_worker *, const void *),
		   const void *arg)
{
	struct np_idle *idle = &w->node->idle;
	uint64_t began;

	if (!w->searching)
		np_search_begin(idle);
	w->searching = false;
	w->fruitless = 0;
	w->pause = 0;
	np_retire(w);
	np_idle_enter(idle, w->nth);
	if ((enough(w, arg) || np_anything(w)) && np_idle_cancel(idle, w->nth)) {
		np_search_begin(idle);
		w->searching = true;
		return;
	}
	/* Nothing to do; or somebody has just claimed us, and the token is on its way. */
	np_count(&w->count.parks);
	NP_PROBE1(park, w->index);
	began = np_clock_ns();
	np_park(&w->parker);
	learn(w, np_clock_ns() - began);
	NP_PROBE1(wake, w->index);
	np_count(&w->count.wakes);
	/*
	 * Woken by a claim, or by somebody who knows us (the task that we wait for is finished,
	 * the executor ends)? If we were claimed we count as searching, whoever was first; the
	 * claimer's token may then still be to come, and only makes the next sleep short.
	 */
	if (!np_idle_cancel(idle, w->nth))
		w->searching = true;
}
