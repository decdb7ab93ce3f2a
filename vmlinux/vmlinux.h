/* SPDX-License-Identifier: MIT */
/*
 * The kernel types that bpf/ reads: only these, and of each only the fields that are read. The
 * programs are relocated (CO-RE) to the running kernel's own layout when they are loaded, so
 * neither order nor offsets matter here; names and kinds of types do, and vmlinux/check.py
 * holds them against a kernel's BTF. The same for every architecture.
 *
 * A type with a ___suffix is a flavour: the same kernel type, as another version has it.
 */
#ifndef NP_VMLINUX_H
#define NP_VMLINUX_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u32 u32;
typedef __u64 u64;
typedef _Bool bool;
enum { false = 0, true = 1 };

/* ---- user-space API: constants of bpf(2), which bpf_helpers.h expects to be here ---- */

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_MMAPABLE = 1024,
	BPF_F_FAST_STACK_CMP = 512,
	BPF_F_USER_STACK = 256,
};

/* What programs that take registers are given; read through the macros of bpf_tracing.h only. */
struct pt_regs;

/* ---- kernel types ---- */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[1];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
};

struct cpumask {
	unsigned long bits[1];
};

typedef struct cpumask cpumask_t;

struct thread_info {
	u32 cpu;
};

struct mm_struct;

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned int flags;
	int on_rq;
	cpumask_t cpus_mask;
	struct mm_struct *mm;
	int pid, tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	char comm[16];
	struct signal_struct *signal;
	struct css_set *cgroups;
};

struct mm_struct {
	struct task_struct *owner;
};

struct file;

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct page {
	unsigned long flags;
};

typedef struct {
	unsigned long f;
} memdesc_flags_t;

/* 6.18: page.flags is a struct of its own */
struct page___618 {
	memdesc_flags_t flags;
};

struct folio {
	unsigned int _folio_nr_pages; /* up to 6.14 */
};

struct folio___615 {
	unsigned int _nr_pages;
};

/* Since 6.2 (kernel/sched/sched.h); before, the mask and flags are arguments. */
struct affinity_context {
	const struct cpumask *new_mask;
	struct cpumask *user_mask;
	unsigned int flags;
};

/* Since 6.12 (mm/migrate.c); before, remove_migration_pte() is given the old folio itself. */
struct rmap_walk_arg {
	struct folio *folio;
};

struct ctl_table;
struct linux_binprm;

/* How pages are laid out: user space works out NODES_SHIFT from these two. */
struct zoneref {
	int zone_idx;
};

struct zonelist {
	struct zoneref _zonerefs[1];
};

#pragma clang attribute pop

enum pageflags {
	PG_head = 6,
};

enum cpuhp_state {
	CPUHP_AP_ACTIVE = 200,
	CPUHP_ONLINE = 201,
};

enum migrate_reason {
	MR_COMPACTION,
	MR_MEMORY_FAILURE,
	MR_MEMORY_HOTPLUG,
	MR_SYSCALL,
	MR_MEMPOLICY_MBIND,
	MR_NUMA_MISPLACED,
	MR_CONTIG_RANGE,
	MR_LONGTERM_PIN,
	MR_DEMOTION,
};

/* since 6.11 */
enum migrate_reason___611 {
	MR_DAMON___611 = 9,
};

enum scan_result {
	SCAN_FAIL,
	SCAN_SUCCEED,
};

enum zone_type {
	__MAX_NR_ZONES = 5,
};

#endif
