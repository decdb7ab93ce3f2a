/* SPDX-License-Identifier: MIT */
/*
 * For the witness's programs: the kernel by raw system calls, not through the library that is
 * tested; and the helper, a child of another name that does to us what others would.
 */
#ifndef NP_WITNESS_KERNEL_H
#define NP_WITNESS_KERNEL_H

#include "prog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define PAGE 4096ul
#define HUGE (2ul << 20)

static inline _Noreturn void die(const char *what, ...)
{
	int err = errno;
	va_list ap;

	printf("died=");
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	printf(": %s; %s\n", strerror(err), numaperf_last_error()->message);
	exit(9);
}

static inline void need(bool ok, const char *what)
{
	if (!ok)
		die("%s", what);
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int my_tid(void)
{
	return (int)syscall(SYS_gettid);
}

/* ---- files ---- */

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return ok;
}

/* "key N" or "key: N kB" of a file; -1: not there. */
static inline long read_key(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(key);
	char line[512];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && strchr(" :\t", line[len]))
			value = atol(line + len + 1);
	if (f)
		fclose(f);
	return value;
}

static inline void balancing(const char *text)
{
	need(write_file("/proc/sys/kernel/numa_balancing", text), "numa_balancing");
}

/* ---- memory ---- */

static char *mapped; /* the newest of map() */
static size_t mapped_length;

static inline void unmap(void)
{
	if (mapped)
		munmap(mapped, mapped_length);
	mapped = NULL;
}

static inline char *map(size_t length, size_t align)
{
	char *p = mmap(NULL, length + align, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(p != MAP_FAILED, "mmap");
	mapped = p;
	mapped_length = length + align;
	p = (char *)(((uintptr_t)p + align - 1) / align * align);
	need(!madvise(p, length, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	return p;
}

static inline int raw_mbind(void *p, size_t length, int mode, int node, unsigned int flags)
{
	unsigned long mask = 1ul << node;

	return (int)syscall(SYS_mbind, p, length, mode, &mask, 65ul, flags);
}

/* Of this thread; -1: the default. */
static inline void raw_mempolicy(int node)
{
	unsigned long mask = node < 0 ? 0 : 1ul << node;

	need(!syscall(SYS_set_mempolicy, node < 0 ? MPOL_DEFAULT : MPOL_BIND,
		      node < 0 ? NULL : &mask, node < 0 ? 0ul : 65ul),
	     "set_mempolicy");
}

static inline void touch(char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((volatile char *)p)[i * PAGE] = 1;
}

/* move_pages(2), or asks where pages are (node -1): how many are on `on`, -1: not on it. */
static inline long raw_move(int pid, char *p, size_t pages, int node, int flags)
{
	static void *at[131072];
	static int to[131072], status[131072];

	need(pages <= 131072, "too many pages");
	for (size_t i = 0; i < pages; i++) {
		at[i] = p + i * PAGE;
		to[i] = node;
	}
	return syscall(SYS_move_pages, pid, pages, at, node < 0 ? NULL : to, status, flags);
}

static inline size_t pages_on(char *p, size_t pages, int node)
{
	void *at[256];
	int status[256];
	size_t n = 0, some;

	for (size_t done = 0; done < pages; done += some) {
		some = pages - done < 256 ? pages - done : 256;
		for (size_t i = 0; i < some; i++)
			at[i] = p + (done + i) * PAGE;
		need(!syscall(SYS_move_pages, 0, some, at, NULL, status, 0), "move_pages");
		for (size_t i = 0; i < some; i++)
			n += status[i] == node;
	}
	return n;
}

/* ---- CPUs ---- */

static inline void cpus_of(const struct numaperf_topology *topo, int node,
			   struct numaperf_cpuset *cpus)
{
	if (node < 0)
		numaperf_topology_online_cpus(topo, cpus);
	else
		need(!numaperf_topology_node_cpus(topo, node, cpus), "no such node");
}

static inline int raw_pin(int tid, const struct numaperf_cpuset *cpus)
{
	unsigned long bits[16];

	for (int i = 0; i < 16; i++)
		bits[i] = cpus->bits[i];
	return syscall(SYS_sched_setaffinity, tid, sizeof(bits), bits) < 0 ? -1 : 0;
}

/* ---- the helper ---- */

enum order_kind {
	ORDER_MIGRATE = 1,
	ORDER_MOVE,
	ORDER_PIN,
	ORDER_WRITE
};

struct order {
	enum order_kind kind;
	int id, from, to;
	char *addr;
	size_t pages;
	struct numaperf_cpuset cpus;
	char path[128], text[64];
};

struct helper {
	int pid, orders, answers;
	int *done; /* shared; 1: done */
};

static inline int obey(const struct order *o)
{
	unsigned long from = 1ul << o->from, to = 1ul << o->to;

	switch (o->kind) {
	case ORDER_MIGRATE:
		return syscall(SYS_migrate_pages, o->id, 65ul, &from, &to) < 0 ? errno : 0;
	case ORDER_MOVE:
		return raw_move(o->id, o->addr, o->pages, o->to, MPOL_MF_MOVE_ALL) ? errno : 0;
	case ORDER_PIN:
		return raw_pin(o->id, &o->cpus) ? errno : 0;
	case ORDER_WRITE:
		return write_file(o->path, o->text) ? 0 : errno;
	}
	return EINVAL;
}

/* Before anything else is there: a fork shares every page that there is. */
static inline struct helper helper_start(void)
{
	struct helper h;
	int orders[2], answers[2];
	struct order o;

	h.done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need(h.done != MAP_FAILED && !pipe(orders) && !pipe(answers), "helper");
	fflush(stdout);
	h.pid = fork();
	need(h.pid >= 0, "fork");
	if (!h.pid) {
		prctl(PR_SET_NAME, "np-culprit");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		while (read(orders[0], &o, sizeof(o)) == sizeof(o)) {
			int err = obey(&o);

			__atomic_store_n(h.done, 1, __ATOMIC_RELEASE);
			if (write(answers[1], &err, sizeof(err)) != sizeof(err))
				break;
		}
		_exit(0);
	}
	close(orders[0]);
	h.orders = orders[1];
	h.answers = answers[0];
	return h;
}

/* `spin`: this thread runs all the while. */
static inline void helper_do(struct helper *h, const struct order *o, bool spin)
{
	int err = EIO;

	*h->done = 0;
	need(write(h->orders, o, sizeof(*o)) == sizeof(*o), "helper");
	while (spin && !__atomic_load_n(h->done, __ATOMIC_ACQUIRE))
		;
	need(read(h->answers, &err, sizeof(err)) == sizeof(err), "helper");
	errno = err;
	need(!err, "the helper failed");
}

static inline void helper_write(struct helper *h, const char *path, const char *text, bool spin)
{
	struct order o = { .kind = ORDER_WRITE };

	snprintf(o.path, sizeof(o.path), "%s", path);
	snprintf(o.text, sizeof(o.text), "%s", text);
	helper_do(h, &o, spin);
}

#endif
