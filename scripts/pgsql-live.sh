#!/usr/bin/env bash
# PostgreSQL, end to end: a private server on loopback, sessions of psql and pgbench recorded with tcpdump and replayed through
# the sensor. Skipped where the server, tcpdump or the right to capture is missing.
# usage: scripts/pgsql-live.sh [BACKSTOP]      KEEP=FILE keeps the capture; without a sensor it is recorded only
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
skip() {
    echo "skipped: $*"
    exit 0
}
bin=$(find /usr/lib/postgresql /usr/pgsql-* -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] && [ -x "$bin/postgres" ] || skip 'no PostgreSQL server is installed'
for tool in psql pgbench tcpdump openssl; do command -v "$tool" >/dev/null 2>&1 || [ -x "$bin/$tool" ] || skip "$tool is not installed"; done
PATH=$bin:$PATH

work=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || skip 'the server does not run as root, and there is no user postgres'
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
    chown postgres "$work"
fi
dump=
cleanup() {
    [ -n "$dump" ] && kill "$dump" 2>/dev/null
    "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1
    rm -rf "$work"
    true
}
trap cleanup EXIT
cd "$work"

# Two of its own: scripts that run at the same time have numbers next to each other.
port=$((20000 + $$ * 2 % 20000))
password='Live-Passw0rd'
printf '%s' "$password" >"$work/password"
chmod 644 "$work/password"
"${as[@]}" "$bin/initdb" -D "$work/data" -U ann --auth=scram-sha-256 --pwfile="$work/password" >/dev/null
"${as[@]}" openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=vbr01 \
    -keyout "$work/data/server.key" -out "$work/data/server.crt" 2>/dev/null
"${as[@]}" chmod 600 "$work/data/server.key"
"${as[@]}" "$bin/pg_ctl" -D "$work/data" -w -l "$work/log" \
    -o "-c listen_addresses=127.0.0.1 -p $port -c ssl=on -c unix_socket_directories=$work" start >/dev/null

tcpdump -i lo -s 0 -U -w "$work/live.pcap" "tcp port $port" 2>"$work/tcpdump" &
dump=$!
for _ in $(seq 50); do
    grep -q listening "$work/tcpdump" && break
    kill -0 "$dump" 2>/dev/null || { dump=; skip "no right to capture on loopback"; }
    sleep 0.1
done

export PGHOST=127.0.0.1 PGPORT=$port PGUSER=ann PGDATABASE=VeeamBackup PGPASSWORD=$password PGSSLMODE=disable
PGDATABASE=postgres psql -qc 'CREATE DATABASE "VeeamBackup"'
printf '1\tone\n2\ttwo\n' >"$work/rows"
# Simple protocol: several statements, an error, COPY both ways, a notice.
psql -q <<SQL >/dev/null 2>&1 || true
CREATE TABLE credentials (id int, user_name text);
\\copy credentials FROM '$work/rows'
DROP TABLE IF EXISTS nothing;
SELECT * FROM credentials;
SELECT * FROM no_such_table;
COPY credentials TO STDOUT;
ALTER ROLE ann PASSWORD '$password';
COPY (SELECT 1) TO PROGRAM 'id';
SQL
# A refused login, and an encryption that is asked for: GSSAPI if built in, TLS.
PGPASSWORD=wrong psql -qc 'SELECT 1' >/dev/null 2>&1 || true
PGSSLMODE=require psql -qc 'SELECT 1' >/dev/null
# Extended protocol: unnamed and named statements, and a pipeline.
echo 'SELECT user_name FROM credentials WHERE id = :client_id + 1;' >"$work/one.sql"
printf '\\startpipeline\nSELECT 1;\nSELECT user_name FROM credentials WHERE id = 2;\n\\endpipeline\n' >"$work/pipeline.sql"
pgbench -n -t 3 -M extended -f "$work/one.sql" >/dev/null 2>&1
pgbench -n -t 3 -M prepared -f "$work/one.sql" >/dev/null 2>&1
pgbench -n -t 2 -M extended -f "$work/pipeline.sql" >/dev/null 2>&1
# Rows that fill many segments.
psql -qc "SELECT repeat('x', 1000) FROM generate_series(1, 500)" >/dev/null
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
"$backstop" replay "$work/live.pcap" -q -o "$work/eve.json"
count() { grep '"event_type":"pgsql"' "$work/eve.json" | grep -c -- "$1" || true; }
expect() {
    [ "$(count "$1")" -ge "$2" ] || { echo "failed: $(count "$1") records with $1, not $2" >&2; exit 1; }
}
expect 'authentication_ok' 6
expect '"28P01"' 1
expect '"42P01"' 1
expect 'SELECT \* FROM credentials' 1
expect '"copy_data_in"' 1
expect '"copy_data_out"' 1
expect 'user_name FROM credentials WHERE id = \$1' 6
expect '"data_rows":500' 1
expect '"ssl_accepted":true' 1
! grep -q "$password" "$work/eve.json" || { echo 'failed: a password is in the records' >&2; exit 1; }
! grep -q '"event_type":"anomaly"' "$work/eve.json" || { echo 'failed: an anomaly of a real server' >&2; exit 1; }
echo "passed: $(count .) records"
