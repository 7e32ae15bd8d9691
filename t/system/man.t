#!/usr/bin/env python3
"""The manual: well-formed, complete, true where a machine can tell; and --help of every program."""
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

MAN = SRCDIR / 'man'
pages = sorted(p for p in MAN.iterdir() if re.search(r'\.[1578]$', p.name))
house = House()

if have('mandoc'):
    for page in pages:
        r = house.run(['mandoc', '-Tlint', '-Wwarning', page], check=False)
        is_(r.stdout + r.stderr, '', 'mandoc -Tlint %s' % page.name)
else:
    skip('mandoc -Tlint', 'no mandoc')

# Each page has what a reader looks for, and points to pages that exist.

missing = []
OURS = re.compile(r'\.Xr ((?:posthouse|smtpd|pop3d|queued|local|remote|bounce|authd|tokend|collect|sendmail|mailq)\S*) (\d)', re.M)
for page in pages:
    text = page.read_text()
    if page.name != 'posthouse-log.7' and '\n.Sh EXAMPLES\n' not in text:
        missing.append('%s: no EXAMPLES' % page.name)
    for name, section in OURS.findall(text):
        if not (MAN / ('%s.%s' % (name, section))).exists():
            missing.append('%s: %s(%s) is not there' % (page.name, name, section))
is_(missing, [], 'every page has EXAMPLES, and refers to pages that exist')

# What runs has a page.

makefile = (BUILDDIR / 'Makefile').read_text()
installed = set(re.findall(r'man/(\S+\.[1578])', re.search(r'^dist_man_MANS = (.*?[^\\])$', makefile, re.M | re.S).group(1)))
is_(sorted(p.name for p in pages if p.name not in installed), [], 'every page is installed')
programs = sorted(p.name for p in LIBEXEC.iterdir())
undocumented = [n for n in programs + ['posthouse', 'sendmail', 'mailq']
                if not any((MAN / m).exists() for m in (n + '.8', n + '.1', 'posthouse-%s.1' % n, 'posthouse-%s.8' % n))]
# house: start, stop ...; checkup: check; log; rollback: all in posthouse(1) and posthouse-compile(1)
is_(sorted(set(undocumented) - {'house', 'checkup', 'log', 'rollback'}), [], 'every program has a page')

# --help.

bad = []
for argv in [[BIN / 'posthouse']] + [[LIBEXEC / n] for n in programs]:
    try:
        r = house.run(argv + ['--help'], check=False, bound=5)
    except subprocess.TimeoutExpired:
        bad.append((argv[0].name, 'runs'))
        continue
    if r.returncode != 0 or 'usage:' not in r.stdout or r.stderr:
        bad.append((argv[0].name, r.returncode, r.stdout[:60], r.stderr[:60]))
is_(bad, [], '--help of every program: usage on standard output, exit code 0')

# The verbs, the events: once in the code, once in the manual.

verbs = re.findall(r'^\t\{ "([\w-]+)", +"[\w-]+",', (SRCDIR / 'master' / 'posthouse.c').read_text(), re.M)
text = (MAN / 'posthouse.1').read_text()
told = re.findall(r'^\.It Cm ([\w-]+)', text, re.M)
is_(sorted(verbs), sorted(told), 'posthouse(1) tells of every verb')
r = house.run([BIN / 'posthouse', '--help'])
is_([v for v in verbs if not re.search(r'^  %s +\S' % v, r.stdout, re.M)], [], 'so does posthouse --help')
is_([v for v in verbs if not any((LIBEXEC / p).exists() for p in re.findall(
    r'^\t\{ "%s", +"([\w-]+)"' % v, (SRCDIR / 'master' / 'posthouse.c').read_text(), re.M))], [], 'and each has its program')

events = re.findall(r'^#define EV_\w+ "([^"]+)"', (SRCDIR / 'lib' / 'base' / 'events.h').read_text(), re.M)
told = re.findall(r'^\.It Cm ([a-z0-9]+\.\w+)', (MAN / 'posthouse-log.7').read_text(), re.M)
is_(sorted(set(events) - set(told)), [], 'posthouse-log(7) explains every event')
is_(sorted(set(told) - set(events)), [], 'and none that does not exist')

# The example of posthouse(7), as one would paste it (ports apart).

text = (MAN / 'posthouse.7').read_text()
example = re.search(r'\.Sh EXAMPLES.*?\.Bd -literal.*?\n(.*?)\.Ed', text, re.S).group(1)
example = example.replace('\\e', '\\').replace('2525', str(free_port())).replace('1110', str(free_port()))
example = example.replace('--pop3-port', '--submission-port %d --pop3-port' % free_port())
if have('curl'):
    where = house.path('example')
    where.mkdir()
    os.chmod(where, 0o755)
    r = house.run(['sh', '-e', '-c', 'cd %s\nPATH=%s:$PATH\n%s' % (where, BIN, example)], check=False)
    is_(r.returncode, 0, 'the example of posthouse(7) runs')
    like(r.stdout, r'^Delivered-To: ann@example\.org\r?\n(?s:.*)^Hello\.', 'and shows the message')
    if r.returncode:
        diag(r.stdout + r.stderr)
    house.run([BIN / 'posthouse', '-C', where / 'house', 'stop'], check=False)
else:
    skip('the example of posthouse(7) runs', 'no curl')
done()
