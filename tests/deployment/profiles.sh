#!/bin/sh
# SPDX-License-Identifier: MIT
# profiles.sh DIR: the default seccomp profiles of Docker and of Podman, as Debian packages them, into
# DIR/docker.json and DIR/podman.json. Nothing is installed; what is there is not fetched again.
#
#	docker.json	golang-github-docker-docker-dev		profiles/seccomp/default.json
#	podman.json	golang-github-containers-common		seccomp.json
set -eu
umask 022
dir=$1
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ -s "$dir/docker.json" ] && [ -s "$dir/podman.json" ] && exit 0

apt=$dir/.apt
rm -rf "$apt"
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/deb" "$apt/tree"
trap 'rm -rf "$apt"' EXIT
packages='golang-github-docker-docker-dev golang-github-containers-common'

# With the machine's lists first; where they are missing or old, with lists of our own.
private() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	mirror=${NP_DEBIAN_MIRROR:-http://deb.debian.org/debian}
	echo "deb [signed-by=$keyring] $mirror bookworm main" >"$apt/sources.list"
	: >"$apt/status"
	set -- -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" \
		-o Dir::State::Status="$apt/status" -o Dir::Cache="$apt" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3
	# shellcheck disable=SC2086
	apt-get "$@" update </dev/null && (cd "$apt/deb" && apt-get "$@" download $packages)
}
# shellcheck disable=SC2086
(cd "$apt/deb" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download $packages) 2>/dev/null ||
	private
for deb in "$apt"/deb/*.deb; do
	dpkg-deb -x "$deb" "$apt/tree"
done
cp "$(find "$apt/tree" -path '*docker/profiles/seccomp/default.json')" "$dir/docker.json"
cp "$(find "$apt/tree" -name seccomp.json -path '*containers*' ! -path '*/gocode/*' | head -n 1)" \
	"$dir/podman.json"
