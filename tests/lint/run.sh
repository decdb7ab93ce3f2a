#!/bin/bash
# SPDX-License-Identifier: MIT
# The rules of CONTRIBUTING.md that a script can check. TAP. O is the output folder, built.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

out=$(realpath "${O:-build}")
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-lint.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
o=$work/out

# none WHAT: passes when the complaints in $o are none
none() {
	[ ! -s "$o" ]
	result "$1" $? "$o"
}

# ---- ranks: a file includes its own header, util.h, and headers of strictly lower rank ----

tests/lint/ranks.awk tests/lint/ranks lib/src/*.[ch] bpf/events.h >"$o" 2>&1
none 'lib/src: includes point to lower ranks'
grep -n '#include "' tools/*.[ch] | grep -Ev '"(tool|promise|bench|hold|child|numa_line|run_[a-z]*|top[a-z_]*)\.h"' >"$o"
grep -ln 'lib/src\|np_' tools/*.[ch] >>"$o"
none 'tools/: public headers only'

# ---- one seam ----

# What an object of the library but the seam's may not ask the C library for. FORTIFY's names too.
calls='syscall|open|open64|openat|openat64|fopen|fopen64|read|pread|pread64|write|pwrite64|close|fclose|fgets|'
calls+='opendir|fdopendir|readdir|readdir64|ioctl|prctl|mmap|mmap64|munmap|mprotect|madvise|mbind|set_mempolicy|'
calls+='get_mempolicy|move_pages|migrate_pages|sched_[gs]etaffinity|sched_setscheduler|sched_getcpu|getcpu|'
calls+='pthread_[gs]etaffinity_np|pthread_create|clock_gettime|nanosleep|usleep|sleep|sysconf|fork|kill|'
calls+='malloc|calloc|realloc|free|posix_memalign|aligned_alloc|strdup'
# What no object may ask for: it prints, ends the process, or takes the user's signals.
manners='printf|vprintf|puts|putchar|fprintf|vfprintf|fputs|fputc|fwrite|perror|dprintf|stdout|stderr|abort|exit|'
manners+='_exit|_Exit|quick_exit|__assert_fail|err|errx|warn|warnx|signal|sigaction|syslog|'
manners+='__(printf|fprintf|vfprintf|vprintf|dprintf)_chk'
: >"$o"
for object in "$out"/obj/lib/src/*.o; do
	[ "$(basename "$object")" != sys.o ] || continue
	nm -u "$object" | awk -v o="${object##*/}" '{ print $2 }' | grep -Ex "(__)?($calls)(_2|_chk)?" |
		# the skeleton, which bpftool writes, allocates its own tables
		{ [ "${object##*/}" = hook.o ] && grep -vEx 'calloc|free' || cat; } |
		sed "s/^/${object##*/}: /" >>"$o"
done
none 'only sys.c asks the kernel'
: >"$o"
for object in "$out"/obj/lib/src/*.o; do
	[ "$(basename "$object")" != report_print.o ] || continue # to its caller's stream
	nm -u "$object" | awk '{ print $2 }' | grep -Ex "$manners" | sed "s/^/${object##*/}: /" >>"$o"
done
none 'the library does not print, abort or exit'
grep -nE '__attribute__ *\(\((constructor|destructor)' lib/src/*.[ch] >"$o"
none 'no constructors'

# ---- headers ----

: >"$o"
for header in lib/include/numaperf.h lib/include/numaperf/*.h; do
	name=${header#lib/include/}
	for cc in gcc clang; do
		echo "#include <$name>" | $cc -x c -std=c99 -pedantic -Wall -Wextra -Werror -Ilib/include \
			-fsyntax-only - >>"$o" 2>&1
		echo "#include <$name>" | $cc -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -Ilib/include \
			-fsyntax-only - >>"$o" 2>&1
	done
done
none 'every public header compiles alone, as C99 and as C++11, with gcc and clang'
: >"$o"
for header in lib/src/*.h; do
	echo "#include \"$header\"" | gcc -x c -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -Ilib/src \
		-Ilib/include -fsyntax-only - >>"$o" 2>&1
done
none 'every internal header compiles alone'
for header in lib/include/numaperf/*.h; do
	grep -q "<numaperf/${header##*/}>" lib/include/numaperf.h || echo "$header"
done >"$o"
none 'numaperf.h includes every module'

# ---- what is exported ----

nm -D --defined-only "$out/lib/libnumaperf.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/so"
sed -n 's/^[ \t]*\(numaperf_[a-z0-9_]*\);.*/\1/p' lib/libnumaperf.map | sort >"$work/map"
cat lib/include/numaperf/*.h | gcc -x c -E -P -Ilib/include '-D__attribute__(x)=' - 2>/dev/null |
	tr '\n' ' ' | tr ';{}' '\n\n\n' | grep -v 'typedef\|static inline' |
	sed -n 's/^[^(]*[ *]\(numaperf_[a-z0-9_]*\)(.*/\1/p; s/^ *extern .*[ *]\(numaperf_[a-z0-9_]*\) *$/\1/p' | sort -u >"$work/headers"
diff "$work/map" "$work/so" >"$o"
none 'the shared library exports what the map lists'
diff "$work/map" "$work/headers" >"$o"
none 'the map lists what the headers declare'
nm -g --defined-only "$out/lib/libnumaperf.a" | awk 'NF == 3 { print $3 }' | sort | diff "$work/map" - >"$o"
none 'the static library shows the same'
readelf -d "$out/lib/libnumaperf.so" | grep -q 'SONAME.*\[libnumaperf\.so\.0\]'
result 'the shared library has its soname' $?

# ---- form ----

find lib/include lib/src tools tests bpf -name '*.[ch]' 2>/dev/null | sort |
	xargs clang-format-14 --dry-run --Werror >"$o" 2>&1
none 'C files are in the format'
find . -path ./build -prune -o -path './build-*' -prune -o -path ./.git -prune -o -type f \
	\( -name '*.[ch]' -o -name '*.sh' -o -name '*.mk' -o -name '*.md' -o -name '*.awk' -o -name '*.py' \) \
	-print0 | xargs -0 grep -nIE '[ 	]+$' >"$o"
none 'no blanks at the ends of lines'
find lib tools tests -name '*.[ch]' -o -name '*.sh' -o -name '*.mk' | grep -v '^lib/examples/\|^tests/vm/selftest/' |
	while read -r f; do
		head -n 2 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f"
	done >"$o"
none 'every source names its licence'
for script in tests/*.sh tests/*/*.sh tests/vm/*/*.sh .ci/run; do
	shell=sh
	head -n 1 "$script" | grep -q bash && shell=bash
	$shell -n "$script" 2>&1
done >"$o"
none 'every script parses'
mandoc -Tlint -W warning lib/man/*.[1-8] >"$o" 2>&1
none 'man pages are well-formed'
find lib tools tests -name '*.c' -size +1k | xargs wc -l | awk '$2 != "total" && $1 > 800' |
	while read -r lines f; do
		case $f in tests/*) continue ;; esac
		head -n 12 "$f" | grep -qi 'why\|one file\|lines' || echo "$f: $lines lines, and its head does not say why"
	done >"$o"
none 'long files say why'

# ---- words ----

awk '/^```/ { code = !code; next } { n += NF } END { if (n > 400) print n " words" }' README.md >"$o"
none 'README.md has at most 400 words'
for f in tests/vm/cases/*.sh; do
	grep -q "^vm/$(basename "$f" .sh)[[:space:]]" tests/manifest || echo "$f is in no row of tests/manifest"
done >"$o"
for d in tests/*/run.sh; do
	d=$(basename "$(dirname "$d")")
	case $d in vm | bench) continue ;; esac
	grep -qE "^$d[[:space:]]" tests/manifest || echo "tests/$d is in no row of tests/manifest"
done >>"$o"
none 'tests/manifest lists every suite and case'
tap_done
