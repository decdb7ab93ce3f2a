/* SPDX-License-Identifier: MIT */
/*
 * Rank 9: the inside of a report.
 *
 *	report.c          its life, the ratios, what it is asked
 *	report_verdict.c  what is to be said of each guarantee
 *	report_advice.c   what is to be done about what was found
 *	report_text.c     all of it for people
 *	report_json.c     all of it for programs
 *	report_print.c    to a stream: the only file of the library that writes to one
 *
 * A report owns a snapshot and never asks anything else: what it says follows from that alone.
 */
#ifndef NP_REPORT_H
#define NP_REPORT_H

#include "snapshot.h"

#include <numaperf/report.h>

#define NP_REPORT_OPERATION "report"

enum {
	NP_FINDINGS_MAX = 64
};

/* A guarantee's verdict. */
struct np_judged {
	enum numaperf_verdict verdict;
	char label[64];
	char reason[512];
};

struct np_finding {
	const char *id;
	char cause[320];
	char command[640];
	char advice[320];
	char line[1312]; /* the three as one */
};

struct numaperf_report {
	struct np_snapshot s;
	unsigned int excellent, good, fair; /* percent */
	struct np_judged *judged;	    /* one a guarantee */
	size_t findings;
	struct np_finding *finding; /* room for NP_FINDINGS_MAX */
};

/* Takes the snapshot over, also when it fails. Thresholds are checked already. */
int np_report_from_snapshot(struct numaperf_report **report, struct np_snapshot *taken,
			    const struct numaperf_report_opts *opts);

/* ---- report_verdict.c ---- */

void np_report_judge(const struct np_snapshot *s, const struct np_seen *g,
		     struct np_judged *out);

/* ---- report_advice.c ---- */

void np_report_advise(struct numaperf_report *report);

/* ---- report_text.c, report_json.c: as numaperf_report_format() ---- */

int np_report_text(const struct numaperf_report *report, char *buf, size_t size);
int np_report_json(const struct numaperf_report *report, char *buf, size_t size);

/* Bytes that could steer a terminal, and all that is not ASCII (C1, marks of direction), become
 * '?': names come from other processes. */
void np_report_clean(char *text);

#endif
