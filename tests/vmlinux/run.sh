#!/bin/sh
# SPDX-License-Identifier: MIT
# The types and hooks that the programs want, against the BTF of this kernel and of the guests'; and whether
# the check sees what is wrong, in copies that are. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
out=$(realpath "${O:-build}")
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-vmlinux.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
o=$work/out

check() { python3 vmlinux/check.py "$@" >"$o" 2>&1; }

# ---- as it is ----

some=''
for kernel in host 6.1 6.12; do
	what="what the programs want is in the BTF of $kernel"
	if [ $kernel = host ]; then
		file=/sys/kernel/btf/vmlinux
		[ -r $file ] || { skip "$what" "there is no $file"; continue; }
	else
		[ -f "$out/vm/$kernel/release" ] || { skip "$what" "no image in $out/vm/$kernel"; continue; }
		file=$out/vm/$kernel/boot/vmlinuz-$(cat "$out/vm/$kernel/release")
	fi
	some=${some:-$file}
	check "$file"
	result "$what" $? "$o"
	note "$(tail -n 1 "$o")"
done

# what the two kernels have each in its own way, by name
for pair in '6.1 page_add_new_anon_rmap folio_add_new_anon_rmap' '6.12 folio_add_new_anon_rmap page_add_new_anon_rmap' \
	'6.12 rmap_walk_arg memdesc_flags_t' '6.1 page.flags affinity_context'; do
	# shellcheck disable=SC2086 # three words
	set -- $pair
	what="$1 has $2 and not $3"
	[ -f "$out/vm/$1/release" ] || { skip "$what" "no image in $out/vm/$1"; continue; }
	check -v "$out/vm/$1/boot/vmlinuz-$(cat "$out/vm/$1/release")"
	grep -Eq "^ok +(fentry/)?$2 " "$o" && grep -Eq "^absent +(fentry/)?$3 " "$o"
	result "$what" $? "$o"
done

# ---- copies with one thing wrong ----

# wrong WHAT STATUS EXPRESSION FILES SED-COMMAND: it must end with STATUS and say so
wrong() {
	what="seen: $1"
	[ -n "$some" ] || { skip "$what" 'no kernel to hold it against'; return; }
	rm -rf "$work/tree"
	mkdir -p "$work/tree/lib/src"
	cp -r bpf vmlinux "$work/tree/"
	cp lib/src/hook_ladder.[ch] "$work/tree/lib/src/"
	for f in $4; do
		sed -i "$5" "$work/tree/$f"
		! cmp -s "$work/tree/$f" "$f" || { not_ok "$what"; note "the copy of $f is as it was"; return; }
	done
	check --root "$work/tree" "$some"
	st=$?
	[ $st = "$2" ] && grep -Eq -- "$3" "$o"
	result "$what" $? "$o"
}

h=vmlinux/vmlinux.h
wrong 'a field of another name' 1 'WRONG +task_struct.cpus_mask_ptr_ +is not there' $h 's/cpumask_t cpus_mask;/cpumask_t cpus_mask_ptr_;/'
wrong 'a field inside a struct of another name' 1 'WRONG +atomic_t.count +is not there' $h 's/int counter;/int count;/'
wrong 'a type that is not there' 1 'WRONG +np_no_such +is not there' $h 's/^struct css_set {/struct np_no_such {\n\tint x;\n};\n&/'
wrong 'an integer of another size' 1 'WRONG +task_struct.on_rq +is read as integer of 8' $h 's/int on_rq;/long long on_rq;/'
wrong 'a pointer to something else' 1 'WRONG +vm_area_struct.vm_mm +.*struct file \*' $h 's/struct mm_struct \*vm_mm;/struct file *vm_mm;/'
wrong 'a struct that is a pointer' 1 'WRONG +pid.numbers +' $h 's/struct upid numbers\[1\];/struct upid *numbers;/'
wrong 'an array of another length' 1 'WRONG +task_struct.comm +.*\[32\]' $h 's/char comm\[16\]/char comm[32]/'
wrong 'a constant of another value' 1 'WRONG +migrate_reason.MR_DEMOTION +is 9, and 8 there' $h 's/^\tMR_DEMOTION,/\tMR_DEMOTION = 9,/'
wrong 'a constant that is not there' 1 'WRONG +scan_result.SCAN_GOOD +is not there' $h 's/SCAN_SUCCEED/SCAN_GOOD/'
wrong 'a constant of bpf(2) of another value' 1 'WRONG +BPF_F_MMAPABLE +is 2048' $h 's/BPF_F_MMAPABLE = 1024/BPF_F_MMAPABLE = 2048/'
wrong 'two alternatives, and neither' 1 'WRONG +folio._folio_nr_pages or folio___615._nr_pages +none' $h 's/\(_nr_page\)s;/\1z;/'

ladder=lib/src/hook_ladder.c
wrong 'a function that is not there' 1 'WRONG +fentry/task_numa_flaw +is not there' "$ladder bpf/fault.bpf.c" 's|fentry/task_numa_fault|fentry/task_numa_flaw|'
wrong 'a tracepoint that is not there' 1 'WRONG +tp_btf/sched_swift +is not there' "$ladder bpf/sched.bpf.c" 's|tp_btf/sched_switch|tp_btf/sched_swift|'
wrong 'a ladder and a program that disagree' 2 'np_sched_switch hangs on' $ladder 's|tp_btf/sched_switch|tp_btf/sched_swift|'
wrong 'a program that the ladder does not know' 2 'np_sched_swish is not in hook_ladder.c' bpf/sched.bpf.c 's/np_sched_switch/np_sched_swish/'
wrong 'a program that no source has' 2 'np_sched_switch is in no file of bpf/' bpf/sched.bpf.c 's/BPF_PROG(np_sched_switch/BPF_PROC(np_sched_switch/'
wrong 'an argument too many for a tracepoint' 1 'WRONG +np_sched_migrate_task +takes 3 arguments, and .* has 2' bpf/sched.bpf.c 's/np_sched_migrate_task, struct task_struct \*task, int to/&, int more/'
wrong 'an argument too many for a function' 1 'WRONG +np_numa_fault +takes 5 arguments, and .* has 4' bpf/fault.bpf.c 's/int last_cpupid, int node, int pages, int flags/&, int more/'
wrong 'and behind a result' 1 'WRONG +np_numa_balancing +takes 7 arguments, and .* has 6' bpf/settings.bpf.c 's/__u64 \*offset, int ret/&, int more/'
wrong 'an argument of another kind' 1 'WRONG +np_numa_fault +takes as argument 2 struct mm_struct' bpf/fault.bpf.c 's/int last_cpupid, int node,/int last_cpupid, struct mm_struct *node,/'
wrong 'an argument of another size' 1 'WRONG +np_pte_arrives +takes as argument 1 int' bpf/migrate.bpf.c 's/np_pte_arrives, unsigned long address/np_pte_arrives, int address/'
wrong 'a pointer to another struct' 1 'WRONG +np_sched_move_numa +takes as argument 1 struct file' bpf/sched.bpf.c 's/np_sched_move_numa, struct task_struct/np_sched_move_numa, struct file/'
wrong 'a variation of nothing' 1 'WRONG +no_such +is in vmlinux/variations, and nowhere else' vmlinux/variations '$a absent no_such'
wrong 'a variation of a field that nobody reads' 1 'WRONG +page.flops +is in vmlinux/variations' vmlinux/variations '$a absent page.flops'
wrong 'a line of variations that is none' 2 'variations: perhaps' vmlinux/variations '$a perhaps page.flags'

# ---- what is no kernel ----

head -c 100000 /dev/zero >"$work/zero"
check "$work/zero"
[ $? = 2 ] && grep -q 'neither BTF nor a kernel' "$o"
result 'a file that is no kernel: status 2' $? "$o"
check "$work/nowhere"
[ $? = 2 ]
result 'a file that is not there: status 2' $? "$o"
cp "$out/obj/bpf/maps.bpf.o" "$work/small"
check "$work/small"
[ $? = 1 ] && grep -q 'WRONG .*task_struct .*is not there' "$o"
result 'an ELF file with BTF, which is not a kernel'"'"'s: all is wrong' $? "$o"
tap_done
