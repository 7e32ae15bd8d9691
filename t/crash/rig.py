"""
rig: a house on a file system whose power can be cut, a second house that plays the next hop,
a client that writes down every 250, and the oracle that reads the mailboxes afterwards.
"""
import os
import random
import re
import select
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import filesystem
from posthouse import *

ANN, BOB, FAR = 'ann@example.org', 'bob@example.org', 'carol@else.example'
NOBODY = 'nobody@else.example'  # the next hop refuses it: ann, who wrote, gets a bounce


def why_not(kind='ext4'):
    if filesystem.why_not(kind):
        return filesystem.why_not(kind)
    if not have('strace'):
        return 'strace is not installed'
    return None


class Message:
    """One message with a token of its own, and who acknowledged what of it."""

    serial = 0

    def __init__(self, rcpts):
        self.bounces = rcpts == [NOBODY]
        self.sender = ANN if self.bounces else 'dave@elsewhere.example'
        Message.serial += 1
        self.token = 'crash-%d-%d' % (os.getpid(), Message.serial)
        self.rcpts = rcpts
        rnd = random.Random(Message.serial)
        lines = ['Subject: ' + self.token, 'X-Token: <%s>' % self.token, '']
        lines += ['%d %s' % (i, 'x' * rnd.randrange(0, 200)) for i in range(rnd.randrange(5, 60))]
        self.text = ''.join(line + '\r\n' for line in lines).encode()
        self.stored = self.text.replace(b'\r\n', b'\n')
        self.acknowledged = False
        self.reply = None


class Rig:
    """far: also a next hop for mail to else.example."""

    def __init__(self, far=True, conf='', kind='ext4'):
        self.fs = filesystem.FileSystem(kind)
        self.far = House(domains=['else.example'], users=['carol:secret']).start() if far else None
        self.house = House(where=self.fs.path, conf='retry_first = 1\nretry_last = 2\n' + conf,
                           smarthost='127.0.0.1:%d' % self.far.smtp_port if far else None,
                           maps={'access': '127.0.0.1 trust\n'})
        self.sent = []
        os.sync()  # text maps are not what is tested

    def close(self):
        self.halt()
        self.fs.close()

    # The client.

    def send(self, rcpts):
        """One message in one session; everything that may go wrong on the wire is a message
        without acknowledgement."""
        m = Message(rcpts)
        self.sent.append(m)
        try:
            with self.house.smtp() as s:
                s.sock.settimeout(20)
                s.hello()
                m.reply = s.message(m.sender, rcpts, m.text)
                m.acknowledged = m.reply.startswith('250')
                s.cmd('QUIT')
        except (OSError, ValueError):
            pass
        return m

    # Faults.

    def inject(self, program, call, n, what='signal=KILL'):
        """strace on the program's processes: its n-th call (of each process) gets what."""
        pids = self.house.pids(program)
        argv = ['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:%s:when=%s' % (call, what, n)]
        for pid in pids:
            argv += ['-p', str(pid)]
        tracer = subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        said = b''
        while said.count(b'attached') < len(pids) and select.select([tracer.stderr], [], [], 10)[0]:
            more = os.read(tracer.stderr.fileno(), 4096)
            if not more:
                break
            said += more
        return tracer, pids

    @staticmethod
    def release(tracer):
        if tracer.poll() is None:
            tracer.terminate()
        tracer.stderr.close()
        tracer.wait()

    def halt(self, pids=None):
        """Every process ends at once, as when the plug is pulled."""
        pids = pids or self.house.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        wait_until(lambda: not any(alive(p) for p in pids), 10, 'the house to end')

    def power_cut(self):
        pids = self.house.pids()  # afterwards master.pid cannot be read
        self.fs.cut_power()
        self.halt(pids)
        self.fs.umount()
        self.fs.mount()

    # The oracle.

    def idle(self):
        return not os.listdir(self.house.path('spool', 'env'))

    def settle(self):
        """Wait until nothing is queued any more. An envelope goes a moment before its message."""
        return wait_until(self.idle, 30) and (wait_until(lambda: not self.left_behind(), 5) or True)

    def found(self):
        """token → address → list of stored messages."""
        places = [(ANN, self.house), (BOB, self.house)] + ([(FAR, self.far)] if self.far else [])
        seen = {}
        for address, house in places:
            for octets in house.mail(address):
                token = re.search(rb'X-Token: <(crash-[0-9-]+)>', octets)
                seen.setdefault(token.group(1).decode() if token else None, {}).setdefault(address, []).append(octets)
        return seen

    def faults(self):
        """What is wrong with the mailboxes, as a list of sentences; forgets what was sent."""
        wrong, seen, far_twice = [], self.found(), 0
        for octets in (m for places in [seen.get(None, {})] for l in places.values() for m in l):
            wrong.append('a message nobody sent, or a torn one: %r' % octets[:200])
        for m in self.sent:
            if m.bounces:
                dsn = seen.get(m.token, {}).get(ANN, [])
                if m.acknowledged and not dsn:
                    wrong.append('%s was acknowledged (%s), and no bounce came' % (m.token, m.reply))
                wrong += ['this is no bounce: %r' % octets[:200] for octets in dsn
                          if b'Content-Type: multipart/report' not in octets]
                continue
            for address in m.rcpts:
                copies = seen.get(m.token, {}).get(address, [])
                if m.acknowledged and not copies:
                    wrong.append('%s to %s was acknowledged (%s) and is lost' % (m.token, address, m.reply))
                if len(copies) > 1 and address != FAR:
                    wrong.append('%s to %s is there %d times' % (m.token, address, len(copies)))
                for octets in copies:
                    head, _, body = octets.partition(b'Subject: ')
                    if b'Subject: ' + body != m.stored:
                        wrong.append('%s to %s has other octets' % (m.token, address))
                    if not head.startswith(b'Return-Path: <dave@elsewhere.example>\n') or head.count(b'\n\n'):
                        wrong.append('%s to %s has a torn head: %r' % (m.token, address, head))
        return wrong

    def left_behind(self):
        """Names in the spool that belong to no queued message. What was being accepted when the
        power went may stand in bad/, set aside and reported: it was never acknowledged."""
        envelopes = set(os.listdir(self.house.path('spool', 'env')))
        return [d + '/' + n for d in ('new', 'cur', 'tmp') for n in os.listdir(self.house.path('spool', d))
                if n not in envelopes]

    def bad(self):
        return ['bad/' + n for n in os.listdir(self.house.path('spool', 'bad'))]

    def forget(self):
        """Empty mailboxes for the next case."""
        self.sent = []
        os.sync()  # text maps are not what is tested
        for address, house in [(ANN, self.house), (BOB, self.house)] + ([(FAR, self.far)] if self.far else []):
            for path in house.mail_files(address):
                path.unlink()
        for name in self.bad():
            self.house.path('spool', name).unlink()
