/* SPDX-License-Identifier: MIT */
/*
 * witness_watch RUNG PROVOCATION...: opens a monitor of itself that climbs no higher than RUNG
 * (fentry, tp_btf, polling), and for each provocation watches a range and itself as a thread,
 * does the deed with raw system calls or lets the helper do it, and says what it did and what
 * the monitor saw of it:
 *
 *	did=PROVOCATION addr= pages= from= to= culprit= tid=	ground truth
 *	and what witness_say.h lists, up to end=PROVOCATION
 *
 * NP_AWAY names the node that pages go to (1). NP_BESIDE: somebody counts beside it, and is
 * waited for before and after ("ready", then a byte on stdin). What we count ourselves is
 * between the two times that this thread is renamed, np-counted and back.
 */
#include "witness_provoke.h"
#include "witness_say.h"

#include <sys/wait.h>

static bool beside; /* somebody else counts, too: he is waited for */

static enum numaperf_rung rung_of(const char *s)
{
	for (int r = NUMAPERF_RUNG_POLLING; r <= NUMAPERF_RUNG_FENTRY; r++)
		if (!strcmp(s, numaperf_rung_name((enum numaperf_rung)r)))
			return (enum numaperf_rung)r;
	die("no rung %s", s);
}

static const struct provocation *provocation_of(const char *s)
{
	for (size_t i = 0; i < sizeof(provocations) / sizeof(provocations[0]); i++)
		if (!strcmp(s, provocations[i].name))
			return &provocations[i];
	die("no provocation %s", s);
}

static void say_hooks(const struct numaperf_monitor *mon)
{
	struct numaperf_hook hook = { .sz = sizeof(hook) };

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		need(!numaperf_monitor_hook(mon, (enum numaperf_metric)m, &hook), "hook");
		printf("hook.%s=%s\n", numaperf_metric_name(hook.metric),
		       numaperf_rung_name(hook.rung));
		if (hook.reason[0])
			printf("why.%s=%s\n", numaperf_metric_name(hook.metric), hook.reason);
	}
}

static void start_over(void)
{
	area = did_addr = NULL;
	pages = PAGES;
	did_pages = 0;
	did_culprit = 0;
	did_from = HOME;
	did_to = away;
	raw_mempolicy(-1);
	pin_me(HOME);
	cpus_of(topo, HOME, &watched_cpus);
	numaperf_nodemask_zero(&watched_nodes);
	numaperf_nodemask_set(&watched_nodes, HOME);
}

static void say_truth(const struct provocation *what)
{
	printf("did=%s\naddr=%#lx\npages=%zu\nfrom=%d\nto=%d\nculprit=%d\npid=%d\n"
	       "tid=%d\n",
	       what->name, (unsigned long)did_addr, did_pages, did_from, did_to, did_culprit,
	       getpid(), my_tid());
}

static void provoke(struct numaperf_monitor *mon, const struct provocation *what)
{
	static struct stats before, after, outer_before, outer_after;
	uint64_t thread, range = 0;
	int err;

	start_over();
	what->prepare();
	need(!numaperf_monitor_watch_thread(mon, my_tid(), &watched_cpus, &thread),
	     "watch_thread");
	if (area)
		need(!numaperf_monitor_watch_range(mon, area, pages * PAGE, &watched_nodes,
						   &range),
		     "watch_range");
	need(!numaperf_monitor_flush(mon, 30000), "flush");
	if (beside)
		hold();
	forget_violations(mon);
	if (beside) {
		take_stats(mon, &outer_before, my_tid());
		prctl(PR_SET_NAME, "np-counted");
	}
	take_stats(mon, &before, my_tid());

	what->act();

	err = numaperf_monitor_flush(mon, 30000);
	take_stats(mon, &after, my_tid());
	if (beside) {
		prctl(PR_SET_NAME, "np-witness");
		take_stats(mon, &outer_after, my_tid());
		hold();
	}
	say_truth(what);
	printf("flush=%d\n", err);
	say_violations(mon);
	say_stats(&before, &after);
	say_spinners("spin", &before, &after);
	if (beside) {
		say_pairs("outer.", &outer_before, &outer_after);
		say_spinners("outer.spin", &outer_before, &outer_after);
	}
	say_report(mon, thread, range);
	need(!numaperf_monitor_unwatch(mon, thread), "unwatch");
	need(!range || !numaperf_monitor_unwatch(mon, range), "unwatch");
	unmap();
	if (what->undo)
		what->undo();
	printf("end=%s\n", what->name);
	fflush(stdout);
}

/* Output is held back to the end of each: who reads it would run, and be counted. */
int main(int argc, char **argv)
{
	struct numaperf_monitor_opts opts = { .sz = sizeof(opts),
					      /* a page at a time, when the host is slow */
					      .list_max = 4096,
					      .on_violation = on_violation };
	struct numaperf_monitor *mon;
	uint64_t before = now_ns();
	int err;

	if (argc < 3)
		return 9;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	helper = helper_start();
	prctl(PR_SET_NAME, "np-witness");
	if (getenv("NP_AWAY"))
		away = atoi(getenv("NP_AWAY"));
	beside = getenv("NP_BESIDE");
	opts.rung_max = rung_of(argv[1]);
	balancing("0");
	need(!numaperf_topology_discover(&topo), "topology");
	err = numaperf_monitor_create(&mon, topo, &opts);
	if (err)
		return refused(err);
	printf("open_ms=%llu\n", (unsigned long long)((now_ns() - before) / 1000000));
	say_hooks(mon);
	for (int i = 2; i < argc; i++)
		provoke(mon, provocation_of(argv[i]));
	numaperf_monitor_destroy(mon);
	close(helper.orders);
	waitpid(helper.pid, NULL, 0);
	numaperf_topology_unref(topo);
	puts("end=all");
	return 0;
}
