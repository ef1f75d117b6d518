"""Builds the CPU kernel into the Cython module; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup


def found(*patterns: str) -> list[str]:
    """Return the files that match, in a fixed order, relative to this folder."""
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern))


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
        "-fopenmp",
        "-ffp-contract=fast",  # multiply and add in one instruction where there is one
        "-fno-math-errno",
        "-Wno-psabi",  # vector types stay inside one unit
    ],
    extra_link_args=["-fopenmp"],
)

setup(ext_modules=[cpu_kernel])
