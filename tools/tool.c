/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tool_help(const struct tool_command *cmd)
{
	printf("Usage: numaperf %s%s%s\n\n%s\n\n%s", cmd->name, *cmd->arguments ? " " : "",
	       cmd->arguments, cmd->summary, cmd->help);
}

char *tool_clean(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	return text;
}

void tool_error(const struct tool_command *cmd, const char *fmt, ...)
{
	char line[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "numaperf%s%s: %s\n", cmd ? " " : "", cmd ? cmd->name : "",
		tool_clean(line));
}

int tool_library_error(const struct tool_command *cmd)
{
	tool_error(cmd, "%s", numaperf_last_error()->message);
	return TOOL_FAILED;
}

int tool_bad_option(const struct tool_command *cmd, int opt, char **argv)
{
	const char *given = argv[optind - 1];

	if (opt == ':')
		tool_error(cmd, "option %s needs a value; see `numaperf help %s`", given,
			   cmd->name);
	else if (optopt && isgraph(optopt) && strncmp(given, "--", 2) != 0)
		tool_error(cmd, "unknown option -%c; see `numaperf help %s`", optopt,
			   cmd->name);
	else if (optopt)
		tool_error(cmd, "option %s takes no value; see `numaperf help %s`", given,
			   cmd->name);
	else
		tool_error(cmd, "unknown option %s; see `numaperf help %s`", given, cmd->name);
	return TOOL_MISUSE;
}

bool tool_json_option(const struct tool_command *cmd, int argc, char **argv, bool *json,
		      int *status)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			*json = true;
			break;
		case 'h':
			tool_help(cmd);
			*status = TOOL_OK;
			return false;
		default:
			*status = tool_bad_option(cmd, opt, argv);
			return false;
		}
	}
	return true;
}

int tool_no_operands(const struct tool_command *cmd, int argc, char **argv)
{
	if (optind >= argc)
		return TOOL_OK;
	tool_error(cmd, "unexpected argument '%s'; see `numaperf help %s`", argv[optind],
		   cmd->name);
	return TOOL_MISUSE;
}

/* ---- texts ---- */

char *tool_cpulist(const struct numaperf_cpuset *cpus)
{
	size_t size = numaperf_cpuset_format(cpus, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		numaperf_cpuset_format(cpus, text, size);
	return text;
}

char *tool_nodelist(const struct numaperf_nodemask *nodes)
{
	size_t size = numaperf_nodemask_format(nodes, NULL, 0) + 1;
	char *text = malloc(size);

	if (text)
		numaperf_nodemask_format(nodes, text, size);
	return text;
}

char *tool_printf(const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

char *tool_size(unsigned long long bytes)
{
	static const char unit[] = "KMGTPE";
	double value = (double)bytes / 1024;
	size_t u = 0;

	if (bytes < 1024)
		return tool_printf("%llu B", bytes);
	for (; value >= 1024 && unit[u + 1]; u++)
		value /= 1024;
	return tool_printf(value < 100 && value != (double)(int)value ? "%.1f %ciB"
								      : "%.0f %ciB",
			   value, unit[u]);
}

/* ---- the witness ---- */

int tool_probe_hooks(struct numaperf_hook *hooks)
{
	int count;

	hooks[0] = (struct numaperf_hook){ .sz = sizeof(hooks[0]) };
	count = numaperf_probe_hooks(hooks, NUMAPERF_METRIC_COUNT);
	return count < 0 ? count : 0;
}

enum numaperf_rung tool_witness_rung(const struct numaperf_hook *hooks)
{
	enum numaperf_rung threads = hooks[NUMAPERF_METRIC_RUN_TIME].rung;
	enum numaperf_rung pages = hooks[NUMAPERF_METRIC_PAGE_MOVES].rung;

	return threads < pages ? threads : pages;
}

/* ---- tables ---- */

void tool_cell(struct tool_table *table, char *cell)
{
	if (table->cells == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		char **more = reallocarray(table->cell, room, sizeof(*more));

		if (!more) {
			table->failed = 1;
			free(cell);
			return;
		}
		table->cell = more;
		table->room = room;
	}
	if (!cell)
		table->failed = 1;
	table->cell[table->cells++] = cell;
}

void tool_cells(struct tool_table *table, const char *const *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tool_cell(table, strdup(text[i]));
}

static const char *shown(const char *cell)
{
	return cell && *cell ? cell : "-";
}

int tool_table_write(const struct tool_command *cmd, struct tool_table *table, int indent,
		     FILE *to)
{
	size_t width[64] = { 0 };
	int status = TOOL_OK;

	if (table->failed) {
		tool_error(cmd, "out of memory");
		status = TOOL_FAILED;
	}
	for (size_t i = 0; !status && i < table->cells; i++) {
		size_t len = strlen(shown(table->cell[i]));
		size_t column = i % table->columns;

		if (column < 64 && len > width[column])
			width[column] = len;
	}
	for (size_t i = 0; !status && i < table->cells; i++) {
		size_t column = i % table->columns;
		bool last = column + 1 == table->columns;
		int pad = last || column >= 64 ? 0 : (int)width[column];

		fprintf(to, "%*s%-*s%s", column ? 2 : indent, "", pad, shown(table->cell[i]),
			last ? "\n" : "");
	}
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i]);
	free(table->cell);
	*table = (struct tool_table){ 0 };
	return status;
}

int tool_table_print(const struct tool_command *cmd, struct tool_table *table, int indent)
{
	return tool_table_write(cmd, table, indent, stdout);
}

/* ---- JSON ---- */

static int json_failed;

void tool_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		json_failed = 1;
}

void tool_append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		json_failed = 1;
}

json_t *tool_json_text(const char *text)
{
	json_t *value;
	char *copy;

	if (!text)
		return json_null();
	copy = strdup(text);
	/* jansson refuses what is no UTF-8: clean first, so that text is never lost */
	value = copy ? json_string(tool_clean(copy)) : NULL;
	free(copy);
	return value;
}

json_t *tool_json_cpus(const struct numaperf_cpuset *cpus)
{
	char *text = tool_cpulist(cpus);
	json_t *value = text ? json_string(text) : NULL;

	free(text);
	return value;
}

json_t *tool_json_nodes(const struct numaperf_nodemask *nodes)
{
	char *text = tool_nodelist(nodes);
	json_t *value = text ? json_string(text) : NULL;

	free(text);
	return value;
}

json_t *tool_json_id(int id)
{
	return id < 0 ? json_null() : json_integer(id);
}

int tool_json_write(const struct tool_command *cmd, json_t *root, FILE *to)
{
	int status = TOOL_OK;

	if (json_failed || !root) {
		tool_error(cmd, "out of memory");
		status = TOOL_FAILED;
	} else if (json_dumpf(root, to, JSON_INDENT(2)) || putc('\n', to) == EOF) {
		/* said once, when the stream is closed */
		status = TOOL_FAILED;
	}
	json_decref(root);
	return status;
}

int tool_json_print(const struct tool_command *cmd, json_t *root)
{
	return tool_json_write(cmd, root, stdout);
}
