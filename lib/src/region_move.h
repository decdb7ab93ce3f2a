/* SPDX-License-Identifier: MIT */
/* Rank 4: the pages of a region, moved to where they belong. */
#ifndef NP_REGION_MOVE_H
#define NP_REGION_MOVE_H

#include "region.h"

#include <numaperf/migrate.h>

/*
 * Every page to where r says that it belongs: its stretch's node, or any of its nodes by their
 * shares. *sum is whole afterwards, but for sz and duration. 0, also when pages are left, or
 * -errno: -ECANCELED, -ENOMEM, what move_pages or mbind said.
 */
int np_region_move(struct numaperf_region *r, const struct numaperf_migrate_opts *o,
		   struct numaperf_migration *sum);

/* Pages that *sum could not move. */
size_t np_migration_left(const struct numaperf_migration *sum);

#endif
