#!/bin/sh
# Installs omnigraph from a checkout into a virtual environment and puts its programs on the path: what the image does.
#
#   sh docker/install.sh SOURCE VENV BIN
#
# SOURCE is a checkout, VENV the environment to make, BIN the folder that gets links to the programs. OMNIGRAPH_EXTRAS names an
# extra (aws) or is empty; PYTHON chooses the interpreter. Versions are those of SOURCE/constraints.txt.
set -eu

if [ "$#" -ne 3 ]; then
    echo 'usage: sh docker/install.sh SOURCE VENV BIN' >&2
    exit 64
fi
source=$1
mkdir -p "$2" "$3"
venv=$(cd "$2" && pwd) # absolute, so that the links lead there from wherever they are
bin=$(cd "$3" && pwd)
extras=${OMNIGRAPH_EXTRAS:-}
python=${PYTHON:-python3}

case $extras in
'' | aws) ;;
*)
    echo "error: unknown OMNIGRAPH_EXTRAS '$extras': leave it empty, or write aws" >&2
    exit 64
    ;;
esac

# The build works on a copy, so that the checkout stays as it is and may be read-only.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R "$source/pyproject.toml" "$source/README.md" "$source/LICENSE" "$source/constraints.txt" "$source/src" "$copy/"

"$python" -m venv "$venv"
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check "$@"
}
pip install --quiet --constraint "$copy/constraints.txt" setuptools
pip install --quiet --no-build-isolation --constraint "$copy/constraints.txt" "$copy${extras:+[$extras]}"
pip uninstall --quiet --yes setuptools

for program in omnigraph omnigraph-server omnigraph-server-aws; do
    ln -sf "$venv/bin/$program" "$bin/$program"
done
"$bin/omnigraph" version
