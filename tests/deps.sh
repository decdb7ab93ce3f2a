#!/bin/sh
# SPDX-License-Identifier: MIT
# The packages that the targets need: `deps.sh need GROUP...` names what is missing and fails;
# `deps.sh install GROUP...` installs it with apt, saying so; `deps.sh list GROUP...` prints names.
# Groups: build (make, make demo), bpf (the programs in the kernel; not with BPF=0), test, vm, bench.
set -eu

here=$(dirname "$0")

# One package a line, its name in Debian and, where it differs, in Fedora.
group() {
	case $1 in
	build) cat <<-'EOF' ;;
		gcc
		libc6-dev glibc-devel
		pkg-config pkgconf
		libnuma-dev numactl-devel
		libjansson-dev jansson-devel
		libncurses-dev ncurses-devel
		libzstd-dev libzstd-devel
		libmicrohttpd-dev libmicrohttpd-devel
		libdw-dev elfutils-devel
		EOF
	bpf) cat <<-'EOF' ;;
		clang
		bpftool
		libbpf-dev libbpf-devel
		libelf-dev elfutils-libelf-devel
		zlib1g-dev zlib-devel
		EOF
	test) cat <<-'EOF' ;;
		libcmocka-dev libcmocka-devel
		clang
		clang-format-14 clang-tools-extra
		libclang-rt-14-dev compiler-rt
		g++ gcc-c++
		binutils
		bzip2
		procps procps-ng
		util-linux
		libcap2-bin libcap
		libseccomp-dev libseccomp-devel
		libhwloc-dev hwloc-devel
		hwloc-nox hwloc
		mandoc
		numactl
		python3
		zstd
		jq
		tmux
		ncurses-term
		aha
		curl
		prometheus golang-github-prometheus
		chromium
		systemd
		systemtap-sdt-dev systemtap-sdt-devel
		relacy-dev
		EOF
	bench) cat <<-'EOF' ;;
		hwloc-nox hwloc
		libhwloc-dev hwloc-devel
		g++ gcc-c++
		clang
		libtbb-dev tbb-devel
		libomp-dev libomp-devel
		libglib2.0-dev glib2-devel
		libuv1-dev libuv-devel
		python3
		EOF
	vm) sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/vm/packages" ;;
	*) echo "deps.sh: no such group: $1" >&2 && exit 2 ;;
	esac
}

names() { # $1: column
	for g in $groups; do group "$g"; done | awk -v c="$1" '{ print (c == 2 && $2 != "") ? $2 : $1 }' |
		sort -u
}

missing() {
	for p in $(names 1); do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"
	done
}

# What the build cannot do without, found by doing: right on any distribution.
need_build() {
	cc=${CC:-gcc}
	bad=''
	probe() { # what, package, program text
		printf '%s\n' "$3" | $cc -x c -fsyntax-only - 2>/dev/null ||
			bad="$bad\n  $1: install $2"
	}
	if ! command -v "$cc" >/dev/null 2>&1; then
		bad="\n  a C compiler ($cc): install gcc"
	else
		probe 'the C library (stdio.h)' 'libc6-dev' '#include <stdio.h>'
		probe 'numaif.h' 'libnuma-dev (Fedora: numactl-devel)' '#include <numaif.h>'
		probe 'jansson.h' 'libjansson-dev (Fedora: jansson-devel)' '#include <jansson.h>'
		probe 'curses.h' 'libncurses-dev (Fedora: ncurses-devel)' '#include <curses.h>'
		probe 'zstd.h' 'libzstd-dev (Fedora: libzstd-devel)' '#include <zstd.h>'
		probe 'microhttpd.h' 'libmicrohttpd-dev (Fedora: libmicrohttpd-devel)' '#include <microhttpd.h>'
		probe 'elfutils/libdwfl.h' 'libdw-dev (Fedora: elfutils-devel)' '#include <elfutils/libdwfl.h>'
	fi
	complain
}

complain() {
	[ -z "$bad" ] && return 0
	printf "numaperf: cannot build, missing:$bad\n" >&2
	printf 'numaperf: `make demo` and `make check` install these themselves (apt).\n' >&2
	return 1
}

# The same for the programs in the kernel: what is missing can be done without (BPF=0).
need_bpf() {
	bad=''
	echo 'int x;' | ${BPF_CLANG:-clang} -target bpf -x c -c -o /dev/null - 2>/dev/null ||
		bad="$bad\n  a compiler for BPF (${BPF_CLANG:-clang} -target bpf): install clang"
	for t in /usr/sbin/bpftool bpftool; do command -v $t >/dev/null && break; done ||
		bad="$bad\n  bpftool: install bpftool"
	for h in bpf/libbpf.h=libbpf-dev libelf.h=libelf-dev zlib.h=zlib1g-dev; do
		echo "#include <${h%=*}>" | ${CC:-gcc} -x c -fsyntax-only - 2>/dev/null ||
			bad="$bad\n  ${h%=*}: install ${h#*=}"
	done
	[ -z "$bad" ] || bad="$bad\n  (or build without: make BPF=0)"
	complain
}

what=$1
shift
groups=$*
case $what in
list) names 1 ;;
need)
	case $groups in
	bpf) need_bpf ;;
	*) need_build ;; # the tests want no more, beyond what fails by its own name
	esac
	;;
install)
	if ! command -v apt-get >/dev/null 2>&1; then
		need_build 2>/dev/null && [ "$groups" = build ] && exit 0
		echo "numaperf: no apt-get here; install these yourself:" >&2
		echo "  dnf install $(names 2 | tr '\n' ' ')" >&2
		exit 1
	fi
	packages=$(missing | tr '\n' ' ')
	[ -z "$packages" ] && exit 0
	sudo=''
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
			echo "numaperf: not root, and no sudo without a password; run this as root:" >&2
			echo "  apt-get install --no-install-recommends $packages" >&2
			exit 1
		fi
		sudo='sudo'
	fi
	echo "numaperf: installing with apt: $packages"
	log=$(mktemp)
	policy=/usr/sbin/policy-rc.d
	mine=''
	trap 'rm -f "$log"; [ -z "$mine" ] || $sudo rm -f "$policy"' EXIT
	# what the tests run they start themselves: no database is left running on this machine
	if [ ! -e "$policy" ]; then
		mine=1
		printf '#!/bin/sh\nexit 101\n' | $sudo sh -c "cat >$policy && chmod 755 $policy"
	fi
	apt() {
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 \
			-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >>"$log" 2>&1 </dev/null
	}
	# the lists may be absent (a fresh image) or old (a package moved on): refresh, once
	apt install --no-install-recommends $packages || {
		apt update && apt install --no-install-recommends $packages
	} || {
		tail -n 30 "$log" >&2
		echo "numaperf: apt-get could not install: $packages" >&2
		exit 1
	}
	;;
*)
	echo "usage: deps.sh need|install|list GROUP..." >&2
	exit 2
	;;
esac
