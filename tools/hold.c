/* SPDX-License-Identifier: MIT */
#include "hold.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- processes ---- */

/* The start time of a process, field 22 of /proc/PID/stat; 0: it has ended. */
static unsigned long long birth(int pid)
{
	char *text = promise_slurp("/proc/%d/stat", pid);
	const char *rest = text ? strrchr(text, ')') : NULL;
	unsigned long long born = 0;
	char state = 'X';

	/* what follows the name is field 3, the state */
	if (rest &&
	    sscanf(rest,
		   ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %llu",
		   &state, &born) != 2)
		born = 0;
	free(text);
	return state == 'Z' || state == 'X' ? 0 : born;
}

static int add(struct hold *hold, int pid, bool root)
{
	struct hold_process *process;

	for (size_t i = 0; i < hold->processes; i++)
		if (hold->process[i].pid == pid && !hold->process[i].gone)
			return 0;
	if (hold->processes == hold->room) {
		size_t room = hold->room ? hold->room * 2 : 16;

		process = reallocarray(hold->process, room, sizeof(*process));
		if (!process)
			return -ENOMEM;
		hold->process = process;
		hold->room = room;
	}
	process = &hold->process[hold->processes];
	*process = (struct hold_process){ .pid = pid, .born = birth(pid), .root = root };
	if (!process->born)
		return -ESRCH;
	hold->processes++;
	return 0;
}

int hold_add(struct hold *hold, int pid)
{
	return add(hold, pid, true);
}

static void end(struct hold_process *process)
{
	process->gone = true;
	promises_free(&process->before);
	promises_free(&process->held);
}

static void look(struct hold_process *process)
{
	if (!process->gone && birth(process->pid) != process->born)
		end(process);
}

bool hold_alive(struct hold *hold)
{
	bool alive = false;

	for (size_t i = 0; i < hold->processes; i++) {
		if (!hold->process[i].root)
			continue;
		look(&hold->process[i]);
		alive |= !hold->process[i].gone;
	}
	return alive;
}

void hold_free(struct hold *hold)
{
	for (size_t i = 0; i < hold->processes; i++)
		end(&hold->process[i]);
	free(hold->process);
	hold->process = NULL;
	hold->processes = hold->room = 0;
}

__attribute__((format(printf, 2, 3))) static void miss(struct hold *hold, const char *fmt, ...)
{
	va_list args;

	if (hold->missed++)
		return;
	va_start(args, fmt);
	vsnprintf(hold->missed_why, sizeof(hold->missed_why), fmt, args);
	va_end(args);
}

/* The children that one thread has made: /proc/PID/task/TID/children, if this kernel has it. */
static int find_children(struct hold *hold, int pid, const char *tid)
{
	char *text = promise_slurp("/proc/%d/task/%s/children", pid, tid), *rest;
	int err = 0;

	if (!text)
		return 0;
	for (char *word = strtok_r(text, " ", &rest); word && !err;
	     word = strtok_r(NULL, " ", &rest)) {
		size_t before = hold->processes;
		int child = atoi(word);

		err = add(hold, child, false);
		if (err == -ESRCH)
			err = 0;
		else if (!err && hold->processes > before &&
			 numaperf_monitor_watch_process(hold->monitor, child) &&
			 numaperf_last_error()->code != -ESRCH)
			miss(hold, "process %d: %s", child, numaperf_last_error()->message);
	}
	free(text);
	return err;
}

static int find_all_children(struct hold *hold, int pid)
{
	const struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0; /* it has just ended */
	while (!err && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = find_children(hold, pid, entry->d_name);
	closedir(dir);
	return err;
}

/* ---- their promises ---- */

static struct promise_thread *held_thread(const struct promises *held, int tid)
{
	for (size_t i = 0; i < held->threads; i++)
		if (held->thread[i].tid == tid)
			return &held->thread[i];
	return NULL;
}

static int hold_threads(struct hold *hold, struct promises *held,
			const struct promises *settled)
{
	int err = 0;

	for (size_t i = 0; !err && i < settled->threads; i++) {
		struct promise_thread thread = settled->thread[i];

		if (held_thread(held, thread.tid))
			continue;
		err = numaperf_monitor_watch_thread(hold->monitor, thread.tid, &thread.cpus,
						    &thread.id);
		if (err == -ESRCH) {
			err = 0;
			continue;
		}
		if (err)
			miss(hold, "thread %d: %s", thread.tid, numaperf_last_error()->message);
		else
			hold->threads++;
		/* one that was refused is noted as well, so that it is counted once */
		err = promises_add_thread(held, &thread);
	}
	return err;
}

/* Gives one range to the monitor and notes it in `fresh`. */
static int hold_range(struct hold *hold, int pid, struct promise_range range,
		      struct promises *fresh)
{
	int err = numaperf_monitor_watch_process_range(
		hold->monitor, pid, (const void *)(uintptr_t)range.start,
		(size_t)(range.end - range.start), &range.nodes, &range.id);

	if (err == -ESRCH)
		return 0;
	if (err)
		miss(hold, "memory of process %d at %#llx: %s", pid,
		     (unsigned long long)range.start, numaperf_last_error()->message);
	else
		hold->ranges++;
	return promises_add_range(fresh, &range);
}

/* Of a range that has settled, the parts that are not watched yet. */
static int hold_ranges(struct hold *hold, int pid, struct promises *held,
		       const struct promises *settled)
{
	struct promises fresh = { 0 };
	int err = 0;

	for (size_t i = 0; !err && i < settled->ranges; i++) {
		struct promise_range part = settled->range[i];

		while (!err && promises_gap(held, &part.start, &part.end)) {
			err = hold_range(hold, pid, part, &fresh);
			part.start = part.end;
			part.end = settled->range[i].end;
		}
	}
	for (size_t i = 0; !err && i < fresh.ranges; i++)
		err = promises_add_range(held, &fresh.range[i]);
	promises_sort(held);
	promises_free(&fresh);
	return err;
}

/*
 * Drops what there is no more. A thread ends by itself, and the monitor sees it. Memory of
 * which a part was unmapped, or given another policy than bind (only the process itself can),
 * is let go as a whole; what is left of it is held anew. Other nodes are no reason: a cpuset
 * that shrinks rewrites them.
 */
static void drop(struct hold *hold, struct promises *held, const struct promises *now)
{
	size_t kept = 0;

	for (size_t i = 0; i < held->ranges; i++) {
		const struct promise_range *range = &held->range[i];

		if (promises_cover(now, range->start, range->end))
			held->range[kept++] = *range;
		else if (range->id)
			numaperf_monitor_unwatch(hold->monitor, range->id);
	}
	held->ranges = kept;
}

static void drop_threads(struct promises *held, int pid)
{
	size_t kept = 0;
	char path[64];

	for (size_t i = 0; i < held->threads; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, held->thread[i].tid);
		if (!access(path, F_OK))
			held->thread[kept++] = held->thread[i];
	}
	held->threads = kept;
}

static int refresh(struct hold *hold, size_t nth)
{
	struct hold_process *process = &hold->process[nth];
	struct promises now, settled;
	int err = promises_read(&now, process->pid, hold->rules);

	look(process); /* what was read may be another's */
	if (process->gone) {
		promises_free(&now);
		return 0;
	}
	if (err == -ENOMEM || err == -ESRCH)
		return err == -ESRCH ? 0 : err;
	if (err) {
		if (!process->closed)
			miss(hold, "process %d cannot be read: %s", process->pid,
			     strerror(-err));
		process->closed = true;
		return 0;
	}
	drop(hold, &process->held, &now);
	drop_threads(&process->held, process->pid);
	err = promises_common(&settled, &now, &process->before);
	promises_free(&process->before);
	process->before = now;
	if (!err)
		err = hold_threads(hold, &process->held, &settled);
	if (!err)
		err = hold_ranges(hold, process->pid, &process->held, &settled);
	promises_free(&settled);
	return err;
}

int hold_preview(struct hold *hold, int *pid)
{
	int err = 0;

	for (size_t i = 0; !err && i < hold->processes; i++) {
		*pid = hold->process[i].pid;
		err = promises_read(&hold->process[i].before, *pid, hold->rules);
	}
	return err;
}

/* Takes out the children that have ended: the list grows with those that live only. */
static void forget_children(struct hold *hold)
{
	size_t kept = 0;

	for (size_t i = 0; i < hold->processes; i++)
		if (hold->process[i].root || !hold->process[i].gone)
			hold->process[kept++] = hold->process[i];
	hold->processes = kept;
}

int hold_refresh(struct hold *hold)
{
	int err = 0;

	/* the list grows while children, and theirs, are found */
	for (size_t i = 0; !err && i < hold->processes; i++) {
		if (hold->process[i].gone)
			continue;
		err = find_all_children(hold, hold->process[i].pid);
		if (!err)
			err = refresh(hold, i);
	}
	forget_children(hold);
	return err;
}
