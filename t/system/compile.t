#!/usr/bin/env python3
"""posthouse compile and rollback: what is wrong is said by file and line, and nothing changes
until nothing is wrong."""
import fcntl
import os
import resource
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(setup=False)
for name in ('etc', 'maps'):
    house.path(name).mkdir()

try:
    socket.getservbyname('smtp')
    SMTP = 'smtp'
except OSError: # no /etc/services here
    SMTP = '25'

GOOD = {
    'posthouse.conf': 'hostname = mx.example.org\n',
    'domains': 'example.org local postmaster=ann\nb.example alias-of=example.org\nbackup.example relay\n',
    'users': 'ann name="Ann Archer"\nbob@example.org copy-to=ann\n',
    'aliases': 'sales ann, bob@else.example\n',
    'routes': '* smarthost=mail.isp.example\n',
    'access': '192.0.2.0/24 trust\n',
    'upstreams': '',
    'passwd': 'ann $y$j9T$abc$def\n',
    'secrets': 'isp password="a b"\n',
    'lists': '', 'filters': '', 'attachments': '',
    'providers': 'google token=https://oauth.example/token device=https://oauth.example/device scope=mail\n',
}


def write(**maps):
    for name, text in dict(GOOD, **maps).items():
        house.set_map(name.replace('_', '.'), text, compile=False)


def current():
    try:
        return os.readlink(house.path('maps', 'current'))
    except FileNotFoundError:
        return None


def compile(*args, **kw):
    return house.program('compile', *args, check=False, **kw)


def generations():
    return sorted(n for n in os.listdir(house.path('maps')) if n.isdigit())


def everything():
    """All there is under maps/, to tell whether anything changed."""
    return sorted((str(p.relative_to(house.dir)), os.lstat(p).st_mtime_ns, os.lstat(p).st_ino)
                  for p in house.path('maps').rglob('*') if p.name != '.lock')


# --- it goes well -----------------------------------------------------------

write()
p = compile('--check')
is_((p.returncode, p.stderr), (0, ''), '--check finds nothing')
is_(os.listdir(house.path('maps')), [], '... and writes nothing')
p = compile()
is_(p.returncode, 0, 'the maps compile')
is_(p.stdout, 'generation 00000001 is in force: domains 3, users 2, aliases 1, routes 1, access 1, '
    'passwd 1, secrets 1, providers 1\n', '... and it says what is in them')
is_(current(), '00000001', '... and they are in force')
is_(house.path('maps', 'current', 'posthouse.conf').read_text(), GOOD['posthouse.conf'],
    'the settings are copied into the generation')
is_(mode(house.path('maps', 'current', 'passwd.cdb')), 0o400, 'hashes are for one uid')
is_(mode(house.path('maps', 'current', 'secrets.cdb')), 0o400, 'secrets are for one uid')
is_(mode(house.path('maps', 'current', 'users.cdb')), 0o644, 'the other maps are for all our programs')
is_(mode(house.path('maps', '00000001')), 0o755, '... and so is the directory')
if ROOT:
    import pwd
    try:
        owners = [pwd.getpwnam(n).pw_uid for n in ('phauth', 'phcollect')]
        is_([os.stat(house.path('maps', 'current', n)).st_uid for n in ('passwd.cdb', 'secrets.cdb')], owners,
            'their owners are the services that need them')
    except KeyError:
        skip('their owners', 'the services have no users here')
else:
    skip('their owners', 'needs root')

# --- it does not ------------------------------------------------------------

# Each a change to the good maps, and all that is said about it ("~" is etc/).
WRONG = [
    # the form of entries
    (dict(users='ann nam="Ann"\nbob@example.org\n'),
     '~users:1: there is no word "nam=" here: did you mean name=? (known: name= maildir= copy-to= forward= '
     'rights= quota= disabled)'),
    (dict(users='ann\nbob@example.org\n# and once more\nANN@Example.ORG disabled\n'),
     '~users:4: ann@example.org is in line 1 already: keep one of them'),
    (dict(users='ann\nbob@example.org\na..b@example.org\n'),
     '~users:3: "a..b@example.org" is no address: write NAME@DOMAIN'),
    (dict(users='ann name="Ann\nbob@example.org\n'),
     '~users:1: a quote is opened and not closed: add the missing "'),
    (dict(users='ann maildir=../../etc\nbob@example.org\n'),
     '~users:1: maildir= is a path below the mail root: write it without / in front and without ..'),
    (dict(users='ann name=A name=B\nbob@example.org\n'), '~users:1: name= is there twice: keep one'),
    (dict(domains='example.org postmaster=ann\n'),
     '~domains:1: a domain is one of: local, relay, alias-of=DOMAIN',
     '~users:1: "ann" has no domain and there is no default domain: write NAME@DOMAIN, or set default_domain in '
     'posthouse.conf', '...'),
    (dict(domains=GOOD['domains'] + 'no_such thing\n'),
     '~domains:4: "no_such" is no domain name'),
    (dict(aliases='sales\n'), '~aliases:1: an alias needs addresses, :reject: or :discard:'),
    (dict(aliases='sales :drop:\n'),
     '~aliases:1: no special alias is called ":drop:": there are :reject: and :discard:'),
    (dict(aliases='sales ann,,bob\n'), '~aliases:1: "" is no address'),
    (dict(aliases='sales |cat\n'), '~aliases:1: this release does not deliver to commands yet'),
    (dict(routes='x@else.example mx\n'),
     '~routes:1: routes go by domain: write DOMAIN, .DOMAIN, *, from:ADDRESS or from:@DOMAIN'),
    (dict(routes='* smarthost=mail.example:0\n'), '~routes:1: "mail.example:0" has no port from 1 to 65535'),
    (dict(routes='* smarthost=a,/b\n'),
     '~routes:1: "/b" is no host: write NAME, NAME:PORT, [ADDRESS] or [ADDRESS]:PORT'),
    (dict(access='192.0.2.5/24 trust\n'),
     '~access:1: the address has bits behind the prefix: is 192.0.2.0/24 meant?'),
    (dict(access='192.0.2.5 trust reject\n'),
     '~access:1: trust, reject and no-relay/no-local exclude each other'),
    (dict(access='192.0.2.5 etrn=a.example,b..example\n'),
     '~access:1: etrn=: "b..example" is no domain name; write etrn=DOMAIN,.DOMAIN'),
    (dict(access='192.0.2.5 reject etrn=a.example\n'),
     '~access:1: who is rejected can say nothing: reject excludes proxy, xclient and etrn'),
    (dict(access='sender:ann@example.org trust\n'),
     '~access:1: a sender and a HELO name are what a stranger claims: trust goes with addresses only'),
    (dict(access='rcpt:ann@example.org trust\n'), '~access:1: recipients can only be refused: rcpt: goes with reject'),
    (dict(access='at:192.0.2.1:99999 trust\n'),
     '~access:1: at:192.0.2.1:99999: write at:ADDRESS, at:ADDRESS:PORT, at:[IPV6]:PORT or at:*:PORT'),
    (dict(access='192.0.2.1 device=copier trust\n'),
     '~access:1: device= excludes trust, reject, no-relay, no-local, proxy, xclient and etrn=: to= says whom it may write to'),
    (dict(access='192.0.2.1 from=x@example.org\n'), '~access:1: from=, default-from=, to= and rate= belong to device=NAME'),
    (dict(access='192.0.2.1 device=a/b from=x to=@ rate=60\n'),
     '~access:1: device= is a short name for the log: letters, digits, ".", "-" and "_"; from=x is no address: write NAME@DOMAIN; '
     'to=@: write addresses, @DOMAIN, or * for everybody, with commas between; rate=60: messages an hour are meant, as in rate=60/h'),
    (dict(access='192.0.2.1 device=a from=x@y.example default-from=z@y.example\n'),
     '~access:1: from= is every message\'s sender, so default-from= never counts: use one of them'),
    (dict(access='192.0.2.1 device=a rate=0/h\n'), '~access:1: rate=0/h: messages an hour are meant, as in rate=60/h'),
    (dict(access='helo:x device=a\n'),
     '~access:1: a sender and a HELO name are what a stranger claims: device= goes with addresses only'),
    (dict(aliases='sales post=members ann\n'), '~aliases:1: post=members: anybody, auth or auth-if-remote-members is meant'),
    (dict(aliases='sales post=auth\n'), '~aliases:1: an alias needs addresses, :reject: or :discard:'),
    (dict(aliases='sales post=auth :discard:\n'), '~aliases:1: post= belongs to addresses'),
    (dict(passwd='ann secret\n'),
     '~passwd:1: this is no hash: set the password with posthouse user passwd ann'),
    (dict(secrets='isp hunter2\n'), '~secrets:1: a secret has the form NAME password="..."'),
    (dict(lists='club\n'), '~lists:1: this release has no use for lists yet: remove the entry'),
    (dict(filters='x\n'), '~filters:1: string="..." or regex="..." is missing: what shall be looked for?'),
    (dict(filters='x regex="a(b"\n'), '~filters:1: regex=a(b: missing closing parenthesis (at character 4)'),
    (dict(filters='x string=" *a"\n'), '~filters:1: string= *a would match almost everything: two characters at least'),
    (dict(filters='x string=pills scope=head\n'),
     '~filters:1: scope=head: header, body, envelope or any (header and body) is meant, or several with commas between'),
    (dict(filters='x string=pills case=maybe\n'), '~filters:1: case=maybe: yes or no is meant'),
    (dict(filters='x string=pills\nx string=pill\n'), '~filters:2: x is in line 1 already: keep one of them'),
    (dict(filters=''.join('r%d string=pills\n' % i for i in range(1002))), '~filters:1001: there are more than 1000 rules'),
    (dict(upstreams='g kind=single host=pop.g.example login=ann users=ann auth=oauth provider=goggle client_id=1\n'),
     '~upstreams:1: there is no provider goggle: see providers; posthouse setup writes the usual ones'),
    (dict(providers='g token=http://oauth.example/t app_scope=s\n'),
     '~providers:1: token=http://oauth.example/t: a https:// address is meant (http:// for this host alone)'),
    (dict(attachments='*.exe\n'), '~attachments:1: say what to do: reject or accept'),
    (dict(attachments='*.exe accept text=no\n'), '~attachments:1: text= belongs to reject'),
    (dict(attachments='*.exe reject\n*.EXE accept\n'), '~attachments:2: *.exe is in line 1 already: keep one of them'),
    # settings
    (dict(posthouse_conf='relai = none\n'), '~posthouse.conf:1: there is no setting "relai": did you mean relay?'),
    (dict(posthouse_conf='\ndefault_domain = else.example\n'),
     '~posthouse.conf:2: default_domain: else.example is no local domain: add "else.example local" to domains',
     '~domains:1: postmaster=', '...'),
    (dict(posthouse_conf='listen_smtp = 127.0.0.1:2525\nlisten_pop3 = [::1]:2525, 127.0.0.1:2525\n'),
     '~posthouse.conf:2: listen_pop3: port 2525 is taken by listen_smtp already: change one of them'),
    (dict(posthouse_conf='listen_submission = *:110\n'),
     '~posthouse.conf:1: listen_submission: port 110 is taken', '...'),
    (dict(posthouse_conf='listen_pop3 = 2001:db8::1:110\n'),
     '~posthouse.conf:1: listen_pop3: "2001:db8::1:110" is not ADDRESS:PORT, [IPV6]:PORT, *:PORT or PORT'),
    (dict(posthouse_conf='listen_smtp = 25,[::1]:99999, *:nothing\n'),
     '~posthouse.conf:1: listen_smtp: "[::1]:99999" is not ADDRESS:PORT, [IPV6]:PORT, *:PORT or PORT',
     '~posthouse.conf:1: listen_smtp: "*:nothing" is not ADDRESS:PORT, [IPV6]:PORT, *:PORT or PORT'),
    (dict(posthouse_conf=f'listen_smtp = *:{SMTP}\nlisten_pop3 = [::1]:25\n'),
     '~posthouse.conf:2: listen_pop3: port 25 is taken by listen_smtp already: change one of them'),
    (dict(posthouse_conf='mail_root = mail\n'),
     '~posthouse.conf:1: mail_root: write the path from the root, with / in front'),
    (dict(posthouse_conf='hostname = a b\n'), '~posthouse.conf:1: hostname: "a b" is no host name',
     '~posthouse.conf: helo_name: "a b" is no host name'),
    (dict(posthouse_conf='resolver = 192.0.2.53, ns.example, [::1]:5353\n'),
     '~posthouse.conf:1: resolver: write ADDRESS, ADDRESS:PORT or [IPV6]:PORT, with commas between'),
    # maps together
    (dict(domains='example.org local postmaster=zoe\n'),
     '~domains:1: postmaster=zoe: there is no user or alias zoe@example.org; add it to users, or name somebody '
     'else'),
    (dict(domains='example.org local\n'), '~domains:1: example.org has no postmaster: add postmaster=NAME'),
    (dict(domains='example.org local postmaster=ann catch-all=zoe\n'),
     '~domains:1: catch-all=zoe: there is no user or alias zoe@example.org; add it to users, or name somebody '
     'else'),
    (dict(domains=GOOD['domains'] + 'c.example alias-of=b.example\n'),
     '~domains:4: alias-of=b.example: that is an alias itself (line 2); name the local domain both stand for'),
    (dict(domains=GOOD['domains'] + 'c.example alias-of=d.example\nd.example alias-of=c.example\n'),
     '~domains:4: alias-of=d.example: that is an alias itself (line 5); name the local domain both stand for',
     '~domains:5: alias-of=c.example: that is an alias itself (line 4); name the local domain both stand for'),
    (dict(domains=GOOD['domains'] + 'c.example alias-of=none.example\n'),
     '~domains:4: alias-of=none.example: there is no such domain; add "none.example local"'),
    (dict(users=GOOD['users'] + 'zoe@else.example\n'),
     '~users:3: zoe@else.example: the domain else.example is not in domains; add "else.example local" there'),
    (dict(users=GOOD['users'] + 'zoe@b.example\n'),
     '~users:3: zoe@b.example: the domain is an alias of example.org (domains:2); put the user there'),
    (dict(users=GOOD['users'] + 'zoe@backup.example\n'),
     '~users:3: zoe@backup.example: the domain backup.example is relayed (domains:3), so it has nobody here'),
    (dict(aliases='sales zoe, ann\n'),
     '~aliases:1: zoe: there is no user or alias zoe@example.org; add it to users, or name somebody else'),
    (dict(aliases='sales zoe@b.example\n'),
     '~aliases:1: zoe@b.example: there is no user or alias zoe@b.example; add it to users, or name somebody else'),
    (dict(users=GOOD['users'] + 'eve@example.org forward=zoe\n'),
     '~users:3: forward=zoe: there is no user or alias zoe@example.org; add it to users, or name somebody else'),
    (dict(users=GOOD['users'] + 'eve@example.org forward=eve\n'),
     '~users:3: mail would go in a circle: eve@example.org → eve@example.org; to keep a copy here use copy-to='),
    (dict(users=GOOD['users'] + 'eve@example.org forward=eva\neva@example.org forward=eve\n'),
     '~users:3: mail would go in a circle: eve@example.org → eva@example.org → eve@example.org; to keep a copy here '
     'use copy-to=',
     '~users:4: mail would go in a circle: eva@example.org → eve@example.org → eva@example.org; to keep a copy here '
     'use copy-to='),
    (dict(aliases='a@example.org b, ann\nb@example.org a\n'),
     '~aliases:1: mail would go in a circle: a@example.org → b@example.org → a@example.org; to keep a copy here use '
     'copy-to=',
     '~aliases:2: mail would go in a circle: b@example.org → a@example.org → b@example.org; to keep a copy here use '
     'copy-to='),
    (dict(upstreams='isp kind=single host=pop.isp.example login=x users=ann secret=other\n'),
     '~upstreams:1: there is no secret other: add "other password=..." to secrets'),
    (dict(upstreams='isp kind=single host=pop.isp.example login=x users=zoe\n'),
     '~upstreams:1: users=zoe: there is no user or alias zoe@example.org; add it to users, or name somebody else'),
    (dict(passwd='zoe@example.org $y$j9T$abc$def\n'),
     '~passwd:1: there is no user zoe@example.org: add it to users, or remove the password'),
]

before = everything()
for change, *want in WRONG:
    write(**change)
    p = compile()
    got = p.stderr.replace(str(house.path('etc')) + '/', '~').split('\n')
    said = got[:-3]
    if want[-1] == '...':  # no more than how it begins
        want.pop()
        said = [s[:len(w)] for s, w in zip(said, want)]
    ok(p.returncode == 65 and said == want and got[-2] == 'nothing has changed: the old maps stay in force',
       'refused: ' + want[0][:100]) or diag(p.returncode, '\n' + p.stderr)
is_(everything(), before, 'after all that nothing has changed')
is_(current(), '00000001', '... and the old maps are in force')

# Only noticed.
for name, change, want in [
    ('copies that go in a circle', dict(users='ann copy-to=bob\nbob copy-to=ann\n'),
     ['~users:1: warning: copies go in a circle, each mailbox gets one: ann@example.org → bob@example.org → '
      'ann@example.org',
      '~users:2: warning: copies go in a circle, each mailbox gets one: bob@example.org → ann@example.org → '
      'bob@example.org', '2 warnings']),
    ('a network inside another', dict(access='192.0.2.0/24 trust\n192.0.2.10-192.0.2.20 reject\n'),
     ['~access:2: warning: 192.0.2.10/31 lies inside 192.0.2.0/24 of line 1, which says otherwise: this one counts',
      '1 warning']),
    ('a route that nothing takes', dict(routes='b.example mx\n'),
     ['~routes:1: warning: b.example is local (domains:1), so no mail takes this route', '1 warning']),
    ('an alias that names itself', dict(users='ann\nbob@example.org\n',
                                        aliases='ann ann, bob@example.org\n'), []),
]:
    write(**change)
    p = compile('--check')
    is_((p.returncode, p.stderr.replace(str(house.path('etc')) + '/', '~').split('\n')[:-1]), (0, want), name)

# --- many errors ------------------------------------------------------------

write(users='ann\nbob@example.org\n' + ''.join('u%d@example.org colour=blue\n' % n for n in range(5000)))
p = compile()
lines = p.stderr.split('\n')
is_(len(lines), 50 + 3, '50 of 5000 errors are shown')
is_(lines[50], '5000 errors, 4950 of them not shown (--limit 0 shows all)', '... and all are counted')
is_(len(compile('--limit', '3').stderr.split('\n')), 6, '--limit 3 shows 3')
is_(len(compile('--limit', '0').stderr.split('\n')), 5003, '--limit 0 shows all')
is_(compile('--limit', 'x').returncode, 64, '--limit takes a number')
is_(compile('word').returncode, 64, 'compile takes no words')

# --- commands, continuation lines -------------------------------------------

write(users='ann\n  name="Ann Archer"   # continued\nbob@example.org\n!printf u%s@example.org\\n 1 2 3\n')
p = compile()
like(p.stdout, r'users 5,', 'a command gives entries, a line goes on')
write(users='ann\n!sh -c "echo bob@example.org; exit 3"\n')
like(compile().stderr, r'users:2: sh failed with exit status 3', 'a command that fails is an error')
write(users='ann\nbob@example.org\n!printf bob@example.org\\n\n')
like(compile().stderr, r'users:3: line 1 of the command.s output: bob@example.org is in line 2 already',
     'an error in what a command says names both places')

# --- generations ------------------------------------------------------------

write()
names = [compile().stdout.split()[1] for _ in range(7)]
is_(generations(), names[-5:], 'five generations are kept')
is_(current(), names[-1], 'the newest is in force')
for want in names[-2:-6:-1]:
    p = house.program('rollback')
    is_((p.stdout, current()), ('generation %s is in force\n' % want, want), 'rollback to ' + want)
p = house.program('rollback', check=False)
is_((p.returncode, current()), (69, names[-5]), 'rollback stops at the oldest')
p = compile()
is_(int(current()), int(names[-1]) + 1, 'a compile after a rollback is newer than all')
house.path('maps', '00000099.tmp').mkdir()
house.path('maps', '00000099.tmp', 'users.cdb').write_text('half')
compile()
ok(not house.path('maps', '00000099.tmp').exists(), 'what a crashed compile left is swept')

with open(house.path('maps', '.lock'), 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    before = current()
    p = spawn([LIBEXEC / 'compile', '-C', house.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.3)
    is_((p.poll(), current()), (None, before), 'a second compile waits for the first')
p.communicate(timeout=30)
is_((p.returncode, current() != before), (0, True), '... and then does its work')

# Whoever reads `current` meanwhile always finds a whole generation.
p = spawn([LIBEXEC / 'compile', '-C', house.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
seen = set()
while p.poll() is None:
    here = current()
    seen.add((here, len(os.listdir(house.path('maps', here)))))
is_({n for _, n in seen}, {13}, 'there is a whole generation at every moment')

# Killed at any moment: what is in force is whole, and the next compile goes well.
write(users='ann\nbob@example.org\n' + ''.join('user%d@example.org\n' % n for n in range(20000)))
start = time.monotonic()
house.program('compile')
whole = time.monotonic() - start
for n in range(20):
    p = spawn([LIBEXEC / 'compile', '-C', house.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(whole * (n + 1) / 20)
    p.kill()
    p.communicate()
    files = os.listdir(house.path('maps', current()))
    if len(files) != 13 or house.program('route', 'user19999', check=False).returncode != 0:
        ok(False, 'killed at moment %d: %s has %s' % (n, current(), files))
        break
else:
    ok(True, 'killed at 20 moments: what is in force is whole')
is_(compile().returncode, 0, '... and the next compile goes well')
is_([n for n in os.listdir(house.path('maps')) if n.endswith('.tmp')], [], '... and sweeps')

p = subprocess.run([LIBEXEC / 'compile', '-C', house.path('none')], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
is_((p.returncode, house.path('none').exists()), (65, False), 'where there is no instance nothing is made')

# --- settings in force -------------------------------------------------------

write(posthouse_conf='hostname = mx.example.org\nrelay = none\nqueue_lifetime = 36h\n')
p = compile()
like(p.stdout, r'^settings have changed: posthouse reload ', 'compile tells that settings have changed')
is_(len(compile().stdout.split('\n')), 2, '... and when they have not')
p = house.program('conf')
like(p.stdout, r'^relay = none$', 'conf prints what is set')
like(p.stdout, r'^message_size_limit = 50M$', '... and what is not')
is_(house.program('conf', 'queue_lifetime', 'mail_root').stdout, '36h\n%s\n' % house.path('mail'),
    '... or some of it')
is_(house.program('conf', 'wibble', check=False).returncode, 64, '... but not what does not exist')

# --- size -------------------------------------------------------------------

N = 100000
write(users='ann\nbob@example.org\n' + ''.join('user%d@example.org name="User %d"\n' % (n, n) for n in range(N)),
      aliases=''.join('alias%d user%d, user%d\n' % (n, n, N - 1 - n) for n in range(N // 10)),
      passwd=''.join('user%d@example.org $y$j9T$abcdefghijklmnop$%s\n' % (n, 'x' * 43) for n in range(N)))
SANITIZED = b'__asan_init' in (LIBEXEC / 'compile').resolve().read_bytes()  # takes memory of its own
LIMIT = 24 << 20  # octets of its own memory; the maps are 14 MB of text


def bound():
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))


p = subprocess.run([LIBEXEC / 'compile', '-C', house.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                   preexec_fn=None if SANITIZED else bound)
ok(p.returncode == 0, '%d users compile in %d MB' % (N, LIMIT >> 20)) or diag(p.stderr)
like(p.stdout.decode(), r'users %d,.*aliases %d,.*passwd %d' % (N + 2, N // 10, N), '... all of them')
done()
