"""The compiled parts, where a compiler is at hand; everything else is in pyproject.toml.

Without one the install goes on, says so, and the plain twin is used: slower, with the same results.
"""

from __future__ import annotations

import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildKernel(build_ext):
    """Builds the kernel if it can, and says so if it cannot."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as e:
            self._without(e)

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as e:
            self._without(e)

    def _without(self, error: Exception) -> None:
        print(
            f"deadkey: compiled parts were left out ({error}); scans will use plain Python for them, which is slower. "
            "Install a C compiler and the Python headers, and install again.",
            file=sys.stderr,
        )


setup(
    ext_modules=[
        Extension("scanner.sources.git._kernel", ["scanner/sources/git/_kernel.pyx"], optional=True),
        Extension("scanner.detect._sift", ["scanner/detect/_sift.pyx"], optional=True),
    ],
    cmdclass={"build_ext": BuildKernel},
)
