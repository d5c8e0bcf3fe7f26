#!/usr/bin/env bash
# TDS, end to end: FreeTDS and python-tds speak with a small peer (scripts/tds-peer.py) on loopback, in the clear, with the login
# encrypted and with all encrypted; recorded with tcpdump and replayed through the sensor. Skipped where no client, tcpdump or
# the right to capture is there.
# usage: scripts/tds-live.sh [BACKSTOP]      KEEP=FILE keeps the capture; PYTHON names the interpreter that has pytds
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/recording.sh"
need_tools "$python" tcpdump openssl
tsql=$(command -v tsql || true)
pytds=
"$python" -c 'import pytds' 2>/dev/null && pytds=1
[ -n "$tsql$pytds" ] || skip 'neither tsql (freetds-bin) nor pytds (python-tds) is installed'

begin
# Two of its own: scripts that run at the same time have numbers next to each other.
port=$((20000 + $$ * 2 % 20000))
password='Live-Passw0rd'
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=vbr01 -keyout key -out cert 2>/dev/null
record "tcp port $port" "$top/scripts/tds-peer.py" "$port" cert key

clear=0 login_only=0 full=0 refused=0 rpc=0
if [ -n "$tsql" ]; then
    for how in off request require; do
        printf '[vbr]\nhost = 127.0.0.1\nport = %s\ntds version = 7.4\nencryption = %s\n' "$port" "$how" >freetds.conf
        printf 'SELECT id, note FROM dbo.live_rows\ngo\nSELECT * FROM no_such\ngo\nUSE VeeamBackup\ngo\nSELECT 2\ngo\n' |
            FREETDSCONF=$work/freetds.conf timeout 20 tsql -S vbr -U ann -P "$password" >"tsql-$how" 2>&1 || true
    done
    FREETDSCONF=$work/freetds.conf timeout 20 tsql -S vbr -U ann -P wrong </dev/null >/dev/null 2>&1 || true
    login_only=1 full=1
fi
if [ -n "$pytds" ]; then
    "$python" - "$port" "$password" <<'PYTHON'
import sys
import pytds

port, password = int(sys.argv[1]), sys.argv[2]
with pytds.connect("127.0.0.1", "sales", "ann", password, port=port, autocommit=True, timeout=10) as connection:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, note FROM dbo.live_rows")
        assert cursor.fetchall() == [(1, "one"), (2, "two")]
        cursor.execute("SELECT note FROM dbo.live_rows WHERE id = %s AND note = %s", (7, "seven"))
        cursor.fetchall()
        cursor.execute("-- " + "x" * 9000 + "\nSELECT 'behind three packets'")
        cursor.fetchall()
        try:
            cursor.execute("SELECT * FROM no_such")
            raise SystemExit("no error")
        except pytds.Error:
            pass
try:
    pytds.connect("127.0.0.1", "sales", "ann", "wrong", port=port, timeout=10)
    raise SystemExit("no refusal")
except pytds.Error:
    pass
PYTHON
    clear=1 refused=1 rpc=1
fi
recorded
sensor "${1:-}"
"$backstop" replay live.pcap -q -o eve.json --set sql.max_statement=64KiB
count() { grep -E '"event_type":"(tds|tls)"' eve.json | grep -c -- "$1" || true; }
expect() {
    [ "$(count "$1")" -ge "$2" ] || { echo "failed: $(count "$1") records with $1, not $2" >&2; exit 1; }
}
if [ "$clear" = 1 ]; then
    expect '"encryption":"none"' 1
    expect 'FROM dbo.live_rows"' 1
    expect '"number":208,"state":1' 1
    expect '"columns":\["id","note"\]' 2
    expect 'behind three packets' 1
fi
[ "$rpc" = 0 ] || expect '"procedure":"sp_executesql"' 1
[ "$refused" = 0 ] || expect '"number":18456' 1
if [ "$login_only" = 1 ]; then
    # The login is hidden, and what follows it is in the clear.
    expect '"encryption":"login_only"' 1
    expect '"login":{"encrypted":true},"reply":{"ok":true' 1
    expect '"database":"VeeamBackup","kind":"batch","statements":\[{"text":"SELECT 2' 1
fi
if [ "$full" = 1 ]; then
    expect '"encryption":"full"' 1
    expect '"event_type":"tls"' 1
fi
! grep -q "$password" eve.json || { echo 'failed: a password is in the records' >&2; exit 1; }
! grep -q '"event_type":"anomaly"' eve.json || { echo 'failed: an anomaly of a real client' >&2; exit 1; }
echo "passed: $(count '"event_type":"tds"') records of${tsql:+ FreeTDS}${pytds:+ python-tds}"
