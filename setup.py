"""What pyproject.toml cannot say: find the packages, ship `conf/` as `gnnlab.conf` and `kernels/csrc` as `gnnlab.csrc`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["gnnlab*"]), "gnnlab.conf", "gnnlab.csrc"],
    package_dir={"gnnlab.conf": "conf", "gnnlab.csrc": "kernels/csrc"},
)
