#!/usr/bin/env bash
# Live capture, end to end: a veth pair between two network namespaces, a capture replayed onto one end, the sensor on the
# other. Checks the alerts, also those inside TLS whose keys come after the packets, that nothing was dropped, and the stop on SIGTERM. Skipped where namespaces are not permitted.
# usage: scripts/live-test.sh [BACKSTOP]
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
tag=bs$$
sensor=$tag-s
sender=$tag-p

skip() {
    echo "skipped: $*"
    exit 0
}
command -v ip >/dev/null 2>&1 || skip 'iproute2 is not installed'
ip netns add "$sensor" 2>/dev/null || skip 'network namespaces are not permitted here'
work=$(mktemp -d)
pid=
cleanup() {
    [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
    ip netns del "$sensor" 2>/dev/null
    ip netns del "$sender" 2>/dev/null
    rm -rf "$work"
    true
}
trap cleanup EXIT
ip netns add "$sender"
ip -n "$sensor" link add span0 type veth peer name wire0 netns "$sender" || skip 'veth pairs are not permitted here'
ip -n "$sensor" link set span0 up
ip -n "$sender" link set wire0 up

backstop=${1:-}
if [ -z "$backstop" ]; then
    cargo build --locked --quiet --manifest-path "$top/Cargo.toml" --bin backstop
    backstop=$top/target/debug/backstop
fi
# Beside the binary, or built now: `cargo test` builds examples first.
inject=$(dirname "$backstop")/examples/inject
[ -x "$inject" ] || cargo build --locked --quiet --manifest-path "$top/Cargo.toml" --example inject
[ -x "$inject" ] || inject=$top/target/debug/examples/inject

echo '198.51.100.7 nobody here' >"$work/list"
ip netns exec "$sensor" "$backstop" run -i span0 -o "$work/eve.json" --keylog "$work/keys" --indicators "$work/list" 2>"$work/log" &
pid=$!
for _ in $(seq 100); do
    grep -q 'listening' "$work/log" && break
    kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done
ip netns exec "$sender" "$inject" "$top/pcaps/veeam/a1_getall/input.pcap" wire0

# The alerts must be on disk while the sensor runs, without waiting for its end.
alerts() { grep '"event_type":"alert"' "$work/eve.json" 2>/dev/null | grep -c "\"signature_id\":$1[,}]" || true; }
for _ in $(seq 50); do
    [ "$(alerts 9401003)" = 2 ] && break
    sleep 0.1
done
# Sessions inside TLS: first the packets, then a key log that was not there before.
ip netns exec "$sender" "$inject" "$top/pcaps/veeam/a5_tls12_ecdhe/input.pcap" wire0
sleep 0.5
closed=$(alerts 9401001)
(umask 077 && cp "$top/pcaps/veeam/a5_tls12_ecdhe/keys.txt" "$work/keys")
for _ in $(seq 50); do
    [ "$(alerts 9401003)" = 5 ] && break
    sleep 0.1
done
# Lists of indicators: another one counts from SIGHUP on, a wrong one does not.
said() {
    for _ in $(seq 50); do
        grep -q "$1" "$work/log" && return
        sleep 0.1
    done
}
ip netns exec "$sender" "$inject" "$top/pcaps/http/h1_http_benign/input.pcap" wire0
sleep 1
unlisted=$(alerts 9405001)
echo '203.0.113.7 web server' >"$work/list.new"
mv "$work/list.new" "$work/list"
kill -HUP "$pid"
said 'indicators: .* in use'
echo 'no:indicator' >"$work/list"
kill -HUP "$pid"
said 'indicators stay as they are: .*list:1: '
ip netns exec "$sender" "$inject" "$top/pcaps/http/h2_http_loader/input.pcap" wire0
# The script that is fetched is unfolded by then, which takes a build without optimisation a second or two: what is measured is how long
# the sensor takes to stop.
for _ in $(seq 100); do
    [ "$(alerts 9405001)" = 1 ] && [ "$(alerts 9403001)" = 1 ] && break
    sleep 0.1
done
begin=$(date +%s%N)
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
pid=
took=$((($(date +%s%N) - begin) / 1000000))

fail() {
    echo "live test failed: $*" >&2
    cat "$work/log" >&2
    exit 1
}
[ "$code" = 0 ] || fail "exit code $code after SIGTERM"
[ "$took" -le 2000 ] || fail "took $took ms to stop"
[ "$unlisted" = 0 ] || fail "9405001: $unlisted alerts before the address was listed"
[ "$(alerts 9405001)" = 1 ] || fail "9405001: $(alerts 9405001) alerts after the address was listed, 1 expected"
grep -q '"reload_errors":[1-9]' "$work/eve.json" || fail 'no reload error is counted'
[ "$closed" = 2 ] || fail "9401001: $closed alerts before the keys came, 2 expected"
[ "$(alerts 9401001)" = 4 ] || fail "9401001: $(alerts 9401001) alerts, 4 expected"
[ "$(alerts 9401003)" = 5 ] || fail "9401003: $(alerts 9401003) alerts, 5 expected"
grep '"event_type":"alert"' "$work/eve.json" | grep '"decrypted":true' >/dev/null || fail 'no alert says that it was decrypted'
grep -q '"event_type":"stats"' "$work/eve.json" || fail 'no stats record'
grep '"event_type":"stats"' "$work/eve.json" | tail -n 1 | grep '"kernel_drops":0' >/dev/null || fail 'packets were dropped'
echo "live capture: alerts on disk while running, inside TLS too, stopped in $took ms, nothing dropped"
