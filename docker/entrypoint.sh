#!/bin/sh
# Starts omnigraph-server from the environment of a container. With arguments, they are the command line and nothing else counts.
set -eu

server=${OMNIGRAPH_SERVER_BIN:-/usr/local/bin/omnigraph-server}
if [ ! -e "$server" ]; then
    server=omnigraph-server
fi

if [ "$#" -gt 0 ]; then
    exec "$server" "$@"
fi

cluster=${OMNIGRAPH_CLUSTER:-}
uri=${OMNIGRAPH_TARGET_URI:-}
config=${OMNIGRAPH_CONFIG:-}
target=${OMNIGRAPH_TARGET:-}
bind=${OMNIGRAPH_BIND:-0.0.0.0:8080}

# Whether a variable says yes: after trimming not empty, not 0, not false in any case.
truthy() {
    word=$(printf '%s' "$1" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//' | tr '[:upper:]' '[:lower:]')
    case $word in
    '' | 0 | false) return 1 ;;
    *) return 0 ;;
    esac
}

if [ -n "$cluster" ]; then
    if [ -n "$uri$config$target" ]; then
        echo 'OMNIGRAPH_CLUSTER is an exclusive boot source; unset OMNIGRAPH_TARGET_URI/OMNIGRAPH_CONFIG/OMNIGRAPH_TARGET' >&2
        exit 64
    fi
    set -- --cluster "$cluster" --bind "$bind"
    if truthy "${OMNIGRAPH_ALLOW_QUARANTINE:-}"; then
        set -- "$@" --allow-quarantine
    fi
    if truthy "${OMNIGRAPH_REQUIRE_ALL_GRAPHS:-}"; then
        set -- "$@" --require-all-graphs
    fi
    exec "$server" "$@"
fi

if [ -n "$uri" ]; then
    if [ -n "$config" ]; then
        exec "$server" "$uri" --config "$config" --bind "$bind"
    fi
    exec "$server" "$uri" --bind "$bind"
fi

if [ -n "$config" ]; then
    if [ -n "$target" ]; then
        exec "$server" --config "$config" --target "$target" --bind "$bind"
    fi
    exec "$server" --config "$config" --bind "$bind"
fi

cat >&2 <<'HELP'
omnigraph-server container startup requires one of:
  OMNIGRAPH_CLUSTER     a cluster: a directory, or s3://bucket/prefix
  OMNIGRAPH_TARGET_URI  a graph: a directory, or s3://bucket/prefix
  OMNIGRAPH_CONFIG      an omnigraph.yaml; with OMNIGRAPH_TARGET one graph of it
Optional:
  OMNIGRAPH_TARGET      a name of the graphs in OMNIGRAPH_CONFIG
  OMNIGRAPH_BIND        where to listen (0.0.0.0:8080)
  OMNIGRAPH_ALLOW_QUARANTINE, OMNIGRAPH_REQUIRE_ALL_GRAPHS
                        1: serve a cluster without its faulty graphs; whole or not at all
The server itself asks for tokens, such as OMNIGRAPH_SERVER_BEARER_TOKEN, or for OMNIGRAPH_UNAUTHENTICATED=1.
Or give the arguments of omnigraph-server.
HELP
exit 64
