# SPDX-License-Identifier: MIT
# What effort says (second file) against the record (first): see effort.sh. Variable: kernel.

function result(good, text) {
	print (good ? "ok " : "not ok ") ++n " - effort: " text
	bad += !good
}

# not grown by more than a tenth; small ones may grow by a few
function fits(now, then) { return now * 10 <= then * 11 + 50 }

BEGIN {
	split("instructions as loaded|instructions gone through|states|states at once", what, "|")
}
FNR == 1 { file++ }
file == 1 {
	if ($1 == kernel) {
		known[$2] = $0
		records++
	}
	next
}
/^#/ { print; next }
{
	seen[$1] = 1
	programs[++count] = $1
	line[$1] = $0
	if ($3 > most && $2 ~ /^[0-9]+$/) {
		most = $3
		costliest = $1
	}
}

END {
	if (!records) {
		for (i = 1; i <= count; i++)
			print "ok " i " - effort: " programs[i] " # SKIP no record for kernel " kernel
		print "1.." count
		exit
	}
	for (i = 1; i <= count; i++) {
		name = programs[i]
		split(line[name], now, " ")
		split(known[name], then, " ")
		if (!(name in known)) {
			result(0, name " is recorded")
			continue
		}
		if (now[2] !~ /^[0-9]+$/ || then[3] !~ /^[0-9]+$/) {
			result(now[2] == then[3] && now[2] != "refused", name ": " now[2] ", as recorded")
			if (now[2] != then[3])
				print "#   recorded: " then[3]
			continue
		}
		wrong = ""
		for (k = 2; k <= 5; k++)
			if (!fits(now[k], then[k + 1]))
				wrong = wrong "#   " what[k - 1] ": " now[k] ", recorded " then[k + 1] "\n"
		result(wrong == "", name ": " now[3] " instructions, " now[4] " states")
		printf "%s", wrong
	}
	for (name in known)
		if (!(name in seen))
			result(0, name " is still there")
	result(most > 0 && most < 500000, "the costliest, " costliest ", takes " most " of 1,000,000 instructions")
	print "1.." n
	exit(bad > 0)
}
