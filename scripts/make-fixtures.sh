#!/usr/bin/env bash
# Writes the conversations that parser tests replay: one file a TCP stream, one line a turn, `>` to the server, `<` to the client, in hex.
# usage: scripts/make-fixtures.sh CAPTURE STREAM NAME    (needs tshark)
set -euo pipefail
cd "$(dirname "$0")/.."
capture=$1 stream=$2 name=$3
tshark -r "$capture" -q -z "follow,tcp,raw,$stream" 2>/dev/null |
    sed -n -e 's/^\t\([0-9a-f]\+\)$/< \1/p' -e 's/^\([0-9a-f]\+\)$/> \1/p' >"protocols/fixtures/$name.txt"
