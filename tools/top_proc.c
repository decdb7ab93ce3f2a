/* SPDX-License-Identifier: MIT */
#include "top_proc.h"
#include "numa_line.h"
#include "promise.h"
#include "top_clean.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
/* A memory map is read again after so many times what it cost: half a per cent of the time. */
#define COST_SHARE 200
#define AGAIN_NS   (2 * SECOND) /* and not before */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static char *slurp_of(const struct top_procs *procs, int pid, const char *file)
{
	return promise_slurp("%s/proc/%d/%s", procs->root, pid, file);
}

/* ---- one process ---- */

struct stat_line {
	char comm[16], state;
	int ppid;
	unsigned int flags, threads;
	unsigned long long born;
};

/* proc_pid_stat(5): pid (comm) state ppid ...; comm may hold anything: from its last bracket.
 */
static bool parse_stat(const char *text, struct stat_line *out)
{
	const char *open = text ? strchr(text, '(') : NULL;
	const char *close = text ? strrchr(text, ')') : NULL;
	size_t length;

	if (!open || !close || close < open)
		return false;
	memset(out, 0, sizeof(*out));
	length = (size_t)(close - open - 1);
	memcpy(out->comm, open + 1, length < 15 ? length : 15);
	top_clean(out->comm);
	return sscanf(close + 1,
		      " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u "
		      "%*d %llu",
		      &out->state, &out->ppid, &out->flags, &out->threads, &out->born) == 5;
}

static bool read_stat(const struct top_procs *procs, int pid, struct stat_line *line)
{
	char *text = slurp_of(procs, pid, "stat");
	bool ok = parse_stat(text, line) && line->state != 'X' && line->state != 'Z';

	free(text);
	return ok;
}

/* Arguments are ended by zeros; blanks are kept apart well enough by one blank each. */
static char *read_command(const struct top_procs *procs, int pid)
{
	char path[256], text[4096];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/cmdline", procs->root, pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	while (n && !text[n - 1])
		n--;
	if (!n)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	return top_clean_copy(text, n);
}

/* cgroups(7): "0::/path"; with v1 alone, the hierarchy of the systemd or the first. */
static char *read_cgroup(const struct top_procs *procs, int pid)
{
	char *text = slurp_of(procs, pid, "cgroup"), *path = NULL, *line, *save;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *second = strchr(line, ':'),
		     *third = second ? strchr(second + 1, ':') : NULL;
		bool unified = !strncmp(line, "0::", 3);

		if (!third || (path && !unified && strncmp(second, ":name=systemd:", 14)))
			continue;
		if (unified && path && !third[2])
			continue; /* a v2 mount beside v1, unused */
		free(path);
		path = top_clean_copy(third + 1, 1024);
	}
	free(text);
	return path;
}

static int read_uid(const struct top_procs *procs, int pid)
{
	char *text = slurp_of(procs, pid, "status");
	const char *line = text ? strstr(text, "\nUid:") : NULL;
	int uid = line ? atoi(line + 5) : -1;

	free(text);
	return uid;
}

static void fill(struct top_procs *procs, struct top_proc *p, const struct stat_line *line)
{
	p->life = ++procs->lives;
	p->ppid = line->ppid;
	p->threads = line->threads;
	p->born = line->born;
	memcpy(p->comm, line->comm, sizeof(p->comm));
	p->kernel = line->flags & 0x00200000; /* PF_KTHREAD, include/linux/sched.h */
	p->uid = p->kernel ? 0 : read_uid(procs, p->pid);
	p->command = p->kernel ? NULL : read_command(procs, p->pid);
	p->cgroup = read_cgroup(procs, p->pid);
}

static void empty(struct top_proc *p)
{
	free(p->command);
	free(p->cgroup);
	free(p->resident);
	free(p->ended_ns_on);
}

/* ---- the table ---- */

static struct top_proc **bucket(struct top_procs *procs, int pid)
{
	return &procs->hash[(unsigned int)pid % 1024];
}

struct top_proc *top_procs_find(const struct top_procs *procs, int pid)
{
	struct top_proc *p = procs->hash[(unsigned int)pid % 1024];

	while (p && p->pid != pid)
		p = p->next;
	return p;
}

/* A program that was started in it is another command; a later process another altogether. */
static void check(struct top_procs *procs, struct top_proc *p, uint64_t now_ns)
{
	struct stat_line line;

	p->checked_ns = now_ns;
	if (!read_stat(procs, p->pid, &line)) {
		p->gone = true;
		return;
	}
	if (line.born == p->born && !strcmp(line.comm, p->comm)) {
		p->ppid = line.ppid;
		p->threads = line.threads;
		if (++p->checks % 6 == 0) { /* to be moved to another is rare */
			free(p->cgroup);
			p->cgroup = read_cgroup(procs, p->pid);
		}
		return;
	}
	if (line.born != p->born) {
		memset(&p->ended, 0, sizeof(p->ended));
		if (p->ended_ns_on)
			memset(p->ended_ns_on, 0, procs->nodes * sizeof(*p->ended_ns_on));
		p->violations = 0;
		p->candidate = false;
	}
	free(p->command);
	free(p->cgroup);
	free(p->resident);
	p->resident = NULL;
	p->due_ns = 0;
	fill(procs, p, &line);
}

static struct top_proc *enter(struct top_procs *procs, int pid)
{
	struct top_proc *p = calloc(1, sizeof(*p)), **at = bucket(procs, pid);

	if (p)
		p->ended_ns_on =
			calloc(procs->nodes ? procs->nodes : 1, sizeof(*p->ended_ns_on));
	if (!p || !p->ended_ns_on) {
		free(p);
		return NULL;
	}
	p->pid = pid;
	p->seen = true;
	p->next = *at;
	*at = p;
	procs->count++;
	return p;
}

struct top_proc *top_procs_see(struct top_procs *procs, int pid, uint64_t now_ns)
{
	struct top_proc *p = top_procs_find(procs, pid);
	struct stat_line line;

	if (p) {
		/* not all in the same round */
		if (!p->gone && now_ns - p->checked_ns > 5 * SECOND)
			check(procs, p, now_ns - (uint64_t)pid % 16 * (SECOND / 8));
		p->seen = true;
		return p;
	}
	if (!read_stat(procs, pid, &line))
		return NULL;
	p = enter(procs, pid);
	if (!p)
		return NULL;
	p->checked_ns = now_ns;
	fill(procs, p, &line);
	return p;
}

struct top_proc *top_procs_see_ended(struct top_procs *procs, int pid, const char *comm)
{
	struct top_proc *p = enter(procs, pid);

	if (!p)
		return NULL;
	p->life = ++procs->lives;
	p->ppid = p->uid = -1;
	p->gone = true;
	snprintf(p->comm, sizeof(p->comm), "%s", comm);
	return p;
}

int top_procs_see_all(struct top_procs *procs, uint64_t now_ns)
{
	char path[256];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", procs->root);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]))
			top_procs_see(procs, atoi(e->d_name), now_ns);
	closedir(dir);
	return 0;
}

void top_procs_forget(struct top_procs *procs)
{
	procs->denied = 0;
	for (size_t i = 0; i < 1024; i++) {
		struct top_proc **at = &procs->hash[i], *p;

		while ((p = *at)) {
			if (p->seen) {
				p->seen = false;
				procs->denied += p->denied;
				at = &p->next;
				continue;
			}
			*at = p->next;
			empty(p);
			free(p);
			procs->count--;
		}
	}
}

void top_procs_free(struct top_procs *procs)
{
	for (size_t i = 0; i < 1024; i++)
		for (struct top_proc *p = procs->hash[i], *next; p; p = next) {
			next = p->next;
			empty(p);
			free(p);
		}
	memset(procs->hash, 0, sizeof(procs->hash));
	procs->count = 0;
}

/* ---- memory ---- */

static int position(const struct top_procs *procs, int id)
{
	for (size_t i = 0; i < procs->nodes; i++)
		if (procs->node_id[i] == id)
			return (int)i;
	return -1;
}

/* By position rather than by id. */
static bool parse_numa_line(const struct top_procs *procs, char *line, struct numa_line *out,
			    uint64_t *resident)
{
	if (!numa_line_parse(line, out))
		return false;
	memset(resident, 0, procs->nodes * sizeof(*resident));
	for (size_t i = 0; i < out->count; i++) {
		int at = position(procs, out->on[i].node);

		if (at >= 0)
			resident[at] = out->on[i].bytes;
	}
	return true;
}

static void read_memory(struct top_procs *procs, struct top_proc *p, uint64_t now_ns,
			bool often)
{
	uint64_t began = now(), cost, one[NUMAPERF_NODES_MAX];
	char *text = slurp_of(procs, p->pid, "numa_maps"), *line, *save;
	int err = errno;
	struct numa_line n;

	if (text && !p->resident)
		p->resident = calloc(procs->nodes ? procs->nodes : 1, sizeof(*p->resident));
	if (text && p->resident)
		memset(p->resident, 0, procs->nodes * sizeof(*p->resident));
	for (line = text && p->resident ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!parse_numa_line(procs, line, &n, one))
			continue;
		for (size_t i = 0; i < procs->nodes; i++)
			p->resident[i] += one[i];
		p->candidate |= !strncmp(n.policy, "bind", 4);
	}
	if (!text) {
		free(p->resident);
		p->resident = NULL;
		p->denied = err == EACCES || err == EPERM;
	}
	free(text);
	cost = now() - began;
	p->resident_ns = now_ns;
	p->due_ns = now_ns + (often ? cost * COST_SHARE / 10 : cost * COST_SHARE);
	if (!often && p->due_ns < now_ns + AGAIN_NS)
		p->due_ns = now_ns + AGAIN_NS;
}

/* Who has waited longest. */
static struct top_proc *most_due(const struct top_procs *procs, uint64_t now_ns)
{
	struct top_proc *most = NULL;

	for (size_t i = 0; i < 1024; i++)
		for (struct top_proc *p = procs->hash[i]; p; p = p->next)
			if (!p->kernel && !p->gone && p->due_ns <= now_ns &&
			    (!most || p->due_ns < most->due_ns))
				most = p;
	return most;
}

void top_procs_read_memory(struct top_procs *procs, int first, uint64_t now_ns,
			   uint64_t budget_ns)
{
	struct top_proc *p = first ? top_procs_find(procs, first) : NULL;
	uint64_t end = now() + budget_ns;

	if (p && !p->kernel && p->due_ns <= now_ns)
		read_memory(procs, p, now_ns, true);
	while (now() < end && (p = most_due(procs, now_ns)))
		read_memory(procs, p, now_ns, false);
}

/* ---- regions ---- */

/* maps has the ends, and names that numa_maps has not. Both ascend. */
static char *find_in_maps(char *maps, uint64_t start, uint64_t *end, const char **name)
{
	char *line = maps;

	while (line && *line) {
		char *next = strchr(line, '\n'), *p;
		uint64_t from = strtoull(line, &p, 16);

		if (from == start && *p == '-') {
			*end = strtoull(p + 1, NULL, 16);
			if (next)
				*next = '\0';
			/* address perms offset dev inode, then the name */
			for (int i = 0; i < 5 && p; i++) {
				p = strchr(p, ' ');
				p = p ? p + strspn(p, " ") : NULL;
			}
			*name = p ? p : "";
			return next ? next + 1 : line + strlen(line);
		}
		if (from > start)
			return line;
		line = next ? next + 1 : NULL;
	}
	return line;
}

static int add_region(struct top_frame *frame, const struct numa_line *n, uint64_t end,
		      const char *name, const uint64_t *resident)
{
	struct top_region *r = top_frame_add_region(frame);

	if (!r)
		return -ENOMEM;
	r->start = n->start;
	r->end = end ? end : n->start;
	r->page_size = n->page_size;
	memcpy(r->resident, resident, frame->nodes * sizeof(*resident));
	r->policy = top_clean_copy(n->policy, 64);
	r->name = top_clean_copy(*name	   ? name
				 : n->file ? n->file
				 : n->mark ? n->mark
					   : "",
				 4096);
	return r->policy && r->name ? 0 : -ENOMEM;
}

int top_proc_regions(const struct top_procs *procs, int pid, struct top_frame *frame)
{
	char *text = slurp_of(procs, pid, "numa_maps"), *maps, *at, *line, *save;
	uint64_t resident[NUMAPERF_NODES_MAX];
	struct numa_line n;
	int err = 0;

	frame->regions_pid = pid;
	if (!text) {
		err = errno;
		if (asprintf(&frame->regions_error, "/proc/%d/numa_maps: %s%s", pid,
			     strerror(err),
			     err == EACCES || err == EPERM
				     ? ": needs CAP_SYS_PTRACE, or its owner"
			     : err == ENOENT ? " (it has ended, or a kernel without "
					       "CONFIG_NUMA)"
					     : "") < 0)
			frame->regions_error = NULL;
		return 0;
	}
	at = maps = slurp_of(procs, pid, "maps");
	for (line = strtok_r(text, "\n", &save); line && !err;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *name = "";
		uint64_t end = 0;

		if (!parse_numa_line(procs, line, &n, resident))
			continue;
		at = at ? find_in_maps(at, n.start, &end, &name) : NULL;
		err = add_region(frame, &n, end, name, resident);
	}
	free(text);
	free(maps);
	return err;
}

/* ---- nodes ---- */

static uint64_t meminfo_of(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;

	return at ? strtoull(at + strlen(key), NULL, 10) << 10 : TOP_NONE;
}

static uint64_t one_number(const char *root, int node, const char *folder, const char *file)
{
	char *text = promise_slurp("%s/sys/devices/system/node/node%d/hugepages/%s/%s", root,
				   node, folder, file);
	uint64_t n = text ? strtoull(text, NULL, 10) : 0;

	free(text);
	return n;
}

/* Of all sizes; meminfo has the default size only. */
static void read_huge(const struct top_procs *procs, struct top_node *node)
{
	char path[256];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/devices/system/node/node%d/hugepages", procs->root,
		 node->id);
	dir = opendir(path);
	if (!dir)
		return;
	node->huge_total = node->huge_free = 0;
	while ((e = readdir(dir))) {
		uint64_t kb;

		if (sscanf(e->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		node->huge_total += (kb << 10) * one_number(procs->root, node->id, e->d_name,
							    "nr_hugepages");
		node->huge_free += (kb << 10) * one_number(procs->root, node->id, e->d_name,
							   "free_hugepages");
	}
	closedir(dir);
}

static void read_memory_of(const struct top_procs *procs, struct top_node *node)
{
	char *text = promise_slurp("%s/sys/devices/system/node/node%d/meminfo", procs->root,
				   node->id);

	node->mem_total = meminfo_of(text, "MemTotal:");
	node->mem_free = meminfo_of(text, "MemFree:");
	node->mem_file = meminfo_of(text, "FilePages:");
	node->mem_anon = meminfo_of(text, "AnonPages:");
	free(text);
	read_huge(procs, node);
}

/* proc_stat(5): cpuN user nice system idle iowait irq softirq steal guest guest_nice; guests
 * are in user already. */
static void read_cpus(const struct top_procs *procs, const struct numaperf_topology *topo,
		      struct top_frame *frame)
{
	char *text = promise_slurp("%s/proc/stat", procs->root), *line, *save;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned long long t[8] = { 0 };
		struct top_node *node;
		uint64_t all = 0;
		int cpu, at;

		if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &t[0],
			   &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) < 5 ||
		    line[3] == ' ')
			continue;
		at = top_frame_node(frame, numaperf_topology_cpu_node(topo, cpu));
		if (at < 0)
			continue;
		node = &frame->node[at];
		for (int i = 0; i < 8; i++)
			all += t[i];
		if (node->cpu_all == TOP_NONE)
			node->cpu_all = node->cpu_busy = 0;
		node->cpu_all += all;
		node->cpu_busy += all - t[3] - t[4];
		node->cpus++;
	}
	free(text);
}

void top_read_nodes(const struct top_procs *procs, const struct numaperf_topology *topo,
		    struct top_frame *frame)
{
	for (size_t i = 0; i < frame->nodes; i++)
		read_memory_of(procs, &frame->node[i]);
	read_cpus(procs, topo, frame);
}

/* ---- containers ---- */

/* A run of 64 hexadecimal digits, as Docker, Podman, containerd and CRI-O name theirs. */
static const char *long_id(const char *path)
{
	size_t run = 0;

	for (const char *p = path;; p++) {
		bool hex = isdigit((unsigned char)*p) || (*p >= 'a' && *p <= 'f');

		if (!hex && run == 64)
			return p - 64;
		run = hex ? run + 1 : 0;
		if (!*p)
			return NULL;
	}
}

/* The part behind `prefix`, up to a slash or `suffix`. */
static char *named(const char *path, const char *prefix, const char *suffix)
{
	const char *at = strstr(path, prefix), *end;
	size_t length;

	if (!at)
		return NULL;
	at += strlen(prefix);
	length = strcspn(at, "/");
	end = suffix ? strstr(at, suffix) : NULL;
	if (suffix && (!end || end > at + length))
		return NULL;
	return length ? strndup(at, end ? (size_t)(end - at) : length) : NULL;
}

char *top_container_of(const char *cgroup)
{
	const char *id = cgroup ? long_id(cgroup) : NULL;
	char *name;

	if (!cgroup)
		return NULL;
	if (id)
		return strndup(id, 12);
	name = named(cgroup, "/lxc.payload.", NULL); /* LXC, Incus */
	if (!name)
		name = named(cgroup, "/lxc/", NULL);
	if (!name)
		name = named(cgroup, "/machine-", ".scope"); /* systemd-nspawn */
	return name;
}
