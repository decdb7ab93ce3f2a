// SPDX-License-Identifier: MIT
/* Regions of files: private copies, shared memory, and files whose pages take no policy. */
#include "regions.h"
#include "sys.h"

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SIZE ((size_t)64 * KIB)

/* A file of SIZE bytes with its own name as content, on disk or in shared memory. */
static int make(const char *folder)
{
	char path[128];
	int fd;

	if (folder) {
		snprintf(path, sizeof(path), "%s/numaperf-test-XXXXXX", folder);
		fd = mkstemp(path);
		unlink(path);
	} else {
		fd = memfd_create("test", 0);
	}
	assert_true(fd >= 0);
	for (size_t i = 0; i < SIZE; i += 8)
		assert_int_equal(pwrite(fd, "numaperf", 8, (off_t)i), 8);
	return fd;
}

/* Not tmpfs: a folder whose files live on a disk, or in what stands for one. */
static const char *disk(void)
{
	static const char *const folders[] = { ".", "/var/tmp", "/tmp" };
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (!statfs(folders[i], &fs) && fs.f_type != 0x01021994)
			return folders[i];
	fail_msg("every folder is tmpfs");
	return NULL;
}

static int map(struct numaperf_region **r, int fd, enum numaperf_sharing sharing,
	       const struct numaperf_region_opts *opts)
{
	*r = NULL;
	return numaperf_region_map_file(r, fd, 0, 0, sharing, opts);
}

static void private_pages_are_copies(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };

	(void)state;
	for (int where_from = 0; where_from < 2; where_from++)
		for (int mode = NUMAPERF_SOFT; mode <= NUMAPERF_STRICT_UNWITNESSED; mode += 2) {
			struct numaperf_region_opts opts = bind_opts((enum numaperf_mode)mode);
			struct numaperf_region_info info = { .sz = sizeof(info) };
			struct numaperf_region *r;
			int fd = make(where_from ? disk() : NULL);
			char byte, *data;

			opts.prefault = NUMAPERF_PREFAULT_PARALLEL;
			assert_int_equal(map(&r, fd, NUMAPERF_PRIVATE, &opts), 0);
			data = numaperf_region_data(r);
			assert_int_equal(numaperf_region_size(r), SIZE);
			assert_memory_equal(data, "numaperfnumaperf", 16);
			assert_memory_equal(data + SIZE - 8, "numaperf", 8);
			assert_int_equal(numaperf_region_placement(r, &where), 0);
			assert_int_equal(where.pages_on_node[0], SIZE / np_page_size());
			assert_int_equal(numaperf_region_check(r), 0);
			/* all are ours: none is the page cache's any more */
			assert_int_equal(smaps_kib(data, "Anonymous:"), SIZE / KIB);
			assert_int_equal(numaperf_region_info(r, &info), 0);
			assert_true(info.file && !info.shared);
			data[0] = 'N';
			assert_int_equal(pread(fd, &byte, 1, 0), 1);
			assert_int_equal(byte, 'n');
			assert_int_equal(numaperf_region_resize(r, 2 * SIZE), -EOPNOTSUPP);
			numaperf_region_unref(r);
			close(fd);
		}
}

static void shared_memory_has_policies(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };

	(void)state;
	for (int mode = NUMAPERF_SOFT; mode <= NUMAPERF_STRICT_UNWITNESSED; mode += 2) {
		struct numaperf_region_opts opts = bind_opts((enum numaperf_mode)mode);
		struct numaperf_region *r;
		int fd = make(NULL);
		char byte, *data;

		opts.prefault = NUMAPERF_PREFAULT_TOUCH;
		assert_int_equal(map(&r, fd, NUMAPERF_SHARED, &opts), 0);
		data = numaperf_region_data(r);
		data[0] = 'N';
		assert_int_equal(pread(fd, &byte, 1, 0), 1);
		assert_int_equal(byte, 'N');
		assert_int_equal(numaperf_region_placement(r, &where), 0);
		assert_int_equal(where.pages_on_node[0], SIZE / np_page_size());
		assert_int_equal(where.effective_policy, NUMAPERF_POLICY_BIND);
		assert_int_equal(numaperf_region_check(r), 0);
		numaperf_region_unref(r);
		close(fd);
	}
}

static void the_page_cache_has_none(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *r;
	int fd = make(disk());

	(void)state;
	assert_int_equal(map(&r, fd, NUMAPERF_SHARED, &opts), -NUMAPERF_EHARDMODE);
	assert_null(r);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_UNSUPPORTED);
	assert_non_null(strstr(numaperf_last_error()->message, "page cache"));
	opts.mode = NUMAPERF_SOFT;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	assert_int_equal(map(&r, fd, NUMAPERF_SHARED, &opts), 0);
	assert_int_equal(numaperf_region_placement(r, &where), 0);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	assert_int_equal(where.pages_absent, 0);
	numaperf_region_unref(r);
	close(fd);
}

static void what_cannot_be_mapped(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *r = NULL;
	int fd = make(NULL), pipes[2], fds;
	char path[64];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(map(&r, pipes[0], NUMAPERF_PRIVATE, &opts), -EINVAL);
	assert_int_equal(map(&r, 9999, NUMAPERF_PRIVATE, &opts), -EBADF);
	assert_int_equal(map(&r, fd, (enum numaperf_sharing)2, &opts), -EINVAL);
	assert_int_equal(numaperf_region_map_file(&r, fd, 1, KIB, NUMAPERF_PRIVATE, &opts),
			 -EINVAL);
	assert_int_equal(numaperf_region_map_file(&r, fd, SIZE, 0, NUMAPERF_PRIVATE, &opts),
			 -EINVAL);
	assert_int_equal(numaperf_region_map_file(&r, fd, 0, SIZE + 1, NUMAPERF_PRIVATE, &opts),
			 -EINVAL);
	assert_non_null(strstr(numaperf_last_error()->message, "65536 bytes from there"));
	assert_int_equal(numaperf_region_map_file(NULL, fd, 0, 0, NUMAPERF_PRIVATE, &opts),
			 -EINVAL);
	opts.size_max = SIZE;
	assert_int_equal(map(&r, fd, NUMAPERF_PRIVATE, &opts), -EINVAL);
	opts.size_max = 0;
	opts.fork = NUMAPERF_FORK_WIPE;
	assert_int_equal(map(&r, fd, NUMAPERF_PRIVATE, &opts), -EINVAL);
	opts.fork = NUMAPERF_FORK_KEEP;
	opts.huge_page_size = 2 << 20;
	assert_int_equal(map(&r, fd, NUMAPERF_PRIVATE, &opts), -EINVAL);
	opts.huge_page_size = 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fds = open(path, O_RDONLY);
	assert_int_equal(map(&r, fds, NUMAPERF_SHARED, &opts), -EACCES);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_PERMISSION);
	assert_null(r);
	assert_int_equal(map(&r, fds, NUMAPERF_PRIVATE, &opts), 0);
	numaperf_region_unref(r);
	/* an offset inside */
	assert_int_equal(
		numaperf_region_map_file(&r, fd, 8 * KIB, 4 * KIB, NUMAPERF_SHARED, &opts), 0);
	assert_memory_equal(numaperf_region_data(r), "numaperf", 8);
	numaperf_region_unref(r);
	close(fd);
	close(fds);
	close(pipes[0]);
	close(pipes[1]);
}

/* The fallback for a kernel without MADV_POPULATE_WRITE must not write zeroes into a file. */
static int no_populate(void *addr, size_t length, int advice)
{
	return advice == 22 || advice == 23 ? -EINVAL
					    : np_sys_real.madvise(addr, length, advice);
}

static void content_survives_an_old_kernel(void **state)
{
	struct np_sys table = np_sys_real;

	(void)state;
	table.madvise = no_populate;
	for (int sharing = NUMAPERF_PRIVATE; sharing <= NUMAPERF_SHARED; sharing++) {
		struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
		struct numaperf_region *r;
		int fd = make(NULL);

		np_sys = &table;
		assert_int_equal(map(&r, fd, (enum numaperf_sharing)sharing, &opts), 0);
		np_sys = &np_sys_real;
		for (size_t i = 0; i < SIZE; i += 8)
			assert_memory_equal((char *)numaperf_region_data(r) + i, "numaperf", 8);
		assert_int_equal(numaperf_region_check(r), 0);
		numaperf_region_unref(r);
		close(fd);
	}
}

static void every_failure_is_clean(void **state)
{
	int fds, mappings = 0;

	(void)state;
	for (int sharing = NUMAPERF_PRIVATE; sharing <= NUMAPERF_SHARED; sharing++)
		for (int mode = NUMAPERF_SOFT; mode <= NUMAPERF_STRICT_UNWITNESSED; mode += 2) {
			struct numaperf_region_opts opts = bind_opts((enum numaperf_mode)mode);
			unsigned int clean = 0;
			struct fault_plan plan;
			int fd = make(NULL);

			opts.prefault = NUMAPERF_PREFAULT_TOUCH;
			fds = fault_open_fds();
			FAULT_SWEEP(plan, region_errors)
			{
				struct numaperf_region *r;
				int err;

				fault_start(&plan);
				err = map(&r, fd, (enum numaperf_sharing)sharing, &opts);
				fault_stop();
				if (err) {
					assert_non_null(plan.failed);
					assert_null(r);
				} else {
					assert_memory_equal(numaperf_region_data(r), "numaperf",
							    8);
					clean += !plan.failed;
					numaperf_region_unref(r);
				}
				assert_int_equal(fault_open_fds(), fds);
				/* the sanitizers' allocators map more now and then */
				mappings = mappings ? mappings : fault_mappings();
				assert_true(fault_mappings() <= mappings + 8);
			}
			assert_int_equal(clean, ARRAY_SIZE(region_errors));
			close(fd);
		}
	assert_int_equal(np_guarantee_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_pages_are_copies),
		cmocka_unit_test(shared_memory_has_policies),
		cmocka_unit_test(the_page_cache_has_none),
		cmocka_unit_test(what_cannot_be_mapped),
		cmocka_unit_test(content_survives_an_old_kernel),
		cmocka_unit_test(every_failure_is_clean),
	};

	return cmocka_run_group_tests_name("region_file", tests, NULL, NULL);
}
