#!/usr/bin/env python3
"""posthouse user and posthouse mailbox: the maps people wrote stay the maps people wrote."""
import json, os, pty, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *
import posthouse as _ph

house = PopHouse(users=['ann:secret', 'bob:secret'])
users, passwd = house.path('etc', 'users'), house.path('etc', 'passwd')


def user(*args, input=None):
    p = house.ph('user', *args, check=False, input=input)
    return p.returncode


def generation():
    return os.readlink(house.path('maps', 'current'))


before = b'''# our people
ann@example.org   name="Ann Archer"  # the boss

# on the road
Bob@Example.org   # comment
   name="Bob \\"B\\" Baker"
# between
   copy-to=ann
# the end, without a line end'''
house.set_map('users', before)
is_(user('add', 'carl', '--name', 'Carl "C" O\\Neil', '--stdin', input='sesame\n'), 0, 'add')
want = before + b'\ncarl@example.org name="Carl \\"C\\" O\\\\Neil"\n'
is_(users.read_bytes(), want, 'one line more, all else as it was')
like(passwd.read_text().split('\n')[-2], r'^carl@example\.org \$y\$', 'a yescrypt hash')
is_(mode(passwd), 0o600, 'passwd is for its owner alone')
ok('sesame' not in passwd.read_text(), 'no password in it')

old, gen = passwd.read_bytes(), generation()
for args, code, what in (
        (('add', 'carl', '--stdin'), 73, 'add who is there'),
        (('add', 'BOB@EXAMPLE.ORG', '--stdin'), 73, '... in any case'),
        (('add', 'x@else.example', '--stdin'), 65, 'add in a domain that is not ours'),
        (('add', 'a b', '--stdin'), 65, 'add what is no address'),
        (('passwd', 'nobody', '--stdin'), 67, 'passwd for nobody'),
        (('delete', 'nobody'), 67, 'delete nobody'),
        (('disable', 'nobody'), 67, 'disable nobody'),
        (('show', 'nobody'), 67, 'show nobody'),
        (('delete', 'ann'), 77, 'delete the postmaster'),
        (('del', 'postmaster@example.org'), 77, 'delete the address postmaster@ of a domain'),
        (('frobnicate', 'ann'), 64, 'an unknown verb'),
        (('add',), 64, 'no address'),
        ((), 64, 'no verb')):
    is_(user(*args, input='sesame\n'), code, '%s: exit code %d' % (what, code))
is_(user('passwd', 'ann', '--stdin', input='\n'), 65, 'an empty password is none')
is_((users.read_bytes(), passwd.read_bytes(), generation()), (want, old, gen), 'nothing of that changed anything')

is_(user('disable', 'bob'), 0, 'disable')
is_(users.read_bytes(), want.replace(b'Bob@Example.org', b'Bob@Example.org disabled'), 'one word more')
is_(user('disable', 'bob'), 0, 'disable again')
is_(user('enable', 'bob@example.org'), 0, 'enable')
is_(users.read_bytes(), want, 'as it was before')
listed = house.ph('user', 'list').stdout
is_(listed, 'NAME             ADDRESS           MESSAGES  QUOTA  LAST LOGIN\n'
            'Ann Archer       ann@example.org          0      -  ?\n'
            'Bob "B" Baker    bob@example.org          0      -  ?\n'
            'Carl "C" O\\Neil  carl@example.org         0      -  ?\n', 'list')

# A compile that fails: an alias to somebody who would be gone.
house.map('aliases', 'sales@example.org carl\n')
gen = generation()
p = house.ph('user', 'delete', 'carl', check=False)
is_(p.returncode, 65, 'delete whom an alias needs: exit code 65')
like(p.stderr, r'aliases:\d+: ', '... and compile says where')
is_((users.read_bytes(), passwd.read_bytes(), generation()), (want, old, gen), '... nothing has changed')

# Mail.
one = put(house, 'bob', b'Subject: x\n\ny\n', '1700000000.a.house')
put(house, 'bob', b'Subject: x\n\nzz\n', '1600000000.b.house', sub='cur', sizes=False, flags=':2,S')
boxes = json.loads(house.ph('mailbox', 'list', '--json').stdout)
is_([b for b in boxes if b['address'] == 'bob@example.org'],
    [{'address': 'bob@example.org', 'new': 1, 'cur': 1, 'octets': 29, 'oldest': '2020-09-13', 'readable': True}], 'mailbox list --json')
like(house.ph('mailbox', 'list').stdout, r'^bob@example\.org +1 +1 +29  2020-09-13$', 'mailbox list')
people = {p['address']: p for p in json.loads(house.ph('user', 'list', '--json').stdout)}
is_((people['bob@example.org']['messages'], people['carl@example.org']['name']), (2, 'Carl "C" O\\Neil'), 'user list --json')
like(house.ph('user', 'show', 'bob').stdout, r'^messages  2, 1 of them new, 29 octets$', 'user show')

house.map('secrets', 'x password=x\n')
house.map('upstreams', 'family host=h login=l secret=x kind=shared tls=implicit mailbox=mail@isp.example users=ann,carl '
          'name="carl:Carl Neil" alias=carl:carl@club.example fallback=ann\n'
          'office host=h login=l secret=x kind=domain domain=example.net alias=carl:sales fallback=ann users=carl\n'
          'other host=h login=l secret=x kind=single users=ann\n')
forms = ['Carl "C" O\\Neil <mail@isp.example>', 'Carl Neil <mail@isp.example>', 'carl <mail@isp.example>',
         'mail+carl@isp.example', 'carl@club.example', 'carl@example.net', 'sales@example.net']
is_(json.loads(house.ph('user', 'show', 'carl', '--json').stdout)['write_to'], forms, 'how to write to somebody at a provider')
like(house.ph('user', 'show', 'carl').stdout, r'^write to  Carl "C" O\\Neil <mail@isp\.example>\n {10}Carl Neil <', '... as text')
house.set_map('upstreams', '')

is_(user('delete', 'bob'), 0, 'delete')
is_(users.read_bytes(), b'''# our people
ann@example.org   name="Ann Archer"  # the boss

# on the road
# between
# the end, without a line end
carl@example.org name="Carl \\"C\\" O\\\\Neil"
''', 'all lines of the entry are gone, the comments are not')
ok(b'bob@' not in passwd.read_bytes(), '... nor is there a hash')
ok(one.exists(), 'the mail is kept')
is_(user('add', 'bob', '--stdin', input='new'), 0, 'who comes back')
ok(one.exists(), '... finds it')
is_(user('delete', 'bob', '--purge'), 0, 'delete --purge')
ok(not house.maildir('bob').exists() and house.maildir('bob').parent.exists(), '... and it is gone, and nothing else')


# Asked for on a terminal.
def on_terminal(answers, *args):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(str(_ph.BIN / 'posthouse'), ['posthouse', '-C', str(house.dir), 'user', *args])
    seen = b''
    try:
        for prompt, line in answers:
            while prompt not in seen:
                seen += os.read(fd, 1000)
            seen = b''
            os.write(fd, line)
        while True:
            more = os.read(fd, 1000)
            if not more:
                break
            seen += more
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


code, said = on_terminal([(b'Password: ', b'one\n'), (b'Again: ', b'two\n')], 'passwd', 'ann')
is_(code, 65, 'two passwords that differ: exit code 65')
like(said, 'passwords differ', '... and it says so')
is_(on_terminal([(b'Password: ', b'fresh\n'), (b'Again: ', b'fresh\n')], 'passwd', 'ann')[0], 0, 'the same twice')
house.start()
with house.pop3() as p:
    is_(p.login('ann', 'fresh'), '+OK ann@example.org has 0 messages', '... and it opens the mailbox')

# Another name; words stand where they stood, comments too.
before = users.read_bytes()
is_(user('set', 'carl', '--name', 'Carl O.'), 0, 'set --name')
is_(users.read_bytes(), before.replace(b'carl@example.org name="Carl \\"C\\" O\\\\Neil"', b'carl@example.org name="Carl O."'), 'one word is another')
is_(user('set', 'ann', '--name', ''), 0, 'set --name "" takes it away')
like(users.read_text(), r'^ann@example\.org  # the boss$', '... and leaves the comment')
is_(user('set', 'ann'), 64, 'set nothing: exit code 64')
is_(user('set', 'nobody', '--name', 'x'), 67, 'set for nobody: exit code 67')

# Maps of others: hashes of other methods work.
import ctypes
crypt = ctypes.CDLL('libcrypt.so.1').crypt
crypt.restype = ctypes.c_char_p
for name, salt in (('sha512-crypt', b'$6$saltsalt$'), ('bcrypt', b'$2b$05$abcdefghijklmnopqrstuu')):
    text = [line for line in passwd.read_text().split('\n') if not line.startswith('carl')]
    passwd.write_text('\n'.join(text) + 'carl %s\n' % crypt(b'other', salt).decode())
    house.compile()
    with house.pop3() as p:
        is_(p.login('carl', 'other'), '+OK carl@example.org has 0 messages', 'a hash by ' + name)

# A quota, and how much of it is used.
before = users.read_bytes()
is_(user('set', 'carl', '--quota', '1M,4msgs'), 0, 'set --quota')
is_(users.read_bytes(), before.replace(b'name="Carl O."', b'quota="1M,4msgs" name="Carl O."'), 'one word more')
is_(user('set', 'carl', '--quota', 'lots'), 65, 'a quota that is none: exit code 65')
is_(user('add', 'eve', '--quota', '0', '--stdin', input='x\n'), 65, '... for somebody new, too')
ok(b'eve' not in users.read_bytes(), '... who is not there then')
put(house, 'carl', b'x' * 524288, '1700000001.a.house')
put(house, 'carl', b'x', '1700000002.a.house', sub='cur', sizes=False)
like(house.ph('user', 'show', 'carl').stdout, r'^quota     0\.5 of 1\.0 MiB, 2 of 4 messages: 50%\nlast ', 'show tells how full it is')
carl = json.loads(house.ph('user', 'show', 'carl', '--json').stdout)
is_(carl['quota'], {'octets': 1048576, 'octets_used': 524289, 'messages': 4, 'messages_used': 2, 'percent': 50, 'full': False}, '... as JSON')
like(house.ph('user', 'list').stdout, r'^Carl O\. +carl@example\.org +2    50%  2', '... and the list')
ok('quota' not in json.loads(house.ph('user', 'show', 'ann', '--json').stdout), 'who has none has none')
house.path('state', 'full', 'carl@example.org').touch()  # as local does when a message does not fit
like(house.ph('user', 'show', 'carl').stdout, r'^full      since 20\d\d-\d\d-\d\d \d\d:\d\d: ', 'since when it is full')
like(house.ph('user', 'list').stdout, r'^Carl O\. +carl@example\.org +2   full  2', '... and the list')
carl = json.loads(house.ph('user', 'list', '--json').stdout)[-1]['quota']
ok(carl['full'] and carl['full_since'] > 1700000000, '... and JSON')
is_(user('set', 'carl', '--quota', 'none'), 0, 'set --quota none')
is_(users.read_bytes(), before, '... takes it away')
is_(user('add', 'eve', '--quota', '2G', '--name', 'Eve', '--stdin', input='x\n'), 0, 'add --quota')
like(users.read_text(), r'^eve@example\.org name="Eve" quota="2G"$', '... is in the new line')
is_(user('delete', 'eve'), 0, 'she goes')
done()
