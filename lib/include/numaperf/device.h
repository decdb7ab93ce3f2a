/* SPDX-License-Identifier: MIT */
/*
 * Devices and the node that each hangs off: network interfaces, block devices, NVMe
 * controllers, PCI functions, InfiniBand adapters. An immutable snapshot, as the topology that
 * it belongs to: any number of threads may ask it at once.
 */
#ifndef NUMAPERF_DEVICE_H
#define NUMAPERF_DEVICE_H

#include <numaperf/base.h>
#include <numaperf/mask.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

enum numaperf_device_type {
	NUMAPERF_DEVICE_NETWORK = 0,	/* /sys/class/net */
	NUMAPERF_DEVICE_BLOCK = 1,	/* /sys/class/block: disks, partitions, dm and md */
	NUMAPERF_DEVICE_NVME = 2,	/* /sys/class/nvme: controllers */
	NUMAPERF_DEVICE_INFINIBAND = 3, /* /sys/class/infiniband */
	NUMAPERF_DEVICE_PCI = 4,	/* /sys/bus/pci/devices: functions, by address */
};

/* "network", "block", "nvme", "infiniband", "pci"; "unknown" for anything else. Static storage.
 */
NUMAPERF_API const char *numaperf_device_type_name(enum numaperf_device_type type);

#define NUMAPERF_DEVICE_NAME 64

struct numaperf_device {
	size_t sz;
	enum numaperf_device_type type;
	/*
	 * -1: it has none. So it is for what is no hardware (lo, loop0), for hardware that the
	 * firmware says nothing of (many virtual machines, single-node machines), and where the
	 * firmware names a node that is not online; none of this is node 0. What stands on
	 * others (a bond, a VLAN, dm, md, a multipath NVMe disk) has their node if it is one.
	 */
	int node;
	char name[NUMAPERF_DEVICE_NAME]; /* "eth0", "sda1", "nvme0n1", "mlx5_0",
					    "0000:3b:00.0" */
	char pci[16]; /* address of the PCI function it hangs off; "": none, or several */
	/* CPUs near it, online: as the kernel lists them, else those of its node; empty: not
	 * known */
	struct numaperf_cpuset cpus;
};

struct numaperf_devices;

/*
 * Reads /sys. On success *devices is the caller's, in order of type and name, and keeps a
 * reference of `topo`. A class that this kernel does not have is empty. -ENOMEM, or -EMFILE,
 * -EIO and the like when /sys cannot be read.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_devices_discover(struct numaperf_devices **devices, struct numaperf_topology *topo);

/* The same from a saved tree, see numaperf_topology_load(). */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_devices_load(struct numaperf_devices **devices,
							   struct numaperf_topology *topo,
							   const char *root);

/* NULL does nothing. */
NUMAPERF_API void numaperf_devices_destroy(struct numaperf_devices *devices);

NUMAPERF_API size_t numaperf_devices_count(const struct numaperf_devices *devices);

/* The nth, into min(device->sz, known) bytes. -ENOENT: there are fewer. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_devices_get(const struct numaperf_devices *devices, size_t nth,
		     struct numaperf_device *device);

/* By name; a PCI address may be without its domain 0000. -ENOENT: no such device. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_devices_find(const struct numaperf_devices *devices, const char *name,
		      struct numaperf_device *device);

/* Its node alone. -ENOENT: no such device; -ENODATA: it has no node, and *node is -1. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_devices_node(const struct numaperf_devices *devices, const char *name, int *node);

#ifdef __cplusplus
}
#endif

#endif
