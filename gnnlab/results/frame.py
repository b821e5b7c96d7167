"""Runs as a data frame of pandas."""

from pathlib import Path

from pandas import DataFrame, Index

from gnnlab.results.keys import telling
from gnnlab.results.runs import load


def frame(folder: Path | str = "runs") -> DataFrame:
    """A row for each run below `folder`, under the name of its own folder.

    Columns: dataset, model and the settings that tell the runs apart, seed and fold, status, and all numbers of those
    that are complete, under the names that `metric` takes. Raises `UsageError` if there are no runs.
    """
    runs = load(Path(folder))
    keys = telling(runs)
    rows = [
        {
            **{key: run.value(key) for key in keys},
            "seed": run.config["seed"],
            "fold": run.fold,
            "status": run.result["status"],
            **({name: run.metric(name) for name in run.metric_names} if run.complete else {}),
        }
        for run in runs
    ]
    found = DataFrame(rows, index=Index([str(run.folder) for run in runs], name="folder"))
    return found.drop(columns="fold") if all(run.fold is None for run in runs) else found
