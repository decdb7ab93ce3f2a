/* SPDX-License-Identifier: MIT */
/*
 * The library's lock-free headers under Relacy (Debian: relacy-dev), which runs a few threads
 * as fibers, lets each atomic load return any value that C11 allows it to, and finds races of
 * plain data. What is checked is the code itself and not a copy: here are other meanings of the
 * compiler's __atomic functions.
 *
 * A place that is accessed atomically has a twin in the model (place_of), which must be named
 * before the threads start; the real place keeps the newest value, for what its only writer
 * reads plainly. Plain data whose hand-over matters is a struct numaperf_work: reading and
 * writing one is reported to the model if it lies in a place that was named.
 */
#ifndef NP_RELAXED_SHIM_H
#define NP_RELAXED_SHIM_H

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <relacy/relacy.hpp>
#include <type_traits>

namespace model
{

enum {
	PLACES = 96,
	DATA = 24
};

struct place {
	const void *real;
	rl::atomic<uint64_t> twin;
};

struct datum {
	const void *real;
	rl::var<int> twin;
};

/* One a schedule; made before its threads start. */
struct world {
	place places[PLACES];
	datum data[DATA];
	unsigned int n_places, n_data;
	rl::mutex bucket; /* the kernel's, of all futexes */
	rl::condition_variable sleepers;

	world();
};

extern world *now;

template <class T> uint64_t bits_of(T value)
{
	if constexpr (std::is_pointer_v<T>)
		return (uint64_t)(uintptr_t)value;
	else
		return (uint64_t)value;
}

template <class T> T value_of(uint64_t bits)
{
	if constexpr (std::is_pointer_v<T>)
		return (T)(uintptr_t)bits;
	else
		return (T)bits;
}

template <class T> void name(T *real)
{
	place *p = &now->places[now->n_places++];

	if (now->n_places > PLACES)
		abort();
	p->real = real;
	p->twin.store(bits_of(*real), rl::mo_relaxed, $);
}

inline void name_data(const void *real)
{
	datum *d = &now->data[now->n_data++];

	if (now->n_data > DATA)
		abort();
	d->real = real;
	d->twin($) = 0;
}

inline rl::atomic<uint64_t> &place_of(const void *real)
{
	for (unsigned int i = 0; i < now->n_places; i++)
		if (now->places[i].real == real)
			return now->places[i].twin;
	fprintf(stderr, "an atomic access to a place that was not named\n");
	abort();
}

inline void plainly(const void *real, bool write)
{
	for (unsigned int i = 0; i < now->n_data; i++) {
		if (now->data[i].real != real)
			continue;
		if (write)
			now->data[i].twin($) = 1;
		else
			(void)(int)now->data[i].twin($);
		return;
	}
}

/* Where the code asks for an order, and the place whose orders are taken away for once. */
struct site {
	const char *file;
	int line;
};

enum {
	SITES = 128
};
extern site sites[SITES];
extern unsigned int n_sites;
extern int without; /* index; -1: none */

inline int at(int mo, const char *path, int line)
{
	const char *file = strrchr(path, '/') + 1;
	unsigned int i = 0;

	if (mo == __ATOMIC_RELAXED)
		return mo;
	while (i < n_sites && (strcmp(sites[i].file, file) || sites[i].line != line))
		i++;
	if (i == SITES)
		abort();
	if (i == n_sites)
		sites[n_sites++] = { file, line };
	return (int)i == without ? __ATOMIC_RELAXED : mo;
}

inline rl::memory_order order(int mo)
{
	switch (mo) {
	case __ATOMIC_RELAXED:
		return rl::mo_relaxed;
	case __ATOMIC_ACQUIRE:
		return rl::mo_acquire;
	case __ATOMIC_RELEASE:
		return rl::mo_release;
	case __ATOMIC_ACQ_REL:
		return rl::mo_acq_rel;
	default:
		return rl::mo_seq_cst;
	}
}

template <class T> T load(const T *real, int mo)
{
	return value_of<T>(place_of(real).load(order(mo), $));
}

template <class T, class V> void store(T *real, V v, int mo)
{
	T value = (T)v;

	place_of(real).store(bits_of(value), order(mo), $);
	*real = value;
}

template <class T, class V> T exchange(T *real, V v, int mo)
{
	T value = (T)v;
	T old = value_of<T>(place_of(real).exchange(bits_of(value), order(mo), $));

	*real = value;
	return old;
}

template <class T, class V> bool cas(T *real, T *expected, V v, bool weak, int mo, int failed)
{
	T value = (T)v;
	uint64_t was = bits_of(*expected);
	rl::atomic<uint64_t> &twin = place_of(real);
	bool done = weak ? twin.compare_exchange_weak(was, bits_of(value), order(mo), $,
						      order(failed), $)
			 : twin.compare_exchange_strong(was, bits_of(value), order(mo), $,
							order(failed), $);

	if (done)
		*real = value;
	else
		*expected = value_of<T>(was);
	return done;
}

#define NP_FETCH(name)                                                    \
 template <class T, class V> T name(T *real, V v, int mo)                 \
 {                                                                        \
  T old = value_of<T>(place_of(real).name((uint64_t)(T)v, order(mo), $)); \
  *real = (T)NP_RESULT;                                                   \
  return old;                                                             \
 }
#define NP_RESULT (old + (T)v)
NP_FETCH(fetch_add)
#undef NP_RESULT
#define NP_RESULT (old - (T)v)
NP_FETCH(fetch_sub)
#undef NP_RESULT
#define NP_RESULT (old | (T)v)
NP_FETCH(fetch_or)
#undef NP_RESULT
#define NP_RESULT (old & (T)v)
NP_FETCH(fetch_and)
#undef NP_RESULT
#undef NP_FETCH

inline void fence(int mo)
{
	if (mo != __ATOMIC_RELAXED)
		rl::atomic_thread_fence(order(mo), $);
}

} // namespace model

#define NP_AT(mo)				      model::at(mo, __FILE__, __LINE__)
#define __atomic_load_n(p, mo)			      model::load(p, NP_AT(mo))
#define __atomic_store_n(p, v, mo)		      model::store(p, v, NP_AT(mo))
#define __atomic_exchange_n(p, v, mo)		      model::exchange(p, v, NP_AT(mo))
#define __atomic_compare_exchange_n(p, e, v, w, m, f) model::cas(p, e, v, w, NP_AT(m), NP_AT(f))
#define __atomic_fetch_add(p, v, mo)		      model::fetch_add(p, v, NP_AT(mo))
#define __atomic_fetch_sub(p, v, mo)		      model::fetch_sub(p, v, NP_AT(mo))
#define __atomic_fetch_or(p, v, mo)		      model::fetch_or(p, v, NP_AT(mo))
#define __atomic_fetch_and(p, v, mo)		      model::fetch_and(p, v, NP_AT(mo))
#define __atomic_thread_fence(mo)		      model::fence(NP_AT(mo))
#define _Static_assert static_assert

/* Stands for numaperf/executor.h: of it the headers want this alone. */
#define NUMAPERF_EXECUTOR_H
struct numaperf_work {
	void (*fn)(void *arg);
	void *arg;

	numaperf_work() = default;
	numaperf_work(void (*f)(void *), void *a) : fn(f), arg(a)
	{
	}
	numaperf_work(const numaperf_work &other) : fn(other.fn), arg(other.arg)
	{
		model::plainly(&other, false);
	}
	numaperf_work &operator=(const numaperf_work &other)
	{
		model::plainly(&other, false);
		model::plainly(this, true);
		fn = other.fn;
		arg = other.arg;
		return *this;
	}
};

/* Stands for sys.h: the kernel's futex, which compares under the lock that a waker takes. */
#define NP_SYS_H
struct np_sys {
	int futex_wait(uint32_t *word, uint32_t value, int64_t)
	{
		model::now->bucket.lock($);
		if (model::load(word, __ATOMIC_RELAXED) == value)
			model::now->sleepers.wait(model::now->bucket, $);
		model::now->bucket.unlock($);
		return 0;
	}
	int futex_wake(uint32_t *, int)
	{
		model::now->bucket.lock($);
		model::now->sleepers.notify_all($);
		model::now->bucket.unlock($);
		return 0;
	}
};
static np_sys kernel, *np_sys = &kernel;

#define NP_DEQUE_SIZE	       2u
#define __builtin_ia32_pause() rl::yield(1, $)

#include "util.h"
/* in this order */
#include "deque.h"
#include "lane.h"
#include "mpmc.h"
#include "park.h"
#include "tray.h"

#endif
