"""The check of a composed config, before anything is imported, loaded or built.

Every section is held against the signature it will be called with, and every fact a part `needs`
against what the dataset and the encodings `give`. A refusal names the key as typed on the command line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from gnnlab.config.annotation import accepts
from gnnlab.config.nearest import did_you_mean, nearest_path, paths
from gnnlab.config.root import check_root, check_value
from gnnlab.config.sections import (
    KEYWORDS,
    at_once,
    choice,
    on_request,
    parts,
    plain,
    run_time,
    typed,
)
from gnnlab.config.signature import Parameter, Signature, facts, literal, signature
from gnnlab.config.source import Definition
from gnnlab.config.target import locate, within
from gnnlab.errors import UsageError

Chosen = Mapping[str, Any]
Givers = Callable[[str], Sequence[str]]
DATASET_FACTS = {
    "graph_level": "targets per graph",
    "node_level": "targets per node",
    "edge_level": "targets per pair of nodes",
    "edge_attr": "edge features",
    "undirected": "undirected graphs",
    "one_graph": "a single graph that all splits are parts of",
}
LOADER_FACTS = {"whole_graphs": "whole graphs in every batch"}
MODEL_FACTS = {
    "edge_weight": "layers that take weights for the edges",
    "heads": "attention whose heads can be told apart",
}


def check(
    cfg: DictConfig, chosen: Chosen | None = None, allow: Sequence[str] = (), givers: Givers = lambda fact: ()
) -> None:
    """Raise `UsageError` at the first mistake in a composed config.

    `chosen`: group to option, for the names in messages. `allow`: further packages a `_target_` may
    name. `givers`: the options that give a fact, as typed.
    """
    config, chosen = plain(cfg), chosen or {}
    check_root(config, chosen)
    definitions, targets = {}, {}
    for path, part in parts(config):
        definition = locate(part["_target_"], choice(path, chosen), allow)
        owner = max((other for other in targets if path.startswith(f"{other}.")), key=len, default=None)
        if owner and not within(targets[owner], ("gnnlab", *allow)):
            raise UsageError(f"{path} names {part['_target_']}, but {choice(owner, chosen)} takes values and no parts.")
        targets[path] = part["_target_"]
        check_keywords(path, part, choice(path, chosen))
        if definition is None:
            continue
        definitions[path] = definition
        found = signature(definition)
        if found is not None:
            check_keys(path, part, found, config, chosen)
            check_call(path, part, found, chosen)
    check_fold(config["dataset"], definitions.get("dataset"), choice("dataset", chosen))
    check_needs(definitions, chosen, givers, config["model"].get("num_layers"))


def check_keywords(path: str, part: Mapping[str, Any], name: str) -> None:
    """How a part is built is for its place to say: at once, or as a factory that the run calls later."""
    for key in part:
        if key.startswith("_") and key.endswith("_") and key not in KEYWORDS:
            raise UsageError(f"{path}.{key} cannot be set: how {name} is built is not for a config to say.")
    partial, handed = part.get("_partial_", False), run_time(path)
    if handed is not None and partial is not (not at_once(path)):
        why = "is built at once" if at_once(path) else f"waits for {', '.join(handed)}"
        raise UsageError(f"{path}._partial_ must be {typed(not at_once(path))}: {name} {why}.")


def check_keys(path: str, part: Mapping[str, Any], found: Signature, config: Mapping[str, Any], chosen: Chosen) -> None:
    """Every key is a parameter that the run does not fill itself, and its value fits."""
    handed = (*(run_time(path) or ()), *on_request(path))
    own = [name for name in found.parameters if name not in handed]
    for key in [key for key in part if key not in KEYWORDS]:
        place, name = f"{path}.{key}", choice(path, chosen)
        if key in handed:
            raise UsageError(f"{place} cannot be set: the run itself hands {key} to {name}.")
        if key in found.parameters and choice(place, chosen) != place and part[key] is None:
            check_absent(place, found.parameters[key], name, chosen)
        elif key in found.parameters:
            check_value(place, part[key], found.parameters[key], name)
        elif not found.open:
            known = [f"{path}.{other}" for other in own] + [other for other in paths(config) if other != place]
            takes = f" {name} takes: {', '.join(own)}." if own else ""
            raise UsageError(f"There is no setting {place}{did_you_mean(nearest_path(place, known))}{takes}")


def check_absent(place: str, parameter: Parameter, name: str, chosen: Chosen) -> None:
    """A part that an option leaves out may be left out."""
    if parameter.annotation is not None and not accepts(parameter.annotation, parameter.module, None):
        raise UsageError(f"{choice(place, chosen)} does not fit: {name} cannot do without a {place.split('.')[-1]}.")


def check_call(path: str, part: Mapping[str, Any], found: Signature, chosen: Chosen) -> None:
    """The part can be called: it takes what the run hands to it, and nothing else that it needs is missing."""
    handed, name = run_time(path), choice(path, chosen)
    for argument in handed or ():
        if argument not in found.parameters and not found.open:
            raise UsageError(f"{name}: {part['_target_']} does not take {argument}, which every {path} is handed.")
    if handed is None and part.get("_partial_"):
        return
    for key, parameter in found.parameters.items():
        given = key in (handed or ()) or key in on_request(path)
        if parameter.required and not given and part.get(key, "???") == "???":
            raise UsageError(f"{name} needs {path}.{key}: add {path}.{key}=<value> to the command.")


def check_fold(part: Mapping[str, Any], definition: Definition | None, name: str) -> None:
    """A fold is one of those published, or `all`."""
    count = literal(definition, "num_folds") if definition else None
    fold = part.get("fold")
    if isinstance(count, int) and isinstance(fold, int) and fold not in range(count):
        raise UsageError(f"dataset.fold={fold} does not fit: {name} has folds 0 … {count - 1}, and all.")


def check_needs(
    definitions: Mapping[str, Definition], chosen: Chosen, givers: Givers, num_layers: int | None = None
) -> None:
    """Every fact a part needs is given by the dataset, the loader, the model or an encoding."""
    giving = [path for path in definitions if path.split(".")[0] in ("dataset", "loader", "model", "encoding")]
    given = {fact for path in giving for fact in facts(definitions[path], "gives")}
    given |= {path.split(".")[1] for path in definitions if path.startswith("encoding.")}
    if num_layers == 0:
        given -= MODEL_FACTS.keys()
    if _without_conv(definitions, chosen):
        given -= {"edge_weight"}
    others = [path for path in giving if path.split(".")[0] in ("dataset", "encoding")]
    for path, definition in definitions.items():
        for fact in facts(definition, "needs"):
            if fact in given:
                continue
            asked = ["dataset"] if fact in DATASET_FACTS else ["loader"] if fact in LOADER_FACTS else others
            layerless = fact in MODEL_FACTS and num_layers == 0
            if fact in MODEL_FACTS:
                asked = ["model"] if layerless else [_layer(fact, definitions, chosen)]
            names = " and ".join(choice(other, chosen) for other in asked if other != path)
            names += " (model.num_layers=0)" * layerless
            words = (DATASET_FACTS | LOADER_FACTS | MODEL_FACTS).get(fact, fact)
            refusal = f"{choice(path, chosen)} needs {words}, which {names} does not give"
            able = [] if layerless or "model.conv" in asked else givers(fact)
            more = f" (and {len(able) - 3} more)" if len(able) > 3 else ""
            raise UsageError(f"{refusal}; {' or '.join(able[:3])}{more} would." if able else f"{refusal}.")


def _without_conv(definitions: Mapping[str, Definition], chosen: Chosen) -> bool:
    return "model/conv" in chosen and "model.conv" not in definitions


def _layer(fact: str, definitions: Mapping[str, Definition], chosen: Chosen) -> str:
    """Where a model has what a fact is about: heads in its mixer, if one can be chosen."""
    if fact == "edge_weight" and _without_conv(definitions, chosen):
        return "model.conv"
    return "model.mixer" if fact == "heads" and "model/mixer" in chosen else "model"
