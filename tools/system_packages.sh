#!/usr/bin/env bash
# Install the system's packages whose programs are missing; where that is not allowed, say how.
# Usage: system_packages.sh PACKAGE[=PROGRAM]...   (PROGRAM is PACKAGE by default)
set -euo pipefail

packages=()
for wanted in "$@"; do
    command -v "${wanted#*=}" >/dev/null || packages+=("${wanted%%=*}")
done
[ ${#packages[@]} -eq 0 ] && exit 0

install="apt-get install --yes --no-install-recommends ${packages[*]}"
fail() {
    echo "make setup: $*" >&2
    exit 1
}
command -v apt-get >/dev/null || fail \
    "this system lacks what Debian calls: ${packages[*]}. Install it."
[ "$(id -u)" = 0 ] || fail "system packages are missing. Run: sudo $install"
apt-get update --quiet
DEBIAN_FRONTEND=noninteractive $install
