// SPDX-License-Identifier: MIT
/*
 * effort: what the programs cost this kernel's verifier, a line each:
 *
 *	NAME SIZE INSNS STATES PEAK	instructions as loaded; of the verifier: instructions
 *that it went through, states that it kept in all and at once
 *	NAME absent			this kernel has no such hook, or does not grant it
 *	NAME refused ERRNO		the verifier says no (its last words follow, "# ...")
 *
 * The largest over all scopes and rungs: what the settings rule out is never looked at, so each
 * of them is another program to the verifier.
 */
#include "../../lib/src/hook_probe.h"
#include "../../lib/src/util.h"

#include <linux/types.h>

#include "../../bpf/events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <numaperf.skel.h>

enum {
	WORDS = 64 << 10, /* room for what the verifier says of one program */
	VERIFIER_STATS = 4,
};

struct cost {
	unsigned int size, insns, states, peak;
	int error;
};

static struct cost cost[NP_PROG_COUNT];
static char words[NP_PROG_COUNT][WORDS];
static struct np_probed probed;

static const struct setting {
	__u32 scope, pidns;
} settings[] = {
	{ NP_WATCH_TGIDS, 0 },
	{ NP_WATCH_TGIDS, 1 },
	{ NP_WATCH_CGROUP, 1 },
	{ NP_WATCH_ALL, 0 },
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static struct bpf_program *program(struct numaperf_bpf *skel, int id)
{
	return bpf_object__find_program_by_name(skel->obj, np_programs[id].name);
}

static void configure(struct numaperf_bpf *s, const struct setting *how, const bool *use)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, s->obj) if (bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF &&
						  !strchr(bpf_map__name(map), '.'))
		bpf_map__set_max_entries(map, 4096);
	s->rodata->cfg = (struct np_config){
		.nodes = 8,
		.cpus = 64,
		.threads = 1024,
		.ranges = 1024,
		.watches = 1024,
		.scope = how->scope,
		.follow = 1,
		.page_node_shift = probed.page_node_shift,
		.page_node_mask = probed.page_node_mask,
		.stacks = 1,
		.pidns = how->pidns,
		.cgroup = 1,
		.cgroup_level = 1,
		.burst = 2048,
		.fault_exact = use[NP_PROG_NEW_ANON] || use[NP_PROG_NEW_ANON_61],
		.affinity_exact = use[NP_PROG_CPUS_ALLOWED] || use[NP_PROG_CPUS_ALLOWED_61],
	};
	for (int i = 0; i < NP_PROG_COUNT; i++) {
		words[i][0] = '\0';
		bpf_program__set_autoload(program(s, i), use[i]);
		bpf_program__set_log_level(program(s, i), VERIFIER_STATS);
		bpf_program__set_log_buf(program(s, i), words[i], WORDS);
	}
}

/* "processed 10 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 ..."
 */
static bool count(int id, struct numaperf_bpf *skel)
{
	const char *line = strstr(words[id], "processed ");
	unsigned int insns, states, peak;
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	struct cost *c = &cost[id];

	if (!line || sscanf(line,
			    "processed %u insns (limit %*u) max_states_per_insn %*u "
			    "total_states %u peak_states %u",
			    &insns, &states, &peak) != 3)
		return false;
	c->insns = MAX(c->insns, insns);
	c->states = MAX(c->states, states);
	c->peak = MAX(c->peak, peak);
	if (!bpf_obj_get_info_by_fd(bpf_program__fd(program(skel, id)), &info, &size))
		c->size = MAX(c->size, info.xlated_prog_len / 8);
	return true;
}

/* Whom the verifier refused: libbpf loads one after the other and stops there. */
static int refused(struct numaperf_bpf *skel, const bool *use)
{
	for (int i = 0; i < NP_PROG_COUNT; i++)
		if (use[i] && bpf_program__fd(program(skel, i)) < 0 && words[i][0])
			return i;
	return -1;
}

static void say_last_words(int id)
{
	char *end = words[id] + strlen(words[id]), *at = end;

	for (int lines = 0; at > words[id] && lines < 5; at--)
		lines += at[-1] == '\n';
	for (char *save, *line = strtok_r(at, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		printf("# %s: %s\n", np_programs[id].name, line);
}

/* All programs at once. False: one of them was refused, and is left out from now on. */
static bool load(const struct setting *how, enum numaperf_rung rung)
{
	struct numaperf_hook table[NUMAPERF_METRIC_COUNT];
	struct numaperf_bpf *skel = numaperf_bpf__open();
	bool use[NP_PROG_COUNT];
	int err, bad;

	if (!skel) {
		perror("opening the programs");
		exit(1);
	}
	np_ladder_choose(probed.error, rung, probed.refuser, table, use);
	configure(skel, how, use);
	err = numaperf_bpf__load(skel);
	bad = err ? refused(skel, use) : -1;
	if (err && bad < 0) {
		fprintf(stderr, "loading the programs: %s\n", strerror(-err));
		exit(1);
	}
	for (int i = 0; !err && i < NP_PROG_COUNT; i++)
		if (use[i] && !count(i, skel))
			printf("# %s: the verifier says nothing of it\n", np_programs[i].name);
	if (err) {
		cost[bad].error = probed.error[bad] = -err;
		say_last_words(bad);
	}
	numaperf_bpf__destroy(skel);
	return !err;
}

int main(void)
{
	static const enum numaperf_rung rungs[] = { NUMAPERF_RUNG_FENTRY,
						    NUMAPERF_RUNG_TP_BTF };

	libbpf_set_print(quiet);
	np_probe(&probed);
	for (size_t r = 0; r < ARRAY_SIZE(rungs); r++)
		for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
			while (!load(&settings[i], rungs[r]))
				;
	for (int i = 0; i < NP_PROG_COUNT; i++) {
		const struct cost *c = &cost[i];

		if (c->error)
			printf("%s refused %d\n", np_programs[i].name, c->error);
		else if (!c->insns)
			printf("%s absent\n", np_programs[i].name);
		else
			printf("%s %u %u %u %u\n", np_programs[i].name, c->size, c->insns,
			       c->states, c->peak);
	}
	return 0;
}
