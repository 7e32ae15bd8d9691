"""
fetching: a house that collects from an upstream with stable UIDs, on file systems whose power can be cut; and the
oracle: every copy once, with the right octets, and nothing gone upstream that is not here.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import filesystem
from imap_upstream import ImapUpstream
from posthouse import *
from upstream import Upstream

PEOPLE = ('ann', 'bob', 'carol')
FAR = 'erin'  # her mail is forwarded to another house
LETTERS = (['ann'], ['ann', 'bob'], ['erin', 'bob'], ['carol'], ['erin'])
CUTS = {
    None: 'no power cut',
    'now': 'power cut',                                        # only what was synced is there
    'mail': 'power cut when mail was written out, the state not',
    'all': 'power cut when all was written out',
}


def why_not(kind='ext4'):
    if filesystem.why_not(kind):
        return filesystem.why_not(kind)
    if not have('strace') or not have('unshare'):
        return 'strace and unshare are not installed'
    return None


class Fetching:
    """kind: of the file systems; None: none of its own, and no power cuts."""

    def __init__(self, kind=None, keep='delete', protocol='pop3', conf='collect_serve = no\n', far=True):
        self.kind, self.keep, self.protocol = kind, keep, protocol
        self.fs = filesystem.FileSystem(kind, 320) if kind else None
        self.state_fs = filesystem.FileSystem(kind, 320) if kind else None
        self.far = House(domains=['else.example'], users=['erin:secret']).start() if far else None
        self.house = House(where=self.fs.path if kind else None, users=[p + ':secret' for p in PEOPLE],
                           conf='retry_first = 1\nretry_last = 2\n' + conf,
                           smarthost='127.0.0.1:%d' % self.far.smtp_port if far else None,
                           maps={'secrets': 'office password=secret\n',
                                 'users': 'erin@example.org forward=erin@else.example\n'} if far else
                           {'secrets': 'office password=secret\n'})
        if kind:  # the collector's state on a file system of its own
            state = self.house.path('state')
            shutil.copytree(state, self.state_fs.path + '/state')
            for d, _, _ in os.walk(state):
                st = os.stat(d)
                there = self.state_fs.path + '/state' + d[len(str(state)):]
                os.chown(there, st.st_uid, st.st_gid)
                os.chmod(there, st.st_mode & 0o7777)
            shutil.rmtree(state)
            os.symlink(self.state_fs.path + '/state', state)
        self.boot = self.house.path('boot') if not kind else self.fs.base + '/boot'
        self.reboot()
        self.number = 0
        self.upstream = None

    def reboot(self):
        """What /proc/sys/kernel/random/boot_id says to collect from now on."""
        with open(self.boot, 'w') as f:
            f.write(str(uuid.uuid4()) + '\n')
        os.chmod(self.boot, 0o644)

    def close(self):
        self.halt()
        if self.far:
            self.far.stop()
        for fs in (self.fs, self.state_fs):
            if fs:
                fs.close()

    # What is to be collected.

    def letters(self, plan=LETTERS, size=300):
        """New mail upstream; UIDs are never given twice (RFC 1939, 7)."""
        self.want, self.texts, self.made = {}, {}, {}
        for people in plan:
            if not self.far:
                people = [p for p in people if p != FAR] or ['carol']
            self.number += 1
            token = 'token%d-%06d' % (os.getpid(), self.number)
            text = token.encode() * size + b'\r\n'
            self.made['uid-' + token] = b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%s@sender.example>\r\n\r\n%s' % (
                ', '.join(p + '@example.org' for p in people).encode(), token.encode(), text)
            self.want[token], self.texts[token] = people, text.replace(b'\r\n', b'\n')
        if self.upstream is None:
            self.upstream = ImapUpstream() if self.protocol == 'imap' else Upstream()
            self.connect_to(self.upstream.port)
        with self.upstream.lock:
            if self.protocol == 'imap':
                inbox = self.upstream.folders['INBOX']
                inbox.messages.clear()
                inbox.flags.clear()
                for message in self.made.values():
                    inbox.add(message)
            else:
                self.upstream.messages = dict(self.made)
        os.sync()  # what was here before is not what is tested

    def connect_to(self, port):
        self.house.set_map('upstreams', 'office protocol=%s host=127.0.0.1 port=%d kind=domain tls=none login=office '
                                        'domain=example.org fallback=carol keep=%s\n' % (self.protocol, port, self.keep))

    def left(self):
        """What is upstream still."""
        box = self.upstream.folders['INBOX'].messages if self.protocol == 'imap' else self.upstream.messages
        return list(box.values())

    # Running.

    def argv(self, call=None, n=0, what='signal=KILL'):
        argv = [str(LIBEXEC / 'collect'), '-C', str(self.house.dir)]
        if call:
            argv = ['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + call, '-e',
                    'inject=%s:%s:when=%s' % (call, what, n)] + argv
        if self.kind:
            argv = ['unshare', '-m', 'sh', '-c', 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"',
                    'sh', str(self.boot)] + argv
        return argv

    def collect(self, call=None, n=0, what='signal=KILL', bound=120):
        """The exit code; what it said is in self.said."""
        p = subprocess.run(self.argv(call, n, what), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=bound * PATIENCE)
        self.said = p.stdout.decode('utf-8', 'replace')
        return p.returncode

    def early(self):
        """What is gone upstream and neither in a mailbox nor on its way there: checked at any time."""
        there = b''.join(self.left())
        here = b''.join(m for p in PEOPLE for m in self.house.mail(p))
        for d in ('new', 'cur'):
            for path in self.house.path('spool', d).iterdir():
                here += path.read_bytes()
        if self.far:
            here += b''.join(self.far.mail(FAR))
        return ['%s is gone upstream and not here' % t for t in self.want
                if b'<%s@' % t.encode() not in there and b'<%s@' % t.encode() not in here]

    def halt(self):
        """Every process ends at once, as when the plug is pulled."""
        pids = self.house.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        wait_until(lambda: not any(alive(p) for p in pids), 10, 'the house to end')

    def power_cut(self, how='now'):
        if how in ('mail', 'all'):
            wait_until(self.queue_empty, 0.4)  # what is on its way by SMTP arrives
            subprocess.run(['sync', '-f', self.fs.path], check=True)
        if how == 'all':
            subprocess.run(['sync', '-f', self.state_fs.path], check=True)
        pids = self.house.pids()  # afterwards master.pid cannot be read
        self.fs.cut_power()
        self.state_fs.cut_power()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        wait_until(lambda: not any(alive(p) for p in pids), 10, 'the house to end')
        for fs in (self.fs, self.state_fs):
            fs.umount()
            fs.mount()
        self.reboot()

    # The oracle.

    def queue_empty(self):
        return not os.listdir(self.house.path('spool', 'env'))

    def found(self):
        """[(token, person)] of what lies in the mailboxes, those of an earlier case not."""
        found, self.torn = [], []
        boxes = [(p, self.house, p) for p in PEOPLE] + ([(FAR, self.far, FAR)] if self.far else [])
        for person, house, box in boxes:
            for text in house.mail(box):
                token = re.search(rb'Message-ID: <(token[0-9-]+)@', text)
                token = token.group(1).decode() if token else None
                if token is None or (token in self.texts and not text.endswith(b'\n\n' + self.texts[token])):
                    self.torn.append('%s has a torn message: %r' % (person, text[:200]))
                elif token in self.want:
                    found.append((token, person))
        return found

    def faults(self, cut=None):
        """After the last run: what is wrong, as a list of sentences. What has left the house by SMTP goes out again when
        a power cut brings its envelope back: that cannot be helped."""
        wanted = [(t, p) for t, people in self.want.items() for p in people]
        wait_until(self.queue_empty, 20)
        wait_until(lambda: set(wanted) <= set(self.found()), 5 if self.far else 1)
        found = self.found()
        wrong = list(self.torn)
        wrong += ['%s of %s is lost' % c for c in wanted if c not in found]
        wrong += ['%s came to %s' % c for c in found if c not in wanted]
        wrong += ['%s is there %d times for %s' % (c[0], found.count(c), c[1]) for c in sorted(set(found))
                  if found.count(c) > 1 and not (c[1] == FAR and cut == 'now')]
        if self.keep == 'delete' and self.left():
            wrong.append('%d left upstream' % len(self.left()))
        return wrong

    def collect_rest(self, tries=4):
        """Runs until one ends well. A sentence, or None."""
        for _ in range(tries):
            if self.collect() == 0:
                return None
            wait_until(lambda: False, 0.3)
        return 'collect does not end well: ' + self.said

    def forget(self):
        for house in [self.house] + ([self.far] if self.far else []):
            for p in PEOPLE + (FAR,):
                for path in house.mail_files(p):
                    path.unlink()
        for d in ('bad',):
            for n in os.listdir(self.house.path('spool', d)):
                self.house.path('spool', d, n).unlink()
