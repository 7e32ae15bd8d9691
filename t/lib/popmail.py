"""popmail: a house of which only authd and pop3d run, and messages put into its maildirs.

    from popmail import *
    house = PopHouse().start()
    put(house, 'ann', b'Subject: x\\n\\nhello\\n')
    with house.pop3('ann') as p: ...
"""
import os
import pwd
import subprocess
import threading

from posthouse import *
import posthouse as _ph

_n = 0


class PopHouse(House):
    """start() runs authd and pop3d, each with its log in log/NAME.err."""

    programs = ('authd', 'pop3d')

    def start(self, bound=20):
        self.started = {}
        for name in self.programs:
            self.start_program(name)
        wait_until(self._answers, bound, 'pop3d answers')
        return self

    def start_program(self, name):
        with open(self.path('log', name + '.err'), 'ab') as err:
            self.started[name] = spawn([_ph.LIBEXEC / name, '-C', self.dir], stderr=err)

    def stop(self, bound=20):
        return {name: end(p, bound) for name, p in reversed(list(self.started.items()))}

    def _answers(self):
        try:
            with Pop3(self.pop3_port) as p:
                return os.path.exists(self.path('run', 'auth')) and (p.cmd() or '').startswith('+OK')
        except OSError:
            return False

    def log(self):
        return ''.join(p.read_bytes().decode('utf-8', 'surrogateescape')
                       for p in sorted(self.path('log').glob('*.err')))

    def _goodbye(self):
        for p in getattr(self, 'started', {}).values():
            end(p, 5)
        super()._goodbye()


def own(path, below):
    """As root: path and its parents up to below belong to the mailboxes' owner."""
    if not ROOT:
        return
    who = pwd.getpwnam('phmail')
    while path != below:
        os.chown(path, who.pw_uid, who.pw_gid)
        path = path.parent


def crlf(octets):
    """What such a file is on the wire: CRLF line ends, one at the end."""
    octets = octets.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
    return octets + (b'\r\n' if octets and not octets.endswith(b'\r\n') else b'')


def put(house, user, octets, name=None, sub='new', sizes=True, flags=''):
    """A message straight into a maildir; the path. sizes: S= and W= in the name."""
    global _n
    _n += 1
    box = house.maildir(user)
    for d in ('tmp', 'new', 'cur'):
        (box / d).mkdir(parents=True, exist_ok=True, mode=0o700)
        own(box / d, house.path('mail'))
    if name is None:
        name = '%d.%06dx.house.example' % (1700000000 + _n, _n)
    if sizes:
        name += ',S=%d,W=%d' % (len(octets), len(octets) + octets.count(b'\n'))
    path = box / sub / (name + flags)
    path.write_bytes(octets)
    own(path, box / sub)
    return path


def odd_messages():
    """[(what, octets as stored)]: everything a mailbox may hold."""
    head = b'From: ann@example.org\nSubject: odd\n\n'
    return [
        ('plain', head + b'hello\n'),
        ('leading dots', head + b'.\n..\n.a\n...\n. \n'),
        ('a dot alone at the end', head + b'text\n.\n'),
        ('8-bit', head + bytes(c for c in range(128, 256)) + b'\n'),
        ('every octet but CR and LF', head + bytes(c for c in range(256) if c not in (10, 13)) + b'\n'),
        ('NUL', head + b'a\0b\n\0\n\0\0\n'),
        ('no final newline', head + b'the end'),
        ('no final newline, a dot', head + b'.'),
        ('long line', head + b'x' * 100000 + b'\n'),
        ('long line of dots', head + b'.' * 70000 + b'\n'),
        ('empty', b''),
        ('one newline', b'\n'),
        ('no body', b'Subject: only\n'),
        ('header without end', b'Subject: only'),
        ('empty lines', head + b'\n' * 5000),
        ('chunk border: dot', head + b'y' * (65535 - len(head)) + b'\n.dot\n'),
        ('chunk border: line end', head + b'y' * (65536 - len(head)) + b'\n.dot\n'),
        ('exactly a chunk', head + b'z' * (65535 - len(head)) + b'\n'),
        ('CR inside a line', head + b'a\rb\n\r \n'),
    ]


__all__ = [n for n in dir() if not n.startswith('_')]
