#!/usr/bin/env bash
# SMB, end to end: a private Samba server and smbclient, rpcclient and impacket, each side in a network namespace of its own;
# recorded with tcpdump on the link between them and replayed through the sensor. Skipped where the server, a client, tcpdump, or
# the right to make namespaces and to capture is missing.
# usage: scripts/smb-live.sh [BACKSTOP]      KEEP=FILE keeps the capture; PYTHON names the interpreter that has impacket
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
skip() {
    echo "skipped: $*"
    exit 0
}
PATH=$PATH:/usr/sbin:/sbin
python=${PYTHON:-python3}
for tool in smbd smbpasswd smbclient rpcclient tcpdump ip; do command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"; done
[ "$(id -u)" = 0 ] || skip 'only root may make a network namespace'
impacket=
"$python" -c 'import impacket' 2>/dev/null && impacket=1

work=$(mktemp -d)
space=smb-live-$$ host=smb-host-$$
dump= server= helpers=
cleanup() {
    [ -z "$dump" ] || kill "$dump" 2>/dev/null || true
    # Its children are of its group.
    for group in $server $helpers; do kill -- "-$group" 2>/dev/null || true; done
    for each in "$space" "$host"; do ip netns del "$each" 2>/dev/null || true; done
    rm -rf "$work"
    true
}
trap cleanup EXIT
cd "$work"
for each in "$space" "$host"; do ip netns add "$each" 2>/dev/null || skip 'no right to make a network namespace'; done
ip -n "$host" link add eth0 type veth peer name eth0 netns "$space" 2>/dev/null || skip 'no right to make a link'
ip -n "$host" link set lo up
ip -n "$host" addr add 198.18.77.1/30 dev eth0 && ip -n "$host" link set eth0 up
# Frames as on a wire, where the tool is there.
for each in "$space" "$host"; do
    ip netns exec "$each" ethtool -K eth0 tso off gso off gro off >/dev/null 2>&1 || true
done
ip -n "$space" addr add 198.18.77.2/30 dev eth0 && ip -n "$space" link set eth0 up

password='Live-Passw0rd'
mkdir run backups admin admin/temp
echo kept >backups/ordinary.txt
cat >smb.conf <<CONF
[global]
server role = standalone server
netbios name = VBR01
smb ports = 445
interfaces = 198.18.77.1
bind interfaces only = yes
server min protocol = NT1
passdb backend = tdbsam:$work/run/passdb.tdb
private dir = $work/run
lock directory = $work/run
state directory = $work/run
cache directory = $work/run
pid directory = $work/run
ncalrpc dir = $work/run/ncalrpc
log file = $work/run/log
disable netbios = yes
rpc start on demand helpers = no
load printers = no
printcap name = /dev/null
[backups]
path = $work/backups
read only = no
[ADMIN\$]
path = $work/admin
read only = no
[D\$]
path = $work/admin
read only = yes
CONF
printf '%s\n%s\n' "$password" "$password" | smbpasswd -c smb.conf -s -a root >/dev/null 2>&1 || skip 'Samba takes no user'
setsid ip netns exec "$host" smbd --foreground --no-process-group --configfile smb.conf --debuglevel=0 >smbd.log 2>&1 &
server=$!
# What serves the pipes.
for helper in /usr/libexec/samba/samba-dcerpcd /usr/lib*/samba/samba-dcerpcd; do
    [ -x "$helper" ] || continue
    setsid ip netns exec "$host" "$helper" --foreground --no-process-group --configfile smb.conf --libexec-rpcds --debuglevel=0 >dcerpcd.log 2>&1 &
    helpers=$!
    break
done
ip netns exec "$host" tcpdump -i eth0 -B 65536 -s 0 -U -w live.pcap 'tcp port 445' 2>tcpdump &
dump=$!
for _ in $(seq 50); do
    grep -q listening tcpdump && ip netns exec "$host" bash -c 'exec 3<>/dev/tcp/198.18.77.1/445' 2>/dev/null && break
    kill -0 "$dump" 2>/dev/null || { dump=; skip 'no right to capture'; }
    kill -0 "$server" 2>/dev/null || { cat smbd.log >&2; echo 'failed: the server does not start' >&2; exit 1; }
    sleep 0.2
done

printf 'Get-Date\r\nGet-ChildItem D:\\Backups\r\n' >check.ps1
head -c 3000000 /dev/zero | tr '\0' 'x' >large.vib
as=(-s smb.conf -U "root%$password")
client() {
    local share=$1 commands=$2
    shift 2
    ip netns exec "$space" timeout 30 smbclient "//198.18.77.1/$share" "${as[@]}" -c "$commands" "$@" >>client.log 2>&1
}
client backups 'put large.vib; get ordinary.txt; put check.ps1; rename check.ps1 weekly.ps1; del weekly.ps1; ls' --client-protection=sign
client 'ADMIN$' 'put check.ps1 temp\check.ps1' --client-protection=sign
client 'ADMIN$' 'put check.ps1 temp\old.bat' --client-protection=sign -m NT1 --option='client min protocol=NT1'
client 'ADMIN$' 'put check.ps1 temp\hidden.ps1' --client-protection=encrypt
client 'D$' 'put check.ps1 temp\refused.ps1' --client-protection=sign || true
ip netns exec "$space" timeout 30 smbclient //198.18.77.1/backups -s smb.conf -U root%wrong -c ls >/dev/null 2>&1 || true
ip netns exec "$space" timeout 30 rpcclient ncacn_np:198.18.77.1 "${as[@]}" --client-protection=sign -c netshareenumall >>client.log 2>&1 || true
if [ -n "$impacket" ]; then
    ip netns exec "$space" timeout 60 "$python" - "$password" <<'PYTHON'
import io
import sys
from impacket.dcerpc.v5 import scmr, srvs, transport
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SMBConnection

connection = SMBConnection("198.18.77.1", "198.18.77.1", preferredDialect=SMB2_DIALECT_21)
connection.login("root", sys.argv[1])
script = "\ufeff# written by impacket\r\nGet-Process\r\n".encode("utf-16-le")
connection.putFile("ADMIN$", "temp\\Ab3dEf6hIj9k.ps1", io.BytesIO(script).read)
program = bytearray(600)
program[0:2], program[0x3C], program[0x80:0x84] = b"MZ", 0x80, b"PE\0\0"
connection.putFile("ADMIN$", "temp\\picture.png", io.BytesIO(bytes(program)).read)
back = io.BytesIO()
connection.getFile("ADMIN$", "temp\\Ab3dEf6hIj9k.ps1", back.write)
assert back.getvalue() == script
pipe = transport.SMBTransport("198.18.77.1", filename="srvsvc", smb_connection=connection).get_dce_rpc()
pipe.connect()
pipe.bind(srvs.MSRPC_UUID_SRVS)
try:
    srvs.hNetrSessionEnum(pipe, "\0", "\0", 10)
except Exception as refused:
    print(refused)
# Samba's manager of services makes none: the request is there, the answer is a refusal.
pipe = transport.SMBTransport("198.18.77.1", filename="svcctl", smb_connection=connection).get_dce_rpc()
pipe.connect()
pipe.bind(scmr.MSRPC_UUID_SCMR)
try:
    manager = scmr.hROpenSCManagerW(pipe)["lpScHandle"]
    scmr.hRCreateServiceW(pipe, manager, "LiveSvc\0", "Live\0", lpBinaryPathName="%COMSPEC% /c echo live\0")
except Exception as refused:
    print(refused)
connection.logoff()
PYTHON
fi >>client.log 2>&1 || { cat client.log >&2; echo 'failed: impacket' >&2; exit 1; }
sleep 1
kill -INT "$dump"
wait "$dump" || true
dump=
[ -n "${KEEP:-}" ] && cp live.pcap "$KEEP"

backstop=${1:-}
if [ -z "$backstop" ]; then
    for built in "$top/target/release/backstop" "$top/target/debug/backstop"; do [ -x "$built" ] && backstop=$built; done
fi
[ -n "$backstop" ] || skip 'recorded, but no sensor is built'
"$backstop" replay live.pcap -q -o eve.json --set backup_servers=198.18.77.1
count() { grep -E "\"event_type\":\"$1\"" eve.json | grep -c -- "$2" || true; }
expect() {
    [ "$(count "$1" "$2")" -ge "$3" ] || { echo "failed: $(count "$1" "$2") records $1 with $2, not $3" >&2; exit 1; }
}
alerts() {
    [ "$(count alert "\"signature_id\":$1,.*$2")" = "$3" ] || {
        echo "failed: $(count alert "\"signature_id\":$1,.*$2") alerts $1 with $2, not $3" >&2
        exit 1
    }
}
expect smb '"filename":"large.vib"' 2
expect smb '"filename":"ordinary.txt"' 2
expect smb '"rename":{"from":"check.ps1","to":"weekly.ps1"}' 1
expect smb 'SMB3_ENCRYPTED' 1
expect fileinfo "large.vib.*\"sha256\":\"$(sha256sum <large.vib | cut -d' ' -f1)\"" 1
expect smb '"STATUS_LOGON_FAILURE"' 1
expect smb 'SMB1_COMMAND_WRITE_ANDX' 1
alerts 9404001 '"outcome":\["success"\].*check.ps1' 1
alerts 9404001 '"outcome":\["success"\].*old.bat' 1
alerts 9404001 '"outcome":\["attempt"\].*refused.ps1' 1
alerts 9404011 NetrShareEnum 1
expected=4
if [ -n "$impacket" ]; then
    alerts 9404001 '"severity":1.*Ab3dEf6hIj9k.ps1' 1
    alerts 9404002 'picture.png' 1
    alerts 9404003 '"severity":1.*"outcome":\["attempt"\].*LiveSvc' 1
    expected=7
fi
[ "$(count alert '')" = "$expected" ] || { echo "failed: $(count alert '') alerts, not $expected" >&2; exit 1; }
! grep -q "$password" eve.json || { echo 'failed: a password is in the records' >&2; exit 1; }
! grep -q hidden.ps1 eve.json || { echo 'failed: something of an encrypted session' >&2; exit 1; }
! grep -q '"event_type":"anomaly"' eve.json || { echo 'failed: an anomaly of a real client' >&2; exit 1; }
echo "passed: $(count smb '') records of smbclient${impacket:+, impacket}"
