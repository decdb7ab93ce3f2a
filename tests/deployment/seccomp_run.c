/* SPDX-License-Identifier: MIT */
/*
 * seccomp_run PROFILE.json CAP,CAP,... USER -- COMMAND...
 *
 * Runs a command as a container's runtime would: the profile's rules that hold for exactly
 * these capabilities, the same capabilities as bounding set, then the user. What Docker and
 * Podman do with their default profiles, without either.
 */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

/* By number: linux/capability.h. */
static const char *const cap_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};
enum {
	CAPS = sizeof(cap_names) / sizeof(cap_names[0])
};

static bool granted[CAPS];

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("seccomp_run: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(125);
}

static int cap_number(const char *name)
{
	if (!strncasecmp(name, "CAP_", 4))
		name += 4;
	for (int i = 0; i < CAPS; i++)
		if (!strcasecmp(name, cap_names[i]))
			return i;
	return -1;
}

static void read_caps(char *list)
{
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		int cap = cap_number(name);

		if (cap < 0)
			die("no capability is called %s", name);
		granted[cap] = true;
	}
}

/* The names that Docker's profiles use are Go's. */
static bool this_machine(const char *arch)
{
#if defined(__x86_64__)
	return !strcmp(arch, "amd64");
#elif defined(__aarch64__)
	return !strcmp(arch, "arm64");
#else
# error "name this architecture as Go does"
#endif
}

static bool kernel_at_least(const char *version)
{
	int want[2] = { 0 }, have[2] = { 0 };
	struct utsname uts;

	uname(&uts);
	if (sscanf(version, "%d.%d", &want[0], &want[1]) != 2 ||
	    sscanf(uts.release, "%d.%d", &have[0], &have[1]) != 2)
		die("cannot compare kernel versions %s and %s", version, uts.release);
	return have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
}

static bool any_arch(json_t *arches)
{
	json_t *arch;
	size_t i;

	json_array_foreach(arches, i,
			   arch) if (this_machine(json_string_value(arch))) return true;
	return false;
}

/* Of "includes" all must hold, of "excludes" none: as the runtimes read them. */
static bool applies(json_t *rule)
{
	json_t *in = json_object_get(rule, "includes"), *ex = json_object_get(rule, "excludes");
	json_t *cap, *arches = json_object_get(in, "arches");
	const char *kernel = json_string_value(json_object_get(in, "minKernel"));
	size_t i;

	if (json_array_size(arches) && !any_arch(arches))
		return false;
	if (kernel && !kernel_at_least(kernel))
		return false;
	json_array_foreach(json_object_get(in, "caps"), i, cap)
	{
		int n = cap_number(json_string_value(cap));

		if (n < 0 || !granted[n])
			return false;
	}
	json_array_foreach(json_object_get(ex, "caps"), i, cap)
	{
		int n = cap_number(json_string_value(cap));

		if (n >= 0 && granted[n])
			return false;
	}
	return !any_arch(json_object_get(ex, "arches"));
}

static uint32_t action(const char *name, json_t *error)
{
	if (name && !strcmp(name, "SCMP_ACT_ALLOW"))
		return SCMP_ACT_ALLOW;
	if (name && !strcmp(name, "SCMP_ACT_ERRNO"))
		return SCMP_ACT_ERRNO((uint32_t)(error ? json_integer_value(error) : EPERM));
	die("no such action: %s", name ? name : "none");
}

static struct scmp_arg_cmp condition(json_t *arg)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} ops[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};
	const char *op = json_string_value(json_object_get(arg, "op"));

	for (size_t i = 0; op && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(op, ops[i].name))
			return (struct scmp_arg_cmp){
				.arg = (unsigned int)json_integer_value(
					json_object_get(arg, "index")),
				.op = ops[i].op,
				.datum_a = (scmp_datum_t)json_integer_value(
					json_object_get(arg, "value")),
				.datum_b = (scmp_datum_t)json_integer_value(
					json_object_get(arg, "valueTwo")),
			};
	die("no such comparison: %s", op ? op : "none");
}

static void add_rule(scmp_filter_ctx ctx, json_t *rule, uint32_t by_default)
{
	uint32_t act = action(json_string_value(json_object_get(rule, "action")),
			      json_object_get(rule, "errnoRet"));
	json_t *args = json_object_get(rule, "args"), *name;
	struct scmp_arg_cmp cmp[6];
	unsigned int n = 0;
	size_t i;

	if (act == by_default) /* libseccomp refuses what says nothing */
		return;
	if (json_array_size(args) > 6)
		die("a rule with more than six conditions");
	for (; n < json_array_size(args); n++)
		cmp[n] = condition(json_array_get(args, n));
	json_array_foreach(json_object_get(rule, "names"), i, name)
	{
		int nr = seccomp_syscall_resolve_name(json_string_value(name)), err;

		if (nr == __NR_SCMP_ERROR) /* newer than this libseccomp: refused by default */
			continue;
		err = seccomp_rule_add_array(ctx, act, nr, n, cmp);
		if (err)
			die("%s: %s", json_string_value(name), strerror(-err));
	}
}

static void load_filter(const char *path)
{
	json_error_t error;
	json_t *profile = json_load_file(path, 0, &error), *rule;
	scmp_filter_ctx ctx;
	uint32_t by_default;
	size_t i;
	int err;

	if (!profile)
		die("%s: %s", path, error.text);
	by_default = action(json_string_value(json_object_get(profile, "defaultAction")),
			    json_object_get(profile, "defaultErrnoRet"));
	ctx = seccomp_init(by_default);
	if (!ctx)
		die("seccomp_init failed");
	/* Docker leaves no_new_privs off unless it is asked for */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (err)
		die("no_new_privs: %s", strerror(-err));
	json_array_foreach(json_object_get(profile, "syscalls"), i, rule) if (applies(rule))
		add_rule(ctx, rule, by_default);
	err = seccomp_load(ctx);
	if (err)
		die("loading the filter: %s", strerror(-err));
	seccomp_release(ctx);
	json_decref(profile);
}

int main(int argc, char **argv)
{
	unsigned int user;

	if (argc < 6 || strcmp(argv[4], "--") != 0)
		die("usage: seccomp_run PROFILE.json CAP,CAP,... USER -- COMMAND...");
	read_caps(argv[2]);
	user = (unsigned int)strtoul(argv[3], NULL, 10);

	for (int cap = 0; cap < CAPS; cap++)
		if (!granted[cap] && prctl(PR_CAPBSET_READ, cap) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap))
			die("dropping CAP_%s: %s", cap_names[cap], strerror(errno));
	if (user && (setgroups(0, NULL) || setresgid(user, user, user)))
		die("becoming group %u: %s", user, strerror(errno));
	/* the filter first, while this process may install it; uid 0 gets at execve() no more
	   than the bounding set, any other user nothing */
	load_filter(argv[1]);
	if (user && setresuid(user, user, user))
		die("becoming user %u: %s", user, strerror(errno));
	execvp(argv[5], argv + 5);
	die("%s: %s", argv[5], strerror(errno));
}
