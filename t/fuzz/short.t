#!/usr/bin/env python3
"""A short run of every fuzz target with libFuzzer, from its corpus.

FUZZ_SECONDS (default 1) each, two at a time. What is found is left in BUILD/fuzz/found, to be
mended and then added to the target's corpus.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys

src = os.environ.get("SRCDIR", os.getcwd())
build = os.path.join(os.environ.get("BUILDDIR", os.getcwd()), "fuzz")
seconds = os.environ.get("FUZZ_SECONDS", "1")


def skip(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def quietly(*argv):
    done = subprocess.run(argv, cwd=build, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print("1..1\nnot ok 1 - " + " ".join(argv))
        print("".join("# %s\n" % l for l in done.stdout.splitlines()[-30:]), end="")
        sys.exit(1)


def has_libfuzzer():
    if not shutil.which("clang"):
        return False
    probe = "int LLVMFuzzerTestOneInput(const void *p, unsigned long n);" \
            "int LLVMFuzzerTestOneInput(const void *p, unsigned long n) { return !p && n; }"
    return subprocess.run(["clang", "-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o",
                           os.path.join(build, "probe")], input=probe, text=True,
                          stderr=subprocess.DEVNULL).returncode == 0


os.makedirs(os.path.join(build, "found"), exist_ok=True)
if not has_libfuzzer():
    skip("no clang with libFuzzer here")
if not os.path.exists(os.path.join(build, "Makefile")):
    quietly(os.path.join(src, "configure"), "-C", "--silent", "--enable-fuzz", "CC=clang")
quietly("make", "-s", "fuzzers")

targets = sorted(f[5:-7] for f in os.listdir(os.path.join(src, "t/fuzz"))
                 if f.startswith("fuzz_") and f.endswith(".corpus"))


def run(name):
    fresh = os.path.join(build, "seen", name)
    os.makedirs(fresh, exist_ok=True)
    return subprocess.run(
        [os.path.join(build, "t/fuzz/fuzz_" + name), "-max_total_time=" + seconds,
         "-max_len=2048", "-timeout=10", "-artifact_prefix=%s/found/%s-" % (build, name),
         fresh, os.path.join(src, "t/fuzz/fuzz_%s.corpus" % name)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, errors="replace")


print("1..%d" % len(targets))
failed = False
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    for number, (name, done) in enumerate(zip(targets, pool.map(run, targets)), 1):
        ok = done.returncode == 0
        failed = failed or not ok
        print("%sok %d - %s" % ("" if ok else "not ", number, name))
        if not ok:
            print("".join("# %s\n" % l for l in done.stderr.splitlines()[-40:]), end="")
sys.exit(failed)
