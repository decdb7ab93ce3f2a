// SPDX-License-Identifier: MIT
/* What numaperf-top reads of /proc and /sys, from a tree of our own. */
#include "../../tools/top_proc.h"
#include "frames.h"
#include "tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

#define SECOND 1000000000ull

static char root[64];
static const int ids[2] = { 0, 2 };
static struct top_procs procs;

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/np-proc-%d", (int)getpid());
	shell("rm -rf %s && mkdir -p %s/proc %s/sys/devices/system/node", root, root, root);
	procs = (struct top_procs){ .root = root, .nodes = 2, .node_id = ids };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	top_procs_free(&procs);
	shell("rm -rf %s", root);
	return 0;
}

static void put(int pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/%s", pid, file);
	tree_put(root, path, text);
}

/* A process as proc_pid_stat(5) has it. */
static void process(int pid, const char *comm, int ppid, unsigned int flags,
		    unsigned long long born)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "%d (%s) S %d 1 1 0 -1 %u 1 2 3 4 5 6 7 8 20 0 3 0 %llu 1000 200 99\n", pid,
		 comm, ppid, flags, born);
	put(pid, "stat", text);
	put(pid, "status", "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n");
	put(pid, "cgroup", "0::/user.slice\n");
}

static void what_a_process_is(void **state)
{
	struct top_proc *p;

	(void)state;
	process(10, "a) R 7 (b", 7, 0x400100, 4242);
	shell("printf '/bin/x\\0-v\\0\\033[2J\\0\\0' >%s/proc/10/cmdline", root);
	p = top_procs_see(&procs, 10, SECOND);
	assert_non_null(p);
	assert_string_equal(p->comm, "a) R 7 (b");
	assert_int_equal(p->ppid, 7);
	assert_int_equal(p->threads, 3);
	assert_int_equal(p->uid, 1000);
	assert_true(p->born == 4242);
	assert_false(p->kernel);
	assert_string_equal(p->cgroup, "/user.slice");
	assert_non_null(strstr(p->command, "/bin/x -v "));
	assert_null(strchr(p->command, '\033'));
	process(11, "kworker/0:1", 2, 0x4208060, 5); /* PF_KTHREAD */
	assert_true(top_procs_see(&procs, 11, SECOND)->kernel);
	/* who is dead already, or no process, is none */
	shell("sed -i 's/) S/) Z/' %s/proc/11/stat", root);
	assert_null(top_procs_see(&procs, 12, SECOND));
	shell("mkdir %s/proc/13", root);
	put(13, "stat", "13 (x");
	assert_null(top_procs_see(&procs, 13, SECOND));
	put(13, "stat", "13 (x) S 1 2");
	assert_null(top_procs_see(&procs, 13, SECOND));
}

static void another_of_the_same_number(void **state)
{
	struct top_proc *p;
	uint64_t life;

	(void)state;
	process(10, "first", 1, 0, 100);
	p = top_procs_see(&procs, 10, SECOND);
	life = p->life;
	p->ended.run_ns = 5;
	p->violations = 3;
	/* another program in it: another command, the same process */
	process(10, "second", 1, 0, 100);
	p = top_procs_see(&procs, 10, 60 * SECOND);
	assert_string_equal(p->comm, "second");
	assert_true(p->life != life);
	assert_int_equal(p->ended.run_ns, 5);
	/* another process: what the first one did is not its */
	process(10, "third", 1, 0, 200);
	p = top_procs_see(&procs, 10, 120 * SECOND);
	assert_string_equal(p->comm, "third");
	assert_int_equal(p->ended.run_ns, 0);
	assert_int_equal(p->violations, 0);
	/* it ends: it is shown once more, and then forgotten */
	shell("rm -r %s/proc/10", root);
	p = top_procs_see(&procs, 10, 180 * SECOND);
	assert_true(p->gone);
	top_procs_forget(&procs);
	assert_non_null(top_procs_find(&procs, 10));
	top_procs_forget(&procs);
	assert_null(top_procs_find(&procs, 10));
	assert_int_equal(procs.count, 0);
}

/* Who lived between two frames has done what its threads did, all the same. */
static void one_that_had_ended(void **state)
{
	struct top_proc *p;

	(void)state;
	assert_null(top_procs_see(&procs, 10, SECOND));
	p = top_procs_see_ended(&procs, 10, "short");
	assert_string_equal(p->comm, "short");
	assert_true(p->gone && p->seen);
	assert_ptr_equal(top_procs_see(&procs, 10, 2 * SECOND), p);
	top_procs_forget(&procs);
	top_procs_forget(&procs);
	assert_int_equal(procs.count, 0);
}

static void all_are_seen(void **state)
{
	(void)state;
	process(10, "a", 1, 0, 1);
	process(2000, "b", 1, 0, 1);
	shell("mkdir %s/proc/sys %s/proc/77", root, root);
	assert_int_equal(top_procs_see_all(&procs, SECOND), 0);
	assert_int_equal(procs.count, 2);
	shell("rm -r %s/proc", root);
	assert_int_equal(top_procs_see_all(&procs, SECOND), -ENOENT);
}

static void which_cgroup(void **state)
{
	static const char *const texts[][2] = {
		{ "0::/a b\n", "/a b" },
		{ "12:pids:/x\n1:name=systemd:/user/y\n", "/user/y" },
		{ "5:cpu,cpuacct:/docker/z\n4:memory:/docker/z\n", "/docker/z" },
		{ "1:name=systemd:/unit\n0::/\n", "/unit" }, /* a v2 mount beside v1, unused */
		{ "1:name=systemd:/old\n0::/new\n", "/new" },
		{ "0::/\n", "/" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int pid = 100 + (int)i;

		process(pid, "x", 1, 0, 1);
		put(pid, "cgroup", texts[i][0]);
		assert_string_equal(top_procs_see(&procs, pid, SECOND)->cgroup, texts[i][1]);
	}
}

static void which_container(void **state)
{
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const char *const texts[][2] = {
		{ "/system.slice/docker-" HEX64 ".scope", "0123456789ab" },
		{ "/docker/" HEX64, "0123456789ab" },
		{ "/machine.slice/libpod-" HEX64 ".scope/container", "0123456789ab" },
		{ "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" HEX64 ".scope",
		  "0123456789ab" },
		{ "/lxc.payload.web/init.scope", "web" },
		{ "/lxc/db", "db" },
		{ "/machine.slice/machine-fedora.scope", "fedora" },
		{ "/system.slice/ssh.service", NULL },
		{ "/x/0" HEX64, NULL }, /* 65 */
		{ "/x/"
		  "0123456789abcdef0123456789abcdef",
		  NULL },
		{ "/", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *id = top_container_of(texts[i][0]);

		if (texts[i][1])
			assert_string_equal(id, texts[i][1]);
		else
			assert_null(id);
		free(id);
	}
	assert_null(top_container_of(NULL));
}

static const char maps[] =
	"00400000-00401000 r-xp 00000000 08:01 12 /usr/bin/a prog\n"
	"01000000-01800000 rw-p 00000000 00:00 0                          [heap]\n"
	"7f0000000000-7f0000400000 rw-p 00000000 00:00 0 [anon:numaperf \033[31m]\n"
	"7f0000400000-7f0000402000 rw-p 00000000 00:00 0 \n"
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\n";
static const char numa_maps[] =
	"00400000 default file=/usr/bin/a\\040prog mapped=1 active=0 N0=1 kernelpagesize_kB=4\n"
	"01000000 default heap anon=3 dirty=3 N0=1 N2=2 kernelpagesize_kB=4\n"
	"7f0000000000 bind:2 anon=2 dirty=2 N2=2 kernelpagesize_kB=2048\n"
	"nonsense\n"
	"7f0000400000 interleave:0,2 anon=1 N1=7 N0=1 kernelpagesize_kB=4\n"
	"7ffc00000000 default stack anon=1 N0=1 kernelpagesize_kB=4\n";

static void where_its_memory_is(void **state)
{
	struct top_proc *p;

	(void)state;
	process(10, "a", 1, 0, 1);
	p = top_procs_see(&procs, 10, SECOND);
	top_procs_read_memory(&procs, 0, SECOND, SECOND);
	assert_null(p->resident); /* there is no map: not 0 bytes */
	put(10, "numa_maps", numa_maps);
	top_procs_read_memory(&procs, 0, 2 * SECOND, SECOND);
	assert_null(p->resident); /* not before it is due */
	top_procs_read_memory(&procs, 0, 60 * SECOND, SECOND);
	assert_non_null(p->resident);
	assert_int_equal(p->resident[0], 4 * 4096);
	assert_int_equal(p->resident[1], 2 * 4096 + 2 * 2097152);
	assert_true(p->candidate); /* memory that is bound */
	/* one without is none */
	process(11, "b", 1, 0, 1);
	put(11, "numa_maps", "01000000 default heap anon=3 N0=1 kernelpagesize_kB=4\n");
	p = top_procs_see(&procs, 11, 60 * SECOND);
	top_procs_read_memory(&procs, 0, 61 * SECOND, SECOND);
	assert_false(p->candidate);
}

static void its_regions(void **state)
{
	struct top_frame *f = frames_plain(2, 10);

	(void)state;
	process(10, "a", 1, 0, 1);
	put(10, "maps", maps);
	put(10, "numa_maps", numa_maps);
	assert_int_equal(top_proc_regions(&procs, 10, f), 0);
	assert_int_equal(f->regions_pid, 10);
	assert_null(f->regions_error);
	assert_int_equal(f->regions, 5);
	assert_string_equal(f->region[0].name, "/usr/bin/a prog");
	assert_true(f->region[1].start == 0x1000000 && f->region[1].end == 0x1800000);
	assert_string_equal(f->region[1].name, "[heap]");
	assert_string_equal(f->region[2].policy, "bind:2");
	assert_int_equal(f->region[2].page_size, 2097152);
	assert_null(strchr(f->region[2].name, '\033'));
	assert_string_equal(f->region[3].name, "");
	assert_true(f->region[3].end == 0x7f0000402000);
	assert_int_equal(f->region[3].resident[0], 4096);
	assert_int_equal(f->region[3].resident[1], 0); /* node 1 is not of this machine */
	top_frame_free(f);
	/* without maps there are no ends, without numa_maps an error that names it */
	f = frames_plain(2, 10);
	shell("rm %s/proc/10/maps", root);
	assert_int_equal(top_proc_regions(&procs, 10, f), 0);
	assert_int_equal(f->regions, 5);
	assert_string_equal(f->region[1].name, "heap");
	top_frame_free(f);
	f = frames_plain(2, 10);
	assert_int_equal(top_proc_regions(&procs, 99, f), 0);
	assert_int_equal(f->regions, 0);
	assert_non_null(strstr(f->regions_error, "/proc/99/numa_maps: No such file"));
	top_frame_free(f);
}

static void what_nodes_have(void **state)
{
	struct numaperf_topology *topo;
	struct top_frame *f;

	(void)state;
	topo = tree_topology((struct tree_node[]){ { 0, 0, 2, "10 20" }, { 1, 2, 2, "20 10" } },
			     2);
	f = top_frame_new(2);
	f->node[0].id = 0;
	f->node[1].id = 1;
	tree_put(root, "sys/devices/system/node/node0/meminfo",
		 "Node 0 MemTotal: 1000 kB\nNode 0 MemFree: 400 kB\n");
#define HUGE "sys/devices/system/node/node0/hugepages/hugepages-"
	tree_put(root, HUGE "2048kB/nr_hugepages", "3\n");
	tree_put(root, HUGE "2048kB/free_hugepages", "1\n");
	tree_put(root, HUGE "1048576kB/nr_hugepages", "1\n");
	tree_put(root, HUGE "1048576kB/free_hugepages", "0\n");
	tree_put(root, "proc/stat",
		 "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 0 5 80 3 1 1 0 0 0\n"
		 "cpu1 1 1 1 1 1 1 1 1 0 0\ncpu3 0 0 0 7 0 0 0 0 0 0\nintr 5\n");
	top_read_nodes(&procs, topo, f);
	assert_int_equal(f->node[0].mem_total, 1000 << 10);
	assert_int_equal(f->node[0].mem_free, 400 << 10);
	assert_true(f->node[0].mem_file == TOP_NONE); /* not said: not 0 */
	assert_true(f->node[0].huge_total == (3ull << 21) + (1ull << 30));
	assert_true(f->node[0].huge_free == 1ull << 21);
	assert_int_equal(f->node[0].cpu_all, 108);
	assert_int_equal(f->node[0].cpu_busy, 17 + 6);
	assert_int_equal(f->node[0].cpus, 2);
	assert_true(f->node[1].mem_total == TOP_NONE);
	assert_int_equal(f->node[1].cpus, 1);
	assert_int_equal(f->node[1].cpu_busy, 0);
	top_frame_free(f);
	numaperf_topology_unref(topo);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_process_is),   TEST(another_of_the_same_number),
		TEST(one_that_had_ended),  TEST(all_are_seen),
		TEST(which_cgroup),	   TEST(which_container),
		TEST(where_its_memory_is), TEST(its_regions),
		TEST(what_nodes_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
