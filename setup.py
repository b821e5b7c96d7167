"""The one thing pyproject.toml cannot say: find the packages, and ship `conf/` as `gnnlab.conf`."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["gnnlab*"]), "gnnlab.conf"], package_dir={"gnnlab.conf": "conf"})
