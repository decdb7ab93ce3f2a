/* SPDX-License-Identifier: MIT */
/* libnumaperf: a NUMA-first runtime for Linux. This header only includes the modules'. */
#ifndef NUMAPERF_H
#define NUMAPERF_H

#include <numaperf/affinity.h>
#include <numaperf/base.h>
#include <numaperf/budget.h>
#include <numaperf/capability.h>
#include <numaperf/device.h>
#include <numaperf/executor.h>
#include <numaperf/heap.h>
#include <numaperf/mask.h>
#include <numaperf/migrate.h>
#include <numaperf/monitor.h>
#include <numaperf/placement.h>
#include <numaperf/pool.h>
#include <numaperf/region.h>
#include <numaperf/report.h>
#include <numaperf/sharded.h>
#include <numaperf/task.h>
#include <numaperf/topology.h>

#endif
