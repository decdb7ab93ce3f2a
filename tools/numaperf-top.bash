# SPDX-License-Identifier: MIT
# Completion for bash: numaperf-top.
_numaperf_top() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	case $prev in
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W "$(ps -eo pid= 2>/dev/null)" -- "$cur"); return ;;
	-c | --cgroup)
		mapfile -t COMPREPLY < <(cd /sys/fs/cgroup 2>/dev/null && compgen -d -- "${cur#/}" | sed 's,^,/,')
		return ;;
	--node)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /sys/devices/system/node 2>/dev/null &&
			ls -d node[0-9]* | sed 's/node//')" -- "$cur")
		return ;;
	--rung) mapfile -t COMPREPLY < <(compgen -W 'fentry tp_btf polling' -- "$cur"); return ;;
	--record | --replay | --html) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	-d | --delay | -n | --count | --at) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W '--pid --cgroup --node --delay --rung --no-stacks --drop-all --batch --json
		--csv --count --openmetrics --record --replay --at --html --ascii --no-color --help --version' -- "$cur")
}
complete -F _numaperf_top numaperf-top
