# SPDX-License-Identifier: MIT
# Holds what witness_watch said of provocations against what was to be seen. Files, in this order:
# expectations, what it said. Variables: rung; away, the node that pages go to; most. A line of expectations:
#
#	PROVOCATION RUNGS KEY=VALUE...		RUNGS: "all", or some of fentry,tp_btf,polling
#
# VALUE is a word; @KEY in it what was said of another key; A|B either; "~@KEY" within one per cent of it, and with
# "+others" behind it up to `most` less: what a count of the whole guest has of its other processes; ">N" more;
# "TEXT*" begins so; "*TEXT" has it in it. Several lines add up. A kind of violation that is not mentioned must not have been told of. One
# test a provocation that was done; one more that all were, which `all` names.

function bad(text) { wrong = wrong "\n#   " text }

function number(text) { return text ~ /^-?[0-9]+$/ }

function resolve(value,	key) {
	while (match(value, /@[A-Za-z0-9_.-]+/)) {
		key = substr(value, RSTART + 1, RLENGTH - 1)
		value = substr(value, 1, RSTART - 1) (key in said ? said[key] : "nothing") substr(value, RSTART + RLENGTH)
	}
	return value
}

function holds(got, want,	i, n, part, v, d, theirs) {
	if (want ~ /^>/)
		return number(got) && got + 0 > substr(want, 2) + 0
	if (want ~ /^~/) {
		theirs = sub(/[+]others$/, "", want)
		v = resolve(substr(want, 2))
		d = got - v
		if (theirs && d < 0 && d >= -most)
			return 1
		return number(got) && number(v) && v + 0 > 0 && (d < 0 ? -d : d) * 100 <= v + 0
	}
	if (want ~ /^[*]/)
		return index(got, resolve(substr(want, 2))) > 0
	if (want ~ /[*]$/)
		return index(got, substr(want, 1, length(want) - 1)) == 1
	n = split(want, part, "|")
	for (i = 1; i <= n; i++)
		if (got == resolve(part[i]))
			return 1
	return 0
}

function check(name,	i, n, w, k, key, want, got, line) {
	wrong = ""
	split("cpu affinity page balancing hotplug", kinds, " ")
	for (k in kinds)
		expected[kinds[k] "_count"] = 0
	expected["listed"] = "@told_count"
	expected["flush"] = 0
	for (line = 1; line <= lines; line++) {
		n = split(want_of[line], w, " ")
		if (w[1] != name || (w[2] != "all" && index("," w[2] ",", "," rung ",") == 0))
			continue
		known[name] = 1
		for (i = 3; i <= n; i++) {
			k = index(w[i], "=")
			expected[substr(w[i], 1, k - 1)] = substr(w[i], k + 1)
		}
	}
	if (!(name in known))
		bad("nothing is expected of it")
	for (key in expected) {
		want = expected[key]
		got = key in said ? said[key] : "nothing"
		if (!holds(got, want))
			bad(key "=" got ", not " want (want ~ /@/ ? " (" resolve(want) ")" : ""))
	}
	print (wrong == "" ? "ok" : "not ok") " - " rung ": " name wrong
	if (wrong != "")
		printf "%s", messages
	delete expected
}

FNR == 1 { file++ }
file == 1 {
	sub(/#.*/, "")
	gsub(/\$away/, away)
	if (NF)
		want_of[++lines] = $0
	next
}
/^(message|reason\..*)=/ { messages = messages "#   " $0 "\n"; next }
/^died=/ { died = $0 }
{
	i = index($0, "=")
	if (i && !/^end=/)
		said[substr($0, 1, i - 1)] = substr($0, i + 1)
}
/^end=all/ { whole = 1; next }
/^end=/ {
	ended[substr($0, 5)] = 1
	check(substr($0, 5))
	split("", said)
	messages = ""
}

END {
	n = split(all, name, " ")
	for (i = 1; i <= n; i++)
		if (!(name[i] in ended))
			missing = missing " " name[i]
	print (whole && missing == "" && !died ? "ok" : "not ok") " - " rung ": all of it was done"
	if (missing != "" || died)
		print "#   missing:" missing "; " died
}
