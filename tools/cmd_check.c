/* SPDX-License-Identifier: MIT */
/*
 * numaperf check: would hard mode hold for this process, here, and if not, what is in the way
 * and what removes it. The checklist of numaperf(7), done by machine. Besides what the library
 * detects, one strict pin and one strict page are really made: a refused call is worth more
 * than a deduced one.
 */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict {
	V_OK,
	V_MISSING, /* hard mode is refused because of this */
	V_NOTE,	   /* good to know; refuses nothing */
};

/* What a mode does when one thread is pinned and one page is bound in it. */
struct trial {
	enum numaperf_mode mode;
	bool works;
	struct numaperf_error why; /* when it does not */
};

struct state {
	struct numaperf_capabilities caps;
	const char *missing[NUMAPERF_MISSING_MAX];
	size_t missing_count;
	struct numaperf_topology *topo;
	struct numaperf_error topo_error;
	struct numaperf_cpuset online;
	struct numaperf_nodemask online_nodes, memory_nodes;
	struct trial strict, unwitnessed;
	struct numaperf_hook hooks[NUMAPERF_METRIC_COUNT];
	bool probed;	    /* the hooks are known */
	char cmdline[4096]; /* "": cannot be read */
	char balancing[32]; /* the sysctl's text, "": there is none */
	bool hard_mode;
};

/* The first line of a small file; "" when it cannot be read. */
static void read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	line[0] = '\0';
	if (!file)
		return;
	if (fgets(line, (int)size, file))
		line[strcspn(line, "\n")] = '\0';
	else
		line[0] = '\0';
	fclose(file);
}

static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = line; (at = strstr(at, word)); at += len)
		if ((at == line || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

/* ---- by doing ---- */

static int try_pin(enum numaperf_mode mode)
{
	struct numaperf_cpuset cpus = numaperf_cpuset_single(numaperf_current_cpu());
	struct numaperf_pin pin;
	int err = numaperf_pin_thread(&pin, &cpus, mode);

	return err ? err : numaperf_pin_release(&pin);
}

static int try_page(const struct state *s, enum numaperf_mode mode)
{
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = mode,
		.prefault = NUMAPERF_PREFAULT_TOUCH,
	};
	struct numaperf_region *region;
	struct numaperf_nodemask nodes;
	int err = 0;

	/* the first node that has room will do: a full one says nothing about hard mode */
	numaperf_nodemask_and(&nodes, &s->caps.nodes_allowed, &s->memory_nodes);
	if (numaperf_nodemask_empty(&nodes))
		nodes = s->memory_nodes;
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		opts.nodes = numaperf_nodemask_single(node);
		err = numaperf_region_create(&region, 1, &opts);
		if (!err) {
			numaperf_region_unref(region);
			return 0;
		}
		if (numaperf_last_error()->reason_id != NUMAPERF_REASON_MEMORY)
			return err;
	}
	return err;
}

static void try_mode(const struct state *s, struct trial *trial, enum numaperf_mode mode)
{
	trial->mode = mode;
	trial->works = !try_pin(mode) && !try_page(s, mode);
	if (!trial->works)
		trial->why = *numaperf_last_error();
}

static void gather(struct state *s)
{
	s->caps.sz = sizeof(s->caps);
	numaperf_capabilities_detect(&s->caps);
	s->missing_count =
		numaperf_capabilities_missing(&s->caps, s->missing, NUMAPERF_MISSING_MAX);
	if (numaperf_topology_discover(&s->topo)) {
		s->topo_error = *numaperf_last_error();
	} else {
		numaperf_topology_online_cpus(s->topo, &s->online);
		numaperf_topology_online_nodes(s->topo, &s->online_nodes);
		numaperf_topology_memory_nodes(s->topo, &s->memory_nodes);
	}
	read_line("/proc/cmdline", s->cmdline, sizeof(s->cmdline));
	read_line("/proc/sys/kernel/numa_balancing", s->balancing, sizeof(s->balancing));
	try_mode(s, &s->strict, NUMAPERF_STRICT);
	try_mode(s, &s->unwitnessed, NUMAPERF_STRICT_UNWITNESSED);
	s->probed = !tool_probe_hooks(s->hooks);
	s->hard_mode = numaperf_capabilities_hard_mode(&s->caps) && s->strict.works;
}

/* The requirements are met and a strict call is refused all the same: by what. */
static const char *refusal(const struct state *s)
{
	return s->missing_count == 0 && !s->strict.works ? s->strict.why.message : NULL;
}

/* ---- JSON ---- */

static json_t *json_trial(const struct trial *trial)
{
	json_t *out = json_object();

	tool_put(out, "usable", json_boolean(trial->works));
	tool_put(out, "reason",
		 trial->works ? json_null()
			      : tool_json_text(numaperf_reason_name(trial->why.reason_id)));
	tool_put(out, "message",
		 trial->works ? json_null() : tool_json_text(trial->why.message));
	return out;
}

static json_t *json_features(const struct numaperf_capabilities *caps)
{
	json_t *out = json_object();

	for (int i = 0; i < NUMAPERF_FEATURE_COUNT; i++) {
		const struct numaperf_feature_state *state = &caps->feature[i];
		json_t *one = json_object();

		tool_put(one, "usable",
			 state->usable == NUMAPERF_USABLE_UNKNOWN
				 ? json_null()
				 : json_boolean(state->usable == NUMAPERF_USABLE_OK));
		tool_put(one, "state", tool_json_text(numaperf_usable_name(state->usable)));
		tool_put(one, "errno", state->error ? json_integer(state->error) : json_null());
		tool_put(one, "error",
			 tool_json_text(state->error ? strerrorname_np(state->error) : NULL));
		tool_put(out, numaperf_feature_name((enum numaperf_feature)i), one);
	}
	return out;
}

static json_t *json_capabilities(const struct numaperf_capabilities *caps)
{
	json_t *out = json_object();

	tool_put(out, "cap_sys_admin", json_boolean(caps->cap_sys_admin));
	tool_put(out, "cap_sys_nice", json_boolean(caps->cap_sys_nice));
	tool_put(out, "cap_bpf", json_boolean(caps->cap_bpf));
	tool_put(out, "cap_perfmon", json_boolean(caps->cap_perfmon));
	tool_put(out, "cap_ipc_lock", json_boolean(caps->cap_ipc_lock));
	tool_put(out, "cap_sys_ptrace", json_boolean(caps->cap_sys_ptrace));
	return out;
}

/* The rung on which threads and pages are watched; null: it could not be found out. */
static json_t *json_witness(const struct state *s)
{
	return tool_json_text(s->probed ? numaperf_rung_name(tool_witness_rung(s->hooks))
					: NULL);
}

static int print_json(const struct tool_command *cmd, const struct state *s)
{
	const struct numaperf_capabilities *caps = &s->caps;
	json_t *out = json_object(), *missing = json_array(), *modes = json_object();

	tool_put(out, "version", tool_json_text(numaperf_version()));
	tool_put(out, "node_count", json_integer(caps->node_count));
	tool_put(out, "strict_memory_binding", json_boolean(caps->strict_memory_binding));
	tool_put(out, "strict_cpu_affinity", json_boolean(caps->strict_cpu_affinity));
	tool_put(out, "memory_locking", json_boolean(caps->memory_locking));
	tool_put(out, "numa_balancing_disabled", json_boolean(caps->numa_balancing_disabled));
	tool_put(out, "hard_mode", json_boolean(s->hard_mode));
	for (size_t i = 0; i < s->missing_count; i++)
		tool_append(missing, tool_json_text(s->missing[i]));
	if (refusal(s))
		tool_append(missing, tool_json_text(refusal(s)));
	tool_put(out, "missing", missing);
	tool_put(modes, "strict", json_trial(&s->strict));
	tool_put(modes, "strict-unwitnessed", json_trial(&s->unwitnessed));
	tool_put(out, "modes", modes);
	tool_put(out, "capabilities", json_capabilities(caps));
	tool_put(out, "user_namespace", json_boolean(caps->user_namespace));
	tool_put(out, "seccomp", json_boolean(caps->seccomp));
	tool_put(out, "cpus_online", s->topo ? tool_json_cpus(&s->online) : json_null());
	tool_put(out, "cpus_allowed", tool_json_cpus(&caps->cpus_allowed));
	tool_put(out, "cpus_isolated", tool_json_cpus(&caps->cpus_isolated));
	tool_put(out, "nodes_online",
		 s->topo ? tool_json_nodes(&s->online_nodes) : json_null());
	tool_put(out, "nodes_allowed", tool_json_nodes(&caps->nodes_allowed));
	tool_put(out, "witness", json_witness(s));
	tool_put(out, "features", json_features(caps));
	return tool_json_print(cmd, out);
}

/* ---- text ---- */

static void line(enum verdict verdict, const char *what, char *detail, const char *remedy)
{
	static const char *const mark[] = { "  ok   ", "MISSING", "  note " };

	printf("[%s] %-24s %s\n", mark[verdict], what, detail ? tool_clean(detail) : "");
	if (remedy)
		printf("          remedy: %s\n", remedy);
	free(detail);
}

static void check_hardware(const struct state *s)
{
	static const char off[] = "numa=off";

	if (!s->topo)
		line(V_NOTE, "NUMA hardware", strdup(s->topo_error.message), NULL);
	else if (s->caps.node_count > 1)
		line(V_OK, "NUMA hardware", tool_printf("%u nodes", s->caps.node_count), NULL);
	else
		line(V_NOTE, "NUMA hardware",
		     strdup("1 node: hard mode holds, but there is nothing to keep apart"),
		     "if the machine has more, switch node interleaving off in its firmware");

	if (has_word(s->cmdline, off))
		line(V_NOTE, "kernel NUMA support",
		     strdup("the kernel was started with numa=off: it shows one node"),
		     "remove numa=off from the boot command line (/etc/default/grub) "
		     "and reboot");
	else if (strstr(s->cmdline, "numa=fake"))
		line(V_NOTE, "kernel NUMA support",
		     strdup("started with numa=fake: the nodes are made up"), NULL);
	else if (s->caps.feature[NUMAPERF_FEATURE_GET_MEMPOLICY].usable ==
		 NUMAPERF_USABLE_TOO_OLD)
		line(V_NOTE, "kernel NUMA support",
		     strdup("the kernel has no memory policies (built without CONFIG_NUMA)"),
		     "use a kernel with CONFIG_NUMA=y");
	else
		line(V_OK, "kernel NUMA support",
		     strdup(s->cmdline[0] ? "not switched off on the boot command line"
					  : "/proc/cmdline cannot be read"),
		     NULL);
}

static const char *missing_with(const struct state *s, const char *word)
{
	for (size_t i = 0; i < s->missing_count; i++)
		if (strstr(s->missing[i], word))
			return s->missing[i];
	return NULL;
}

static void check_requirements(const struct state *s)
{
	const struct numaperf_capabilities *caps = &s->caps;
	const char *text;

	if (caps->numa_balancing_disabled)
		line(V_OK, "NUMA balancing off",
		     s->balancing[0] ? tool_printf("kernel.numa_balancing=%s", s->balancing)
				     : strdup("this kernel has no NUMA balancing"),
		     NULL);
	else
		line(V_MISSING, "NUMA balancing off",
		     tool_printf("kernel.numa_balancing=%s: the kernel may move pages and "
				 "threads",
				 s->balancing[0] ? s->balancing : "?"),
		     missing_with(s, "numa_balancing"));

	text = missing_with(s, "CAP_SYS_ADMIN");
	if (caps->strict_memory_binding)
		line(V_OK, "strict memory binding",
		     strdup(caps->cap_sys_admin ? "CAP_SYS_ADMIN" : "CAP_BPF and CAP_PERFMON"),
		     NULL);
	else
		line(V_MISSING, "strict memory binding",
		     strdup("neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON"), text);

	text = missing_with(s, "CAP_SYS_NICE");
	if (caps->strict_cpu_affinity)
		line(V_OK, "strict CPU affinity", strdup("CAP_SYS_NICE"), NULL);
	else
		line(V_MISSING, "strict CPU affinity", strdup("no CAP_SYS_NICE"), text);

	if (refusal(s))
		line(V_MISSING, "a strict pin and page", strdup(s->strict.why.reason),
		     s->strict.why.remedy[0] ? s->strict.why.remedy : NULL);
	else if (s->strict.works)
		line(V_OK, "a strict pin and page", strdup("tried: both are granted"), NULL);

	if (caps->memory_locking)
		line(V_OK, "memory locking",
		     strdup(caps->cap_ipc_lock ? "CAP_IPC_LOCK" : "RLIMIT_MEMLOCK"), NULL);
	else
		line(V_NOTE, "memory locking",
		     strdup("neither CAP_IPC_LOCK nor a useful RLIMIT_MEMLOCK; "
			    "hard mode does without"),
		     "raise `ulimit -l` (systemd: LimitMEMLOCK=)");
}

/* What the cpuset leaves of what is online; takes both lists. */
static void check_allowed(const char *what, char *allowed, char *online, bool all,
			  const char *otherwise, const char *remedy)
{
	if (all)
		line(V_OK, what, tool_printf("%s: all online ones", allowed ? allowed : "?"),
		     NULL);
	else
		line(V_NOTE, what,
		     tool_printf("%s of %s: %s", allowed ? allowed : "?", online ? online : "?",
				 otherwise),
		     remedy);
	free(allowed);
	free(online);
}

static void check_surroundings(const struct state *s)
{
	const struct numaperf_capabilities *caps = &s->caps;
	char *list;

	check_allowed("CPUs allowed", tool_cpulist(&caps->cpus_allowed),
		      tool_cpulist(&s->online),
		      !s->topo || numaperf_cpuset_subset(&s->online, &caps->cpus_allowed),
		      "a strict pin to any other CPU is refused",
		      "widen the cpuset (systemd: AllowedCPUs=, docker: --cpuset-cpus)");
	check_allowed("memory nodes allowed", tool_nodelist(&caps->nodes_allowed),
		      tool_nodelist(&s->online_nodes),
		      !s->topo ||
			      numaperf_nodemask_subset(&s->online_nodes, &caps->nodes_allowed),
		      "strict memory on any other node is refused",
		      "widen the cpuset (systemd: AllowedMemoryNodes=, docker: --cpuset-mems)");

	list = tool_cpulist(&caps->cpus_isolated);
	if (numaperf_cpuset_empty(&caps->cpus_isolated))
		line(V_OK, "isolated CPUs", strdup("none"), NULL);
	else
		line(V_NOTE, "isolated CPUs",
		     tool_printf("%s: kept from the scheduler's balancing; a pin to one is "
				 "granted, but ordinary threads never move there",
				 list ? list : "?"),
		     NULL);
	free(list);

	line(caps->user_namespace ? V_NOTE : V_OK, "user namespace",
	     strdup(caps->user_namespace
			    ? "inside one: its capabilities do not count for the kernel"
			    : "the initial one"),
	     caps->user_namespace ? "run outside it (no `unshare -U`, no rootless container)"
				  : NULL);
	line(caps->seccomp ? V_NOTE : V_OK, "seccomp",
	     strdup(caps->seccomp ? "a filter is installed: see below what it refuses"
				  : "no filter"),
	     NULL);
}

/* Whether the kernel can bear witness: `numaperf probe` has the whole table. */
static void check_witness(const struct state *s)
{
	const struct numaperf_hook *hook = &s->hooks[NUMAPERF_METRIC_RUN_TIME];
	enum numaperf_rung rung;

	if (!s->probed) {
		line(V_NOTE, "witness", strdup("it cannot be found out"), NULL);
		return;
	}
	rung = tool_witness_rung(s->hooks);
	if (hook->rung > s->hooks[NUMAPERF_METRIC_PAGE_MOVES].rung)
		hook = &s->hooks[NUMAPERF_METRIC_PAGE_MOVES];
	if (rung >= NUMAPERF_RUNG_TP_BTF)
		line(V_OK, "witness",
		     tool_printf("BPF (%s): a verdict can be `held`", numaperf_rung_name(rung)),
		     NULL);
	else
		line(V_NOTE, "witness",
		     tool_printf("%s only: no verdict can be `held`%s%s",
				 numaperf_rung_name(rung), *hook->reason ? ": " : "",
				 hook->reason),
		     *hook->remedy ? hook->remedy : "`numaperf probe` says why");
}

static const char *feature_remedy(enum numaperf_feature feature, enum numaperf_usable usable)
{
	switch (usable) {
	case NUMAPERF_USABLE_SECCOMP:
		if (feature == NUMAPERF_FEATURE_MOVE_PAGES ||
		    feature == NUMAPERF_FEATURE_MIGRATE_PAGES)
			return "none needed: /proc/self/numa_maps is read instead (docker: "
			       "--security-opt seccomp=FILE with a profile that allows it)";
		if (feature == NUMAPERF_FEATURE_BPF)
			return "docker: --cap-add BPF --cap-add PERFMON, or --cap-add "
			       "SYS_ADMIN "
			       "with an older profile";
		return "allow the call in the seccomp profile (docker: --cap-add SYS_NICE or "
		       "--security-opt seccomp=FILE)";
	case NUMAPERF_USABLE_TOO_OLD:
		return "a newer kernel, or one built with it";
	case NUMAPERF_USABLE_NO_PRIVILEGE:
		return "grant the capability (setcap, AmbientCapabilities=, --cap-add)";
	default:
		return NULL;
	}
}

static void check_features(const struct numaperf_capabilities *caps)
{
	printf("\nCalls and features, each tried once\n");
	for (int i = 0; i < NUMAPERF_FEATURE_COUNT; i++) {
		const struct numaperf_feature_state *state = &caps->feature[i];
		const char *remedy = feature_remedy((enum numaperf_feature)i, state->usable);
		const char *error = state->error ? strerrorname_np(state->error) : NULL;

		printf("  %-24s %s%s%s%s\n", numaperf_feature_name((enum numaperf_feature)i),
		       numaperf_usable_name(state->usable), error ? " (" : "",
		       error ? error : "", error ? ")" : "");
		if (remedy)
			printf("  %-24s remedy: %s\n", "", remedy);
	}
}

static int print_text(const struct state *s)
{
	char *why;

	check_hardware(s);
	check_requirements(s);
	check_surroundings(s);
	check_witness(s);
	check_features(&s->caps);

	printf("\nstrict-unwitnessed mode: ");
	if (s->unwitnessed.works) {
		puts("usable");
	} else {
		why = strdup(s->unwitnessed.why.message);
		printf("refused: %s\n", why ? tool_clean(why) : "out of memory");
		free(why);
	}
	if (s->hard_mode) {
		puts("Hard mode is available.");
		return TOOL_OK;
	}
	puts("Hard mode is not available. Missing:");
	for (size_t i = 0; i < s->missing_count; i++)
		printf("  - %s\n", s->missing[i]);
	if (refusal(s)) {
		why = strdup(refusal(s));
		printf("  - %s\n", why ? tool_clean(why) : "out of memory");
		free(why);
	}
	return TOOL_OK;
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	static struct state s; /* zeroed, and too large for a stack to like */
	bool json = false;
	int status;

	if (!tool_json_option(cmd, argc, argv, &json, &status))
		return status;
	status = tool_no_operands(cmd, argc, argv);
	if (status)
		return status;
	gather(&s);
	status = json ? print_json(cmd, &s) : print_text(&s);
	numaperf_topology_unref(s.topo);
	if (status)
		return status;
	return s.hard_mode ? TOOL_OK : TOOL_FAILED;
}

const struct tool_command cmd_check = {
	.name = "check",
	.summary = "whether hard mode can be had here, and what is in the way",
	.arguments = "[--json]",
	.help = "  -j, --json  print JSON\n"
		"  -h, --help  this text\n\n"
		"Exit status: 0 hard mode is available, 1 it is not, 2 wrong command line.\n",
	.run = run,
};
