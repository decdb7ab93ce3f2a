// SPDX-License-Identifier: MIT
/* The programs in the kernel: loaded, attached, and the memory that they count in. */
#include "hook.h"
#include "base.h"
#include "capability.h"
#include "hook_ladder.h"
#include "hook_probe.h"
#include "sys.h"
#include "util.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h> /* the skeleton's */
#include <unistd.h>

#include <numaperf.skel.h>

const bool np_hooks_built = true;

#define OPERATION "loading the BPF programs"

/* Events a CPU may send in 100 ms, and the ring they go through: eight such bursts. */
enum {
	NP_BURST = 2048,
	NP_RING = 2 << 20
};

/* A mapped array. */
struct area {
	void *at;
	size_t length;
};

struct np_hooks {
	struct numaperf_bpf *skel;
	struct bpf_link *link[NP_PROG_COUNT];
	struct ring_buffer *ring;
	np_event_fn fn; /* of the poll that is under way */
	void *ctx;

	struct np_counters counters;
	struct area threads, thread_nodes, cells, flows, watches, totals, on_cpus, tids,
		pin_words, ranges;
	unsigned int cpu_words, range_room, processes;
};

/* ---- what this kernel takes: asked once a process ---- */

static pthread_mutex_t probe_lock = PTHREAD_MUTEX_INITIALIZER;
static bool probed_done;
static struct np_probed probed;

static void probe_once(struct np_probed *out)
{
	pthread_mutex_lock(&probe_lock);
	if (!probed_done)
		np_probe(&probed);
	/* a process may be given the privilege later, so only with it is the answer final */
	probed_done = probed.refuser != NP_REFUSER_PRIVILEGE;
	*out = probed;
	pthread_mutex_unlock(&probe_lock);
}

/* A program that passes as a stub and not as it is: from now on it counts as refused. */
static void remember(int program, int error)
{
	pthread_mutex_lock(&probe_lock);
	probed.error[program] = error;
	pthread_mutex_unlock(&probe_lock);
}

void np_hooks_probe(enum numaperf_rung rung_max, struct numaperf_hook *table)
{
	struct np_probed now;
	bool use[NP_PROG_COUNT];

	probe_once(&now);
	np_ladder_choose(now.error, rung_max, now.refuser, table, use);
}

/* ---- loading ---- */

static struct bpf_program *program(struct numaperf_bpf *skel, int id)
{
	return bpf_object__find_program_by_name(skel->obj, np_programs[id].name);
}

static unsigned int round_up_pow2(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

/* The inode of the pid namespace, or 0 for the initial one (PROC_PID_INIT_INO in
 * include/linux/proc_ns.h, since 3.8), or when it cannot be told. */
static uint32_t pid_namespace(void)
{
	int root = np_sys->open_root(NULL);
	uint64_t inode;
	int err;

	if (root < 0)
		return 0;
	err = np_sys->inode_at(root, "proc/self/ns/pid", &inode);
	np_sys->close(root);
	return err || inode == 0xEFFFFFFCu ? 0 : (uint32_t)inode;
}

/* All that has to be said before the programs are loaded. */
static int configure(struct np_hooks *h, const struct np_hooks_opts *opts,
		     const struct np_probed *p, const bool *use)
{
	unsigned int threads = round_up_pow2(MAX(opts->threads, 16u));
	struct numaperf_bpf *s = h->skel;
	const struct {
		struct bpf_map *map;
		size_t entries;
	} sizes[] = {
		{ s->maps.threads, threads },
		{ s->maps.thread_nodes, (size_t)threads * opts->nodes },
		{ s->maps.cells, (size_t)opts->cpus * opts->nodes },
		{ s->maps.flows, (size_t)opts->nodes * opts->nodes },
		{ s->maps.watches, opts->watches },
		{ s->maps.on_cpus, opts->cpus },
		{ s->maps.tids, (size_t)threads * 4 },
		{ s->maps.pin_words, (size_t)opts->watches * h->cpu_words },
		{ s->maps.ranges, (size_t)opts->ranges * 2 },
		{ s->maps.pinned, opts->watches },
		{ s->maps.events, NP_RING },
		{ s->maps.stacks, opts->stacks ? 16384 : 1 },
		{ s->maps.stack_pages, opts->stacks ? 16384 : 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int err = sizes[i].entries > UINT32_MAX
				  ? -E2BIG
				  : bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);

		if (err)
			return err;
	}
	for (int i = 0; i < NP_PROG_COUNT; i++)
		bpf_program__set_autoload(program(s, i), use[i]);
	s->rodata->cfg.nodes = opts->nodes;
	s->rodata->cfg.cpus = opts->cpus;
	s->rodata->cfg.threads = threads;
	s->rodata->cfg.ranges = opts->ranges;
	s->rodata->cfg.watches = opts->watches;
	s->rodata->cfg.scope = opts->scope;
	s->rodata->cfg.follow = opts->follow;
	s->rodata->cfg.page_node_shift = p->page_node_shift;
	s->rodata->cfg.page_node_mask = p->page_node_mask;
	s->rodata->cfg.stacks = opts->stacks;
	s->rodata->cfg.pidns = opts->scope == NP_WATCH_ALL ? 0 : pid_namespace();
	s->rodata->cfg.cgroup = opts->cgroup;
	s->rodata->cfg.cgroup_level = opts->cgroup_level;
	s->rodata->cfg.burst = NP_BURST;
	s->rodata->cfg.fault_exact = use[NP_PROG_NEW_ANON] || use[NP_PROG_NEW_ANON_61];
	s->rodata->cfg.affinity_exact =
		use[NP_PROG_CPUS_ALLOWED] || use[NP_PROG_CPUS_ALLOWED_61];

	h->counters.nodes = opts->nodes;
	h->counters.cpus = opts->cpus;
	h->counters.threads = threads;
	h->counters.watches = opts->watches;
	h->range_room = opts->ranges;
	return 0;
}

/* Which program the kernel would not load, out of what libbpf says: "prog 'NAME': ...". */
static int blamed(const char *text, const bool *use)
{
	for (int i = 0; i < NP_PROG_COUNT; i++) {
		char name[64];

		snprintf(name, sizeof(name), "'%s'", np_programs[i].name);
		if (use[i] && strstr(text, name))
			return i;
	}
	return -1;
}

/*
 * Who wakes a migration thread matters only to pins, and waking is frequent: that program waits
 * for the first pin, unless the privilege will be gone by then.
 */
static bool later(int id, const struct np_hooks_opts *opts)
{
	return id == NP_PROG_SCHED_WAKING && !opts->at_once;
}

static void attach_for_pins(struct np_hooks *h)
{
	struct bpf_program *p = program(h->skel, NP_PROG_SCHED_WAKING);

	if (h->link[NP_PROG_SCHED_WAKING] || !bpf_program__autoload(p))
		return;
	np_libbpf_begin();
	h->link[NP_PROG_SCHED_WAKING] = bpf_program__attach(p);
	np_libbpf_end();
}

static int attach(struct np_hooks *h, const struct np_hooks_opts *opts, const bool *use,
		  int *bad)
{
	for (int i = 0; i < NP_PROG_COUNT; i++) {
		if (!use[i] || later(i, opts))
			continue;
		h->link[i] = bpf_program__attach(program(h->skel, i));
		if (!h->link[i]) {
			*bad = i;
			return -errno;
		}
	}
	return 0;
}

static void unload(struct np_hooks *h)
{
	for (int i = 0; i < NP_PROG_COUNT; i++) {
		bpf_link__destroy(h->link[i]);
		h->link[i] = NULL;
	}
	numaperf_bpf__destroy(h->skel);
	h->skel = NULL;
}

static int map_area(struct area *area, struct bpf_map *map, bool writable)
{
	size_t page = np_page_size();

	area->length =
		ROUND_UP((size_t)bpf_map__value_size(map) * bpf_map__max_entries(map), page);
	return np_sys->map_fd(&area->at, bpf_map__fd(map), area->length, writable);
}

static void unmap_area(struct area *area)
{
	if (area->at)
		np_sys->unmap(area->at, area->length);
	area->at = NULL;
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct np_hooks *h = ctx;

	if (size >= sizeof(struct np_event) && h->fn)
		h->fn(h->ctx, data);
	return 0;
}

/* The node of each CPU that is online; others tell it when they first run something. */
static int fill_cpu_nodes(struct np_hooks *h)
{
	struct np_on_cpu *on = h->on_cpus.at;
	int root = np_sys->open_root(NULL);

	if (root < 0)
		return root;
	for (unsigned int cpu = 0; cpu < h->counters.cpus; cpu++)
		on[cpu].node = NP_NODE_UNKNOWN;
	for (unsigned int node = 0; node < h->counters.nodes; node++) {
		struct numaperf_cpuset cpus;
		char path[64];

		snprintf(path, sizeof(path), "sys/devices/system/node/node%u/cpulist", node);
		if (np_cpus_from_file(root, path, &cpus))
			continue; /* no such node */
		NUMAPERF_CPUSET_FOR_EACH (cpu, &cpus)
			if ((unsigned int)cpu < h->counters.cpus)
				on[cpu].node = node;
	}
	np_sys->close(root);
	return 0;
}

static int map_all(struct np_hooks *h)
{
	struct numaperf_bpf *s = h->skel;
	const struct {
		struct area *area;
		struct bpf_map *map;
	} areas[] = {
		{ &h->threads, s->maps.threads },
		{ &h->thread_nodes, s->maps.thread_nodes },
		{ &h->cells, s->maps.cells },
		{ &h->flows, s->maps.flows },
		{ &h->watches, s->maps.watches },
		{ &h->totals, s->maps.totals },
		{ &h->on_cpus, s->maps.on_cpus },
		{ &h->tids, s->maps.tids },
		{ &h->pin_words, s->maps.pin_words },
		{ &h->ranges, s->maps.ranges },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(areas) && !err; i++)
		err = map_area(areas[i].area, areas[i].map, true);
	if (err)
		return err;
	h->counters.thread = h->threads.at;
	h->counters.thread_node = h->thread_nodes.at;
	h->counters.cell = h->cells.at;
	h->counters.flow = h->flows.at;
	h->counters.watch = h->watches.at;
	h->counters.totals = h->totals.at;
	h->counters.on_cpu = h->on_cpus.at;
	return 0;
}

/*
 * A type that this kernel does not have is looked for in the BTF of its modules, too, which
 * takes CAP_SYS_ADMIN: without it libbpf gives up (EPERM) on a program that asks whether the
 * type exists, on 6.1 the one for page moves. Named explicitly, the kernel's own BTF is all
 * there is (libbpf 1.1, bpf_core_find_cands()).
 */
static struct numaperf_bpf *open_skeleton(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = "/sys/kernel/btf/vmlinux");

	return np_capable(CAP_SYS_ADMIN) ? numaperf_bpf__open()
					 : numaperf_bpf__open_opts(&opts);
}

/*
 * One attempt with the programs that are not known to be refused. -EAGAIN: one more was found
 * out to be, so the next attempt does without it.
 */
static int load_once(struct np_hooks *h, const struct np_hooks_opts *opts,
		     struct np_probed *now, struct numaperf_hook *table)
{
	bool use[NP_PROG_COUNT], any = false;
	int err, bad = -1;

	np_ladder_choose(now->error, opts->rung_max, now->refuser, table, use);
	for (int i = 0; i < NP_PROG_COUNT; i++)
		any |= use[i];
	if (!any)
		return -EOPNOTSUPP;
	h->skel = open_skeleton();
	if (!h->skel)
		return -errno;
	err = configure(h, opts, now, use);
	if (err)
		return err;
	err = numaperf_bpf__load(h->skel);
	if (err) {
		bad = blamed(np_libbpf_said(), use);
	} else {
		err = map_all(h);
		if (!err)
			err = fill_cpu_nodes(h);
		if (!err) {
			h->ring = ring_buffer__new(bpf_map__fd(h->skel->maps.events), on_event,
						   h, NULL);
			err = h->ring ? 0 : -errno;
		}
		if (!err)
			err = attach(h, opts, use, &bad);
	}
	if (err && bad >= 0) {
		np_log(NUMAPERF_LOG_INFO, "%s is refused: %s", np_programs[bad].name,
		       np_libbpf_said());
		now->error[bad] = -err;
		remember(bad, -err);
		return -EAGAIN;
	}
	return err;
}

static void drop_all(struct np_hooks *h)
{
	struct area *areas[] = { &h->threads, &h->thread_nodes, &h->cells,   &h->flows,
				 &h->watches, &h->totals,	&h->on_cpus, &h->tids,
				 &h->ranges,  &h->pin_words };

	ring_buffer__free(h->ring);
	h->ring = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++)
		unmap_area(areas[i]);
	unload(h);
}

/* Why there is not a single program, by the metric that matters most. */
static int none_at_all(int err, const struct numaperf_hook *table)
{
	const struct numaperf_hook *h = &table[NUMAPERF_METRIC_RUN_TIME];

	if (err == -ENOMEM)
		return np_fail_memory(OPERATION);
	return np_fail(err,
		       h->error == EPERM || h->error == EACCES ? NUMAPERF_REASON_PERMISSION
							       : NUMAPERF_REASON_UNSUPPORTED,
		       OPERATION, h->remedy[0] ? h->remedy : NULL, "%s",
		       h->reason[0] ? h->reason : "the kernel takes none of them");
}

int np_hooks_open(struct np_hooks **hooks, const struct np_hooks_opts *opts,
		  struct numaperf_hook *table)
{
	struct np_probed now;
	struct np_hooks *h;
	void *p;
	int err;

	probe_once(&now);
	if (np_sys->alloc(&p, sizeof(*h), 0) < 0)
		return np_fail_memory(OPERATION);
	h = p;
	h->cpu_words = (opts->cpus + 63) / 64;
	np_libbpf_begin();
	for (int tries = 0; tries <= NP_PROG_COUNT; tries++) {
		err = load_once(h, opts, &now, table);
		if (err != -EAGAIN)
			break;
		drop_all(h);
	}
	if (err)
		drop_all(h);
	np_libbpf_end();
	if (err) {
		np_free(h);
		/* none is on a rung then, whatever the last attempt had chosen */
		for (int i = 0; i < NUMAPERF_METRIC_COUNT; i++)
			table[i].rung = MIN(table[i].rung, NUMAPERF_RUNG_POLLING);
		return none_at_all(err, table);
	}
	*hooks = h;
	return 0;
}

void np_hooks_close(struct np_hooks *hooks)
{
	if (!hooks)
		return;
	np_libbpf_begin();
	drop_all(hooks);
	np_libbpf_end();
	np_free(hooks);
}

const struct np_counters *np_hooks_counters(const struct np_hooks *hooks)
{
	return &hooks->counters;
}

/* ---- what is watched ---- */

int np_hooks_watch_process(struct np_hooks *hooks, int tgid, bool on)
{
	struct np_state *state = &hooks->skel->bss->state;
	int fd = bpf_map__fd(hooks->skel->maps.tgids);
	__u32 key = (__u32)tgid;
	__u8 one = 1;
	int err;

	err = on ? bpf_map_update_elem(fd, &key, &one, BPF_ANY) : bpf_map_delete_elem(fd, &key);
	if (err)
		return err == -E2BIG ? -ENOSPC : err;
	hooks->processes += on ? 1 : -1;
	/* the common case costs one comparison instead of a look-up; the programs end it when
	 * they follow a child */
	__atomic_store_n(&state->only, on && hooks->processes == 1 ? key : 0, __ATOMIC_RELAXED);
	return 0;
}

static struct np_thread *thread_by_tid(struct np_hooks *h, int tid)
{
	for (unsigned int i = 0; i < h->counters.threads; i++) {
		struct np_thread *t = &h->counters.thread[i];

		if (__atomic_load_n(&t->state, __ATOMIC_RELAXED) == NP_SLOT_LIVE &&
		    t->tid == (__u32)tid)
			return t;
	}
	return NULL;
}

/* A thread that has no slot yet finds its guarantee in `pinned` when it gets one; one that has,
 * here. Entered into `pinned` first, so that it is not missed in between. */
int np_hooks_pin(struct np_hooks *hooks, int tid, unsigned int watch,
		 const struct numaperf_cpuset *cpus)
{
	uint64_t *words = hooks->pin_words.at;
	__u32 key = (__u32)tid, value = watch + 1;
	struct np_thread *t;
	int err;

	if (watch >= hooks->counters.watches)
		return -ENOSPC;
	attach_for_pins(hooks);
	for (unsigned int i = 0; i < hooks->cpu_words; i++)
		__atomic_store_n(&words[watch * hooks->cpu_words + i], cpus->bits[i],
				 __ATOMIC_RELAXED);
	err = bpf_map_update_elem(bpf_map__fd(hooks->skel->maps.pinned), &key, &value, BPF_ANY);
	if (err)
		return err == -E2BIG ? -ENOSPC : err;
	t = thread_by_tid(hooks, tid);
	if (t) {
		t->mask_bad = 0;
		__atomic_store_n(&t->pin, value, __ATOMIC_RELEASE);
	}
	return 0;
}

void np_hooks_unpin(struct np_hooks *hooks, int tid)
{
	struct np_thread *t;
	__u32 key = (__u32)tid;

	bpf_map_delete_elem(bpf_map__fd(hooks->skel->maps.pinned), &key);
	t = thread_by_tid(hooks, tid);
	if (t)
		__atomic_store_n(&t->pin, 0, __ATOMIC_RELEASE);
}

int np_hooks_set_ranges(struct np_hooks *hooks, const struct np_range *range, size_t count)
{
	struct np_totals *sum = hooks->counters.totals;
	struct np_state *state = &hooks->skel->bss->state;
	uint64_t next = sum->ranges_version + 1;
	struct np_range *table = hooks->ranges.at;
	size_t n = 0;

	if (count > hooks->range_room)
		return -ENOSPC;
	memcpy(table + (next & 1 ? hooks->range_room : 0), range, count * sizeof(*range));
	__atomic_store_n(&sum->ranges_count[next & 1], count, __ATOMIC_RELEASE);
	__atomic_store_n(&sum->ranges_version, next, __ATOMIC_RELEASE);
	for (size_t i = 0; i < count && n < ARRAY_SIZE(state->range_tgid); i++)
		if (!n || state->range_tgid[n - 1] != range[i].tgid)
			state->range_tgid[n++] = range[i].tgid;
	if (n < ARRAY_SIZE(state->range_tgid))
		state->range_tgid[n] = 0;
	return 0;
}

/* The entry first, so that nobody finds a slot that is being cleared. */
void np_hooks_free_thread(struct np_hooks *hooks, unsigned int slot)
{
	struct np_counters *c = &hooks->counters;
	uint64_t *tids = hooks->tids.at;
	unsigned int mask = c->threads * 4 - 1;
	struct np_thread *t = &c->thread[slot];
	uint32_t at = (t->tid * 0x9E3779B1u) >> 8; /* np_hash() of bpf/decide.h */

	for (unsigned int i = 0; i < NP_TID_PROBES; i++) {
		uint64_t *entry = &tids[(at + i) & mask];
		uint64_t mine = (uint64_t)t->tid << 32 | slot;

		if (__atomic_compare_exchange_n(entry, &mine, NP_TID_GONE, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	for (unsigned int node = 0; node < c->nodes; node++)
		memset(&c->thread_node[(size_t)slot * c->nodes + node], 0,
		       sizeof(*c->thread_node));
	memset((char *)t + sizeof(t->state), 0, sizeof(*t) - sizeof(t->state));
	__atomic_store_n(&t->state, NP_SLOT_FREE, __ATOMIC_RELEASE);
}

/* ---- events ---- */

int np_hooks_poll(struct np_hooks *hooks, int timeout_ms, np_event_fn fn, void *ctx)
{
	int n;

	hooks->fn = fn;
	hooks->ctx = ctx;
	n = timeout_ms ? ring_buffer__poll(hooks->ring, timeout_ms)
		       : ring_buffer__consume(hooks->ring);
	return n == -EINTR ? 0 : n;
}

int np_hooks_fd(const struct np_hooks *hooks)
{
	return ring_buffer__epoll_fd(hooks->ring);
}

int np_hooks_stacks(struct np_hooks *hooks,
		    int (*fn)(void *ctx, const struct numaperf_stack *stack), void *ctx)
{
	int sums = bpf_map__fd(hooks->skel->maps.stack_pages);
	int frames = bpf_map__fd(hooks->skel->maps.stacks);
	struct np_stack_key key, *last = NULL;
	int r = 0;

	if (!hooks->skel->rodata->cfg.stacks)
		return -EOPNOTSUPP;
	while (!r && !bpf_map_get_next_key(sums, last, &key)) {
		uint64_t frame[NP_STACK_DEPTH] = { 0 }, pages;
		struct numaperf_stack stack = { .sz = sizeof(stack), .frames = frame };
		__u32 id = (__u32)key.stack;

		last = &key;
		if (bpf_map_lookup_elem(sums, &key, &pages) ||
		    bpf_map_lookup_elem(frames, &id, frame))
			continue;
		stack.pid = (int)key.tgid;
		stack.pages = pages;
		while (stack.depth < NP_STACK_DEPTH && frame[stack.depth])
			stack.depth++;
		r = fn(ctx, &stack);
	}
	return r;
}
