"""What a compiler makes and prints, kept below build/ until something that goes into it changes."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "tests"


def compile_once(name, command, *sources):
    """Path of what a command writes and the text that it prints; `sources`: files and folders."""
    folder, partial = KEPT / f"{name}-{_digest(command, sources)}", KEPT / f".{name}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the tests wait for the first
        if not folder.exists():
            for old in (partial, *KEPT.glob(f"{name}-*")):
                shutil.rmtree(old, ignore_errors=True)
            partial.mkdir()
            done = subprocess.run(
                [*command, "-o", str(partial / name)], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            (partial / "printed").write_text(done.stdout + done.stderr, encoding="utf-8")
            partial.rename(folder)
    return folder / name, (folder / "printed").read_text(encoding="utf-8")


def _digest(command, sources):
    """Short digest of a command, the version of its compiler, and the content of sources."""
    version = subprocess.run([command[0], "--version"], capture_output=True, check=True).stdout
    digest = hashlib.sha256(repr((command, version)).encode())
    for source in sources:
        for path in [source, *sorted(source.rglob("*"))]:
            if path.is_file():
                digest.update(repr((str(path), path.read_bytes())).encode())
    return digest.hexdigest()[:16]
