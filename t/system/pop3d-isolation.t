#!/usr/bin/env python3
"""What a session process can do that somebody has taken over: its own mailbox, and nothing else. Both mailboxes belong to
the same uid, so it is the sandbox that keeps them apart. The calls are made from inside the process (ptrace)."""
import errno, os, pwd, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *
from inside import *
import inside

if not ROOT:
    skip_all('only root may get inside')
if inside.missing:
    skip_all(inside.missing)
if b'__asan_init' in (LIBEXEC / 'pop3d').resolve().read_bytes():
    skip_all('sanitizers need a wider sandbox')
if 'landlock' not in (open('/sys/kernel/security/lsm').read() if os.path.exists('/sys/kernel/security/lsm') else 'landlock'):
    skip_all('this kernel has no Landlock')

house = PopHouse(users=['ann:secret', 'bob:secret'], conf='sandbox = required\npop3d_keep = 60s').start()
ann, bob = put(house, 'ann', b'Subject: 1\n\nmine\n'), put(house, 'bob', b'Subject: 2\n\nnot yours\n')
is_(os.stat(ann).st_uid, os.stat(bob).st_uid, 'two mailboxes of one uid')


def pid_of(user):
    return int(house.events('pop3d.login', mailbox='%s@example.org' % user)[-1]['pid'])


def no(result, name, *errors):
    ok(-result in (errors or (errno.EACCES,)), name) or diag('result %d%s' % (result, ' (%s)' % os.strerror(-result) if result < 0 else ''))


def own_mailbox(p):
    fd = p.call('openat', AT_FDCWD, ann, os.O_RDONLY)
    ok(fd >= 0, 'its own message can be opened: calls from inside work') or diag(str(fd))
    p.call('close', fd)


def others(p, where):
    """Everything that leads to bob's letters."""
    root = house.path('mail')
    no(p.call('openat', AT_FDCWD, bob, os.O_RDONLY), '%s: a message of another mailbox cannot be opened' % where)
    no(p.call('openat', AT_FDCWD, bob.parent, os.O_RDONLY | os.O_DIRECTORY), '... nor its directory')
    no(p.call('openat', AT_FDCWD, root, os.O_RDONLY | os.O_DIRECTORY), '... nor what all mailboxes are in')
    no(p.call('openat', AT_FDCWD, bob, os.O_WRONLY), '... nor written to')
    no(p.call('openat', AT_FDCWD, bob.parent / 'x', os.O_WRONLY | os.O_CREAT, 0o600), '... nor another one made there')
    no(p.call('truncate', bob, 0), '... nor cut off')
    no(p.call('unlink', bob), '... nor deleted')
    no(p.call('rename', bob, ann.parent / 'stolen'), '... nor moved here', errno.EACCES, errno.EXDEV)
    no(p.call('link', bob, ann.parent / 'stolen'), '... nor linked to here', errno.EACCES, errno.EXDEV)
    no(p.call('rename', ann, bob.parent / 'planted'), '... nor ours moved there', errno.EACCES, errno.EXDEV)
    fd = p.call('openat', AT_FDCWD, ann.parent, os.O_RDONLY | os.O_DIRECTORY)
    no(p.call('openat', fd, '../../bob/new/' + bob.name, os.O_RDONLY), '... nor by way of its own directory')
    p.call('close', fd)
    p.call('symlink', bob, ann.parent / 'lead')
    no(p.call('openat', AT_FDCWD, ann.parent / 'lead', os.O_RDONLY), '... nor through a symbolic link')
    p.call('unlink', ann.parent / 'lead')
    fd = p.call('openat', AT_FDCWD, bob.parent, 0o10000000)  # O_PATH
    no(p.call('openat', fd, bob.name, os.O_RDONLY), '... nor from a descriptor that is only a place')
    p.call('close', fd)
    for path in ('/etc/passwd', house.path('maps', 'current', 'passwd.cdb'), house.path('etc', 'passwd'), '/proc/self/mem'):
        no(p.call('openat', AT_FDCWD, path, os.O_RDONLY), '%s cannot be opened' % os.path.basename(path), errno.EACCES, errno.ENOENT)


def ways_out(p, other):
    """To somebody who could: another process, the network, more rights."""
    for name, args, errors in (
            ('socket', (1, 1, 0), ()), ('socket', (2, 1, 0), ()), ('fork', (), ()), ('execve', ('/bin/true', 0, 0), (errno.EACCES,)),
            ('ptrace', (ATTACH_REQUEST, other, 0, 0), ()), ('process_vm_readv', (other, 0, 0, 0, 0, 0), ()), ('kill', (other, 0), ()),
            ('setuid', (0,), ()), ('chroot', ('/',), ()), ('unshare', (0x10000000,), ()), ('mount', (0, '/', 0, 4096, 0), ()),
            ('io_uring_setup', (1, 0), ()), ('open_by_handle_at', (AT_FDCWD, 0, 0), ())):
        no(p.call(name, *args), '%s%s is refused' % (name, args[0] if name == 'socket' else ''), errno.EPERM, *errors)
    no(p.call('openat', AT_FDCWD, '/proc/%d/mem' % other, os.O_RDONLY), "... and another session's memory")
    fd = p.call('pidfd_open', other, 0)
    no(p.call('pidfd_getfd', fd, 3, 0), "... and its descriptors", errno.EPERM)
    if fd >= 0:
        p.call('close', fd)


def held(pid):
    """Where its descriptors lead, but for the standard ones."""
    links = [os.readlink('/proc/%d/fd/%s' % (pid, n)) for n in os.listdir('/proc/%d/fd' % pid) if int(n) > 2]
    return sorted('socket' if link.startswith('socket:') else link for link in links)


ATTACH_REQUEST = 16
box = str(ann.parent.parent)
with house.pop3('bob') as q, house.pop3('ann') as p:
    a, b = pid_of('ann'), pid_of('bob')
    is_(held(a), sorted([box, box + '/cur', box + '/new', 'socket', 'socket']),
        'a session holds its mailbox, its connection, and where it gets the next one: nothing of other sessions')
    with Inside(a) as it:
        own_mailbox(it)
        others(it, 'in a session')
        ways_out(it, b)
    is_(p.cmd('STAT'), '+OK 1 20', 'the session has noticed nothing')
    is_(q.cmd('STAT'), '+OK 1 25', 'nor has the other one')
    p.cmd('QUIT')
    wait_until(lambda: held(a) == sorted([box, box + '/cur', box + '/new', 'socket']), 10, 'the process rests')
    with Inside(a) as it:
        others(it, 'between two sessions')
    with house.pop3('ann') as p:
        is_(pid_of('ann'), a, 'the next session is in the same process')
        with Inside(a) as it:
            own_mailbox(it)
            others(it, 'in the second session')
        is_(p.cmd('STAT'), '+OK 1 20', '... and has noticed nothing')
ok(bob.read_bytes() == b'Subject: 2\n\nnot yours\n' and list(bob.parent.iterdir()) == [bob], "the other mailbox is what it was")

# The process that speaks with strangers opens no mailbox at all.
with house.pop3() as p:
    p.cmd()
    worker = max(pid for pid in children(house.started['pop3d'].pid) if os.stat('/proc/%d' % pid).st_uid == pwd.getpwnam('phpop3').pw_uid)
    with Inside(worker) as it:
        for path in (ann, bob, ann.parent, house.path('mail'), house.path('maps', 'current', 'passwd.cdb'), '/etc/passwd'):
            no(it.call('openat', AT_FDCWD, path, os.O_RDONLY), 'a login process cannot open %s' % os.path.basename(path))
        no(it.call('setuid', pwd.getpwnam('phmail').pw_uid), '... nor become the mailboxes\' owner', errno.EPERM)
        no(it.call('fork'), '... nor make processes', errno.EPERM)
house.stop()
done()
