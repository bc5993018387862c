"""The one thing that pyproject.toml cannot say: a wheel carries migrations/ as study/migrations.

The folder stands at the top of the checkout, where its editors expect it; as a package of that name it would collide
with anybody else's in site-packages.  An editable install reads it where it is (study/db.py).
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithMigrations(build_py):
    """Copies the migrations beside study's modules."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "study" / "migrations"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree("migrations", target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithMigrations})
