#!/bin/sh
# Waits for the store, makes the bucket, and creates and fills the graph if it is not there. Part of compose.yaml.
#   sh compose-init.sh s3://BUCKET/PREFIX FIXTURE
set -eu
uri=$1
fixture=$2
bucket=${uri#s3://}
bucket=${bucket%%/*}

store() {
    curl -sS -o /dev/null -w '%{http_code}' --max-time 5 --aws-sigv4 "aws:amz:$AWS_REGION:s3" \
        --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$@"
}

tries=0
until [ "$(store "$AWS_ENDPOINT_URL_S3/" 2>/dev/null)" = 200 ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 60 ]; then
        echo "error: the store at $AWS_ENDPOINT_URL_S3 does not answer" >&2
        exit 1
    fi
    sleep 1
done
if [ "$(store --head "$AWS_ENDPOINT_URL_S3/$bucket")" != 200 ]; then
    created=$(store -X PUT "$AWS_ENDPOINT_URL_S3/$bucket")
    if [ "$created" != 200 ]; then
        echo "error: the bucket '$bucket' could not be made (HTTP $created)" >&2
        exit 1
    fi
fi
if omnigraph snapshot "$uri" >/dev/null 2>&1; then
    echo 'already initialized; skipping'
    exit 0
fi
omnigraph init "$uri" --schema "$fixture/context.pg"
omnigraph load "$uri" --data "$fixture/context.jsonl" --mode overwrite
