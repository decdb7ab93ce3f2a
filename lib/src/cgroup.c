// SPDX-License-Identifier: MIT
/* cgroups(7), "/proc files". */
#include "cgroup.h"

#include <string.h>

bool np_list_has(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++)
		if (!strncmp(list + i, word, n) && (i == 0 || list[i - 1] == ',') &&
		    (i + n == len || list[i + n] == ','))
			return true;
	return false;
}

bool np_cgroup_path(const char *text, const char *controller, char *path, size_t size)
{
	for (const char *line = text; *line;) {
		const char *eol = strchrnul(line, '\n'), *names = strchr(line, ':'), *at;

		at = names ? strchr(names + 1, ':') : NULL;
		if (at && at < eol) {
			size_t len = (size_t)(at - names - 1), n = (size_t)(eol - at - 1);
			bool ours = controller ? np_list_has(names + 1, len, controller)
					       : len == 0 && line[0] == '0';

			if (ours && n < size) {
				memcpy(path, at + 1, n);
				path[n] = '\0';
				return true;
			}
		}
		line = *eol ? eol + 1 : eol;
	}
	return false;
}
