#!/usr/bin/env python3
"""collect over IMAP, against servers of every kind that the standards allow, and against ones that do not behave: what
is taken is whole and once, what is not taken stays upstream."""
import os
import sqlite3
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from imap_upstream import CAPABILITIES, Folder, ImapUpstream


def message(n, to='ann@example.org', body=b'text\r\n'):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d@sender.example>\r\nSubject: no. %d\r\n\r\n%s' % (
        to.encode(), n, n, body)


house = House(users=['ann:secret', 'bob:secret', 'carol:secret'],
              conf='message_size_limit = 200k\ncollect_timeout = 3s\n')
house.start()
IMAP = 'protocol=imap kind=domain login=office domain=example.org fallback=carol trusted=.isp.example'
house.map('secrets', 'office password=secret\nwrong password=s3cr3t-of-nobody\nstrange password="p\\"\\\\ \xe4\xdf x"\n')


def account(up, words='', tls='none', host='127.0.0.1', secret='office'):
    house.set_map('upstreams', 'office host=%s port=%d tls=%s secret=%s %s %s\n' % (
        host, up.port, tls, secret, IMAP, words))


def collect(check=False, bound=60):
    return house.ph('collect', check=check, bound=bound)


def lf(octets):
    return octets.replace(b'\r\n', b'\n')


def all_taken():
    """What is in the mailboxes, without what collect puts above each message, and without its notices; emptied."""
    found = []
    for user in ('ann', 'bob', 'carol'):
        for p in house.mail_files(user):
            _, above, rest = p.read_bytes().partition(b'\nX-Posthouse-Sorted: ')
            found += [rest.partition(b'\n')[2]] if above else []
            p.unlink()
    return sorted(found)


NUMBER = [0]


def some(n, **how):
    """So many messages that nobody has seen before."""
    NUMBER[0] += n
    return [message(NUMBER[0] - i, **how) for i in range(n)]


# --- a server that behaves

mails = [
    message(1001, body=b'.\r\n)\r\n* 1 FETCH (UID 1 BODY[] {3}\r\n'),
    message(1002, body=b'long ' + b'x' * 50000 + b'\r\n'),
    message(1003, body=b'8-bit \xff\xfe\x80 NUL \0 and CR \r in a line\r\n'),
    message(1004, body=b'no line end'),
    message(1005, body=b''),
    message(1006, body=b'x' * 70000 + b'\r\n'),
    b'no field at all\r\n',
]
up = ImapUpstream(mails)
account(up)
p = collect()
is_((p.returncode, all_taken()), (0, sorted(lf(m) for m in mails)), 'collected, octet for octet')
like(p.stdout, r'^office: 7 messages, \d+ KiB, [\d.]+ s$', 'a line an account')
is_(up.inbox.messages, {}, 'deleted upstream')
is_([c for c in up.commands if 'FETCH' in c], ['UID FETCH 1:7 (UID RFC822.SIZE)', 'UID FETCH 1:7 (UID BODY.PEEK[])'],
    'in one go')
is_([c.split()[0] + ' ' + c.split()[1] for c in up.commands[-4:-1]] + up.commands[-1:],
    ['UID FETCH', 'UID STORE', 'UID EXPUNGE', 'LOGOUT'], 'deleted behind all, and only what was taken')
account(up)
p = collect()
is_((p.returncode, [c for c in up.commands[-3:]]), (0, ['AUTHENTICATE ' + up.commands[0].partition(' ')[2],
                                                        'SELECT "INBOX"', 'LOGOUT']), 'nothing new: nothing is asked')

many = some(1000)
up = ImapUpstream(many)
account(up)
collect(check=True)
is_((all_taken(), up.inbox.messages), (sorted(map(lf, many)), {}), 'a thousand')
ok(len([c for c in up.commands if 'BODY' in c]) < 40, '... many a command')

# --- servers of all kinds


def kind(name, left=0, words='', after=None, **options):
    """A server that behaves in its own way: all comes whole and once, and goes there."""
    quirks = options.pop('quirks', {})
    mails = some(3)
    up = ImapUpstream(mails, **options)
    up.quirks.update(quirks)
    if after:
        after(up)
    account(up, words)
    p = collect()
    is_((p.returncode, all_taken(), len(up.inbox.messages)), (0, sorted(map(lf, mails)), left), name)
    return up, p


def without(*names):
    return [c for c in CAPABILITIES if c not in names]


def uid_last(conn, tag, arg):
    uids, _, items = arg.partition(' ')
    if 'BODY' not in items:
        return None
    for n, (uid, octets) in enumerate(sorted(conn.folder.messages.items()), 1):
        conn.send(b'* %d FETCH (BODY[] {%d}\r\n%s FLAGS (\\Seen) UID %d)\r\n' % (n, len(octets), octets, uid))
    conn.ok(tag)
    return True


def quoted(conn, tag, arg):
    uids, _, items = arg.partition(' ')
    if 'BODY' not in items:
        return None
    for n, uid in enumerate(sorted(conn.folder.messages), 1):
        conn.send(b'* %d FETCH (UID %d BODY[] "To: bob@example.org")\r\n' % (n, uid))
    conn.ok(tag)
    return True


def chatty(conn, tag, arg):
    """Says what nobody wants to know."""
    conn.send(b'* 4 EXISTS\r\n* 1 FETCH (FLAGS (\\Answered))\r\n* 2 FETCH (UID 2 FLAGS ())\r\n* OK [ALERT] mind the gap\r\n'
              b'* LIST () "/" {5}\r\nx\r\n"y\r\n* STRANGE thing (with "a" (list))\r\n* OK still here {3}\r\n')
    return None


def backwards(conn, tag, arg):
    uids, _, items = arg.partition(' ')
    for uid in sorted(conn.folder.messages, reverse=True):
        conn.send(conn.fetch_item(uid, items))
    conn.ok(tag)
    return True


kind('no capabilities in the greeting', greeting=b'* OK hello\r\n')
kind('CAPABILITY unknown', greeting=b'* OK hello\r\n',
     quirks={'CAPABILITY': lambda c, t, a: c.send(b'%s BAD what?\r\n' % t.encode()) or True}, words='keep=delete')
kind('PREAUTH', greeting=b'* PREAUTH hello\r\n')
kind('no SASL: LOGIN', capa=without('AUTH=PLAIN'))
kind('no SASL-IR', capa=without('SASL-IR'))
kind('auth=user', words='auth=user')
kind('no UIDVALIDITY and no UIDNEXT', status=False)
kind('UIDs that do not last', quirks={'SELECT': lambda c, t, a: c.send(b'* OK [UIDNOTSTICKY] alas\r\n') and None})
kind('BODY[] before UID', quirks={'UID FETCH': uid_last})
kind('talk in between', quirks={'UID FETCH': chatty, 'UID STORE': chatty, 'UID EXPUNGE': chatty})
kind('in its own order', quirks={'UID FETCH': backwards})
kind('sizes of zero', sizes={1: 0, 2: 0, 3: 0})
kind('sizes too large', sizes={1: 99999, 2: 99999, 3: 99999})
kind('IMAP4rev2 alone', capa=['IMAP4rev2', 'AUTH=PLAIN', 'SASL-IR'])
up, p = kind('no UIDPLUS', capa=without('UIDPLUS'))
ok('UID SEARCH DELETED' in up.commands and 'EXPUNGE' in up.commands, '... EXPUNGE, when all that is marked is ours')


def marked_meanwhile(conn, tag, arg):
    conn.folder.flags[conn.folder.add(message(999))].add('\\Deleted')
    return None


up, p = kind('no UIDPLUS, and others have marked messages', left=4, capa=without('UIDPLUS'),
             quirks={'UID SEARCH': marked_meanwhile})
ok('EXPUNGE' not in up.commands, '... no EXPUNGE')
like(p.stderr, 'collected messages are marked as deleted only', '... and the log says so')
all_taken()
collect()
all_taken()
up, p = kind('an EXPUNGE that does not', quirks={'UID EXPUNGE': lambda c, t, a: c.ok(t) or True}, left=3)
like(p.stderr, 'the upstream does not delete what is safe here', '... is seen through')
up.quirks.clear()
collect()
is_((all_taken(), up.inbox.messages), ([], {}), '... and said again in the next run')

up = ImapUpstream(some(2))
up.quirks['UID FETCH'] = quoted
account(up)
collect(check=True)
is_(all_taken(), [b'To: bob@example.org'], 'a message as a quoted string (and the same one again)')

up, p = kind('MOVE', words='move_to=done')
is_(len(up.folders['done'].messages), 3, '... into a folder that was not there')
up, p = kind('COPY instead of MOVE', words='move_to="a \\"b\\" c"', capa=without('MOVE'))
is_([len(f.messages) for n, f in up.folders.items() if n != 'INBOX'], [3], '... with a name that needs quoting')
up, p = kind('a folder to move to that cannot be made', words='move_to=done', left=3,
             quirks={'CREATE': lambda c, t, a: c.no(t, 'you may not') or True})
like(p.stderr, 'does not delete what is safe here.*TRYCREATE|does not delete .*no such folder', '... all stays')
up, p = kind('keep=all mark=seen', words='keep=all mark=seen', left=3)
is_(up.inbox.flags, {1: {'\\Seen'}, 2: {'\\Seen'}, 3: {'\\Seen'}}, '... marked as read')
up, p = kind('keep=all', words='keep=all', left=3)
is_((up.inbox.flags, any(c.startswith('SELECT') for c in up.commands)), ({1: set(), 2: set(), 3: set()}, False),
    '... nothing is changed')
up, p = kind('a read-only folder', left=3, quirks={'SELECT': lambda c, t, a: c.do_SELECT(t, a, 'READ-ONLY') or True})
like(p.stderr, 'a folder is read-only', '... the log says so')

# --- CONDSTORE (RFC 7162): the daily look at everything is not needed where nothing has changed


def a_day_later():
    """As if the last look at everything had been yesterday: the eighth number of what is known of a folder."""
    with sqlite3.connect(house.path('state', 'collect', 'collect.db'), timeout=10) as db:
        for name, value in db.execute("SELECT name, value FROM fact WHERE account = 'office'").fetchall():
            numbers = value.split()
            if len(numbers) == 9 and numbers[0] == str(up.inbox.validity):
                numbers[7] = str(int(numbers[7]) - 90000)
                db.execute("UPDATE fact SET value = ? WHERE account = 'office' AND name = ?", (' '.join(numbers), name))


def looks():
    """Whether a run of a day later asks for what is in the folder."""
    a_day_later()
    del up.commands[:]
    collect(check=True)
    return any(c.startswith(('UID SEARCH', 'UID FETCH')) for c in up.commands)


up = ImapUpstream(some(3), capa=[*CAPABILITIES, 'CONDSTORE'])
up.highest = 7
account(up, 'keep=all')
collect(check=True)
is_(len(all_taken()), 3, 'a server with CONDSTORE')
ok(any('(CONDSTORE)' in c for c in up.commands), '... is asked for it')
is_(looks(), False, 'the same HIGHESTMODSEQ a day later: nothing is asked')
up.highest = 8
is_(looks(), True, 'another: everything is looked at again')
up.inbox.add(some(1)[0])
up.highest = 9
collect(check=True)
is_(len(all_taken()), 1, '... and what is new is fetched, once')
up = ImapUpstream(some(2))
account(up, 'keep=all')
collect(check=True)
all_taken()
is_(looks(), True, 'without CONDSTORE everything is looked at once a day')

# --- passwords

for name, capa in (('LITERAL+', CAPABILITIES), ('LITERAL-', without('LITERAL+') + ['LITERAL-']),
                   ('literals to be invited', without('LITERAL+'))):
    mails = some(1)
    up = ImapUpstream(mails, password='p"\\ \xe4\xdf x', capa=capa)
    account(up, 'auth=user', secret='strange')
    p = collect()
    is_((p.returncode, all_taken()), (0, sorted(map(lf, mails))), 'a password beyond ASCII: ' + name)
up = ImapUpstream(some(1))
account(up, secret='wrong')
p = collect()
is_((p.returncode, all_taken()), (75, []), 'a wrong password: exit 75')
like(p.stderr, r'collect\.auth_failed account=office reply="login refused: wrong"', '... in the log')
ok('s3cr3t' not in p.stdout + p.stderr + house.log(), '... but no password')
up = ImapUpstream(some(1), capa=['IMAP4rev1', 'LOGINDISABLED'])
account(up)
p = collect()
is_((p.returncode, any('LOGIN ' in c for c in up.commands)), (75, False), 'LOGINDISABLED: no password is said')
up = ImapUpstream(some(1))
up.quirks['AUTHENTICATE'] = lambda c, t, a: c.no(t, '[UNAVAILABLE] later') or True
account(up)
p = collect()
like(p.stdout, 'failed: not now: later', 'a server that cannot ask its database')
ok('auth_failed' not in p.stderr, '... is no wrong password')

# --- folders

inbox, lists, drafts = some(2), some(2), some(1)
up = ImapUpstream(inbox)
up.folders['Lists/Announce'] = Folder(lists, validity=5)
up.folders['Entw\xfcrfe & \u53f0\u5317'] = Folder(drafts, validity=5)
account(up, 'keep=all folder=INBOX,Lists/Announce folder="Entw\xfcrfe & \u53f0\u5317" folder=Missing')
p = collect()
is_((p.returncode, all_taken()), (75, sorted(map(lf, inbox + lists + drafts))),
    'several folders, one of them missing: all others are collected')
like(p.stdout, r'failed: no such folder: Missing \(no such folder\)', '... and it is named')
up.capa = ['IMAP4rev2', 'AUTH=PLAIN', 'SASL-IR']
up.folders['Entw\xfcrfe & \u53f0\u5317'].add(inbox[0].replace(b'no. ', b'nr. '))
account(up, 'keep=all folder="Entw\xfcrfe & \u53f0\u5317"')
p = collect()
is_((p.returncode, all_taken()), (0, [lf(inbox[0].replace(b'no. ', b'nr. '))]), 'names in UTF-8 for IMAP4rev2')

# --- what stays

mails = some(4) + [message(3000, body=b'y' * 6000 + b'\r\n')] + some(2)
up = ImapUpstream(mails)
account(up, 'keep=all max_size=4k')
p = collect()
is_(all_taken(), sorted(lf(m) for m in mails if len(m) < 4096), 'keep=all takes each')
like(p.stdout, ', 1 left there, ', '... but what is too large')
p = collect()
is_((all_taken(), len(up.inbox.messages)), ([], 7), '... once')
like(p.stdout, '^office: 0 messages, 0 octets, 1 left there, ', '... and says again what is left')
ok(not any('UID FETCH' in c for c in up.commands[-3:]), '... without asking for what it knows')
new = some(1)
up.inbox.add(new[0])
collect(check=True)
is_(all_taken(), [lf(new[0])], 'what is new comes')
is_([c for c in up.commands if 'SIZE' in c][-1], 'UID FETCH 8:8 (UID RFC822.SIZE)', '... and nothing else is looked at')
up.inbox.validity += 1
collect(check=True)
is_((all_taken(), len(up.inbox.messages)), ([], 8), 'UIDVALIDITY changes: known messages are not delivered again')
saved, up.inbox.messages = up.inbox.messages, {}
collect(check=True)
up.inbox.messages = saved
collect(check=True)
is_(all_taken(), [], 'an empty folder forgets nothing')
account(up, 'keep=all')
collect(check=True)
is_(all_taken(), [lf(mails[4])], 'a larger max_size: what was too large comes')
account(up, 'keep=2d')
collect(check=True)
is_((all_taken(), len(up.inbox.messages)), ([], 8), 'keep=2d: not yet')
with sqlite3.connect(house.path('state', 'collect', 'collect.db')) as db:
    db.execute("UPDATE uid SET since_s = since_s - 3 * 86400 WHERE CAST(uid AS TEXT) = '2'")
    db.commit()
collect(check=True)
is_((all_taken(), sorted(up.inbox.messages)), ([], [1, 3, 4, 5, 6, 7, 8]), '... after two days')
account(up, 'keep=delete')
before = len(up.commands)
collect(check=True)
is_((all_taken(), up.inbox.messages), ([], {}), 'told to delete, it deletes what it has')
ok(not any('BODY' in c for c in up.commands[before:]), '... without fetching it again')

mails = some(5)
up = ImapUpstream(mails)
account(up, 'max_messages=2')
took = []
for n in (2, 2, 1):
    collect(check=True)
    took.append(all_taken())
is_([len(t) for t in took], [2, 2, 1], 'max_messages: so many a run')
is_(sorted(sum(took, [])), sorted(map(lf, mails)), '... each once')

mails = some(2)
up = ImapUpstream(mails)
up.inbox.messages = {5: mails[0], 4000000000: mails[1]}
up.inbox.flags, up.inbox.next = {5: set(), 4000000000: set()}, 4000000001
up.quirks['FETCH'] = lambda c, t, a: c.send(b'* 1 FETCH (UID 3999999999)\r\n') or c.ok(t) or True
del up.inbox.messages[5]
account(up)
collect(check=True)
is_((all_taken(), len(up.commands) < 12), ([lf(mails[1])], True), 'UIDs in their billions are not counted one by one')

# --- trouble


def trouble(name, quirks, error, takes=0, n=4, mails=None, left=None, **options):
    """A run that fails so; so many messages come whole. Then the server comes to its senses: each came once."""
    mails = mails or some(n, body=b'line\r\n' * 300)
    up = ImapUpstream(mails, **options)
    up.quirks.update(quirks)
    account(up)
    p = collect()
    is_(p.returncode, 75, name + ': exit 75')
    like(p.stdout, r'^office: %d messages?, .*: failed: .*(%s)' % (takes, error), '... and says why')
    first = all_taken()
    ok(all(m in [lf(x) for x in mails] for m in first) and len(first) == takes, '... takes only what is whole')
    is_(len(up.inbox.messages), len(mails) if left is None else left, '... deletes nothing')
    up.quirks.clear()
    collect(check=True)
    is_((sorted(first + all_taken()), up.inbox.messages), (sorted(map(lf, mails)), {}),
        '... the next run gets the rest, nothing twice')


def body(fn):
    """A quirk of the fetching, not of the listing: fn(conn, tag) with the third message."""
    def quirk(conn, tag, arg):
        if 'BODY' not in arg:
            return None
        for uid in sorted(conn.folder.messages)[:2]:
            conn.send(conn.fetch_item(uid, 'BODY.PEEK[]'))
        return fn(conn, tag)
    return quirk


def part(conn, uid=3, add=0, octets=None):
    m = conn.folder.messages[uid]
    conn.send(b'* %d FETCH (UID %d BODY[] {%d}\r\n%s' % (uid, uid, len(m) + add, m if octets is None else m[:octets]))


def drop(conn, tag):
    part(conn, octets=100)
    return False


def silence(conn, tag):
    part(conn, octets=100)
    time.sleep(5)
    return False


def short(conn, tag):
    part(conn, add=-100)
    conn.send(b')\r\n')
    conn.ok(tag)
    return True


def long(conn, tag):
    part(conn, add=30)
    conn.send(b')\r\n' + conn.fetch_item(4, 'BODY.PEEK[]'))
    conn.ok(tag)
    return True


def short_last(conn, tag):
    """What is cut off would, alone, be a fine end of the reply: but then it goes on."""
    conn.send(b'* 3 FETCH (UID 3 BODY[] {20}\r\n' + b'x' * 20 + b')\r\nSubject: and more\r\n')
    conn.ok(tag)
    return True


def endless(octets, begin=b''):
    def quirk(conn, *rest):
        conn.send(begin)
        try:
            while True:
                conn.send(octets * (65536 // len(octets)))
        except OSError:
            return False
    return quirk


def says(octets, go_on=False):
    def quirk(conn, *rest):
        conn.send(octets)
        return go_on
    return quirk


trouble('dropped inside a message', {'UID FETCH': body(drop)}, 'closed the connection', takes=2)
trouble('silence inside a message', {'UID FETCH': body(silence)}, 'did not answer in time', takes=2)
trouble('a literal that is too short', {'UID FETCH': body(short)}, 'is no IMAP', takes=2)
trouble('a literal that is too long', {'UID FETCH': body(long)}, 'is no IMAP', takes=2)
trouble('a literal that ends where it looks right', {'UID FETCH': body(short_last)}, 'is no IMAP', takes=2)
trouble('an endless message', {'UID FETCH': body(endless(b'z', b'* 3 FETCH (UID 3 BODY[] {9000000000}\r\n'))},
        'a message without end', takes=2)
trouble('BYE inside', {'UID FETCH': body(says(b'* BYE going down\r\n'))}, 'ended the session: going down', takes=2)
trouble('an impossible size', {'UID FETCH': body(says(b'* 3 FETCH (UID 3 BODY[] {99999999999999999999}\r\n'))},
        'impossible size', takes=1) # of the one before it is not proved that it was whole
trouble('NULs', {'UID FETCH': body(says(b'* 3 FETCH (\0\0\0)\r\n'))}, 'control character', takes=1)
trouble('an answer to nothing', {'UID FETCH': body(says(b'x999 OK done\r\n', True))}, 'what was not asked: x999', takes=2)
trouble('an endless line', {'UID FETCH': endless(b'z', b'* ')}, 'too long')
trouble('an endless number of replies', {'SELECT': endless(b'* 1 RECENT\r\n')}, 'does not stop talking')
trouble('an endless listing', {'UID FETCH': endless(b'* 1 FETCH (UID 1 RFC822.SIZE 7)\r\n')}, 'no end of messages')
trouble('lists in lists', {'UID FETCH': endless(b'(', b'* X ')}, 'too many lists')
trouble('a message that nobody asked for', {'SELECT': says(b'* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\n')},
        'not asked for')
trouble('hangs up at login', {'AUTHENTICATE': lambda c, t, a: False}, 'closed the connection')
trouble('BYE as greeting', {'SELECT': says(b'* BYE too many\r\n')}, 'too many')
trouble('no listing', {'UID FETCH': lambda c, t, a: c.no(t, 'not today') or True}, 'does not list its messages: not today')
trouble('gone at EXPUNGE', {'UID EXPUNGE': lambda c, t, a: False}, 'closed the connection', takes=4)

# A stranger's message that looks like the server's words, and a UID that was not asked for.
mails = some(2)
up = ImapUpstream(mails)
up.quirks['UID FETCH'] = lambda c, t, a: 'BODY' in a and c.send(
    b'* 7 FETCH (UID 77 BODY[] {23}\r\nTo: ann@example.org\r\n\r\n)\r\n') and None or None
account(up)
p = collect()
is_((p.returncode, all_taken()), (0, sorted(map(lf, mails))), 'a message of another UID is nobody\'s')

# NIL, NO for one of many, and for the same one again
mails = some(6)
up = ImapUpstream(mails)


def not_three(conn, tag, arg):
    uids, _, items = arg.partition(' ')
    if 'BODY' not in items:
        return None
    if '3' in uids or ':' in uids:
        conn.no(tag, 'message 3 is broken')
        return True
    return None


up.quirks['UID FETCH'] = not_three
account(up)
p = collect()
is_((p.returncode, all_taken(), sorted(up.inbox.messages)),
    (0, sorted(lf(m) for i, m in enumerate(mails, 1) if i != 3), [3]), 'NO for one of many: the others come')
like(p.stderr, r'does not hand out a message.*uid=3 reply="message 3 is broken"', '... and it is named')
like(p.stdout, '1 left there', '... and counted')
p = collect()
like(p.stderr, 'a message fails again and stays upstream', 'failed twice: reported')
before = len(up.commands)
p = collect()
is_((any('BODY' in c for c in up.commands[before:]), '1 left there' in p.stdout), (False, True), '... and left alone')
up = ImapUpstream(some(1))
up.quirks['UID FETCH'] = lambda c, t, a: c.send(b'* 1 FETCH (UID 1 BODY[] NIL)\r\n') or c.ok(t) or True \
    if 'BODY' in a else None
account(up)
p = collect()
is_((p.returncode, all_taken(), len(up.inbox.messages)), (0, [], 1), 'NIL instead of a message: it stays')

# One message breaks the server each time: the others come, and it is left alone.
mails = some(5)
up = ImapUpstream(mails)


def poison(conn, tag, arg):
    uids, _, items = arg.partition(' ')
    if 'BODY' not in items:
        return None
    from imap_upstream import uid_set
    for uid in uid_set(uids, conn.folder):
        if uid == 2:
            conn.send(b'* 2 FETCH (UID 2 BODY[] {100}\r\nTo: ann')
            return False
        conn.send(conn.fetch_item(uid, items))
    conn.ok(tag)
    return True


up.quirks['UID FETCH'] = poison
account(up)
codes = [collect().returncode for i in range(3)]
is_((codes, all_taken(), sorted(up.inbox.messages)),
    ([75, 75, 0], sorted(lf(m) for i, m in enumerate(mails, 1) if i != 2), [2]),
    'a message that breaks the connection delays the others by a run')

# Somebody else deletes while we collect.
mails = some(4)
up = ImapUpstream(mails)


def expunge_in_between(conn, tag, arg):
    if 'BODY' in arg and 2 in conn.folder.messages:
        conn.send(b'* 2 EXPUNGE\r\n')
        del conn.folder.messages[2], conn.folder.flags[2]


up.quirks['UID FETCH'] = expunge_in_between
account(up)
p = collect()
is_((p.returncode, all_taken(), up.inbox.messages), (0, sorted(lf(m) for i, m in enumerate(mails) if i != 1), {}),
    'somebody else deletes meanwhile')

# --- killed


def killed(name, verb, after, nth=1):
    """SIGKILL when the server hears the nth of these commands, before or after it does what they say."""
    mails = some(150, body=b'line\r\n' * 20)
    up = ImapUpstream(mails)
    account(up)
    seen, victims = [], []

    def quirk(conn, tag, arg):
        if verb == 'UID FETCH' and 'BODY' not in arg:
            return None
        seen.append(arg)
        if len(seen) != nth:
            return None
        if after:
            getattr(conn, 'do_' + verb.replace(' ', '_'))(tag, arg)
            time.sleep(0.1)  # so that some of it has arrived
        victims.extend(children(run.pid) + [run.pid])
        for pid in victims:
            os.kill(pid, 9)
        return False

    up.quirks[verb] = quirk
    run = spawn([BIN / 'posthouse', '-C', house.dir, 'collect'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run.wait()
    wait_until(lambda: not any(os.path.exists('/proc/%d' % pid) for pid in victims), 10)
    first = all_taken()
    up.quirks.clear()
    p = collect()
    is_((p.returncode, sorted(first + all_taken()), up.inbox.messages), (0, sorted(map(lf, mails)), {}),
        'killed %s: all are here, each once, and none there (%d came before)' % (name, len(first)))


killed('when it asks', 'UID FETCH', False)
killed('amid the first messages', 'UID FETCH', True)
killed('amid the last', 'UID FETCH', True, nth=3)
killed('before STORE', 'UID STORE', False)
killed('behind STORE', 'UID STORE', True)
killed('before EXPUNGE', 'UID EXPUNGE', False)
killed('behind EXPUNGE', 'UID EXPUNGE', True)
killed('at LOGOUT', 'LOGOUT', True)

# --- TLS

where = house.path('tls')
where.mkdir()
where.chmod(0o755)
subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', str(where / 'key'),
                '-out', str(where / 'cert')], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(where / 'cert', where / 'key')


def over_tls(name, good, tls='starttls', quirks={}, **options):
    up = ImapUpstream(some(1), tls=context, **options)
    up.quirks.update(quirks)
    account(up, 'ca=%s' % (where / 'cert'), tls=tls, host='localhost')
    p = collect()
    is_((p.returncode, len(all_taken())), (0, 1) if good else (75, 0), name)
    if not good:
        ok(not any(c.startswith(('LOGIN', 'AUTHENTICATE')) for c in up.commands), '... no name and no password')
    return up, p


STARTTLS = ('STARTTLS',) + tuple(CAPABILITIES)
over_tls('implicit TLS', True, tls='implicit', implicit=True)
up, p = over_tls('STARTTLS', True, capa=STARTTLS)
is_([c for c in up.commands if c in ('STARTTLS', 'CAPABILITY')], ['STARTTLS', 'CAPABILITY'],
    '... what the server can is asked anew')
over_tls('a server without STARTTLS gets nothing', False)
over_tls('nor one that says PREAUTH', False, capa=STARTTLS, greeting=b'* PREAUTH come in\r\n')
over_tls('nor one that refuses it', False, capa=STARTTLS, quirks={'STARTTLS': lambda c, t, a: c.no(t) or True})
over_tls('an answer slipped in before TLS', False, capa=STARTTLS,
         quirks={'STARTTLS': lambda c, t, a: c.send(b'%s OK go ahead\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n' %
                                                    t.encode()) or True})
done()
