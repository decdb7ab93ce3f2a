// SPDX-License-Identifier: MIT
/* A table round the kernel's that counts calls and makes the n-th fail. See fault.h. */
#include "fault.h"
#include "../../lib/src/util.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fault_plan *plan;
static const struct np_sys *below;

static bool gives_back(const char *name)
{
	static const char *const names[] = { "close",	    "unmap",	  "munlock",
					     "thread_join", "futex_wake", "futex_wait" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* 0, or the error that this call is to return. Threads of the library call it, too. */
static int hit(const char *name)
{
	int n;

	if (gives_back(name) || (plan->only && strcmp(plan->only, name)))
		return 0;
	n = __atomic_add_fetch(&plan->hits, 1, __ATOMIC_SEQ_CST);
	if (n < plan->nth || (n > plan->nth && !plan->for_ever))
		return 0;
	__atomic_store_n(&plan->failed, name, __ATOMIC_SEQ_CST);
	return plan->error;
}

#define FAULTY(name, params, args)     \
 static int faulty_##name params       \
 {                                     \
  int err = hit(#name);                \
                                       \
  return err ? err : below->name args; \
 }
NP_SYS_CALLS(FAULTY)
#undef FAULTY

static const struct np_sys faulty = {
#define FIELD(name, params, args) .name = faulty_##name,
	NP_SYS_CALLS(FIELD)
#undef FIELD
};

void fault_start(struct fault_plan *p)
{
	plan = p;
	plan->hits = 0;
	plan->failed = NULL;
	below = np_sys; /* may itself be a test's table */
	np_sys = &faulty;
}

void fault_stop(void)
{
	np_sys = below;
}

static int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		abort();
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

int fault_open_fds(void)
{
	return count_entries("/proc/self/fd") - 1; /* without the one that looks */
}

int fault_threads(void)
{
	return count_entries("/proc/self/task");
}

int fault_threads_settled(void)
{
	int fewest = fault_threads();

	for (int i = 0; i < 50; i++) {
		int now;

		usleep(1000);
		now = fault_threads();
		fewest = now < fewest ? now : fewest;
	}
	return fewest;
}

int fault_threads_are(int threads)
{
	for (int i = 0; i < 20000 && fault_threads() != threads; i++)
		usleep(1000);
	return fault_threads() == threads;
}

int fault_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0, c;

	if (!f)
		abort();
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
#ifdef NP_TSAN
	n = 0; /* its runtime maps its shadow bit by bit */
#endif
	return n;
}
