#!/bin/sh
# SPDX-License-Identifier: MIT
# Does the runner see what it must? tests/check.sh in a small tree of its own, with suites that pass and
# suites that fail each in its own way. TAP.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tools/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-runner.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
o=$work/out

mkdir -p "$work/tree/tests/vm"
cp "$here/check.sh" "$work/tree/tests/"
printf 'all tests:\n\t@:\nbroken:\n\tfalse\n' >"$work/tree/Makefile"
printf '#!/bin/sh\nexit 0\n' >"$work/tree/tests/vm/fetch.sh"
chmod +x "$work/tree/tests/vm/fetch.sh"

suite() { # NAME, then its script on stdin
	mkdir -p "$work/tree/tests/$1"
	{ echo '#!/bin/sh'; cat; } >"$work/tree/tests/$1/run.sh"
	chmod +x "$work/tree/tests/$1/run.sh"
}

# expect WHAT STATUS LAST-LINE [EXPRESSION]: with the rows in $rows
expect() {
	printf '%b' "$rows" >"$work/tree/tests/manifest"
	st=0
	O=$work/tree/build MAKE=${MAKE:-make} "$work/tree/tests/check.sh" ${words:-all} >"$o" 2>&1 </dev/null || st=$?
	[ "$st" = "$2" ] && [ "$(tail -n 1 "$o")" = "$3" ] && grep -Eq -- "${4:-.}" "$o"
	result "$1" $? "$o"
}

suite good <<'END'
echo 'ok 1 - a'; echo 'ok 2 - b'; echo 1..2
END
suite part <<'END'
echo "ok 1 - part ${1:-none}"; echo 1..1
END
suite skips <<'END'
echo 'ok 1 - a # SKIP no such device'; echo 'ok 2 - b'; echo 1..2
END
suite away <<'END'
echo '1..0 # SKIP not for this machine'
END
suite bad <<'END'
echo 'ok 1 - a'; echo 'not ok 2 - b'; echo '# because'; echo 1..2; exit 1
END
suite silent <<'END'
exit 0
END
suite short <<'END'
echo 'ok 1 - a'; echo 1..2
END
suite planless <<'END'
echo 'ok 1 - a'
END
suite status <<'END'
echo 'ok 1 - a'; echo 1..1; exit 3
END
suite bails <<'END'
echo 'Bail out! nothing works'; exit 1
END

rows='good host -\n# a comment\n\npart host - # another\n'
expect 'what passes passes, and is counted' 0 '3 passed, 0 failed, 0 skipped'
rows='part/two host -\n'
expect 'a part is passed on' 0 '1 passed, 0 failed, 0 skipped'
rows='good host side\npart host side\nbad host side\npart/two host -\n'
expect 'those at the side run as well, each once' 1 '5 passed, 1 failed, 0 skipped' 'bad: not ok 2 - b'
rows='good host anyhow\n'
expect 'and what is marked otherwise' 0 '2 passed, 0 failed, 0 skipped'
rows='good host -\npart host - long\n'
expect 'long rows wait for check-long' 0 '2 passed, 0 failed, 0 skipped'
words='all long' expect 'and run in it' 0 '3 passed, 0 failed, 0 skipped'
rows='skips host -\n'
expect 'a skip is counted and named' 0 '1 passed, 0 failed, 1 skipped' 'skipped: skips: .*no such device'
rows='away host -\n'
expect 'a suite that skips itself, too' 0 '0 passed, 0 failed, 1 skipped' 'skipped: away: .*not for this machine'
rows='good host -\nbad host -\n'
expect 'a failure fails, and is shown' 1 '3 passed, 1 failed, 0 skipped' 'bad: not ok 2 - b'
expect 'with its words' 1 '3 passed, 1 failed, 0 skipped' '# because'
for one in silent planless bails; do
	rows="good host -\n$one host -\n"
	p=2
	[ $one != planless ] || p=3
	expect "a suite that is $one fails" 1 "$p passed, 1 failed, 0 skipped" "not ok: $one: "
done
rows='short host -\n'
expect 'fewer tests than planned fails' 1 '1 passed, 1 failed, 0 skipped' 'planned 2 tests, ran 1'
rows='status host -\n'
expect 'a status fails' 1 '1 passed, 1 failed, 0 skipped' 'ended with status 3'
rows='nowhere host -\n'
expect 'a row without a suite fails' 1 '0 passed, 1 failed, 0 skipped' 'nowhere: no test ran'
rows='vm/x 6.1 1\nvm/y 6.1 1\nvm/x 6.12 1\n'
printf '#!/bin/sh\necho "ok 1 - $*"; echo 1..1\n' >"$work/tree/tests/vm/run.sh"
chmod +x "$work/tree/tests/vm/run.sh"
expect 'one boot a kernel and topology' 0 '2 passed, 0 failed, 0 skipped'
grep -qx 'ok 1 - --kernel 6.1 --topology 1 x y' "$work/tree/build/results/vm_6.1_1.tap"
result 'with all its cases' $? "$o"
printf 'all tests:\n\tfalse\n' >"$work/tree/Makefile"
rows='good host -\n'
expect 'what does not build fails' 1 '0 passed, 1 failed, 0 skipped' 'no test was run'
tap_done
