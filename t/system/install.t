#!/usr/bin/env python3
"""make install, setup, start and uninstall on the system's own directories: as an administrator does it, in a
private view of the file system."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

if not ROOT:
    skip_all('needs root: mounts, users')
work = House(setup=False)
probe = work.run(['unshare', '-m', 'true'], check=False)
if probe.returncode:
    skip_all('unshare -m: ' + probe.stderr.strip())

# One shell in a mount namespace of its own: what it writes to /etc, /usr and /var is
# written beside them, and gone with the test.
script = r'''
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$W"
for d in etc usr var; do
	mkdir -p "$W/$d" "$W/$d.work"
	mount -t overlay -o "lowerdir=/$d,upperdir=$W/$d,workdir=$W/$d.work" overlay "/$d"
done
mkdir -p "$W/spoolfs" /var/lib/posthouse
mount -t tmpfs -o mode=755 tmpfs "$W/spoolfs"
mount --bind "$W/spoolfs" /var/lib/posthouse
mount -t tmpfs -o mode=755 tmpfs /run
sed -i -e '/^ph[a-z0-9]*:/d' -e '/^posthouse:/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
sed -i -e 's/,ph[a-z0-9]*//g' /etc/group /etc/gshadow
echo mounted
cd "$BUILDDIR"
make -s install >/dev/null
echo installed
PATH=/usr/bin:/bin:/usr/sbin:/sbin
which posthouse sendmail mailq
posthouse setup --batch --domain example.org --user ann:secret --listen 127.0.0.1 \
	--smtp-port "$SMTP" --submission-port "$SUBMISSION" --pop3-port "$POP3"
posthouse check
getent passwd phsmtpd phpop3 phcollect phqueue phmail phremote phauth phtoken | cut -d: -f1,7
id -nG phmail
posthouse start
python3 "$SRCDIR/t/lib/talk.py" smtp "$SMTP" jo@else.example ann@example.org <<END
Subject: installed

So it is.
END
python3 "$SRCDIR/t/lib/talk.py" pop3 "$POP3" ann@example.org secret
posthouse check
posthouse status >/dev/null && echo status: well
ls /run/posthouse /var/log/posthouse
posthouse stop
make -s uninstall >/dev/null
find /usr/libexec/posthouse /usr/share/posthouse /usr/lib -name '*posthouse*' -type f 2>/dev/null || true
test ! -e /usr/bin/posthouse && test -e /etc/posthouse/users && echo uninstalled
'''
w = work.path('w')
w.mkdir()
r = work.run(['unshare', '-m', 'sh', '-c', script], check=False, bound=120, env={
    'W': str(w), 'BUILDDIR': str(BUILDDIR), 'SRCDIR': str(SRCDIR), 'SMTP': str(free_port()),
    'SUBMISSION': str(free_port()), 'POP3': str(free_port())})
said = r.stdout
if 'mounted' not in said:
    skip_all('cannot mount here: ' + r.stderr.strip().split('\n')[-1])
is_(r.returncode, 0, 'everything went well')
like(said, r'^installed\n/usr/bin/posthouse\n/usr/bin/sendmail\n/usr/bin/mailq$', 'make install: the commands are on PATH')
like(said, r'^ready: posthouse start$', 'setup')
is_(said.count('all is well\n'), 2, 'check: before and after the start')
like(said, r'^phsmtpd:/usr/sbin/nologin\nphpop3:\S+\nphcollect:\S+\nphqueue:\S+\nphmail:\S+\nphremote:\S+\nphauth:\S+\nphtoken:\S+$',
     'the users are made')
like(said, r'^phmail phqueue phauth$', 'with their groups')
like(said, r'S: 250 2\.0\.0 \S+ delivered', 'a message is taken')
like(said, r'S: Subject: installed\n', 'and fetched')
like(said, r'^status: well$', 'status')
like(said, r'^uninstalled$', 'make uninstall: the programs are gone, the maps are not')
if failures():
    diag(said + r.stderr)
done()
