// SPDX-License-Identifier: MIT
/* Which options of a region make no sense, whatever the machine. */
#include "base.h"
#include "region.h"
#include "util.h"

#include <errno.h>

static const char operation[] = NP_REGION_OPERATION;

static int fail_invalid(const char *what)
{
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s", what);
}

static bool promises(enum numaperf_policy policy)
{
	return policy == NUMAPERF_POLICY_BIND || policy == NUMAPERF_POLICY_INTERLEAVE ||
	       policy == NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
}

static bool within(const struct numaperf_nodemask *part, const struct numaperf_nodemask *whole)
{
	struct numaperf_nodemask outside;

	numaperf_nodemask_andnot(&outside, part, whole);
	return numaperf_nodemask_empty(&outside);
}

static int check_weights(const struct numaperf_region_opts *o)
{
	bool any = false;

	for (int node = 0; node < NUMAPERF_NODES_MAX; node++) {
		if (!o->weights[node])
			continue;
		any = true;
		if (o->policy != NUMAPERF_POLICY_WEIGHTED_INTERLEAVE)
			return fail_invalid("weights are for WEIGHTED_INTERLEAVE");
		if (!numaperf_nodemask_test(&o->nodes, node))
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
				       "node %d has a weight and is none of the nodes", node);
	}
	if (!any)
		return 0;
	NUMAPERF_NODEMASK_FOR_EACH (node, &o->nodes)
		if (!o->weights[node])
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
				       "give each node one, or none to take the machine's",
				       "node %d has no weight, and others have", node);
	return 0;
}

/* What prctl(2), PR_SET_VMA_ANON_NAME, takes. */
static int check_name(const char *name)
{
	size_t i = 0;

	for (; name && name[i]; i++) {
		if (name[i] < 0x20 || name[i] > 0x7e || strchr("[]\\`$", name[i]))
			return fail_invalid(
				"the name has a character that names of mappings cannot have");
		if (i == sizeof(((struct numaperf_region *)0)->name) - 1)
			return fail_invalid("the name has more than 79 characters");
	}
	return 0;
}

static int check_policy(const struct numaperf_region_opts *o)
{
	if ((unsigned int)o->policy > NUMAPERF_POLICY_WEIGHTED_INTERLEAVE)
		return fail_invalid("policy is none of LOCAL, BIND, PREFERRED, INTERLEAVE and "
				    "WEIGHTED_INTERLEAVE");
	if (o->policy == NUMAPERF_POLICY_LOCAL && !numaperf_nodemask_empty(&o->nodes))
		return fail_invalid("LOCAL takes no nodes");
	if (o->policy != NUMAPERF_POLICY_LOCAL && numaperf_nodemask_empty(&o->nodes))
		return fail_invalid("the policy needs nodes");
	if (o->mode != NUMAPERF_SOFT && !promises(o->policy))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "use BIND or INTERLEAVE, or soft mode",
			       "%s promises nothing that strict mode could prove",
			       numaperf_policy_name(o->policy));
	if (o->balancing && o->policy != NUMAPERF_POLICY_BIND)
		return fail_invalid("balancing inside the nodes is for BIND");
	if (numaperf_nodemask_empty(&o->home))
		return 0;
	if (o->policy != NUMAPERF_POLICY_BIND && o->policy != NUMAPERF_POLICY_PREFERRED)
		return fail_invalid("a home node is for BIND and PREFERRED");
	if (numaperf_nodemask_count(&o->home) > 1)
		return fail_invalid("there is one home node");
	if (!within(&o->home, &o->nodes))
		return fail_invalid("the home node is none of the nodes");
	return 0;
}

int np_region_check_opts(const struct numaperf_region_opts *o, size_t size)
{
	size_t huge = o->huge_page_size;
	int err;

	if (!size)
		return fail_invalid("size is 0");
	if (size > SIZE_MAX / 4 || o->size_max > SIZE_MAX / 4)
		return fail_invalid("size is larger than any address space");
	if (o->size_max && o->size_max < size)
		return fail_invalid("size_max is less than the size");
	if ((unsigned int)o->mode > NUMAPERF_STRICT_UNWITNESSED)
		return fail_invalid("no such mode");
	if ((unsigned int)o->prefault > NUMAPERF_PREFAULT_PARALLEL)
		return fail_invalid("no such prefault");
	if ((unsigned int)o->thp > NUMAPERF_THP_OFF)
		return fail_invalid("no such choice of transparent huge pages");
	if ((unsigned int)o->fork > NUMAPERF_FORK_NONE)
		return fail_invalid("no such choice of what a fork does");
	if (huge && (huge & (huge - 1) || huge <= np_page_size()))
		return fail_invalid("huge_page_size is no power of two above the page size");
	if (huge && o->thp != NUMAPERF_THP_DEFAULT)
		return fail_invalid(
			"explicit huge pages are no transparent ones: one or the other");
	if (huge && o->fork == NUMAPERF_FORK_WIPE)
		return fail_invalid("huge pages cannot be wiped on fork");
	err = check_policy(o);
	if (!err)
		err = check_weights(o);
	return err ? err : check_name(o->name);
}

int np_region_check_file(const struct numaperf_region_opts *o, size_t *size,
			 struct np_region_file *file)
{
	const struct np_file_info *info = &file->info;
	size_t page = info->huge_page ? info->huge_page : np_page_size();

	if ((unsigned int)file->sharing > NUMAPERF_SHARED)
		return fail_invalid("sharing is neither PRIVATE nor SHARED");
	if (!info->regular)
		return fail_invalid("the descriptor is not a regular file's");
	if (file->offset % page)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "the offset is no multiple of %zu, the size of a page", page);
	if (file->offset >= info->size)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "make it larger first (ftruncate)",
			       "the offset is beyond the file's end at %llu bytes",
			       (unsigned long long)info->size);
	if (!*size)
		*size = info->size - file->offset;
	if (*size > info->size - file->offset)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "make it larger first (ftruncate)",
			       "the file has %llu bytes from there, %zu are wanted",
			       (unsigned long long)(info->size - file->offset), *size);
	if (o->size_max)
		return fail_invalid("a file's region has no size_max");
	if (o->fork == NUMAPERF_FORK_WIPE)
		return fail_invalid("a file's pages cannot be wiped on fork");
	if (o->huge_page_size && o->huge_page_size != info->huge_page)
		return np_fail(
			-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			"the file's pages have %zu KiB: huge_page_size cannot change that",
			page >> 10);
	return 0;
}
