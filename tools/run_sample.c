/* SPDX-License-Identifier: MIT */
#include "run_sample.h"

#include "numa_line.h"
#include "promise.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which processes ---- */

static struct run_process *find(const struct run_sample *s, int pid)
{
	for (size_t i = 0; i < s->processes; i++)
		if (s->process[i].pid == pid && !s->process[i].gone)
			return &s->process[i];
	return NULL;
}

static int add(struct run_sample *s, int pid, bool root)
{
	struct run_process *more;

	if (find(s, pid))
		return 0;
	if (s->processes == s->room) {
		size_t room = s->room ? s->room * 2 : 16;

		more = reallocarray(s->process, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->process = more;
		s->room = room;
	}
	memset(&s->process[s->processes], 0, sizeof(*s->process));
	s->process[s->processes].pid = pid;
	s->process[s->processes++].root = root;
	s->ever++;
	return 0;
}

/* Those of one thread: /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN). */
static int add_children(struct run_sample *s, int pid, const char *tid)
{
	char *text = promise_slurp("/proc/%d/task/%s/children", pid, tid), *at, *end;
	int err = 0;

	for (at = text; at && !err; at = end) {
		long child = strtol(at, &end, 10);

		if (end == at)
			break;
		err = add(s, (int)child, false);
	}
	free(text);
	return err;
}

/* The next thread of a process; NULL: there are no more. */
static const char *next_thread(DIR *dir)
{
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			return e->d_name;
	return NULL;
}

static DIR *threads_of(int pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return opendir(path);
}

/* ---- memory ---- */

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static enum run_kind kind_of(const struct numa_line *line)
{
	if (!line->file || starts(line->file, "/anon_hugepage"))
		return RUN_PRIVATE;
	if (starts(line->file, "/memfd:") || starts(line->file, "/dev/shm/") ||
	    starts(line->file, "/SYSV") || starts(line->file, "/dev/zero"))
		return RUN_SHARED;
	return RUN_FILE;
}

static bool promised(const struct run_sample *s)
{
	return !numaperf_nodemask_empty(&s->place->nodes) &&
	       s->place->policy != NUMAPERF_POLICY_PREFERRED;
}

/* What of a mapping is outside the nodes, into `worst` if it has most. */
static uint64_t stray_of(const struct run_sample *s, const struct numa_line *line,
			 struct run_stray *worst)
{
	uint64_t stray = 0, most = 0;
	int node = -1;

	for (size_t i = 0; i < line->count; i++) {
		if (numaperf_nodemask_test(&s->place->nodes, line->on[i].node))
			continue;
		stray += line->on[i].bytes;
		if (line->on[i].bytes > most) {
			most = line->on[i].bytes;
			node = line->on[i].node;
		}
	}
	if (stray <= worst->mapping_bytes)
		return stray;
	worst->mapping_bytes = stray;
	worst->address = line->start;
	worst->node = node;
	snprintf(worst->what, sizeof(worst->what), "%s",
		 line->file   ? line->file
		 : line->mark ? line->mark
			      : "anonymous");
	snprintf(worst->policy, sizeof(worst->policy), "%s", line->policy);
	return stray;
}

/* A process whose first thread has ended shows its memory through another. */
static char *read_maps(int pid)
{
	char *text = promise_slurp("/proc/%d/numa_maps", pid);
	const char *tid;
	DIR *dir;

	if (!text || *text)
		return text;
	dir = threads_of(pid);
	while ((tid = next_thread(dir)) && !(text && *text)) {
		free(text);
		text = promise_slurp("/proc/%d/task/%s/numa_maps", pid, tid);
	}
	if (dir)
		closedir(dir);
	return text;
}

static void look_at_memory(struct run_sample *s, struct run_process *p)
{
	struct run_stray worst = { .pid = p->pid };
	char *text = read_maps(p->pid), *at, *save;
	struct numa_line line;

	if (!text && (errno == EACCES || errno == EPERM))
		s->refused = errno;
	if (!text || !*text) {
		free(text);
		return;
	}
	p->seen = true;
	memset(&p->now, 0, sizeof(p->now));
	for (at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		enum run_kind kind;

		if (!numa_line_parse(at, &line))
			continue;
		kind = kind_of(&line);
		for (size_t i = 0; i < line.count; i++)
			p->now.on[kind][line.on[i].node] += line.on[i].bytes;
		if (promised(s) && kind != RUN_FILE)
			worst.bytes += stray_of(s, &line, &worst);
	}
	free(text);
	if (worst.bytes > s->stray.bytes) {
		memcpy(worst.comm, p->comm, sizeof(worst.comm));
		s->stray = worst;
	}
}

/* ---- threads ---- */

/* Its name, and the CPU that it last ran on: fields 2 and 39 of stat, proc(5). -1: unknown. */
static int last_cpu(int pid, const char *tid, char *comm, size_t size)
{
	char *text = promise_slurp("/proc/%d/task/%s/stat", pid, tid);
	char *open = text ? strchr(text, '(') : NULL, *at = text ? strrchr(text, ')') : NULL;
	int cpu = -1, field = 2;

	if (open && at) {
		snprintf(comm, size, "%.*s", (int)(at - open - 1), open + 1);
		while (field < 39 && (at = strchr(at + 1, ' ')))
			field++;
		if (at)
			cpu = atoi(at + 1);
	}
	free(text);
	return cpu;
}

/* Whether its affinity goes beyond the CPUs asked for; `list` is then what it is. */
static bool is_widened(const struct run_sample *s, int pid, const char *tid, char *list,
		       size_t size)
{
	static const char key[] = "\nCpus_allowed_list:";
	char *text = promise_slurp("/proc/%d/task/%s/status", pid, tid);
	char *at = text ? strstr(text, key) : NULL;
	struct numaperf_cpuset allowed;
	bool widened = false;

	if (at) {
		at += strlen(key);
		at += strspn(at, " \t");
		at[strcspn(at, "\n")] = '\0';
		widened = !numaperf_cpuset_parse(&allowed, at) &&
			  !numaperf_cpuset_subset(&allowed, &s->place->cpus);
		snprintf(list, size, "%s", at);
	}
	free(text);
	return widened;
}

static void look_at_thread(struct run_sample *s, struct run_process *p, const char *tid)
{
	struct run_thread t = { .tid = atoi(tid), .cpu = -1 };
	int cpu = last_cpu(p->pid, tid, t.comm, sizeof(t.comm)), node;
	bool outside, widened;

	if (cpu < 0)
		return;
	if (t.tid == p->pid)
		memcpy(p->comm, t.comm, sizeof(p->comm));
	s->thread_looks++;
	node = numaperf_topology_cpu_node(s->topo, cpu);
	if (node >= 0)
		s->thread_on[node]++;
	if (!s->place->has_cpus)
		return;
	widened = is_widened(s, p->pid, tid, t.allowed, sizeof(t.allowed));
	outside = !numaperf_cpuset_test(&s->place->cpus, cpu);
	s->widened += widened;
	s->outside += outside;
	if (outside)
		t.cpu = cpu;
	if ((outside || widened) && !s->evidence.tid)
		s->evidence = t;
}

/* ---- looking ---- */

/* Its threads, its children, and its memory. 0 or -ENOMEM. */
static int look(struct run_sample *s, size_t nth)
{
	int pid = s->process[nth].pid, err = 0;
	DIR *dir = threads_of(pid);
	const char *tid;

	if (!dir) {
		s->process[nth].gone = true;
		return 0;
	}
	while ((tid = next_thread(dir)) && !err) {
		look_at_thread(s, &s->process[nth], tid);
		err = add_children(s, pid, tid); /* the list may move */
	}
	closedir(dir);
	look_at_memory(s, &s->process[nth]);
	return err;
}

/* Of all processes that are there: the present is a candidate for the peak. */
static void sum_up(struct run_sample *s)
{
	memset(&s->last, 0, sizeof(s->last));
	for (size_t i = 0; i < s->processes; i++)
		for (int kind = 0; kind < RUN_KINDS; kind++)
			for (int node = 0; node < NUMAPERF_NODES_MAX; node++)
				s->last.on[kind][node] += s->process[i].now.on[kind][node];
	for (int kind = 0; kind < RUN_KINDS; kind++)
		for (int node = 0; node < NUMAPERF_NODES_MAX; node++)
			if (s->last.on[kind][node] > s->peak.on[kind][node])
				s->peak.on[kind][node] = s->last.on[kind][node];
}

/* Those that have ended, but the command: their memory is nowhere any more. */
static void forget(struct run_sample *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->processes; i++)
		if (!s->process[i].gone || s->process[i].root)
			s->process[kept++] = s->process[i];
	s->processes = kept;
}

int run_sample_begin(struct run_sample *s, int pid)
{
	return add(s, pid, true);
}

int run_sample_look(struct run_sample *s)
{
	int err = 0;

	/* the list grows while children, and theirs, are found */
	for (size_t i = 0; i < s->processes && !err; i++)
		if (!s->process[i].gone)
			err = look(s, i);
	s->looks++;
	forget(s);
	sum_up(s);
	return err;
}

int run_sample_last(struct run_sample *s, int pid)
{
	int err = add(s, pid, false);
	struct run_process *p = err ? NULL : find(s, pid);
	bool seen;

	if (!p)
		return err;
	seen = p->seen;
	p->seen = false;
	err = look(s, (size_t)(p - s->process));
	p = find(s, pid);
	if (p) {
		p->last = p->seen;
		p->seen |= seen;
	}
	s->looks++;
	sum_up(s);
	if (p)
		p->gone = true;
	forget(s);
	return err;
}

const struct run_process *run_sample_root(const struct run_sample *s)
{
	return &s->process[0];
}

void run_sample_free(struct run_sample *s)
{
	free(s->process);
}
