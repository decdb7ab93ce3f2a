/* SPDX-License-Identifier: MIT */
/* Rank 1: the kernel's texts about cgroups; no file is opened here. */
#ifndef NP_CGROUP_H
#define NP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the first `len` bytes of a comma-separated list have the word. */
bool np_list_has(const char *list, size_t len, const char *word);

/*
 * The process's cgroup in the hierarchy of a controller, from the text of /proc/PID/cgroup:
 * "4:memory:/a/b" (version 1); `controller` NULL: version 2, "0::/a/b". False: it is in none,
 * or the path does not fit.
 */
bool np_cgroup_path(const char *text, const char *controller, char *path, size_t size);

#endif
