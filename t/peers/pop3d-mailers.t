#!/usr/bin/env python3
"""Programs that people read mail with: getmail6 and mutt as they are; Thunderbird and Outlook by the order of their commands."""
import base64, fcntl, os, pty, select, shutil, struct, sys, termios, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['%s:secret' % u for u in ('get', 'mutt', 'bird', 'look')]).start()
which = [m for m in odd_messages() if m[0] in ('plain', 'leading dots', 'a dot alone at the end', '8-bit', 'empty lines')]


def fill(user):
    for _, octets in which:
        put(house, user, octets)


def wire(octets):
    octets = octets.replace(b'\n', b'\r\n')
    return octets + (b'\r\n' if octets and not octets.endswith(b'\r\n') else b'')


# getmail6: USER, PASS, LIST, UIDL, RETR, DELE, QUIT. It remembers unique-ids and leaves or deletes.
if have('getmail'):
    fill('get')
    box = house.path('getmail-box')
    for sub in ('tmp', 'new', 'cur'):
        (box / sub).mkdir(parents=True)
    if ROOT:  # it refuses to deliver as root
        for path in (box, *box.iterdir()):
            shutil.chown(path, 'nobody')
    conf = house.path('getmail')
    conf.mkdir(mode=0o700)

    def getmail(delete):
        (conf / 'rc').write_text('[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = %d\nusername = get\npassword = secret\n'
                                 '[destination]\ntype = Maildir\npath = %s/\n%s'
                                 '[options]\ndelete = %s\nread_all = false\ndelivered_to = false\nreceived = false\nverbose = 0\n'
                                 % (house.pop3_port, box, 'user = nobody\n' if ROOT else '', delete))
        p = house.run(['getmail', '--getmaildir', conf, '--rcfile', 'rc'], check=False, env={'HOME': str(house.dir)})
        if not is_(p.returncode, 0, 'getmail: exit code 0'):
            diag(p.stdout + p.stderr)
        # It writes the sender, who is not known, in front.
        return sorted(f.read_bytes().removeprefix(b'Return-Path: <unknown>\n') for f in (box / 'new').iterdir())

    got = getmail('false')
    # getmail reads messages with Python's email package, which ends them with a newline.
    want = sorted(wire(octets).replace(b'\r\n', b'\n') for _, octets in which)
    is_(len(got), len(want), 'getmail: as many messages')
    is_(got, want, 'getmail: every octet')
    is_(len(getmail('false')), len(want), 'getmail: nothing twice')
    getmail('true')
    is_((len(house.mail('get')), len(list((box / 'new').iterdir()))), (0, len(want)), 'getmail: deletes what it has')
else:
    skip('getmail', 'getmail6 is not installed')

# mutt, in a terminal: opens the mailbox, copies everything into a file, deletes the first, leaves.
if have('mutt'):
    fill('mutt')
    out = house.path('mutt-out')
    rc = house.path('muttrc')
    rc.write_text('set pop_user="mutt"\nset pop_pass="secret"\nset pop_authenticators="user"\nset ssl_force_tls=no\nset ssl_starttls=no\nset mbox_type=mbox\n'
                  'set confirmappend=no\nset confirmcreate=no\nset resolve=no\nset quit=yes\nset delete=yes\nset wait_key=no\nset pop_delete=no\nset pop_checkinterval=0\n'
                  'set certificate_file=%s\nset header_cache=""\nset message_cachedir=""\nset tmpdir=%s\nunset record\n'
                  % (house.path('certs'), house.dir))
    # Behind an empty prompt: the first key that asks for something is lost while the first screen is drawn.
    copies = ''.join('<copy-message>%s%d<enter><next-entry>' % (out, i) for i in range(len(which)))
    keys = '<copy-message>/dev/null<enter><first-entry>' + copies + '<first-entry><delete-message><quit>'
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(HOME=str(house.dir), TERM='vt100', LINES='40', COLUMNS='120')
        os.execvp('mutt', ['mutt', '-n', '-F', str(rc), '-f', 'pop://mutt@127.0.0.1:%d' % house.pop3_port, '-e', 'push "%s"' % keys])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
    screen, until, gone = b'', time.monotonic() + 30, 0
    while time.monotonic() < until and not gone:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                screen += os.read(fd, 65536)
            except OSError:
                pass
        gone = os.waitpid(pid, os.WNOHANG)[0]
    if not gone:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    os.close(fd)
    if not ok(gone, 'mutt: comes to its end'):
        diag(repr(screen[-2000:]))
    copies = sorted(house.dir.glob('mutt-out*'))
    is_(len(copies), len(which), 'mutt: has copied every message')
    text = b''.join(f.read_bytes() for f in copies)
    for what, octets in which:
        body = octets.split(b'\n\n', 1)[1].strip(b'\n')
        ok(body in text, 'mutt: the text of ' + what)
    is_(len(house.mail('mutt')), len(which) - 1, 'mutt: one is deleted')
else:
    skip('mutt', 'mutt is not installed')

# Thunderbird 115: CAPA, AUTH PLAIN without initial response, STAT, LIST, UIDL; headers by TOP, then RETR, DELE, QUIT.
fill('bird')
secret = base64.b64encode(b'\0bird\0secret').decode()
with house.pop3() as p:
    def rows(command):
        return p.multi(command)[1].splitlines()

    like(p.line().decode(), r'^\+OK', 'Thunderbird: greeting')
    capa = rows('CAPA')
    ok(b'UIDL' in capa and b'TOP' in capa and any(c.startswith(b'SASL ') and b'PLAIN' in c.split() for c in capa), 'Thunderbird: CAPA has what it looks for')
    is_(p.cmd('AUTH PLAIN'), '+ ', 'Thunderbird: AUTH PLAIN, the response comes behind')
    like(p.cmd(secret), r'^\+OK', '... and is right')
    count, octets = map(int, p.cmd('STAT').split()[1:3])
    is_(count, len(which), 'Thunderbird: STAT')
    listing = [l.split() for l in rows('LIST')]
    is_(sum(int(s) for _, s in listing), octets, '... LIST adds up to it')
    uids = [l.split()[1] for l in rows('UIDL')]
    is_(len(set(uids)), count, '... UIDL')
    for i in range(1, count + 1):
        status, text = p.multi('TOP %d 0' % i)
        ok(status.startswith('+OK') and text.endswith(b'\r\n\r\n') and text.count(b'\r\n\r\n') == 1, '... TOP %d 0 ends with the empty line' % i)
    like(p.cmd('XSENDER 1'), r'^-ERR', '... an old extension is refused, no more')
    got = [p.multi('RETR %d' % i)[1] for i in range(1, count + 1)]
    is_(sorted(got), sorted(wire(o) for _, o in which), '... RETR: every octet')
    is_([len(g) for g in got], [int(s) for _, s in listing], '... as long as LIST said')
    like(p.cmd('DELE 1'), r'^\+OK', '... DELE')
    like(p.cmd('QUIT'), r'^\+OK', '... QUIT')
is_(len(house.mail('bird')), count - 1, 'Thunderbird: one is deleted')
with house.pop3('bird') as p:
    is_([l.split()[1] for l in p.multi('UIDL')[1].splitlines()], uids[1:], '... the others keep their unique-ids')

# Outlook: AUTH without an argument, to see whether it is there; USER, PASS, STAT, UIDL, LIST, RETR one after another, then NOOPs.
fill('look')
with house.pop3() as p:
    p.line()
    status = p.cmd('AUTH')
    if status.startswith('+OK'):
        while p.line() != b'.':
            pass
    like(status, r'^(\+OK|-ERR)', 'Outlook: AUTH alone has one answer: ' + status)
    like(p.cmd('USER look'), r'^\+OK', 'Outlook: USER')
    like(p.cmd('PASS secret'), r'^\+OK', '... PASS')
    is_(int(p.cmd('STAT').split()[1]), len(which), '... STAT')
    is_([len(p.multi(c)[1].splitlines()) for c in ('UIDL', 'LIST')], [len(which)] * 2, '... UIDL and LIST')
    for i in range(1, len(which) + 1):
        like(p.multi('RETR %d' % i)[0], r'^\+OK', '... RETR %d' % i)
        like(p.cmd('NOOP'), r'^\+OK', '... NOOP')
    for i in range(1, len(which) + 1):
        like(p.cmd('DELE %d' % i), r'^\+OK', '... DELE %d' % i)
    like(p.cmd('QUIT'), r'^\+OK', '... QUIT')
is_(house.mail('look'), [], 'Outlook: all are deleted')
done()
