/* SPDX-License-Identifier: MIT */
/*
 * Rank 1: the one seam to the kernel. Nothing else in the library makes a system call, reads
 * /sys or /proc, starts a thread or allocates: it goes through the table `np_sys`, so that a
 * test can replace any call, count it, or make the n-th one fail.
 *
 * Every call that can fail returns an int: a value >= 0, or -errno (errno itself means nothing
 * here). What a call produces comes through an out-parameter. All of them retry EINTR.
 */
#ifndef NP_SYS_H
#define NP_SYS_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called for each name in a folder but "." and ".."; non-zero ends the scan and is returned. */
typedef int (*np_scan_fn)(void *ctx, const char *name);

struct np_file_info {
	uint64_t size;
	bool regular;	  /* S_ISREG */
	bool memory;	  /* of tmpfs or ramfs-like shared memory, or hugetlbfs: has policies */
	size_t huge_page; /* hugetlbfs: its page size; else 0 */
};

/* clang-format off: it would fill the table's lines */
/*
 * X(name, (parameters), (arguments)): one line a call, so that the table, and any table that
 * wraps it, is generated.
 *
 *  alloc              zeroed memory, `align` 0 (malloc's) or a power of two; np_free() frees
 *  open_root          opens the folder that stands for / ("" or NULL: the machine's)
 *  open_at            opens a file for reading, relative to such a folder (no leading slash)
 *  read               read(2): short reads happen
 *  close              never fails for the caller
 *  scan_at            names in a folder; 0, what `fn` returned, or -errno
 *  map, unmap         anonymous private memory, read-write, MAP_NORESERVE not set
 *  reserve, protect   address space without access; mprotect
 *  reserve_at         the same at an address where nothing is mapped; -EEXIST
 *  map_at             memory at an address where nothing is mapped (-EEXIST), read-write:
 *                     flags of mmap(2), a descriptor or -1, its offset
 *  move_mapping       mremap(2) onto another place, which is overwritten; `keep`: where it was
 *                     stays mapped, empty
 *  name_mapping       PR_SET_VMA_ANON_NAME
 *  mlock_on_fault     mlock2(2) with MLOCK_ONFAULT
 *  file_info          what a descriptor is
 *  mapped             0, or -ENOMEM when the range has a hole
 *  mbind              nodes as 64-bit words, `nwords` of them (bits + 1 is passed: the
 *                     kernel takes one off)
 *  get_mempolicy      policy of the thread (addr NULL) or of the page's mapping, never
 *                     faulting in
 *  move_pages         nodes NULL: only asks; returns as the call (>= 0) or -errno
 *  sched_getaffinity  bytes written (the kernel's cpumask size) or -errno
 *  getcpu             CPU and node of this moment
 *  get_scheduler,
 *  set_scheduler      SCHED_OTHER, SCHED_FIFO, ... and priority, of a thread
 *  capget             effective capabilities of the calling thread, as a bit mask
 *  user_namespace     0: the initial one; 1: another
 *  seccomp_mode       0, or 2 when a filter is installed
 *  memlock_limit      RLIMIT_MEMLOCK, bytes; UINT64_MAX: unlimited
 *  bpf_probe          loads and drops a two-instruction tracing program
 *  thread_create      all signals blocked in the new thread; stack 0: the default
 *  thread_alive       0; -ESRCH: this process has no thread of that id
 *  thread_join        pthread_join
 *  set_thread_name    of the calling thread, cut to 15 bytes
 *  map_fd             the first `length` bytes behind a descriptor, shared
 *  write              write(2): short writes happen
 *  eventfd            a new one, non-blocking: readable when it was written to
 *  poll               poll(2); timeout_ms < 0: for ever; 0: time is up
 *  inode_at           a file's inode number (folders of cgroup v2: the cgroup's id; files
 *                     of /proc/PID/ns: the namespace)
 *  drop_capabilities  of the calling thread: effective, permitted, inheritable and ambient
 *                     ones that are not in `keep`
 *  futex_wait         sleeps while *word == value; timeout_ns < 0: for ever. -ETIMEDOUT,
 *                     -EAGAIN
 *  futex_wake         wakes up to n; how many it woke
 */
/* clang-format on */
#define NP_SYS_CALLS(X)                                                                       \
 X(alloc, (void **out, size_t size, size_t align), (out, size, align))                        \
 X(open_root, (const char *root), (root))                                                     \
 X(open_at, (int dir, const char *path), (dir, path))                                         \
 X(read, (int fd, void *buf, size_t size), (fd, buf, size))                                   \
 X(close, (int fd), (fd))                                                                     \
 X(scan_at, (int dir, const char *path, np_scan_fn fn, void *ctx), (dir, path, fn, ctx))      \
 X(map, (void **out, size_t length), (out, length))                                           \
 X(reserve, (void **out, size_t length), (out, length))                                       \
 X(protect, (void *addr, size_t length, int prot), (addr, length, prot))                      \
 X(unmap, (void *addr, size_t length), (addr, length))                                        \
 X(reserve_at, (void *addr, size_t length), (addr, length))                                   \
 X(map_at, (void *addr, size_t length, int flags, int fd, uint64_t offset),                   \
   (addr, length, flags, fd, offset))                                                         \
 X(move_mapping, (void *from, size_t length, void *to, bool keep), (from, length, to, keep))  \
 X(name_mapping, (void *addr, size_t length, const char *name), (addr, length, name))         \
 X(file_info, (int fd, struct np_file_info *info), (fd, info))                                \
 X(mapped, (const void *addr, size_t length), (addr, length))                                 \
 X(madvise, (void *addr, size_t length, int advice), (addr, length, advice))                  \
 X(mlock, (const void *addr, size_t length), (addr, length))                                  \
 X(mlock_on_fault, (const void *addr, size_t length), (addr, length))                         \
 X(munlock, (const void *addr, size_t length), (addr, length))                                \
 X(mbind,                                                                                     \
   (void *addr, size_t length, int policy, const uint64_t *nodes, unsigned int nwords,        \
    unsigned int flags),                                                                      \
   (addr, length, policy, nodes, nwords, flags))                                              \
 X(set_mempolicy, (int policy, const uint64_t *nodes, unsigned int nwords),                   \
   (policy, nodes, nwords))                                                                   \
 X(get_mempolicy,                                                                             \
   (int *policy, uint64_t *nodes, unsigned int nwords, const void *addr, unsigned int flags), \
   (policy, nodes, nwords, addr, flags))                                                      \
 X(set_home_node, (void *addr, size_t length, int node), (addr, length, node))                \
 X(move_pages,                                                                                \
   (int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags),    \
   (pid, count, pages, nodes, status, flags))                                                 \
 X(migrate_pages, (int pid, unsigned int nwords, const uint64_t *from, const uint64_t *to),   \
   (pid, nwords, from, to))                                                                   \
 X(sched_setaffinity, (int tid, size_t size, const void *mask), (tid, size, mask))            \
 X(sched_getaffinity, (int tid, size_t size, void *mask), (tid, size, mask))                  \
 X(getcpu, (unsigned int *cpu, unsigned int *node), (cpu, node))                              \
 X(get_scheduler, (int tid, int *priority), (tid, priority))                                  \
 X(set_scheduler, (int tid, int policy, int priority), (tid, policy, priority))               \
 X(capget, (uint64_t * effective), (effective))                                               \
 X(user_namespace, (void), ())                                                                \
 X(seccomp_mode, (void), ())                                                                  \
 X(memlock_limit, (uint64_t * bytes), (bytes))                                                \
 X(bpf_probe, (void), ())                                                                     \
 X(thread_create, (pthread_t * thread, size_t stack_size, void *(*fn)(void *), void *arg),    \
   (thread, stack_size, fn, arg))                                                             \
 X(thread_alive, (int tid), (tid))                                                            \
 X(thread_join, (pthread_t thread), (thread))                                                 \
 X(set_thread_name, (const char *name), (name))                                               \
 X(map_fd, (void **out, int fd, size_t length, bool writable), (out, fd, length, writable))   \
 X(write, (int fd, const void *buf, size_t size), (fd, buf, size))                            \
 X(eventfd, (void), ())                                                                       \
 X(poll, (struct pollfd * fds, unsigned int n, int timeout_ms), (fds, n, timeout_ms))         \
 X(inode_at, (int dir, const char *path, uint64_t *inode), (dir, path, inode))                \
 X(drop_capabilities, (uint64_t keep), (keep))                                                \
 X(futex_wait, (uint32_t * word, uint32_t value, int64_t timeout_ns),                         \
   (word, value, timeout_ns))                                                                 \
 X(futex_wake, (uint32_t * word, int n), (word, n))

struct np_sys {
#define NP_SYS_FIELD(name, params, args) int(*name) params;
	NP_SYS_CALLS(NP_SYS_FIELD)
#undef NP_SYS_FIELD
};

/* The kernel itself. */
extern const struct np_sys np_sys_real;

/* What the library calls: np_sys_real, until a test says otherwise (while no other thread is in
 * the library). */
extern const struct np_sys *np_sys;

/* ---- on top of the table; these cannot be replaced, only what they call ---- */

/* Frees what `alloc` gave; NULL does nothing. */
void np_free(void *p);

/* Cannot fail: ids and clock of the calling thread. */
int np_gettid(void);
int np_getpid(void);
uint64_t np_clock_ns(void);
size_t np_page_size(void);

/*
 * The whole file as text, with a NUL byte behind it that is not counted; *len may be NULL.
 * Freed by np_free(). Handles short reads and files of any size. 0 or -errno.
 */
int np_read_file(int dir, const char *path, char **text, size_t *len);

/* The same into a caller's buffer, terminated: the length, or -errno (-EOVERFLOW: too large).
 */
int np_read_small(int dir, const char *path, char *buf, size_t size);

/* A file that holds one number, decimal. 0 or -errno; -EINVAL: it does not. */
int np_read_number(int dir, const char *path, int64_t *value);

#endif
