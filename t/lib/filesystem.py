"""
A file system of the test's own: a loop-mounted ext4 (with a journal) or XFS, whose power can be cut.
Needs root.
"""
import fcntl
import os
import shutil
import subprocess
import tempfile
import time

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
GOINGDOWN_NOLOGFLUSH = 2      # the journal in memory is lost, as in a power cut


def why_not(kind="ext4"):
    """A reason why such a file system cannot be used here, or None."""
    if os.geteuid() != 0:
        return "mounting a file system takes root"
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices here"
    if not shutil.which("mkfs." + kind):
        return "mkfs.%s is not installed" % kind
    return None


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class FileSystem:
    MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}

    def __init__(self, kind="ext4", mebibytes=320):
        self.kind = kind
        self.base = tempfile.mkdtemp(prefix="posthouse-fs-")
        os.chmod(self.base, 0o755)
        self.image = os.path.join(self.base, "image")
        self.path = os.path.join(self.base, "mnt")
        os.mkdir(self.path)
        with open(self.image, "wb") as f:
            f.truncate(mebibytes << 20)
        run(*self.MAKE[kind], self.image)
        self.mounted = False
        self.mount()
        os.chmod(self.path, 0o755)

    def mount(self):
        run("mount", "-o", "loop", self.image, self.path)
        self.mounted = True

    def umount(self):
        for _ in range(100):  # what still holds it was just killed
            if subprocess.run(["umount", self.path], stderr=subprocess.PIPE).returncode == 0:
                self.mounted = False
                return self._released()
            time.sleep(0.02)
        run("umount", self.path)

    def _released(self):
        """Until the loop device lets go of the image: mounted again before that, the old file
        system would come back as it was, with its power cut. Somebody's mount namespace may hold
        it for long: then what is on it goes on in a copy."""
        for _ in range(50):
            if not subprocess.run(["losetup", "-j", self.image], stdout=subprocess.PIPE).stdout:
                return
            time.sleep(0.02)
        run("cp", "--sparse=always", self.image, self.image + "+")
        self.image += "+"

    def cut_power(self):
        """What was not flushed is gone; every later write fails with EIO."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, GOINGDOWN_NOLOGFLUSH.to_bytes(4, "little"))
        finally:
            os.close(fd)

    def close(self):
        if self.mounted:
            self.umount()
        shutil.rmtree(self.base)
