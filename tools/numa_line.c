/* SPDX-License-Identifier: MIT */
#include "numa_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_word(char *word, struct numa_line *out)
{
	int node;

	if (!strncmp(word, "file=", 5)) {
		out->file = word + 5;
	} else if (!strcmp(word, "heap") || !strcmp(word, "stack")) {
		out->mark = word;
	} else if (!strncmp(word, "kernelpagesize_kB=", 18)) {
		out->page_size = strtoull(word + 18, NULL, 10) << 10;
	} else if (word[0] == 'N' && sscanf(word, "N%d=", &node) == 1 && node >= 0 &&
		   node < NUMAPERF_NODES_MAX && out->count < NUMAPERF_NODES_MAX) {
		out->on[out->count].node = node;
		out->on[out->count++].bytes = strtoull(strchr(word, '=') + 1, NULL, 10);
	}
}

bool numa_line_parse(char *line, struct numa_line *out)
{
	char *word, *save, *end;

	out->file = out->mark = NULL;
	out->count = 0;
	out->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	word = strtok_r(line, " ", &save);
	if (!word)
		return false;
	out->start = strtoull(word, &end, 16);
	if (*end)
		return false;
	word = strtok_r(NULL, " ", &save);
	if (!word)
		return false;
	snprintf(out->policy, sizeof(out->policy), "%s", word);
	while ((word = strtok_r(NULL, " ", &save)))
		take_word(word, out);
	/* the page size is the line's last word */
	for (size_t i = 0; i < out->count; i++)
		out->on[i].bytes *= out->page_size;
	return true;
}
