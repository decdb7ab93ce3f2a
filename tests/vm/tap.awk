# SPDX-License-Identifier: MIT
# From what one guest printed to TAP. Files, in this order: the list of cases, the kernel's console,
# the guest's stream. Exit status 0 only if every case ran to its end and every test passed.
#
# The stream: "@boot", then for each case "@case NAME", its output, "@done COUNT" by the case itself
# as its last act, "@end NAME STATUS" by the guest's init; "@off" at last. The console carries
# "np-case: NAME" marks, so that a splat, which may be the guest's last word, is charged to its case.

function result(good, text) {
	n++
	if (!good)
		bad++
	print (good ? "ok " : "not ok ") n " - " text
}

function detail(text) {
	gsub(/[^[:print:]]/, "?", text)
	print "#   " text
}

function finish_case() {
	if (current == "")
		return
	if (ended == "") {
		result(0, current ": reaches its end")
		detail("the guest stopped inside this case (virtme-run's status " status \
			(status == 124 || status == 137 ? ": time is up" : "") ")")
	} else if (ended == 124) {
		result(0, current ": ends in time")
	} else if (done == "" || ended != 0) {
		result(0, current ": reaches its end")
		detail("status " ended (done == "" ? ", t_done was not reached" : ""))
	} else if (tests == 0) {
		result(0, current ": has tests")
	} else if (done != tests) {
		result(0, current ": every result arrives")
		detail("counted " done ", received " tests)
	}
	splat_result(current)
	finished[current] = 1
	current = ""
}

function splat_result(c,	i, lines, k) {
	result(!(c in splat), c ": no kernel splat")
	if (c in splat) {
		k = split(splat[c], lines, "\n")
		for (i = 1; i < k && i <= 8; i++)
			detail(lines[i])
	}
}

BEGIN { at = "boot"; bad = 0 }
{ sub(/\r$/, "") }

FILENAME == ARGV[1] { cases[++ncases] = $1; next }

FILENAME == ARGV[2] {
	if (match($0, /np-case: [A-Za-z0-9_.-]+/)) {
		at = substr($0, RSTART + 9, RLENGTH - 9)
	} else if (/WARNING:|BUG:|Oops|[Kk]ernel panic|general protection fault|rcu.*(detected|self-detected).*stall|blocked for more than|soft lockup|hard LOCKUP|KASAN|UBSAN|KCSAN|refcount_t:|list_(add|del) corruption|[Uu]nable to handle kernel|suspicious RCU usage|scheduling while atomic/) {
		splat[at] = splat[at] $0 "\n"
	}
	next
}

/^@boot/ { booted = 1; splat_result("boot"); next }
/^@case / { finish_case(); current = $2; ended = done = ""; tests = 0; next }
/^@done / { done = $2; next }
/^@end / { ended = $3; finish_case(); next }
/^@off/ { off = 1; next }
current != "" && /^(not )?ok - / {
	good = /^ok/
	sub(/^(not )?ok - /, "")
	tests++
	result(good, current ": " $0)
	next
}
/[^[:space:]]/ { detail($0) }

END {
	finish_case()
	if (!booted) {
		result(0, name ": the guest boots")
		detail("virtme-run ended with status " status ", twice")
		if ("boot" in splat)
			splat_result("boot")
	}
	for (i = 1; i <= ncases; i++)
		if (!(cases[i] in finished)) {
			result(0, cases[i] ": runs")
			detail("the guest was gone before")
		}
	if (booted && !off) {
		result(0, name ": the guest ends by itself")
		if (at in splat)
			detail(splat[at])
	}
	if (("shutdown" in splat))
		splat_result("shutdown")
	print "1.." n + 0
	exit(bad > 0)
}
