// SPDX-License-Identifier: MIT
/* Devices of a tree of our own making, with the links that /sys has. */
#include "../../lib/src/util.h"
#include "fault.h"
#include "tree.h"

#include <errno.h>
#include <numaperf/device.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

/* Nodes 0 and 1 with four CPUs each; node 3 has memory alone. */
static const struct tree_node nodes[] = { { 0, 0, 4, "10 20 30" },
					  { 1, 4, 4, "20 10 30" },
					  { 0, 0, 0, "30 30 10" } };
static struct numaperf_topology *topo;
static struct numaperf_devices *devices;
static char root[] = "/tmp/numaperf-devices.XXXXXX";

static void put(const char *path, const char *text)
{
	tree_put(root, path, text);
}

/* A link at `path`, whose folder is made first; `target` as the kernel's links are, relative.
 */
static void put_link(const char *path, const char *target)
{
	char full[512];
	size_t folder = (size_t)(strrchr(path, '/') - path);

	snprintf(full, sizeof(full), "%.*s/.made", (int)folder, path);
	put(full, "");
	snprintf(full, sizeof(full), "%s/%.*s/.made", root, (int)folder, path);
	assert_int_equal(remove(full), 0);
	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(symlink(target, full), 0);
}

static void link_class(const char *class, const char *name, const char *place)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), "sys/class/%s/%s", class, name);
	snprintf(target, sizeof(target), "../../%s", place);
	put_link(path, target);
}

static void link_pci(const char *address, const char *place)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
	snprintf(target, sizeof(target), "../../../%s", place);
	put_link(path, target);
}

static void put_pci(const char *place, const char *address, const char *node,
		    const char *cpulist)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), "sys/%s/uevent", place);
	snprintf(text, sizeof(text), "DRIVER=x\nPCI_SLOT_NAME=%s\n", address);
	put(path, text);
	if (node) {
		snprintf(path, sizeof(path), "sys/%s/numa_node", place);
		put(path, node);
	}
	if (cpulist) {
		snprintf(path, sizeof(path), "sys/%s/local_cpulist", place);
		put(path, cpulist);
	}
	link_pci(address, place);
}

static int build(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	tree_sys_start(0);
	topo = tree_topology(nodes, ARRAY_SIZE(nodes));
	/* a card on node 1, a port below it; one of virtio, a folder further down */
	put_pci("devices/pci0000:3a/0000:3b:00.0", "0000:3b:00.0", "1\n", "4-7\n");
	put("sys/devices/pci0000:3a/0000:3b:00.0/net/eth0/mtu", "1500\n");
	link_class("net", "eth0", "devices/pci0000:3a/0000:3b:00.0/net/eth0");
	put("sys/devices/pci0000:3a/0000:3b:00.0/virtio0/net/eth1/mtu", "1500\n");
	link_class("net", "eth1", "devices/pci0000:3a/0000:3b:00.0/virtio0/net/eth1");
	put("sys/devices/pci0000:3a/0000:3b:00.0/infiniband/mlx5_0/node_type", "1\n");
	link_class("infiniband", "mlx5_0", "devices/pci0000:3a/0000:3b:00.0/infiniband/mlx5_0");
	/* the memory-only node; the kernel lists CPUs near it */
	put_pci("devices/pci0000:80/0000:81:00.0", "0000:81:00.0", "2\n", "0-3\n");
	put("sys/devices/pci0000:80/0000:81:00.0/net/eth2/mtu", "1500\n");
	link_class("net", "eth2", "devices/pci0000:80/0000:81:00.0/net/eth2");
	/* firmware that says nothing, and one that names a node that is not there */
	put_pci("devices/pci0000:00/0000:00:05.0", "0000:00:05.0", "-1\n", "0-7\n");
	put("sys/devices/pci0000:00/0000:00:05.0/net/eth3/mtu", "1500\n");
	link_class("net", "eth3", "devices/pci0000:00/0000:00:05.0/net/eth3");
	put_pci("devices/pci0000:00/0000:00:06.0", "0000:00:06.0", "9\n", NULL);
	/* an old kernel lists CPUs and no node */
	put_pci("devices/pci0000:00/0000:00:07.0", "0000:00:07.0", NULL, "0-3\n");
	put("sys/devices/virtual/net/lo/mtu", "65536\n");
	link_class("net", "lo", "devices/virtual/net/lo");
	/* bonds: of two ports of one node, of ports of two */
	put("sys/devices/virtual/net/bond0/mtu", "1500\n");
	link_class("net", "bond0", "devices/virtual/net/bond0");
	put("sys/devices/virtual/net/bond1/mtu", "1500\n");
	link_class("net", "bond1", "devices/virtual/net/bond1");
	put("sys/devices/virtual/net/vlan/mtu", "1500\n");
	link_class("net", "vlan", "devices/virtual/net/vlan");
	put("sys/class/net/bonding_masters", "bond0 bond1\n");
	put_link("sys/devices/virtual/net/bond0/lower_eth0",
		 "../../../pci0000:3a/0000:3b:00.0/net/eth0");
	put_link("sys/devices/virtual/net/bond0/lower_eth1",
		 "../../../pci0000:3a/0000:3b:00.0/virtio0/net/eth1");
	put_link("sys/devices/virtual/net/bond1/lower_eth0",
		 "../../../pci0000:3a/0000:3b:00.0/net/eth0");
	put_link("sys/devices/virtual/net/bond1/lower_eth2",
		 "../../../pci0000:80/0000:81:00.0/net/eth2");
	put_link("sys/devices/virtual/net/vlan/lower_bond0", "../bond0");
	/* a disk, its partition, and a mapping of that */
	put_pci("devices/pci0000:00/0000:00:08.0", "0000:00:08.0", "0\n", "0-3\n");
	put("sys/devices/pci0000:00/0000:00:08.0/host0/block/sda/size", "1\n");
	put("sys/devices/pci0000:00/0000:00:08.0/host0/block/sda/sda1/size", "1\n");
	link_class("block", "sda", "devices/pci0000:00/0000:00:08.0/host0/block/sda");
	link_class("block", "sda1", "devices/pci0000:00/0000:00:08.0/host0/block/sda/sda1");
	put("sys/devices/virtual/block/dm-0/size", "1\n");
	link_class("block", "dm-0", "devices/virtual/block/dm-0");
	put_link("sys/devices/virtual/block/dm-0/slaves/sda1",
		 "../../../../pci0000:00/0000:00:08.0/host0/block/sda/sda1");
	/* NVMe: a controller, and the disk of its subsystem */
	put_pci("devices/pci0000:00/0000:00:09.0", "0000:00:09.0", "1\n", "4-7\n");
	put("sys/devices/pci0000:00/0000:00:09.0/nvme/nvme0/model", "x\n");
	link_class("nvme", "nvme0", "devices/pci0000:00/0000:00:09.0/nvme/nvme0");
	put("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/size", "1\n");
	link_class("block", "nvme0n1", "devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
	put_link("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		 "../../../pci0000:00/0000:00:09.0/nvme/nvme0");
	put_link("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/device", "..");
	assert_int_equal(numaperf_devices_load(&devices, topo, root), 0);
	return 0;
}

static int drop(void **state)
{
	char command[128];

	(void)state;
	numaperf_devices_destroy(devices);
	numaperf_topology_unref(topo);
	tree_sys_stop();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static struct numaperf_device device(const char *name)
{
	struct numaperf_device d = { .sz = sizeof(d) };

	assert_int_equal(numaperf_devices_find(devices, name, &d), 0);
	return d;
}

static void is_on(const char *name, enum numaperf_device_type type, int node, const char *cpus,
		  const char *pci)
{
	struct numaperf_device d = device(name);
	char list[64];
	int got = -7;

	assert_int_equal(d.type, type);
	assert_int_equal(d.node, node);
	assert_int_equal(numaperf_devices_node(devices, name, &got), node < 0 ? -ENODATA : 0);
	assert_int_equal(got, node);
	numaperf_cpuset_format(&d.cpus, list, sizeof(list));
	assert_string_equal(list, cpus);
	assert_string_equal(d.pci, pci);
}

static void what_sits_on_a_bus(void **state)
{
	(void)state;
	is_on("eth0", NUMAPERF_DEVICE_NETWORK, 1, "4-7", "0000:3b:00.0");
	is_on("eth1", NUMAPERF_DEVICE_NETWORK, 1, "4-7", "0000:3b:00.0");
	is_on("mlx5_0", NUMAPERF_DEVICE_INFINIBAND, 1, "4-7", "0000:3b:00.0");
	is_on("0000:3b:00.0", NUMAPERF_DEVICE_PCI, 1, "4-7", "0000:3b:00.0");
	is_on("3b:00.0", NUMAPERF_DEVICE_PCI, 1, "4-7", "0000:3b:00.0");
	is_on("eth2", NUMAPERF_DEVICE_NETWORK, 2, "0-3", "0000:81:00.0");
	is_on("sda", NUMAPERF_DEVICE_BLOCK, 0, "0-3", "0000:00:08.0");
	is_on("sda1", NUMAPERF_DEVICE_BLOCK, 0, "0-3", "0000:00:08.0");
	is_on("nvme0", NUMAPERF_DEVICE_NVME, 1, "4-7", "0000:00:09.0");
}

static void no_node_is_not_node_0(void **state)
{
	(void)state;
	is_on("lo", NUMAPERF_DEVICE_NETWORK, -1, "", "");
	is_on("eth3", NUMAPERF_DEVICE_NETWORK, -1, "0-7", "0000:00:05.0");
	is_on("0000:00:06.0", NUMAPERF_DEVICE_PCI, -1, "", "0000:00:06.0");
	assert_non_null(strstr(numaperf_last_error()->message, "0000:00:06.0"));
}

static void an_old_kernel_lists_cpus_alone(void **state)
{
	(void)state;
	is_on("0000:00:07.0", NUMAPERF_DEVICE_PCI, 0, "0-3", "0000:00:07.0");
}

static void what_stands_on_others(void **state)
{
	(void)state;
	is_on("bond0", NUMAPERF_DEVICE_NETWORK, 1, "4-7", "0000:3b:00.0");
	is_on("vlan", NUMAPERF_DEVICE_NETWORK, 1, "4-7", "0000:3b:00.0");
	is_on("bond1", NUMAPERF_DEVICE_NETWORK, -1, "", "");
	is_on("dm-0", NUMAPERF_DEVICE_BLOCK, 0, "0-3", "0000:00:08.0");
	is_on("nvme0n1", NUMAPERF_DEVICE_BLOCK, 1, "4-7", "0000:00:09.0");
}

static void the_list_is_in_order(void **state)
{
	struct numaperf_device a = { .sz = sizeof(a) }, b = a;
	int node;

	(void)state;
	assert_int_equal(numaperf_devices_count(devices), 21);
	for (size_t i = 1; i < numaperf_devices_count(devices); i++) {
		assert_int_equal(numaperf_devices_get(devices, i - 1, &a), 0);
		assert_int_equal(numaperf_devices_get(devices, i, &b), 0);
		assert_true(a.type < b.type ||
			    (a.type == b.type && strcmp(a.name, b.name) < 0));
	}
	assert_int_equal(numaperf_devices_get(devices, 21, &a), -ENOENT);
	assert_int_equal(numaperf_devices_find(devices, "eth9", &a), -ENOENT);
	assert_int_equal(numaperf_devices_node(devices, "eth9", &node), -ENOENT);
	a.sz = 0;
	assert_int_equal(numaperf_devices_get(devices, 0, &a), -EINVAL);
	assert_string_equal(numaperf_device_type_name(NUMAPERF_DEVICE_NVME), "nvme");
	assert_string_equal(numaperf_device_type_name((enum numaperf_device_type)77),
			    "unknown");
}

static void a_tree_without_classes(void **state)
{
	struct numaperf_devices *none;

	(void)state;
	assert_int_equal(numaperf_devices_load(&none, topo, "/proc/self/fd"), 0);
	assert_int_equal(numaperf_devices_count(none), 0);
	numaperf_devices_destroy(none);
	none = NULL;
	assert_int_equal(numaperf_devices_load(&none, topo, "/nowhere"), -ENOENT);
	assert_null(none);
	assert_int_equal(numaperf_devices_load(NULL, topo, NULL), -EINVAL);
	numaperf_devices_destroy(NULL);
}

/* All that can fail does: nothing is made, or all is as ever. */
static void every_failure_is_clean(void **state)
{
	static const int errors[] = { -ENOMEM, -EMFILE, -EIO };
	struct fault_plan plan;
	int fds = fault_open_fds(), clean = 0;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct numaperf_devices *list = NULL;
		int err;

		fault_start(&plan);
		err = numaperf_devices_load(&list, topo, root);
		fault_stop();
		if (err) {
			assert_non_null(plan.failed);
			assert_null(list);
			assert_int_equal(numaperf_last_error()->code, err);
		} else {
			assert_int_equal(numaperf_devices_count(list), 21);
			assert_null(plan.failed);
			clean++;
		}
		numaperf_devices_destroy(list);
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_sits_on_a_bus),
		cmocka_unit_test(no_node_is_not_node_0),
		cmocka_unit_test(an_old_kernel_lists_cpus_alone),
		cmocka_unit_test(what_stands_on_others),
		cmocka_unit_test(the_list_is_in_order),
		cmocka_unit_test(a_tree_without_classes),
		cmocka_unit_test(every_failure_is_clean),
	};

	return cmocka_run_group_tests_name("device", tests, build, drop);
}
