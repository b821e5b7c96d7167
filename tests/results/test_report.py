"""The report is one page that stands alone and holds every run."""

import json
import re
from html.parser import HTMLParser

import pytest

from gnnlab.results.__main__ import main
from gnnlab.results.report import report
from gnnlab.results.runs import load
from tests.results.histories import epochs

VOID = {"meta", "input", "path", "use", "br", "link", "hr", "img"}


class Page(HTMLParser):
    """What a page holds; fails where its elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        self.ids += [named["id"]] if tag in ("section", "table") and "id" in named else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def page(make_run, tmp_path) -> Page:
    for dim in (32, 64):
        for seed in (0, 1):
            run = make_run(0.1 * dim, seed=seed, model__dim=dim, overrides=(f"model.dim={dim}",))
            epochs(run, [1.0, 0.5, 0.4])
    failed = make_run(0.1, seed=7)
    (failed / "result.json").write_text(json.dumps({"status": "failed", "reason": "Loss is NaN <here>."}))
    (failed / "error.txt").write_text("Traceback <script>alert(1)</script>")
    return Page(report(load(tmp_path), "Runs & <others>"))


def test_it_asks_for_nothing_from_elsewhere(page):
    assert page.addresses
    assert all(address.startswith("#") for address in page.addresses)


def test_it_holds_results_figures_runs_configurations_and_failures(page):
    text = " ".join(page.words)
    assert page.ids == ["zinc", "runs", "all-runs", "configurations", "failures"]
    assert "3.2000 ± 0.0000 (2)" in text
    assert "They differ in 1 of" in text
    assert "seed7" in text
    assert "Validation over the epochs" in text
    assert "the line joins those that none beats" in text


def test_each_figure_is_told_in_words_of_its_own_and_can_be_reached(make_run, tmp_path):
    for name in ("one", 'the "other"'):
        for dim in (32, 64):
            result = {"dataset": name, "choices": {"dataset": name, "model": "gps"}}
            make_run(0.1 * dim, model__dim=dim, overrides=(f"model.dim={dim}",), dataset__path=name, result=result)
    text = report(load(tmp_path), "two")
    said = re.findall(r'role="img" aria-label="([^"]*)"', text)
    assert len(set(said)) == len(said) == text.count('<figure tabindex="0">') == 4
    assert any(words.startswith("one: 32, 64. Test at") for words in said)
    assert any(words.startswith("the &quot;other&quot;: 32, 64. Test against") for words in said)


def test_texts_are_escaped(page):
    text = "".join(page.words)
    assert "Runs & <others>" in text
    assert "Loss is NaN <here>." in text
    assert "Traceback <script>alert(1)</script>" in text


def test_runs_without_a_result_make_a_page_too(make_run, tmp_path):
    (make_run(0.1) / "result.json").write_text("{")
    page = Page(report(load(tmp_path), "none"))
    assert page.ids == ["runs", "all-runs", "configurations"]
    assert "stopped" in page.words


def test_the_command_line(make_run, tmp_path, capsys):
    make_run(0.1)
    file = tmp_path / "new" / "page.html"
    assert main(["report", str(tmp_path / "runs"), "-o", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert file.read_text().startswith("<!doctype html>")
    assert main(["report", str(tmp_path / "nowhere"), "-o", str(file)]) == 2
