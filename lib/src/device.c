// SPDX-License-Identifier: MIT
/*
 * Devices to nodes. The kernel gives a node to what sits on a bus, as a rule to the PCI
 * function; what it offers (a network interface, a disk) hangs some folders below that in
 * /sys/devices. A class folder holds links to those places, so that "NAME/.." is the folder
 * above the device, wherever it is: the nearest one upwards that has a numa_node file decides.
 */
#include <numaperf/device.h>

#include "base.h"
#include "sys.h"
#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char operation[] = "device discovery";

enum {
	PATH = 512,
	UP = 12,	/* folders from a partition up to its PCI function, and some more */
	DEPTH = 4,	/* a VLAN on a bond on a bridge ... */
	TEXT = 8 << 10, /* more than the longest list of CPUs */
};

struct numaperf_devices {
	struct numaperf_topology *topo;
	struct numaperf_device *device;
	size_t count, room;
};

static const struct class
{
	enum numaperf_device_type type;
	const char *name, *folder;
} classes[] = {
	{ NUMAPERF_DEVICE_NETWORK, "network", "sys/class/net" },
	{ NUMAPERF_DEVICE_BLOCK, "block", "sys/class/block" },
	{ NUMAPERF_DEVICE_NVME, "nvme", "sys/class/nvme" },
	{ NUMAPERF_DEVICE_INFINIBAND, "infiniband", "sys/class/infiniband" },
	{ NUMAPERF_DEVICE_PCI, "pci", "sys/bus/pci/devices" },
};

const char *numaperf_device_type_name(enum numaperf_device_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (classes[i].type == type)
			return classes[i].name;
	return "unknown";
}

/* ---- one device ---- */

struct reader {
	struct numaperf_devices *list;
	const struct class *class;
	int root;
	int err;	 /* what ends all reading */
	char text[TEXT]; /* of the file read last */
};

static int fail_reading(int err, const char *path)
{
	return np_fail(err, err == -ENOMEM ? NUMAPERF_REASON_NO_MEMORY : NUMAPERF_REASON_SYSTEM,
		       operation, NULL, "%s cannot be read", path);
}

/* 1: it is in r->text; 0: there is no such file, or nothing can be had from it; or what ends
 * all reading, because it says nothing about the device. */
static int read_text(struct reader *r, const char *path)
{
	int n = np_read_small(r->root, path, r->text, sizeof(r->text));

	switch (-n) {
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EINTR:
	case EIO:
		return fail_reading(n, path);
	default:
		return n >= 0;
	}
}

/* The ways to say that there is no such folder, or that it is not ours to read. */
static bool is_absence(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -ELOOP;
}

/* Calls `fn` for each name in a folder. 0, what `fn` returned (*failed), or what ends all
 * reading. */
static int scan(const struct reader *r, const char *path, np_scan_fn fn, void *ctx,
		const int *failed)
{
	int err = np_sys->scan_at(r->root, path, fn, ctx);

	return *failed || !err || is_absence(err) ? *failed : fail_reading(err, path);
}

/* "<path>/<file>", or with `up` folders above in between; false: too long. */
static bool join(char *out, const char *path, int up, const char *file)
{
	size_t n = strlen(path);

	if (n + 3 * (size_t)up + strlen(file) + 2 > PATH)
		return false;
	memcpy(out, path, n);
	for (int i = 0; i < up; i++, n += 3)
		memcpy(out + n, "/..", 3);
	out[n++] = '/';
	memcpy(out + n, file, strlen(file) + 1);
	return true;
}

/* "PCI_SLOT_NAME=0000:3b:00.0" of a uevent file. */
static void read_address(const char *uevent, char *address, size_t size)
{
	static const char key[] = "PCI_SLOT_NAME=";
	const char *at = strstr(uevent, key);
	size_t n;

	if (!at || (at != uevent && at[-1] != '\n'))
		return;
	at += sizeof(key) - 1;
	n = strspn(at, "0123456789abcdefABCDEF:.");
	if (n < size) {
		memcpy(address, at, n);
		address[n] = '\0';
	}
}

/* CPUs of which all and no others are one node's: older kernels tell no more. */
static int node_of_cpus(const struct numaperf_topology *topo,
			const struct numaperf_cpuset *cpus)
{
	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		int node = numaperf_topology_node_id(topo, i);
		struct numaperf_cpuset own;

		if (!numaperf_topology_node_cpus(topo, node, &own) &&
		    !numaperf_cpuset_empty(&own) && numaperf_cpuset_equal(&own, cpus))
			return node;
	}
	return -1;
}

static int read_cpus(struct reader *r, const char *path, int up, struct numaperf_device *d)
{
	struct numaperf_cpuset online;
	char file[PATH];
	int got = 0;
	bool map = false;

	if (join(file, path, up, "local_cpulist"))
		got = read_text(r, file);
	if (!got && join(file, path, up, "local_cpus")) {
		got = read_text(r, file);
		map = true;
	}
	if (got <= 0)
		return got;
	if (map ? numaperf_cpuset_parse_map(&d->cpus, r->text)
		: numaperf_cpuset_parse(&d->cpus, r->text)) {
		numaperf_cpuset_zero(&d->cpus);
		return 0;
	}
	numaperf_topology_online_cpus(r->list->topo, &online);
	numaperf_cpuset_and(&d->cpus, &d->cpus, &online);
	return 1;
}

/* The node that r->text names, if it is online. */
static int node_of_text(const struct reader *r)
{
	char *end;
	long node;

	errno = 0;
	node = strtol(r->text, &end, 10);
	if (errno || end == r->text || node < 0 || node >= NUMAPERF_NODES_MAX ||
	    numaperf_topology_node_index(r->list->topo, (int)node) < 0)
		return -1;
	return (int)node;
}

/* What the nearest folder upwards that says something of nodes says. 0 or an error. */
static int look_up(struct reader *r, const char *path, struct numaperf_device *d)
{
	const struct numaperf_topology *topo = r->list->topo;
	char file[PATH];

	for (int up = 0; up < UP; up++) {
		int said, got, err;

		if (!join(file, path, up, "numa_node"))
			return 0;
		said = read_text(r, file);
		if (said < 0)
			return said;
		if (said)
			d->node = node_of_text(r);
		got = read_cpus(r, path, up, d);
		if (got < 0)
			return got;
		if (!said && !got)
			continue;
		err = join(file, path, up, "uevent") ? read_text(r, file) : 0;
		if (err < 0)
			return err;
		if (err)
			read_address(r->text, d->pci, sizeof(d->pci));
		if (!said)
			d->node = node_of_cpus(topo, &d->cpus);
		else if (d->node >= 0 && numaperf_cpuset_empty(&d->cpus))
			return numaperf_topology_node_cpus(topo, d->node, &d->cpus);
		return 0;
	}
	return 0;
}

/* ---- what stands on others ---- */

struct members {
	struct reader *r;
	const char *path; /* the folder that they are named in */
	struct numaperf_device *d;
	enum {
		LOWER,
		SLAVES,
		CONTROLLERS
	} kind;
	unsigned int depth, seen;
	int err;
};

static int find_place(struct reader *r, const char *path, unsigned int depth,
		      struct numaperf_device *d);

static bool is_member(const struct members *m, const char *name)
{
	switch (m->kind) {
	case LOWER:
		return !strncmp(name, "lower_", 6);
	case SLAVES:
		return true;
	case CONTROLLERS: /* nvme0, not nvme0n1 */
		return !strncmp(name, "nvme", 4) && isdigit((unsigned char)name[4]) &&
		       !name[4 + strspn(name + 4, "0123456789")];
	}
	return false;
}

static int meet_member(void *ctx, const char *name)
{
	struct members *m = ctx;
	struct numaperf_device other = { .node = -1 };
	char path[PATH];

	if (!is_member(m, name) || !join(path, m->path, 0, name))
		return 0;
	m->err = find_place(m->r, path, m->depth + 1, &other);
	if (m->err)
		return m->err;
	if (!m->seen++) {
		*m->d = other;
		return 0;
	}
	if (strcmp(m->d->pci, other.pci))
		m->d->pci[0] = '\0';
	if (m->d->node != other.node) {
		m->d->node = -1;
		numaperf_cpuset_zero(&m->d->cpus);
	}
	return 0;
}

/* How many it stands on, or an error. */
static int look_at_members(struct reader *r, const char *path, int kind, unsigned int depth,
			   struct numaperf_device *d)
{
	struct members m = { .r = r, .path = path, .d = d, .kind = kind, .depth = depth };
	int err = scan(r, path, meet_member, &m, &m.err);

	return err ? err : (int)m.seen;
}

static int find_place(struct reader *r, const char *path, unsigned int depth,
		      struct numaperf_device *d)
{
	char folder[PATH];
	int n = 0;

	if (depth > DEPTH)
		return 0;
	if (r->class->type == NUMAPERF_DEVICE_NETWORK)
		n = look_at_members(r, path, LOWER, depth, d);
	if (r->class->type == NUMAPERF_DEVICE_BLOCK && join(folder, path, 0, "slaves"))
		n = look_at_members(r, folder, SLAVES, depth, d);
	/* the disk of several paths hangs off a subsystem, beside its controllers */
	if (!n && r->class->type == NUMAPERF_DEVICE_BLOCK && join(folder, path, 0, "device"))
		n = look_at_members(r, folder, CONTROLLERS, depth, d);
	return n ? MIN(n, 0) : look_up(r, path, d);
}

/* ---- all of them ---- */

static struct numaperf_device *new_device(struct reader *r)
{
	struct numaperf_devices *l = r->list;
	struct numaperf_device *d;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		void *larger;

		if (np_sys->alloc(&larger, room * sizeof(*d), 0) < 0) {
			r->err = np_fail_memory(operation);
			return NULL;
		}
		if (l->count)
			memcpy(larger, l->device, l->count * sizeof(*d));
		np_free(l->device);
		l->device = larger;
		l->room = room;
	}
	d = &l->device[l->count];
	memset(d, 0, sizeof(*d));
	d->node = -1;
	return d;
}

static int meet_device(void *ctx, const char *name)
{
	struct reader *r = ctx;
	char path[PATH], inside[PATH];
	struct numaperf_device *d;
	uint64_t inode;
	int err;

	if (strlen(name) >= NUMAPERF_DEVICE_NAME || !join(path, r->class->folder, 0, name) ||
	    !join(inside, path, 0, "."))
		return 0;
	/* a class may have files, too (net/bonding_masters), and a device may just have gone */
	err = np_sys->inode_at(r->root, inside, &inode);
	if (err < 0)
		return is_absence(err) ? 0 : (r->err = fail_reading(err, path));
	d = new_device(r);
	if (!d)
		return r->err;
	r->err = find_place(r, path, 0, d);
	if (r->err)
		return r->err;
	d->type = r->class->type;
	memcpy(d->name, name, strlen(name) + 1);
	r->list->count++;
	return 0;
}

static int by_type_and_name(const void *a, const void *b)
{
	const struct numaperf_device *x = a, *y = b;

	return x->type != y->type ? (x->type < y->type ? -1 : 1) : strcmp(x->name, y->name);
}

static int read_all(struct numaperf_devices *list, const char *root)
{
	struct reader r = { .list = list, .root = np_sys->open_root(root) };

	if (r.root < 0)
		return np_fail(r.root, NUMAPERF_REASON_TOPOLOGY, operation, NULL,
			       "%s cannot be opened", root && *root ? root : "/");
	for (size_t i = 0; i < ARRAY_SIZE(classes) && !r.err; i++) {
		r.class = &classes[i];
		r.err = scan(&r, r.class->folder, meet_device, &r, &r.err);
	}
	np_sys->close(r.root);
	if (!r.err && list->count)
		qsort(list->device, list->count, sizeof(*list->device), by_type_and_name);
	return r.err;
}

int numaperf_devices_load(struct numaperf_devices **devices, struct numaperf_topology *topo,
			  const char *root)
{
	struct numaperf_devices *list;
	struct numaperf_error before;
	void *p;
	int err;

	if (!devices || !topo)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "no place for the result, or no topology");
	if (np_sys->alloc(&p, sizeof(*list), 0) < 0)
		return np_fail_memory(operation);
	list = p;
	list->topo = numaperf_topology_ref(topo);
	np_error_save(&before);
	err = read_all(list, root);
	if (err) {
		numaperf_devices_destroy(list);
		return err;
	}
	/* what could not be understood on the way is not this thread's last failure */
	np_error_restore(&before);
	*devices = list;
	return 0;
}

int numaperf_devices_discover(struct numaperf_devices **devices, struct numaperf_topology *topo)
{
	return numaperf_devices_load(devices, topo, NULL);
}

void numaperf_devices_destroy(struct numaperf_devices *devices)
{
	if (!devices)
		return;
	numaperf_topology_unref(devices->topo);
	np_free(devices->device);
	np_free(devices);
}

/* ---- answers ---- */

size_t numaperf_devices_count(const struct numaperf_devices *devices)
{
	return devices->count;
}

static int give(const struct numaperf_device *d, struct numaperf_device *device)
{
	if (device->sz < sizeof(device->sz))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "device query",
			       "set sz to the struct's size", "sz is %zu", device->sz);
	np_snapshot_write(device, device->sz, d, sizeof(*d));
	return 0;
}

int numaperf_devices_get(const struct numaperf_devices *devices, size_t nth,
			 struct numaperf_device *device)
{
	if (nth >= devices->count)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, "device query", NULL,
			       "there are %zu devices", devices->count);
	return give(&devices->device[nth], device);
}

static const struct numaperf_device *named(const struct numaperf_devices *devices,
					   const char *name)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct numaperf_device *d = &devices->device[i];

		if (!strcmp(d->name, name) ||
		    (d->type == NUMAPERF_DEVICE_PCI && !strncmp(d->name, "0000:", 5) &&
		     !strcmp(d->name + 5, name)))
			return d;
	}
	np_fail(-ENOENT, NUMAPERF_REASON_INVALID, "device query",
		"`numaperf topology --devices` lists them", "there is no device %.*s",
		NUMAPERF_DEVICE_NAME, name);
	return NULL;
}

int numaperf_devices_find(const struct numaperf_devices *devices, const char *name,
			  struct numaperf_device *device)
{
	const struct numaperf_device *d = named(devices, name);

	return d ? give(d, device) : -ENOENT;
}

int numaperf_devices_node(const struct numaperf_devices *devices, const char *name, int *node)
{
	const struct numaperf_device *d = named(devices, name);

	if (!d)
		return -ENOENT;
	*node = d->node;
	if (d->node >= 0)
		return 0;
	return np_fail(-ENODATA, NUMAPERF_REASON_TOPOLOGY, "device query", NULL,
		       "the kernel knows no node of %s", d->name);
}
