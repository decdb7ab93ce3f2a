/* SPDX-License-Identifier: MIT */
/*
 * What a screen shows, without a screen: rows of the newest delta, sorted, filtered, as a tree;
 * and columns, each a record. Pure: frames in, texts out.
 */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include "top_frame.h"

enum top_screen {
	TOP_OVERVIEW,
	TOP_PROCESSES,
	TOP_THREADS, /* of one process */
	TOP_REGIONS, /* of one process */
	TOP_CGROUPS,
	TOP_WHERE,
	TOP_EVENTS,
	TOP_HELP,
	TOP_SCREENS,
};

/* A line of the table of a screen; what is meant depends on the screen. */
struct top_row {
	int depth; /* in a tree */
	uint32_t
		open; /* in a tree, bit d: more follows at depth d + 1, below the same parent */
	uint64_t id;  /* the same in the next frame: to follow it */
	const void *of; /* node, process, thread, region, stack, event; a cgroup's sums */
	size_t at;	/* its place: of nodes and cgroups */
};

/* What a cell is, and so how it is written. */
enum top_kind {
	TOP_TEXT,
	TOP_INTEGER,
	TOP_RATE,    /* a counter, per second */
	TOP_PERCENT, /* 0 .. 1 */
	TOP_BYTES,
	TOP_HEX,
};

struct top_model;

struct top_column {
	const char *id;	   /* as the user names it */
	const char *title; /* of a column for each node: "%d" is its id */
	const char *help;
	enum top_kind kind;
	unsigned char width; /* a text column of width 0 takes what is left, and is the last */
	bool per_node;
	bool hidden;	    /* unless the user asks for it */
	signed char metric; /* enum numaperf_metric that it stands on; -1: on none */
	/* NaN: n/a. Texts sort by text. */
	double (*value)(const struct top_model *m, const struct top_row *row, size_t node);
	const char *(*text)(const struct top_model *m, const struct top_row *row);
};

/* How one screen is looked at; kept while others are. */
struct top_way {
	unsigned int sort;	/* place among its columns */
	size_t sort_node;	/* of a column for each node */
	bool reverse;		/* the smallest first */
	uint64_t shown, hidden; /* columns that the user has asked for, or away; by place */
};

#define TOP_EVENTS_KEPT 1000

struct top_model {
	struct top_frame *last;	 /* as it came */
	struct top_frame *delta; /* of it and the one before; never NULL once one was taken */

	enum top_screen screen;
	struct top_way way[TOP_SCREENS];
	bool tree;
	bool kernel;	 /* threads of the kernel are shown, too */
	int pid;	 /* whose threads and regions; 0: none was chosen */
	int node;	 /* what has to do with this node only; -1: all */
	char filter[64]; /* in name, command, cgroup, symbol, message or number; "": all */

	struct top_row *row; /* of the screen */
	size_t rows, room;

	struct top_process *cgroup; /* sums by place in delta->cgroup */
	struct top_event *event;    /* kept, the newest first */
	size_t events;
};

void top_model_init(struct top_model *m);
void top_model_free(struct top_model *m);

/* A new frame, which belongs to the model from now on. 0 or -ENOMEM with the model as it was.
 */
int top_model_take(struct top_model *m, struct top_frame *frame);

/* Starts to count anew: after a leap in a recording. */
void top_model_leap(struct top_model *m);

/* Makes the rows of the screen. 0 or -ENOMEM. */
int top_model_rows(struct top_model *m);

/* top_tree.c: rows of processes, children below their parents, in the order they come in;
 * whose parent is not among them is a root. 0, or -ENOMEM with the rows as they were. */
int top_tree(struct top_row *row, size_t rows);

/* The columns of a screen; *count of them. */
const struct top_column *top_columns(enum top_screen screen, size_t *count);

/* Whether the user sees it, by what he asked for. */
bool top_column_shown(const struct top_model *m, unsigned int at);

/* The title of a column, of one node where it has one for each. */
const char *top_title(const struct top_model *m, const struct top_column *c, size_t node,
		      char *buf, size_t size);

/* A cell as text: "n/a" where it cannot be had. */
const char *top_cell_text(const struct top_model *m, const struct top_column *c,
			  const struct top_row *row, size_t node, char *buf, size_t size);

/* Why a column is n/a: metric, reason and remedy; "" when it is not. */
const char *top_column_reason(const struct top_model *m, const struct top_column *c, char *buf,
			      size_t size);

/* How hot a cell of the matrix is, 0 .. 1, of the hottest; its pages by *pages. */
double top_heat(const struct top_model *m, size_t cpu_node, size_t memory_node,
		uint64_t *pages);

/* Short numbers: "1234", "12.3k", "1.2M"; bytes "1.5G". */
const char *top_short(double n, char *buf, size_t size);
const char *top_bytes(double n, char *buf, size_t size);

#endif
