#!/bin/sh
# Checks docker/entrypoint.sh without Docker: a stand-in server prints the arguments that it was given, one a line.
# Exit 0 when every case holds, 1 otherwise.
# shellcheck disable=SC2016  # some arguments look like expansions on purpose
set -eu

here=$(cd "$(dirname "$0")" && pwd)
entrypoint=$here/entrypoint.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
cases=0

cat >"$work/server" <<'STUB'
#!/bin/sh
for word in "$@"; do
    printf '<%s>\n' "$word"
done
STUB
chmod +x "$work/server"

# run NAME=value … -- arguments …: runs the entrypoint with these variables only; leaves out, err and status.
run() {
    : >"$work/environment"
    variables=''
    while [ "$1" != -- ]; do
        printf '%s\n' "$1" >>"$work/environment"
        variables="$variables $(quoted "$1")"
        shift
    done
    shift
    status=0
    eval "env -i PATH=\"\$PATH\" OMNIGRAPH_SERVER_BIN=\"\$work/server\" $variables sh \"\$entrypoint\" \"\$@\"" \
        >"$work/out" 2>"$work/err" || status=$?
}

quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    sed 's/^/  out: /' "$work/out" >&2
    sed 's/^/  err: /' "$work/err" >&2
}

# gives NAME words …: the server was started with exactly these arguments and the script itself said nothing.
gives() {
    name=$1
    shift
    cases=$((cases + 1))
    "$work/server" "$@" >"$work/wanted"
    if [ "$status" -ne 0 ] || ! cmp -s "$work/out" "$work/wanted" || [ -s "$work/err" ]; then
        fail "$name"
    fi
}

# refuses NAME text: exit 64, nothing started, and standard error begins with the text.
refuses() {
    cases=$((cases + 1))
    if [ "$status" -ne 64 ] || [ -s "$work/out" ] || [ "$(head -n 1 "$work/err")" != "$2" ]; then
        fail "$1 (exit $status)"
    fi
}

exclusive='OMNIGRAPH_CLUSTER is an exclusive boot source; unset OMNIGRAPH_TARGET_URI/OMNIGRAPH_CONFIG/OMNIGRAPH_TARGET'
nothing='omnigraph-server container startup requires one of:'

run OMNIGRAPH_CLUSTER=/c OMNIGRAPH_TARGET_URI=/g OMNIGRAPH_BIND=1.2.3.4:5 -- graph.omni --bind 0.0.0.0:8080 'two words' ''
gives 'arguments win over the environment' graph.omni --bind 0.0.0.0:8080 'two words' ''

for other in OMNIGRAPH_TARGET_URI=/g OMNIGRAPH_CONFIG=/o.yaml OMNIGRAPH_TARGET=desk; do
    run OMNIGRAPH_CLUSTER=/c "$other" --
    refuses "a cluster and $other" "$exclusive"
done

run OMNIGRAPH_CLUSTER=s3://bucket/prefix --
gives 'a cluster' --cluster s3://bucket/prefix --bind 0.0.0.0:8080

run OMNIGRAPH_CLUSTER=/var/lib/omnigraph/cluster OMNIGRAPH_BIND=127.0.0.1:9 OMNIGRAPH_TARGET_URI= OMNIGRAPH_CONFIG= OMNIGRAPH_TARGET= --
gives 'a cluster, a bind, and empty variables' --cluster /var/lib/omnigraph/cluster --bind 127.0.0.1:9

run OMNIGRAPH_CLUSTER=/c OMNIGRAPH_ALLOW_QUARANTINE=1 OMNIGRAPH_REQUIRE_ALL_GRAPHS=yes --
gives 'a cluster with both readiness switches' --cluster /c --bind 0.0.0.0:8080 --allow-quarantine --require-all-graphs

for word in '' 0 ' 0 ' false FALSE ' False'; do
    run OMNIGRAPH_CLUSTER=/c "OMNIGRAPH_ALLOW_QUARANTINE=$word" "OMNIGRAPH_REQUIRE_ALL_GRAPHS=$word" --
    gives "the switches are off when '$word'" --cluster /c --bind 0.0.0.0:8080
done

run OMNIGRAPH_CLUSTER=/c 'OMNIGRAPH_ALLOW_QUARANTINE=fal se' --
gives 'only the ends of a switch are trimmed' --cluster /c --bind 0.0.0.0:8080 --allow-quarantine

run OMNIGRAPH_TARGET_URI='s3://bucket/a graph' --
gives 'an address' 's3://bucket/a graph' --bind 0.0.0.0:8080

run OMNIGRAPH_TARGET_URI=/data/g.omni OMNIGRAPH_CONFIG='/etc/omni graph.yaml' OMNIGRAPH_TARGET=ignored OMNIGRAPH_BIND=0.0.0.0:80 --
gives 'an address and a config' /data/g.omni --config '/etc/omni graph.yaml' --bind 0.0.0.0:80

run OMNIGRAPH_CONFIG=/o.yaml OMNIGRAPH_TARGET='$(touch /tmp/never) "x"' --
gives 'a config and a target' --config /o.yaml --target '$(touch /tmp/never) "x"' --bind 0.0.0.0:8080

run OMNIGRAPH_CONFIG=/o.yaml OMNIGRAPH_BIND= --
gives 'a config' --config /o.yaml --bind 0.0.0.0:8080

run --
refuses 'nothing' "$nothing"
for name in OMNIGRAPH_CLUSTER OMNIGRAPH_TARGET_URI OMNIGRAPH_CONFIG OMNIGRAPH_TARGET OMNIGRAPH_BIND \
    OMNIGRAPH_ALLOW_QUARANTINE OMNIGRAPH_REQUIRE_ALL_GRAPHS OMNIGRAPH_SERVER_BEARER_TOKEN OMNIGRAPH_UNAUTHENTICATED; do
    cases=$((cases + 1))
    grep -q "$name" "$work/err" || fail "the help names $name"
done

run OMNIGRAPH_TARGET=desk --
refuses 'a target alone' "$nothing"

run OMNIGRAPH_CLUSTER= OMNIGRAPH_TARGET_URI= OMNIGRAPH_CONFIG= --
refuses 'only empty variables' "$nothing"

# Without the program of the image, the one on the path is started.
mkdir "$work/path"
cp "$work/server" "$work/path/omnigraph-server"
cases=$((cases + 1))
status=0
env -i PATH="$work/path:$PATH" OMNIGRAPH_SERVER_BIN="$work/missing" OMNIGRAPH_TARGET_URI=g \
    sh "$entrypoint" >"$work/out" 2>"$work/err" || status=$?
gives 'the program on the path' g --bind 0.0.0.0:8080

# The server replaces the shell: it is the process that the container's signals reach.
cat >"$work/pid" <<'STUB'
#!/bin/sh
echo $$
STUB
chmod +x "$work/pid"
cases=$((cases + 1))
env -i PATH="$PATH" OMNIGRAPH_SERVER_BIN="$work/pid" sh -c 'echo $$; exec sh "$0" serve' "$entrypoint" >"$work/out" 2>"$work/err"
[ "$(sed -n 1p "$work/out")" = "$(sed -n 2p "$work/out")" ] || fail 'exec keeps the process'

if [ "$failures" -ne 0 ]; then
    echo "$failures of $cases cases failed" >&2
    exit 1
fi
echo "entrypoint: $cases cases hold"
