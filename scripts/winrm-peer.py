#!/usr/bin/env python3
"""A small WS-Management peer for tests: winrm-peer.py PORT

No Windows: shells of cmd.exe and of PowerShell that answer every command with one invented line and run nothing. Basic, and NTLM
with message encryption where pyspnego is there. The right password is that of tds-peer.py.
"""

import base64
import http.server
import os
import struct
import sys
import tempfile
import uuid
import xml.etree.ElementTree as ET

try:
    import spnego
except ImportError:
    spnego = None

USER, PASSWORD = "ann", "Live-Passw0rd"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
SEALED = "application/HTTP-SPNEGO-session-encrypted"
BOUNDARY = "Encrypted Boundary"
NONE = uuid.UUID(int=0)


def fragment(number, blob):
    return struct.pack(">QQBI", number, 0, 3, len(blob)) + blob


def message(kind, pool, pipeline, data):
    return struct.pack("<II", 1, kind) + pool.bytes_le + pipeline.bytes_le + b"\xef\xbb\xbf" + data.encode()


class Shells:
    """What is known of each shell and command."""

    def __init__(self):
        self.waiting, self.object = {}, 0

    def psrp(self, pool, pipeline, messages):
        out = b""
        for kind, data in messages:
            self.object += 1
            out += fragment(self.object, message(kind, pool, pipeline, data))
        return base64.b64encode(out).decode()

    def answer(self, root):
        action = root.find(f".//{{{ADDRESSING}}}Action").text
        uri = root.find(f".//{{{WSMAN}}}ResourceURI").text
        asked = root.find(f".//{{{ADDRESSING}}}MessageID").text
        powershell = "/powershell/" in uri.lower()
        selector = root.find(f".//{{{WSMAN}}}Selector")
        shell = selector.text if selector is not None else None
        name = action.rsplit("/", 1)[1]
        body = {
            "Create": self.create,
            "Command": self.command,
            "Receive": self.receive,
            "Send": lambda *_: "<rsp:SendResponse/>",
            "Signal": lambda *_: "<rsp:SignalResponse/>",
            "Delete": lambda *_: "",
        }[name](root, shell, powershell, uri)
        return (
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:w="{WSMAN}" xmlns:rsp="{SHELL}" xmlns:x="{TRANSFER}">'
            f"<s:Header><a:Action>{action}Response</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
            f"<a:RelatesTo>{asked}</a:RelatesTo></s:Header>"
            f"<s:Body>{body}</s:Body></s:Envelope>"
        )

    def create(self, root, _, powershell, uri):
        asked = root.find(f".//{{{SHELL}}}Shell").get("ShellId")
        shell = asked or str(uuid.uuid4()).upper()
        if powershell:
            capability = (
                '<Obj RefId="0"><MS><Version N="protocolversion">2.3</Version><Version N="PSVersion">2.0</Version>'
                '<Version N="SerializationVersion">1.1.0.1</Version></MS></Obj>'
            )
            private = '<Obj RefId="0"><MS><Obj N="ApplicationPrivateData" RefId="1"><DCT/></Obj></MS></Obj>'
            state = '<Obj RefId="0"><MS><I32 N="RunspaceState">2</I32></MS></Obj>'
            opening = [(0x10002, capability), (0x21009, private), (0x21005, state)]
            self.waiting[shell, None] = self.psrp(uuid.UUID(shell), NONE, opening)
        return (
            f"<x:ResourceCreated><a:Address>{ADDRESSING}/role/anonymous</a:Address><a:ReferenceParameters>"
            f'<w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
            f"</a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId>"
            f"<rsp:ResourceUri>{uri}</rsp:ResourceUri><rsp:InputStreams>stdin</rsp:InputStreams>"
            "<rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>"
        )

    def command(self, root, shell, powershell, _):
        asked = root.find(f".//{{{SHELL}}}CommandLine").get("CommandId")
        command = asked or str(uuid.uuid4()).upper()
        if powershell:
            ended = '<Obj RefId="0"><MS><I32 N="PipelineState">4</I32></MS></Obj>'
            output = [(0x41004, "<S>inert answer</S>"), (0x41006, ended)]
            self.waiting[shell, command] = self.psrp(uuid.UUID(shell), uuid.UUID(command), output)
        else:
            self.waiting[shell, command] = base64.b64encode(b"inert answer\r\n").decode()
        return f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"

    def receive(self, root, shell, powershell, _):
        command = root.find(f".//{{{SHELL}}}DesiredStream").get("CommandId")
        of = f' CommandId="{command}"' if command else ""
        stream = self.waiting.pop((shell, command), "")
        done = (
            f'<rsp:CommandState{of} State="{SHELL}/CommandState/Done"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>'
            if command
            else ""
        )
        return f'<rsp:ReceiveResponse><rsp:Stream Name="stdout"{of}>{stream}</rsp:Stream>{done}</rsp:ReceiveResponse>'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Microsoft-HTTPAPI/2.0", ""
    context, shells = None, Shells()

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", kind="application/soap+xml;charset=UTF-8", fields=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, token=""):
        offers = [("WWW-Authenticate", f"Negotiate {token}".strip())]
        if not token:
            offers.append(("WWW-Authenticate", 'Basic realm="WSMAN"'))
        self.reply(401, fields=offers)

    def allowed(self):
        """Whether who asks may; answers where not."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            if base64.b64decode(token).decode() == f"{USER}:{PASSWORD}":
                return True
        elif scheme in ("Negotiate", "NTLM") and spnego:
            if self.context is None or self.context.complete:
                self.context = spnego.server(protocol="ntlm")
            try:
                out = self.context.step(base64.b64decode(token))
            except Exception as error:
                print("refused:", error, file=sys.stderr)
                self.context = None
                self.refuse()
                return False
            if self.context.complete:
                return True
            self.refuse(base64.b64encode(out).decode())
            return False
        elif self.context is not None and self.context.complete:
            return True
        self.refuse()
        return False

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.allowed():
            return
        if not body:
            self.reply(200)
            return
        sealed = SEALED.lower() in self.headers.get("Content-Type", "").lower()
        if sealed:
            at = body.index(b"application/octet-stream\r\n") + len(b"application/octet-stream\r\n")
            inner = body[at : body.rindex(b"--" + BOUNDARY.encode())]
            (size,) = struct.unpack("<I", inner[:4])
            body = self.context.unwrap_winrm(inner[4 : 4 + size], inner[4 + size :])
        answer = self.shells.answer(ET.fromstring(body)).encode()
        if not sealed:
            self.reply(200, answer)
            return
        wrapped = self.context.wrap_winrm(answer)
        parts = (
            f"--{BOUNDARY}\r\n\tContent-Type: {SEALED}\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(answer) + wrapped.padding_length}\r\n"
            f"--{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n"
        ).encode()
        parts += struct.pack("<I", len(wrapped.header)) + wrapped.header + wrapped.data + f"--{BOUNDARY}--\r\n".encode()
        self.reply(200, parts, f'multipart/encrypted;protocol="{SEALED}";boundary="{BOUNDARY}"')


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".users") as users:
        users.write(f"CORP:{USER}:{PASSWORD}\n")
        users.flush()
        os.environ["NTLM_USER_FILE"] = users.name
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
        print("listening", flush=True)
        server.serve_forever()


main()
