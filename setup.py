"""What pyproject.toml cannot say: find the packages, and ship `conf/` and `kernels/csrc` within gnnlab."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["gnnlab*"]),
        "gnnlab.plugins.hydra_plugins.gnnlab_search",
        "gnnlab.conf",
        "gnnlab.csrc",
    ],
    package_dir={"gnnlab.conf": "conf", "gnnlab.csrc": "kernels/csrc"},
)
