#!/usr/bin/env python3
"""Writes conversations as protocols/fixtures has them: a relay on loopback between a client and a server.

usage: scripts/relay.py LISTEN_PORT SERVER_PORT NAME     writes NAME_0.txt, NAME_1.txt … until nobody connects for eight seconds
"""
import socket
import sys
import threading

listen_port, server_port, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()


def pump(source, sink, arrow, turns):
    while True:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if not data:
            try:
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return
        with lock:
            if turns and turns[-1][0] == arrow:
                turns[-1][1].extend(data)
            else:
                turns.append((arrow, bytearray(data)))
        sink.sendall(data)


listener = socket.create_server(("127.0.0.1", listen_port))
listener.settimeout(8)
number = 0
try:
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", server_port))
        turns = []
        pumps = [
            threading.Thread(target=pump, args=(client, server, ">", turns)),
            threading.Thread(target=pump, args=(server, client, "<", turns)),
        ]
        for thread in pumps:
            thread.start()
        for thread in pumps:
            thread.join(6)
        with open(f"{name}_{number}.txt", "w", encoding="ascii") as out:
            out.writelines(f"{arrow} {data.hex()}\n" for arrow, data in turns)
        number += 1
except TimeoutError:
    pass
