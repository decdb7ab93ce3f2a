// SPDX-License-Identifier: MIT
/* A report to its caller's stream: the one file of the library that writes to a stream. */
#include "base.h"
#include "report.h"
#include "sys.h"

#include <errno.h>

int numaperf_report_print(const struct numaperf_report *report, FILE *to)
{
	int length = np_report_text(report, NULL, 0), err = 0;
	void *text;

	if (length < 0)
		return length;
	if (np_sys->alloc(&text, (size_t)length + 1, 0) < 0)
		return np_fail_memory(NP_REPORT_OPERATION);
	np_report_text(report, text, (size_t)length + 1);
	errno = 0;
	if (fwrite(text, 1, (size_t)length, to) != (size_t)length)
		err = np_fail(errno ? -errno : -EIO, NUMAPERF_REASON_SYSTEM,
			      NP_REPORT_OPERATION, NULL, "it cannot be written to the stream");
	np_free(text);
	return err;
}
