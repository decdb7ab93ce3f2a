/* SPDX-License-Identifier: MIT */
/* What differs between kernels, each with its versions, read the same way everywhere. */
#ifndef NP_COMPAT_BPF_H
#define NP_COMPAT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "decide.h"

extern const volatile struct np_config cfg;

/* page.flags: an unsigned long up to 6.17, memdesc_flags_t since 6.18. */
static __always_inline __u64 np_page_flags(const void *page)
{
	const struct page *p = page;
	const struct page___618 *p618 = page;

	if (bpf_core_field_exists(p618->flags.f))
		return BPF_CORE_READ(p618, flags.f);
	return BPF_CORE_READ(p, flags);
}

static __always_inline __u32 np_page_node(const void *page)
{
	return np_page_flags(page) >> cfg.page_node_shift & cfg.page_node_mask;
}

/* Base pages of a folio; only of a large one is the field valid. */
static __always_inline __u64 np_folio_pages(const void *folio)
{
	const struct folio *f = folio;
	const struct folio___615 *f615 = folio;

	if (!(np_page_flags(folio) >> bpf_core_enum_value(enum pageflags, PG_head) & 1))
		return 1;
	if (bpf_core_field_exists(f615->_nr_pages))
		return BPF_CORE_READ(f615, _nr_pages);
	return BPF_CORE_READ(f, _folio_nr_pages);
}

/* The folio that pages came from: of remove_migration_pte()'s last argument, since 6.12 in a
 * struct. */
static __always_inline const void *np_migration_source(const void *arg)
{
	const struct rmap_walk_arg *walk = arg;

	return bpf_core_type_exists(struct rmap_walk_arg) ? BPF_CORE_READ(walk, folio) : arg;
}

#endif
