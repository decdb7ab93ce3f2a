// SPDX-License-Identifier: MIT
/*
 * Deque, lanes, tray and parking under the memory model of C11; see shim.h. First the tests as
 * they are; then again and again, each time without the order of one place in the code: a test
 * must then fail, or the order is not needed, or not tested. TAP.
 *
 *	check FOLDER-OF-THE-CODE [SCHEDULES [PREEMPTIONS]]
 */
/* before Relacy, which has its own new and delete */
#include <cstdarg>
#include <fstream>
#include <string>

#include "shim.h"

namespace model
{

world *now;
site sites[SITES];
unsigned int n_sites;
int without = -1;

world::world() : n_places(0), n_data(0)
{
	now = this;
}

} // namespace model

using model::name;
using model::name_data;

enum { TASKS = 4 };

/* What a task is handed over with. */
static int argument[TASKS];
static unsigned int taken[TASKS];

static void nothing(void *)
{
}

static numaperf_work work_of(int i)
{
	return numaperf_work(nothing, &argument[i]);
}

static void write_argument(int i)
{
	model::plainly(&argument[i], true);
}

static void take(void *arg)
{
	int i = (int)((int *)arg - argument);

	RL_ASSERT(i >= 0 && i < TASKS);
	model::plainly(arg, true); /* none else may have it any more */
	RL_ASSERT(!taken[i]);
	taken[i]++;
}

struct test_of_tasks {
	model::world world;

	test_of_tasks()
	{
		for (int i = 0; i < TASKS; i++) {
			taken[i] = 0;
			name_data(&argument[i]);
		}
	}

	void all_taken(int n)
	{
		for (int i = 0; i < n; i++)
			RL_ASSERT(taken[i] == 1);
	}
};

/* ---- the deque: its owner spawns, shares and takes back, two thieves steal ---- */

struct deque_test : rl::test_suite<deque_test, 3>, test_of_tasks {
	np_deque d;
	numaperf_task task[TASKS];

	void before()
	{
		memset(&d, 0, sizeof(d));
		np_deque_init(&d, UINT32_MAX); /* indices wrap */
		name(&d.shared);
		name(&d.own.attention);
		name(&d.own.spawned);
		for (unsigned int i = 0; i < NP_DEQUE_SIZE; i++)
			name(&d.own.slot[i]);
	}

	void ran(void *slot)
	{
		int i = (int)((numaperf_task *)np_deque_task(slot) - task);

		take(&argument[i]);
	}

	void owner()
	{
		for (int i = 0; i < TASKS; i++) {
			write_argument(i);
			if (!np_deque_push(&d, &task[i])) {
				take(&argument[i]); /* full: at once */
				continue;
			}
			if (i % 2 || np_deque_wanted(&d))
				np_deque_publish(&d);
			if (i == 2)
				if (void *slot = np_deque_pop(&d))
					ran(slot);
		}
		while (void *slot = np_deque_pop(&d))
			ran(slot);
	}

	void thread(unsigned int i)
	{
		if (i == 0)
			return owner();
		for (int k = 0; k < 2; k++)
			if (void *slot = np_deque_steal(&d, false))
				ran(slot);
	}

	void after()
	{
		all_taken(TASKS);
	}
};

/* ---- the lane: one producer, two consumers, who may find it locked ---- */

struct lane_test : rl::test_suite<lane_test, 3>, test_of_tasks {
	np_lane l;
	numaperf_work ring[2];
	bool retracts;
	int given;

	void before()
	{
		memset((void *)&l, 0, sizeof(l));
		np_lane_init(&l, ring, 2);
		name(&l.tail);
		name(&l.head_seen);
		name(&l.head);
		name(&l.lock);
		name_data(&ring[0]);
		name_data(&ring[1]);
		given = 0;
	}

	void consume(bool wait)
	{
		numaperf_work work[2];

		if (wait)
			np_lane_lock_surely(&l);
		else if (!np_lane_lock(&l))
			return;
		size_t n = np_lane_take(&l, work, 2);
		np_lane_unlock(&l);
		for (size_t i = 0; i < n; i++)
			take(work[i].arg);
	}

	void thread(unsigned int who)
	{
		if (who) {
			consume(false);
			consume(who == 2);
			return;
		}
		for (int i = 0; i < TASKS; i++) {
			numaperf_work work = work_of(given);

			write_argument(given);
			if (!(i % 2 ? np_lane_push_one(&l, work) : np_lane_push(&l, &work, 1)))
				continue;
			given++;
			if (i == TASKS - 2)
				given -= (int)np_lane_retract(&l, 1);
		}
	}

	void after()
	{
		consume(true);
		for (int i = 0; i < TASKS; i++)
			RL_ASSERT(taken[i] == (i < given));
	}
};

/* ---- the lane of the crowd: two producers, one consumer ---- */

struct mpmc_test : rl::test_suite<mpmc_test, 3>, test_of_tasks {
	np_mpmc l;
	np_mpmc_slot ring[2];
	bool in[TASKS];

	void before()
	{
		memset((void *)&l, 0, sizeof(l));
		memset((void *)ring, 0, sizeof(ring));
		np_mpmc_init(&l, ring, 1);
		name(&l.tail);
		name(&l.head);
		name(&ring[0].turn);
		name(&ring[1].turn);
	}

	void thread(unsigned int who)
	{
		void (*fn)(void *), *arg;

		for (int i = 0; i < 2; i++) {
			int task = (int)who * 2 + i;

			if (who < 2) {
				write_argument(task);
				in[task] = np_mpmc_push(&l, nothing, &argument[task]);
			} else if (np_mpmc_pop(&l, &fn, &arg)) {
				take(arg);
			}
		}
	}

	void after()
	{
		void (*fn)(void *), *arg;

		while (np_mpmc_pop(&l, &fn, &arg))
			take(arg);
		for (int i = 0; i < TASKS; i++)
			RL_ASSERT(taken[i] == in[i]);
	}
};

/* ---- the tray: its owner fills it again and again, another steals ---- */

struct tray_test : rl::test_suite<tray_test, 3>, test_of_tasks {
	np_tray t;

	void before()
	{
		memset((void *)&t, 0, sizeof(t));
		t.word = (uint64_t)(NP_TRAY - 1) << 32 | (NP_TRAY - 1);
		name(&t.word);
		name(&t.from);
		for (unsigned int i = 0; i < 3; i++) {
			name(&t.slot[(NP_TRAY - 1 + i) % NP_TRAY].fn);
			name(&t.slot[(NP_TRAY - 1 + i) % NP_TRAY].arg);
		}
	}

	void thread(unsigned int who)
	{
		numaperf_work work[2];
		uint32_t from, n;

		if (who) {
			for (int k = 0; k < 2; k++) {
				n = np_tray_take(&t, work, 2, &from);
				for (uint32_t i = 0; i < n; i++) {
					RL_ASSERT(from == (work[i].arg == &argument[2] ? 9u : 7u));
					take(work[i].arg);
				}
			}
			return;
		}
		for (int i = 0; i < 3; i++)
			write_argument(i);
		work[0] = work_of(0);
		work[1] = work_of(1);
		np_tray_fill(&t, 7, work, 2);
		while (np_tray_take(&t, work, 1, &from))
			take(work[0].arg);
		work[0] = work_of(2);
		np_tray_fill(&t, 9, work, 1);
		while (np_tray_take(&t, work, 1, &from))
			take(work[0].arg);
	}

	void after()
	{
		all_taken(3);
	}
};

/* ---- parking: two who submit, two workers who sleep when there is nothing ---- */

/* Each task ends only when the other has begun as well, so that both workers must come: a wake-up
 * that is lost, or work that nobody passes on, is a deadlock, which the model finds. */
struct park_test : rl::test_suite<park_test, 4>, test_of_tasks {
	np_idle idle;
	uint32_t total, work[2], begun, gate;
	np_parker parker[2];
	char record[2]; /* a worker's, that its waker looks at */

	void before()
	{
		memset((void *)&idle, 0, sizeof(idle));
		memset(parker, 0, sizeof(parker));
		idle.total = &total;
		idle.words = 1;
		total = work[0] = work[1] = begun = gate = 0;
		name(&idle.searching);
		name(&idle.words);
		name(&idle.bits[0]);
		name(&total);
		name(&work[0]);
		name(&work[1]);
		name(&begun);
		name(&gate);
		name(&parker[0].token);
		name(&parker[1].token);
		name_data(&record[0]);
		name_data(&record[1]);
	}

	/* worker_wake.c */
	void wake()
	{
		if (!__atomic_load_n(&total, __ATOMIC_RELAXED))
			return;
		int i = np_idle_wake(&idle);
		if (i < 0)
			return;
		model::plainly(&record[i], false);
		np_unpark(&parker[i]);
	}

	void submit(int i)
	{
		write_argument(i);
		__atomic_store_n(&work[i], 1, __ATOMIC_RELEASE);
		np_fence();
		wake();
	}

	bool anything()
	{
		return __atomic_load_n(&work[0], __ATOMIC_RELAXED) ||
		       __atomic_load_n(&work[1], __ATOMIC_RELAXED);
	}

	int find()
	{
		for (int i = 0; i < 2; i++) {
			uint32_t one = 1;

			if (__atomic_load_n(&work[i], __ATOMIC_RELAXED) &&
			    __atomic_compare_exchange_n(&work[i], &one, 0, false,
							__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				return i;
		}
		return -1;
	}

	void run(int i)
	{
		take(&argument[i]);
		if (__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED) == 1) {
			__atomic_store_n(&gate, 1, __ATOMIC_RELAXED);
			np_sys->futex_wake(&gate, 2);
		}
		while (!__atomic_load_n(&gate, __ATOMIC_RELAXED))
			np_sys->futex_wait(&gate, 0, -1);
	}

	/* worker.c: np_work(), stop_searching() and sleep_idle() */
	void worker(unsigned int me)
	{
		bool searching = false;
		int i;

		model::plainly(&record[me], true);
		while ((i = find()) < 0) {
			if (!searching)
				np_search_begin(&idle);
			np_idle_enter(&idle, me);
			if (anything() && np_idle_cancel(&idle, me)) {
				np_search_begin(&idle);
				searching = true;
				continue;
			}
			np_park(&parker[me]);
			searching = !np_idle_cancel(&idle, me);
		}
		if (searching && np_search_end(&idle)) {
			np_fence();
			if (anything())
				wake();
		}
		run(i);
	}

	void thread(unsigned int who)
	{
		if (who < 2)
			submit((int)who);
		else
			worker(who - 2);
	}

	void after()
	{
		all_taken(2);
	}
};

/* ---- a token: who is woken sees what came before ---- */

struct token_test : rl::test_suite<token_test, 2>, test_of_tasks {
	np_parker parker;

	void before()
	{
		parker.token = 0;
		name(&parker.token);
	}

	void thread(unsigned int who)
	{
		if (who) {
			write_argument(0);
			np_unpark(&parker);
			return;
		}
		np_park(&parker);
		take(&argument[0]);
	}

	void after()
	{
		all_taken(1);
	}
};

/* ---- an event: one waits until two have made it true ---- */

struct event_test : rl::test_suite<event_test, 3>, test_of_tasks {
	np_event e;
	uint32_t done[2];

	void before()
	{
		memset((void *)&e, 0, sizeof(e));
		done[0] = done[1] = 0;
		name(&e.seq);
		name(&e.waiters);
		name(&done[0]);
		name(&done[1]);
	}

	bool both()
	{
		return __atomic_load_n(&done[0], __ATOMIC_ACQUIRE) &&
		       __atomic_load_n(&done[1], __ATOMIC_ACQUIRE);
	}

	void thread(unsigned int who)
	{
		uint32_t key;

		if (who < 2) {
			write_argument((int)who);
			__atomic_store_n(&done[who], 1, __ATOMIC_RELEASE);
			np_event_signal(&e);
			return;
		}
		np_event_enter(&e);
		while (key = np_event_key(&e), !both())
			np_event_wait(&e, key);
		np_event_leave(&e);
		take(&argument[0]);
		take(&argument[1]);
	}

	void after()
	{
		all_taken(2);
	}
};

/* ---- all of them ---- */

struct effort {
	unsigned int random;	  /* schedules at random */
	unsigned int preemptions; /* and all those with so many preemptions at most */
};

template<class T> static bool simulate(rl::test_params p, rl::scheduler_type_e how, std::ostream *out)
{
	std::ostream nowhere(nullptr);

	p.progress_stream = &nowhere;
	p.output_stream = out ? out : &nowhere;
	p.search_type = how;
	return rl::simulate<T>(p);
}

template<class T> static bool holds(const effort &e, std::ostream *out)
{
	rl::test_params p;

	p.iteration_count = e.random;
	p.context_bound = e.preemptions;
	return simulate<T>(p, rl::random_scheduler_type, out) &&
	       simulate<T>(p, rl::fair_context_bound_scheduler_type, out);
}

static const struct {
	const char *name;
	bool (*holds)(const effort &e, std::ostream *out);
} tests[] = {
	{ "deque", holds<deque_test> },
	{ "lane", holds<lane_test> },
	{ "lane of the crowd", holds<mpmc_test> },
	{ "tray", holds<tray_test> },
	{ "parking", holds<park_test> },
	{ "token", holds<token_test> },
	{ "event", holds<event_test> },
};

static unsigned int count;

static bool ok(bool good, const char *format, ...)
{
	va_list args;

	printf("%sok %u - ", good ? "" : "not ", ++count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	puts("");
	fflush(stdout);
	return good;
}

/* Orders that no test can miss here. */
static const struct {
	const char *file, *code, *why;
} excused[] = {
	{ "deque.h", "(uint32_t)__atomic_load_n(&d->shared, __ATOMIC_ACQUIRE) + NUMAPERF_DEQUE_SIZE;",
	  "a store before an earlier load of another thread: the model has no such thing" },
};

/* The line of code, without the blanks before it. */
static std::string code_at(const char *folder, const model::site &site)
{
	std::ifstream file(std::string(folder) + "/" + site.file);
	std::string line;

	for (int i = 0; i < site.line; i++)
		std::getline(file, line);
	return line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
}

static bool needed(const effort &e)
{
	for (const auto &t : tests)
		if (!t.holds(e, NULL))
			return true;
	return false;
}

/* `folder`: where the code is. */
static bool each_order_is_needed(const char *folder, const effort &e)
{
	bool all = true;

	for (unsigned int i = 0; i < model::n_sites; i++) {
		const model::site &site = model::sites[i];
		std::string code = code_at(folder, site);
		const char *why = NULL;

		if (!strcmp(site.file, "check.cc"))
			continue;
		for (const auto &x : excused)
			if (!strcmp(x.file, site.file) && code == x.code)
				why = x.why;
		model::without = (int)i;
		if (why)
			printf("# %s:%d: not to be tested: %s\n", site.file, site.line, why);
		else
			all &= ok(needed(e), "the order at %s:%d is needed: %s", site.file,
				  site.line, code.c_str());
	}
	return all;
}

int main(int argc, char **argv)
{
	effort all = { argc > 2 ? (unsigned int)atoi(argv[2]) : 1000000,
		       argc > 3 ? (unsigned int)atoi(argv[3]) : 2 };
	bool good = true;

	if (argc < 2) {
		fputs("check FOLDER [SCHEDULES [PREEMPTIONS]]\n", stderr);
		return 2;
	}
	for (const auto &t : tests)
		good &= ok(t.holds(all, &std::cout), "%s", t.name);
	if (good)
		good = each_order_is_needed(argv[1], { 100000, 1 });
	printf("1..%u\n", count);
	return !good;
}
