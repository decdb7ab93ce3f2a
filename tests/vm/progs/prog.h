/* SPDX-License-Identifier: MIT */
/* For the programs that run in guests: their own oracle, and how they report a refusal. */
#ifndef NP_VM_PROG_H
#define NP_VM_PROG_H

#include <numaperf.h>

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The node the kernel says this thread is on: not through the library, which is what is tested.
 */
static inline int node_here(void)
{
	unsigned int cpu, node;

	return getcpu(&cpu, &node) ? -1 : (int)node;
}

/* "refused REASON: MESSAGE" and 1 for a refusal by hard mode, "failed ..." and 2 for the rest.
 */
static inline int refused(int err)
{
	const struct numaperf_error *e = numaperf_last_error();
	int hard = err == -NUMAPERF_EHARDMODE;

	printf("%s %s: %s\n", hard ? "refused" : "failed", numaperf_reason_name(e->reason_id),
	       e->message);
	if (e->code != err)
		printf("the error record says %d, the call %d\n", e->code, err);
	return hard ? 1 : 2;
}

static inline enum numaperf_mode mode_of(const char *s)
{
	if (!strcmp(s, "strict"))
		return NUMAPERF_STRICT;
	return strcmp(s, "unwitnessed") ? NUMAPERF_SOFT : NUMAPERF_STRICT_UNWITNESSED;
}

/* How many names a folder has, with its own two. */
static inline int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Says "ready" and waits until somebody closes or writes to our stdin. */
static inline void hold(void)
{
	char c;

	puts("ready");
	fflush(stdout);
	if (read(0, &c, 1) < 0)
		perror("stdin");
}

#endif
