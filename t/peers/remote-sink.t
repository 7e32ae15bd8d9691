#!/usr/bin/env python3
"""remote delivers to Postfix's smtp-sink, in the ways in which that can be odd; every octet arrives."""
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'lib'), os.path.join(HERE, '..', 'bench')]
from posthouse import *
from agents import *
import atexit
import shutil
import subprocess
import tempfile

try:
    from peers import postfix_tree
    sink = os.path.join(postfix_tree(), 'usr', 'sbin', 'smtp-sink')
    if not os.path.exists(sink):
        raise OSError('no smtp-sink in it')
except (OSError, subprocess.CalledProcessError) as e:
    skip_all('Postfix\'s package cannot be had: %s' % e)

desk = Desk('remote', 'remote_timeout = 5s\nremote_connect_timeout = 2s')
text = b'Subject: sink\n\n' + b''.join(b'.' * (i % 5) + b'line %d\n' % i for i in range(2000)) + b'x' * 20000 + b'\nend'


class Sink:
    def __init__(self, *options):
        self.dir = tempfile.mkdtemp(prefix='posthouse-sink-')
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        os.chmod(self.dir, 0o777)
        self.port = free_port()
        user = ['-u', 'nobody'] if ROOT else []
        self.process = spawn([sink, '-c', '-d', self.dir + '/m.', *user, *options, '127.0.0.1:%d' % self.port, '100'],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, what='smtp-sink')

    def answers(self):
        try:
            with socket.create_connection(('127.0.0.1', self.port), 1) as s:
                s.recv(100)
                s.sendall(b'QUIT\r\n')
                return s.recv(100) is not None
        except OSError:
            return False

    def job(self, *args, **kw):
        return desk.job(*args, nexthop='smarthost:127.0.0.1:%d' % self.port, **kw)

    def mail(self):
        """What came, without what smtp-sink puts in front."""
        found = []
        for name in sorted(os.listdir(self.dir)):
            with open(os.path.join(self.dir, name), 'rb') as f:
                found.append(f.read())
        return found


def tail(octets):
    """From our Subject on, with LF line ends."""
    return octets[octets.find(b'Subject: sink'):].replace(b'\r\n', b'\n')


for options, name in (([], 'ESMTP'), (['-e'], 'no ESMTP'), (['-p'], 'no PIPELINING'), (['-a'], 'neither 8BITMIME'),
                      (['-w', '1'], 'slow')):
    s = Sink(*options)
    r = s.job(['bob@else.example', 'cid@else.example'], text)
    # Who has no ESMTP has no DSN either (RFC 3461, 5.2.2): the duty to report success stays here.
    is_([o[0] for o in r.outcomes], ['relayed' if '-e' in options else 'sent'] * 2, name)
    is_(len(wait_until(s.mail)), 1, name + ': one message')
    got = tail(s.mail()[0]).rstrip(b'\n')
    is_(got == text, True, name + ': every octet')
    end(s.process)

for stage in ('CONNECT', 'EHLO', 'MAIL', 'RCPT', 'DATA', '.'):
    for option, want in (('-r', 'retry'), ('-f', 'failed'), ('-q', 'retry')):
        if option == '-f' and stage == 'EHLO':
            continue  # HELO is tried then
        s = Sink(option, stage)
        r = s.job(['bob@else.example'], text)
        is_(r.outcomes[0][0], want, '%s %s' % (option, stage))
        end(s.process)
done()
