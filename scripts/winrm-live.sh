#!/usr/bin/env bash
# WinRM, end to end: pywinrm and pypsrp speak with a small peer (scripts/winrm-peer.py) on loopback, with Basic in the clear and with
# NTLM and encrypted messages; recorded with tcpdump and replayed through the sensor. Skipped where no client, tcpdump or the
# right to capture is there.
# usage: scripts/winrm-live.sh [BACKSTOP]      KEEP=FILE keeps the capture; PYTHON names the interpreter that has the clients
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/recording.sh"
need_tools "$python" tcpdump
pywinrm= pypsrp=
"$python" -c 'import winrm' 2>/dev/null && pywinrm=1
"$python" -c 'import pypsrp' 2>/dev/null && pypsrp=1
[ -n "$pywinrm$pypsrp" ] || skip 'neither pywinrm nor pypsrp is installed'

begin
# Scripts that run at the same time have numbers next to each other; those of TDS take the ports below.
port=$((40000 + $$ * 2 % 20000))
password='Live-Passw0rd'
record "tcp port $port" "$top/scripts/winrm-peer.py" "$port"

if [ -n "$pywinrm" ]; then
    "$python" - "$port" "$password" <<'PYTHON'
import sys
import winrm
from winrm.exceptions import InvalidCredentialsError

port, password = sys.argv[1:]
url = f"http://127.0.0.1:{port}/wsman"
session = winrm.Session(url, auth=("ann", password), transport="basic")
answer = session.run_cmd("hostname", ["/live"])
assert (answer.status_code, answer.std_out) == (0, b"inert answer\r\n"), answer
assert session.run_ps("Write-Output 'from pywinrm'").status_code == 0
try:
    winrm.Session(url, auth=("ann", "wrong"), transport="basic").run_cmd("refused-command")
    raise SystemExit("no refusal")
except InvalidCredentialsError:
    pass
PYTHON
fi
if [ -n "$pypsrp" ]; then
    "$python" - "$port" "$password" <<'PYTHON'
import sys
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan

port, password = int(sys.argv[1]), sys.argv[2]


def connect(username="ann", **how):
    return WSMan("127.0.0.1", port=port, ssl=False, username=username, password=password, **how)


def run(connection, build):
    with connection, RunspacePool(connection) as pool:
        shell = build(PowerShell(pool))
        assert shell.invoke() == ["inert answer"], shell.streams.error


run(connect(auth="basic", encryption="never"), lambda shell: shell.add_script("Get-Date # from pypsrp\nGet-Process"))
run(
    connect(auth="basic", encryption="never"),
    lambda shell: shell.add_cmdlet("Get-Service").add_parameter("Name", "spooler").add_cmdlet("Select-Object").add_argument("Status"),
)
# Longer than one message may be: the fragments come in several requests.
run(connect(auth="basic", encryption="never"), lambda shell: shell.add_script("# " + "x" * 600_000 + "\n'behind the padding'"))
with connect(auth="basic", encryption="never") as connection, WinRS(connection) as shell:
    process = Process(shell, "ipconfig", ["/all"])
    process.invoke()
    assert process.rc == 0
# Encrypted by NTLM: nothing of what runs is on the wire.
run(connect("CORP\\ann", auth="ntlm", encryption="always"), lambda shell: shell.add_script("'never-in-the-clear'"))
PYTHON
fi
recorded
sensor "${1:-}"
# The sensor's own address runs what it likes: another one stands for the server.
"$python" - live.pcap moved.pcap "$port" <<'PYTHON'
import struct
import sys

source, target, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = open(source, "rb").read()
head, at, out = data[:24], 24, [data[:24]]
server = bytes([127, 0, 0, 10])
while at < len(data):
    record = data[at : at + 16]
    (size,) = struct.unpack("<I", record[8:12])
    frame = bytearray(data[at + 16 : at + 16 + size])
    at += 16 + size
    source_port, target_port = struct.unpack(">HH", frame[34:38])
    if source_port == port:
        frame[26:30] = server
    if target_port == port:
        frame[30:34] = server
    # A header of 20 bytes sums up to zero with its checksum.
    frame[24:26] = bytes(2)
    words = sum(struct.unpack(">10H", frame[14:34]))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    frame[24:26] = struct.pack(">H", ~words & 0xFFFF)
    out.append(record + bytes(frame))
open(target, "wb").write(b"".join(out))
PYTHON
"$backstop" replay moved.pcap -q -o eve.json --set backup_servers=127.0.0.10 --set flow.verify_checksums=false
count() { grep -E "\"event_type\":\"$1\"" eve.json | grep -c -- "$2" || true; }
expect() {
    [ "$(count "$1" "$2")" -ge "$3" ] || { echo "failed: $(count "$1" "$2") $1 records with $2, not $3" >&2; exit 1; }
}
if [ -n "$pywinrm" ]; then
    expect winrm '"kind":"line","text":"hostname /live"' 1
    expect winrm '"auth":"basic","user":"ann"' 1
    expect alert 'hostname /live' 1
    expect alert 'Write-Output .from pywinrm.' 1
    expect winrm '"status":401' 1
fi
if [ -n "$pypsrp" ]; then
    expect winrm 'Get-Date # from pypsrp' 1
    expect winrm 'Get-Service -Name .spooler. | Select-Object .Status.' 1
    expect winrm '"pipeline_state":"completed"' 3
    expect winrm '"psrp_version":"2.3"' 3
    expect winrm '"text":"ipconfig /all"' 1
    expect winrm '"length":6000' 1
    expect winrm '"encrypted":"spnego"' 1
    expect winrm '"auth":"ntlm","user":"ann"' 1
    expect alert '"basis":"session_encryption"' 1
    [ "$(count alert '"basis":"session_encryption"')" = 1 ] || { echo 'failed: more than one encrypted session told' >&2; exit 1; }
fi
! grep -q "$password" eve.json || { echo 'failed: a password is in the records' >&2; exit 1; }
! grep -q never-in-the-clear eve.json || { echo 'failed: what was encrypted is in the records' >&2; exit 1; }
! grep '"event_type":"anomaly"' eve.json | grep -qi winrm || { grep '"event_type":"anomaly"' eve.json >&2; echo 'failed: an anomaly of a real client' >&2; exit 1; }
echo "passed: $(count winrm winrm) records of${pywinrm:+ pywinrm}${pypsrp:+ pypsrp}"
