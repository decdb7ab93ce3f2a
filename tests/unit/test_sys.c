// SPDX-License-Identifier: MIT
/* The seam: files, memory, threads, futexes, and that what it promises about errors holds. */
#include "../../lib/src/util.h"
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <numaif.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

struct tree {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	static struct tree t;

	snprintf(t.path, sizeof(t.path), "/tmp/np-sys-XXXXXX");
	if (!mkdtemp(t.path))
		return -1;
	t.dir = np_sys->open_root(t.path);
	*state = &t;
	return t.dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;
	char command[128];

	np_sys = &np_sys_real;
	np_sys->close(t->dir);
	snprintf(command, sizeof(command), "rm -rf '%s'", t->path);
	return system(command);
}

static void put(const struct tree *t, const char *name, const char *text, size_t len)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t->path, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void reads_whole_files(void **state)
{
	struct tree *t = *state;
	size_t len, big = 3 * 4096 + 17;
	char *text, *want = malloc(big);

	memset(want, 'a', big);
	put(t, "big", want, big);
	assert_int_equal(np_read_file(t->dir, "big", &text, &len), 0);
	assert_int_equal(len, big);
	assert_memory_equal(text, want, big);
	assert_int_equal(text[big], '\0');
	np_free(text);
	free(want);

	put(t, "empty", "", 0);
	assert_int_equal(np_read_file(t->dir, "empty", &text, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	np_free(text);

	assert_int_equal(np_read_file(t->dir, "absent", &text, &len), -ENOENT);
	assert_int_equal(np_read_file(t->dir, ".", &text, &len), -EISDIR);
}

static int short_read(int fd, void *buf, size_t size)
{
	return np_sys_real.read(fd, buf, MIN(size, 3));
}

static void short_reads_lose_nothing(void **state)
{
	struct np_sys table = np_sys_real;
	struct tree *t = *state;
	char small[64], *text;

	table.read = short_read;
	np_sys = &table;
	put(t, "f", "0123456789\n", 11);
	assert_int_equal(np_read_small(t->dir, "f", small, sizeof(small)), 11);
	assert_string_equal(small, "0123456789\n");
	assert_int_equal(np_read_file(t->dir, "f", &text, NULL), 0);
	assert_string_equal(text, "0123456789\n");
	np_free(text);
	np_sys = &np_sys_real;
}

static void small_buffers_are_an_error(void **state)
{
	struct tree *t = *state;
	char buf[4];

	put(t, "f", "123", 3);
	assert_int_equal(np_read_small(t->dir, "f", buf, sizeof(buf)), 3);
	put(t, "f", "1234", 4);
	assert_int_equal(np_read_small(t->dir, "f", buf, sizeof(buf)), -EOVERFLOW);
}

static void numbers(void **state)
{
	struct tree *t = *state;
	int64_t v = 5;

	put(t, "n", "-42\n", 4);
	assert_int_equal(np_read_number(t->dir, "n", &v), 0);
	assert_int_equal(v, -42);
	put(t, "n", "12x\n", 4);
	assert_int_equal(np_read_number(t->dir, "n", &v), -EINVAL);
	put(t, "n", "\n", 1);
	assert_int_equal(np_read_number(t->dir, "n", &v), -EINVAL);
	put(t, "n", "99999999999999999999\n", 21);
	assert_int_equal(np_read_number(t->dir, "n", &v), -EINVAL);
	assert_int_equal(v, -42);
}

static void fifos_do_not_hang(void **state)
{
	struct tree *t = *state;
	char path[128], buf[8];

	snprintf(path, sizeof(path), "%s/fifo", t->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(np_read_small(t->dir, "fifo", buf, sizeof(buf)), 0);
}

static int remember(void *ctx, const char *name)
{
	int *seen = ctx;

	if (!strcmp(name, "a"))
		*seen |= 1;
	else if (!strcmp(name, "b"))
		*seen |= 2;
	else
		*seen |= 4;
	return 0;
}

static int stop_at_once(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
	return 77;
}

static void scans(void **state)
{
	struct tree *t = *state;
	char path[128];
	int seen = 0, calls = 0;

	snprintf(path, sizeof(path), "%s/d", t->path);
	assert_int_equal(mkdir(path, 0700), 0);
	put(t, "d/a", "", 0);
	put(t, "d/b", "", 0);
	assert_int_equal(np_sys->scan_at(t->dir, "d", remember, &seen), 0);
	assert_int_equal(seen, 3);
	assert_int_equal(np_sys->scan_at(t->dir, "d", stop_at_once, &calls), 77);
	assert_int_equal(calls, 1);
	assert_int_equal(np_sys->scan_at(t->dir, "nowhere", remember, &seen), -ENOENT);
}

static void alloc_zeroes_and_aligns(void **state)
{
	unsigned char *p;
	void *out;

	(void)state;
	for (size_t align = 0; align <= 4096; align = align ? align * 2 : 16) {
		assert_int_equal(np_sys->alloc(&out, 1000, align), 0);
		p = out;
		for (int i = 0; i < 1000; i++)
			assert_int_equal(p[i], 0);
		if (align)
			assert_int_equal((uintptr_t)p % align, 0);
		np_free(p);
	}
	assert_int_equal(np_sys->alloc(&out, SIZE_MAX - 8, 128), -ENOMEM);
}

/* The kernel drops the last bit of a mask that is passed with its exact length. */
static void policy_masks_reach_the_kernel_whole(void **state)
{
	uint64_t nodes[16] = { 1 }, back[16] = { 0 };
	int policy = -1;
	void *p;

	(void)state;
	assert_int_equal(np_sys->map(&p, 4096), 0);
	assert_int_equal(np_sys->mbind(p, 4096, MPOL_BIND, nodes, 16, 0), 0);
	assert_int_equal(np_sys->get_mempolicy(&policy, back, 16, p, MPOL_F_ADDR), 0);
	assert_int_equal(policy, MPOL_BIND);
	assert_memory_equal(back, nodes, sizeof(back));
	/* bit 63 alone names a node that is not there: refused, not dropped unseen */
	nodes[0] = 1ull << 63;
	assert_int_equal(np_sys->mbind(p, 4096, MPOL_BIND, nodes, 1, 0), -EINVAL);
	assert_int_equal(np_sys->unmap(p, 4096), 0);
}

static void *masked(void *out)
{
	pthread_sigmask(SIG_SETMASK, NULL, out);
	return NULL;
}

static void threads_block_signals(void **state)
{
	sigset_t in_thread, before, after;
	pthread_t thread;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(np_sys->thread_create(&thread, 256 << 10, masked, &in_thread), 0);
	assert_int_equal(np_sys->thread_join(thread), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&in_thread, SIGTERM), 1);
	assert_int_equal(sigismember(&in_thread, SIGSEGV), 1);
	for (int sig = 1; sig < NSIG; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
	assert_int_equal(np_sys->thread_create(&thread, 1, masked, &in_thread), -EINVAL);
}

static void futexes(void **state)
{
	uint32_t word = 1;
	uint64_t start = np_clock_ns();

	(void)state;
	assert_int_equal(np_sys->futex_wait(&word, 0, -1), -EAGAIN);
	assert_int_equal(np_sys->futex_wait(&word, 1, 2000000), -ETIMEDOUT);
	assert_true(np_clock_ns() - start >= 2000000);
	assert_int_equal(np_sys->futex_wake(&word, 1), 0);
}

static void reads_its_own_state(void **state)
{
	uint64_t eff = 0, limit = 0;
	unsigned int cpu = 9999, node = 9999;
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long want = 0;
	char line[256];
	int seccomp = -1, priority = -1;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "CapEff: %llx", &want);
		sscanf(line, "Seccomp: %d", &seccomp);
	}
	fclose(f);
	assert_int_equal(np_sys->capget(&eff), 0);
	assert_true(eff == want);
	assert_int_equal(np_sys->seccomp_mode(), seccomp);
	assert_int_equal(np_sys->memlock_limit(&limit), 0);
	assert_true(limit > 0);
	assert_int_equal(np_sys->getcpu(&cpu, &node), 0);
	assert_true(cpu < 8192 && node < 1024);
	assert_int_equal(np_sys->get_scheduler(0, &priority), 0);
	assert_int_equal(priority, 0);
}

static void faults_hit_the_nth_call_only(void **state)
{
	struct tree *t = *state;
	struct fault_plan plan = { .nth = 2, .error = -EIO, .only = "open_at" };
	char buf[8];

	put(t, "f", "x", 1);
	fault_start(&plan);
	assert_int_equal(np_read_small(t->dir, "f", buf, sizeof(buf)), 1);
	assert_int_equal(np_read_small(t->dir, "f", buf, sizeof(buf)), -EIO);
	assert_int_equal(np_read_small(t->dir, "f", buf, sizeof(buf)), 1);
	fault_stop();
	assert_string_equal(plan.failed, "open_at");
	assert_int_equal(plan.hits, 3);
}

static void every_failure_of_reading_is_clean(void **state)
{
	static const int errors[] = { -ENOMEM, -EIO, -EMFILE };
	struct tree *t = *state;
	struct fault_plan plan;
	int fds = fault_open_fds(), clean = 0;
	char *text;

	put(t, "f", "some text", 9);
	FAULT_SWEEP(plan, errors)
	{
		int err;

		fault_start(&plan);
		text = NULL;
		err = np_read_file(t->dir, "f", &text, NULL);
		fault_stop();
		assert_int_equal(err, plan.failed ? plan.error : 0);
		if (!err) {
			assert_string_equal(text, "some text");
			np_free(text);
			clean++;
		}
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_whole_files),
		TEST(short_reads_lose_nothing),
		TEST(small_buffers_are_an_error),
		TEST(numbers),
		TEST(fifos_do_not_hang),
		TEST(scans),
		TEST(faults_hit_the_nth_call_only),
		TEST(every_failure_of_reading_is_clean),
		cmocka_unit_test(alloc_zeroes_and_aligns),
		cmocka_unit_test(policy_masks_reach_the_kernel_whole),
		cmocka_unit_test(threads_block_signals),
		cmocka_unit_test(futexes),
		cmocka_unit_test(reads_its_own_state),
	};

	return cmocka_run_group_tests_name("sys", tests, NULL, NULL);
}
