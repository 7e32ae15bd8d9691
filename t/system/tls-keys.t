#!/usr/bin/env python3
"""Private keys: the programs that speak with strangers cannot read them, by their uids and, were the files open to everybody, by
their sandboxes; nor can the processes of tlsd that speak TLS. The calls are made from inside these processes (ptrace)."""
import errno
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from inside import *
from tls_pairs import *
import inside

if not ROOT:
    skip_all('only root may get inside')
if inside.missing:
    skip_all(inside.missing)
if not have('openssl'):
    skip_all('no openssl to make certificates with')
landlock = 'landlock' in (open('/sys/kernel/security/lsm').read() if os.path.exists('/sys/kernel/security/lsm') else 'landlock')

smtps, pop3s = free_port(), free_port()
house = House(options=['--submissions-port', smtps, '--pop3s-port', pop3s], conf='hostname = mail.example.org')
pairs = Certificates(house)
pairs.make('mail', ['mail.example.org'])
pairs.install('mail')
key, directory = pairs.dir / 'mail.key', pairs.dir
house.start()


def processes(name, user):
    """Those of a program that run as this user."""
    uid = pwd.getpwnam(user).pw_uid
    return [pid for pid in house.pids(name) if os.stat('/proc/%d' % pid).st_uid == uid]


def refused(pids, how):
    for who, pid in pids.items():
        with Inside(pid) as p:
            results = [p.call('openat', AT_FDCWD, path, flags) for path, flags in (
                (key, os.O_RDONLY), (key, os.O_RDWR), (directory, os.O_RDONLY | os.O_DIRECTORY))]
        is_(results, [-errno.EACCES] * 3, '%s cannot open a key, by %s' % (who, how))


with tls(smtps, Smtp) as s, tls(pop3s, Pop3) as p:
    s.hello()
    p.cmd()
    first = min(house.pids('tlsd'))
    pids = {'smtpd': max(processes('smtpd', 'phsmtpd')), 'pop3d': max(processes('pop3d', 'phpop3'))}
    is_((mode(key), os.stat(key).st_uid, mode(directory)), (0o600, pwd.getpwnam('phtls').pw_uid, 0o700), 'key and directory are phtls\' alone')
    is_([os.stat('/proc/%d' % first).st_uid], [pwd.getpwnam('phtls').pw_uid], 'tlsd is phtls')
    with Inside(first) as it:
        fd = it.call('openat', AT_FDCWD, key, os.O_RDONLY)
        ok(fd >= 0, 'its first process can open a key: calls from inside work')
        it.call('close', fd)
    refused(pids, 'uid')
    if landlock:
        os.chmod(key, 0o666)
        os.chmod(directory, 0o755)
        refused(pids, 'sandbox')
        # Those that hold keys in memory have no path at all, not even to their own files.
        workers = [pid for pid in processes('tlsd', 'phtls') if pid != first]
        refused({'a process of tlsd that speaks TLS': next(
            pid for pid in workers if sum(os.readlink('/proc/%d/fd/%s' % (pid, f)).startswith('socket:') for f in os.listdir('/proc/%d/fd' % pid)) > 2)},
            'sandbox')
        os.chmod(directory, 0o700)
        os.chmod(key, 0o600)
    else:
        skip('sandboxes', 'this kernel has no Landlock')
    like(s.cmd('NOOP'), '^250', 'the sessions have noticed nothing')
    like(p.cmd('NOOP') or '', r'^-ERR', '... neither of them')
for name in 'smtpd', 'pop3d':
    maps = open('/proc/%d/maps' % house.pids(name)[0]).read()
    ok('libssl' not in maps or 'libasan' in maps, name + ' has no TLS library in it')
house.stop()
done()
