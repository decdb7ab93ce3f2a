// SPDX-License-Identifier: MIT
/* Which programs put a metric on which rung. */
#include "hook_ladder.h"
#include "hook_table.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>

const struct np_program np_programs[NP_PROG_COUNT] = {
	[NP_PROG_SCHED_SWITCH] = { "np_sched_switch", "tp_btf/sched_switch" },
	[NP_PROG_SCHED_MIGRATE_TASK] = { "np_sched_migrate_task", "tp_btf/sched_migrate_task" },
	[NP_PROG_SCHED_MOVE_NUMA] = { "np_sched_move_numa", "tp_btf/sched_move_numa" },
	[NP_PROG_SCHED_SWAP_NUMA] = { "np_sched_swap_numa", "tp_btf/sched_swap_numa" },
	[NP_PROG_SCHED_WAKING] = { "np_sched_waking", "tp_btf/sched_waking" },
	[NP_PROG_FORK] = { "np_sched_process_fork", "tp_btf/sched_process_fork" },
	[NP_PROG_EXEC] = { "np_sched_process_exec", "tp_btf/sched_process_exec" },
	[NP_PROG_EXIT] = { "np_sched_process_exit", "tp_btf/sched_process_exit" },
	[NP_PROG_RENAME] = { "np_task_rename", "tp_btf/task_rename" },
	[NP_PROG_NEW_ANON] = { "np_new_anon", "fentry/folio_add_new_anon_rmap",
			       .reads_pages = true },
	[NP_PROG_NEW_ANON_61] = { "np_new_anon_61", "fentry/page_add_new_anon_rmap",
				  .reads_pages = true },
	[NP_PROG_NEW_HUGETLB] = { "np_new_hugetlb", "fentry/hugetlb_add_new_anon_rmap",
				  .reads_pages = true },
	[NP_PROG_NEW_HUGETLB_61] = { "np_new_hugetlb_61", "fentry/hugepage_add_new_anon_rmap",
				     .reads_pages = true },
	[NP_PROG_FILE_PTES] = { "np_file_ptes", "fentry/folio_add_file_rmap_ptes",
				.reads_pages = true },
	[NP_PROG_FILE_PMD] = { "np_file_pmd", "fentry/folio_add_file_rmap_pmd",
			       .reads_pages = true },
	[NP_PROG_FILE_61] = { "np_file_61", "fentry/page_add_file_rmap", .reads_pages = true },
	[NP_PROG_PAGE_ALLOC] = { "np_page_alloc", "tp_btf/mm_page_alloc", .reads_pages = true },
	[NP_PROG_NUMA_FAULT] = { "np_numa_fault", "fentry/task_numa_fault" },
	[NP_PROG_MIGRATE_START] = { "np_migrate_start", "tp_btf/mm_migrate_pages_start" },
	[NP_PROG_MIGRATE_END] = { "np_migrate_end", "tp_btf/mm_migrate_pages" },
	[NP_PROG_DO_MIGRATE] = { "np_do_migrate_pages", "fentry/do_migrate_pages" },
	[NP_PROG_DID_MIGRATE] = { "np_did_migrate_pages", "fexit/do_migrate_pages" },
	[NP_PROG_PAGE_ARRIVES] = { "np_page_arrives", "fentry/remove_migration_pte",
				   .reads_pages = true },
	[NP_PROG_PTE_ARRIVES] = { "np_pte_arrives", "tp_btf/remove_migration_pte" },
	[NP_PROG_PMD_ARRIVES] = { "np_pmd_arrives", "tp_btf/remove_migration_pmd" },
	[NP_PROG_COLLAPSE_BEGIN] = { "np_collapse_begin",
				     "tp_btf/mm_collapse_huge_page_isolate" },
	[NP_PROG_COLLAPSE_END] = { "np_collapse_end", "tp_btf/mm_collapse_huge_page" },
	[NP_PROG_MERGED] = { "np_merged", "fentry/folio_add_anon_rmap_ptes",
			     .reads_pages = true },
	[NP_PROG_MERGED_61] = { "np_merged_61", "fentry/page_add_anon_rmap",
				.reads_pages = true },
	[NP_PROG_KSM_ONE] = { "np_ksm_merge_one", "tp_btf/ksm_merge_one_page" },
	[NP_PROG_KSM_WITH] = { "np_ksm_merge_with", "tp_btf/ksm_merge_with_ksm_page" },
	[NP_PROG_CPUS_ALLOWED] = { "np_set_cpus_allowed", "fentry/set_cpus_allowed_common",
				   .has = "affinity_context" },
	[NP_PROG_CPUS_ALLOWED_61] = { "np_set_cpus_allowed_61",
				      "fentry/set_cpus_allowed_common",
				      .lacks = "affinity_context" },
	[NP_PROG_CGROUP_ATTACH] = { "np_cgroup_attach_task", "tp_btf/cgroup_attach_task" },
	[NP_PROG_BALANCING] = { "np_numa_balancing", "fexit/sysctl_numa_balancing" },
	[NP_PROG_CPUHP] = { "np_cpuhp_enter", "tp_btf/cpuhp_enter" },
	[NP_PROG_CPU_DOWN] = { "np_cpu_down", "fentry/cpu_device_down" },
};

/* One way to a metric: all of `need`; `help` where it is accepted. The first is what it is
 * called by. Lists end at the first -1 of what is not said, hence the 1-based ids. */
#define P(id) (NP_PROG_##id + 1)

static const struct step {
	enum numaperf_metric metric;
	enum numaperf_rung rung;
	int need[4], help[4];
} steps[] = {
	{ NUMAPERF_METRIC_RUN_TIME,
	  NUMAPERF_RUNG_TP_BTF,
	  { P(SCHED_SWITCH) },
	  { P(FORK), P(EXEC), P(EXIT), P(RENAME) } },
	{ NUMAPERF_METRIC_THREAD_MOVES,
	  NUMAPERF_RUNG_TP_BTF,
	  { P(SCHED_MIGRATE_TASK) },
	  { P(SCHED_MOVE_NUMA), P(SCHED_SWAP_NUMA), P(CGROUP_ATTACH) } },
	{ NUMAPERF_METRIC_AFFINITY, NUMAPERF_RUNG_FENTRY, { P(CPUS_ALLOWED) }, { 0 } },
	{ NUMAPERF_METRIC_AFFINITY, NUMAPERF_RUNG_FENTRY, { P(CPUS_ALLOWED_61) }, { 0 } },
	{ NUMAPERF_METRIC_AFFINITY,
	  NUMAPERF_RUNG_TP_BTF,
	  { P(SCHED_SWITCH) },
	  { P(SCHED_WAKING) } },
	{ NUMAPERF_METRIC_FAULTS, NUMAPERF_RUNG_FENTRY, { P(NEW_ANON) }, { P(NEW_HUGETLB) } },
	{ NUMAPERF_METRIC_FAULTS,
	  NUMAPERF_RUNG_FENTRY,
	  { P(NEW_ANON_61) },
	  { P(NEW_HUGETLB_61) } },
	{ NUMAPERF_METRIC_FAULTS, NUMAPERF_RUNG_TP_BTF, { P(PAGE_ALLOC) }, { 0 } },
	{ NUMAPERF_METRIC_FILE_FAULTS,
	  NUMAPERF_RUNG_FENTRY,
	  { P(FILE_PTES) },
	  { P(FILE_PMD) } },
	{ NUMAPERF_METRIC_FILE_FAULTS, NUMAPERF_RUNG_FENTRY, { P(FILE_61) }, { 0 } },
	{ NUMAPERF_METRIC_FILE_FAULTS, NUMAPERF_RUNG_TP_BTF, { P(PAGE_ALLOC) }, { 0 } },
	{ NUMAPERF_METRIC_HINTING_FAULTS, NUMAPERF_RUNG_FENTRY, { P(NUMA_FAULT) }, { 0 } },
	{ NUMAPERF_METRIC_PAGE_MOVES, NUMAPERF_RUNG_FENTRY, { P(PAGE_ARRIVES) }, { 0 } },
	{ NUMAPERF_METRIC_PAGE_MOVES,
	  NUMAPERF_RUNG_TP_BTF,
	  { P(PTE_ARRIVES) },
	  { P(PMD_ARRIVES) } },
	{ NUMAPERF_METRIC_PAGE_CAUSES,
	  NUMAPERF_RUNG_FENTRY,
	  { P(DO_MIGRATE), P(DID_MIGRATE), P(MIGRATE_START), P(MIGRATE_END) },
	  { 0 } },
	{ NUMAPERF_METRIC_PAGE_CAUSES,
	  NUMAPERF_RUNG_TP_BTF,
	  { P(MIGRATE_START), P(MIGRATE_END) },
	  { 0 } },
	{ NUMAPERF_METRIC_COLLAPSE,
	  NUMAPERF_RUNG_FENTRY,
	  { P(NEW_ANON), P(COLLAPSE_BEGIN), P(COLLAPSE_END) },
	  { 0 } },
	{ NUMAPERF_METRIC_COLLAPSE,
	  NUMAPERF_RUNG_FENTRY,
	  { P(NEW_ANON_61), P(COLLAPSE_BEGIN), P(COLLAPSE_END) },
	  { 0 } },
	{ NUMAPERF_METRIC_COLLAPSE,
	  NUMAPERF_RUNG_TP_BTF,
	  { P(COLLAPSE_END), P(COLLAPSE_BEGIN) },
	  { 0 } },
	{ NUMAPERF_METRIC_KSM, NUMAPERF_RUNG_FENTRY, { P(MERGED) }, { 0 } },
	{ NUMAPERF_METRIC_KSM, NUMAPERF_RUNG_FENTRY, { P(MERGED_61) }, { 0 } },
	{ NUMAPERF_METRIC_KSM, NUMAPERF_RUNG_TP_BTF, { P(KSM_ONE), P(KSM_WITH) }, { 0 } },
	{ NUMAPERF_METRIC_BALANCING, NUMAPERF_RUNG_FENTRY, { P(BALANCING) }, { 0 } },
	{ NUMAPERF_METRIC_HOTPLUG, NUMAPERF_RUNG_FENTRY, { P(CPU_DOWN), P(CPUHP) }, { 0 } },
	{ NUMAPERF_METRIC_HOTPLUG, NUMAPERF_RUNG_TP_BTF, { P(CPUHP) }, { 0 } },
};

/* 0, or why not: the error of the first program that is refused. */
static int refused(const struct step *s, const int *error, enum numaperf_rung max, int *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->need) && s->need[i]; i++) {
		*program = s->need[i] - 1;
		if (error[*program])
			return error[*program];
	}
	return max && s->rung > max ? ECANCELED : 0;
}

static void take(const struct step *s, const int *error, struct numaperf_hook *hook, bool *use)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->need) && s->need[i]; i++)
		use[s->need[i] - 1] = true;
	for (size_t i = 0; i < ARRAY_SIZE(s->help) && s->help[i]; i++)
		if (!error[s->help[i] - 1])
			use[s->help[i] - 1] = true;
	hook->rung = s->rung;
	snprintf(hook->hook, sizeof(hook->hook), "%s", np_programs[s->need[0] - 1].section);
}

static const char *remedy_for(int error, enum np_refuser refuser)
{
	switch (error) {
	case ECANCELED:
		return "raise rung_max";
	case EPERM:
	case EACCES:
	case ENOSYS:
		if (refuser == NP_REFUSER_SECCOMP)
			return "a seccomp profile that allows bpf(2) (newer ones of Docker do "
			       "with "
			       "--cap-add BPF, older ones with --cap-add SYS_ADMIN)";
		if (refuser == NP_REFUSER_PRIVILEGE)
			return "run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_nice+ep "
			       "PROGRAM; in "
			       "a container: --cap-add BPF --cap-add PERFMON, and a seccomp "
			       "profile "
			       "that allows bpf(2)";
		return "";
	case ENODATA:
		return "a kernel with CONFIG_DEBUG_INFO_BTF=y";
	}
	return "";
}

static const char *refusal(int error, enum np_refuser refuser)
{
	if (error != EPERM && error != ENOSYS)
		return "";
	return refuser == NP_REFUSER_SECCOMP  ? " by a seccomp filter"
	       : refuser == NP_REFUSER_KERNEL ? " by this kernel, also with the privilege"
					      : "";
}

static void explain(struct numaperf_hook *hook, int error, int program, enum np_refuser refuser)
{
	const char *section = np_programs[program].section;
	const char *text = error == 524 ? "not supported" : /* ENOTSUPP, the kernel's own */
				   error == ECANCELED ? "not asked for (rung_max)"
			   : error == ENOENT	      ? "this kernel has no such hook"
			   : error == ENODATA	      ? "this kernel has no BTF"
						      : strerrordesc_np(error);

	hook->error = error;
	snprintf(hook->reason, sizeof(hook->reason), "%s: %s%s", section,
		 text ? text : "refused", refusal(error, refuser));
	snprintf(hook->remedy, sizeof(hook->remedy), "%s", remedy_for(error, refuser));
}

void np_ladder_choose(const int *error, enum numaperf_rung rung_max, enum np_refuser refuser,
		      struct numaperf_hook *table, bool *use)
{
	memset(use, 0, NP_PROG_COUNT * sizeof(*use));
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		enum numaperf_rung rung = NUMAPERF_RUNG_ABSENT;
		const struct step *got = NULL;
		int why = 0, program = 0;

		np_hook_fallback(&table[m], m, 0, "", "");
		for (size_t i = 0; i < ARRAY_SIZE(steps) && !got; i++) {
			int p = 0, e;

			if ((int)steps[i].metric != m)
				continue;
			e = refused(&steps[i], error, rung_max, &p);
			if (!e) {
				got = &steps[i];
			} else if (!why || why == ENOENT) {
				/* of two ways for two kernels, the one that exists says why */
				why = e;
				program = p;
				rung = steps[i].rung;
			}
		}
		if (got)
			take(got, error, &table[m], use);
		if (why && (!got || got->rung < rung))
			explain(&table[m], why, program, refuser);
	}
}
