"""Builds the Cython modules, the CPU kernel into one of them, and with nvcc the CUDA kernels.

Environment variables: HEADSCORE_CUDA says whether to build those, auto (where there is an nvcc),
0 or 1; HEADSCORE_CUDA_TARGETS for which compute capabilities, such as "80 90". Where it is not set,
auto builds them for the GPUs of this machine if it has any; else they are built for all `TARGETS`.
Everything else is in pyproject.toml.
"""

import logging
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

TARGETS = ("80", "86", "89", "90", "100", "120")  # compute capabilities; of each machine code


def found(*patterns: str) -> list[str]:
    """Return the files that match, in a fixed order, relative to this folder."""
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern))


def nvcc() -> str | None:
    """Return the CUDA compiler to build with, None where the kernels are not wanted."""
    wanted = os.environ.get("HEADSCORE_CUDA", "auto")
    if wanted not in ("auto", "0", "1"):
        raise SystemExit(f"HEADSCORE_CUDA must be auto, 0 or 1, got {wanted!r}")
    compiler = shutil.which("nvcc")
    if wanted == "1" and compiler is None:
        raise SystemExit("HEADSCORE_CUDA=1 needs nvcc, which is not on the path")
    return None if wanted == "0" else compiler


def gpus_here() -> list[str]:
    """Return the compute capabilities of the GPUs of this machine, such as 90; none without one."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted({each.replace(".", "") for each in listed})


def targets(compiler: str) -> list[str]:
    """Return the compute capabilities to compile for: those asked for, of the GPUs here, or all."""
    listed = subprocess.run(
        [compiler, "--list-gpu-code"], capture_output=True, text=True, check=True
    ).stdout.split()
    known = sorted((each.removeprefix("sm_") for each in listed), key=int)
    asked = os.environ.get("HEADSCORE_CUDA_TARGETS", "").split()
    unknown = [each for each in asked if each not in known]
    if unknown:
        raise SystemExit(
            f"HEADSCORE_CUDA_TARGETS may hold {', '.join(known)} with this nvcc, got {unknown[0]!r}"
        )
    wanted = asked
    if not asked and os.environ.get("HEADSCORE_CUDA", "auto") == "auto":
        here = gpus_here()
        wanted = [each for each in known if each in here and int(each) >= int(TARGETS[0])]
    return [each for each in known if each in (wanted or TARGETS)]


def target_options(chosen: list[str]) -> list[str]:
    """Return the options for machine code of every target, and for PTX that newer GPUs compile."""
    options = [f"-gencode=arch=compute_{each},code=sm_{each}" for each in chosen]
    return [*options, f"-gencode=arch=compute_{chosen[-1]},code=compute_{chosen[-1]}"]


class BuildKernels(build_ext):
    """Extensions of CUDA sources are compiled and linked by nvcc, or left out."""

    def finalize_options(self) -> None:
        """Leave the CUDA kernels out where they are not wanted, those of an earlier build too."""
        super().finalize_options()
        if nvcc() is None:
            self.extensions = [each for each in self.extensions if each is not cuda_kernel]
            Path(self.get_ext_fullpath(cuda_kernel.name)).unlink(missing_ok=True)

    def build_extensions(self) -> None:
        """Build every extension, where there is a compiler."""
        compiler = getattr(self.compiler, "compiler_so_cxx", None)  # which Microsoft's has not
        if compiler and shutil.which(compiler[0]) is None:
            raise SystemExit(
                f"error: compiling headscore needs a C++17 compiler, got none as {compiler[0]!r}: "
                "install one (Debian: g++, Mac: xcode-select --install), set CXX, or take a Python "
                "and a platform that have a wheel (docs/pages/install.md)"
            )
        super().build_extensions()

    def build_extension(self, extension: Extension) -> None:
        """Build one extension."""
        if extension.name == cuda_kernel.name:
            self._build_with_nvcc(extension)
        else:
            super().build_extension(extension)

    def _build_with_nvcc(self, extension: Extension) -> None:
        import pybind11

        path = Path(self.get_ext_fullpath(extension.name))
        inputs = [*extension.sources, *extension.depends, "setup.py"]
        if not self.force and not newer_group(inputs, str(path)):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        compiler = nvcc()
        assert compiler is not None
        folders = [
            *extension.include_dirs,
            pybind11.get_include(),
            sysconfig.get_paths()["include"],
        ]
        includes = [f"-I{folder}" for folder in folders]
        Path(self.build_temp).mkdir(parents=True, exist_ok=True)
        objects = [str(Path(self.build_temp, Path(each).name + ".o")) for each in extension.sources]
        chosen = targets(compiler)
        self.announce(
            f"compiling CUDA kernels for compute capabilities {', '.join(chosen)} (it can take "
            "minutes; HEADSCORE_CUDA=0 leaves them out, HEADSCORE_CUDA_TARGETS chooses)",
            level=logging.WARNING,
        )
        options = [*extension.extra_compile_args, *target_options(chosen), *includes]
        for source, compiled in zip(extension.sources, objects, strict=True):
            # Names from the source, not by chance: the same bytes from every build.
            seed = f"--frandom-seed={source}"
            self.spawn([compiler, "-c", *options, seed, source, "-o", compiled])
        # Without --threads: the steps of a link by nvcc 13.0 overwrite each other's files then.
        self.spawn([compiler, *extension.extra_link_args, *objects, "-o", str(path)])


def host_module(path: str) -> Extension:
    """Return the Cython module of a step on the host, with the C++ sources of the same name."""
    name = Path(path).stem
    return Extension(
        path.removesuffix(".pyx").replace("/", "."),
        sources=[path, *found(f"csrc/{name.strip('_')}/*.cpp")],
        depends=found("csrc/*.h", f"csrc/{name.strip('_')}/*.h", "headscore/**/_*.pxd"),
        include_dirs=["csrc"],
        language="c++",
        # The same roundings on every machine: no multiply and add in one instruction.
        extra_compile_args=["-std=c++17", "-O3", "-g0", "-fvisibility=hidden", "-ffp-contract=off"],
    )


host_modules = [
    host_module(path) for path in found("headscore/**/_*.pyx") if not path.endswith("/_cpu.pyx")
]
cpu_kernel = Extension(
    "headscore.backends._cpu",
    sources=["headscore/backends/_cpu.pyx", *found("csrc/cpu/*.cpp")],
    depends=found("csrc/*.h", "csrc/cpu/*.h", "csrc/cpu/*.inl"),
    include_dirs=["csrc"],
    language="c++",
    extra_compile_args=[
        "-std=c++17",
        "-O3",
        "-g0",
        "-fvisibility=hidden",
        "-pthread",
        "-ffp-contract=fast",  # multiply and add in one instruction where there is one
        "-fno-math-errno",
        "-Wno-psabi",  # vector types stay inside one unit
    ],
    extra_link_args=["-pthread"],
)

# Always declared, so that a source distribution holds its sources whoever makes it.
cuda_kernel = Extension(
    "headscore.backends._cuda",
    sources=["csrc/bindings.cpp", *found("csrc/cuda/*.cu")],
    depends=found("csrc/*.h", "csrc/cuda/*.h", "csrc/cuda/*.cuh", "csrc/planning/position.h"),
    include_dirs=["csrc"],
    language="c++",
    extra_compile_args=[
        "-std=c++17",
        "-O3",
        "--threads=0",
        "--compress-mode=size",
        "-Xcompiler=-fPIC,-fvisibility=hidden",
    ],
    extra_link_args=[
        "-shared",
        "-cudart=static",  # the module then imports where there is no driver
        "-Xlinker=-s",
    ],
)

setup(ext_modules=[cpu_kernel, *host_modules, cuda_kernel], cmdclass={"build_ext": BuildKernels})
