#!/usr/bin/env python3
"""A small peer of DCE/RPC over TCP (C706 chapter 12): accepts every bind, and answers the calls that the live test makes with
results of the right shape. Nothing that it is asked for is done.

usage: rpc-peer.py ADDRESS PORT      port: the endpoint mapper; the next one: everything else
"""
import os
import socket
import struct
import sys
import threading

NDR = bytes.fromhex("045d888aeb1cc9119fe808002b10486002000000")
EPMAPPER = bytes.fromhex("0883afe11f5dc91191a408002b14a0fa")
HANDLE = b"\0\0\0\0" + bytes(range(1, 17))
OK = b"\0\0\0\0"
# A challenge of NTLM ([MS-NLMP] 2.2.1.2): what follows it on the client's side is sealed, and never read here.
TARGET = "VBR01".encode("utf-16-le")
INFO = b"".join(struct.pack("<HH", kind, len(TARGET)) + TARGET for kind in (2, 1, 4, 3)) + struct.pack("<HH", 0, 0)


def challenge():
    head = struct.pack("<8sIHHI", b"NTLMSSP\0", 2, len(TARGET), len(TARGET), 56)
    flags = 0xE28A8235
    middle = struct.pack("<I8s8sHHI8s", flags, os.urandom(8), b"\0" * 8, len(INFO), len(INFO), 56 + len(TARGET), b"\x0a\0\x63\x45\0\0\0\x0f")
    return head + middle + TARGET + INFO


def wide(text):
    units = (text + "\0").encode("utf-16-le")
    padding = b"\0" * (-len(units) % 4)
    return struct.pack("<III", len(text) + 1, 0, len(text) + 1) + units + padding


def tower(stub, port, address):
    """The tower that was asked for, with this port and address in place of its last floors."""
    count, at = struct.unpack_from("<H", stub)[0], 2
    floors = []
    for _ in range(count):
        left = struct.unpack_from("<H", stub, at)[0]
        lhs = stub[at + 2 : at + 2 + left]
        at += 2 + left
        right = struct.unpack_from("<H", stub, at)[0]
        floors.append((lhs, stub[at + 2 : at + 2 + right]))
        at += 2 + right
    floors[3] = (floors[3][0], struct.pack(">H", port))
    floors[4] = (floors[4][0], socket.inet_aton(address))
    pack = lambda part: struct.pack("<H", len(part)) + part
    return struct.pack("<H", count) + b"".join(pack(lhs) + pack(rhs) for lhs, rhs in floors)


def answer(interface, opnum, stub, address, port):
    """Results of a call, by the interface's first bytes."""
    if interface == EPMAPPER and opnum == 3:
        # object, tower: pointer, length, length, octets.
        length = struct.unpack_from("<I", stub, 24)[0]
        found = tower(stub[32 : 32 + length], port + 1, address)
        body = struct.pack("<20sIIII", b"\0" * 20, 1, 1, 0, 1) + struct.pack("<III", 3, len(found), len(found)) + found
        return body + b"\0" * (-len(body) % 4) + OK
    name = interface[:4].hex()
    if name == "81bb7a36":
        if opnum in (15, 16):
            return HANDLE + OK
        if opnum == 12:
            return OK + HANDLE + OK
        if opnum == 19:
            return struct.pack("<I", 1053)
        return HANDLE + OK if opnum == 0 else OK
    if name == "4959d386":
        if opnum == 1:
            return struct.pack("<I", 0x20000) + wide("\\LiveTask") + OK + OK
        return b"\x07" * 16 + OK if opnum == 12 else OK
    if name == "8206f71f":
        return struct.pack("<I", 1) + OK
    return OK


def send(connection, kind, call_id, body, token=b""):
    verifier = b""
    if token:
        padding = -len(body) % 4
        body += b"\0" * padding
        verifier = struct.pack("<BBBBI", 10, 6, padding, 0, 79231) + token
    length = 16 + len(body) + len(verifier)
    connection.sendall(struct.pack("<BBBBIHHI", 5, 0, kind, 3, 0x10, length, len(token), call_id) + body + verifier)


def exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve(connection, address, port):
    contexts, stubs = {}, {}
    try:
        while True:
            head = exactly(connection, 16)
            kind, flags = head[2], head[3]
            length, token, call_id = struct.unpack_from("<HHI", head, 8)
            body = exactly(connection, length - 16)
            if kind in (11, 14):
                count, at, results = body[8], 12, b""
                for _ in range(count):
                    context, transfers = struct.unpack_from("<HB", body, at)
                    contexts[context] = body[at + 4 : at + 20]
                    results += struct.pack("<HH", 0, 0) + NDR
                    at += 24 + 20 * transfers
                port_text = b"%d\0" % (port + 1)
                named = struct.pack("<H", len(port_text)) + port_text
                named += b"\0" * (-(len(named) + 24) % 4)
                reply = struct.pack("<HHI", 4280, 4280, 4711) + named + struct.pack("<BBH", count, 0, 0) + results
                send(connection, 12 if kind == 11 else 15, call_id, reply, challenge() if token and kind == 11 else b"")
            elif kind == 0:
                context, opnum = struct.unpack_from("<HH", body, 4)
                end = len(body) - (token + 8 if token else 0)
                stubs[call_id] = stubs.get(call_id, b"") + body[8:end]
                if flags & 2:
                    stub = stubs.pop(call_id)
                    reply = OK * 4 if token else answer(contexts[context], opnum, stub, address, port)
                    send(connection, 2, call_id, struct.pack("<IHH", len(reply), context, 0) + reply)
    except (EOFError, ConnectionError):
        pass
    connection.close()


def listen(address, port, first):
    server = socket.create_server((address, port))
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection, address, first), daemon=True).start()


if __name__ == "__main__":
    address, port = sys.argv[1], int(sys.argv[2])
    threads = [threading.Thread(target=listen, args=(address, one, port), daemon=True) for one in (port, port + 1)]
    for thread in threads:
        thread.start()
    print("listening", flush=True)
    threads[0].join()
