// SPDX-License-Identifier: MIT
/*
 * The bodies of the programs, run in the kernel of this machine on CPUs of the test's choice
 * through their twins (twins.bpf.c), against models in C. Small domains are walked through,
 * the rest is random: NP_SEED repeats a run. On which node a CPU is, the test says, so one node
 * is enough to see what four would do.
 */
#include "../../lib/src/capability.h"
#include "../../lib/src/util.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

#include "../../bpf/decide.h"
#include "twins.h"
#include <twins.skel.h>

enum {
	NODES = 4,
	CPUS = 70, /* that the programs know of: more than a word of a mask has */
	RANGES = 64,
	WATCHES = 64,
};

static struct np_twins *twins;
static bool privileged;
static int online[2]; /* two CPUs, or the same one twice */
static int turn;

#define NEED_PRIVILEGE()                                                       \
 do {                                                                          \
  if (!privileged) {                                                           \
   print_message("SKIP %s: CAP_BPF and CAP_PERFMON are not ours\n", __func__); \
   skip();                                                                     \
  }                                                                            \
 } while (0)

/* ---- chance ---- */

static uint64_t seed;

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static void start_seed(const char *test)
{
	const char *given = getenv("NP_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec << 20 ^ now.tv_nsec;
	seed |= 1;
	print_message("%s: NP_SEED=%#llx\n", test, (unsigned long long)seed);
}

/* The programs' clock, and their window (watch.bpf.h). */
#define WINDOW 100000000ull
static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- twins ---- */

static void *area(const struct bpf_map *map)
{
	size_t length = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *at = mmap(NULL, ROUND_UP(length, 4096), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(map), 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static struct np_thread *threads;
static struct np_thread_node *thread_nodes;
static struct np_cell *cells;
static struct np_flow *flows;
static struct np_watch *watches;
static struct np_totals *totals;
static struct np_on_cpu *on_cpus;
static struct np_range *ranges;
static uint64_t *tids, *pin_words;

struct settings {
	unsigned int threads, burst;
	unsigned int cpus; /* 0: CPUS */
};

static void put_node(unsigned int cpu, unsigned int node)
{
	on_cpus[cpu].node = node;
}

static void load(const struct settings *with)
{
	struct bpf_program *p;

	np_twins__destroy(twins);
	twins = np_twins__open();
	assert_non_null(twins);
	bpf_object__for_each_program(p, twins->obj) bpf_program__set_autoload(
		p, bpf_program__type(p) == BPF_PROG_TYPE_RAW_TRACEPOINT);
	bpf_map__set_max_entries(twins->maps.threads, with->threads);
	bpf_map__set_max_entries(twins->maps.thread_nodes, with->threads * NODES);
	bpf_map__set_max_entries(twins->maps.tids, with->threads * 4);
	bpf_map__set_max_entries(twins->maps.cells, CPUS * NODES);
	bpf_map__set_max_entries(twins->maps.flows, NODES * NODES);
	bpf_map__set_max_entries(twins->maps.watches, WATCHES);
	bpf_map__set_max_entries(twins->maps.on_cpus, CPUS);
	bpf_map__set_max_entries(twins->maps.pin_words, WATCHES * 2);
	bpf_map__set_max_entries(twins->maps.ranges, RANGES * 2);
	bpf_map__set_max_entries(twins->maps.pinned, WATCHES);
	bpf_map__set_max_entries(twins->maps.events, 1 << 20);
	twins->rodata->cfg = (struct np_config){
		.nodes = NODES,
		.cpus = with->cpus ? with->cpus : CPUS,
		.threads = with->threads,
		.ranges = RANGES,
		.watches = WATCHES,
		.scope = NP_WATCH_ALL,
		.burst = with->burst,
		.affinity_exact = 1,
	};
	assert_int_equal(np_twins__load(twins), 0);
	threads = area(twins->maps.threads);
	thread_nodes = area(twins->maps.thread_nodes);
	cells = area(twins->maps.cells);
	flows = area(twins->maps.flows);
	watches = area(twins->maps.watches);
	totals = area(twins->maps.totals);
	on_cpus = area(twins->maps.on_cpus);
	ranges = area(twins->maps.ranges);
	tids = area(twins->maps.tids);
	pin_words = area(twins->maps.pin_words);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		put_node(cpu, cpu % NODES);
	for (unsigned int i = 0; i < WATCHES; i++)
		watches[i].id = 1000 + i;
}

static int call_on(int cpu, const struct bpf_program *twin, const uint64_t *arg)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arg, .ctx_size_in = 12 * sizeof(*arg),
		    .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = (__u32)cpu);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(twin), &opts), 0);
	return (int)opts.retval;
}

/* By this thread itself, not by what it interrupts. */
static int call_here(const struct bpf_program *twin, const uint64_t *arg)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = arg, .ctx_size_in = 12 * sizeof(*arg));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(twin), &opts), 0);
	return (int)opts.retval;
}

#define CALL_HERE(twin, ...) call_here(twins->progs.twin, (const uint64_t[12]){ __VA_ARGS__ })

/* CALL(twin, arguments...): on the two CPUs by turns. */
#define CALL_ON(cpu, twin, ...) \
 call_on(cpu, twins->progs.twin, (const uint64_t[12]){ __VA_ARGS__ })
#define CALL(twin, ...) call_next(twins->progs.twin, (const uint64_t[12]){ __VA_ARGS__ })

static int call_next(const struct bpf_program *twin, const uint64_t *arg)
{
	int cpu = online[turn++ & 1], answer = call_on(cpu, twin, arg);

	assert_int_equal(twins->bss->said.cpu, cpu);
	return answer;
}

static void wants(const char *twin, int got, int want, const uint64_t *arg, int n)
{
	char text[160] = "";

	if (got == want)
		return;
	for (int i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%#llx",
			 i ? ", " : "", (unsigned long long)arg[i]);
	fail_msg("%s(%s) is %d in the kernel, %d in the model", twin, text, got, want);
}

/* AGREES(want, twin, arguments...) */
#define AGREES(want, twin, ...)                                         \
 do {                                                                   \
  const uint64_t arg_[12] = { __VA_ARGS__ };                            \
  wants(#twin, call_next(twins->progs.twin, arg_), want, arg_,          \
	(int)(sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))); \
 } while (0)

/* ---- decide.h: by what its words say ---- */

/* The first line that fits decides; -1: whatever. */
static int model_move(int pending, int allowed, int leaving, int on_rq, int waking)
{
	static const struct {
		int pending, leaving, allowed, on_rq, waking, cause;
	} line[] = {
		{ NP_MOVE_NUMA_BALANCING, -1, -1, -1, -1, NP_MOVE_NUMA_BALANCING },
		{ -1, 1, -1, -1, -1, NP_MOVE_HOTPLUG },
		{ 0, 0, 0, -1, -1, NP_MOVE_AFFINITY },
		{ -1, 0, 0, -1, -1, -1 }, /* the pending one */
		{ -1, 0, 1, 2, -1, NP_MOVE_LOAD_BALANCE },
		{ -1, 0, 1, 0, 1, NP_MOVE_WAKEUP },
	};
	const int is[] = { pending, leaving, allowed, on_rq, waking };

	for (size_t i = 0; i < ARRAY_SIZE(line); i++) {
		const int want[] = { line[i].pending, line[i].leaving, line[i].allowed,
				     line[i].on_rq, line[i].waking };
		bool fits = true;

		for (size_t k = 0; k < ARRAY_SIZE(is); k++)
			fits &= want[k] < 0 || want[k] == is[k];
		if (fits)
			return line[i].cause < 0 ? pending : line[i].cause;
	}
	return NP_MOVE_UNKNOWN;
}

static void why_a_thread_moves(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	for (int pending = 0; pending < NP_MOVE_CAUSES; pending++)
		for (int on_rq = 0; on_rq < 4; on_rq++)
			for (int bits = 0; bits < 4; bits++)
				for (int bit = -1; bit < 17; bit++) {
					/* each state alone, and with TASK_NEW beside it */
					uint64_t task =
						bit < 0 ? 0 : 1u << bit | (bit & 1) << 11;

					AGREES(model_move(pending, bits & 1, bits >> 1, on_rq,
							  bit == 9),
					       move_cause, (uint64_t)pending, bits & 1,
					       bits >> 1, (uint64_t)on_rq, task);
				}
}

static void who_changes_an_affinity(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	for (int old = 0; old < 2; old++)
		for (int mask = 0; mask < 2; mask++)
			for (unsigned int flags = 0; flags < 64; flags++)
				for (int leaving = 0; leaving < 2; leaving++) {
					bool user = flags >> 3 & 1;
					int want =
						leaving		 ? NP_MOVE_HOTPLUG
						: !user && !mask ? NP_MOVE_CPUSET
						: old ? user ? NP_MOVE_AFFINITY : NP_MOVE_CPUSET
						: mask ? NP_MOVE_AFFINITY
						       : NP_MOVE_HOTPLUG;

					AGREES(want, affinity_cause, !old, (uint64_t)mask,
					       flags, (uint64_t)leaving);
				}
}

static void why_pages_move(void **state)
{
	/* by the numbers of enum migrate_reason; 3 is looked at more closely */
	static const int cause[] = { NP_PAGE_COMPACTION,     NP_PAGE_MEMORY_FAILURE,
				     NP_PAGE_MEMORY_HOTPLUG, -1,
				     NP_PAGE_MBIND,	     NP_PAGE_NUMA_BALANCING,
				     NP_PAGE_CONTIG_RANGE,   NP_PAGE_LONGTERM_PIN,
				     NP_PAGE_DEMOTION,	     NP_PAGE_DAMON };

	(void)state;
	NEED_PRIVILEGE();
	for (int reason = -2; reason < 14; reason++)
		for (int asked = 0; asked < NP_PAGE_CAUSES; asked++)
			for (int kthread = 0; kthread < 2; kthread++) {
				int want = reason >= 0 && reason < (int)ARRAY_SIZE(cause)
						   ? cause[reason]
						   : NP_PAGE_UNKNOWN;

				if (want < 0 && asked)
					want = asked;
				else if (want < 0)
					want = kthread ? NP_PAGE_CPUSET : NP_PAGE_MOVE_PAGES;
				AGREES(want, page_cause, (uint64_t)(int64_t)reason,
				       (uint64_t)asked, (uint64_t)kthread);
			}
}

static void what_kind_a_page_is(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	for (int bit = 0; bit < 64; bit++) {
		AGREES(bit == 2 ? NP_KIND_TEXT : NP_KIND_FILE, file_kind, 1ull << bit);
		AGREES(bit == 2 ? NP_KIND_FILE : NP_KIND_TEXT, file_kind, ~(1ull << bit));
	}
	for (uint64_t pages = 1; pages <= 1024; pages++)
		AGREES(pages < 512 ? NP_KIND_ANON : NP_KIND_HUGE, anon_kind, pages);
	AGREES(NP_KIND_HUGE, anon_kind, 1ull << 32); /* not cut down to 32 bits */
	for (int bit = 0; bit < 32; bit++) {
		AGREES(bit == 3, alloc_counts, 1u << bit);
		AGREES(bit != 3, alloc_counts, ~(1u << bit));
		for (uint64_t order = 0; order < 20; order++) {
			bool huge = order >= 9;

			AGREES(huge	  ? NP_KIND_HUGE
			       : bit == 8 ? NP_KIND_ANON
					  : NP_KIND_FILE,
			       alloc_kind, 1u << bit, order);
			AGREES(huge	  ? NP_KIND_HUGE
			       : bit == 8 ? NP_KIND_FILE
					  : NP_KIND_ANON,
			       alloc_kind, ~(1u << bit), order);
		}
	}
}

static void when_a_cpu_leaves(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	for (uint64_t active = 0; active < 6; active++)
		for (uint64_t on = active; on < 6; on++)
			for (uint64_t target = 0; target < 6; target++)
				for (uint64_t step = 0; step < 6; step++)
					AGREES(!(target >= on) && !(step < active), cpu_leaves,
					       target, step, active, on);
}

/* By division, as Knuth has it: the prime next to 2^32 divided by the golden ratio. */
static uint32_t model_hash(uint32_t tid)
{
	return (uint32_t)((uint64_t)tid * 2654435761u % (1ull << 32) / 256);
}

static void where_a_thread_is_looked_for(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	for (uint32_t tid = 0; tid < 300; tid++)
		AGREES((int)model_hash(tid), hash, tid);
	for (int i = 0; i < 700; i++) {
		uint32_t tid = any(UINT32_MAX);

		AGREES((int)model_hash(tid), hash, tid);
	}
	AGREES((int)model_hash(UINT32_MAX), hash, UINT32_MAX);
}

/* ---- the table of threads ---- */

enum {
	SLOTS = 16, /* so few that both the slots and the places near a hash run out */
	PLACES = SLOTS * 4,
};

static struct model {
	uint32_t slot_tid[SLOTS]; /* 0: free */
	uint32_t place_tid[PLACES];
	bool place_used[PLACES];
	uint32_t cursor;
	uint64_t seen, lost;
} model;

static int model_find(uint32_t tid)
{
	for (unsigned int i = 0; i < NP_TID_PROBES; i++) {
		unsigned int at = (model_hash(tid) + i) % PLACES;

		if (!model.place_used[at])
			return 0;
		if (model.place_tid[at] != tid)
			continue;
		for (int slot = 0; slot < SLOTS; slot++)
			if (model.slot_tid[slot] == tid)
				return slot + 1;
	}
	return 0;
}

static int model_enter(uint32_t tid)
{
	int slot = -1;

	for (int i = 0; i < 16 && slot < 0; i++, model.cursor++)
		if (!model.slot_tid[model.cursor % SLOTS])
			slot = (int)(model.cursor % SLOTS);
	for (unsigned int i = 0; i < NP_TID_PROBES && slot >= 0; i++) {
		unsigned int at = (model_hash(tid) + i) % PLACES;

		if (model.place_tid[at])
			continue;
		model.place_tid[at] = tid;
		model.place_used[at] = true;
		model.slot_tid[slot] = tid;
		model.seen++;
		return slot + 1;
	}
	model.lost++;
	return 0;
}

/* What np_hooks_free_thread() does, in both. */
static void free_slot(int slot)
{
	uint32_t tid = model.slot_tid[slot];

	for (int at = 0; at < PLACES; at++) {
		if (model.place_tid[at] == tid)
			model.place_tid[at] = 0;
		if (tids[at] == ((uint64_t)tid << 32 | (uint32_t)slot))
			tids[at] = NP_TID_GONE;
	}
	memset(&threads[slot], 0, sizeof(threads[slot]));
	model.slot_tid[slot] = 0;
}

static void threads_are_entered_and_found(void **state)
{
	uint32_t pool[48], pin_of[48];
	int fd, full = 0, crowded = 0;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = SLOTS, .burst = 1000000 });
	fd = bpf_map__fd(twins->maps.pinned);
	memset(&model, 0, sizeof(model));
	for (size_t i = 0; i < ARRAY_SIZE(pool); i++) {
		/* most of them near one place of the table, so that they get in each other's
		 * way */
		do
			pool[i] = 1 + any(4000000);
		while (i % 3 && model_hash(pool[i]) % PLACES > 1);
		pin_of[i] = any(3) ? 0 : 1 + any(WATCHES);
		if (pin_of[i])
			assert_int_equal(bpf_map_update_elem(fd, &pool[i], &pin_of[i], BPF_ANY),
					 0);
	}
	for (int i = 0; i < 20000; i++) {
		unsigned int which = any(ARRAY_SIZE(pool));
		uint32_t tid = pool[which];
		int slot = model_find(tid);

		AGREES(slot, find, tid);
		if (!slot && any(3)) {
			uint64_t lost = model.lost;
			bool room = false;

			for (int k = 0; k < SLOTS; k++)
				room |= !model.slot_tid[k];
			slot = model_enter(tid);
			AGREES(slot, enter, tid);
			full += !room && model.lost > lost;
			crowded += room && model.lost > lost;
			if (slot) {
				const struct np_thread *t = &threads[slot - 1];

				assert_int_equal(t->state, NP_SLOT_LIVE);
				assert_int_equal(t->tid, tid);
				assert_int_equal(t->tgid, twins->bss->said.tgid);
				assert_int_equal(t->pin, pin_of[which]);
			}
		} else if (slot && any(3)) {
			free_slot(slot - 1);
		}
		assert_int_equal(totals->threads_seen, model.seen);
		assert_int_equal(totals->threads_lost, model.lost);
		assert_int_equal(twins->bss->state.cursor, model.cursor);
		for (int k = 0; k < SLOTS; k++)
			assert_int_equal(threads[k].state,
					 model.slot_tid[k] ? NP_SLOT_LIVE : NP_SLOT_FREE);
	}
	print_message("%llu entered; %d found no slot, %d no place near their hash\n",
		      (unsigned long long)model.seen, full, crowded);
	assert_true(full > 100 && crowded > 100); /* or the sequence is too tame to tell */
}

static void be_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

enum {
	PAIRS = 512
};

struct crowd {
	int cpu;
	uint32_t tid[PAIRS], slot[PAIRS];
};

static int arrived;

/* Both at the same moment, as far as two CPUs can. */
static void meet(int n)
{
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 2 * n)
		if (online[0] == online[1])
			sched_yield();
}

static void *enter_many(void *arg)
{
	struct crowd *crowd = arg;

	be_on(crowd->cpu);
	for (int i = 0; i < PAIRS; i++) {
		meet(i + 1);
		crowd->slot[i] = (uint32_t)CALL_ON(crowd->cpu, enter, crowd->tid[i]);
	}
	return NULL;
}

/* Two CPUs enter threads of the same hash: each gets a slot of its own and is found. */
static void two_cpus_enter_threads_at_once(void **state)
{
	enum {
		MANY = 4 * PAIRS
	};
	static struct crowd crowd[2];
	static bool taken[MANY + 1];
	pthread_t other;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	for (int i = 0; i < 2; i++)
		crowd[i].cpu = online[i];
	/* each pair on a place of its own, with room behind it: only the two are in their way
	 */
	for (uint32_t i = 0; i < PAIRS; i++) {
		uint32_t tid = 1 + any(1000000);

		for (int k = 0; k < 2; k++, tid++) {
			while (model_hash(tid) % (MANY * 4) != i * (MANY * 4 / PAIRS))
				tid++;
			crowd[k].tid[i] = tid;
		}
	}
	for (int round = 0; round < 8; round++) {
		load(&(struct settings){ .threads = MANY, .burst = 1000000 });
		memset(taken, 0, sizeof(taken));
		arrived = 0;
		assert_int_equal(pthread_create(&other, NULL, enter_many, &crowd[1]), 0);
		enter_many(&crowd[0]);
		pthread_join(other, NULL);
		for (int k = 0; k < 2; k++)
			for (uint32_t i = 0; i < PAIRS; i++) {
				uint32_t slot = crowd[k].slot[i];

				assert_in_range(slot, 1, MANY);
				assert_false(taken[slot]);
				taken[slot] = true;
				AGREES((int)slot, find, crowd[k].tid[i]);
			}
		assert_int_equal(totals->threads_seen, 2 * PAIRS);
		assert_int_equal(totals->threads_lost, 0);
	}
}

/* ---- ranges ---- */

enum {
	PROCESSES = 5,
	PAGES = 4000, /* of a process's addresses that ranges lie in */
};

static struct np_range *table; /* the one in force */
static int table_count;

/*
 * Sorted ranges that do not overlap, some next to each other, between two processes that have
 * none. The other table is full of what must not be found.
 */
static void new_ranges(void)
{
	unsigned int version = (unsigned int)++totals->ranges_version & 1;
	struct np_range *other = ranges + (version ? 0 : RANGES);
	int processes = 1 + (int)any(PROCESSES), room;

	table = ranges + (version ? RANGES : 0);
	table_count = 0;
	room = any(10) ? (int)any(RANGES + 1) : RANGES;
	memset(twins->bss->state.range_tgid, 0, sizeof(twins->bss->state.range_tgid));
	for (int p = 0; p < processes; p++) {
		int left = (room - table_count) / (processes - p);
		uint64_t page = any(20);

		twins->bss->state.range_tgid[p] = 10 + 2 * (uint32_t)p;
		for (; left && page < PAGES; left--) {
			struct np_range *r = &table[table_count];
			uint64_t pages = 1 + any(any(3) ? 8 : 600);

			memset(r, 0, sizeof(*r));
			r->tgid = 10 + 2 * (uint32_t)p;
			r->watch = (uint32_t)table_count++;
			r->start = page << 12;
			r->end = (page + pages) << 12;
			r->nodes[0] = any(1 << NODES);
			page += pages + (any(2) ? 0 : any(50));
		}
	}
	totals->ranges_count[version] = (uint64_t)table_count;
	totals->ranges_count[!version] = RANGES;
	for (int i = 0; i < RANGES; i++)
		other[i] = (struct np_range){ .tgid = 10 + (uint32_t)i / 8,
					      .watch = WATCHES - 1,
					      .start = (uint64_t)(i % 8) << 21,
					      .end = (uint64_t)(i % 8 + 1) << 21 };
}

/* Every range is looked at. */
static int model_touched(uint32_t tgid, uint64_t address, uint64_t pages, int *found)
{
	int n = 0;

	for (int i = 0; i < table_count && n < 4; i++)
		if (table[i].tgid == tgid && table[i].end > address &&
		    table[i].start < address + (pages << 12))
			found[n++] = i;
	return n;
}

struct query {
	uint32_t tgid;
	uint64_t address, pages;
};

/* Often at an edge of a range. */
static struct query any_query(void)
{
	struct query q = { .tgid = 9 + any(2 * PROCESSES + 2),
			   .address = (uint64_t)any(PAGES + 700) << 12,
			   .pages = any(3)   ? 1
				    : any(2) ? 512
					     : 1u << any(10) };

	if (table_count && any(2)) {
		const struct np_range *r = &table[any((uint32_t)table_count)];

		q.tgid = r->tgid;
		q.address = any(2) ? r->start : r->end;
		if (any(2) && q.address)
			q.address -= 4096;
	}
	return q;
}

static void ranges_of_an_address(void **state)
{
	int hits = 0, several = 0;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = 16, .burst = 1000000 });
	for (int i = 0; i < 200; i++) {
		new_ranges();
		for (int k = 0; k < 200; k++) {
			struct query q = any_query();
			int want[4], n = model_touched(q.tgid, q.address, q.pages, want);

			AGREES(n, touched, q.tgid, q.address, q.pages);
			for (int r = 0; r < n; r++)
				assert_int_equal(twins->bss->said.found[r], want[r]);
			hits += n > 0;
			several += n > 1;
		}
	}
	print_message("%d of 40000 in a range, %d in several\n", hits, several);
	assert_true(hits > 5000 && several > 1000);
}

static void nodes_of_a_range(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	for (int i = 0; i < 4; i++) {
		struct np_range *r = &ranges[i];

		for (int w = 0; w < NP_NODE_WORDS; w++)
			r->nodes[w] = (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);
		for (unsigned int node = 0; node < NP_NODE_WORDS * 64 + 70; node++)
			AGREES(node < NP_NODE_WORDS * 64
				       ? (int)(r->nodes[node / 64] >> node % 64 & 1)
				       : 0,
			       range_has, (uint64_t)i, node);
		/* a node that is not known is in no set */
		AGREES(0, range_has, (uint64_t)i, NP_NODE_UNKNOWN);
	}
}

static int event_count;
static struct np_event last_event[8];

static int on_event(void *ctx, void *data, size_t size)
{
	(void)ctx;
	assert_true(size >= sizeof(struct np_event));
	if (event_count < (int)ARRAY_SIZE(last_event))
		last_event[event_count] = *(struct np_event *)data;
	event_count++;
	return 0;
}

static void told_pages(struct ring_buffer *ring, bool exact)
{
	uint64_t count[WATCHES] = { 0 };

	for (int i = 0; i < WATCHES; i++)
		watches[i].violations = watches[i].suspects = 0;
	for (int k = 0; k < 100; k++) {
		struct query q = any_query();
		int to = (int)any(NODES), found[4], n, events = 0, all = 0;

		n = model_touched(q.tgid, q.address, q.pages, found);
		event_count = 0;
		if (exact)
			CALL(tell, q.tgid, q.address, q.pages, 1, (uint64_t)to, NP_PAGE_MBIND);
		else
			CALL(suspected, q.address, q.pages);
		ring_buffer__consume(ring);
		/* without the process's name, each process's ranges are meant */
		for (uint32_t p = 0; !exact && p < PROCESSES; p++) {
			int more[4], m;

			if (!twins->bss->state.range_tgid[p])
				break;
			m = model_touched(10 + 2 * p, q.address, q.pages, more);
			for (int r = 0; r < m; r++) {
				uint64_t end = q.address + (q.pages << 12);
				const struct np_range *range = &table[more[r]];

				count[more[r]] +=
					(MIN(range->end, end) - MAX(range->start, q.address)) >>
					12;
				all++;
			}
		}
		for (int r = 0; exact && r < n; r++) {
			uint64_t end = q.address + (q.pages << 12);
			const struct np_range *range = &table[found[r]];
			uint64_t start = MAX(range->start, q.address);
			uint64_t pages = (MIN(range->end, end) - start) >> 12;
			const struct np_event *e = &last_event[events];

			if (range->nodes[0] >> to & 1)
				continue;
			count[found[r]] += pages;
			events++;
			assert_int_equal(e->kind, NP_EVENT_PAGE);
			assert_int_equal(e->cause, NP_PAGE_MBIND);
			assert_int_equal(e->id, 1000 + found[r]);
			assert_int_equal(e->tgid, q.tgid);
			assert_true(e->address == start);
			assert_int_equal(e->pages, pages);
			assert_int_equal(e->from_node, 1);
			assert_int_equal(e->to_node, to);
			assert_int_equal(e->actor_tid, twins->bss->said.tid);
		}
		assert_int_equal(event_count, exact ? events : all);
	}
	for (int i = 0; i < WATCHES; i++) {
		assert_int_equal(watches[i].violations, exact ? count[i] : 0);
		assert_int_equal(watches[i].suspects, exact ? 0 : count[i]);
	}
}

static void pages_are_told_range_by_range(void **state)
{
	struct ring_buffer *ring;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = 16, .burst = 1000000 });
	ring = ring_buffer__new(bpf_map__fd(twins->maps.events), on_event, NULL, NULL);
	assert_non_null(ring);
	for (int i = 0; i < 60; i++) {
		new_ranges();
		told_pages(ring, true);
		told_pages(ring, false);
	}
	assert_int_equal(totals->events_lost, 0);
	assert_int_equal(totals->events_limited, 0);
	ring_buffer__free(ring);
}

/* ---- runs ---- */

#define MIGRATE_MBIND 4 /* enum migrate_reason */

static struct np_event run_event[512];

static int on_run(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)size;
	assert_true(event_count < (int)ARRAY_SIZE(run_event));
	run_event[event_count++] = *(struct np_event *)data;
	return 0;
}

static struct np_event told_run[512]; /* as they should come */
static int told_runs;

static void model_run(uint64_t address, uint64_t pages, int from, int to, uint64_t id)
{
	struct np_event *last = told_runs ? &told_run[told_runs - 1] : NULL;

	if (last && last->address + (last->pages << 12) == address && last->from_node == from &&
	    last->to_node == to && last->id == id) {
		last->pages += pages;
		return;
	}
	told_run[told_runs++] = (struct np_event){
		.id = id, .address = address, .pages = pages, .from_node = from, .to_node = to
	};
}

/* One migration of up to 60 pieces; two ranges, side by side. */
static void one_migration(struct ring_buffer *ring, bool exact)
{
	uint64_t at = 0x100000, begin = clock_ns();

	told_runs = event_count = 0;
	CALL_HERE(begins, MIGRATE_MBIND);
	for (uint32_t i = 0; i < 1 + any(60); i++) {
		uint64_t pages = 1 + any(4);
		int from = exact ? (int)any(8) / 7 : -1, to = exact ? 2 + (int)any(8) / 7 : -1;
		uint64_t border = 0x180000, cut = MIN(at + (pages << 12), border);

		if (!any(4))
			at += (1 + any(3)) << 12;
		cut = at < border ? MIN(at + (pages << 12), border) : at;
		if (cut > at)
			model_run(at, (cut - at) >> 12, from, to, 1000);
		if (at + (pages << 12) > cut)
			model_run(cut, pages - ((cut - at) >> 12), from, to, 1001);
		if (exact)
			CALL_HERE(tell, 10, at, pages, (uint64_t)from, (uint64_t)to,
				  NP_PAGE_MBIND);
		else
			CALL_HERE(suspected, at, pages);
		at += pages << 12;
	}
	ring_buffer__consume(ring);
	assert_true(event_count < told_runs || clock_ns() - begin > WINDOW);
	CALL_HERE(ends, 1);
	ring_buffer__consume(ring);
	if (clock_ns() - begin > WINDOW)
		return; /* told in between: the sums say the rest */
	assert_int_equal(event_count, told_runs);
	for (int i = 0; i < told_runs; i++) {
		assert_int_equal(run_event[i].kind, exact ? NP_EVENT_PAGE : NP_EVENT_SUSPECT);
		assert_int_equal(run_event[i].cause, NP_PAGE_MBIND);
		assert_true(run_event[i].id == told_run[i].id);
		assert_true(run_event[i].address == told_run[i].address);
		assert_int_equal(run_event[i].pages, told_run[i].pages);
		assert_int_equal(run_event[i].from_node, told_run[i].from_node);
		assert_int_equal(run_event[i].to_node, told_run[i].to_node);
		assert_int_equal(run_event[i].actor_tid, twins->bss->said.tid);
		assert_true(run_event[i].time_ns >= begin);
	}
}

static uint64_t sum_of(const struct np_event *e, int count, uint64_t id)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += e[i].id == id ? e[i].pages : 0;
	return sum;
}

static void what_moves_in_a_row_is_one_event(void **state)
{
	struct ring_buffer *ring;
	uint64_t sum[2] = { 0 };

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = 16, .burst = 1000000 });
	ring = ring_buffer__new(bpf_map__fd(twins->maps.events), on_run, NULL, NULL);
	assert_non_null(ring);
	ranges[0] =
		(struct np_range){ .tgid = 10, .watch = 0, .start = 0x100000, .end = 0x180000 };
	ranges[1] =
		(struct np_range){ .tgid = 10, .watch = 1, .start = 0x180000, .end = 0x800000 };
	totals->ranges_count[0] = 2;
	twins->bss->state.range_tgid[0] = 10;
	for (int i = 0; i < 200; i++) {
		one_migration(ring, i & 1);
		for (uint64_t w = 0; w < 2; w++) {
			sum[w] += sum_of(told_run, told_runs, 1000 + w);
			assert_int_equal(watches[w].violations + watches[w].suspects, sum[w]);
			assert_int_equal(sum_of(run_event, event_count, 1000 + w),
					 sum_of(told_run, told_runs, 1000 + w));
		}
	}
	assert_int_equal(totals->machine_migrated, 200);
	/* a long migration is told while it lasts */
	event_count = 0;
	CALL_HERE(begins, MIGRATE_MBIND);
	CALL_HERE(tell, 10, 0x100000, 1, 0, 1, NP_PAGE_MBIND);
	usleep(150000);
	CALL_HERE(tell, 10, 0x101000, 1, 0, 1, NP_PAGE_MBIND);
	ring_buffer__consume(ring);
	assert_int_equal(event_count, 1);
	CALL_HERE(ends, 2);
	ring_buffer__consume(ring);
	assert_int_equal(event_count, 2);
	assert_int_equal(run_event[0].pages, 1);
	assert_int_equal(totals->events_lost + totals->events_limited, 0);
	ring_buffer__free(ring);
}

/* No rate limit holds back what no counter knows; a full ring does, and that is counted. */
static void notices_are_not_limited(void **state)
{
	int sent = 0, lost = 0;

	(void)state;
	NEED_PRIVILEGE();
	load(&(struct settings){ .threads = 16, .burst = 1 });
	for (int i = 0; i < 100; i++)
		assert_int_equal(CALL_HERE(notices, NP_EVENT_EXIT), 1);
	for (sent = 100; sent < 1000000; sent++)
		if (!CALL_HERE(notices, NP_EVENT_COLLAPSE))
			break;
	lost = 1 + !CALL_HERE(notices, NP_EVENT_EXEC);
	assert_int_equal(lost, 2);
	assert_int_equal(totals->notices_lost, 2);
	assert_int_equal(totals->events_lost + totals->events_limited, 0);
	assert_int_equal(CALL_ON(online[0], notices, NP_EVENT_PAGE), 0);
	assert_int_equal(CALL_ON(online[0], notices, NP_EVENT_PAGE), 0);
	assert_int_equal(totals->notices_lost, 2);
	assert_int_equal(totals->events_lost, 1);
	assert_int_equal(totals->events_limited, 1);
}

static uint64_t sent_ns[4000];

static int on_time(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)size;
	assert_true(event_count < (int)ARRAY_SIZE(sent_ns));
	sent_ns[event_count++] = ((struct np_event *)data)->time_ns;
	return 0;
}

/* Events are held back, counts are not. By the events' own time, so it may take what it wants.
 */
static void too_many_events_are_limited(void **state)
{
	enum {
		BURST = 5
	};
	struct ring_buffer *ring;
	uint64_t begin;
	int calls = 0, most = 0, n = 0;

	(void)state;
	NEED_PRIVILEGE();
	load(&(struct settings){ .threads = 16, .burst = BURST });
	ring = ring_buffer__new(bpf_map__fd(twins->maps.events), on_time, NULL, NULL);
	assert_non_null(ring);
	totals->ranges_count[0] = 1;
	ranges[0] = (struct np_range){ .tgid = 10, .start = 0x1000, .end = 0x2000 };
	event_count = 0;
	begin = clock_ns();
	while (clock_ns() - begin <= 4 * WINDOW || calls < 1000) {
		CALL_ON(online[0], tell, 10, 0x1000, 1, 0, 1, NP_PAGE_MBIND);
		calls++;
	}
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	assert_int_equal(watches[0].violations, calls);
	assert_int_equal(totals->events_lost, 0);
	assert_int_equal((uint64_t)event_count + totals->events_limited, calls);
	for (int i = 0, first = 0; i < event_count; i++) {
		if (sent_ns[i] - sent_ns[first] > WINDOW) {
			first = i;
			n = 0;
		}
		n++;
		most = MAX(most, n);
	}
	assert_int_equal(most, BURST);
	assert_true(sent_ns[event_count - 1] - sent_ns[0] > WINDOW);
}

/* ---- pins ---- */

static void cpus_of_a_pin(void **state)
{
	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = 16, .burst = 1000000 });
	for (int i = 0; i < WATCHES * 2; i++)
		pin_words[i] = (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);
	for (uint64_t w = 0; w < WATCHES; w += 7)
		for (uint64_t cpu = 0; cpu < CPUS; cpu++)
			AGREES((int)(pin_words[w * 2 + cpu / 64] >> cpu % 64 & 1), pin_has, w,
			       cpu);
	for (int i = 0; i < 2000; i++) {
		unsigned int bit = any(128);

		/* a guarantee has no CPUs behind the last one, an affinity may */
		pin_words[0] = (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);
		pin_words[1] = any(1u << (CPUS - 64));
		pin_words[2] = pin_words[0];
		pin_words[3] = pin_words[1] | (uint64_t)any(UINT32_MAX) << 32;
		AGREES(1, pin_is, 0, 1);
		pin_words[2 + bit / 64] ^= 1ull << bit % 64;
		AGREES(bit >= CPUS, pin_is, 0, 1);
	}
}
/* ---- whole bodies ---- */

/* The calling thread's slot; it is entered by being moved. On the CPU that it is on. */
static int my_slot(int cpu)
{
	int slot;

	CALL_ON(cpu, moves, (uint64_t)cpu + 1);
	slot = CALL_ON(cpu, find, twins->bss->said.tid);
	assert_in_range(slot, 1, 16);
	return slot - 1;
}

static void pages_land_on_nodes(void **state)
{
	struct np_cell want[CPUS * NODES];
	uint64_t local[NODES] = { 0 }, remote[NODES] = { 0 }, landed[NODES] = { 0 };
	int slot = 0;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = 16, .burst = 1000000 });
	memset(want, 0, sizeof(want));
	for (int i = 0; i < 4000; i++) {
		int cpu = online[any(2)];
		unsigned int here = any(NODES), node = any(NODES + 2), kind = any(NP_KINDS);
		uint64_t pages = 1 + any(512);
		bool moving = slot && !any(8);

		be_on(cpu);
		put_node((unsigned int)cpu, here);
		if (slot)
			threads[slot - 1].migrating = moving;
		CALL_ON(cpu, lands, node, kind, pages);
		assert_int_equal(twins->bss->said.cpu, cpu);
		if (!slot)
			slot = CALL_ON(cpu, find, twins->bss->said.tid);
		assert_in_range(slot, 1, 16);
		if (node >= NODES || moving)
			continue;
		want[cpu * NODES + (int)node].pages[kind] += pages;
		if (kind != NP_KIND_ANON && kind != NP_KIND_HUGE)
			continue;
		*(node == here ? &local[here] : &remote[here]) += pages;
		landed[node] += pages;
	}
	for (int i = 0; i < CPUS * NODES; i++)
		for (int kind = 0; kind < NP_KINDS; kind++)
			assert_int_equal(cells[i].pages[kind], want[i].pages[kind]);
	for (int node = 0; node < NODES; node++) {
		const struct np_thread_node *part = &thread_nodes[(slot - 1) * NODES + node];

		assert_int_equal(part->faults_local, local[node]);
		assert_int_equal(part->faults_remote, remote[node]);
		assert_int_equal(part->pages_landed, landed[node]);
	}
}

/*
 * The running thread is moved from the CPU that it is on, which it may stay on, to any of the
 * CPUs that the programs believe in. Pinned to some: those outside are violations.
 */
static void moves_between_nodes(void **state)
{
	struct np_flow want[NODES * NODES];
	uint64_t moves_of[NP_MOVE_CAUSES] = { 0 }, node_moves = 0, violations = 0;
	struct ring_buffer *ring;
	struct np_thread *t;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	load(&(struct settings){ .threads = 16, .burst = 1000000 });
	ring = ring_buffer__new(bpf_map__fd(twins->maps.events), on_event, NULL, NULL);
	assert_non_null(ring);
	memset(want, 0, sizeof(want));
	be_on(online[0]);
	t = &threads[my_slot(online[0])];
	memset(flows, 0, sizeof(want));
	memset(t->moves, 0, sizeof(t->moves));
	t->node_moves = 0;
	pin_words[2 * 7] = 0x5555555555555555ull;
	pin_words[2 * 7 + 1] = 0x15;
	for (int i = 0; i < 4000; i++) {
		int from = online[any(2)], to = (int)any(CPUS), cause = NP_MOVE_UNKNOWN;
		bool leaving = !any(4), balancing = !any(4), old = !any(2), pinned = any(2);
		int from_node = from % NODES, to_node = to % NODES;
		bool bad = pinned && to % 2;
		uint64_t begin;

		be_on(from);
		on_cpus[from].leaving = leaving;
		t->cause = balancing ? NP_MOVE_NUMA_BALANCING : 0;
		begin = clock_ns();
		t->cause_ns = begin - (old ? 2 * WINDOW : 0);
		t->pin = pinned ? 8 : 0;
		event_count = 0;
		CALL_ON(from, moves, (uint64_t)to);
		ring_buffer__consume(ring);
		if (from == to) {
			assert_int_equal(event_count, 0);
			continue;
		}
		if (balancing && !old && clock_ns() - begin > WINDOW)
			old = t->moves[NP_MOVE_NUMA_BALANCING] ==
			      moves_of[NP_MOVE_NUMA_BALANCING]; /* slow: either is right */
		if (balancing && !old)
			cause = NP_MOVE_NUMA_BALANCING;
		else if (leaving)
			cause = NP_MOVE_HOTPLUG;
		want[from_node * NODES + to_node].threads[cause]++;
		moves_of[cause]++;
		node_moves += from_node != to_node;
		violations += bad;
		assert_int_equal(event_count, bad);
		if (bad) {
			assert_int_equal(last_event[0].kind, NP_EVENT_CPU);
			assert_int_equal(last_event[0].cause, cause);
			assert_int_equal(last_event[0].id, 1007);
			assert_int_equal(last_event[0].from_cpu, from);
			assert_int_equal(last_event[0].to_cpu, to);
			assert_int_equal(last_event[0].from_node, from_node);
			assert_int_equal(last_event[0].to_node, to_node);
			assert_int_equal(last_event[0].tid, t->tid);
		}
		assert_int_equal(t->cause, 0); /* said once */
	}
	for (int i = 0; i < NODES * NODES; i++)
		assert_memory_equal(flows[i].threads, want[i].threads, sizeof(want[i].threads));
	for (int cause = 0; cause < NP_MOVE_CAUSES; cause++)
		assert_int_equal(t->moves[cause], moves_of[cause]);
	assert_int_equal(t->node_moves, node_moves);
	assert_int_equal(watches[7].violations, violations);
	ring_buffer__free(ring);
}

/* Time goes to the node of the CPU; a mask that is not the pin's is told once. */
static void run_time_goes_to_the_node(void **state)
{
	uint64_t least[NODES] = { 0 }, calls[NODES] = { 0 }, begin = clock_ns();
	struct ring_buffer *ring;
	struct np_thread *t;
	unsigned int node, cpus = (unsigned int)libbpf_num_possible_cpus();
	uint64_t *own;
	int slot;

	(void)state;
	NEED_PRIVILEGE();
	start_seed(__func__);
	/* no more CPUs than the kernel's masks have: its mask of this thread is read */
	load(&(struct settings){ .threads = 16, .burst = 1000000, .cpus = cpus });
	own = &pin_words[7 * ((cpus + 63) / 64)];
	ring = ring_buffer__new(bpf_map__fd(twins->maps.events), on_event, NULL, NULL);
	assert_non_null(ring);
	be_on(online[0]);
	slot = my_slot(online[0]);
	t = &threads[slot];
	for (int i = 0; i < 2000; i++) {
		uint64_t ran = 1000000000ull * (1 + any(9));
		int cpu = online[any(2)];

		be_on(cpu);
		node = any(NODES);
		put_node((unsigned int)cpu, node);
		on_cpus[cpu].slot = any(2) ? (uint32_t)slot + 1 : 0;
		on_cpus[cpu].since = clock_ns() - ran;
		if (on_cpus[cpu].slot) {
			least[node] += ran;
			calls[node]++;
		}
		CALL_ON(cpu, switches, 0);
		assert_int_equal(on_cpus[cpu].slot, slot + 1);
		assert_true(on_cpus[cpu].since >= begin);
	}
	for (node = 0; node < NODES; node++) {
		uint64_t ran = thread_nodes[slot * NODES + (int)node].run_ns;

		assert_true(ran >= least[node]);
		assert_true(ran <= least[node] + clock_ns() - begin);
		assert_true(calls[node] > 100);
	}

	/* the node of a CPU that was offline when user space looked: the kernel's own word */
	put_node((unsigned int)online[1], NP_NODE_UNKNOWN);
	be_on(online[1]);
	CALL_ON(online[1], switches, 0);
	assert_int_equal(getcpu(NULL, &node), 0);
	assert_int_equal(on_cpus[online[1]].node, node);

	t->pin = 8;
	own[online[1] / 64] = 1ull << online[1] % 64;
	for (int round = 1; round < 4; round++) {
		event_count = 0;
		CALL_ON(online[1], switches, 0);
		ring_buffer__consume(ring);
		assert_int_equal(event_count, 0);
		own[0] ^= 1ull << (online[1] ? 0 : 1);
		CALL_ON(online[1], switches, 0);
		CALL_ON(online[1], switches, 0);
		ring_buffer__consume(ring);
		assert_int_equal(event_count, 1);
		assert_int_equal(last_event[0].kind, NP_EVENT_AFFINITY);
		assert_int_equal(watches[7].violations, round);
		own[0] ^= 1ull << (online[1] ? 0 : 1);
	}
	ring_buffer__free(ring);
}

/* ---- */

static int set_up(void **state)
{
	cpu_set_t allowed;
	int n = 0;

	(void)state;
	privileged =
		np_capable(CAP_SYS_ADMIN) || (np_capable(CAP_BPF) && np_capable(CAP_PERFMON));
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE && cpu < CPUS && n < 2; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			online[n++] = cpu;
	if (!n)
		return -1;
	if (n == 1)
		online[1] = online[0];
	if (privileged)
		load(&(struct settings){ .threads = 16, .burst = 1000000 });
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	np_twins__destroy(twins);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_a_thread_moves),
		cmocka_unit_test(who_changes_an_affinity),
		cmocka_unit_test(why_pages_move),
		cmocka_unit_test(what_kind_a_page_is),
		cmocka_unit_test(when_a_cpu_leaves),
		cmocka_unit_test(where_a_thread_is_looked_for),
		cmocka_unit_test(threads_are_entered_and_found),
		cmocka_unit_test(two_cpus_enter_threads_at_once),
		cmocka_unit_test(ranges_of_an_address),
		cmocka_unit_test(nodes_of_a_range),
		cmocka_unit_test(pages_are_told_range_by_range),
		cmocka_unit_test(what_moves_in_a_row_is_one_event),
		cmocka_unit_test(notices_are_not_limited),
		cmocka_unit_test(too_many_events_are_limited),
		cmocka_unit_test(cpus_of_a_pin),
		cmocka_unit_test(pages_land_on_nodes),
		cmocka_unit_test(moves_between_nodes),
		cmocka_unit_test(run_time_goes_to_the_node),
	};

	return cmocka_run_group_tests_name("bpf", tests, set_up, tear_down);
}
