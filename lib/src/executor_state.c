// SPDX-License-Identifier: MIT
/* How an executor is now: its life, and whether its workers are still where they were put. */
#include "base.h"
#include "capability.h"
#include "probe.h"
#include "sys.h"
#include "worker.h"

#include <errno.h>

static const char operation[] = "executor state";

const char *numaperf_executor_life_name(enum numaperf_executor_life life)
{
	static const char *const names[] = { "open", "draining", "stopped", "failed" };

	return (size_t)life < ARRAY_SIZE(names) ? names[life] : "unknown";
}

static enum numaperf_executor_life life_of(const struct numaperf_executor *exec)
{
	uint32_t life = np_life(exec);

	if (life & NP_LIFE_FAILED)
		return NUMAPERF_EXECUTOR_FAILED;
	if (__atomic_load_n(&exec->joined, __ATOMIC_ACQUIRE))
		return NUMAPERF_EXECUTOR_STOPPED;
	return life ? NUMAPERF_EXECUTOR_DRAINING : NUMAPERF_EXECUTOR_OPEN;
}

/* Everything that is not known to be offline. */
static void online_cpus(const struct numaperf_executor *exec, struct numaperf_cpuset *online)
{
	int root = np_sys->open_root(NULL);

	if (root < 0 || np_cpus_from_file(root, "sys/devices/system/cpu/online", online) ||
	    numaperf_cpuset_empty(online))
		numaperf_topology_online_cpus(exec->topo, online);
	if (root >= 0)
		np_sys->close(root);
}

static void look_at(const struct np_worker *w, const struct numaperf_cpuset *online,
		    struct numaperf_executor_state *out)
{
	struct numaperf_cpuset now, granted, there;

	out->workers++;
	numaperf_cpuset_and(&there, &w->node->cpus, online);
	if (!np_affinity_get(w->tid, &now)) {
		/* kernels differ in whether an offline CPU stays in the mask */
		numaperf_cpuset_and(&granted, &now, online);
		if (!numaperf_cpuset_empty(&there) && numaperf_cpuset_equal(&granted, &there)) {
			out->pins_held++;
			return;
		}
		if (!numaperf_cpuset_empty(&granted) &&
		    numaperf_cpuset_subset(&granted, &w->node->cpus)) {
			out->pins_narrowed++;
			return;
		}
	}
	NP_PROBE2(pin_lost, w->index, w->node->id);
	out->pins_lost++;
	numaperf_nodemask_set(&out->nodes_lost, w->node->id);
}

int numaperf_executor_state(struct numaperf_executor *exec,
			    struct numaperf_executor_state *state)
{
	struct numaperf_executor_state ours = { 0 };
	struct numaperf_cpuset online;

	if (state->sz < sizeof(size_t))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "set sz to the struct's size", "sz is %zu", state->sz);
	if (np_forked(exec))
		return np_fail_forked(operation);
	online_cpus(exec, &online);
	/* nobody starts or joins a worker meanwhile: a thread id is that of our thread */
	pthread_mutex_lock(&exec->crew_lock);
	ours.life = life_of(exec);
	for (unsigned int i = 0; i < exec->workers; i++)
		if (exec->worker[i]->started)
			look_at(exec->worker[i], &online, &ours);
	pthread_mutex_unlock(&exec->crew_lock);
	np_snapshot_write(state, state->sz, &ours, sizeof(ours));
	return 0;
}
