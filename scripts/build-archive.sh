#!/bin/sh
# Builds the release archive of this platform: programs that run where they are unpacked, with the Python that built them.
#
#   sh scripts/build-archive.sh SOURCE OUT
#
# Writes OUT/omnigraph-<system>-<machine>.tar.gz and its .sha256. Holds the default variant (no AWS SDK) and the context fixture.
set -eu

if [ "$#" -ne 2 ]; then
    echo 'usage: sh scripts/build-archive.sh SOURCE OUT' >&2
    exit 64
fi
source=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
python=${PYTHON:-python3}

case $(uname -s) in
Linux) system=linux ;;
Darwin) system=macos ;;
*) system=windows ;;
esac
case $(uname -m) in
x86_64 | amd64) machine=x86_64 ;;
*) machine=aarch64 ;;
esac
name=omnigraph-$system-$machine.tar.gz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/copy" "$work/archive/bin" "$work/archive/fixtures"
cp -R "$source/pyproject.toml" "$source/README.md" "$source/LICENSE" "$source/constraints.txt" "$source/src" "$work/copy/"
"$python" -m pip install --quiet --disable-pip-version-check --constraint "$work/copy/constraints.txt" \
    --target "$work/archive/lib" "$work/copy"
rm -rf "$work/archive/lib/bin"
cp -R "$source/fixtures/context" "$work/archive/fixtures/"
cp "$source/LICENSE" "$work/archive/"

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for program in omnigraph omnigraph-server; do
    case $program in
    omnigraph) module=omnigraph.cli.main ;;
    *) module=omnigraph.server.main ;;
    esac
    cat >"$work/archive/bin/$program" <<LAUNCHER
#!/bin/sh
# Starts $program from the folder that the archive was unpacked into. Needs Python $version.
self=\$0
while [ -h "\$self" ]; do # a link to here, such as /usr/local/bin/$program
    target=\$(readlink "\$self")
    case \$target in
    /*) self=\$target ;;
    *) self=\$(dirname "\$self")/\$target ;;
    esac
done
root=\$(cd "\$(dirname "\$self")/.." && pwd)
for python in "\${OMNIGRAPH_PYTHON:-python$version}" python3; do
    if "\$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$version")' 2>/dev/null; then
        PYTHONPATH="\$root/lib\${PYTHONPATH:+:\$PYTHONPATH}" exec "\$python" -c 'import sys; from $module import main; sys.exit(main())' "\$@"
    fi
done
echo 'error: $program of this archive needs Python $version; install it, or install omnigraph with pip' >&2
exit 1
LAUNCHER
    chmod +x "$work/archive/bin/$program"
    if [ "$system" = windows ]; then
        sed 's/$/\r/' >"$work/archive/bin/$program.cmd" <<LAUNCHER
@echo off
rem Starts $program from the folder that the archive was unpacked into. Needs Python $version.
setlocal
set "PYTHONPATH=%~dp0..\\lib;%PYTHONPATH%"
py -$version -c "import sys; from $module import main; sys.exit(main())" %*
LAUNCHER
    fi
done

tar -czf "$out/$name" -C "$work/archive" .
if command -v sha256sum >/dev/null 2>&1; then
    (cd "$out" && sha256sum "$name" >"$name.sha256")
else
    (cd "$out" && shasum -a 256 "$name" >"$name.sha256")
fi
echo "$out/$name"
