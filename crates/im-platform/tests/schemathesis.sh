#!/bin/sh
# Property-based requests made from /openapi.json against a fresh server: no server error, no undocumented answer.
# Needs schemathesis 4 (pip install schemathesis) and a built binary: tests/schemathesis.sh target/debug/im-platform [examples per operation]
set -eu
BIN=$1 EXAMPLES=${2:-30} DIR=$(mktemp -d)
"$BIN" token > "$DIR/token"
cat > "$DIR/config.toml" <<CONFIG
listen = "127.0.0.1:0"
data = "$DIR/data"
[[credentials]]
name = "schemathesis"
scope = "bridge"
token_file = "$DIR/token"
CONFIG
"$BIN" serve --config "$DIR/config.toml" 2> "$DIR/log" &
SERVER=$!
trap 'kill $SERVER; rm -rf "$DIR"' EXIT
until grep -q addr= "$DIR/log"; do kill -0 $SERVER; done
ADDR=$(sed -n 's/.*addr=\([^ ]*\).*/\1/p' "$DIR/log")
schemathesis run "http://$ADDR/openapi.json" -H "Authorization: Bearer $(cat "$DIR/token")" --max-examples "$EXAMPLES" \
  --phases examples,coverage,fuzzing --workers 1 --generation-with-security-parameters false \
  -c not_a_server_error -c status_code_conformance -c content_type_conformance -c response_schema_conformance
! grep ERROR "$DIR/log"
