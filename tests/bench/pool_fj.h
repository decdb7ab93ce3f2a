/* SPDX-License-Identifier: MIT */
/*
 * Fork and join without a cut-off, in C and in C++. The peer has defined, before it includes
 * this:
 *
 *	FJ_SCOPE(n)		a scope that up to n children belong to
 *	FJ_SPAWN(i, fn, arg)	child i of it runs fn(arg)
 *	FJ_WAIT(n)		waits for its n children
 */
#ifndef NP_BENCH_POOL_FJ_H
#define NP_BENCH_POOL_FJ_H

/* fib(30): 1,346,268 spawns, hardly any work. */
struct fib {
	unsigned int n;
	long result;
};

static void fib(void *arg)
{
	struct fib *f = (struct fib *)arg, a, b;

	if (f->n < 2) {
		f->result = f->n;
		return;
	}
	a.n = f->n - 1;
	b.n = f->n - 2;
	FJ_SCOPE(1);
	FJ_SPAWN(0, fib, &a);
	fib(&b);
	FJ_WAIT(1);
	f->result = a.result + b.result;
}

void fj_fib(void *arg)
{
	struct fib f = { 30, 0 };

	fib(&f);
	*(long *)arg = f.result;
}

/* Eleven queens: a child a placement, 166,925 of them. */
#define QUEENS 11
struct board {
	unsigned int row, columns, left, right;
	long result;
};

static void queens(void *arg)
{
	struct board *b = (struct board *)arg, child[QUEENS];
	unsigned int free_ = ((1u << QUEENS) - 1) & ~(b->columns | b->left | b->right);
	int n = 0;

	b->result = b->row == QUEENS;
	if (b->result)
		return;
	FJ_SCOPE(QUEENS);
	for (; free_; free_ &= free_ - 1, n++) {
		unsigned int bit = free_ & -free_;

		child[n].row = b->row + 1;
		child[n].columns = b->columns | bit;
		child[n].left = (b->left | bit) << 1;
		child[n].right = (b->right | bit) >> 1;
		FJ_SPAWN(n, queens, &child[n]);
	}
	FJ_WAIT(n);
	for (int i = 0; i < n; i++)
		b->result += child[i].result;
}

void fj_queens(void *arg)
{
	struct board b = { 0, 0, 0, 0, 0 };

	queens(&b);
	*(long *)arg = b.result;
}

/* Ten children each, 100,000 leaves that say their number. */
struct sky {
	long first, size, result;
};

static void sky(void *arg)
{
	struct sky *s = (struct sky *)arg, child[10];

	if (s->size == 1) {
		s->result = s->first;
		return;
	}
	FJ_SCOPE(10);
	for (int i = 0; i < 10; i++) {
		child[i].first = s->first + i * (s->size / 10);
		child[i].size = s->size / 10;
		FJ_SPAWN(i, sky, &child[i]);
	}
	FJ_WAIT(10);
	s->result = 0;
	for (int i = 0; i < 10; i++)
		s->result += child[i].result;
}

void fj_skynet(void *arg)
{
	struct sky s = { 0, 100000, 0 };

	sky(&s);
	*(long *)arg = s.result;
}

/*
 * An unbalanced tree, whose shape nobody knows beforehand (as in the UTS benchmark): a node has
 * eight children with a chance of an eighth less a little, by a hash of its own; the root has
 * 2,000. Its size is the result; a serial walk in the run that warms up says what it must be.
 */
struct uts {
	uint64_t hash;
	long result;
};

static uint64_t uts_mix(uint64_t x)
{
	/* splitmix64's finalizer (S. Vigna, public domain) */
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static int uts_children(uint64_t hash)
{
	return (hash >> 11) % 10000 < 1225 ? 8 : 0;
}

static void uts(void *arg)
{
	struct uts *u = (struct uts *)arg, child[8];
	int n = uts_children(u->hash);

	u->result = 1;
	if (!n)
		return;
	FJ_SCOPE(8);
	for (int i = 0; i < n; i++) {
		child[i].hash = uts_mix(u->hash + (uint64_t)i);
		FJ_SPAWN(i, uts, &child[i]);
	}
	FJ_WAIT(n);
	for (int i = 0; i < n; i++)
		u->result += child[i].result;
}

static long uts_serial(uint64_t hash)
{
	long size = 1;

	for (int i = 0; i < uts_children(hash); i++)
		size += uts_serial(uts_mix(hash + (uint64_t)i));
	return size;
}

void fj_uts(void *arg)
{
	static long want;
	long size = 0;

	for (uint64_t i = 0; i < 2000; i++) {
		struct uts u = { uts_mix(i * 977), 0 };

		uts(&u);
		size += u.result;
	}
	*(long *)arg = size;
	if (want && size != want)
		pool_wrong("the size of the unbalanced tree");
	for (uint64_t i = 0; i < 2000 && (i || !want); i++)
		want += uts_serial(uts_mix(i * 977));
}

#endif
