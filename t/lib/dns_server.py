"""dns_server: a name server on loopback for tests, over UDP; what it answers can be changed while it runs.

    dns = DnsServer({'a.example': ['192.0.2.1']})
    dns.names['b.example'] = DROP
    dns.names['mx.example'] = {'MX': [(10, 'a.example')], 'A': ...}
    conf = dns.conf
"""
import socket
import struct
import threading

DROP, SERVFAIL = 'drop', 'servfail'
TYPES = {'A': 1, 'SOA': 6, 'PTR': 12, 'MX': 15, 'AAAA': 28}


def wire(name):
    return b''.join(bytes([len(l)]) + l.encode() for l in name.split('.') if l) + b'\0'


class DnsServer:
    """names: a name → its IPv4 addresses, or {type: records}, or DROP (no answer), SERVFAIL. A name that is not there
    is looked for as '*.' and each of its parents; else it does not exist. everything: overrides all of them."""

    def __init__(self, names=None, ttl=60):
        self.names, self.ttl, self.everything = dict(names or {}), ttl, None
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(('127.0.0.1', 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def conf(self):
        return 'resolver = 127.0.0.1:%d\ndns_timeout = 2s' % self.port

    def count(self, suffix):
        return sum(n.endswith(suffix) for n in list(self.asked))

    def _find(self, name):
        if self.everything is not None:
            return self.everything
        if name in self.names:
            return self.names[name]
        while '.' in name:
            name = name.split('.', 1)[1]
            if '*.' + name in self.names:
                return self.names['*.' + name]
        return None

    def _data(self, kind, record):
        if kind == 'A':
            return socket.inet_aton(record)
        if kind == 'AAAA':
            return socket.inet_pton(socket.AF_INET6, record)
        if kind == 'MX':
            return struct.pack('>H', record[0]) + wire(record[1])
        return wire(record)

    def _serve(self):
        while True:
            query, client = self.sock.recvfrom(4096)
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode('latin-1').lower())
                at += 1 + query[at]
            kind = next((k for k, n in TYPES.items() if n == struct.unpack('>H', query[at + 1:at + 3])[0]), '?')
            name = '.'.join(labels)
            self.asked.append(name)
            found = self._find(name)
            if found == DROP:
                continue
            if isinstance(found, list):
                found = {'A': found}
            records = [] if found is None or found == SERVFAIL else found.get(kind, [])
            code = 2 if found == SERVFAIL else 3 if found is None else 0
            out = query[:2] + struct.pack('>HHHHH', 0x8580 | code, 1, len(records), 0, 0) + query[12:at + 5]
            for r in records:
                data = self._data(kind, r)
                out += b'\xc0\x0c' + struct.pack('>HHIH', TYPES[kind], 1, self.ttl, len(data)) + data
            self.sock.sendto(out, client)
