/* SPDX-License-Identifier: MIT */
/*
 * region_facts POLICY NODES KIB MODE [none|touch|parallel [on|off|default [hold]]], explicit
 *huge pages of NP_HUGE KiB if that is set: creates a region and says what the library and the
 *kernel say of it, or why it was refused.
 *
 *	enforcement=, method=, requested=, effective=, actual=, total=, absent=: the library's
 *placement pages=0:N,1:M		its pages by node kernel=0:N,1:M		the same
 *from /proc/self/numa_maps, which the library has not been asked for
 *	faulted=N		pages that the query itself has faulted in
 *	check=0|CODE		numaperf_region_check()
 *	later=0|CODE TEXT	the same again, after `hold` has seen its stdin end
 */
#include "prog.h"

#include <errno.h>
#include <sys/mman.h>

static enum numaperf_policy policy_of(const char *s)
{
	for (int p = NUMAPERF_POLICY_LOCAL; p <= NUMAPERF_POLICY_WEIGHTED_INTERLEAVE; p++)
		if (!strcmp(s, numaperf_policy_name((enum numaperf_policy)p)))
			return (enum numaperf_policy)p;
	printf("no policy %s\n", s);
	exit(9);
}

/* How many of its pages are there, by mincore(2): the kernel's word, and per page. */
static long resident(const struct numaperf_region *region)
{
	size_t pages = numaperf_region_size(region) / 4096;
	unsigned char *there = malloc(pages);
	long n = 0;

	if (!there || mincore(numaperf_region_data(region), pages * 4096, there))
		exit(9);
	for (size_t i = 0; i < pages; i++)
		n += there[i] & 1;
	free(there);
	return n;
}

/* "N0=12 N1=3" of the mapping that begins at `addr`, as 0:12,1:3, in pages of 4 KiB or those of
 * the mapping. */
static void kernel_says(const void *addr)
{
	char line[4096], start[32];
	FILE *f = fopen("/proc/self/numa_maps", "r");

	snprintf(start, sizeof(start), "%lx ", (unsigned long)addr);
	printf("kernel=");
	while (f && fgets(line, sizeof(line), f)) {
		const char *comma = "";

		if (strncmp(line, start, strlen(start)))
			continue;
		for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
			int node, pages;

			if (sscanf(word, "N%d=%d", &node, &pages) == 2) {
				printf("%s%d:%d", comma, node, pages);
				comma = ",";
			}
		}
	}
	puts("");
	if (f)
		fclose(f);
}

static void list(const char *name, const struct numaperf_nodemask *nodes)
{
	char text[256];

	numaperf_nodemask_format(nodes, text, sizeof(text));
	printf("%s=%s\n", name, text);
}

static void log_line(void *ctx, enum numaperf_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	printf("warning=%s\n", line);
}

int main(int argc, char **argv)
{
	static const char *const prefaults[] = { "none", "touch", "parallel" };
	static const char *const thps[] = { "default", "on", "off" };
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = { .sz = sizeof(opts) };
	struct numaperf_region *region;
	const char *comma = "";
	long before;
	int err;

	if (argc < 5)
		return 9;
	numaperf_set_log(log_line, NULL, NUMAPERF_LOG_WARNING);
	opts.policy = policy_of(argv[1]);
	if (strcmp(argv[2], "-") && numaperf_nodemask_parse(&opts.nodes, argv[2]))
		return refused(-EINVAL);
	opts.mode = mode_of(argv[4]);
	for (int i = 0; i < 3; i++) {
		if (argc > 5 && !strcmp(argv[5], prefaults[i]))
			opts.prefault = (enum numaperf_prefault)i;
		if (argc > 6 && !strcmp(argv[6], thps[i]))
			opts.thp = (enum numaperf_thp)i;
	}
	if (getenv("NP_HUGE"))
		opts.huge_page_size = (size_t)atol(getenv("NP_HUGE")) << 10;
	err = numaperf_region_create(&region, (size_t)atol(argv[3]) << 10, &opts);
	if (err)
		return refused(err);

	before = resident(region);
	err = numaperf_region_placement(region, &where);
	if (err)
		return refused(err);
	printf("faulted=%ld\n", resident(region) - before);
	printf("enforcement=%s\nmethod=%s\ntotal=%zu\nabsent=%zu\n",
	       numaperf_enforcement_name(where.enforcement),
	       numaperf_placement_method_name(where.method), where.pages_total,
	       where.pages_absent);
	printf("policy=%s\n", numaperf_policy_name(where.effective_policy));
	list("requested", &where.requested);
	list("effective", &where.effective);
	list("actual", &where.actual);
	printf("pages=");
	NUMAPERF_NODEMASK_FOR_EACH (node, &where.actual) {
		printf("%s%d:%zu", comma, node, where.pages_on_node[node]);
		comma = ",";
	}
	puts("");
	kernel_says(numaperf_region_data(region));
	printf("check=%d\n", numaperf_region_check(region));
	if (argc > 7) {
		hold();
		err = numaperf_region_check(region);
		printf("later=%d %s\n", err, err ? numaperf_last_error()->message : "");
	}
	numaperf_region_unref(region);
	return 0;
}
