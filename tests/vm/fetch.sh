#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches what boots the guests into $O/vm: Debian's kernels 6.1 and 6.12 and virtme-ng. Nothing is
# installed, and neither /boot nor apt's own sources and lists are touched: apt works on a private
# sources list and private state, with the system's Debian keyring, so signatures are checked.
#
#	tests/vm/fetch.sh [--dir DIR]		DIR: ${O:-build}/vm
#
# Each part is unpacked beside its place and renamed into it when complete; what is there is complete
# and is not fetched again, so a second run needs no network.
set -eu
umask 022

O=${O:-build}
dir=$O/vm
while [ $# -gt 0 ]; do
	case $1 in
	--dir) dir=${2:?--dir needs a folder}; shift 2 ;;
	*) echo "usage: fetch.sh [--dir DIR]" >&2; exit 2 ;;
	esac
done

# A mirror nearer by may be named; the signatures are checked all the same.
mirror=${NP_DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The modules a guest may ask for; everything else of a kernel's 400 MiB is dropped. 9p is the root
# file system.
modules='9p 9pnet_virtio virtio_pci overlay'

# what		suite			package
parts='
6.1		bookworm		linux-image-amd64
6.12		bookworm-backports	linux-image-amd64
virtme-ng	trixie			virtme-ng
'

say() { echo "fetch: $*"; }
die() { echo "fetch: $*" >&2; exit 1; }

have() { [ -f "$dir/$1/.complete" ]; }

all_here() {
	for p in 6.1 6.12 virtme-ng; do have "$p" || return 1; done
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
all_here && exit 0

# Two runs at once would pull the folder from under each other.
exec 9>"$dir/.lock"
flock 9
all_here && exit 0

for tool in apt-get apt-cache dpkg-deb depmod modprobe; do
	command -v $tool >/dev/null || PATH=$PATH:/usr/sbin:/sbin
	command -v $tool >/dev/null || die "$tool is missing: the kernels come as Debian packages"
done
[ -r $keyring ] || die "$keyring is missing: install debian-archive-keyring"

apt=$dir/.apt
rm -rf "$dir"/.new.*
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/deb"
for suite in bookworm bookworm-backports trixie; do
	echo "deb [arch=amd64 signed-by=$keyring] $mirror $suite main"
done >"$apt/sources.list"
: >"$apt/status"

# The user's configuration is still read (proxies are set there); only where apt keeps things is ours.
# The sandbox user could not write to a folder below someone's home.
q() {
	tool=$1
	shift
	$tool -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" \
		-o Dir::Cache="$apt" -o APT::Architecture=amd64 -o APT::Architectures::=amd64 \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 \
		-o APT::Get::AllowUnauthenticated=false "$@" </dev/null
}

lists_fresh=''
update() {
	[ -z "$lists_fresh" ] || return 0
	say "reading the package lists of $mirror"
	q apt-get update || die "apt-get update failed for $mirror"
	lists_fresh=1
}

# A version may leave the archive between the lists and the download: once with the old lists, then
# with new ones.
download() { # suite, package: leaves one .deb in $apt/deb
	rm -f "$apt"/deb/*.deb
	(cd "$apt/deb" && q apt-get download "$2/$1")
}

# linux-image-amd64 is empty and depends on the kernel of the day.
resolve() { # suite, package
	case $2 in
	linux-image-amd64)
		q apt-cache show "$2" | awk -v suite="$1" '
			/^Version:/ { v = $2 }
			/^Depends:/ {
				bpo = v ~ /~bpo12/
				if ((suite ~ /backports/) == bpo && v ~ (suite == "trixie" ? "^6\\.12" : bpo ? "^6\\.12" : "^6\\.1\\."))
					print $2
			}' | head -n 1
		;;
	*) echo "$2" ;;
	esac
}

unpack_kernel() { # what, folder with the package unpacked
	set -- "$1" "$2" "$(ls "$2/lib/modules" 2>/dev/null || ls "$2/usr/lib/modules")"
	[ -f "$2/boot/vmlinuz-$3" ] || die "$1: no boot/vmlinuz-$3 in the package"
	# trixie's packages hold usr/lib/modules
	[ -d "$2/lib/modules" ] || { mkdir -p "$2/lib" && mv "$2/usr/lib/modules" "$2/lib/"; }
	depmod -b "$2" "$3"
	mkdir "$2/keep"
	for m in $modules; do
		# -C: the host's own blacklists and options are none of a guest's business
		modprobe -C /dev/null -d "$2" -S "$3" --show-depends "$m" || [ "$m" != 9p ] ||
			die "$1: no module 9p in the package"
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r ko; do
		rel=${ko#"$2"/}
		mkdir -p "$2/keep/${rel%/*}"
		cp "$ko" "$2/keep/$rel"
	done
	cp "$2/lib/modules/$3"/modules.order "$2/lib/modules/$3"/modules.builtin* "$2/keep/lib/modules/$3/"
	mkdir "$2/keep/boot"
	cp "$2/boot/vmlinuz-$3" "$2/boot/config-$3" "$2/keep/boot/"
	echo "$3" >"$2/keep/release"
	depmod -b "$2/keep" "$3"
	find "$2" -mindepth 1 -maxdepth 1 ! -name keep -exec rm -rf {} +
	mv "$2/keep"/* "$2/"
	rmdir "$2/keep"
}

echo "$parts" | while read -r what suite package; do
	[ -n "$what" ] || continue
	have "$what" && continue
	update
	real=$(resolve "$suite" "$package")
	[ -n "$real" ] || die "$what: $mirror $suite has no $package"
	say "$what: $real ($suite)"
	case $package in
	# the suite is in the name's version already, and a release there may carry a suite's old name
	linux-image-amd64) rm -f "$apt"/deb/*.deb; (cd "$apt/deb" && q apt-get download "$real") ;;
	*) download "$suite" "$real" ;;
	esac || die "$what: could not download $real from $mirror"
	new=$dir/.new.$what
	rm -rf "$new"
	mkdir "$new"
	dpkg-deb -x "$apt"/deb/*.deb "$new"
	rm -f "$apt"/deb/*.deb
	case $what in
	virtme-ng) [ -f "$new/usr/bin/vng" ] || die "$what: no usr/bin/vng in the package" ;;
	*) unpack_kernel "$what" "$new" ;;
	esac
	touch "$new/.complete"
	sync "$new/.complete"
	rm -rf "${dir:?}/$what"
	mv "$new" "$dir/$what"
done
all_here || exit 1
rm -rf "$apt"
