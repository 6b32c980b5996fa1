"""Makes what the machine boots: a kernel out of its package, an initramfs that loads the disk's drivers,
and a disk with a small system of programs from this machine, toolcell, and the tests.

Nothing is installed and nothing needs root: packages are unpacked into a cache folder, programs are
copied with the libraries that they ask for.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"
BUSYBOX_PACKAGE = "busybox-static"
DISK_MIB = 768
DOWNLOAD_S = 300

# Drivers of the disk, and what cells mount; what is built in is not found, which is fine.
MODULES = ("virtio_pci", "virtio_blk", "overlay")
MODULE_DEPTH_MAX = 8

PROGRAMS = """
    bash dash sh cat chmod chown cp cut date dd df dirname basename echo env expr false flock head id kill
    ln ls mkdir mkfifo mktemp mount mv nice nohup printf ps readlink rm rmdir seq setpriv setsid sh sleep sort stat sync
    sha256sum tail tar tee test timeout touch tr true truncate umount uname unshare wc yes grep sed find
    xargs hostname
""".split()

# What a test could not want and what would triple the size.
PYTHON_SKIP = ("test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "distutils",
               "pydoc_data", "site-packages", "dist-packages")


class Unavailable(Exception):
    """The machine cannot be had here; the message says why and what would help."""


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options).stdout


def newest_package(name):
    """A meta package names the real one as its dependency."""
    try:
        lines = run("apt-cache", "depends", "--important", name).splitlines()
    except (OSError, subprocess.CalledProcessError) as e:
        raise Unavailable(f"apt does not know the package {name}; run apt-get update") from e
    for line in lines:
        found = re.match(r"\s*Depends: (linux-image-\S+)", line)
        if found:
            return found.group(1)
    return name


def unpack_package(name, cache):
    """The folder of the unpacked package; downloaded once for each version."""
    name = newest_package(name)
    try:
        shown = run("apt-cache", "show", "--no-all-versions", name)
        version = re.search(r"^Version: (\S+)", shown, re.MULTILINE).group(1)
    except (OSError, subprocess.CalledProcessError, AttributeError) as e:
        raise Unavailable(f"apt does not know the package {name}; run apt-get update") from e
    folder = cache / f"{name}_{version.replace(':', '.')}"
    if folder.is_dir():
        return folder
    download = cache / f"{name}.download"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir(parents=True)
    try:
        run("apt-get", "-q", "download", f"{name}={version}", cwd=download, timeout=DOWNLOAD_S)
        unpack_file(next(download.glob("*.deb")), folder)
    except (OSError, subprocess.SubprocessError, StopIteration) as e:
        raise Unavailable(f"the package {name} cannot be downloaded: {getattr(e, 'output', '') or e}") from e
    finally:
        shutil.rmtree(download, ignore_errors=True)
    return folder


def unpack_file(deb, folder):
    """All of it or nothing: an interrupted run leaves no folder that looks complete."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    run("dpkg-deb", "-x", deb, partial)
    partial.rename(folder)


class Kernel:
    def __init__(self, folder):
        images = sorted(folder.glob("boot/vmlinuz-*"))
        if not images:
            raise Unavailable(f"no kernel image in {folder}")
        self.image = images[-1]
        self.release = self.image.name.removeprefix("vmlinuz-")
        self.folder = folder

    def modules(self, names=MODULES, depth=0):
        """Files of modules, each behind those that it names in its own "depends"."""
        if depth > MODULE_DEPTH_MAX:
            raise Unavailable(f"modules of {self.release} depend on each other in a circle")
        found = {}
        for name in names:
            for path in self.folder.glob(f"**/{name}.ko"):
                words = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
                needed = words.group(1).decode().split(",") if words else []
                found.update(self.modules([n for n in needed if n], depth + 1))
                found[name] = path
        return found


def libraries_of(path):
    """What the dynamic loader would map for a program or library; none for a static one."""
    try:
        text = run("ldd", path)
    except subprocess.CalledProcessError:
        return []
    return [Path(m) for m in re.findall(r"(?:=> )?(/\S+) \(0x", text)]


class Disk:
    """A folder that becomes the root file system."""

    def __init__(self, root):
        self.root = root
        self.done = set()
        for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/share/doc", "usr/local", "proc", "sys",
                       "dev", "run", "root", "etc", "tmp", "var/tmp", "home/user", "mnt"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to("usr/" + name)

    def place(self, path):
        """Below /usr, also for what is named through the links of a merged /usr."""
        path = Path(path)
        if path.parts[1] in ("bin", "sbin", "lib", "lib64"):
            path = Path("/usr") / path.relative_to("/")
        return self.root / path.relative_to("/")

    def copy(self, source, target=None):
        to = self.place(target or source)
        if to in self.done:
            return
        self.done.add(to)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to)
        to.chmod(0o755 if os.access(source, os.X_OK) else 0o644)

    def add(self, source, target=None):
        """A program or library with all that it is linked with."""
        self.copy(source, target)
        for library in libraries_of(source):
            self.copy(library)

    def program(self, name):
        for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                self.add(path)
                return
        raise Unavailable(f"this machine has no program {name}")

    def tree(self, source, target, skip=()):
        """Files as they are, without owners; links that lead out of the tree become what they lead to."""
        for base, folders, files in os.walk(source):
            folders[:] = sorted(f for f in folders if f not in skip)
            for name in files:
                path = Path(base, name)
                if path.is_file():
                    self.copy(path, Path(target) / path.relative_to(source))

    def python(self):
        interpreter = Path("/usr/bin/python3").resolve()
        self.add(interpreter)
        self.add(interpreter, "/usr/bin/python3")
        library = Path("/usr/lib") / interpreter.name
        if not library.is_dir():
            raise Unavailable(f"{library}, the library of {interpreter}, is not there")
        self.tree(library, library, PYTHON_SKIP + tuple(p.name for p in library.glob("config-*")))
        for extension in (library / "lib-dynload").glob("*.so"):
            self.add(extension)

    def write(self, path, text, mode=0o644):
        to = self.root / path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text)
        to.chmod(mode)


def stage(disk, build):
    for name in PROGRAMS:
        disk.program(name)
    disk.python()
    disk.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000:user:/home/user:/bin/bash\n")
    disk.write("etc/group", "root:x:0:\nuser:x:1000:\n")
    disk.write("etc/hosts", "127.0.0.1 localhost\n")
    for name in ("toolcell", "toolcell-launcher", "toolcell-init", "toolcell-digest", "toolcell-policyc"):
        disk.add(build / name, f"/opt/toolcell/build/{name}")
    disk.write("opt/toolcell/build/toolcell.tree", "/opt/toolcell\n")
    for name in (build / "tools").glob("*"):
        if name.is_file() and os.access(name, os.X_OK):
            disk.add(name, f"/opt/toolcell/build/tools/{name.name}")
    for folder in ("policies", "agents", "tools", "tests/e2e"):
        disk.tree(TOP / folder, f"/opt/toolcell/{folder}", ("__pycache__", "node_modules"))
    for path in sorted((build / "tests/unit/launch").glob("unit-*")):
        if path.is_file() and os.access(path, os.X_OK):
            disk.add(path, f"/opt/toolcell/unit/{path.name}")
    disk.tree(HERE / "guest", "/opt/toolcell/guest", ("__pycache__",))
    (disk.root / "opt/toolcell/guest/init").chmod(0o755)


def make_disk(root, image):
    """Files belong to whoever runs this; the guest gives them to root when that is somebody else."""
    with open(image, "wb") as f:
        f.truncate(DISK_MIB << 20)
    mke2fs = shutil.which("mke2fs") or "/usr/sbin/mke2fs"
    try:
        run(mke2fs, "-q", "-t", "ext4", "-F", "-E", "root_owner=0:0", "-d", root, image)
    except (OSError, subprocess.CalledProcessError) as e:
        raise Unavailable(f"mke2fs (package e2fsprogs) failed: {getattr(e, 'output', '') or e}") from e


def cpio_entry(number, name, mode, data=b""):
    """The "newc" format of cpio(5): what the kernel unpacks."""
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields)
    return pad(head + path) + pad(data)


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def make_initramfs(kernel, busybox, image):
    files = [(name, stat.S_IFDIR | 0o755) for name in ("dev", "proc", "root", "modules")]
    files.append(("init", stat.S_IFREG | 0o755, (HERE / "guest" / "initramfs").read_bytes()))
    files.append(("busybox", stat.S_IFREG | 0o755, busybox.read_bytes()))
    for i, module in enumerate(kernel.modules().values()):
        files.append((f"modules/{i:02}-{module.name}", stat.S_IFREG | 0o644, module.read_bytes()))
    files.append(("TRAILER!!!", 0))
    image.write_bytes(b"".join(cpio_entry(i, *file) for i, file in enumerate(files, 1)))


def make(build, cache, folder, kernel_deb=None):
    """(kernel, initramfs, disk) below @folder."""
    cache.mkdir(parents=True, exist_ok=True)
    if kernel_deb:
        unpacked = cache / Path(kernel_deb).stem
        if not unpacked.is_dir():
            unpack_file(kernel_deb, unpacked)
    else:
        unpacked = unpack_package(KERNEL_PACKAGE, cache)
    kernel = Kernel(unpacked)
    busybox = next(unpack_package(BUSYBOX_PACKAGE, cache).glob("**/bin/busybox"))
    root = folder / "root"
    root.mkdir()
    stage(Disk(root), build)
    make_disk(root, folder / "disk.img")
    shutil.rmtree(root)
    make_initramfs(kernel, busybox, folder / "initramfs.cpio")
    print(f"# Linux {kernel.release}, {DISK_MIB} MiB disk", file=sys.stdout, flush=True)
    return kernel.image, folder / "initramfs.cpio", folder / "disk.img"
