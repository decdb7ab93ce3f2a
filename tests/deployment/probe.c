/* SPDX-License-Identifier: MIT */
/*
 * probe MODE [CPULIST]: pins, binds memory and starts an executor in one mode, and says of each
 * what became of it, one line: "pin ok", or "pin refused REASON: MESSAGE". Exit status 0 when
 * nothing was refused, 1 otherwise.
 */
#include <numaperf.h>

#include <stdio.h>
#include <string.h>

static int report(const char *what, int err, const char *detail)
{
	const struct numaperf_error *why = numaperf_last_error();

	if (!err)
		printf("%s ok%s\n", what, detail);
	else
		printf("%s %s %s: %s\n", what,
		       err == -NUMAPERF_EHARDMODE ? "refused" : "failed",
		       numaperf_reason_name(why->reason_id), why->message);
	return err ? 1 : 0;
}

static int pin(const struct numaperf_topology *topo, enum numaperf_mode mode, const char *list)
{
	struct numaperf_cpuset cpus;
	struct numaperf_pin p;
	int err = 0;

	if (list)
		err = numaperf_cpuset_parse(&cpus, list);
	else
		numaperf_topology_allowed_cpus(topo, &cpus);
	if (!err)
		err = numaperf_pin_thread(&p, &cpus, mode);
	if (!err)
		err = numaperf_pin_release(&p);
	return report("pin", err, "");
}

static int bind(const struct numaperf_topology *topo, enum numaperf_mode mode)
{
	static struct numaperf_placement where;
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = mode,
		.prefault = NUMAPERF_PREFAULT_TOUCH,
	};
	struct numaperf_region *region;
	struct numaperf_nodemask nodes;
	char detail[64] = "";
	int err;

	numaperf_topology_allowed_nodes(topo, &nodes);
	opts.nodes = numaperf_nodemask_single(numaperf_nodemask_first(&nodes));
	err = numaperf_region_create(&region, 64 << 10, &opts);
	if (!err) {
		where.sz = sizeof(where);
		err = numaperf_region_placement(region, &where);
		snprintf(detail, sizeof(detail), " enforcement %s method %s",
			 numaperf_enforcement_name(where.enforcement),
			 numaperf_placement_method_name(where.method));
		numaperf_region_unref(region);
	}
	return report("region", err, detail);
}

static void nothing(void *arg)
{
	*(int *)arg += 1;
}

static int pool(struct numaperf_topology *topo, enum numaperf_mode mode)
{
	struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.workers_per_node = 1,
		.mode = mode,
	};
	struct numaperf_executor *exec;
	int ran = 0, err = numaperf_executor_create(&exec, topo, &opts);

	if (!err) {
		err = numaperf_executor_run(exec, NUMAPERF_ANY_NODE, nothing, &ran);
		numaperf_executor_destroy(exec);
		if (!err && ran != 1) {
			printf("executor failed: its task ran %d times\n", ran);
			return 1;
		}
	}
	return report("executor", err, "");
}

int main(int argc, char **argv)
{
	struct numaperf_topology *topo;
	int mode, bad = 0;

	for (mode = NUMAPERF_SOFT; mode <= NUMAPERF_STRICT_UNWITNESSED; mode++)
		if (argc > 1 && !strcmp(argv[1], numaperf_mode_name((enum numaperf_mode)mode)))
			break;
	if (argc < 2 || argc > 3 || mode > NUMAPERF_STRICT_UNWITNESSED) {
		fputs("usage: probe soft|strict|strict-unwitnessed [CPULIST]\n", stderr);
		return 2;
	}
	if (report("topology", numaperf_topology_discover(&topo), ""))
		return 1;
	bad += pin(topo, (enum numaperf_mode)mode, argc > 2 ? argv[2] : NULL);
	bad += bind(topo, (enum numaperf_mode)mode);
	bad += pool(topo, (enum numaperf_mode)mode);
	numaperf_topology_unref(topo);
	return bad ? 1 : 0;
}
