#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs what tests/manifest lists and says what became of each row. What is listed and did not run has
# failed, and so has a suite that prints no test, fewer tests than its plan, or ends with a status.
#
#	tests/check.sh all [long] | unit | vm | lint
#
# Suites print TAP. A host row NAME runs tests/NAME/run.sh, NAME/PART runs tests/NAME/PART.sh or, without
# such a file, tests/NAME/run.sh PART; those marked `side` two at once, before the others. All vm/CASE rows
# of one kernel and topology share one boot. The whole of every suite's output is in $O/results; here are
# the failures, the skips and the sums.
set -u

cd "$(dirname "$0")/.." || exit 1
O=${O:-$PWD/build}
MAKE=${MAKE:-make}
export O MAKE
what=${1:-all}
long=${2:-}
[ -z "$long" ] || export NP_LONG=1
results=$O/results
rm -rf "$results"
mkdir -p "$results"
start=$(date +%s)

case $what in
all) pick='.' ;;
unit) pick='^unit(/|$)' ;;
vm) pick='^vm/' ;;
lint) pick='^lint$' ;;
*) sed -n 's/^#\t/usage: /p' "$0" >&2; exit 2 ;;
esac

# rows: suite kernel topology, without comments; those marked `long` only when asked for
rows() {
	awk -v pick="$pick" -v long="$long" '
		{ sub(/#.*/, "") }
		NF == 0 { next }
		$4 == "long" && long == "" { next }
		$1 ~ pick { print $1, $2, $3 }' tests/manifest
}
rows >"$results/rows"
[ -s "$results/rows" ] || { echo "tests/manifest has no row for '$what'" >&2; exit 1; }

# tally FILE STATUS ROWNAME: prints failures and skips; adds "passed failed skipped" to $results/sums
tally() {
	awk -v status="$2" -v name="$3" -v sums="$results/sums" '
		function bad(text) { failed++; print "  not ok: " name ": " text }
		/^ok / {
			n++
			if (toupper($0) ~ /# SKIP/) { skipped++; print "  skipped: " name ": " $0 }
			else passed++
			next
		}
		/^not ok / { n++; failed++; print "  " name ": " $0; show = 12; next }
		/^1\.\.0 # SKIP/ { n = 1; plan = 1; skipped++; print "  skipped: " name ": " $0; next }
		/^1\.\.[0-9]+/ { split($1, p, "[.][.]"); plan = p[2]; show = 0; next }
		/^Bail out!/ { bailed = 1; bad($0); next }
		/^#/ && show > 0 { show--; print "    " $0; next }
		{ show = 0 }
		END {
			if (n == 0 && !failed) bad("no test ran")
			else if (plan == "" && !bailed) bad("no plan: it stopped after " n + 0 " tests")
			else if (!bailed && plan != n) bad("planned " plan " tests, ran " n + 0)
			if (status != 0 && !failed) bad("ended with status " status)
			printf "%-22s %4d passed, %d failed, %d skipped", name, passed, failed, skipped
			print passed + 0, failed + 0, skipped + 0 >>sums
		}' "$1"
}

# suite NAME LIMIT COMMAND...: runs it, at most LIMIT seconds
suite() {
	name=$1
	limit=$2
	shift 2
	file=$results/$(echo "$name" | tr '/ ' '__').tap
	t=$(date +%s)
	st=0
	timeout -k 10 "$limit" "$@" >"$file" 2>"$file.err" </dev/null || st=$?
	[ "$st" != 124 ] || echo "# time is up after $limit s" >>"$file"
	[ "$st" = 0 ] || [ ! -s "$file.err" ] || tail -n 15 "$file.err" | sed "s/^/    $name: /"
	echo "$(tally "$file" "$st" "$name") ($(($(date +%s) - t)) s)"
}

# ---- what the suites need, before any of them ----

log=$results/build.log
if ! $MAKE --no-print-directory "-j$(nproc)" O="$O" WERROR="${WERROR:-0}" all tests >"$log" 2>&1; then
	tail -n 30 "$log"
	echo 'the build failed: no test was run'
	echo '0 passed, 1 failed, 0 skipped'
	exit 1
fi
if grep -q '^vm/' "$results/rows" && ! tests/vm/fetch.sh >"$results/fetch.log" 2>&1; then
	# the rows below fail by themselves, each by its name
	tail -n 10 "$results/fetch.log"
fi

# ---- on this host ----

limit=900
[ -z "$long" ] || limit=3600
hosts() { # FILE: takes the rows that the other has not taken yet
	while read -r row _ _ <&3; do
		mkdir "$results/host.$(echo "$row" | tr / .)" 2>/dev/null || continue
		folder=${row%%/*}
		part=${row#"$folder"}
		part=${part#/}
		if [ -n "$part" ] && [ -f "tests/$folder/$part.sh" ]; then
			suite "$row" "$limit" "tests/$folder/$part.sh"
		else
			suite "$row" "$limit" "tests/$folder/run.sh" ${part:+"$part"}
		fi
	done 3<"$1"
}
grep ' host side$' "$results/rows" >"$results/side" || :
grep ' host ' "$results/rows" | grep -v ' side$' >"$results/alone" || :
hosts "$results/side" &
if [ "$(nproc)" -gt 1 ]; then hosts "$results/side" & fi
wait
hosts "$results/alone"

# ---- in guests ----

# Those with the most cases first. A guest keeps one processor of ours busy, since it runs all of its own in one
# thread: two at once, where there are two.
grep -v ' host ' "$results/rows" | awk '{ n[$2 " " $3]++ } END { for (g in n) print g, n[g] }' |
	sort -k3,3nr -k1,2 >"$results/guests"
lane() { # takes what the other has not taken yet
	while read -r kernel topology _ <&3; do
		mkdir "$results/guest.$kernel.$topology" 2>/dev/null || continue
		cases=$(awk -v k="$kernel" -v t="$topology" '$2 == k && $3 == t { sub(/^vm\//, "", $1); print $1 }' \
			"$results/rows")
		# shellcheck disable=SC2086 # one word a case
		suite "vm $kernel $topology" 2400 \
			tests/vm/run.sh --kernel "$kernel" --topology "$topology" $cases
	done 3<"$results/guests"
}
lane &
if [ "$(nproc)" -gt 1 ]; then lane & fi
wait

# ---- the sum ----

total=$(($(date +%s) - start))
echo "$((total / 60)) min $((total % 60)) s; the suites' own words are in $results"
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' \
	"$results/sums"
