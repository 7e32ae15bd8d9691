"""authing: the dialogue with authd (lib/wire/auth.h), a packet at a time.

    a = Auth(house)
    a.check('ann')                           # ['YES', 'ann@example.org', TICKET], words as they came
    a.ask_body('STATUS', 'all')              # the lines behind the answer
    counts(house)                            # {'passed': 1, ...}
"""
import socket

from posthouse import *


def word(s):
    s = s.encode() if isinstance(s, str) else s
    return b'%' if not s else b''.join(bytes([c]) if 0x21 <= c <= 0x7e and c != 0x25 else b'%%%02X' % c for c in s)


class Auth:
    def __init__(self, house):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(40 * PATIENCE)
        self.s.connect(str(house.path('run', 'auth')))

    def say(self, verb, *words):
        self.s.send(b' '.join([verb.encode()] + [word(w) for w in words]))

    def hear(self):
        try:
            return self.s.recv(65536).decode().split(' ')
        except ConnectionResetError:
            return ['']

    def ask(self, *words):
        self.say(*words)
        return self.hear()

    def ask_body(self, *words):
        self.say(*words)
        return self.s.recv(65536).decode().partition('\n')[2]

    def check(self, login, password='secret', client='192.0.2.1', service='pop3'):
        return self.ask('CHECK', login, password, service, client)


def counts(house):
    """What `posthouse status --auth` is made of."""
    return {name: int(n) for name, n in (line.split(' ') for line in Auth(house).ask_body('STATUS', 'all').split('\n') if line)}


def authd_answers(house):
    try:
        return Auth(house).ask('OFFER', 'any')[0] == 'OFFERED'
    except OSError:
        return False


__all__ = [n for n in dir() if not n.startswith('_')]
