// SPDX-License-Identifier: MIT
/* The one seam: system calls, files of /sys and /proc, threads, allocation. */
#include "sys.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <linux/prctl.h>
#include <numaif.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef __NR_set_mempolicy_home_node
# define __NR_set_mempolicy_home_node 450 /* the same number on every architecture */
#endif

#ifndef PR_SET_VMA
# define PR_SET_VMA	      0x53564d41 /* Linux 5.17 */
# define PR_SET_VMA_ANON_NAME 0
#endif

/* The libc's -1 and errno as one number. */
static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

#define RETRY(call) \
 ({ \
long r_; \
do \
r_ = (call); \
while (r_ < 0 && errno == EINTR); \
result(r_); \
 })

/* ---- descriptors that are no files ---- */

static int real_map_fd(void **out, int fd, size_t length, bool writable)
{
	void *p =
		mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*out = p;
	return 0;
}

static int real_write(int fd, const void *buf, size_t size)
{
	return RETRY(write(fd, buf, MIN(size, (size_t)INT_MAX)));
}

static int real_eventfd(void)
{
	return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/* A retried EINTR waits for what is left of the time. */
static int real_poll(struct pollfd *fds, unsigned int n, int timeout_ms)
{
	uint64_t end = np_clock_ns() + (uint64_t)MAX(timeout_ms, 0) * 1000000u;
	int left = timeout_ms, r;

	while ((r = result(poll(fds, n, left))) == -EINTR && timeout_ms > 0) {
		uint64_t now = np_clock_ns();

		left = now < end ? (int)((end - now + 999999) / 1000000) : 0;
	}
	return r == -EINTR ? 0 : r;
}

static int real_inode_at(int dir, const char *path, uint64_t *inode)
{
	struct stat st;

	if (fstatat(dir, path, &st, 0))
		return -errno;
	*inode = st.st_ino;
	return 0;
}

/* ---- memory ---- */

static int real_alloc(void **out, size_t size, size_t align)
{
	void *p;

	if (!align) {
		p = calloc(1, size);
	} else {
		if (size > SIZE_MAX - align)
			return -ENOMEM;
		p = aligned_alloc(align, ROUND_UP(size, align));
		if (p)
			memset(p, 0, size);
	}
	if (!p)
		return -ENOMEM;
	*out = p;
	return 0;
}

static int real_map(void **out, size_t length)
{
	void *p =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	*out = p;
	return 0;
}

/* Address space without access, which no memory is committed to: for guards, and to align. */
static int real_reserve(void **out, size_t length)
{
	void *p = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	*out = p;
	return 0;
}

static int map_nothing_away(void *addr, size_t length, int prot, int flags, int fd,
			    uint64_t offset)
{
	void *p = mmap(addr, length, prot, flags | MAP_FIXED_NOREPLACE, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	if (p == addr)
		return 0;
	munmap(p, length); /* before Linux 4.17 the address is a mere hint */
	return -EEXIST;
}

static int real_reserve_at(void *addr, size_t length)
{
	return map_nothing_away(addr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int real_map_at(void *addr, size_t length, int flags, int fd, uint64_t offset)
{
	return map_nothing_away(addr, length, PROT_READ | PROT_WRITE, flags, fd, offset);
}

static int real_move_mapping(void *from, size_t length, void *to, bool keep)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);

	return mremap(from, length, length, flags, to) == MAP_FAILED ? -errno : 0;
}

static int real_name_mapping(void *addr, size_t length, const char *name)
{
	return result(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, addr, length, name));
}

static int real_file_info(int fd, struct np_file_info *info)
{
	struct stat st;
	struct statfs fs;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	*info = (struct np_file_info){
		.size = (uint64_t)st.st_size,
		.regular = S_ISREG(st.st_mode),
		.memory = fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC,
		.huge_page = fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : 0,
	};
	return 0;
}

static int real_protect(void *addr, size_t length, int prot)
{
	return result(mprotect(addr, length, prot));
}

static int real_unmap(void *addr, size_t length)
{
	return result(munmap(addr, length));
}

/*
 * MS_ASYNC does nothing since Linux 2.6.19 but walk the mappings and answer ENOMEM for a hole
 * (mm/msync.c): the cheapest question about a range that changes nothing.
 */
static int real_mapped(const void *addr, size_t length)
{
	return result(msync((void *)addr, length, MS_ASYNC));
}

static int real_madvise(void *addr, size_t length, int advice)
{
	return RETRY(madvise(addr, length, advice));
}

/* By number: the sanitizers replace the libc's by functions that do nothing. */
static int real_mlock(const void *addr, size_t length)
{
	return result(syscall(SYS_mlock, addr, length));
}

static int real_mlock_on_fault(const void *addr, size_t length)
{
	return result(syscall(SYS_mlock2, addr, length, MLOCK_ONFAULT));
}

static int real_munlock(const void *addr, size_t length)
{
	return result(syscall(SYS_munlock, addr, length));
}

/* ---- memory policy ---- */

/*
 * The kernel decrements maxnode before it uses it (get_nodes() in mm/mempolicy.c), so bits + 1
 * is what passes them all. An empty mask goes as NULL, 0: DEFAULT and LOCAL refuse any other.
 */
static const unsigned long *nodes_arg(const uint64_t *nodes, unsigned int nwords,
				      unsigned long *maxnode)
{
	_Static_assert(sizeof(unsigned long) == sizeof(uint64_t), "64-bit Linux only");
	*maxnode = nodes ? nwords * 64UL + 1 : 0;
	return (const unsigned long *)nodes;
}

static int real_mbind(void *addr, size_t length, int policy, const uint64_t *nodes,
		      unsigned int nwords, unsigned int flags)
{
	unsigned long maxnode;
	const unsigned long *mask = nodes_arg(nodes, nwords, &maxnode);

	return result(mbind(addr, length, policy, mask, maxnode, flags));
}

static int real_set_mempolicy(int policy, const uint64_t *nodes, unsigned int nwords)
{
	unsigned long maxnode;
	const unsigned long *mask = nodes_arg(nodes, nwords, &maxnode);

	return result(set_mempolicy(policy, mask, maxnode));
}

static int real_get_mempolicy(int *policy, uint64_t *nodes, unsigned int nwords,
			      const void *addr, unsigned int flags)
{
	/* here maxnode is not decremented, and must reach nr_node_ids */
	return result(get_mempolicy(policy, (unsigned long *)nodes, nodes ? nwords * 64UL : 0,
				    (void *)addr, flags));
}

static int real_set_home_node(void *addr, size_t length, int node)
{
	return result(syscall(__NR_set_mempolicy_home_node, addr, length, node, 0));
}

static int real_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			   int *status, int flags)
{
	return result(move_pages(pid, count, pages, nodes, status, flags));
}

static int real_migrate_pages(int pid, unsigned int nwords, const uint64_t *from,
			      const uint64_t *to)
{
	return result(migrate_pages(pid, nwords * 64UL + 1, (const unsigned long *)from,
				    (const unsigned long *)to));
}

/* ---- scheduling ---- */

static int real_sched_setaffinity(int tid, size_t size, const void *mask)
{
	return result(syscall(SYS_sched_setaffinity, tid, size, mask));
}

static int real_sched_getaffinity(int tid, size_t size, void *mask)
{
	return result(syscall(SYS_sched_getaffinity, tid, size, mask));
}

static int real_getcpu(unsigned int *cpu, unsigned int *node)
{
	return result(getcpu(cpu, node));
}

static int real_get_scheduler(int tid, int *priority)
{
	struct sched_param param;
	int policy = sched_getscheduler(tid);

	if (policy < 0 || sched_getparam(tid, &param))
		return -errno;
	*priority = param.sched_priority;
	return policy;
}

static int real_set_scheduler(int tid, int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return result(sched_setscheduler(tid, policy, &param));
}

/* ---- privilege ---- */

static int real_capget(uint64_t *effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	*effective = data[0].effective | (uint64_t)data[1].effective << 32;
	return 0;
}

/* Ambient ones go with the permitted ones (capabilities(7)). */
static int real_drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t mask = (uint32_t)(keep >> (32 * i));

		data[i].effective &= mask;
		data[i].permitted &= mask;
		data[i].inheritable &= mask;
	}
	return result(syscall(SYS_capset, &header, data));
}

/*
 * The initial user namespace has a fixed inode (PROC_USER_INIT_INO in include/linux/proc_ns.h,
 * since Linux 3.8). Its uid_map would not do: any other may have the same one.
 */
static int real_user_namespace(void)
{
	struct stat st;

	if (stat("/proc/thread-self/ns/user", &st))
		return -errno;
	return st.st_ino != 0xEFFFFFFDu;
}

/*
 * Not prctl(PR_GET_SECCOMP): a filter may kill it. /proc says it of the thread (proc(5)).
 */
static int real_seccomp_mode(void)
{
	int root = np_sys_real.open_root(NULL), r;
	const char *line;
	char *text;

	if (root < 0)
		return root;
	/* of any size: it lists the allowed CPUs */
	r = np_read_file(root, "proc/thread-self/status", &text, NULL);
	np_sys_real.close(root);
	if (r < 0)
		return r;
	line = strstr(text, "\nSeccomp:");
	if (line)
		r = (int)strtol(line + strlen("\nSeccomp:"), NULL, 10);
	np_free(text);
	return r;
}

static int real_memlock_limit(uint64_t *bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	*bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	return 0;
}

/*
 * `return 0` as a raw tracepoint program: needs what our programs need (CAP_BPF and
 * CAP_PERFMON, or CAP_SYS_ADMIN), and no BTF. Loading is the whole test; it is never attached.
 */
static int real_bpf_probe(void)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insns = (uintptr_t)program,
		.insn_cnt = ARRAY_SIZE(program),
		.license = (uintptr_t) "Dual MIT/GPL",
	};
	int fd = result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* ---- files ---- */

static int real_open_root(const char *root)
{
	if (!root || !*root)
		root = "/";
	return RETRY(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int real_open_at(int dir, const char *path)
{
	return RETRY(openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

static int real_read(int fd, void *buf, size_t size)
{
	return RETRY(read(fd, buf, size));
}

static int real_close(int fd)
{
	close(fd); /* Linux has freed the descriptor whatever it answers */
	return 0;
}

static int real_scan_at(int dir, const char *path, np_scan_fn fn, void *ctx)
{
	int fd = RETRY(openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), r = 0;
	const struct dirent *e;
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (!r) {
		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = fn(ctx, e->d_name);
	}
	closedir(d);
	return r;
}

/* ---- threads ---- */

static int real_thread_create(pthread_t *thread, size_t stack_size, void *(*fn)(void *),
			      void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	if (stack_size)
		err = pthread_attr_setstacksize(&attr, stack_size);
	if (!err) {
		/* inherited by the new thread, so that no signal can arrive in between */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		err = pthread_create(thread, &attr, fn, arg);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return -err;
}

static int real_thread_alive(int tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) ? -errno : 0;
}

static int real_thread_join(pthread_t thread)
{
	return -pthread_join(thread, NULL);
}

static int real_set_thread_name(const char *name)
{
	return result(prctl(PR_SET_NAME, name, 0, 0, 0));
}

static int real_futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
	struct timespec deadline;

	/* WAIT_BITSET takes an absolute time (CLOCK_MONOTONIC), so a retried EINTR does not
	 * start it anew */
	if (timeout_ns >= 0) {
		uint64_t end = np_clock_ns() + (uint64_t)timeout_ns;

		deadline.tv_sec = (time_t)(end / 1000000000u);
		deadline.tv_nsec = (long)(end % 1000000000u);
	}
	return RETRY(syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
			     timeout_ns >= 0 ? &deadline : NULL, NULL, FUTEX_BITSET_MATCH_ANY));
}

static int real_futex_wake(uint32_t *word, int n)
{
	return result(
		syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0));
}

const struct np_sys np_sys_real = {
#define FIELD(name, params, args) .name = real_##name,
	NP_SYS_CALLS(FIELD)
#undef FIELD
};

const struct np_sys *np_sys = &np_sys_real;

/* ---- on top of the table ---- */

void np_free(void *p)
{
	free(p);
}

int np_gettid(void)
{
	return (int)syscall(SYS_gettid);
}

int np_getpid(void)
{
	return getpid();
}

uint64_t np_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

size_t np_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Reads to the end of the file or of the room, whichever comes first. */
static int read_up_to(int fd, char *buf, size_t room)
{
	size_t have = 0;

	while (have < room) {
		int n = np_sys->read(fd, buf + have, room - have);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (int)have;
}

int np_read_small(int dir, const char *path, char *buf, size_t size)
{
	int fd = np_sys->open_at(dir, path), n;

	if (fd < 0)
		return fd;
	n = read_up_to(fd, buf, size);
	np_sys->close(fd);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EOVERFLOW;
	buf[n] = '\0';
	return n;
}

int np_read_file(int dir, const char *path, char **text, size_t *len)
{
	int fd = np_sys->open_at(dir, path);
	size_t room = 4096, have = 0;
	char *buf = NULL;
	int r;

	if (fd < 0)
		return fd;
	/* files of /proc have no size to ask for: double until the end is seen */
	for (;;) {
		void *larger = NULL;

		r = np_sys->alloc(&larger, room + 1, 0);
		if (r < 0)
			break;
		if (have)
			memcpy(larger, buf, have);
		np_free(buf);
		buf = larger;
		r = read_up_to(fd, buf + have, room - have);
		if (r < 0)
			break;
		have += (size_t)r;
		if (have < room)
			break;
		if (room > SIZE_MAX / 4 || room >= 1u << 30) {
			r = -EFBIG;
			break;
		}
		room *= 2;
	}
	np_sys->close(fd);
	if (r < 0) {
		np_free(buf);
		return r;
	}
	buf[have] = '\0';
	*text = buf;
	if (len)
		*len = have;
	return 0;
}

int np_read_number(int dir, const char *path, int64_t *value)
{
	char buf[64], *end;
	int n = np_read_small(dir, path, buf, sizeof(buf));
	long long v;

	if (n < 0)
		return n;
	errno = 0;
	v = strtoll(buf, &end, 10);
	if (end == buf || errno || (*end != '\0' && *end != '\n'))
		return -EINVAL;
	*value = v;
	return 0;
}
