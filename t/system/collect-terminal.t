#!/usr/bin/env python3
"""collect on a terminal: bars while it works, a line an account at the end; elsewhere only the lines."""
import os
import pty
import re
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream

house = House(users=['ann:secret', 'bob:secret'], postmaster='chief').start()
house.map('secrets', 'office password=secret\nother password=secret\nwrong password=x\n', compile=False)


def message(n):
    return b'To: ann@example.org\r\nMessage-ID: <%d@x.example>\r\n\r\n%d\r\n' % (n, n)


ups = [Upstream([message(10 * i + k) for k in range(4)]) for i in range(2)]
bad = Upstream([message(99)])
gate = threading.Event()
for up in ups:
    up.quirks['RETR'] = lambda c, n: n == '4' and gate.wait(10) and None or None
    up.capa = ['USER', 'UIDL', 'PIPELINING']
WORDS = 'host=127.0.0.1 port=%d kind=domain tls=none login=office domain=example.org fallback=bob'
house.set_map('upstreams', ''.join('%s %s\n' % (n, WORDS % u.port) for n, u in
                                   (('office', ups[0]), ('other', ups[1]), ('wrong', bad))))


def terminal(*args, until=None):
    """What a person sees; (exit code, octets). until: the gate opens when this is there."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(str(BIN / 'posthouse'), ['posthouse', '-C', str(house.dir), 'collect', *args])
    seen = b''
    while True:
        try:
            got = os.read(fd, 65536)
        except OSError:
            break
        if not got:
            break
        seen += got
        if until and re.search(until, seen):
            gate.set()
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.replace(b'\r\n', b'\n')


def screen(octets):
    """What stands on the screen in the end."""
    lines = ['']
    for part in re.findall(r'\x1b\[A\x1b\[2K|\n|[^\n\x1b]+', octets.decode()):
        if part == '\n':
            lines.append('')
        elif part.startswith('\x1b'):
            lines[-1:] = []
            lines[-1] = ''
        else:
            lines[-1] += part
    return '\n'.join(lines)


code, seen = terminal(until=rb'\[#+\.+\] [123]/4, ')
is_(code, 75, 'one account failed')
like(seen, r'office +\[#+\.+\] [123]/4, \d+ octets', 'a bar shows how far it is')
like(screen(seen), r'\A(?=(.*\n)*office: 4 messages, [^\n]* s\n)(?=(.*\n)*other: 4 messages)(?=(.*\n)*wrong: .*failed: login refused)(.*\n){3}\Z',
     'in the end there are three lines and nothing else')
ok(b'collect.done' not in seen, 'the log stays out of it')
is_(len(house.wait_mail('ann', 8)), 8, 'all mail is here')
p = house.ph('collect', check=False)
ok('\x1b' not in p.stdout and '[#' not in p.stdout, 'no bars but on a terminal')
like(p.stdout, '^wrong: not tried', 'a login that was refused is left alone')
code, seen = terminal('wrong')
like(seen, '^wrong: .*failed: login refused', '... but when a person names it')
is_(sum(c.startswith('PASS') for c in bad.commands), 2, '... it is tried')
done()
