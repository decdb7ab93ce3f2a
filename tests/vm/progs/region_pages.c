// SPDX-License-Identifier: MIT
/*
 * Regions on a machine with several nodes: each policy page by page, growing, migrating, files,
 * samples and budgets. `region_pages exhausted NODE`: what migration says when NODE, which
 * somebody has used up, has no room.
 */
#include "pages.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
	ODD = 1537, /* pages: no node count divides it */
};

/* How far each node is from its share at most, in pages. `weight` NULL: one each. */
static double off_by(const struct spread *s, const struct numaperf_nodemask *nodes,
		     const uint8_t *weight)
{
	double sum = 0, worst = 0;

	NUMAPERF_NODEMASK_FOR_EACH (node, nodes)
		sum += weight ? weight[node] : 1;
	for (int node = 0; node < NODES; node++) {
		bool of = numaperf_nodemask_test(nodes, node);
		double want = of ? (double)s->total * (weight ? weight[node] : 1) / sum : 0;
		double off = (double)s->on[node] - want;

		off = off < 0 ? -off : off;
		worst = off > worst ? off : worst;
	}
	return worst;
}

/* ---- policies ---- */

static void binding(void)
{
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		struct numaperf_nodemask one = numaperf_nodemask_single(node);
		struct numaperf_region *r = create(
			ODD * PAGE, options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_STRICT));
		char name[32];

		snprintf(name, sizeof(name), "bind %d", node);
		agree(r, name);
		ok(region_all_on(r, node), "bind: every page on node %d", node);
		numaperf_region_unref(r);
	}
}

static void numastat(long *hit)
{
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		char path[96], line[96];
		FILE *f;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/numastat", node);
		f = fopen(path, "r");
		hit[node] = -1;
		while (f && fgets(line, sizeof(line), f))
			sscanf(line, "interleave_hit %ld", &hit[node]);
		if (f)
			fclose(f);
	}
}

static void interleaving(void)
{
	long before[NODES], after[NODES];
	struct numaperf_region *r;
	struct spread s;
	bool counted = true;

	numastat(before);
	r = create(ODD * PAGE,
		   options(NUMAPERF_POLICY_INTERLEAVE, &memory_nodes, NUMAPERF_STRICT));
	numastat(after);
	s = agree(r, "interleave");
	ok(off_by(&s, &memory_nodes, NULL) <= 1, "interleave: within one page of the ideal");
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		counted = counted && after[node] - before[node] >= s.on[node] &&
			  after[node] - before[node] <= s.on[node] + 64;
	ok(counted, "interleave: numastat has counted them (interleave_hit)");
	numaperf_region_unref(r);
}

static void own_weights(void)
{
	struct numaperf_region_opts o =
		options(NUMAPERF_POLICY_WEIGHTED_INTERLEAVE, &memory_nodes, NUMAPERF_STRICT);
	struct numaperf_region *r;
	struct spread s;
	uint8_t weight = 7;

	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		o.weights[node] = weight;
		weight = weight / 2;
	}
	r = create(ODD * PAGE, o);
	s = agree(r, "weights of one's own");
	ok(off_by(&s, &memory_nodes, o.weights) <= 1,
	   "weights of one's own: within one page of the ideal");
	s = spread_of((char *)numaperf_region_data(r) + ODD / 2 * PAGE, ODD / 4 * PAGE);
	ok(off_by(&s, &memory_nodes, o.weights) <= ODD / 32.0,
	   "weights of one's own: a quarter of it has the same mixture");
	ok(numaperf_region_check(r) == 0, "weights of one's own: the check holds");
	numaperf_region_unref(r);
}

static void set_machine_weight(int node, int weight)
{
	char path[96], text[8];

	snprintf(path, sizeof(path), "/sys/kernel/mm/mempolicy/weighted_interleave/node%d",
		 node);
	snprintf(text, sizeof(text), "%d", weight);
	if (!file_write(path, text))
		exit(1);
}

/* Whoever set them: sysfs. Without it, one each. */
static void machine_weights(void)
{
	struct numaperf_region_opts o =
		options(NUMAPERF_POLICY_WEIGHTED_INTERLEAVE, &memory_nodes, NUMAPERF_STRICT);
	struct numaperf_region_info info = { .sz = sizeof(info) };
	uint8_t weights[NODES] = { 0 }, weight = 5;
	bool kernel = !access("/sys/kernel/mm/mempolicy/weighted_interleave", F_OK);
	struct numaperf_region *r;
	struct spread s;
	long sum = 0;

	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		weights[node] = kernel ? weight : 1;
		sum += weights[node];
		if (kernel)
			set_machine_weight(node, weight);
		weight -= 2;
	}
	r = create((size_t)sum * 100 * PAGE, o);
	s = agree(r, "the machine's weights");
	ok(off_by(&s, &memory_nodes, weights) <= 1,
	   "the machine's weights: within one page of the ideal");
	must(numaperf_region_info(r, &info));
	ok(info.split == !kernel, "the machine's weights: kept by %s",
	   kernel ? "the kernel" : "stretches, since the kernel has none");
	numaperf_region_unref(r);
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		if (kernel)
			set_machine_weight(node, 1);
}

static void preferring(void)
{
	struct numaperf_nodemask pair = two(first, second);
	struct numaperf_region *r =
		create(ODD * PAGE, options(NUMAPERF_POLICY_PREFERRED, &pair, NUMAPERF_SOFT));
	struct spread s = agree(r, "prefer two nodes");

	ok(s.on[first] + s.on[second] == s.total,
	   "prefer two nodes: every page on one of them");
	numaperf_region_unref(r);
}

static void at_home(void)
{
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		struct numaperf_region_opts o =
			options(NUMAPERF_POLICY_BIND, &memory_nodes, NUMAPERF_STRICT);
		struct numaperf_region_info info = { .sz = sizeof(info) };
		struct numaperf_region *r;

		o.home = numaperf_nodemask_single(node);
		r = create(ODD * PAGE, o);
		must(numaperf_region_info(r, &info));
		ok(info.home && region_all_on(r, node), "bind to all, home %d: it begins there",
		   node);
		numaperf_region_unref(r);
	}
}

static void locally(void)
{
	struct numaperf_nodemask nodes;
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	numaperf_topology_cpu_nodes(topo, &nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct numaperf_region_opts o =
			options(NUMAPERF_POLICY_LOCAL, NULL, NUMAPERF_SOFT);
		struct numaperf_region *r;
		struct spread s;

		o.prefault = NUMAPERF_PREFAULT_TOUCH;
		if (!go_to(node))
			exit(1);
		r = create(ODD * PAGE, o);
		s = agree(r, "local");
		if (numaperf_nodemask_test(&memory_nodes, node))
			ok(s.on[node] == s.total, "local: on node %d, who touched it", node);
		else
			ok(!s.absent && !s.on[node], "local: node %d has no memory: elsewhere",
			   node);
		numaperf_region_unref(r);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

/* ---- growing ---- */

static void resizing(enum numaperf_policy policy, const uint8_t *weights, const char *name)
{
	struct numaperf_region_opts o = options(policy, &memory_nodes, NUMAPERF_STRICT);
	static const size_t sizes[] = { 777, 1024, 3001 };
	struct numaperf_region *r;
	struct spread s;
	bool shares = true, kept = true;

	if (policy == NUMAPERF_POLICY_BIND)
		o.nodes = numaperf_nodemask_single(second);
	if (weights)
		memcpy(o.weights, weights, sizeof(o.weights));
	o.size_max = 1024 * PAGE;
	r = create(256 * PAGE, o);
	memset(numaperf_region_data(r), 0x5a, 256 * PAGE);
	for (int i = 0; i < 3; i++) {
		const char *data;

		must(numaperf_region_resize(r, sizes[i] * PAGE));
		data = numaperf_region_data(r);
		s = spread_of(data, sizes[i] * PAGE);
		shares = shares && !s.absent && off_by(&s, &o.nodes, weights) <= 1;
		for (size_t at = 0; at < 256 * PAGE; at++)
			kept = kept && data[at] == 0x5a;
	}
	agree(r, name);
	ok(shares, "%s: grown three times, once elsewhere: within one page of the ideal", name);
	ok(kept, "%s: and nothing of it is lost", name);
	ok(numaperf_region_check(r) == 0, "%s: the check holds", name);
	must(numaperf_region_resize(r, 100 * PAGE));
	agree(r, "shrunk");
	numaperf_region_unref(r);
}

/* ---- migrating ---- */

static struct numaperf_migration sum;

static int migrate(struct numaperf_region *r, const struct numaperf_nodemask *nodes,
		   const struct numaperf_migrate_opts *o)
{
	sum = (struct numaperf_migration){ .sz = sizeof(sum) };
	return numaperf_region_migrate(r, nodes, o, &sum);
}

/* Away from outside, as migratepages(8) does it. */
static void push_to(int node, const struct numaperf_region *r)
{
	size_t pages = numaperf_region_size(r) / PAGE;

	for (size_t i = 0; i < pages; i++) {
		void *p = (char *)numaperf_region_data(r) + i * PAGE;
		int status;

		if (move_pages(0, 1, &p, &node, &status, MPOL_MF_MOVE))
			exit(1);
	}
}

static void migrating(void)
{
	struct numaperf_nodemask a = numaperf_nodemask_single(first),
				 b = numaperf_nodemask_single(second),
				 both = two(first, second);
	struct numaperf_migrate_opts how = { .sz = sizeof(how) };
	struct numaperf_region_opts weighted;
	struct numaperf_region *r;
	struct spread s;

	r = create(ODD * PAGE, options(NUMAPERF_POLICY_BIND, &a, NUMAPERF_STRICT));
	memset(numaperf_region_data(r), 0x77, ODD * PAGE);
	ok(migrate(r, &b, NULL) == 0 && sum.pages_moved == ODD && region_all_on(r, second),
	   "migrate: every page goes to node %d", second);
	agree(r, "migrated");
	ok(numaperf_region_check(r) == 0, "migrate: and is held against that from then on");
	ok(migrate(r, &both, NULL) == 0 && sum.pages_already == ODD,
	   "migrate: to a set that has its node, nothing moves");
	ok(((char *)numaperf_region_data(r))[ODD * PAGE - 1] == 0x77, "migrate: the data too");
	numaperf_region_unref(r);

	r = create(ODD * PAGE,
		   options(NUMAPERF_POLICY_INTERLEAVE, &memory_nodes, NUMAPERF_STRICT));
	push_to(first, r);
	ok(numaperf_region_check(r) == -NUMAPERF_EHARDMODE,
	   "interleaved, then pushed to one node: the check finds it");
	ok(migrate(r, NULL, NULL) == 0, "interleaved: back to its shares");
	s = agree(r, "rebalanced");
	ok(off_by(&s, &memory_nodes, NULL) <= 1, "rebalanced: within one page of the ideal");
	ok(numaperf_region_check(r) == 0, "rebalanced: the check holds");
	numaperf_region_unref(r);

	r = create(ODD * PAGE, options(NUMAPERF_POLICY_INTERLEAVE, &a, NUMAPERF_STRICT));
	ok(migrate(r, &memory_nodes, NULL) == 0, "interleaved: nodes are added");
	s = agree(r, "wider");
	ok(off_by(&s, &memory_nodes, NULL) <= 1, "wider: within one page of the ideal");
	ok(migrate(r, &b, NULL) == 0 && region_all_on(r, second),
	   "interleaved: nodes are taken");
	numaperf_region_unref(r);

	weighted = options(NUMAPERF_POLICY_WEIGHTED_INTERLEAVE, &both, NUMAPERF_STRICT);
	weighted.weights[first] = 1;
	weighted.weights[second] = 2;
	r = create(ODD * PAGE, weighted);
	how.weights[first] = 5;
	how.weights[second] = 1;
	ok(migrate(r, NULL, &how) == 0, "weighted: other weights");
	s = agree(r, "reweighted");
	ok(off_by(&s, &both, how.weights) <= 1, "reweighted: within one page of the ideal");
	numaperf_region_unref(r);
}

/* A child that has the pages, too, as long as its pipe is open. */
static int sharer(int *keep)
{
	int pipes[2], pid;
	char c;

	if (pipe(pipes))
		exit(1);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(pipes[1]);
		if (read(pipes[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(pipes[0]);
	*keep = pipes[1];
	return pid;
}

static struct {
	long count;
	bool right;
	const struct numaperf_region *r;
} told;

static void unmoved(void *ctx, const void *page, int node, int error)
{
	const char *data = numaperf_region_data(told.r);

	(void)ctx;
	told.count++;
	told.right = told.right && node == first && error == EACCES &&
		     (const char *)page >= data &&
		     (const char *)page < data + numaperf_region_size(told.r);
}

static void migrating_shared(void)
{
	struct numaperf_nodemask a = numaperf_nodemask_single(first),
				 b = numaperf_nodemask_single(second);
	struct numaperf_migrate_opts how = { .sz = sizeof(how), .unmoved = unmoved };
	struct numaperf_region *soft, *strict;
	int keep, pid, err;

	soft = create(100 * PAGE, options(NUMAPERF_POLICY_BIND, &a, NUMAPERF_SOFT));
	strict = create(100 * PAGE, options(NUMAPERF_POLICY_BIND, &a, NUMAPERF_STRICT));
	memset(numaperf_region_data(soft), 1, 100 * PAGE);
	memset(numaperf_region_data(strict), 1, 100 * PAGE);
	pid = sharer(&keep);
	/* ten pages are the parent's own again */
	memset(numaperf_region_data(soft), 2, 10 * PAGE);
	told.r = soft;
	told.right = true;
	err = migrate(soft, &b, &how);
	ok(err == -ESTALE && sum.pages_moved == 10 && sum.pages_shared == 90 &&
		   told.count == 90 && told.right,
	   "migrate, shared with a child: ten go, ninety stay, each is told with its reason");
	printf("# %d: moved %zu shared %zu busy %zu no room %zu failed %zu, told %ld\n", err,
	       sum.pages_moved, sum.pages_shared, sum.pages_busy, sum.pages_no_room,
	       sum.pages_failed, told.count);
	how.unmoved = NULL;
	err = migrate(strict, &b, NULL);
	ok(err == -NUMAPERF_EHARDMODE && region_all_on(strict, first) &&
		   numaperf_region_check(strict) == 0,
	   "strict: refused, and all is as it was");
	how.move_all = true;
	ok(migrate(soft, NULL, &how) == 0 && region_all_on(soft, second),
	   "move_all takes the child's along");
	ok(migrate(strict, &b, &how) == 0 && region_all_on(strict, second) &&
		   numaperf_region_check(strict) == 0,
	   "strict with move_all: all of it");
	close(keep);
	waitpid(pid, NULL, 0);
	numaperf_region_unref(soft);
	numaperf_region_unref(strict);
}

static int exhausted(int node)
{
	struct numaperf_nodemask from = numaperf_nodemask_single(first),
				 to = numaperf_nodemask_single(node);
	size_t size = 64ul << 20;
	struct numaperf_region *r =
		create(size, options(NUMAPERF_POLICY_BIND, &from, NUMAPERF_STRICT));
	struct spread s;
	int err = migrate(r, &to, NULL);

	ok(err == -NUMAPERF_EHARDMODE &&
		   numaperf_last_error()->reason_id == NUMAPERF_REASON_MEMORY &&
		   region_all_on(r, first) && numaperf_region_check(r) == 0,
	   "strict, to a node without room: refused, and all is as it was");
	printf("# %s\n", numaperf_last_error()->message);
	numaperf_region_unref(r);

	r = create(size, options(NUMAPERF_POLICY_BIND, &from, NUMAPERF_SOFT));
	err = migrate(r, &to, NULL);
	s = spread_of(numaperf_region_data(r), size);
	ok(err == -ESTALE && sum.pages_no_room > 0 && s.on[first] + s.on[node] == s.total &&
		   s.on[first] == (long)(sum.pages_no_room + sum.pages_busy + sum.pages_failed +
					 sum.pages_shared) &&
		   s.on[node] == (long)sum.pages_moved,
	   "soft, to a node without room: what found none is counted");
	printf("# %d: %s\n# moved %zu, no room %zu, busy %zu, failed %zu\n", err,
	       numaperf_last_error()->message, sum.pages_moved, sum.pages_no_room,
	       sum.pages_busy, sum.pages_failed);
	numaperf_region_unref(r);
	return tests_end();
}

/* ---- files ---- */

static void one_file(int fd, enum numaperf_sharing sharing, const char *name)
{
	struct numaperf_nodemask b = numaperf_nodemask_single(second);
	struct numaperf_region_opts o = options(NUMAPERF_POLICY_BIND, &b, NUMAPERF_STRICT);
	struct numaperf_region *r;
	int err;

	o.thp = NUMAPERF_THP_DEFAULT;
	err = numaperf_region_map_file(&r, fd, 0, 200 * PAGE, sharing, &o);
	ok(!err, "%s: strict on node %d", name, second);
	close(fd);
	if (err)
		return;
	ok(region_all_on(r, second) && numaperf_region_check(r) == 0, "%s: every page", name);
	if (sharing == NUMAPERF_SHARED) {
		struct numaperf_nodemask a = numaperf_nodemask_single(first);

		ok(migrate(r, &a, NULL) == 0 && region_all_on(r, first), "%s: migrates", name);
	}
	numaperf_region_unref(r);
}

static int sized(int fd)
{
	if (fd < 0 || ftruncate(fd, 200 * PAGE))
		exit(1);
	return fd;
}

static void files(void)
{
	int fd = open("/run/np-file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	one_file(sized(memfd_create("np", 0)), NUMAPERF_SHARED, "memfd");
	one_file(sized(fd), NUMAPERF_SHARED, "tmpfs");
	one_file(open("/run/np-file", O_RDWR), NUMAPERF_PRIVATE, "tmpfs, private");
	one_file(open("/proc/self/exe", O_RDONLY), NUMAPERF_PRIVATE, "a program, private");
	unlink("/run/np-file");
}

/* ---- asking beforehand, and by samples ---- */

static void sampling(void)
{
	struct numaperf_region *r = create(
		32ul << 20, options(NUMAPERF_POLICY_INTERLEAVE, &memory_nodes, NUMAPERF_SOFT));
	static struct numaperf_estimate e = { .sz = sizeof(e) };
	struct spread s = spread_of(numaperf_region_data(r), numaperf_region_size(r));
	bool near = true;

	must(numaperf_placement_sample(numaperf_region_data(r), numaperf_region_size(r), 2000,
				       &e));
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		struct numaperf_share share;
		double exact = (double)s.on[node] / (double)s.total;

		must(numaperf_estimate_share(&e, node, &share));
		/* four times what it is in 95 of 100 cases */
		near = near && exact > share.share - 2 * (share.high - share.low) &&
		       exact < share.share + 2 * (share.high - share.low);
	}
	ok(near && e.pages_sampled == 2000, "2000 samples tell the nodes' shares");
	numaperf_region_unref(r);
}

static void budgets(void)
{
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		struct numaperf_nodemask one = numaperf_nodemask_single(node);
		struct numaperf_budget b = { .sz = sizeof(b) };
		struct numaperf_region *r;
		struct numaperf_region_opts o =
			options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_STRICT);
		int err;

		must(numaperf_budget_query(&one, 0, &b));
		printf("# node %d: free %lu KiB, usable %lu KiB\n", node, b.free >> 10,
		       b.usable >> 10);
		ok(b.fits > 0 && b.fits == b.usable && b.cgroup_limit == UINT64_MAX,
		   "node %d: what fits is what is usable, without a cgroup's limit", node);
		must(numaperf_budget_require(&one, 0, b.fits / 2));
		ok(numaperf_budget_require(&one, 0, b.fits + (64 << 20)) == -ENOMEM &&
			   numaperf_last_error()->reason_id == NUMAPERF_REASON_MEMORY,
		   "node %d: more than that is refused beforehand", node);
		err = numaperf_region_create(&r, b.fits / 10 * 9, &o);
		ok(!err, "node %d: nine tenths of it can be had, strict", node);
		if (!err) {
			ok(region_all_on(r, node), "node %d: and are there", node);
			numaperf_region_unref(r);
		}
	}
}

int main(int argc, char **argv)
{
	static uint8_t weights[NUMAPERF_NODES_MAX];

	discover();
	if (second < 0)
		return 9;
	if (argc == 3 && !strcmp(argv[1], "exhausted"))
		return exhausted(atoi(argv[2]));
	binding();
	interleaving();
	own_weights();
	machine_weights();
	preferring();
	at_home();
	locally();
	resizing(NUMAPERF_POLICY_BIND, NULL, "bind, resized");
	resizing(NUMAPERF_POLICY_INTERLEAVE, NULL, "interleave, resized");
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		weights[node] = (uint8_t)(node + 1);
	resizing(NUMAPERF_POLICY_WEIGHTED_INTERLEAVE, weights, "weighted, resized");
	migrating();
	migrating_shared();
	files();
	sampling();
	budgets();
	numaperf_topology_unref(topo);
	return tests_end();
}
