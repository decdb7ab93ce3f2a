# SPDX-License-Identifier: MIT
# Test Anything Protocol for shell suites: sourced, not run. shellcheck shell=sh
tap_n=0
tap_bad=0

ok() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1"
}

not_ok() {
	tap_n=$((tap_n + 1))
	tap_bad=$((tap_bad + 1))
	echo "not ok $tap_n - $1"
}

note() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

skip() { # what, why
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

# result WHAT STATUS [FILE...]: passes when STATUS is 0; else the files are shown
result() {
	tap_what=$1
	tap_status=$2
	shift 2
	if [ "$tap_status" = 0 ]; then
		ok "$tap_what"
		return
	fi
	not_ok "$tap_what"
	for tap_file; do
		[ ! -f "$tap_file" ] || sed 's/^/#   /' "$tap_file" | head -n 40
	done
}

# Ends the suite: the plan, and a status that says whether all passed.
tap_done() {
	echo "1..$tap_n"
	[ "$tap_n" -gt 0 ] && [ "$tap_bad" = 0 ]
}

# page FILE [OPTION...]: a man page as plain text
page() {
	mandoc -Tascii "$@" | sed 's/.\x08//g'
}

# readme_program: README.md's C program
readme_program() {
	awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md
}

# The libraries behind libnumaperf.a, as the build wrote them down: static_libs OUTPUT_FOLDER.
static_libs() { sed -n 's/^Libs.private: //p' "$1/lib/numaperf.pc"; }
