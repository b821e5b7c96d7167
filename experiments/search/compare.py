"""Is a search by TPE better than one at random, and what does giving runs up save? Prints a table, writes results.csv.

python experiments/search/compare.py [--repeats 5] [--trials 40] [--out runs/search] [KEY=VALUE …]
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import optuna

HERE = Path(__file__).parent
EPOCHS = 30
SPACE = (
    "optimizer.lr=tag(log,interval(1e-5,1.0))",
    "optimizer.weight_decay=tag(log,interval(1e-6,1e-1))",
    "model.dropout=interval(0.0,0.9)",
    "model.hidden_dim=int(tag(log,interval(2,64)))",
)
NETWORK = ("model=gin", "model.num_layers=2", "encoding=[]", "preset=none")
TASK = (
    *NETWORK,
    "dataset=zinc",
    "loader.limit=500",
    f"trainer.max_epochs={EPOCHS}",
    "trainer.progress=false",
    "logger=[csv]",
)


def search(sampler: str, seed: int, trials: int, out: Path, overrides: list[str]) -> optuna.Study:
    """A search from the command line, or what is left of it."""
    settings = (f"hydra.sweeper.trials={trials}", f"hydra.sweeper.seed={seed}", f"out={out / f'{sampler}{seed}'}")
    command = [sys.executable, "train.py", "-m", f"hydra/sweeper={sampler}", *settings, *TASK, *SPACE, *overrides]
    subprocess.run(command, cwd=HERE.parents[1], check=True, capture_output=True)
    (log,) = (out / f"{sampler}{seed}" / ".sweep").glob("search-*/study.log")
    backend = optuna.storages.journal.JournalFileBackend(str(log))
    return optuna.load_study(study_name="search", storage=optuna.storages.JournalStorage(backend))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    parser.add_argument("overrides", nargs="*")
    chosen = parser.parse_args()
    rows = []
    for seed in range(chosen.repeats):
        for sampler in ("tpe", "random"):
            study = search(sampler, seed, chosen.trials, chosen.out.absolute(), chosen.overrides)
            epochs = sum(len(trial.intermediate_values) for trial in study.trials)
            states = [trial.state.name for trial in study.trials]
            rows.append(
                {
                    "sampler": sampler,
                    "seed": seed,
                    "best val mae": study.best_value,
                    "trials": len(states),
                    "pruned": states.count("PRUNED"),
                    "failed": states.count("FAIL"),
                    "share of epochs run": epochs / (len(states) * EPOCHS),
                }
            )
            print(rows[-1], flush=True)
    with (HERE / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for sampler in ("tpe", "random"):
        best = [row["best val mae"] for row in rows if row["sampler"] == sampler]
        share = [row["share of epochs run"] for row in rows if row["sampler"] == sampler]
        spread = f" ± {stdev(best):.4f} ({len(best)})" if len(best) > 1 else ""
        print(f"{sampler}: best validation MAE {mean(best):.4f}{spread}; epochs run {mean(share):.0%}")


if __name__ == "__main__":
    main()
