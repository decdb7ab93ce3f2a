// SPDX-License-Identifier: MIT
/* Asking the kernel which programs it takes, by loading and attaching. */
#include "hook_probe.h"
#include "capability.h"
#include "sys.h"
#include "util.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>

/* ---- libbpf's voice ---- */

static pthread_mutex_t voice_lock = PTHREAD_MUTEX_INITIALIZER;
static libbpf_print_fn_t voice_before;
static char said[512];

static int listen(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[sizeof(said)];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), fmt, args);
	/* what is said of a program says more than what follows from it */
	if (!said[0] || (strstr(text, "prog '") && !strstr(said, "prog '")))
		memcpy(said, text, sizeof(said));
	return 0;
}

void np_libbpf_begin(void)
{
	pthread_mutex_lock(&voice_lock);
	said[0] = '\0';
	voice_before = libbpf_set_print(listen);
}

const char *np_libbpf_said(void)
{
	return said;
}

void np_libbpf_end(void)
{
	libbpf_set_print(voice_before);
	pthread_mutex_unlock(&voice_lock);
}

/* ---- one program ---- */

static const char *behind_slash(const char *section)
{
	return strchr(section, '/') + 1;
}

/* The BTF id that a program hangs on, or -errno. */
static int target_id(const struct btf *btf, const struct np_program *p)
{
	char name[128];
	int id;

	if (p->has && btf__find_by_name_kind(btf, p->has, BTF_KIND_STRUCT) < 0)
		return -ENOENT;
	if (p->lacks && btf__find_by_name_kind(btf, p->lacks, BTF_KIND_STRUCT) >= 0)
		return -ENOENT;
	if (strncmp(p->section, "tp_btf/", 7))
		id = btf__find_by_name_kind(btf, behind_slash(p->section), BTF_KIND_FUNC);
	else {
		snprintf(name, sizeof(name), "btf_trace_%s", behind_slash(p->section));
		id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	}
	return id < 0 ? -ENOENT : id;
}

static enum bpf_attach_type attach_type(const char *section)
{
	return !strncmp(section, "tp_btf/", 7)	? BPF_TRACE_RAW_TP
	       : !strncmp(section, "fexit/", 6) ? BPF_TRACE_FEXIT
						: BPF_TRACE_FENTRY;
}

/* 0 or an errno. */
static int try_program(const struct btf *btf, const struct np_program *p)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int id = target_id(btf, p), fd, link;

	if (id < 0)
		return -id;
	opts.attach_btf_id = (__u32)id;
	opts.expected_attach_type = attach_type(p->section);
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "np_probe", "Dual MIT/GPL", insns,
			   ARRAY_SIZE(insns), &opts);
	if (fd < 0)
		return -fd;
	link = bpf_raw_tracepoint_open(NULL, fd);
	np_sys->close(fd);
	if (link < 0)
		return -link;
	np_sys->close(link);
	return 0;
}

/* ---- pages ---- */

static bool has_member(const struct btf *btf, int type, const char *name)
{
	const struct btf_type *t = btf__type_by_id(btf, (__u32)type);

	for (int i = 0; i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), name))
			return true;
	return false;
}

/*
 * Where the node stands in page.flags: the topmost NODES_SHIFT bits, with a virtual memory map
 * (include/linux/page-flags-layout.h, 5.4 to 6.18; without one the section is above it). The
 * size of the zone lists says NODES_SHIFT: MAX_NUMNODES * MAX_NR_ZONES + 1 entries (mmzone.h).
 */
static bool page_layout(const struct btf *btf, struct np_probed *out)
{
	int list = btf__find_by_name_kind(btf, "zonelist", BTF_KIND_STRUCT);
	int entry = btf__find_by_name_kind(btf, "zoneref", BTF_KIND_STRUCT);
	int zones = btf__find_by_name_kind(btf, "zone_type", BTF_KIND_ENUM), max = 0;
	int section = btf__find_by_name_kind(btf, "mem_section_usage", BTF_KIND_STRUCT);
	const struct btf_type *t;
	unsigned long nodes;
	unsigned int shift = 0;

	if (list < 0 || entry < 0 || zones < 0 || section < 0)
		return false;
	t = btf__type_by_id(btf, (__u32)zones);
	for (int i = 0; i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off),
			    "__MAX_NR_ZONES"))
			max = btf_enum(t)[i].val;
	if (!max || !has_member(btf, section, "subsection_map"))
		return false;
	nodes = (unsigned long)(btf__resolve_size(btf, (__u32)list) /
					btf__resolve_size(btf, (__u32)entry) -
				1) /
		(unsigned long)max;
	while (1ul << shift < nodes)
		shift++;
	if (!nodes || 1ul << shift != nodes)
		return false;
	/* NODES_SHIFT 0 (no NUMA): node 0 */
	out->page_node_shift = shift ? 64 - shift : 0;
	out->page_node_mask = (unsigned int)(nodes - 1);
	return true;
}

/* A filter refuses bpf(2) altogether, so also the hook that every kernel grants. */
static enum np_refuser who_refuses(const struct np_probed *p)
{
	int e = p->error[NP_PROG_SCHED_SWITCH];

	if (!np_capable(CAP_SYS_ADMIN) && !(np_capable(CAP_BPF) && np_capable(CAP_PERFMON)))
		return NP_REFUSER_PRIVILEGE;
	return (e == EPERM || e == ENOSYS) && np_sys->seccomp_mode() == 2 ? NP_REFUSER_SECCOMP
									  : NP_REFUSER_KERNEL;
}

void np_probe(struct np_probed *out)
{
	struct btf *btf;
	bool pages;
	int err;

	memset(out, 0, sizeof(*out));
	np_libbpf_begin();
	btf = btf__load_vmlinux_btf();
	err = btf ? 0 : errno;
	pages = btf && page_layout(btf, out);
	for (int i = 0; i < NP_PROG_COUNT; i++) {
		if (!btf)
			out->error[i] = err == EACCES || err == EPERM ? err : ENODATA;
		else if (np_programs[i].reads_pages && !pages)
			out->error[i] = ENOTSUP;
		else
			out->error[i] = try_program(btf, &np_programs[i]);
	}
	btf__free(btf);
	np_libbpf_end();
	out->refuser = who_refuses(out);
}
