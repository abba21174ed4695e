"""What stands where in the report of a training run, and that every figure of it can be read."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from paco_prof.render.document import Bullets, Document, Heading, Paragraph, Table
from paco_prof.render.markdown import to_markdown
from paco_prof.render.terminal import to_terminal
from paco_prof.render.training_report import (
    MOST_EPOCHS,
    data_used,
    shown_epochs,
    training_document,
    training_subject,
)
from paco_prof.units import MISSING
from training_runs import (
    DIGITS,
    RECORDS,
    broken_run,
    collapsed_run,
    epoch_of,
    healthy_run,
    run_of,
    run_of_devices,
    waiting_run,
)


def sections(document: Document) -> list[str]:
    return [block.text for block in document.blocks if isinstance(block, Heading)]


def rows(document: Document, title: str) -> dict[str, tuple[str, ...]]:
    """The first table below a heading, by its first cells."""
    place = [isinstance(block, Heading) and block.text == title for block in document.blocks].index(True)
    found = next(block for block in document.blocks[place:] if isinstance(block, Table))
    return {row.cells[0]: row.cells[1:] for row in found.rows}


def prose(document: Document) -> str:
    texts = [block.text for block in document.blocks if isinstance(block, Paragraph)]
    bullets = [item for block in document.blocks if isinstance(block, Bullets) for item in block.items]
    return "\n".join([*texts, *bullets])


def on_terminal(document: Document, width: int) -> str:
    console = Console(width=width, color_system=None, file=io.StringIO(), legacy_windows=False)
    console.print(to_terminal(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_report_has_epochs_time_fidelity_and_findings_in_that_order() -> None:
    assert sections(training_document(healthy_run())) == ["Training", "Where the time went", "Fidelity"]
    assert sections(training_document(collapsed_run())) == ["Training", "Where the time went", "Findings"]


def test_the_preamble_names_machine_model_data_variant_and_command() -> None:
    text = prose(training_document(waiting_run()))
    for words in (
        "Machine: NVIDIA H200",
        "Model: PaCo-2",
        "Data: folder:birds, 1,438 images to train on and 359 held out, 10 classes; two augmented views of each image",
        "2 workers",
        "Variant: optimized (different), which sets precision=float16.",
        "Command: paco-prof train",
    ):
        assert words in text


def test_data_in_words() -> None:
    assert "(every fifth image of a class is held out)" in data_used(DIGITS)
    assert "the process that trains loads them; the last batch may be smaller." in data_used(DIGITS)
    one = DIGITS.model_copy(update={"num_train": 1, "num_classes": 1, "workers": 1, "drop_last": True})
    assert "1 image to train on" in data_used(one)
    assert "1 class;" in data_used(one)
    assert "1 worker; a last batch that is not full is left out." in data_used(one)


def test_several_devices_are_told_with_what_they_make_of_the_objective() -> None:
    text = prose(training_document(run_of_devices()))
    assert "2 devices, each with batches of 32: 64 images a step" in text
    assert "Each rank contrasts the parts of its own 32 images" in text
    assert "is not the objective of one device with a batch of 64" in text
    gathered = prose(training_document(run_of_devices(gather_negatives=True)))
    assert "PaC is that of the same parts in a joint batch of 64 images; in training the parts come" in gathered
    assert "That is a different objective than without gathering" in gathered
    own = prose(training_document(run_of_devices(model="mine:model")))
    assert "is your model's to say" in own
    assert "loads them on each device" in text
    assert "devices" not in prose(training_document(healthy_run()))
    assert training_subject(run_of_devices()) == "resnet18, batch 32, 96 px on each of 2 devices, digits"


def test_an_epoch_has_its_losses_accuracy_throughput_and_time() -> None:
    table = rows(training_document(healthy_run()), "Training")
    assert list(table) == ["1", "2", "3", "4", "5"]
    assert table["1"] == ("2.900", "2.390", "0.1910", "2.000", "69.9 %", "137", "12.0 s")


def test_what_was_not_evaluated_and_what_was_never_finite_are_no_numbers() -> None:
    assert rows(training_document(waiting_run()), "Training")["1"][4] == MISSING
    assert rows(training_document(broken_run()), "Training")["1"][:4] == ("NaN",) * 4
    assert rows(training_document(run_of(epoch_of(0, losses={}))), "Training")["1"][:4] == (MISSING,) * 4


def test_the_outcome_names_the_last_accuracy_and_a_better_one() -> None:
    text = prose(training_document(healthy_run()))
    assert "5 of 5 epochs in 65.0 s. Accuracy is 99.2 % after epoch 5 (guessing: 10.0 %)." in text
    assert "Training ran at 137 images/s, 217 ms a step." in text
    assert "10.0 % after epoch 6; the best was 69.9 % after epoch 1" in prose(training_document(collapsed_run()))
    assert "Accuracy is" not in prose(training_document(run_of(epoch_of(0, accuracy=None))))


def test_where_the_time_went_adds_up() -> None:
    shown = rows(training_document(healthy_run()), "Where the time went")
    assert shown["Training steps"] == ("48.8 s", "75.0 %", "217 ms a step")
    assert shown["Evaluation"] == ("6.2 s", "9.6 %", "1.2 s an evaluation")
    assert shown["Checkpoints"][2] == ""
    assert shown["The whole run"] == ("65.0 s", "100.0 %", "")
    shares = [float(cells[1].removesuffix(" %")) for cells in shown.values()]
    assert sum(shares[:-1]) == pytest.approx(100, abs=0.4)


def test_the_best_epoch_stands_out() -> None:
    (table, *_) = [block for block in training_document(collapsed_run()).blocks if isinstance(block, Table)]
    assert [row.style for row in table.rows] == ["strong", *["plain"] * 5]


def test_of_many_epochs_some_are_shown_and_the_report_says_so() -> None:
    document = training_document(healthy_run(100))
    shown = [int(epoch) for epoch in rows(document, "Training")]
    assert shown[0] == 1
    assert shown[-1] == 100
    assert len(shown) <= MOST_EPOCHS + 1
    assert f"{len(shown)} of 100 epochs are shown" in prose(document)
    assert "epochs are shown" not in prose(training_document(healthy_run(MOST_EPOCHS)))


@given(num=st.integers(1, 300), most=st.integers(2, 30), data=st.data())
def test_the_shown_epochs_are_spread_evenly(num: int, most: int, data: st.DataObject) -> None:
    best = data.draw(st.none() | st.integers(0, num - 1))
    epochs = tuple(epoch_of(0).model_copy(update={"epoch": epoch}) for epoch in range(num))
    shown = [result.epoch for result in shown_epochs(epochs, best, most)]
    assert shown == sorted(set(shown))
    assert {0, num - 1} <= set(shown)
    assert best is None or best in shown
    assert len(shown) <= max(most + 1, 1)
    without = [epoch for epoch in shown if epoch != best] if best not in (0, num - 1) else shown
    gaps = [after - before for before, after in pairwise(without)]
    assert not gaps or max(gaps) <= 2 * ((num - 1) // (most - 1) + 1)


def test_the_fidelity_is_that_of_the_trained_model() -> None:
    text = prose(training_document(healthy_run()))
    assert "after the last epoch and on the first batch of the first" in text
    assert "before the first step" not in text


def test_a_run_that_has_just_begun_has_a_report() -> None:
    document = training_document(RECORDS["nothing yet"]())
    assert sections(document) == ["Findings"]
    assert "after 0 of 5 epochs" in prose(document)


def test_the_subject_names_variant_and_data() -> None:
    assert training_subject(healthy_run()) == "resnet18, batch 32, 96 px, digits"
    assert training_subject(waiting_run()) == "resnet18, batch 32, 96 px, optimized, folder:birds"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", RECORDS)
def test_no_figure_is_cut_or_broken(name: str, width: int) -> None:
    document = training_document(RECORDS[name]())
    text = on_terminal(document, width)
    assert max(map(len, text.splitlines())) <= width
    tables = [block for block in document.blocks if isinstance(block, Table)]
    cells = [cell for table in tables for row in table.rows for cell in row.cells if re.search(r"[\d–]", cell)]
    assert [cell for cell in cells if cell not in text] == []
    titles = [column.title for table in tables for column in table.columns]
    assert [title for title in titles if title not in text] == []


@pytest.mark.parametrize("name", RECORDS)
def test_markdown_has_as_many_cells_in_each_row(name: str) -> None:
    document = training_document(RECORDS[name]())
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert all(len(row.cells) == len(table.columns) for table in tables for row in table.rows)
    assert document.title in to_markdown(document)
