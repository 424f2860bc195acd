#!/bin/sh
# Creates the graph of the service if there is none yet. Run it as often as you like: a graph is never overwritten, no data is loaded.
set -eu

for name in OMNIGRAPH_TARGET_URI OMNIGRAPH_SCHEMA_URL; do
    eval "value=\${$name:-}"
    if [ -z "$value" ]; then
        echo "error: $name is not set" >&2
        exit 1
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if omnigraph snapshot "$OMNIGRAPH_TARGET_URI" --json >"$work/snapshot" 2>&1; then
    echo 'already initialized; skipping'
    exit 0
fi
echo 'no graph yet:'
cat "$work/snapshot"

echo 'fetching the schema'
curl -fsSL --retry 3 --max-time 60 -o "$work/schema.pg" "$OMNIGRAPH_SCHEMA_URL"
omnigraph init "$OMNIGRAPH_TARGET_URI" --schema "$work/schema.pg"
