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

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    check_python
    "$python" -c 'import ensurepip, venv' 2>/dev/null || "${0%/*}/system_packages.sh" \
        "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')=ensurepip"
    echo "Making $folder; the first time takes a few minutes."
    "$python" -m venv --clear "$folder"
fi
"$folder/bin/python" -m pip install --no-input --disable-pip-version-check "$@" |
    sed '/^Requirement already satisfied/d' ||
    fail "pip could not install into $folder (see above). Check network and disk, then try again."
