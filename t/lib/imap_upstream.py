"""imap_upstream: a provider's IMAP server for tests, in threads; well-behaved until it is told otherwise.

    up = ImapUpstream([b'To: ann@example.org\\r\\n\\r\\nhello\\r\\n'])
    up.port, up.folders['INBOX'], up.commands
    up.quirks['UID FETCH'] = lambda conn, tag, arg: ...   # True: answered, None: as usual, False: hang up
"""
import base64
import re
import threading

from provider import Provider

CAPABILITIES = ('IMAP4rev1', 'LITERAL+', 'SASL-IR', 'AUTH=PLAIN', 'UIDPLUS', 'MOVE', 'IDLE')


class Folder:
    made = 1700000000

    def __init__(self, messages=(), validity=None):
        Folder.made += 1
        self.messages = {}          # UID → octets
        self.flags = {}             # UID → set
        self.next, self.validity = 1, validity or Folder.made
        for m in messages:
            self.add(m)

    def add(self, octets):
        self.messages[self.next] = octets
        self.flags[self.next] = set()
        self.next += 1
        return self.next - 1

    def number(self, uid):
        return sorted(self.messages).index(uid) + 1


class ImapUpstream(Provider):
    def __init__(self, messages=(), login='office', password='secret', capa=CAPABILITIES, tls=None, implicit=False,
                 greeting=None, sizes=None, status=True):
        self.folders = {'INBOX': Folder(messages)}
        self.login, self.password, self.capa = login, password, capa
        self.tls, self.implicit, self.sizes, self.status = tls, implicit, sizes, status
        self.greeting = greeting
        self.highest = 0  # HIGHESTMODSEQ (RFC 7162), for those who have CONDSTORE
        self.quirks = {}
        self.commands, self.sessions, self.idlers = [], 0, []
        self.lock = threading.RLock()
        self.open(Session)

    @property
    def inbox(self):
        return self.folders['INBOX']

    def arrive(self, octets, folder='INBOX'):
        """A message comes, and those who wait hear of it."""
        with self.lock:
            uid = self.folders[folder].add(octets)
            for s in list(self.idlers):
                if s.folder is self.folders[folder]:
                    try:
                        s.send(b'* %d EXISTS\r\n' % len(s.folder.messages))
                    except OSError:
                        pass  # it has gone
        return uid

    def close(self):
        self.sock.close()


def uid_set(text, folder):
    """The UIDs of a set that are there."""
    top = max(folder.messages, default=0)
    found = set()
    for part in text.split(','):
        ends = [top if e == '*' else int(e) for e in part.split(':')]
        found |= {u for u in folder.messages if min(ends) <= u <= max(ends)}
    return sorted(found)


def mutf7(name):
    """A folder's name as modified UTF-7."""
    return re.sub('[^ -~]+', lambda m: '&%s-' % base64.b64encode(m.group().encode('utf-16-be')).decode().rstrip(
        '=').replace('/', ','), name.replace('&', '&-'))


class Session:
    def __init__(self, up, sock):
        self.up, self.sock, self.buf, self.folder, self.in_ = up, sock, b'', None, False
        up.sessions += 1

    def send(self, octets):
        self.sock.sendall(octets)

    def ok(self, tag, text='done'):
        self.send(('%s OK %s\r\n' % (tag, text)).encode())

    def no(self, tag, text='no'):
        self.send(('%s NO %s\r\n' % (tag, text)).encode())

    def line(self):
        while b'\n' not in self.buf:
            self.more()
        line, self.buf = self.buf.split(b'\n', 1)
        return line.rstrip(b'\r').decode('utf-8', 'surrogateescape')

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError
        self.buf += got

    def command(self):
        """A line with its literals, each as {octets}."""
        line = self.line()
        while m := re.search(r'\{(\d+)(\+?)\}$', line):
            if not m.group(2):
                self.send(b'+ go on\r\n')
            while len(self.buf) < int(m.group(1)):
                self.more()
            octets, self.buf = self.buf[:int(m.group(1))], self.buf[int(m.group(1)):]
            text = octets.decode('utf-8', 'surrogateescape')
            line = line[:m.start()] + '"%s"' % re.sub(r'([\\"])', r'\\\1', text) + self.line()
        return line

    def run(self):
        self.send(self.up.greeting or ('* OK [CAPABILITY %s] ready\r\n' % ' '.join(self.up.capa)).encode())
        while True:
            line = self.command()
            tag, verb, arg = (line.split(' ', 2) + ['', ''])[:3]
            verb = verb.upper()
            if verb == 'UID':
                verb, arg = 'UID ' + arg.partition(' ')[0].upper(), arg.partition(' ')[2]
            self.up.commands.append((verb + ' ' + arg).strip())
            quirk = self.up.quirks.get(verb)
            answered = quirk(self, tag, arg) if quirk else None
            if answered is False:
                return
            if answered is None:
                with self.up.lock:
                    do = getattr(self, 'do_' + verb.replace(' ', '_'), None)
                    if do is None:
                        self.send(('%s BAD what?\r\n' % tag).encode())
                        continue
                if verb == 'IDLE':
                    do(tag, arg)
                else:
                    with self.up.lock:
                        do(tag, arg)
            if verb == 'LOGOUT':
                return

    def do_CAPABILITY(self, tag, arg):
        self.send(('* CAPABILITY %s\r\n' % ' '.join(self.up.capa)).encode())
        self.ok(tag)

    def do_STARTTLS(self, tag, arg):
        self.ok(tag)
        self.sock = self.up.tls.wrap_socket(self.sock, server_side=True)
        self.buf = b''

    def let_in(self, tag, good):
        if good:
            self.ok(tag, '[CAPABILITY %s] in' % ' '.join(self.up.capa))
        else:
            self.no(tag, '[AUTHENTICATIONFAILED] wrong')

    def do_LOGIN(self, tag, arg):
        words = [re.sub(r'\\(.)', r'\1', w) for w in re.findall(r'"((?:[^"\\]|\\.)*)"', arg)]
        self.let_in(tag, words == [self.up.login, self.up.password])

    def do_AUTHENTICATE(self, tag, arg):
        mechanism, _, first = arg.partition(' ')
        if not first:
            self.send(b'+ \r\n')
            first = self.line()
        self.let_in(tag, mechanism == 'PLAIN' and base64.b64decode(first).decode().split('\0')[1:] ==
                    [self.up.login, self.up.password])

    def do_SELECT(self, tag, arg, how='READ-WRITE'):
        name = re.match(r'"((?:[^"\\]|\\.)*)"', arg).group(1)
        self.folder = next((f for n, f in self.up.folders.items() if name in (n, mutf7(n))), None)
        if self.folder is None:
            return self.no(tag, '[NONEXISTENT] no such folder')
        self.send(b'* FLAGS (\\Seen \\Deleted)\r\n* %d EXISTS\r\n* 0 RECENT\r\n' % len(self.folder.messages))
        if self.up.status:
            self.send(b'* OK [UIDVALIDITY %d] stays\r\n* OK [UIDNEXT %d] next\r\n' % (
                self.folder.validity, self.folder.next))
        if self.up.highest:
            self.send(b'* OK [HIGHESTMODSEQ %d] highest\r\n' % self.up.highest)
        self.ok(tag, '[%s] open' % how)

    def do_EXAMINE(self, tag, arg):
        self.do_SELECT(tag, arg, 'READ-ONLY')

    def fetch_item(self, uid, items):
        octets = self.folder.messages[uid]
        parts = [b'UID %d' % uid]
        if 'RFC822.SIZE' in items:
            parts.append(b'RFC822.SIZE %d' % (self.up.sizes or {}).get(uid, len(octets)))
        if 'BODY' in items:
            self.folder.flags[uid] |= set() if 'PEEK' in items else {'\\Seen'}
            parts.append(b'BODY[] {%d}\r\n%s' % (len(octets), octets))
        return b'* %d FETCH (%s)\r\n' % (self.folder.number(uid), b' '.join(parts))

    def do_UID_FETCH(self, tag, arg):
        uids, _, items = arg.partition(' ')
        for uid in uid_set(uids, self.folder):
            self.send(self.fetch_item(uid, items))
        self.ok(tag)

    def do_FETCH(self, tag, arg):
        if self.folder.messages:
            self.send(b'* 1 FETCH (UID %d)\r\n' % min(self.folder.messages))
        self.ok(tag)

    def do_UID_STORE(self, tag, arg):
        uids, _, what = arg.partition(' ')
        for uid in uid_set(uids, self.folder):
            self.folder.flags[uid] |= set(re.findall(r'\\\w+', what))
        self.ok(tag)

    def expunge(self, uids):
        for uid in uids:
            if '\\Deleted' in self.folder.flags[uid]:
                self.send(b'* %d EXPUNGE\r\n' % self.folder.number(uid))
                del self.folder.messages[uid], self.folder.flags[uid]

    def do_UID_EXPUNGE(self, tag, arg):
        self.expunge(uid_set(arg, self.folder))
        self.ok(tag)

    def do_EXPUNGE(self, tag, arg):
        self.expunge(sorted(self.folder.messages))
        self.ok(tag)

    def do_UID_SEARCH(self, tag, arg):
        found = sorted(u for u, f in self.folder.flags.items() if '\\Deleted' in f)
        if 'IMAP4rev1' in self.up.capa:
            self.send(('* SEARCH%s\r\n' % ''.join(' %d' % u for u in found)).encode())
        elif found:
            self.send(('* ESEARCH (TAG "%s") UID ALL %s\r\n' % (tag, ','.join(map(str, found)))).encode())
        else:
            self.send(('* ESEARCH (TAG "%s") UID\r\n' % tag).encode())
        self.ok(tag)

    def copy(self, tag, arg):
        uids, _, name = arg.partition(' ')
        name = name.strip('"')
        if name not in self.up.folders:
            self.no(tag, '[TRYCREATE] no such folder')
            return []
        found = uid_set(uids, self.folder)
        for uid in found:
            self.up.folders[name].add(self.folder.messages[uid])
        return found

    def do_UID_COPY(self, tag, arg):
        if self.copy(tag, arg):
            self.ok(tag)

    def do_UID_MOVE(self, tag, arg):
        found = self.copy(tag, arg)
        for uid in found:
            self.folder.flags[uid].add('\\Deleted')
        self.expunge(found)
        if found:
            self.ok(tag)

    def do_CREATE(self, tag, arg):
        self.up.folders[arg.strip('"')] = Folder()
        self.ok(tag)

    def do_IDLE(self, tag, arg):
        with self.up.lock:
            self.send(b'+ idling\r\n')
            self.up.idlers.append(self)
        try:
            done = self.line()
        finally:
            self.up.idlers.remove(self)
        self.ok(tag) if done.upper() == 'DONE' else self.send(('%s BAD not DONE\r\n' % tag).encode())

    def do_NOOP(self, tag, arg):
        self.ok(tag)

    def do_LOGOUT(self, tag, arg):
        self.send(b'* BYE bye\r\n')
        self.ok(tag)
