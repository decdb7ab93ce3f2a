// SPDX-License-Identifier: MIT
/* On which node did a watched thread's page land, seen from the CPU that asked for it? */
#include "watch.bpf.h"

/* Where in the program: the user's stack, once a distinct one. */
static __always_inline void count_stack(void *ctx, __u32 tgid, __u64 pages)
{
	struct np_stack_key key = { .tgid = tgid };
	__u64 *sum, first = pages;

	key.stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP);
	if (key.stack < 0)
		return;
	sum = bpf_map_lookup_elem(&stack_pages, &key);
	if (sum)
		np_add(*sum, pages);
	else
		bpf_map_update_elem(&stack_pages, &key, &first, BPF_NOEXIST);
}

static __always_inline void count_cell(__u32 cpu, __u32 node, __u32 kind, __u64 pages)
{
	struct np_cell *cell = np_at(cells, cpu * cfg.nodes + node);

	if (cell)
		np_add(cell->pages[kind & (NP_KINDS - 1)], pages);
}

static __always_inline void landed(void *ctx, struct task_struct *task, __u32 node, __u32 kind,
				   __u64 pages)
{
	__u32 cpu = bpf_get_smp_processor_id(), here = np_cpu_node(cpu), slot;
	struct np_thread *t = np_thread_of(task, &slot);
	struct np_thread_node *part;

	if (node >= cfg.nodes || (t && t->migrating))
		return; /* the copy of a page that moves is no fault */
	count_cell(cpu, node, kind, pages);
	if (kind >= NP_KIND_FILE)
		return;
	if (t) {
		part = np_thread_on(slot, here);
		if (part && node == here)
			np_add(part->faults_local, pages);
		else if (part)
			np_add(part->faults_remote, pages);
		part = np_thread_on(slot, node);
		if (part)
			np_add(part->pages_landed, pages);
	}
	if (cfg.stacks && node != here)
		count_stack(ctx, np_tgid(task), pages);
}

static __always_inline void new_anon(void *ctx, const void *page, struct vm_area_struct *vma,
				     __u64 address)
{
	struct task_struct *me = bpf_get_current_task_btf();
	bool watched = np_watched(me);
	struct np_bracket *bracket;
	__u64 pages, inside;
	__u32 node;

	if (!watched && !np_ranges_any())
		return;
	pages = np_folio_pages(page);
	node = np_page_node(page);
	if (watched)
		landed(ctx, me, node, np_anon_kind(pages), pages);
	if (!np_ranges_any())
		return;
	/* a page of a watched range came up: by a fault, or out of a collapse */
	bracket = np_bracket_now();
	inside = (vma->vm_end - address) >> 12;
	np_tell_pages(np_owner(vma->vm_mm), address, pages < inside ? pages : inside, -1, node,
		      bracket && bracket->collapse ? NP_PAGE_COLLAPSE : NP_PAGE_FAULT);
}

/* up to 6.7; a page is the first of its folio here */
SEC("?fentry/page_add_new_anon_rmap")
int BPF_PROG(np_new_anon_61, struct page *page, struct vm_area_struct *vma,
	     unsigned long address)
{
	new_anon(ctx, page, vma, address);
	return 0;
}

SEC("?fentry/folio_add_new_anon_rmap")
int BPF_PROG(np_new_anon, struct folio *folio, struct vm_area_struct *vma,
	     unsigned long address)
{
	new_anon(ctx, folio, vma, address);
	return 0;
}

SEC("?fentry/hugepage_add_new_anon_rmap")
int BPF_PROG(np_new_hugetlb_61, struct page *page, struct vm_area_struct *vma,
	     unsigned long address)
{
	new_anon(ctx, page, vma, address);
	return 0;
}

SEC("?fentry/hugetlb_add_new_anon_rmap")
int BPF_PROG(np_new_hugetlb, struct folio *folio, struct vm_area_struct *vma,
	     unsigned long address)
{
	new_anon(ctx, folio, vma, address);
	return 0;
}

/* Pages of files that were mapped: fault-around maps several at once. */
static __always_inline void new_file(void *ctx, const void *page, struct vm_area_struct *vma,
				     __u64 pages)
{
	struct task_struct *me = bpf_get_current_task_btf();

	if (np_watched(me))
		landed(ctx, me, np_page_node(page), np_file_kind(vma->vm_flags), pages);
}

/* up to 6.7 */
SEC("?fentry/page_add_file_rmap")
int BPF_PROG(np_file_61, struct page *page, struct vm_area_struct *vma, bool compound)
{
	new_file(ctx, page, vma, compound ? np_folio_pages(page) : 1);
	return 0;
}

SEC("?fentry/folio_add_file_rmap_ptes")
int BPF_PROG(np_file_ptes, struct folio *folio, struct page *page, int pages,
	     struct vm_area_struct *vma)
{
	new_file(ctx, folio, vma, pages);
	return 0;
}

SEC("?fentry/folio_add_file_rmap_pmd")
int BPF_PROG(np_file_pmd, struct folio *folio, struct page *page, struct vm_area_struct *vma)
{
	new_file(ctx, folio, vma, np_folio_pages(folio));
	return 0;
}

/* Without any of these: what is allocated for user memory. It also counts what goes into the
 * page cache, and does not know addresses. */
SEC("tp_btf/mm_page_alloc")
int BPF_PROG(np_page_alloc, struct page *page, unsigned int order, __u32 gfp)
{
	struct task_struct *me;

	if (cfg.fault_exact || !page || !np_alloc_counts(gfp))
		return 0;
	me = bpf_get_current_task_btf();
	if (np_watched(me))
		landed(ctx, me, np_page_node(page), np_alloc_kind(gfp, order), 1ull << order);
	return 0;
}

/* TNF_FAULT_LOCAL: include/linux/sched/numa_balancing.h (3.14 to 6.18), a macro. */
#define TNF_FAULT_LOCAL 8

SEC("?fentry/task_numa_fault")
int BPF_PROG(np_numa_fault, int last_cpupid, int node, int pages, int flags)
{
	struct task_struct *me = bpf_get_current_task_btf();
	__u32 cpu = bpf_get_smp_processor_id(), slot;
	struct np_thread_node *part;
	struct np_cell *cell;
	struct np_thread *t;

	if (!np_watched(me))
		return 0;
	cell = np_at(cells, cpu * cfg.nodes + (__u32)node);
	if (cell)
		np_add(cell->hinting, 1);
	/* `node` is where the page is now: one that was remote may have come here for it */
	if (cell && node == np_cpu_node(cpu) && !(flags & TNF_FAULT_LOCAL))
		np_add(cell->hinting_moved, 1);
	t = np_thread_of(me, &slot);
	part = t ? np_thread_on(slot, np_cpu_node(cpu)) : NULL;
	if (part && flags & TNF_FAULT_LOCAL)
		np_add(part->hinting_local, 1);
	else if (part)
		np_add(part->hinting_remote, 1);
	return 0;
}
