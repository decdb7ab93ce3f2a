// SPDX-License-Identifier: MIT
/* The registry of what was promised: a list under a lock, told to whoever subscribes. */
#include "guarantee.h"
#include "base.h"
#include "sys.h"
#include "util.h"

#include <pthread.h>

struct entry {
	struct np_guarantee g;
	bool suspended; /* nobody was told of it, or that it is gone */
	struct entry *next;
};

/*
 * Guarantees come and go with executors, regions and pins: rarely. One lock is enough. Ids are
 * never used twice, so a late _leave cannot hit a newer entry.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static struct np_guarantee_subscriber *subscribers;
static uint64_t last_id;
static size_t count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * fork(): the lock is taken round it, so that the child's copy of the list is whole. The child
 * has none of its parent's threads, and pages that nobody promised to it: it starts empty.
 */
static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void after_fork_child(void)
{
	struct entry *e;

	while ((e = entries)) {
		entries = e->next;
		np_free(e);
	}
	subscribers = NULL;
	count = 0;
	pthread_mutex_unlock(&lock);
}

/* On first use, not in a constructor: a program that never promises anything pays nothing. */
static void hook_fork(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void lock_registry(void)
{
	pthread_once(&once, hook_fork);
	pthread_mutex_lock(&lock);
}

static void tell(const struct np_guarantee *g, bool gone)
{
	for (struct np_guarantee_subscriber *s = subscribers; s; s = s->next)
		s->fn(s->ctx, g, gone);
}

int np_guarantee_enter(const struct np_guarantee *g, uint64_t *id)
{
	void *p;
	struct entry *e;

	if (np_sys->alloc(&p, sizeof(*e), 0) < 0)
		return np_fail_memory("guarantee registry");
	e = p;
	e->g = *g;
	lock_registry();
	e->g.id = ++last_id;
	e->next = entries;
	entries = e;
	count++;
	*id = e->g.id;
	tell(&e->g, false);
	pthread_mutex_unlock(&lock);
	return 0;
}

void np_guarantee_leave(uint64_t id)
{
	struct entry **link, *e = NULL;

	if (!id)
		return;
	lock_registry();
	for (link = &entries; *link; link = &(*link)->next) {
		if ((*link)->g.id != id)
			continue;
		e = *link;
		*link = e->next;
		count--;
		if (!e->suspended)
			tell(&e->g, true);
		break;
	}
	pthread_mutex_unlock(&lock);
	np_free(e);
}

/* Under the lock; NULL: there is none. */
static struct entry *find(uint64_t id)
{
	struct entry *e = entries;

	while (e && e->g.id != id)
		e = e->next;
	return e;
}

void np_guarantee_suspend(uint64_t id)
{
	struct entry *e;

	lock_registry();
	e = find(id);
	if (e && !e->suspended) {
		e->suspended = true;
		tell(&e->g, true);
	}
	pthread_mutex_unlock(&lock);
}

uint64_t np_guarantee_resume(uint64_t id, const struct np_guarantee *g)
{
	struct entry *e;

	lock_registry();
	e = find(id);
	id = 0;
	if (e) {
		e->g = *g;
		e->g.id = id = ++last_id;
		e->suspended = false;
		tell(&e->g, false);
	}
	pthread_mutex_unlock(&lock);
	return id;
}

void np_guarantee_subscribe(struct np_guarantee_subscriber *s)
{
	lock_registry();
	s->next = subscribers;
	subscribers = s;
	for (const struct entry *e = entries; e; e = e->next)
		if (!e->suspended)
			s->fn(s->ctx, &e->g, false);
	pthread_mutex_unlock(&lock);
}

void np_guarantee_unsubscribe(struct np_guarantee_subscriber *s)
{
	struct np_guarantee_subscriber **link;

	lock_registry();
	for (link = &subscribers; *link; link = &(*link)->next) {
		if (*link == s) {
			*link = s->next;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void np_guarantee_owner_gone(const void *owner)
{
	lock_registry();
	for (const struct np_guarantee_subscriber *s = subscribers; s; s = s->next)
		if (s->owner_gone)
			s->owner_gone(s->ctx, owner);
	pthread_mutex_unlock(&lock);
}

size_t np_guarantee_count(void)
{
	size_t n;

	lock_registry();
	n = count;
	pthread_mutex_unlock(&lock);
	return n;
}
