#!/usr/bin/env bash
# A graph in an object store on this machine: RustFS in Docker, a bucket, the context fixture, and omnigraph-server on 127.0.0.1:8080.
# Run it from a checkout, or pipe it into bash. A second run reuses what is there and restarts the server.
#
# Every setting is a variable; docs/user/deployment.md lists them.
set -euo pipefail

WORKDIR=${WORKDIR:-$PWD/.omnigraph-rustfs-demo}
BUCKET=${BUCKET:-omnigraph-local}
PREFIX=${PREFIX:-graphs/context}
RESET_REPO=${RESET_REPO:-0}
BIND=${BIND:-127.0.0.1:8080}
RUSTFS_CONTAINER_NAME=${RUSTFS_CONTAINER_NAME:-omnigraph-rustfs-demo}
RUSTFS_IMAGE=${RUSTFS_IMAGE:-rustfs/rustfs:1.0.0-alpha.64}
RUSTFS_DATA_DIR=${RUSTFS_DATA_DIR:-$WORKDIR/rustfs-data}
RELEASE_CHANNEL=${RELEASE_CHANNEL:-edge}
REPO_SLUG=${REPO_SLUG:-ModernRelay/omnigraph}
SOURCE_REF=${SOURCE_REF:-main}
FORCE_BUILD=${FORCE_BUILD:-0}
OMNIGRAPH_BIN_DIR=${OMNIGRAPH_BIN_DIR:-}
OMNIGRAPH_FIXTURE_DIR=${OMNIGRAPH_FIXTURE_DIR:-}

export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-rustfsadmin}
export AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-rustfsadmin}
export AWS_REGION=${AWS_REGION:-us-east-1}
export AWS_ENDPOINT_URL=${AWS_ENDPOINT_URL:-http://127.0.0.1:9000}
export AWS_ENDPOINT_URL_S3=${AWS_ENDPOINT_URL_S3:-$AWS_ENDPOINT_URL}
export AWS_ALLOW_HTTP=${AWS_ALLOW_HTTP:-true}
export AWS_S3_FORCE_PATH_STYLE=${AWS_S3_FORCE_PATH_STYLE:-true}

PREFIX=${PREFIX#/}
PREFIX=${PREFIX%/}
GRAPH_URI="s3://$BUCKET/$PREFIX"
PYTHON_MINIMUM="3.11"
STORE_WAIT_S=60
SERVER_WAIT_S=30

say() { printf '==> %s\n' "$1"; }
die() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# -- prerequisites

check_prerequisites() {
    local command
    for command in docker curl; do
        command -v "$command" >/dev/null 2>&1 || die "missing required command: $command"
    done
    docker info >/dev/null 2>&1 ||
        die "the Docker daemon does not answer; start Docker Desktop or another Docker daemon and run this again"
    case $RELEASE_CHANNEL in
    edge | stable) ;;
    *) die "unknown RELEASE_CHANNEL '$RELEASE_CHANNEL': use edge or stable" ;;
    esac
    has_token || is_loopback ||
        die "the server would be open to others at $BIND; set OMNIGRAPH_SERVER_BEARER_TOKEN, or bind to a loopback address"
    mkdir -p "$WORKDIR"
    WORKDIR=$(cd "$WORKDIR" && pwd)
}

# -- programs

# The folder of the script when it runs from a checkout; nothing when it came through a pipe.
checkout() {
    local script=${BASH_SOURCE[0]:-} root
    [ -n "$script" ] && [ -f "$script" ] || return 1
    root=$(cd "$(dirname "$script")/.." && pwd)
    [ -f "$root/pyproject.toml" ] && [ -d "$root/src/omnigraph" ] || return 1
    printf '%s' "$root"
}

platform() {
    local system machine
    system=$(uname -s)
    machine=$(uname -m)
    case $system in
    Linux) system=linux ;;
    Darwin) system=macos ;;
    *) return 1 ;;
    esac
    case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    arm64 | aarch64) machine=aarch64 ;;
    *) return 1 ;;
    esac
    printf '%s-%s' "$system" "$machine"
}

sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# Fetches the artifact of the channel for this platform: an archive with bin/omnigraph, bin/omnigraph-server and fixtures/.
install_release() {
    local name base archive wanted
    name="omnigraph-$(platform).tar.gz" || return 1
    if [ "$RELEASE_CHANNEL" = stable ]; then
        base="https://github.com/$REPO_SLUG/releases/latest/download"
    else
        base="https://github.com/$REPO_SLUG/releases/download/edge"
    fi
    archive="$WORKDIR/$name"
    curl -fsSL --retry 2 -o "$archive" "$base/$name" 2>/dev/null || return 1
    wanted=$(curl -fsSL --retry 2 "$base/$name.sha256" 2>/dev/null | cut -d ' ' -f 1) || return 1
    [ -n "$wanted" ] && [ "$(sha256_of "$archive")" = "$wanted" ] ||
        die "the checksum of $name is not that of the release; remove $archive and run this again, or set FORCE_BUILD=1"
    rm -rf "$WORKDIR/release"
    mkdir -p "$WORKDIR/release"
    tar -xzf "$archive" -C "$WORKDIR/release"
    BIN_DIR="$WORKDIR/release/bin"
    FIXTURE_DIR="$WORKDIR/release/fixtures/context"
    [ -x "$BIN_DIR/omnigraph-server" ] && "$BIN_DIR/omnigraph" version >/dev/null 2>&1
}

require_python() {
    command -v python3 >/dev/null 2>&1 || die "missing required command: python3 ($PYTHON_MINIMUM or newer)"
    python3 -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$PYTHON_MINIMUM'.split('.'))))" ||
        die "Python $PYTHON_MINIMUM or newer is needed to install from source"
}

install_source() {
    local source
    require_python
    if source=$(checkout); then
        say "installing from this checkout"
    else
        command -v git >/dev/null 2>&1 || die "missing required command: git"
        source="$WORKDIR/source"
        say "cloning $REPO_SLUG at $SOURCE_REF"
        rm -rf "$source"
        git clone --quiet --depth 1 --branch "$SOURCE_REF" "https://github.com/$REPO_SLUG.git" "$source"
    fi
    OMNIGRAPH_EXTRAS='' sh "$source/docker/install.sh" "$source" "$WORKDIR/venv" "$WORKDIR/bin" >/dev/null
    BIN_DIR="$WORKDIR/bin"
    FIXTURE_DIR="$source/fixtures/context"
}

find_programs() {
    local root
    FIXTURE_DIR=''
    if [ -n "$OMNIGRAPH_BIN_DIR" ]; then
        BIN_DIR=$OMNIGRAPH_BIN_DIR
        say "using the programs in $BIN_DIR"
    elif [ "$FORCE_BUILD" != 1 ] && install_release; then
        say "using the $RELEASE_CHANNEL release"
    else
        install_source
    fi
    local program
    for program in omnigraph omnigraph-server; do
        [ -x "$BIN_DIR/$program" ] || die "$BIN_DIR has no program $program"
    done
    if [ -n "$OMNIGRAPH_FIXTURE_DIR" ]; then
        FIXTURE_DIR=$OMNIGRAPH_FIXTURE_DIR
    elif [ -z "$FIXTURE_DIR" ] && root=$(checkout); then
        FIXTURE_DIR="$root/fixtures/context"
    fi
    [ -f "$FIXTURE_DIR/context.pg" ] && [ -f "$FIXTURE_DIR/context.jsonl" ] ||
        die "context.pg and context.jsonl were not found in '${FIXTURE_DIR:-.}'; set OMNIGRAPH_FIXTURE_DIR to the folder that has them"
}

find_aws() {
    if command -v aws >/dev/null 2>&1; then
        AWS=aws
        return
    fi
    say "installing the AWS command line for this user"
    command -v python3 >/dev/null 2>&1 || die "missing required command: aws (or python3 with pip, to install it)"
    python3 -m pip --version >/dev/null 2>&1 || python3 -m ensurepip --user >/dev/null 2>&1 ||
        die "neither aws nor pip is there; install the AWS command line and run this again"
    python3 -m pip install --quiet --user awscli ||
        python3 -m pip install --quiet --user --break-system-packages awscli ||
        die "the AWS command line could not be installed with pip; install it and run this again"
    AWS="$(python3 -m site --user-base)/bin/aws"
    [ -x "$AWS" ] || die "the AWS command line was installed but $AWS is not there"
}

s3() { "$AWS" --endpoint-url "$AWS_ENDPOINT_URL_S3" --region "$AWS_REGION" "$@"; }

# -- the store

start_store() {
    if [ "$(docker inspect --format '{{.State.Running}}' "$RUSTFS_CONTAINER_NAME" 2>/dev/null)" = true ]; then
        say "reusing the container $RUSTFS_CONTAINER_NAME"
    else
        if docker inspect "$RUSTFS_CONTAINER_NAME" >/dev/null 2>&1; then
            docker rm --force "$RUSTFS_CONTAINER_NAME" >/dev/null
        fi
        say "starting RustFS"
        mkdir -p "$RUSTFS_DATA_DIR"
        # The image has a user of its own, who may not write to a folder of ours: so it runs as us, and logs to docker logs.
        docker run --detach --name "$RUSTFS_CONTAINER_NAME" --user "$(id -u):$(id -g)" --env RUSTFS_OBS_LOG_DIRECTORY= \
            --publish 9000:9000 --publish 9001:9001 --volume "$RUSTFS_DATA_DIR:/data" \
            --env "RUSTFS_ACCESS_KEY=$AWS_ACCESS_KEY_ID" --env "RUSTFS_SECRET_KEY=$AWS_SECRET_ACCESS_KEY" \
            --env RUSTFS_ALLOW_INSECURE_DEFAULT_CREDENTIALS=true \
            "$RUSTFS_IMAGE" /data >/dev/null
    fi
    local deadline=$((SECONDS + STORE_WAIT_S))
    until s3 s3api list-buckets >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            docker logs "$RUSTFS_CONTAINER_NAME" >&2 || true
            die "RustFS did not answer at $AWS_ENDPOINT_URL_S3 within $STORE_WAIT_S s; its log is above"
        fi
        sleep 1
    done
}

ensure_bucket() {
    if s3 s3api head-bucket --bucket "$BUCKET" >/dev/null 2>&1; then return; fi
    say "creating the bucket $BUCKET"
    s3 s3api create-bucket --bucket "$BUCKET" >/dev/null
}

# -- the graph

ensure_graph() {
    if "$BIN_DIR/omnigraph" snapshot "$GRAPH_URI" --json >/dev/null 2>&1; then
        say "reusing the graph $GRAPH_URI"
        return
    fi
    local found
    # shellcheck disable=SC2016  # the backquotes are the query language's
    found=$(s3 s3api list-objects-v2 --bucket "$BUCKET" --prefix "$PREFIX/" --max-items 1 --query 'length(Contents || `[]`)' --output text 2>/dev/null | head -n 1)
    if [ -n "$found" ] && [ "$found" != 0 ] && [ "$found" != None ]; then
        [ "$RESET_REPO" = 1 ] ||
            die "there are objects below $GRAPH_URI but no graph; run this again with RESET_REPO=1 to delete them, or with another PREFIX"
        say "deleting what is below $GRAPH_URI"
        s3 s3 rm "s3://$BUCKET/$PREFIX/" --recursive >/dev/null
    fi
    say "creating the graph $GRAPH_URI"
    "$BIN_DIR/omnigraph" init "$GRAPH_URI" --schema "$FIXTURE_DIR/context.pg" >/dev/null
    "$BIN_DIR/omnigraph" load "$GRAPH_URI" --data "$FIXTURE_DIR/context.jsonl" --mode overwrite >/dev/null
}

# -- the server

has_token() {
    [ -n "${OMNIGRAPH_SERVER_BEARER_TOKEN:-}${OMNIGRAPH_SERVER_BEARER_TOKENS_JSON:-}${OMNIGRAPH_SERVER_BEARER_TOKENS_FILE:-}${OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET:-}" ]
}

is_loopback() {
    case ${BIND%:*} in
    127.* | localhost | '[::1]') return 0 ;;
    *) return 1 ;;
    esac
}

stop_server() {
    local file="$WORKDIR/omnigraph-server.pid" pid
    [ -f "$file" ] || return 0
    pid=$(cat "$file")
    if kill -0 "$pid" 2>/dev/null; then
        say "stopping the server that runs"
        kill "$pid" 2>/dev/null || true
        local deadline=$((SECONDS + SERVER_WAIT_S))
        while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.2; done
    fi
    rm -f "$file"
}

start_server() {
    local options=()
    has_token || options+=(--unauthenticated)
    stop_server
    say "starting omnigraph-server on $BIND"
    nohup "$BIN_DIR/omnigraph-server" "$GRAPH_URI" --bind "$BIND" ${options[@]+"${options[@]}"} \
        >"$WORKDIR/omnigraph-server.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"$WORKDIR/omnigraph-server.pid"
    local host=${BIND%:*}
    [ "$host" = 0.0.0.0 ] && host=127.0.0.1
    SERVER_URL="http://$host:${BIND##*:}"
    local deadline=$((SECONDS + SERVER_WAIT_S))
    until curl -fsS --max-time 2 "$SERVER_URL/healthz" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$(cat "$WORKDIR/omnigraph-server.pid")" 2>/dev/null; then
            cat "$WORKDIR/omnigraph-server.log" >&2 || true
            die "the server did not answer at $SERVER_URL within $SERVER_WAIT_S s; its log is above"
        fi
        sleep 0.3
    done
}

summary() {
    cat <<TEXT

Omnigraph serves $GRAPH_URI
  server   $SERVER_URL
  console  http://127.0.0.1:9001
  log      $WORKDIR/omnigraph-server.log

Try:
  curl $SERVER_URL/healthz
  curl $SERVER_URL/snapshot
  $BIN_DIR/omnigraph snapshot --uri $SERVER_URL
  tail -f $WORKDIR/omnigraph-server.log
  docker logs $RUSTFS_CONTAINER_NAME

Stop:
  kill \$(cat $WORKDIR/omnigraph-server.pid)
  docker stop $RUSTFS_CONTAINER_NAME
TEXT
}

check_prerequisites
find_programs
find_aws
start_store
ensure_bucket
ensure_graph
start_server
summary
