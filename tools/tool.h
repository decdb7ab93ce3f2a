/* SPDX-License-Identifier: MIT */
/* What the verbs of the numaperf tool share. Nothing here knows the library's inside. */
#ifndef TOOL_H
#define TOOL_H

#include <numaperf.h>

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses, the same for every verb. */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,     /* it ran, and the answer is no, or something failed */
	TOOL_MISUSE = 2,     /* the command line is wrong: nothing was done */
	TOOL_UNVERIFIED = 3, /* verify: nothing speaks against it, and that is not enough */
};

struct tool_command {
	const char *name;
	const char *summary;   /* one line, for the list of verbs */
	const char *arguments; /* what follows the name in the usage line */
	const char *help;      /* the options, one a line, each line ended */
	int (*run)(const struct tool_command *cmd, int argc, char **argv);
};

extern const struct tool_command cmd_bench, cmd_check, cmd_demo, cmd_probe, cmd_run,
	cmd_topology, cmd_verify;

/* "Usage:", summary and options on standard output. */
void tool_help(const struct tool_command *cmd);

/* One line on standard error, "numaperf <verb>: ..."; control bytes in it become '?'.
 * `cmd` NULL: no verb. */
void tool_error(const struct tool_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The last error of the library on this thread, by tool_error(); returns TOOL_FAILED. */
int tool_library_error(const struct tool_command *cmd);

/* What getopt_long() (with ':' first in its short options) did not take, as an error;
 * returns TOOL_MISUSE. */
int tool_bad_option(const struct tool_command *cmd, int opt, char **argv);

/* The options of a verb that has --json and --help alone. True: go on; false: the verb ends
 * with *status, after its help or an error. Operands stay. */
bool tool_json_option(const struct tool_command *cmd, int argc, char **argv, bool *json,
		      int *status);

/* No verb here takes operands: TOOL_OK, or TOOL_MISUSE after an error. */
int tool_no_operands(const struct tool_command *cmd, int argc, char **argv);

/* Replaces bytes that could steer a terminal, and everything that is not ASCII, by '?'. */
char *tool_clean(char *text);

/* Texts for people, on the heap; NULL when there is no memory. An empty set is "". */
char *tool_cpulist(const struct numaperf_cpuset *cpus);
char *tool_nodelist(const struct numaperf_nodemask *nodes);
char *tool_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *tool_size(unsigned long long bytes); /* "1.5 GiB" */

/* What could be watched here, NUMAPERF_METRIC_COUNT hooks: 0 or the library's error; and the
 * rung on which both threads and pages then are. */
int tool_probe_hooks(struct numaperf_hook *hooks);
enum numaperf_rung tool_witness_rung(const struct numaperf_hook *hooks);

/*
 * A table that is as wide as its cells. Cells belong to the table once added (also when that
 * fails); a NULL or empty one is shown as "-". _print frees it; TOOL_FAILED: no memory.
 */
struct tool_table {
	size_t columns, cells, room;
	char **cell;
	int failed;
};
void tool_cell(struct tool_table *table, char *cell);
void tool_cells(struct tool_table *table, const char *const *text, size_t n);
int tool_table_print(const struct tool_command *cmd, struct tool_table *table, int indent);
int tool_table_write(const struct tool_command *cmd, struct tool_table *table, int indent,
		     FILE *to);

/*
 * JSON: values are put without checking each one, and what failed for want of memory is
 * found when it is printed. tool_json_print() takes `root`; TOOL_FAILED after an error.
 */
void tool_put(json_t *object, const char *key, json_t *value);
void tool_append(json_t *array, json_t *value);
json_t *tool_json_text(const char *text);			/* NULL: null */
json_t *tool_json_cpus(const struct numaperf_cpuset *cpus);	/* "0-3" */
json_t *tool_json_nodes(const struct numaperf_nodemask *nodes); /* "0-1" */
json_t *tool_json_id(int id);					/* below 0: null */
int tool_json_print(const struct tool_command *cmd, json_t *root);
int tool_json_write(const struct tool_command *cmd, json_t *root, FILE *to);

#endif
