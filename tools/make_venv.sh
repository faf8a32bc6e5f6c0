#!/usr/bin/env bash
# Make a virtual environment, if it is not there, and install into it.
# Usage: make_venv.sh FOLDER PYTHON PIP_ARGUMENT...
set -euo pipefail

folder=$1 python=$2
shift 2

fail() {
    echo "make setup: $*" >&2
    exit 1
}

check_python() {
    local found
    found=$("$python" --version 2>&1) || fail "'$python' does not run." \
        "Install Python 3.10 or newer, then: make setup PYTHON=/path/to/python3"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail \
        "'$python' is $found, but fpga-rt needs Python 3.10 or newer." \
        "Install one, then: make setup PYTHON=/path/to/python3"
}

# As root on Debian or Ubuntu, install packages; anywhere else, say what to install.
system_packages() {
    local install="apt-get install --yes --no-install-recommends $*"
    command -v apt-get >/dev/null || fail "this system lacks what Debian calls: $*. Install it."
    [ "$(id -u)" = 0 ] || fail "system packages are missing. Run: sudo $install"
    apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive $install
}

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    check_python
    "$python" -c 'import ensurepip, venv' 2>/dev/null || system_packages \
        "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    echo "Making $folder; the first time takes a few minutes."
    "$python" -m venv --clear "$folder"
fi
"$folder/bin/python" -m pip install --no-input --disable-pip-version-check "$@" |
    sed '/^Requirement already satisfied/d' ||
    fail "pip could not install into $folder (see above). Check network and disk, then try again."
