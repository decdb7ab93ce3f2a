/* SPDX-License-Identifier: MIT */
/*
 * pin_facts CPULIST|node:N MODE [hold]: pins this thread and says what the kernel says of it,
 *or why it was refused.
 *
 *	pinned=, released=	Cpus_allowed_list of /proc/self/status, in the pin and after its
 *release node=			the node that getcpu(2) says this thread is on, in the pin
 *	check=, later=		numaperf_pin_check() at once, and after `hold` has seen its
 *stdin end thread=			the node on which a thread born there by node:N says it
 *is
 */
#include "prog.h"

static void status_says(const char *name)
{
	char line[256];
	FILE *f = fopen("/proc/thread-self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Cpus_allowed_list:\t", 19))
			printf("%s=%s", name, line + 19);
	if (f)
		fclose(f);
	fflush(stdout);
}

static void where(void *arg)
{
	*(int *)arg = node_here();
}

int main(int argc, char **argv)
{
	struct numaperf_topology *topo;
	struct numaperf_cpuset cpus;
	struct numaperf_pin pin;
	int node = -1, err;

	if (argc < 3)
		return 9;
	err = numaperf_topology_discover(&topo);
	if (!err && sscanf(argv[1], "node:%d", &node) == 1) {
		err = numaperf_pin_thread_to_node(&pin, topo, node, mode_of(argv[2]));
	} else {
		if (!err)
			err = numaperf_cpuset_parse(&cpus, argv[1]);
		if (!err)
			err = numaperf_pin_thread(&pin, &cpus, mode_of(argv[2]));
	}
	if (err) {
		status_says("refused");
		return refused(err);
	}
	status_says("pinned");
	printf("node=%d\n", node_here());
	printf("check=%d\n", numaperf_pin_check(&pin));
	if (argc > 3) {
		hold();
		err = numaperf_pin_check(&pin);
		printf("later=%d %s\n", err, err ? numaperf_last_error()->message : "");
	}
	err = numaperf_pin_release(&pin);
	printf("release=%d\n", err);
	status_says("released");
	if (node >= 0) {
		struct numaperf_thread_opts opts = {
			.sz = sizeof(opts),
			.node = node,
			.mode = mode_of(argv[2]),
		};
		struct numaperf_thread *thread;
		int at = -1;

		err = numaperf_thread_create(&thread, topo, &opts, where, &at);
		if (err)
			return refused(err);
		if (numaperf_thread_join(thread))
			return refused(-1);
		printf("thread=%d\n", at);
	}
	numaperf_topology_unref(topo);
	return 0;
}
