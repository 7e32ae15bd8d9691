#!/usr/bin/env python3
"""collect hands many copies to the queue at once: in their order, none lost and none twice, whatever the queue answers;
and it gets by with few descriptors."""
import os
import re
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream
from wire import Packet

house = House(users=['ann:secret', 'bob:secret', 'carol:secret'])
house.map('secrets', 'office password=secret\n')


class Connection:
    def __init__(self, queue, sock):
        self.queue, self.sock, self.id, self.files = queue, sock, None, []

    def say(self, text, fds=()):
        socket.send_fds(self.sock, [text.encode()], list(fds))

    def serve(self):
        try:
            while True:
                octets, fds, _, _ = socket.recv_fds(self.sock, 70000, 8)
                if not octets or not self.take(Packet(octets, fds)):
                    break
        except OSError:
            pass
        self.sock.close()

    def take(self, p):
        q = self.queue
        if p.verb == 'OPEN':
            self.files = [tempfile.TemporaryFile(dir=house.dir) for _ in range(2)]
            with q.lock:
                q.opened += 1
                self.id = 'id%06d' % q.opened
            self.say('FILES ' + self.id, [f.fileno() for f in self.files])
            return True
        with q.lock:
            q.said.append((p.verb, self.id if p.verb == 'COMMIT' else p.words[0] if p.words else ''))
            if p.verb != 'COMMIT':
                return True
            env = p.body if p.body else os.pread(self.files[1].fileno(), 65536, 0).decode()
            c = Commit(self, env, os.pread(self.files[0].fileno(), 1 << 20, 0))
            q.commits.append(c)
            c.number = len(q.commits)
            return q.on_commit(c)


class Commit:
    def __init__(self, connection, env, text):
        self.connection, self.id, self.env, self.text, self.answer = connection, connection.id, env, text, None
        self.key = re.search(r'^key (\S+)', env, re.M).group(1)
        self.subject = int(re.search(rb'^Subject: (\d+)', text, re.M).group(1))

    def linked(self, how='delivered'):
        self.answer = how
        self.connection.say('LINKED %s %s file' % (self.id, how))
        return True

    def refused(self):
        self.answer = 'refused'
        self.connection.say('REFUSED 452 4.3.1 no%20space')
        return True


class Queue:
    """A queued that does as it is told."""

    def __init__(self):
        self.lock, self.on_commit = threading.RLock(), Commit.linked
        self.opened, self.commits, self.said = 0, [], []
        path = str(house.path('run', 'submit'))
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.sock.listen(100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.sock.accept()
            threading.Thread(target=Connection(self, sock).serve, daemon=True).start()

    def begin(self, on_commit):
        self.on_commit, self.commits, self.said = on_commit, [], []

    def taken(self):
        return [c for c in self.commits if c.answer in ('delivered', 'queued', 'already')]


def message(n, to='ann@example.org'):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d.%s@sender.example>\r\nSubject: %d\r\n\r\n%s\r\n' % (
        to.encode(), n, house.dir.name.encode(), n, b'text ' * 200)


serial = 0


def provider(n, keep='delete', messages=None):
    """n fresh messages, in an account of its own."""
    global serial
    serial += 1
    up = Upstream(messages or [message(1000 * serial + i) for i in range(n)])
    house.set_map('upstreams', 'a%d secret=office host=127.0.0.1 port=%d kind=domain tls=none login=office '
                  'domain=example.org fallback=carol keep=%s\n' % (serial, up.port, keep))
    return up


def collect(*before):
    return house.run([*before, LIBEXEC / 'collect', '-C', house.dir], check=False)


queue = Queue()

# --- side by side

waiting, answers = [], []


def answer_all():
    with queue.lock:
        if waiting:
            answers.append(len(waiting))
        for w in waiting:
            w.linked()
        waiting.clear()


def when_five_wait(c):
    waiting.append(c)
    if len(waiting) == 5:
        answer_all()
    return True


def answer_the_last():
    while True:
        time.sleep(0.5)
        answer_all()


up = provider(100)
queue.begin(when_five_wait)
threading.Thread(target=answer_the_last, daemon=True).start()
p = collect()
ok(p.returncode == 0 and answers.count(5) > 10, 'a queue that answers five at a time')
subjects = [c.subject for c in queue.taken()]
is_((len(subjects), len(set(subjects)), len(up.messages)), (100, 100, 0), 'has all, once, and all are gone upstream')
ok(queue.opened < 150, 'not many more were opened than written')
is_([s for s in queue.said if s[0] not in ('COMMIT', 'COUNT')], [], 'nothing but COMMIT is said of what is delivered')

# --- the same message twice, in flight

same = [message(9000), message(9000), message(9001), message(9000)]
up = provider(0, messages=same)
queue.begin(Commit.linked)
p = collect()
is_((p.returncode, sorted(c.subject for c in queue.taken()), len(up.messages)), (0, [9000, 9001], 0),
    'a message that came a moment ago is no second copy, though nobody has answered for the first yet')

# --- what the queue keeps

up = provider(60)
queue.begin(lambda c: c.linked('queued'))
p = collect()
is_((p.returncode, len(up.messages)), (0, 0), 'messages that stay in the queue: taken')
wait_until(lambda: len([s for s in queue.said if s[0] == 'SYNCED']) >= 60)
is_(sorted(s[1] for s in queue.said if s[0] == 'SYNCED'), sorted(c.id for c in queue.taken()), 'SYNCED is said of each')

# --- refused, hung up on: in the middle of many


def at_30(what):
    def on_commit(c):
        return what(c) if c.number == 30 else c.linked()
    return on_commit


for name, what in (('REFUSED', Commit.refused), ('a connection that ends', lambda c: False)):
    up = provider(90)
    queue.begin(at_30(what))
    p = collect()
    bad = queue.commits[29].subject
    first = {c.subject for c in queue.taken()}
    ok(p.returncode != 0 and 'the queue refuses (45' in p.stdout + p.stderr, '%s among many: the run fails and says so' % name)
    ok(bad not in first and 29 <= len(first) < 90, 'what had been committed by then is taken')
    here = {int(re.search(rb'Subject: (\d+)', m).group(1)) for m in up.messages.values()}
    ok(bad in here and {s for s in range(serial * 1000, serial * 1000 + 90)} - here <= first,
       'nothing is gone upstream that was not taken')
    queue.begin(Commit.linked)
    p = collect()
    second = {c.subject for c in queue.taken()}
    is_((p.returncode, first & second, len(first | second), len(up.messages)), (0, set(), 90, 0),
        'the next run takes the rest, and nothing twice')

# --- few descriptors

up = provider(300)
queue.begin(Commit.linked)
p = collect('prlimit', '--nofile=64:64')
is_((p.returncode, len(queue.taken()), len(up.messages)), (0, 300, 0), '300 messages with 64 descriptors')

# --- who comes slowly waits for nobody

up = provider(3)
came = []
up.quirks['RETR'] = lambda conn, arg: time.sleep(0.4) or came.append((int(arg), len(queue.commits))) and None
queue.begin(Commit.linked)
p = collect()
is_((p.returncode, came), (0, [(1, 0), (2, 1), (3, 2)]), 'from a slow provider each is committed before the next is there')
done()
