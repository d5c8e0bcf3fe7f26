#!/usr/bin/env bash
# DCE/RPC over TCP, end to end: impacket makes a service, a task, a job of the old scheduler and WMI requests on a small peer
# (scripts/rpc-peer.py), with NDR in the clear and sealed, and through pipes of impacket's servers of SMB 1 and 2; recorded with
# tcpdump on loopback and replayed through the sensor.
# Skipped where impacket, tcpdump or the right to capture is missing.
# usage: scripts/rpc-live.sh [BACKSTOP]      KEEP=FILE keeps the capture; PYTHON names the interpreter that has impacket
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/recording.sh"
need_tools "$python" tcpdump
"$python" -c 'import impacket' 2>/dev/null || skip 'impacket is not installed'

begin
# The server has an address of its own, so that its client is another host.
server=127.0.0.10
port=$((20000 + $$ * 4 % 12000))
record "tcp portrange $port-$((port + 3)) and host $server" "$top/scripts/rpc-peer.py" "$server" "$port"
# What pipes lead to is on no wire: an address that is not recorded.
behind=127.0.0.11
"$python" "$top/scripts/rpc-peer.py" "$behind" "$port" >behind &
peer="$peer $!"
wait_for behind "$!" || { echo 'failed: the peer behind the pipes does not start' >&2; exit 1; }

"$python" - "$server" "$port" "$behind" "$top/protocols/src/dcerpc/calls/tests/stubs.txt" <<'PYTHON'
import sys
import threading
import time

from impacket import smb, smb3structs, smbserver
from impacket.dcerpc.v5 import atsvc, epm, rpcrt, scmr, transport, tsch
from impacket.dcerpc.v5 import dcomrt
from impacket.dcerpc.v5.dcom import wmi
from impacket.dcerpc.v5.dtypes import NULL

server, port, behind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# Arguments as impacket's own classes write them; they need a real server's answers to be made here.
stubs = {}
for line in open(sys.argv[4]):
    name, opnum, how, stub = line.split()[-4:] if not line.startswith("#") else [""] * 4
    if how == "ndr":
        stubs[name, int(opnum)] = bytes.fromhex(stub)


def connect(of, interface, sealed=False):
    rpc = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{server}[{of}]")
    if sealed:
        rpc.set_credentials("ann", "Live-Passw0rd", "CORP")
    dce = rpc.get_dce_rpc()
    if sealed:
        dce.set_credentials("ann", "Live-Passw0rd", "CORP")
        dce.set_auth_type(rpcrt.RPC_C_AUTHN_WINNT)
        dce.set_auth_level(rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    dce.connect()
    dce.bind(interface)
    return dce


# WMI: its object is activated, a method called in the clear, and then sealed.
activator = connect(port, dcomrt.IID_IRemoteSCMActivator)
activator.call(4, stubs["IRemoteSCMActivator", 4])
activator.recv()
activator.disconnect()
for sealed in (False, True):
    objects = connect(port + 1, wmi.IID_IWbemServices, sealed)
    objects.call(24, stubs["IWbemServices", 24])
    objects.disconnect() if sealed else (objects.recv(), objects.disconnect())

# The endpoint mapper hands out the other port.
mapper = connect(port, epm.MSRPC_UUID_PORTMAP)
found = epm.hept_map(server, scmr.MSRPC_UUID_SCMR, protocol="ncacn_ip_tcp", dce=mapper)
assert found.endswith(f"[{port + 1}]"), found
port += 1

services = connect(port, scmr.MSRPC_UUID_SCMR)
manager = scmr.hROpenSCManagerW(services)["lpScHandle"]
made = scmr.hRCreateServiceW(services, manager, "LiveSvc\0", "Live\0", lpBinaryPathName="%COMSPEC% /Q /c echo live\0")
try:
    scmr.hRStartServiceW(services, made["lpServiceHandle"])
    raise SystemExit("no timeout")
except rpcrt.DCERPCException as error:
    assert error.get_error_code() == 1053, error
scmr.hRDeleteService(services, made["lpServiceHandle"])
services.disconnect()

tasks = connect(port, tsch.MSRPC_UUID_TSCHS)
xml = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Settings><Hidden>true</Hidden></Settings>
<Actions><Exec><Command>C:\\live\\agent.exe</Command><Arguments>-once</Arguments></Exec></Actions></Task>"""
tsch.hSchRpcRegisterTask(tasks, "\\LiveTask", xml, tsch.TASK_CREATE, NULL, tsch.TASK_LOGON_NONE)
tsch.hSchRpcRun(tasks, "\\LiveTask")
tsch.hSchRpcDelete(tasks, "\\LiveTask")
tasks.disconnect()

jobs = connect(port, atsvc.MSRPC_UUID_ATSVC)
job = atsvc.AT_INFO()
job["JobTime"], job["Command"] = NULL, "cmd.exe /C echo live\0"
job["DaysOfMonth"] = job["DaysOfWeek"] = job["Flags"] = 0
atsvc.hNetrJobAdd(jobs, NULL, job)
jobs.disconnect()

# Sealed: the peer's results are none that can be unsealed, and the request is on the wire all the same.
sealed = connect(port, tsch.MSRPC_UUID_TSCHS, sealed=True)
try:
    tsch.hSchRpcRegisterTask(sealed, "\\SealedTask", xml, tsch.TASK_CREATE, NULL, tsch.TASK_LOGON_NONE)
except Exception:
    pass
sealed.disconnect()


def serve(number, newer):
    shares = smbserver.SimpleSMBServer(server, number)
    shares.setSMB2Support(newer)
    for pipe in ("atsvc", "svcctl"):
        shares.registerNamedPipe(pipe, (behind, port))
    shares.start()


# Through pipes: the new scheduler and the manager of services.
for number, dialect in ((port + 1, smb3structs.SMB2_DIALECT_002), (port + 2, smb.SMB_DIALECT)):
    threading.Thread(target=serve, args=(number, dialect != smb.SMB_DIALECT), daemon=True).start()
    time.sleep(1)

    def pipe(name, interface):
        rpc = transport.DCERPCTransportFactory(f"ncacn_np:{server}[\\pipe\\{name}]")
        rpc.set_dport(number)
        rpc.setRemoteHost(server)
        rpc.set_credentials("ann", "Live-Passw0rd", "CORP")
        rpc.preferred_dialect(dialect)
        dce = rpc.get_dce_rpc()
        dce.connect()
        dce.bind(interface)
        return dce

    tasks = pipe("atsvc", tsch.MSRPC_UUID_TSCHS)
    path = f"\\PipeTask{number - port}"
    tsch.hSchRpcRegisterTask(tasks, path, xml, tsch.TASK_CREATE, NULL, tsch.TASK_LOGON_NONE)
    tsch.hSchRpcRun(tasks, path)
    tsch.hSchRpcDelete(tasks, path)
    tasks.disconnect()
    services = pipe("svcctl", scmr.MSRPC_UUID_SCMR)
    manager = scmr.hROpenSCManagerW(services)["lpScHandle"]
    made = scmr.hRCreateServiceW(services, manager, "PipeSvc\0", "Pipe\0", lpBinaryPathName="%COMSPEC% /Q /c echo pipe\0")
    scmr.hRDeleteService(services, made["lpServiceHandle"])
    services.disconnect()
PYTHON
recorded
sensor "${1:-}"
"$backstop" replay live.pcap -q -o eve.json --set "backup_servers=$server"
"$python" - eve.json "$port" <<'PYTHON'
import json
import sys

records = [json.loads(line) for line in open(sys.argv[1])]
port = int(sys.argv[2])
alerts = [record for record in records if record["event_type"] == "alert"]
told = sorted((a["alert"]["signature_id"], a["alert"]["severity"], a["alert"]["metadata"]["outcome"][0]) for a in alerts)
expected = [(9404003, 1, "success"), (9404004, 1, "success"), (9404004, 2, "success"), (9404004, 3, "unknown"), (9404005, 1, "success")]
# Through the pipes of either version a service and a task.
piped = [(9404003, 1, "success"), (9404004, 2, "success")] * 2
assert told == sorted(expected + piped), told
dialects = {a["smb"]["dialect"] for a in alerts if "smb" in a}
assert dialects == {"NT LM 0.12", "2.02"}, dialects
names = {a["alert"]["context"]["dcerpc"]["arguments"].get("path") for a in alerts if "smb" in a}
assert names == {"\\PipeTask1", "\\PipeTask2", None}, names
alerts = [a for a in alerts if "smb" not in a]


def context(sid, severity):
    return next(a["alert"]["context"]["dcerpc"] for a in alerts if (a["alert"]["signature_id"], a["alert"]["severity"]) == (sid, severity))


service = context(9404003, 1)
assert service["arguments"]["service"] == "LiveSvc" and service["started"] and service["start_code"] == 1053, service
task = context(9404004, 2)
assert task["arguments"]["definition"]["actions"] == [{"command": "C:\\live\\agent.exe", "arguments": "-once"}] and task["started"], task
assert task["arguments"]["definition"]["hidden"], task
# One cause, one alert: neither the activation nor the sealed method tells of it again.
process = context(9404005, 1)
assert process["arguments"]["method"] == "Create" and process["text"] == "cmd.exe /Q /c echo x", process
sealed = context(9404004, 3)
assert sealed["sealed"] and sealed["not_visible"] and sealed["auth"]["user"] == "ann", sealed
assert "SealedTask" not in json.dumps(records)
calls = [record["dcerpc"] for record in records if record["event_type"] == "dcerpc"]
assert any(call.get("req", {}).get("opnum") == 3 for call in calls), "no ept_map"
assert not [record for record in records if record["event_type"] == "anomaly"]
assert "Live-Passw0rd" not in json.dumps(records)
print(f"passed: {len(calls)} binds and calls, {len(told)} alerts")
PYTHON
