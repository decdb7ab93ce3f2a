/* SPDX-License-Identifier: MIT */
/* numaperf probe: what the witness could watch here, hook by hook, and why not more. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const char *error_name(const struct numaperf_hook *hook)
{
	return hook->error ? strerrorname_np(hook->error) : NULL;
}

static int print_json(const struct tool_command *cmd, const struct numaperf_hook *hooks,
		      bool witness)
{
	json_t *out = json_object(), *table = json_object();
	struct utsname kernel;

	tool_put(out, "version", tool_json_text(numaperf_version()));
	tool_put(out, "kernel", tool_json_text(uname(&kernel) ? NULL : kernel.release));
	tool_put(out, "witness", json_boolean(witness));
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const struct numaperf_hook *hook = &hooks[m];
		json_t *one = json_object();

		tool_put(one, "rung", tool_json_text(numaperf_rung_name(hook->rung)));
		tool_put(one, "hook", tool_json_text(*hook->hook ? hook->hook : NULL));
		tool_put(one, "error", hook->error ? json_integer(hook->error) : json_null());
		tool_put(one, "errno_name", tool_json_text(error_name(hook)));
		tool_put(one, "reason", tool_json_text(*hook->reason ? hook->reason : NULL));
		tool_put(one, "remedy", tool_json_text(*hook->remedy ? hook->remedy : NULL));
		tool_put(table, numaperf_metric_name((enum numaperf_metric)m), one);
	}
	tool_put(out, "hooks", table);
	return tool_json_print(cmd, out);
}

/* Whether an earlier metric has the same remedy. */
static bool said_before(const struct numaperf_hook *hooks, int metric)
{
	for (int m = 0; m < metric; m++)
		if (!strcmp(hooks[m].remedy, hooks[metric].remedy))
			return true;
	return false;
}

/* Each remedy once, with the metrics that it lifts. */
static void print_remedies(const struct numaperf_hook *hooks)
{
	bool any = false;

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		char *remedy;

		if (!*hooks[m].remedy || said_before(hooks, m))
			continue;
		if (!any)
			puts("\nRemedies");
		any = true;
		remedy = strdup(hooks[m].remedy);
		printf("  %s\n    for", remedy ? tool_clean(remedy) : "?");
		for (int same = m; same < NUMAPERF_METRIC_COUNT; same++)
			if (!strcmp(hooks[same].remedy, hooks[m].remedy))
				printf(" %s", numaperf_metric_name((enum numaperf_metric)same));
		putchar('\n');
		free(remedy);
	}
}

static int print_text(const struct tool_command *cmd, const struct numaperf_hook *hooks,
		      bool witness)
{
	static const char *const head[] = { "METRIC", "RUNG", "HOOK", "ERROR", "REASON" };
	enum {
		COLUMNS = sizeof(head) / sizeof(head[0])
	};
	struct tool_table table = { .columns = COLUMNS };
	int status;

	tool_cells(&table, head, COLUMNS);
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const struct numaperf_hook *hook = &hooks[m];
		char *reason = strdup(hook->reason);

		tool_cell(&table, strdup(numaperf_metric_name((enum numaperf_metric)m)));
		tool_cell(&table, strdup(numaperf_rung_name(hook->rung)));
		tool_cell(&table, strdup(hook->hook));
		tool_cell(&table, strdup(error_name(hook) ? error_name(hook) : ""));
		tool_cell(&table, reason ? tool_clean(reason) : NULL);
	}
	status = tool_table_print(cmd, &table, 2);
	if (status)
		return status;
	print_remedies(hooks);
	puts(witness ? "\nA witness can be had: threads and pages are watched by the kernel."
		     : "\nNo witness: what happens between two looks is not seen, so that no "
		       "verdict can be `held`.");
	return TOOL_OK;
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	struct numaperf_hook hooks[NUMAPERF_METRIC_COUNT];
	bool json = false, witness;
	int status;

	if (!tool_json_option(cmd, argc, argv, &json, &status))
		return status;
	status = tool_no_operands(cmd, argc, argv);
	if (status)
		return status;
	if (tool_probe_hooks(hooks))
		return tool_library_error(cmd);
	witness = tool_witness_rung(hooks) >= NUMAPERF_RUNG_TP_BTF;
	status = json ? print_json(cmd, hooks, witness) : print_text(cmd, hooks, witness);
	if (status)
		return status;
	return witness ? TOOL_OK : TOOL_FAILED;
}

const struct tool_command cmd_probe = {
	.name = "probe",
	.summary = "what the witness can watch on this kernel, and how",
	.arguments = "[--json]",
	.help = "  -j, --json  print JSON\n"
		"  -h, --help  this text\n\n"
		"Exit status: 0 threads and pages can be watched by BPF programs, 1 they can "
		"only\n"
		"be polled, 2 wrong command line.\n",
	.run = run,
};
