#!/usr/bin/env bash
# Unpack Debian's 32-bit ARM Python with NumPy into a folder; qemu-arm-static runs it. The system's
# own packages and lists stay as they are.
# Usage: armhf_python.sh FOLDER HOST_PYTHON
set -euo pipefail

folder=$(realpath --canonicalize-missing "$1") host_python=$2
root=$folder/root
[ -e "$folder/.ready" ] && exit 0

rm -rf "$folder"
mkdir -p "$folder"/{lists/partial,archives/partial} "$root"
touch "$folder/status"
cat >"$folder/apt.conf" <<END
APT::Architecture "armhf";
APT::Architectures { "armhf"; };
APT::Install-Recommends "false";
Debug::NoLocking "true";
Dir::State::lists "$folder/lists";
Dir::State::status "$folder/status";
Dir::State::extended_states "$folder/extended_states";
Dir::Cache::archives "$folder/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
export APT_CONFIG=$folder/apt.conf
apt-get update -qq || true  # a source may have nothing for ARM
apt-get install --download-only --yes -qq python3 python3-numpy python3-hypothesis
for package in "$folder"/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
done

# What the packages' installation scripts would have done.
libraries=$root/usr/lib/arm-linux-gnueabihf
ln -sf blas/libblas.so.3 lapack/liblapack.so.3 "$libraries"
for python in "$root"/usr/bin/python3.[0-9]*; do
    ln -sf "${python##*/}" "$root/usr/bin/python3"
done
# Compiled by the host where that has the same version, because the emulated one takes a minute.
version() { "$@" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
if [ "$(version "$host_python")" = "$(version qemu-arm-static -L "$root" "$root/usr/bin/python3")" ]
then
    "$host_python" -m compileall -qq "$root"/usr/lib/python3* || true  # some files are templates
fi
rm -rf "$folder"/{lists,archives}
touch "$folder/.ready"
