/* SPDX-License-Identifier: MIT */
#include "top_symbol.h"
#include "top_clean.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* C++'s names are C++'s business: __cxa_demangle() of the library that every machine with C++
 * programs has. Without it they are shown as they are. */
static char *demangle(const char *name)
{
	static char *(*call)(const char *, char *, size_t *, int *);
	static bool tried;
	int status;

	if (!tried) {
		void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);

		tried = true;
		if (library)
			*(void **)&call = dlsym(library, "__cxa_demangle");
	}
	return call && !strncmp(name, "_Z", 2) ? call(name, NULL, NULL, &status) : NULL;
}

enum {
	PROCESSES = 64, /* whose modules are kept at once */
	READS = 4, /* of a process's maps, at most: code may be made at run time, without end */
};

struct range {
	uint64_t start, end;
};

struct process {
	int pid;
	uint64_t life;
	Dwfl *dwfl;
	struct range *code; /* what may be executed, ascending */
	size_t codes;
	unsigned int reads, used; /* how often its maps were read; when it was asked for last */
};

struct top_symbols {
	struct process process[PROCESSES];
	unsigned int now;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
};

struct top_symbols *top_symbols_new(void)
{
	return calloc(1, sizeof(struct top_symbols));
}

static void drop(struct process *p)
{
	if (p->dwfl)
		dwfl_end(p->dwfl);
	free(p->code);
	memset(p, 0, sizeof(*p));
}

void top_symbols_free(struct top_symbols *s)
{
	for (int i = 0; s && i < PROCESSES; i++)
		drop(&s->process[i]);
	free(s);
}

/* proc_pid_maps(5): "start-end perms ...". */
static void read_code(struct process *p)
{
	char path[32], *line = NULL;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	f = fopen(path, "re");
	if (!f)
		return; /* what is known stays */
	p->codes = 0;
	while (getline(&line, &room, f) > 0) {
		struct range r;
		char execute;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%*c%c", &r.start, &r.end,
			   &execute) != 3 ||
		    execute != 'x')
			continue;
		if (!(p->codes & (p->codes - 1))) {
			size_t more = p->codes ? 2 * p->codes : 1;
			struct range *code = reallocarray(p->code, more, sizeof(*code));

			if (!code)
				break;
			p->code = code;
		}
		p->code[p->codes++] = r;
	}
	free(line);
	fclose(f);
}

static bool in_code(const struct process *p, uint64_t address)
{
	for (size_t i = 0; i < p->codes; i++)
		if (address >= p->code[i].start && address < p->code[i].end)
			return true;
	return false;
}

static bool read_maps(struct process *p)
{
	p->reads++;
	read_code(p);
	if (!p->dwfl)
		p->dwfl = dwfl_begin(&callbacks);
	if (!p->dwfl)
		return false;
	dwfl_report_begin(p->dwfl);
	if (dwfl_linux_proc_report(p->dwfl, p->pid)) {
		dwfl_report_end(p->dwfl, NULL, NULL);
		return false;
	}
	return !dwfl_report_end(p->dwfl, NULL, NULL);
}

/* Its own place, a free one, or that of who was not asked for longest. */
static struct process *process_of(struct top_symbols *s, int pid, uint64_t life)
{
	struct process *p = NULL;

	for (int i = 0; i < PROCESSES; i++) {
		struct process *at = &s->process[i];

		if (at->pid == pid && at->life == life) {
			at->used = ++s->now;
			return at;
		}
		if (!p || (p->pid && (!at->pid || at->used < p->used)))
			p = at;
	}
	drop(p);
	p->pid = pid;
	p->life = life;
	p->used = ++s->now;
	read_maps(p);
	return p;
}

static const char *base_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "";
}

/* The last module is the answer to whatever lies behind it: only what it holds counts. */
static Dwfl_Module *module_of(const struct process *p, uint64_t address)
{
	Dwfl_Module *module = p->dwfl ? dwfl_addrmodule(p->dwfl, address) : NULL;
	Dwarf_Addr start = 0, end = 0;

	if (module)
		dwfl_module_info(module, NULL, &start, &end, NULL, NULL, NULL, NULL);
	return address >= start && address < end ? module : NULL;
}

bool top_symbol_is_code(struct top_symbols *s, int pid, uint64_t life, uint64_t address)
{
	struct process *p = process_of(s, pid, life);

	/* a library that was loaded since, or code that was made */
	while (p->codes && !in_code(p, address) && p->reads < READS)
		if (!read_maps(p))
			break;
	return !p->codes || in_code(p, address);
}

char *top_symbol(struct top_symbols *s, int pid, uint64_t life, uint64_t address, bool caller)
{
	struct process *p = process_of(s, pid, life);
	Dwfl_Module *module = module_of(p, address);
	const char *file, *name;
	char *text = NULL, *plain;
	GElf_Off offset = 0;
	GElf_Sym symbol;
	int n;

	if (!module && p->reads < READS && read_maps(p))
		module = module_of(p, address);
	if (!module) {
		n = asprintf(&text, "%#" PRIx64, address);
		return n < 0 ? NULL : text;
	}
	file = base_of(dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
	name = dwfl_module_addrinfo(module, address - caller, &offset, &symbol, NULL, NULL,
				    NULL);
	plain = name ? demangle(name) : NULL;
	if (name)
		n = asprintf(&text, "%s+%#" PRIx64 " (%s)", plain ? plain : name,
			     (uint64_t)offset + caller, file);
	else
		n = asprintf(&text, "%#" PRIx64 " (%s)", address, file);
	free(plain);
	return n < 0 ? NULL : top_clean(text);
}
