# SPDX-License-Identifier: MIT
# What a program of cmocka's says, as tests of a suite: renumbered from n on, with the program's name in
# front; a program that broke off (st: its status) has one failure more. The last line is "@ TESTS SO FAR".
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
}
