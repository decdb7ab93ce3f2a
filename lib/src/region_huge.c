// SPDX-License-Identifier: MIT
/*
 * Huge pages: which there are, and what the nodes have left. A reservation of explicit ones is
 * the machine's, not a node's: a mapping that is bound to a node without any is granted, and
 * touching it is SIGBUS. So the nodes are looked at first.
 */
#include "base.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>

size_t np_huge_page_transparent(void)
{
	int64_t size = 0;
	int root = np_sys->open_root(NULL);

	if (root >= 0) {
		if (np_read_number(root, "sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
				   &size))
			size = 0;
		np_sys->close(root);
	}
	/* a power of two, or it is not what it seems */
	return size > 0 && size <= (1 << 30) && !(size & (size - 1)) ? (size_t)size : 2u << 20;
}

struct sizes {
	char text[160];
	size_t len;
};

static int note_size(void *ctx, const char *name)
{
	struct sizes *s = ctx;
	unsigned long kib;

	if (sscanf(name, "hugepages-%lukB", &kib) == 1 && s->len < sizeof(s->text))
		s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len,
					   "%s%lu KiB", s->len ? ", " : "", kib);
	return 0;
}

int np_huge_page_require_size(size_t size)
{
	struct sizes have = { .len = 0 };
	char path[96];
	int64_t n;
	int root = np_sys->open_root(NULL), err;

	if (root < 0)
		return np_fail(root, NUMAPERF_REASON_SYSTEM, NP_REGION_OPERATION, "mount /sys",
			       "the sizes of huge pages cannot be read");
	snprintf(path, sizeof(path), "sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
		 size >> 10);
	err = np_read_number(root, path, &n);
	if (err == -ENOENT)
		np_sys->scan_at(root, "sys/kernel/mm/hugepages", note_size, &have);
	np_sys->close(root);
	if (err == -ENOENT)
		return np_fail(-EINVAL, NUMAPERF_REASON_UNSUPPORTED, NP_REGION_OPERATION,
			       "use a size that the machine has",
			       "this machine has no huge pages of %zu KiB (it has: %s)",
			       size >> 10, have.len ? have.text : "none");
	if (err)
		return np_fail(err, NUMAPERF_REASON_SYSTEM, NP_REGION_OPERATION, "mount /sys",
			       "the huge pages of %zu KiB cannot be read", size >> 10);
	return 0;
}

static int fail_huge(const struct numaperf_region *r, const char *where, int64_t free,
		     size_t wanted)
{
	return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_HUGEPAGES, r->operation,
		       "reserve more (/sys/devices/system/node/nodeN/hugepages/"
		       "hugepages-SIZEkB/nr_hugepages), or ask for less",
		       "not enough huge pages: %s has %lld free of %zu KiB, %zu are wanted",
		       where, (long long)free, r->page >> 10, wanted);
}

int np_region_require_huge(const struct numaperf_region *r, const size_t *has)
{
	size_t wanted = r->size / r->page;
	int64_t sum = 0;
	char file[80], path[160], where[96], list[64];
	int root = np_sys->open_root(NULL), err = root < 0 ? root : 0;

	snprintf(file, sizeof(file), "hugepages/hugepages-%zukB/free_hugepages", r->page >> 10);
	NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes) {
		size_t share =
			np_region_interleaved(r) ? np_region_share(r, node) / r->page : 0;
		int64_t free;

		if (err)
			break;
		snprintf(path, sizeof(path), NP_NODE_PATH, node, file);
		err = np_read_number(root, path, &free);
		free += has && !err ? (int64_t)(has[node] / r->page) : 0;
		if (!err && free < (int64_t)share) {
			np_sys->close(root);
			snprintf(where, sizeof(where), "node %d", node);
			return fail_huge(r, where, free, share);
		}
		sum += err ? 0 : free;
	}
	if (root >= 0)
		np_sys->close(root);
	if (err)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_HUGEPAGES, r->operation,
			       "mount /sys", "the nodes' huge pages cannot be read (%s)",
			       strerrordesc_np(-err));
	if (sum >= (int64_t)wanted)
		return 0;
	numaperf_nodemask_format(&r->nodes, list, sizeof(list));
	snprintf(where, sizeof(where), "node%s %s",
		 numaperf_nodemask_count(&r->nodes) > 1 ? "s" : "", list);
	return fail_huge(r, where, sum, wanted);
}
