#!/usr/bin/awk -f
# SPDX-License-Identifier: MIT
# ranks.awk RANKS FILE...: complains of includes that do not go down. A family (topology_*.c with
# topology.h) shares its header; a rank that is used by no file, or missing, is a complaint as well.

function stem(path) { sub(/.*\//, "", path); sub(/\.[ch]$/, "", path); return path }

FILENAME == ARGV[1] {
	if (!/^#/ && NF == 2)
		rank[$1] = $2
	next
}
FNR == 1 {
	me = stem(FILENAME)
	used[me] = 1
	if (!(me in rank))
		print FILENAME ": has no rank in " ARGV[1]
}
/^#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	it = stem(part[2])
	if (it == me || it == "util" || index(me, it "_") == 1)
		next
	if (!(it in rank))
		print FILENAME ":" FNR ": includes " part[2] ", which is no header of lib/src"
	else if (rank[it] >= rank[me] && !(me ~ /^executor/ && it == "worker"))
		print FILENAME ":" FNR ": rank " rank[me] " includes " part[2] " of rank " rank[it]
}
END {
	for (name in rank)
		if (!(name in used))
			print ARGV[1] ": " name " is no file any more"
}
