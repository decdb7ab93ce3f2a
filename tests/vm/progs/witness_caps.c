/* SPDX-License-Identifier: MIT */
/*
 * witness_caps keep|drop: what these privileges allow. A strict pin on node 0, a strict
 *executor, and a monitor of whatever is promised, which drops all capabilities once it is
 *attached, or does not; then the pin is broken and pages are moved, both by ourselves, which
 *takes no privilege.
 *
 *	pin=  executor=		ok, or "refused REASON: MESSAGE"
 *	before.THREAD=  after.THREAD=	CapEff, before and after there is a monitor
 *	sampler=  hook.METRIC=  why.METRIC=  remedy.METRIC=
 *	and what witness_say.h has to say; quiet=  broken=	the verdict before and after
 *that
 */
#include "witness_kernel.h"
#include "witness_say.h"

#include <dirent.h>

enum {
	HOME = 0,
	AWAY = 1,
	PAGES = 64,
};

static bool say_outcome(const char *what, int err)
{
	printf("%s=", what);
	if (!err)
		puts("ok");
	else
		refused(err);
	return !err;
}

static void field(const char *tid, const char *file, const char *key, char *out, size_t size)
{
	char path[300], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", tid, file);
	f = fopen(path, "re");
	*out = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			snprintf(out, size, "%s", line + strlen(key));
	if (f)
		fclose(f);
	out[strcspn(out, "\n")] = '\0';
}

static void say_threads(const char *when)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;

	need(dir, "/proc/self/task");
	while ((d = readdir(dir))) {
		char comm[32], caps[32];

		if (d->d_name[0] == '.')
			continue;
		field(d->d_name, "comm", "", comm, sizeof(comm));
		field(d->d_name, "status", "CapEff:\t", caps, sizeof(caps));
		printf("%s.%s=%s\n", when, comm, caps);
	}
	closedir(dir);
}

static void say_hooks(const struct numaperf_monitor *mon)
{
	struct numaperf_hook hook = { .sz = sizeof(hook) };

	printf("sampler=%d\n", numaperf_monitor_sampler(mon));
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		need(!numaperf_monitor_hook(mon, (enum numaperf_metric)m, &hook), "hook");
		printf("hook.%s=%s\n", numaperf_metric_name(hook.metric),
		       numaperf_rung_name(hook.rung));
		if (hook.reason[0])
			printf("why.%s=%s\nremedy.%s=%s\n", numaperf_metric_name(hook.metric),
			       hook.reason, numaperf_metric_name(hook.metric), hook.remedy);
	}
}

static void say_verdicts(struct numaperf_monitor *mon, const char *when)
{
	struct numaperf_guarantee g = { .sz = sizeof(g) };
	struct numaperf_report *r;

	need(!numaperf_report_create(&r, mon), "report");
	printf("%s=%s\n", when, numaperf_verdict_name(numaperf_report_verdict(r)));
	for (size_t i = 0; i < numaperf_report_guarantee_count(r); i++) {
		need(!numaperf_report_guarantee(r, i, &g), "guarantee");
		printf("%s: %s: %s: %s\n", when, g.label, numaperf_verdict_name(g.verdict),
		       g.reason);
	}
	numaperf_report_destroy(r);
}

int main(int argc, char **argv)
{
	struct numaperf_monitor_opts opts = { .sz = sizeof(opts),
					      .all_guarantees = true,
					      .on_violation = on_violation };
	struct numaperf_executor_opts workers = { .sz = sizeof(workers),
						  .workers_per_node = 1,
						  .mode = NUMAPERF_STRICT };
	struct numaperf_nodemask nodes = numaperf_nodemask_single(HOME);
	struct numaperf_executor *exec = NULL;
	struct numaperf_cpuset home, away;
	struct numaperf_topology *topo;
	struct numaperf_monitor *mon;
	struct numaperf_pin pin;
	uint64_t id;
	bool pinned;
	char *area;

	if (argc != 2)
		return 9;
	prctl(PR_SET_NAME, "np-caps");
	opts.drop_capabilities = !strcmp(argv[1], "drop");
	need(!numaperf_topology_discover(&topo), "topology");
	cpus_of(topo, HOME, &home);
	cpus_of(topo, AWAY, &away);
	say_outcome("executor", numaperf_executor_create(&exec, topo, &workers));
	pinned = say_outcome("pin", numaperf_pin_thread(&pin, &home, NUMAPERF_STRICT));
	need(pinned || !raw_pin(0, &home), "sched_setaffinity");
	say_threads("before");

	area = map(PAGES * PAGE, PAGE);
	need(!raw_mbind(area, PAGES * PAGE, MPOL_BIND, HOME, 0), "mbind");
	touch(area, PAGES);
	need(!numaperf_monitor_create(&mon, topo, &opts), "monitor");
	say_threads("after");
	say_hooks(mon);
	need(!numaperf_monitor_watch_range(mon, area, PAGES * PAGE, &nodes, &id), "range");
	need(pinned || !numaperf_monitor_watch_thread(mon, my_tid(), &home, &id), "thread");
	say_verdicts(mon, "quiet");

	need(!raw_move(0, area, PAGES, AWAY, MPOL_MF_MOVE), "move_pages");
	need(!raw_pin(0, &away), "sched_setaffinity");
	need(!numaperf_monitor_flush(mon, 30000), "flush");
	say_violations(mon);
	say_verdicts(mon, "broken");
	need(!numaperf_monitor_destroy(mon), "destroy");
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
	puts("end");
	return 0;
}
