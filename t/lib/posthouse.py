"""posthouse: a house for a system test, and TAP to tell about it.

    #!/usr/bin/env python3
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
    from posthouse import *

    house = House(users=['ann:secret', 'bob:secret']).start()
    with house.smtp() as s:
        s.talk('''
            S: 220 *
            C: HELO client.example
            S: 250 *
        ''')
    is_(len(house.wait_mail('ann@example.org', 1)), 1, 'ann has her mail')
    done()

Standard library only. Everything is octets: sockets and files give and take bytes; a str is
taken as UTF-8. Nothing here sleeps for luck: what is not there yet is awaited with a bound
(wait_until). Processes are ended by the pid that was started, and only these. When a test failed,
the end of the house's log is printed. KEEP=1 in the environment keeps the directories.
"""
import atexit
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SRCDIR = pathlib.Path(os.environ.get('SRCDIR') or HERE.parent.parent).resolve()
BUILDDIR = pathlib.Path(os.environ.get('BUILDDIR') or SRCDIR / 'build').resolve()
BIN = BUILDDIR / 'stage' / 'bin'
LIBEXEC = BUILDDIR / 'stage' / 'libexec' / 'posthouse'
ROOT = os.geteuid() == 0
# Instrumented programs are slower; bounds are stretched for them.
PATIENCE = float(os.environ.get('PATIENCE', '1'))

# --- TAP --------------------------------------------------------------------

_count = 0
_planned = None
_failures = 0


def _b(text):
    return text if isinstance(text, bytes) else str(text).encode()


def diag(*text):
    """To standard error: prove keeps what stands on standard output to itself."""
    for line in ' '.join(str(t) for t in text).split('\n'):
        print('# ' + line, file=sys.stderr, flush=True)


def plan(n):
    global _planned
    _planned = n
    print('1..%d' % n, flush=True)


def skip_all(reason):
    """The whole file is skipped, and says why."""
    print('1..0 # SKIP ' + reason, flush=True)
    sys.exit(0)


def ok(good, name):
    global _count, _failures
    _count += 1
    if not good:
        _failures += 1
    print('%sok %d - %s' % ('' if good else 'not ', _count, str(name).replace('#', '\\#')), flush=True)
    return bool(good)


def skip(name, reason):
    global _count
    _count += 1
    print('ok %d - %s # SKIP %s' % (_count, name, reason), flush=True)


def is_(got, want, name):
    if not ok(got == want, name):
        diag('got:      ' + _short(repr(got)))
        diag('expected: ' + _short(repr(want)))
        if isinstance(got, bytes) and isinstance(want, bytes):
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            diag('%d and %d octets; first difference at %d: %r / %r' % (
                len(got), len(want), at, got[at:at + 60], want[at:at + 60]))
        return False
    return True


def like(got, pattern, name):
    """pattern: a regular expression that must match somewhere."""
    if isinstance(got, bytes):
        got = got.decode('utf-8', 'surrogateescape')
    if not ok(re.search(pattern, got, re.M), name):
        diag('got:      %r' % (_short(got),))
        diag('expected: /%s/' % pattern)
        return False
    return True


def done():
    """The last line of a test without plan(): tells how many there were."""
    if _planned is None:
        print('1..%d' % _count, flush=True)
    sys.exit(1 if _failures else 0)


def failures():
    return _failures


def _short(value):
    if isinstance(value, (bytes, str)) and len(value) > 2000:
        return value[:1000] + (b' ... ' if isinstance(value, bytes) else ' ... ') + value[-1000:]
    return value


# --- waiting, ports, programs -----------------------------------------------


def wait_until(cond, bound=10, what=None):
    """cond() until it is true; its value. False when bound seconds (times
    PATIENCE) passed; with what, that is an exception."""
    end = time.monotonic() + bound * PATIENCE
    pause = 0.002
    while True:
        value = cond()
        if value:
            return value
        if time.monotonic() > end:
            if what:
                raise TimeoutError('%s: not within %g s' % (what, bound * PATIENCE))
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


_given = set()


def free_port():
    """A TCP port free on both loopbacks, outside the range the kernel gives to
    outgoing connections, so that nobody takes it by accident."""
    for _ in range(1000):
        port = random.randrange(12000, 31000)
        if port in _given:
            continue
        try:
            for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
                with socket.socket(family, socket.SOCK_STREAM) as s:
                    s.bind((address, port))
        except OSError as e:
            if family == socket.AF_INET6 and e.errno in (97, 99):  # no IPv6 here
                pass
            else:
                continue
        _given.add(port)
        return port
    raise OSError('no free port')


def have(program):
    """Is this program on PATH (or in sbin)?"""
    path = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    return shutil.which(program, path=path)


def _started(pid):
    """A process's start time (clock ticks): with the pid it names one process."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rpartition(')')[2].split()
        return None if fields[0] == 'Z' else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def alive(pid):
    """Is there such a process (and not only its remains)?"""
    return _started(pid) is not None


def children(pid):
    """All descendants of pid, as a list of pids."""
    parents = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open('/proc/%s/stat' % name) as f:
                    parents.setdefault(int(f.read().rpartition(')')[2].split()[1]), []).append(int(name))
            except (OSError, ValueError, IndexError):
                pass
    found, todo = [], [pid]
    while todo:
        more = parents.get(todo.pop(), [])
        found += more
        todo += more
    return found


_houses = []
_spawned = []


def spawn(argv, **kw):
    """A process that is ended with the test; a Popen."""
    kw.setdefault('stdin', subprocess.DEVNULL)
    p = subprocess.Popen([str(a) for a in argv], **kw)
    _spawned.append(p)
    return p


def end(p, bound=10):
    """SIGTERM, and SIGKILL after bound seconds; the exit status."""
    if p.poll() is None:
        p.terminate()
        try:
            p.wait(bound * PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
    return p.wait()


@atexit.register
def _cleanup():
    for p in _spawned:
        try:
            end(p, 5)
        except OSError:
            pass
    for house in _houses:
        house._goodbye()


def _on_signal(number, frame):
    sys.exit(128 + number)


for _n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_n, _on_signal)


# --- conversations ----------------------------------------------------------


class Line:
    """A TCP connection, octet exact."""

    def __init__(self, port, host='127.0.0.1', timeout=15, sock=None):
        self.sock = sock or socket.create_connection((host, port), timeout * PATIENCE)
        self.sock.settimeout(timeout * PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b''
        self.seen = []  # the transcript

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, octets):
        octets = _b(octets)
        self.seen.append('C: %r' % _short(octets))
        self.sock.sendall(octets)

    def send_slowly(self, octets):
        """One octet a packet."""
        for i in range(len(octets)):
            self.sock.sendall(octets[i:i + 1])

    def _more(self):
        got = self.sock.recv(65536)
        self.buf += got
        return got

    def line(self):
        """The next line without its CRLF; None at the end of the connection. A
        line that ends otherwise is an error."""
        while b'\n' not in self.buf:
            if not self._more():
                if self.buf:
                    raise ValueError('an unfinished line: %r' % self.buf)
                return None
        line, self.buf = self.buf.split(b'\n', 1)
        if not line.endswith(b'\r') or b'\r' in line[:-1]:
            raise ValueError('not CRLF at the end: %r' % line)
        self.seen.append('S: %r' % line)
        return line[:-1]

    def read(self, n):
        """Exactly n octets (fewer at the end of the connection)."""
        while len(self.buf) < n and self._more():
            pass
        got, self.buf = self.buf[:n], self.buf[n:]
        return got

    def rest(self):
        """All octets until the connection ends."""
        while self._more():
            pass
        got, self.buf = self.buf, b''
        return got

    def closed(self):
        """The server has nothing more to say and hangs up."""
        try:
            return self.buf == b'' and not self._more()
        except ConnectionResetError:
            return True

    def quiet(self, seconds=0.2):
        """Nothing comes for so long."""
        if self.buf:
            return False
        self.sock.settimeout(seconds)
        try:
            return not self._more() and False
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(15 * PATIENCE)

    def talk(self, script, name=None):
        """The conversation itself, one test: lines "C: ..." are sent with CRLF,
        lines "S: ..." must come exactly; '*' matches the rest of the line.
        "C- ..." sends without CRLF, \\xNN and the like are understood in both."""
        for raw in script.strip().split('\n'):
            line = raw.strip()
            if not line or line.startswith('#'):
                continue
            who, text = line[:2], line[3:] if line[2:3] == ' ' else line[2:]
            octets = re.sub(rb'\\(x[0-9a-fA-F]{2}|[rnt\\])', _unescape, text.encode())
            if who == 'C:':
                self.send(octets + b'\r\n')
            elif who == 'C-':
                self.send(octets)
            elif who == 'S:':
                try:
                    got = self.line()
                except (OSError, ValueError) as e:
                    got = ('[%s]' % e).encode()
                want, star, _ = octets.partition(b'*')
                if got is None or (not got.startswith(want) if star else got != want):
                    ok(False, name or 'conversation')
                    diag('got:      S: %s' % (got if got is None else got.decode('utf-8', 'backslashreplace')))
                    diag('expected: %s' % line)
                    diag('before:\n  ' + '\n  '.join(self.seen[-12:]))
                    return False
            else:
                raise ValueError('neither C: nor S: %r' % raw)
        if name:
            ok(True, name)
        return True


def _unescape(m):
    c = m.group(1)
    return bytes([int(c[1:], 16)]) if c[:1] == b'x' else {b'r': b'\r', b'n': b'\n', b't': b'\t', b'\\': b'\\'}[c]


class Smtp(Line):
    def reply(self):
        """(code, [text of each line]); (0, []) at the end of the connection."""
        texts = []
        while True:
            line = self.line()
            if line is None:
                return 0, texts
            if not re.match(rb'[2-5][0-9][0-9]([ -]|$)', line):
                raise ValueError('not an SMTP reply: %r' % line)
            texts.append(line[4:].decode('utf-8', 'surrogateescape'))
            if line[3:4] != b'-':
                return int(line[:3]), texts

    def cmd(self, command):
        """Command → "250 2.1.0 text" (the reply's last line)."""
        self.send(_b(command) + b'\r\n')
        code, texts = self.reply()
        return '%d %s' % (code, texts[-1] if texts else '')

    def hello(self, name='client.example'):
        """Greeting and EHLO; the list of extensions."""
        self.reply()
        self.send('EHLO %s\r\n' % name)
        return self.reply()[1][1:]

    def message(self, sender, rcpts, data):
        """One transaction after hello(); data with CRLF line ends, stuffed here. The
        reply to its end, or the first refusal."""
        for command in ['MAIL FROM:<%s>' % sender] + ['RCPT TO:<%s>' % r for r in rcpts] + ['DATA']:
            reply = self.cmd(command)
            if reply[0] not in '23':
                return reply
        data = _b(data)
        data = re.sub(rb'(?m)^\.', b'..', data)
        self.send(data + (b'' if data.endswith(b'\r\n') or not data else b'\r\n') + b'.\r\n')
        code, texts = self.reply()
        return '%d %s' % (code, texts[-1] if texts else '')


class Pop3(Line):
    def cmd(self, command=None):
        """Command → its one-line answer as str; without: the greeting."""
        if command is not None:
            self.send(_b(command) + b'\r\n')
        line = self.line()
        return None if line is None else line.decode('utf-8', 'surrogateescape')

    def multi(self, command):
        """Command with a multi-line answer → (first line, octets behind it, unstuffed,
        CRLF line ends as they came). (line, None) for -ERR."""
        first = self.cmd(command)
        if not first or not first.startswith('+OK'):
            return first, None
        while not (self.buf.startswith(b'.\r\n') or b'\r\n.\r\n' in self.buf):
            if not self._more():
                raise ValueError('the connection ended inside the answer')
        if self.buf.startswith(b'.\r\n'):
            body, self.buf = b'', self.buf[3:]
        else:
            body, self.buf = self.buf.split(b'\r\n.\r\n', 1)
            body += b'\r\n'
        return first, re.sub(rb'(?:(?<=^)|(?<=\r\n))\.\.', b'.', body)

    def login(self, user, password):
        self.cmd()
        self.cmd('USER ' + user)
        return self.cmd('PASS ' + password)


# --- a house ----------------------------------------------------------------


class House:
    """A temporary instance. Options of `posthouse setup` by name; conf adds lines to
    posthouse.conf, maps adds text to maps: maps={'aliases': 'sales@example.org ann\\n'}.
    where: the directory it lies in (another file system), instead of the usual one. postmaster: a user of
    his own, whose mailbox gets notices; else it is the first user.

    The domain is example.org, listening on 127.0.0.1 at free ports: smtp_port,
    submission_port, pop3_port."""

    def __init__(self, domains=('example.org',), users=('ann:secret', 'bob:secret'), smarthost=None, conf='',
                 maps=None, options=(), setup=True, where=None, postmaster=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='posthouse-', dir=where))
        os.chmod(self.dir, 0o755)
        self.domains = [domains] if isinstance(domains, str) else list(domains)
        self.domain = self.domains[0]
        self.smtp_port, self.submission_port, self.pop3_port = free_port(), free_port(), free_port()
        self.running = False
        self.known = {}  # pid → start time of what ever ran here
        _houses.append(self)
        if setup:
            self.setup(list(users) + ([postmaster + ':secret'] if postmaster else []), smarthost, options)
            if postmaster:
                self.set_map('domains', ''.join('%s local postmaster=%s@%s\n' % (d, postmaster, self.domain)
                                                for d in self.domains), compile=False)
            # A test collects when it says so.
            self.conf('collect_serve = no\n' + conf, compile=False)
            for name, text in (maps or {}).items():
                self.map(name, text, compile=False)
            self.compile()

    # Commands.

    def ph(self, *args, check=True, input=None, bound=60, env=None):
        """posthouse -C DIR ARGS. A CompletedProcess with text; check: an exit code other
        than 0 is an exception that shows what it said."""
        return self.run([BIN / 'posthouse', '-C', self.dir, *args], check=check, input=input, bound=bound, env=env)

    def program(self, name, *args, check=True, input=None, bound=60, env=None):
        """libexec/posthouse/NAME -C DIR ARGS."""
        return self.run([LIBEXEC / name, '-C', self.dir, *args], check=check, input=input, bound=bound, env=env)

    def run(self, argv, check=True, input=None, bound=60, env=None):
        argv = [str(a) for a in argv]
        if 'start' not in argv and 'restart' not in argv:
            # What a command still holds when it ends is no leak; what a service holds is.
            env = dict({'ASAN_OPTIONS': 'detect_leaks=0'}, **(env or {}))
        p = subprocess.run(argv, input=None if input is None else _b(input),
                           stdin=subprocess.DEVNULL if input is None else None,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=bound * PATIENCE,
                           env=dict(os.environ, **(env or {})))
        p.out, p.err = p.stdout, p.stderr  # octets
        p.stdout = p.stdout.decode('utf-8', 'surrogateescape')
        p.stderr = p.stderr.decode('utf-8', 'surrogateescape')
        if check and p.returncode:
            raise RuntimeError('%s: exit code %d\n%s%s' % (
                ' '.join(shlex.quote(a) for a in argv), p.returncode, p.stdout, p.stderr))
        return p

    def spawn(self, name, *args, **kw):
        """One program of libexec, alone, ended with the test; a Popen. Its log goes to
        DIR/log/NAME.log unless stderr is given."""
        if 'stderr' not in kw:
            kw['stderr'] = open(self.dir / 'log' / (name + '.log'), 'ab')
        return spawn([LIBEXEC / name, '-C', self.dir, *args], **kw)

    # Setting up.

    def setup(self, users=(), smarthost=None, options=()):
        args = ['setup', '--batch', '--listen', '127.0.0.1', '--smtp-port', self.smtp_port,
                '--submission-port', self.submission_port, '--pop3-port', self.pop3_port]
        for d in self.domains:
            args += ['--domain', d]
        for u in users:
            args += ['--user', u]
        if smarthost:
            args += ['--smarthost', smarthost]
        return self.ph(*args, *options)

    def path(self, *names):
        return self.dir.joinpath(*names)

    def conf(self, text, compile=True):
        """Lines for posthouse.conf; a setting that is there already is replaced."""
        path = self.path('etc', 'posthouse.conf')
        lines = path.read_text().split('\n') if path.exists() else []
        for line in text.strip().split('\n'):
            name = line.split('=')[0].strip()
            lines = [x for x in lines if x.split('=')[0].strip() != name or x.startswith('#')]
            lines.append(line.strip())
        path.write_text('\n'.join(x for x in lines if x) + '\n')
        if compile:
            self.compile()

    def map(self, name, text, compile=True):
        """Text added at the end of a map."""
        with open(self.path('etc', name), 'ab') as f:
            f.write(_b(text) if _b(text).endswith(b'\n') else _b(text) + b'\n')
        if compile:
            self.compile()

    def set_map(self, name, text, compile=True):
        """The whole text of a map."""
        with open(self.path('etc', name), 'r+b' if self.path('etc', name).exists() else 'wb') as f:
            f.truncate()
            f.write(_b(text))
        if compile:
            self.compile()

    def compile(self, check=True):
        return self.ph('compile', check=check)

    # Running.

    def start(self, bound=60):
        self.ph('start', bound=bound)
        self.running = True
        self._learn()
        return self

    def stop(self, bound=60):
        self._learn()
        self.running = False
        return self.ph('stop', bound=bound)

    def restart(self):
        self._learn()
        self.ph('restart')
        self.running = True
        self._learn()

    def master_pid(self):
        """The pid of the running master, else None."""
        try:
            pid = int(self.path('run', 'master.pid').read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if alive(pid) else None

    def pids(self, name=None):
        """The processes of this house; name: only those of this program."""
        found = []
        master = self.master_pid()
        for pid in [master] + children(master) if master else []:
            if not alive(pid):
                continue
            if name is None or _program(pid) == name:
                found.append(pid)
        return found

    def _learn(self):
        for pid in self.pids():
            self.known.setdefault(pid, _started(pid))

    def leftovers(self):
        """Those of the processes ever seen here that are still there."""
        return [pid for pid, start in self.known.items() if start is not None and _started(pid) == start]

    def _goodbye(self):
        try:
            self._learn()
            if self.master_pid():
                try:
                    self.ph('stop', check=False, bound=30)
                except (OSError, subprocess.SubprocessError):
                    pass
            for pid in self.leftovers():
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            if _failures or sys.exc_info()[0] or _planned is None and _count == 0:
                log = self.log()
                if log:
                    diag('--- the log of %s (its end):' % self.dir)
                    diag('\n'.join(log.split('\n')[-60:]))
        finally:
            if os.environ.get('KEEP'):
                diag('kept: %s' % self.dir)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)

    # The log.

    def log(self):
        """All of it, as text."""
        directory = self.path('log')
        if not directory.is_dir():
            return ''
        return ''.join(p.read_bytes().decode('utf-8', 'surrogateescape') for p in sorted(directory.glob('*.log')))

    def events(self, event=None, **fields):
        """[{'time':, 'program':, 'pid':, 'event':, field: value, ...}] with these fields."""
        found = []
        for line in self.log().split('\n'):
            e = parse_event(line)
            if e and (event is None or e['event'] == event) and all(e.get(k) == str(v) for k, v in fields.items()):
                found.append(e)
        return found

    def wait_event(self, event, bound=10, n=1, **fields):
        """The n-th such event, awaited; False when it does not come."""
        return wait_until(lambda: (self.events(event, **fields)[n - 1:] or [None])[0], bound)

    # Talking.

    def smtp(self, port=None):
        return Smtp(port or self.smtp_port)

    def pop3(self, user=None, password='secret', port=None):
        """Connected; with user also logged in."""
        p = Pop3(port or self.pop3_port)
        if user:
            answer = p.login(user, password)
            if not (answer or '').startswith('+OK'):
                raise RuntimeError('login of %s: %s' % (user, answer))
        return p

    def send(self, sender, rcpts, data):
        """A message over SMTP, a session of its own; the last reply."""
        with self.smtp() as s:
            s.hello()
            reply = s.message(sender, [rcpts] if isinstance(rcpts, str) else rcpts, data)
            s.cmd('QUIT')
            return reply

    # Mailboxes.

    def maildir(self, address):
        local, _, domain = address.partition('@')
        return self.path('mail', domain or self.domain, local)

    def mail_files(self, address):
        """The files of a mailbox (new/ and cur/), oldest first."""
        found = []
        for sub in ('new', 'cur'):
            try:
                found += [p for p in (self.maildir(address) / sub).iterdir()]
            except FileNotFoundError:
                pass
        return sorted(found, key=lambda p: p.name)

    def mail(self, address):
        """The messages as they lie there, octets."""
        return [p.read_bytes() for p in self.mail_files(address)]

    def wait_mail(self, address, n, bound=10):
        """mail(address) once there are n (or when the bound passed)."""
        wait_until(lambda: len(self.mail_files(address)) >= n, bound)
        return self.mail(address)


def _program(pid):
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as f:
            return os.path.basename(re.split(rb'[\0 ]', f.read(), 1)[0].rstrip(b':')).decode()
    except OSError:
        return None


_EVENT = re.compile(r'(\S+Z) ([\w.-]+)\[(\d+)\] ([a-z0-9_]+\.[a-z0-9_]+)(?: (.*))?$')
_FIELD = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|\S*)')


def parse_event(line):
    """A line of the log as a dict; None if it is none."""
    m = _EVENT.match(line)
    if not m:
        return None
    e = {'time': m.group(1), 'program': m.group(2), 'pid': int(m.group(3)), 'event': m.group(4)}
    for name, value in _FIELD.findall(m.group(5) or ''):
        if value.startswith('"'):
            value = re.sub(r'\\(["\\])', r'\1', value[1:-1])
        e[name] = value
    return e


def headers(message):
    """[(name, value as it stands)] of a message (LF or CRLF line ends), folded lines joined."""
    head = re.split(rb'\r?\n\r?\n', message, 1)[0].replace(b'\r\n', b'\n')
    head = re.sub(rb'\n(?=[ \t])', b'', head)
    return [tuple(part.strip() for part in line.split(b':', 1)) for line in head.split(b'\n') if b':' in line]


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


__all__ = [n for n in dir() if not n.startswith('_') and n not in (
    'atexit', 'pathlib', 'random', 'shlex', 'tempfile', 'HERE')]
