#!/usr/bin/env python3
"""The labelled messages of the collector corpus, each given to the sorter: a test a category, which fails with
any message in it. The corpus lies beside the source tree or where POSTHOUSE_CORPUS says; its README has the rules."""
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

SORTER = BUILDDIR / 'collector' / 'sort-corpus'


def find_corpus():
    for place in (os.environ.get('POSTHOUSE_CORPUS'), SRCDIR / '..' / 'shared' / 'collector-corpus'):
        if place and (pathlib.Path(place) / 'index.jsonl').exists():
            return pathlib.Path(place).resolve()
    skip_all('no collector corpus (set POSTHOUSE_CORPUS, or put it at ../shared/collector-corpus)')


def load(corpus):
    """The messages in the index's order, those of a sequence together."""
    groups = collections.OrderedDict()
    for line in (corpus / 'index.jsonl').read_text(encoding='utf-8').splitlines():
        label = json.loads((corpus / 'cases' / (json.loads(line)['id'] + '.json')).read_text(encoding='utf-8'))
        groups.setdefault(label['sequence'] or label['id'], []).append(label)
    return list(groups.values())


def run(corpus, group):
    """(label, users, class) for each message of a sequence, which share one state."""
    answers = []
    with tempfile.TemporaryDirectory(prefix='corpus-') as state:
        for label in group:
            base = corpus / 'cases' / label['id']
            with open(str(base) + '.eml', 'rb') as message:
                p = subprocess.run([SORTER, '--config', str(base) + '.conf', '--state', state], stdin=message,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * PATIENCE)
            lines = p.stdout.decode('utf-8', 'replace').splitlines()
            users = {l for l in lines if l and not l.startswith('#')}
            reason = next((l[7:].strip() for l in lines if l.startswith('#class:')), None)
            if p.returncode:
                reason = 'exit %d: %s' % (p.returncode, p.stderr.decode('utf-8', 'replace').strip()[-200:])
            answers.append((label, users, reason))
    return answers


corpus = find_corpus()
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    answers = [a for part in pool.map(lambda g: run(corpus, g), load(corpus)) for a in part]

score = collections.OrderedDict()
for label, users, reason in answers:
    good = users == set(label['recipients']) and reason == label['class']
    score.setdefault(label['category'], []).append(
        None if good else '%s: expected %s (%s), got %s (%s): %s' % (
            label['id'], ','.join(sorted(label['recipients'])) or '-', label['class'],
            ','.join(sorted(users)) or '-', reason, label['why']))
for category, results in score.items():
    wrong = [r for r in results if r]
    ok(not wrong, category)
    diag('%-18s %4d of %4d' % (category, len(results) - len(wrong), len(results)))
    if wrong:
        diag('\n'.join(wrong))
diag('all                %4d of %4d' % (sum(r is None for rs in score.values() for r in rs), len(answers)))
done()
