"""Builds the CPU kernel into the Cython module; everything else is in pyproject.toml."""

import glob

from setuptools import Extension, setup

cpu_kernel = Extension(
    "headscore.backends._cpu",
    sources=["headscore/backends/_cpu.pyx", *sorted(glob.glob("csrc/cpu/*.cpp"))],
    depends=["csrc/sieve_plan.h", *sorted(glob.glob("csrc/cpu/*.h") + glob.glob("csrc/cpu/*.inl"))],
    include_dirs=["csrc"],
    language="c++",
    extra_compile_args=[
        "-std=c++17",
        "-O3",
        "-fopenmp",
        "-ffp-contract=fast",  # multiply and add in one instruction where there is one
        "-fno-math-errno",
        "-Wno-psabi",  # vector types stay inside one unit
        "-g0",
    ],
    extra_link_args=["-fopenmp"],
)

setup(ext_modules=[cpu_kernel])
