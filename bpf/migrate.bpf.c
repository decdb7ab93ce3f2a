// SPDX-License-Identifier: MIT
/*
 * Which pages left the node they were bound to, who moved them, and why?
 *
 * A migration is bracketed by two tracepoints that the migrating thread fires: between them
 * its thread id is in `brackets`, with the reason. The exact rung sees each page come to its
 * place in an address space (remove_migration_pte()); the tracepoint of the same name knows the
 * address, and not whose.
 */
#include "watch.bpf.h"

static __always_inline void set_busy(__u64 bit, bool on)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct np_thread *t;
	__u32 slot;

	if (!np_watched(me))
		return;
	t = np_find(np_tid(me), &slot);
	if (t && on)
		t->migrating |= bit;
	else if (t)
		t->migrating &= ~bit;
}

/* That of this thread, a new one if it has none; NULL: there is no room. */
static __always_inline struct np_bracket *bracket_begin(void)
{
	__u32 me = (__u32)bpf_get_current_pid_tgid();
	struct np_bracket *bracket = np_bracket_now();
	struct np_bracket none = {};

	if (bracket)
		return bracket;
	bpf_map_update_elem(&brackets, &me, &none, BPF_NOEXIST);
	return np_bracket_now();
}

static __always_inline void bracket_end(const struct np_bracket *bracket)
{
	__u32 me = (__u32)bpf_get_current_pid_tgid();

	if (!bracket->cause && !bracket->asked && !bracket->collapse)
		bpf_map_delete_elem(&brackets, &me);
}

SEC("tp_btf/mm_migrate_pages_start")
int BPF_PROG(np_migrate_start, int mode, int reason)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct np_bracket *bracket = bracket_begin();

	if (bracket)
		bracket->cause = np_page_cause(reason, bracket->asked, me->flags & PF_KTHREAD);
	set_busy(NP_BUSY_MIGRATING, true);
	return 0;
}

SEC("tp_btf/mm_migrate_pages")
int BPF_PROG(np_migrate_end, unsigned long succeeded)
{
	struct np_bracket *bracket = np_bracket_now();
	struct np_totals *sum = np_at(totals, 0);

	if (sum)
		np_add(sum->machine_migrated, succeeded);
	if (bracket) {
		np_run_end(bracket);
		bracket->cause = 0;
		bracket_end(bracket);
	}
	set_busy(NP_BUSY_MIGRATING, false);
	return 0;
}

/* migrate_pages(2), or the worker that follows a change of cpuset.mems. */
SEC("?fentry/do_migrate_pages")
int BPF_PROG(np_do_migrate_pages)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct np_bracket *bracket = bracket_begin();

	if (bracket)
		bracket->asked =
			me->flags & PF_KTHREAD ? NP_PAGE_CPUSET : NP_PAGE_MIGRATE_PAGES;
	return 0;
}

SEC("?fexit/do_migrate_pages")
int BPF_PROG(np_did_migrate_pages)
{
	struct np_bracket *bracket = np_bracket_now();

	if (bracket) {
		bracket->asked = 0;
		bracket_end(bracket);
	}
	return 0;
}

/* Once a (folio, mapping): how much of the folio this mapping shows. */
static __always_inline __u64 pages_shown(const void *folio, struct vm_area_struct *vma,
					 __u64 address)
{
	__u64 pages = np_folio_pages(folio), inside = (vma->vm_end - address) >> 12;

	return pages < inside ? pages : inside;
}

SEC("?fentry/remove_migration_pte")
int BPF_PROG(np_page_arrives, struct folio *folio, struct vm_area_struct *vma,
	     unsigned long address, void *arg)
{
	const void *source = np_migration_source(arg);
	struct np_bracket *bracket;
	struct task_struct *owner;
	__u32 from, to, cause;
	struct np_totals *sum;
	struct np_flow *flow;
	bool watched;
	__u64 pages;

	if (source == folio)
		return 0; /* it did not move: its mappings are put back */
	owner = vma->vm_mm->owner;
	if (!owner)
		return 0;
	watched = np_watched(owner);
	if (!watched && !np_ranges_any())
		return 0;
	from = np_page_node(source);
	to = np_page_node(folio);
	if (from == to)
		return 0; /* compaction inside a node */
	bracket = np_bracket_now();
	cause = bracket ? bracket->cause & 15 : NP_PAGE_UNKNOWN;
	pages = pages_shown(folio, vma, address);
	sum = np_at(totals, 0);
	flow = np_at(flows, from * cfg.nodes + to);
	if (watched && flow && from < cfg.nodes && to < cfg.nodes)
		np_add(flow->pages[cause], pages);
	if (watched && sum)
		np_add(sum->migrated[cause], pages);
	if (np_ranges_any())
		np_tell_pages(np_tgid(owner), address, pages, from, to, cause);
	return 0;
}

/* ---- without it: an address that something of was moved to somewhere ---- */

/* Global, so that it is verified once and not once a process and a way to it: the verifier of
 * 6.18 gives up at 8192 jumps in sequence (BPF_COMPLEXITY_LIMIT_JMP_SEQ,
 * kernel/bpf/verifier.c).
 */
__noinline int np_suspect_of(__u32 tgid, __u64 address, __u64 pages, __u32 cause)
{
	struct np_walk walk = np_ranges_of(tgid, address, pages);

	for (int i = 0; i < NP_RANGES_A_PAGE; i++) {
		struct np_range *range = np_next_range(&walk, tgid);
		struct np_run run = { .kind = NP_EVENT_SUSPECT, .from = -1, .to = -1 };
		struct np_watch *watch;
		__u64 end;

		if (!range)
			break;
		watch = np_at(watches, range->watch);
		if (!watch || !watch->id)
			continue;
		run.id = watch->id;
		run.address = range->start > address ? range->start : address;
		end = range->end < walk.end ? range->end : walk.end;
		run.pages = (end - run.address) >> 12;
		np_add(watch->suspects, run.pages);
		np_run_add(&run, cause);
	}
	return 0;
}

#define NP_SUSPECT_PROCESSES 8

/* Whose it is, nobody says: every process that has ranges is asked. */
static __always_inline void suspect(__u64 address, __u64 pages)
{
	struct np_bracket *bracket;
	__u32 cause;

	if (!np_ranges_any())
		return;
	bracket = np_bracket_now();
	cause = bracket ? bracket->cause & 15 : NP_PAGE_UNKNOWN;
	for (int i = 0; i < NP_SUSPECT_PROCESSES; i++) {
		__u32 tgid = state.range_tgid[i];

		if (!tgid)
			break;
		np_suspect_of(tgid, address, pages, cause);
	}
}

SEC("?tp_btf/remove_migration_pte")
int BPF_PROG(np_pte_arrives, unsigned long address, unsigned long pte, int order)
{
	suspect(address, 1ull << (order & 31));
	return 0;
}

SEC("?tp_btf/remove_migration_pmd")
int BPF_PROG(np_pmd_arrives, unsigned long address)
{
	suspect(address, 512);
	return 0;
}

/* ---- small pages made into a huge one, perhaps elsewhere ---- */

SEC("tp_btf/mm_collapse_huge_page_isolate")
int BPF_PROG(np_collapse_begin)
{
	struct np_bracket *bracket = bracket_begin();

	if (bracket)
		bracket->collapse = 1;
	set_busy(NP_BUSY_COLLAPSING, true);
	return 0;
}

/* That a process has to be looked at: which pages it was, nobody says. */
static __always_inline void look_at(struct mm_struct *mm, __u32 cause)
{
	struct np_event *e;
	__u32 tgid;

	if (!np_ranges_any())
		return;
	tgid = np_owner(mm);
	if (!tgid)
		return;
	for (int i = 0; i < NP_SUSPECT_PROCESSES; i++) {
		if (state.range_tgid[i] != tgid)
			continue;
		e = np_event_begin(NP_EVENT_COLLAPSE, cause, true);
		if (!e)
			return;
		e->tgid = tgid;
		np_event_end(e);
		return;
	}
}

SEC("tp_btf/mm_collapse_huge_page")
int BPF_PROG(np_collapse_end, struct mm_struct *mm, int isolated, int status)
{
	struct np_bracket *bracket = np_bracket_now();
	struct np_totals *sum = np_at(totals, 0);

	if (bracket) {
		bracket->collapse = 0;
		bracket_end(bracket);
	}
	set_busy(NP_BUSY_COLLAPSING, false);
	if (status != bpf_core_enum_value(enum scan_result, SCAN_SUCCEED) || !sum)
		return 0;
	np_add(sum->collapses, 1);
	if (!cfg.fault_exact)
		look_at(mm, NP_PAGE_COLLAPSE);
	return 0;
}

/* ---- KSM: ksmd lets a page point to an equal one, wherever that is ---- */

static __always_inline bool ksmd(void)
{
	struct task_struct *me = bpf_get_current_task_btf();
	char comm[16];

	if (!(me->flags & PF_KTHREAD))
		return false;
	bpf_get_current_comm(&comm, sizeof(comm));
	return comm[0] == 'k' && comm[1] == 's' && comm[2] == 'm' && comm[3] == 'd';
}

static __always_inline void merged(const void *page, struct vm_area_struct *vma, __u64 address)
{
	if (np_ranges_any() && ksmd())
		np_tell_pages(np_owner(vma->vm_mm), address, 1, -1, np_page_node(page),
			      NP_PAGE_KSM);
}

/* up to 6.7 */
SEC("?fentry/page_add_anon_rmap")
int BPF_PROG(np_merged_61, struct page *page, struct vm_area_struct *vma, unsigned long address)
{
	merged(page, vma, address);
	return 0;
}

SEC("?fentry/folio_add_anon_rmap_ptes")
int BPF_PROG(np_merged, struct folio *folio, struct page *page, int pages,
	     struct vm_area_struct *vma, unsigned long address)
{
	merged(folio, vma, address);
	return 0;
}

/* Without it, since 6.5: in which process. Errors are not 0. */
SEC("?tp_btf/ksm_merge_one_page")
int BPF_PROG(np_ksm_merge_one, unsigned long pfn, void *item, struct mm_struct *mm, int error)
{
	if (!error && mm)
		look_at(mm, NP_PAGE_KSM);
	return 0;
}

SEC("?tp_btf/ksm_merge_with_ksm_page")
int BPF_PROG(np_ksm_merge_with, void *ksm_page, unsigned long pfn, void *item,
	     struct mm_struct *mm, int error)
{
	if (!error && mm)
		look_at(mm, NP_PAGE_KSM);
	return 0;
}
