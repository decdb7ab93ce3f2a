#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit tests as one TAP stream: `run.sh` in the default build, `run.sh asan` under the address and
# undefined-behaviour sanitizers, `run.sh tsan` under the thread sanitizer.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-$PWD/build}
MAKE=${MAKE:-make}

wrap=''
case ${1:-} in
'') flags='' out=$O ;;
asan)
	flags='SAN=address,undefined' out=$O/flavour/asan
	;;
tsan)
	flags='SAN=thread' out=$O/flavour/tsan
	# its shadow memory has fixed places that a well-shuffled address space may already use
	setarch -R true 2>/dev/null && wrap='setarch -R'
	;;
*) echo "usage: $0 [asan|tsan]" >&2; exit 2 ;;
esac
if ! $MAKE --no-print-directory "-j$(nproc)" O="$out" ${flags:+"$flags"} tests >"$O/unit-build.log" 2>&1; then
	tail -n 20 "$O/unit-build.log" | sed 's/^/# /'
	echo 'Bail out! the tests do not build'
	exit 1
fi

n=0 bad=0
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
for source in tests/unit/test_*.c; do
	name=$(basename "$source" .c)
	st=0
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 240 $wrap "$out/tests/unit/$name" >"$tmp" 2>&1 </dev/null || st=$?
	# renumbered, with the program's name in front; a program that broke off has one failure more
	awk -v n="$n" -v name="$name" -v st="$st" '
		/^1\.\.[0-9]+/ { split($1, p, "[.][.]"); plan += p[2]; next }
		/^(not )?ok / {
			text = $0
			sub(/^(not )?ok [0-9]* *-? */, "", text)
			# cmocka 1.1 says "not ok N - # SKIP NAME"; why was said by the test before
			good = $1 == "ok" || text ~ /^# SKIP /
			if (text ~ /^# SKIP /)
				text = substr(text, 8) " # SKIP" why
			bad += !good
			why = ""
			print (good ? "ok " : "not ok ") ++n " - " name ": " text
			seen++
			next
		}
		/SKIP [a-z_]*:/ { why = $0; sub(/.*SKIP [a-z_]*:/, "", why) }
		/[^ ]/ && !/^# ok/ && !/^TAP version/ { print "# " $0 }
		END {
			if (seen != plan || !seen || (st && !bad))
				print "not ok " ++n " - " name ": runs to its end\n# status " st \
					(st == 124 ? " (time is up)" : "") ", " seen + 0 " of " plan + 0 " tests"
			print "@ " n
		}' "$tmp" >"$tmp.out"
	n=$(sed -n 's/^@ //p' "$tmp.out")
	grep -v '^@ ' "$tmp.out"
	! grep -q '^not ok' "$tmp.out" || bad=1
	rm -f "$tmp.out"
done
echo "1..$n"
exit $bad
