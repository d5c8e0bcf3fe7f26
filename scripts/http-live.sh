#!/usr/bin/env bash
# HTTP, end to end: a private nginx on loopback, sessions of curl recorded with tcpdump and replayed through the sensor.
# Skipped where the server, curl, tcpdump or the right to capture is missing.
# usage: scripts/http-live.sh [BACKSTOP]      KEEP=FILE keeps the capture; without a sensor it is recorded only
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
skip() {
    echo "skipped: $*"
    exit 0
}
PATH=$PATH:/usr/sbin
for tool in nginx curl tcpdump sha256sum; do command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"; done

work=$(mktemp -d)
dump=
cleanup() {
    [ -n "$dump" ] && kill "$dump" 2>/dev/null
    [ -f "$work/nginx.pid" ] && kill "$(cat "$work/nginx.pid")" 2>/dev/null
    rm -rf "$work"
    true
}
trap cleanup EXIT
cd "$work"
mkdir www body
chmod -R a+rwX "$work"

# Two of its own: scripts that run at the same time have numbers next to each other.
port=$((20000 + $$ * 2 % 20000))
cat >nginx.conf <<CONF
pid $work/nginx.pid;
error_log $work/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $work/body;
    client_max_body_size 64m;
    proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi; uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    types { text/html html; text/plain txt ps1; application/octet-stream bin; }
    gzip on; gzip_min_length 16; gzip_types text/plain;
    server {
        listen 127.0.0.1:$port;
        root $work/www;
        location /moved { return 302 /page.html; }
        location /up/ { dav_methods PUT DELETE; create_full_put_path on; }
    }
    server { listen 127.0.0.1:$((port + 1)) http2; root $work/www; }
}
CONF
seq 1 4000 | sed 's/^/<p>line /' >www/page.html
printf 'Get-Service | Where-Object Status -eq Running\n%.0s' $(seq 40) >www/list.ps1
head -c 3000000 /dev/urandom >www/large.bin
head -c 200000 /dev/urandom >upload.bin
nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null || skip "nginx does not start: $(tail -1 "$work/error.log")"

tcpdump -i lo -s 0 -B 65536 -w "$work/live.pcap" "tcp portrange $port-$((port + 1))" 2>"$work/tcpdump" &
dump=$!
for _ in $(seq 50); do
    grep -q listening "$work/tcpdump" && break
    kill -0 "$dump" 2>/dev/null || { dump=; skip 'no right to capture on loopback'; }
    sleep 0.1
done

at=http://127.0.0.1:$port
get() { curl -sS --noproxy '*' "$@"; }
# One connection: plain, chunked with gzip, HEAD, a redirect, what is not there.
get -o /dev/null "$at/page.html" --next -sS --compressed -o /dev/null "$at/page.html" --next -sS --compressed -o /dev/null "$at/list.ps1"
get -o /dev/null -I "$at/page.html" --next -sSL -o /dev/null "$at/moved" --next -sS -o /dev/null "$at/nothing"
get -o "$work/got.bin" "$at/large.bin"
cmp -s "$work/got.bin" www/large.bin
# A file in ranges of one connection, and several ranges in one answer.
get -o /dev/null -r 0-999999 "$at/large.bin" --next -sS -o /dev/null -r 1000000-1999999 "$at/large.bin" \
    --next -sS -o /dev/null -r 2000000-2999999 "$at/large.bin"
get -o /dev/null -r 0-9,100-109 "$at/page.html"
# A body with its length, one in chunks, each after 100 Continue.
get -o /dev/null -H 'Expect: 100-continue' -T upload.bin "$at/up/one.bin"
get -o /dev/null -H 'Expect: 100-continue' -H 'Transfer-Encoding: chunked' -T upload.bin "$at/up/two.bin"
# Pipelined requests in one segment.
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /list.ps1 HTTP/1.1\r\nHost: pipe\r\n\r\nGET /nothing HTTP/1.1\r\nHost: pipe\r\n\r\nGET /list.ps1 HTTP/1.1\r\nHost: pipe\r\nConnection: close\r\n\r\n' >&3
cat <&3 >/dev/null
exec 3>&-
# HTTP/2 in the clear is recognised.
get -o /dev/null --http2-prior-knowledge "http://127.0.0.1:$((port + 1))/page.html"
sleep 1
kill -INT "$dump"
wait "$dump" || true
dump=
[ -n "${KEEP:-}" ] && cp "$work/live.pcap" "$KEEP"

backstop=${1:-}
if [ -z "$backstop" ]; then
    for built in "$top/target/release/backstop" "$top/target/debug/backstop"; do [ -x "$built" ] && backstop=$built; done
fi
[ -n "$backstop" ] || skip 'recorded, but no sensor is built'
"$backstop" replay "$work/live.pcap" -q -o "$work/eve.json" --set parser.max_range=8MiB
count() { grep '"event_type":"http"' "$work/eve.json" | grep -c -- "$1" || true; }
expect() {
    [ "$(count "$1")" -eq "$2" ] || { echo "failed: $(count "$1") records with $1, not $2" >&2; exit 1; }
}
expect '"url":"/page.html","http_user_agent":"curl' 5
expect '"http_method":"HEAD"' 1
expect '"status":302' 1
expect '"status":404' 2
expect '"status":206' 4
expect '"length":3000000' 1
expect '"length":1000000' 3
expect '"http_method":"PUT"' 2
expect '"status":201' 2
expect '"hostname":"pipe"' 3
# A download, the same file in ranges, and two uploads: what is told of them is what they are.
files() { grep '"event_type":"fileinfo"' "$work/eve.json" | grep -c -- "\"sha256\":\"$(sha256sum <"$1" | cut -d' ' -f1)\"" || true; }
[ "$(files www/large.bin)" -eq 2 ] || { echo "failed: $(files www/large.bin) files with the sum of the download, not 2" >&2; exit 1; }
[ "$(files upload.bin)" -eq 2 ] || { echo "failed: $(files upload.bin) files with the sum of the upload, not 2" >&2; exit 1; }
! grep -q '"event_type":"anomaly"' "$work/eve.json" || { echo 'failed: an anomaly of a real server' >&2; exit 1; }
! grep -q '"event_type":"alert"' "$work/eve.json" || { echo 'failed: an alert on ordinary traffic' >&2; exit 1; }
echo "passed: $(count .) records"
