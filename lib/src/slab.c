// SPDX-License-Identifier: MIT
/* Spans of each class, and the caches of threads. */
#include "slab.h"

#include "base.h"
#include "node_region.h"
#include "sys.h"

#include <errno.h>

enum {
	BATCH_MAX = 32,
	BATCH_BYTES = 32768, /* and larger objects are not cached */
	GROW_BYTES = 4 << 20,
	/* of a span, what may be left over at its end: 1/8 */
	REST_SHARE = 8,
};

/* ---- life ---- */

int np_slab_options(struct numaperf_heap_opts *o, const struct numaperf_heap_opts *theirs,
		    const char *creation)
{
	int err;

	*o = (struct numaperf_heap_opts){ .sz = sizeof(*o) };
	err = np_opts_take(o, sizeof(*o), theirs, creation);
	if (!err && o->reserved)
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, creation, NULL,
			      "an option is out of range");
	return err;
}

static size_t size_max(const struct numaperf_topology *topo, int node,
		       const struct numaperf_heap_opts *o)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };

	if (o->size_max)
		return o->size_max;
	if (numaperf_topology_node_info(topo, node, &info))
		return 0;
	/* it may be given more: hotplug, balloons */
	return info.memory_bytes * 2;
}

/* Units begin at multiples of their size; huge pages do so, too. */
static int create_region(struct np_slab *s, const struct numaperf_topology *topo,
			 const struct numaperf_heap_opts *o, const char *creation)
{
	size_t lead = o->huge_page_size ? 0 : NP_UNIT, room = size_max(topo, s->node, o);
	size_t size = o->size ? o->size : MIN(s->grow_bytes, room);
	struct numaperf_region_opts opts = {
		.mode = o->mode,
		.prefault = o->prefault,
		.thp = o->thp,
		.huge_page_size = o->huge_page_size,
		.name = o->name,
	};
	int err;

	size = ROUND_UP(MAX(size, 1), NP_UNIT);
	room = MAX(room, size) / NP_UNIT * NP_UNIT;
	opts.size_max = room + lead;
	err = np_node_region_create(&s->region, topo, s->node, size + lead, opts, creation);
	if (err)
		return err;
	s->base = (char *)ROUND_UP((uintptr_t)numaperf_region_data(s->region), NP_UNIT);
	s->unit_max = MIN(room / NP_UNIT, NP_NO_UNIT - 1);
	s->top = np_units_below(s);
	s->idle = s->top;
	return 0;
}

/* Mapped, so that only what is used costs memory. */
static int map_tables(struct np_slab *s, const char *creation)
{
	size_t units = s->unit_max;
	size_t caches = NP_SLOTS * s->classes * sizeof(*s->caches);
	size_t bits = ROUND_UP(units, 64) / 8;
	void *mem;
	char *at;

	s->mapped = caches + units * sizeof(*s->span) + bits + units * sizeof(*s->unit);
	if (np_sys->map(&mem, s->mapped) < 0) {
		s->mapped = 0;
		return np_fail_memory(creation);
	}
	at = mem;
	s->caches = mem;
	s->span = (struct np_span *)(at += caches);
	s->used = (uint64_t *)(at += units * sizeof(*s->span));
	s->unit = (struct np_unit *)(at + bits);
	return 0;
}

int np_slab_init(struct np_slab *s, const struct numaperf_topology *topo,
		 const struct numaperf_heap_opts *opts, const char *operation,
		 const char *creation)
{
	int err;

	s->operation = operation;
	s->strict = opts->mode != NUMAPERF_SOFT;
	s->grow_bytes = MAX(opts->grow_bytes ? opts->grow_bytes : GROW_BYTES, NP_UNIT);
	/* no secret, only unlikely to be what a program writes by itself */
	s->seal = (uintptr_t)(np_clock_ns() * 0x9e3779b97f4a7c15u);
	pthread_mutex_init(&s->lock, NULL);
	err = create_region(s, topo, opts, creation);
	return err ? err : map_tables(s, creation);
}

void np_slab_fini(struct np_slab *s)
{
	if (s->mapped)
		(void)np_sys->unmap(s->caches, s->mapped);
	numaperf_region_unref(s->region);
	for (unsigned int c = 0; c < s->classes; c++)
		if (s->class[c].size)
			pthread_mutex_destroy(&s->class[c].lock);
	pthread_mutex_destroy(&s->lock);
}

/* The inverse of an odd number modulo 2^64, by Newton: each step doubles the right bits. */
static uint64_t inverse(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

void np_slab_class_add(struct np_slab *s, unsigned int c, size_t size)
{
	struct np_slab_class *class = &s->class[c];
	uint32_t units = 1;

	while (units < NP_SLAB_SPAN_MAX &&
	       (size_t)units * NP_UNIT % size > (size_t)units * NP_UNIT / REST_SHARE)
		units++;
	/* a span of one object is no better than a large one: some more, while they are small
	 */
	while (units * 2 <= NP_SLAB_SPAN_MAX / 8 && (size_t)units * NP_UNIT / size < 4)
		units *= 2;
	class->size = size;
	class->shift = (unsigned int)__builtin_ctzll(size);
	class->inverse = inverse(size >> class->shift);
	class->units = units;
	class->objects = (uint32_t)((size_t)units * NP_UNIT / size);
	class->batch = (uint32_t)MIN(BATCH_BYTES / size, BATCH_MAX);
	pthread_mutex_init(&class->lock, NULL);
}

/* ---- which object is it ---- */

/* `n` over the class's size; more than `most` when that does not divide it. */
static inline uint64_t exact_quotient(const struct np_slab_class *class, uint64_t n)
{
	uint64_t k = n * class->inverse;

	return class->shift ? k >> class->shift | k << (64 - class->shift) : k;
}

static inline struct np_unit unit_of(const struct np_slab *s, size_t unit)
{
	return (struct np_unit){
		.kind = __atomic_load_n(&s->unit[unit].kind, __ATOMIC_RELAXED),
		.back = __atomic_load_n(&s->unit[unit].back, __ATOMIC_RELAXED),
	};
}

static inline uint32_t fresh_of(const struct np_slab *s, size_t first)
{
	return __atomic_load_n(&s->unit[first].fresh, __ATOMIC_RELAXED);
}

/* The kind of what begins at `object`, a class + 1 or NP_UNIT_LARGE; NP_UNIT_FREE: nothing
 * does.
 */
static inline unsigned int kind_at(const struct np_slab *s, const void *object)
{
	size_t offset = (size_t)((const char *)object - s->base), unit = offset / NP_UNIT;
	const struct np_slab_class *class;
	struct np_unit u;

	if (np_unlikely((const char *)object < s->base || unit >= s->unit_max))
		return NP_UNIT_FREE;
	u = unit_of(s, unit);
	if (np_unlikely(u.kind - 1u >= s->classes))
		return u.kind == NP_UNIT_LARGE && !(offset % NP_UNIT) ? NP_UNIT_LARGE
								      : NP_UNIT_FREE;
	class = &s->class[u.kind - 1];
	unit -= u.back;
	offset -= unit * NP_UNIT;
	return exact_quotient(class, offset) < fresh_of(s, unit) ? u.kind : NP_UNIT_FREE;
}

size_t np_slab_usable(const struct np_slab *s, const void *object)
{
	unsigned int kind = kind_at(s, object);

	if (kind - 1 < s->classes)
		return s->class[kind - 1].size;
	if (kind != NP_UNIT_LARGE)
		return 0;
	return (size_t)s->span[(size_t)((const char *)object - s->base) / NP_UNIT].units *
	       NP_UNIT;
}

/* ---- spans; with the class's lock held ---- */

static void link_span(struct np_slab *s, struct np_slab_class *class, uint32_t unit)
{
	s->span[unit].previous = 0;
	s->span[unit].next = class->partial;
	if (class->partial)
		s->span[class->partial - 1].previous = unit + 1;
	class->partial = unit + 1;
}

static void unlink_span(struct np_slab *s, struct np_slab_class *class, uint32_t unit)
{
	struct np_span *span = &s->span[unit];

	if (span->previous)
		s->span[span->previous - 1].next = span->next;
	else
		class->partial = span->next;
	if (span->next)
		s->span[span->next - 1].previous = span->previous;
}

static void set_kind(struct np_slab *s, uint32_t unit, uint32_t n, uint8_t first, uint8_t rest)
{
	for (uint32_t i = 0; i < n; i++) {
		struct np_unit *u = &s->unit[unit + i];

		__atomic_store_n(&u->back, (uint8_t)i, __ATOMIC_RELAXED);
		__atomic_store_n(&u->fresh, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&u->kind, i ? rest : first, __ATOMIC_RELAXED);
	}
}

static bool add_span(struct np_slab *s, unsigned int c)
{
	struct np_slab_class *class = &s->class[c];
	uint32_t unit = np_units_take(s, class->units);

	if (unit == NP_NO_UNIT)
		return false;
	s->span[unit] = (struct np_span){ .units = class->units };
	set_kind(s, unit, class->units, (uint8_t)(c + 1), (uint8_t)(c + 1));
	link_span(s, class, unit);
	return true;
}

/* The next object of the span that was never handed out. */
static size_t hand_out(struct np_slab *s, uint32_t unit)
{
	uint32_t fresh = fresh_of(s, unit);

	__atomic_store_n(&s->unit[unit].fresh, fresh + 1, __ATOMIC_RELAXED);
	return fresh;
}

static void *take_one(struct np_slab *s, struct np_slab_class *class)
{
	uint32_t unit = class->partial - 1;
	struct np_span *span = &s->span[unit];
	void *object = span->free;

	if (object)
		span->free = *(void **)object;
	else
		object = s->base + (size_t)unit * NP_UNIT + hand_out(s, unit) * class->size;
	span->live++;
	class->live++;
	if (!span->free && fresh_of(s, unit) == class->objects)
		unlink_span(s, class, unit);
	return object;
}

static void give_one(struct np_slab *s, struct np_slab_class *class, void *object)
{
	size_t unit = (size_t)((char *)object - s->base) / NP_UNIT;
	struct np_span *span;

	unit -= s->unit[unit].back;
	span = &s->span[unit];
	if (!span->free && fresh_of(s, unit) == class->objects)
		link_span(s, class, (uint32_t)unit);
	*(void **)object = span->free;
	span->free = object;
	span->live--;
	class->live--;
	/* the last one is kept: a program that takes one and gives it back would make and
	 * unmake it each time */
	if (!span->live && (span->next || span->previous)) {
		unlink_span(s, class, (uint32_t)unit);
		np_units_give(s, (uint32_t)unit, class->units);
	}
}

/* ---- caches ---- */

/* One for the caller, and a batch for his cache, which is empty. */
static void *alloc_batch(struct np_slab *s, unsigned int c, unsigned int slot)
{
	struct np_slab_class *class = &s->class[c];
	void *object = NULL, *head = NULL;
	size_t count = 0;

	pthread_mutex_lock(&class->lock);
	if (class->partial || add_span(s, c))
		object = take_one(s, class);
	while (object && slot < NP_SLOTS && count < class->batch && class->partial) {
		uintptr_t *more = take_one(s, class);

		more[0] = (uintptr_t)head;
		more[1] = np_slab_seal(s, more);
		head = more;
		count++;
	}
	pthread_mutex_unlock(&class->lock);
	if (!object) {
		__atomic_fetch_add(&s->refused, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	((uintptr_t *)object)[1] = 0;
	if (count) {
		struct np_cache *cache = np_slab_cache(s, slot, c);

		cache->head = head;
		__atomic_store_n(&cache->count, count, __ATOMIC_RELAXED);
	}
	return object;
}

void *np_slab_alloc_slow(struct np_slab *s, unsigned int c)
{
	unsigned int slot = np_slot();

	/* the thread's first: whoever had the number before may have left it something */
	if (slot > NP_SLOTS) {
		np_slot_take();
		return np_slab_alloc(s, c);
	}
	return alloc_batch(s, c, slot);
}

/* The older half of a full cache goes back to where everybody can have it. */
static void flush(struct np_slab *s, struct np_slab_class *class, struct np_cache *cache)
{
	void **last = cache->head, *object;

	for (uint32_t i = 1; i < class->batch; i++)
		last = *last;
	object = *last;
	*last = NULL;
	__atomic_store_n(&cache->count, (size_t) class->batch, __ATOMIC_RELAXED);
	pthread_mutex_lock(&class->lock);
	while (object) {
		void *next = *(void **)object;

		give_one(s, class, object);
		object = next;
	}
	pthread_mutex_unlock(&class->lock);
}

static __attribute__((noinline, cold)) void bad_free(struct np_slab *s, const void *object,
						     const char *what)
{
	__atomic_fetch_add(&s->bad_frees, 1, __ATOMIC_RELAXED);
	np_log(NUMAPERF_LOG_WARNING, "heap on node %d: %p %s; it is left alone", s->node,
	       object, what);
}

static void free_large(struct np_slab *s, void *object)
{
	uint32_t unit = (uint32_t)((size_t)((char *)object - s->base) / NP_UNIT);
	uint32_t units = s->span[unit].units;

	__atomic_fetch_sub(&s->large, units, __ATOMIC_RELAXED);
	np_units_give(s, unit, units);
}

static void free_object(struct np_slab *s, unsigned int c, uintptr_t *object)
{
	struct np_slab_class *class = &s->class[c];
	unsigned int slot = np_slot();
	struct np_cache *cache;

	if (np_unlikely(slot > NP_SLOTS))
		slot = np_slot_take();
	object[1] = np_slab_seal(s, object);
	if (np_unlikely(slot == NP_SLOTS || !class->batch)) {
		pthread_mutex_lock(&class->lock);
		give_one(s, class, object);
		pthread_mutex_unlock(&class->lock);
		return;
	}
	cache = np_slab_cache(s, slot, c);
	object[0] = (uintptr_t)cache->head;
	cache->head = object;
	__atomic_store_n(&cache->count, cache->count + 1, __ATOMIC_RELAXED);
	if (np_unlikely(cache->count > 2 * (size_t) class->batch))
		flush(s, class, cache);
}

void np_slab_free(struct np_slab *s, void *object)
{
	unsigned int kind = kind_at(s, object);

	if (np_likely(kind - 1 < s->classes)) {
		if (np_unlikely(((uintptr_t *)object)[1] == np_slab_seal(s, object)))
			bad_free(s, object, "is free already");
		else
			free_object(s, kind - 1, object);
	} else if (kind == NP_UNIT_LARGE) {
		free_large(s, object);
	} else if (object) {
		bad_free(s, object, "was not allocated here");
	}
}

/* ---- large objects ---- */

void *np_slab_alloc_large(struct np_slab *s, size_t size)
{
	size_t units = size / NP_UNIT + !!(size % NP_UNIT);
	uint32_t unit = NP_NO_UNIT;

	if (units <= s->unit_max)
		unit = np_units_take(s, (uint32_t)units);
	else
		np_fail(-ENOMEM, NUMAPERF_REASON_MEMORY, s->operation,
			"raise size_max, or ask for less",
			"%zu KiB are more than its size_max of %zu KiB", size >> 10,
			s->unit_max * NP_UNIT >> 10);
	if (unit == NP_NO_UNIT) {
		__atomic_fetch_add(&s->refused, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	s->span[unit].units = (uint32_t)units;
	set_kind(s, unit, (uint32_t)units, NP_UNIT_LARGE, NP_UNIT_REST);
	__atomic_fetch_add(&s->large, units, __ATOMIC_RELAXED);
	return s->base + (size_t)unit * NP_UNIT;
}

/* ---- answers ---- */

/* Spans that nobody uses go back to the units; each class keeps its last one otherwise. */
static void drop_empty_spans(struct np_slab *s, struct np_slab_class *class)
{
	pthread_mutex_lock(&class->lock);
	for (uint32_t at = class->partial; at;) {
		uint32_t unit = at - 1;

		at = s->span[unit].next;
		if (s->span[unit].live)
			continue;
		unlink_span(s, class, unit);
		np_units_give(s, unit, class->units);
	}
	pthread_mutex_unlock(&class->lock);
}

size_t np_slab_trim(struct np_slab *s)
{
	for (unsigned int c = 0; c < s->classes; c++)
		drop_empty_spans(s, &s->class[c]);
	return np_units_trim(s);
}

static size_t cached(const struct np_slab *s, unsigned int c)
{
	size_t count = 0;

	for (unsigned int slot = 0; slot < NP_SLOTS; slot++)
		count += __atomic_load_n(&np_slab_cache(s, slot, c)->count, __ATOMIC_RELAXED);
	return count;
}

int np_slab_stats(struct np_slab *s, struct numaperf_heap_stats *stats)
{
	struct numaperf_heap_stats sum = { .sz = sizeof(sum) };

	if (!stats || stats->sz < sizeof(stats->sz))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, s->operation, NULL,
			       "sz must be set to sizeof(struct numaperf_heap_stats)");
	for (unsigned int c = 0; c < s->classes; c++) {
		struct np_slab_class *class = &s->class[c];
		size_t live, kept = cached(s, c);

		pthread_mutex_lock(&class->lock);
		live = class->live;
		pthread_mutex_unlock(&class->lock);
		kept = MIN(kept, live);
		sum.cached += kept * class->size;
		sum.in_use += (live - kept) * class->size;
	}
	sum.in_use += __atomic_load_n(&s->large, __ATOMIC_RELAXED) * NP_UNIT;
	pthread_mutex_lock(&s->lock);
	sum.size = numaperf_region_size(s->region);
	sum.size_max = s->unit_max * NP_UNIT;
	sum.idle = s->idle * NP_UNIT;
	sum.grown = s->grown;
	pthread_mutex_unlock(&s->lock);
	sum.refused = __atomic_load_n(&s->refused, __ATOMIC_RELAXED);
	sum.bad_frees = __atomic_load_n(&s->bad_frees, __ATOMIC_RELAXED);
	np_snapshot_write(stats, stats->sz, &sum, sizeof(sum));
	return 0;
}
