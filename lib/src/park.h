/* SPDX-License-Identifier: MIT */
/*
 * Rank 4: sleeping and waking without losing a wake-up and without using the CPU.
 *
 * Three parts. A *parker* is one thread's place to sleep, with a token that a waker leaves
 * there. *Idle* is a node's set of sleeping workers, from which a waker claims one. An *event*
 * lets threads that are no workers wait for something to become true.
 *
 * All three rest on one pattern: two threads, each writes one place and then reads the other's
 * (Dekker). With a sequentially consistent fence, or operation, between each one's write and
 * read, at least one of them sees what the other wrote:
 *
 *	who has work:	makes it visible;	fence;	looks for sleepers
 *	who goes idle:	says that it sleeps;	fence;	looks for work
 *
 * So either the sleeper finds the work, or the other finds the sleeper, or both do.
 */
#ifndef NP_PARK_H
#define NP_PARK_H

#include "sys.h"
#include "util.h"

#include <limits.h>

#ifndef NP_STEP
# define NP_STEP() ((void)0)
#endif

static inline void np_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/*
 * The fence of the pattern above. A read-modify-write is no full fence on AArch64, so it is
 * said explicitly. ThreadSanitizer does not know fences; it only needs the machine to have one,
 * for the order of data it follows the release and acquire operations.
 */
static inline void np_fence(void)
{
#if defined(NP_TSAN) && (defined(__x86_64__) || defined(__i386__))
	__asm__ volatile("mfence" ::: "memory");
#elif defined(NP_TSAN) && defined(__aarch64__)
	__asm__ volatile("dmb ish" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
	NP_STEP();
}

/* ---- parker ---- */

struct np_parker {
	uint32_t token; /* 1: a waker was here */
};

/* Sleeps until a token is there, and takes it. Its thread only. */
static inline void np_park(struct np_parker *p)
{
	/* acquire: sees what the waker did before it left the token */
	while (!__atomic_exchange_n(&p->token, 0, __ATOMIC_ACQUIRE)) {
		NP_STEP();
		np_sys->futex_wait(&p->token, 0, -1);
	}
}

/* Leaves a token; it stays until it is taken, so it can never come too early. Anybody. */
static inline void np_unpark(struct np_parker *p)
{
	if (__atomic_exchange_n(&p->token, 1, __ATOMIC_RELEASE))
		return; /* one is there already, and its owner does the waking */
	NP_STEP();
	np_sys->futex_wake(&p->token, 1);
}

/*
 * ---- the idle workers of a node ----
 *
 * The operations are relaxed: what has to be in order with them, the work, is kept so by the
 * fences of both sides. But a bit hands over the record of its worker.
 */

#define NP_IDLE_MAX 4096 /* workers a node */

struct np_idle {
	/*
	 * How many workers of the node look for work now, or are on their way up to do so.
	 * While it is not zero nobody is woken: one who searches finds the work, and wakes the
	 * next if there is more.
	 */
	uint32_t searching np_aligned;
	uint32_t *total; /* idle workers of all nodes: zero saves a waker all further looks */
	uint32_t words;
	uint64_t bits[NP_IDLE_MAX / 64]; /* who sleeps */
};

enum {
	NP_WAKE_NONE = -1,     /* nobody of this node is idle */
	NP_WAKE_SEARCHED = -2, /* somebody searches already */
};

static inline void np_search_begin(struct np_idle *idle)
{
	__atomic_fetch_add(&idle->searching, 1, __ATOMIC_RELAXED);
}

/* True: it was the last one. Who stops because it has found work must then see whether there is
 * more, and wake another: work that came meanwhile has relied on it. */
static inline bool np_search_end(struct np_idle *idle)
{
	return __atomic_fetch_sub(&idle->searching, 1, __ATOMIC_RELAXED) == 1;
}

/*
 * Worker `i`, which is searching, says that it sleeps and no longer searches. It must then look
 * for work once more: if there is some, np_idle_cancel(), else np_park().
 */
static inline void np_idle_enter(struct np_idle *idle, unsigned int i)
{
	/* Who reads total as zero, or the bit as clear, comes before the fence below, and his
	 * work is then seen by the look that follows. */
	__atomic_fetch_add(idle->total, 1, __ATOMIC_RELAXED);
	NP_STEP();
	/* release: this worker's record, which may be new */
	__atomic_fetch_or(&idle->bits[i / 64], (uint64_t)1 << i % 64, __ATOMIC_RELEASE);
	NP_STEP();
	np_search_end(idle);
	np_fence();
}

/* Not idle any more. False: somebody has claimed it already; it is then searching (the waker
 * has counted it), and a token is there or about to come. */
static inline bool np_idle_cancel(struct np_idle *idle, unsigned int i)
{
	uint64_t bit = (uint64_t)1 << i % 64;

	if (!(__atomic_fetch_and(&idle->bits[i / 64], ~bit, __ATOMIC_RELAXED) & bit))
		return false;
	__atomic_fetch_sub(idle->total, 1, __ATOMIC_RELAXED);
	return true;
}

static inline uint32_t np_idle_words(const struct np_idle *idle)
{
	/* It grows before the worker starts that needs it: who must see the bit (behind a
	 * fence) sees this, too. */
	return __atomic_load_n(&idle->words, __ATOMIC_RELAXED);
}

/* Takes one worker out of the set; -1: none is in it. */
static inline int np_idle_claim(struct np_idle *idle)
{
	for (uint32_t w = 0; w < np_idle_words(idle); w++) {
		uint64_t set = __atomic_load_n(&idle->bits[w], __ATOMIC_RELAXED);

		while (set) {
			uint64_t bit = set & -set;

			NP_STEP();
			/* acquire: the worker's record */
			set = __atomic_fetch_and(&idle->bits[w], ~bit, __ATOMIC_ACQUIRE);
			if (set & bit) {
				__atomic_fetch_sub(idle->total, 1, __ATOMIC_RELAXED);
				return (int)(w * 64 + (uint32_t)__builtin_ctzll(bit));
			}
		}
	}
	return -1;
}

/*
 * The waker's decision for work that is visible (the caller has made it so, and then fenced):
 * the worker that it claimed, which is now counted as searching and must be given its token
 * with np_unpark(); or NP_WAKE_NONE or NP_WAKE_SEARCHED.
 *
 * Only one waker at a time gets from zero to one. If it then finds nobody it steps back, and
 * has to look again: in between another waker may have relied on its being there, and a worker
 * may have gone to sleep that had not seen that other's work. That worker's bit was set before
 * the other's work was visible, which was before the other read `searching`, which was before
 * the step back: so the second look, behind a fence, sees the bit.
 */
static inline int np_idle_wake(struct np_idle *idle)
{
	for (;;) {
		uint32_t none = 0;
		uint64_t any = 0;
		int i;

		if (__atomic_load_n(&idle->searching, __ATOMIC_RELAXED))
			return NP_WAKE_SEARCHED;
		NP_STEP();
		for (uint32_t w = 0; w < np_idle_words(idle); w++)
			any |= __atomic_load_n(&idle->bits[w], __ATOMIC_RELAXED);
		if (!any)
			return NP_WAKE_NONE;
		NP_STEP();
		if (!__atomic_compare_exchange_n(&idle->searching, &none, 1, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return NP_WAKE_SEARCHED;
		NP_STEP();
		i = np_idle_claim(idle);
		if (i >= 0)
			return i;
		NP_STEP();
		np_search_end(idle);
		np_fence();
	}
}

/* ---- event ---- */

struct np_event {
	uint32_t seq np_aligned;
	uint32_t waiters;
};

/*
 * The waiter's side:
 *
 *	np_event_enter(e);
 *	while (key = np_event_key(e), !condition)
 *		np_event_wait(e, key);
 *	np_event_leave(e);
 */
static inline void np_event_enter(struct np_event *e)
{
	__atomic_fetch_add(&e->waiters, 1, __ATOMIC_RELAXED);
	np_fence();
}

static inline void np_event_leave(struct np_event *e)
{
	__atomic_fetch_sub(&e->waiters, 1, __ATOMIC_RELAXED);
}

static inline uint32_t np_event_key(struct np_event *e)
{
	/* acquire: who sees this signal sees what it was about */
	return __atomic_load_n(&e->seq, __ATOMIC_ACQUIRE);
}

static inline void np_event_wait_for(struct np_event *e, uint32_t key, int64_t timeout_ns)
{
	NP_STEP();
	np_sys->futex_wait(&e->seq, key, timeout_ns);
}

static inline void np_event_wait(struct np_event *e, uint32_t key)
{
	np_event_wait_for(e, key, -1);
}

/* The condition has been made true (by any operation): whoever waits looks again. */
static inline void np_event_signal(struct np_event *e)
{
	np_fence(); /* also releases what the key's readers acquire */
	if (!__atomic_load_n(&e->waiters, __ATOMIC_RELAXED))
		return;
	__atomic_fetch_add(&e->seq, 1, __ATOMIC_RELAXED);
	NP_STEP();
	np_sys->futex_wake(&e->seq, INT_MAX);
}

#endif
