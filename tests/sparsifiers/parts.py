"""The sparsifiers there are, found in the conf folder."""

import yaml
from hydra.utils import get_class

from gnnlab import compose
from gnnlab.config import build, conf_dir
from gnnlab.sparsifiers.ranked import Ranked
from gnnlab.testing import sample_spec


def ranked_names() -> list[str]:
    """Those that rank edges before anything is trained."""
    paths = sorted((conf_dir() / "sparsifier").glob("*.yaml"))
    targets = {path.stem: yaml.safe_load(path.read_text()).get("_target_") for path in paths}
    return [name for name, target in targets.items() if target and issubclass(get_class(target), Ranked)]


def make(name: str, keep: float) -> Ranked:
    cfg = compose(f"sparsifier={name}", "dataset=cora", "model=gcn").sparsifier
    cfg.keep = keep
    return build(cfg, {"spec": sample_spec("graph"), "seed": 0})
