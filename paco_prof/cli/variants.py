"""`paco-prof variants`: the catalogue of changes that can be measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from paco_prof.cli.outputs import print_document, print_text

__all__ = ["variants"]


def variants(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List the variants: presets, single toggles, drop-ins, and your own from paco-prof.toml or [tool.paco-prof].

    Each has a kind (exact, approximate, different), a reason, and what the analysis expects of it. Use them with
    --variant NAME, several as NAME+NAME, and change any setting with --set NAME=VALUE.
    """
    from paco_prof.render.variants_report import variants_data, variants_document
    from paco_prof.variants.catalogue import CATALOGUE, DROP_IN, DROP_INS, OF_RANKS, PRESETS, TOGGLES
    from paco_prof.variants.user_file import own_variants

    own = own_variants(Path.cwd())
    if as_json:
        print_text(json.dumps(variants_data((*CATALOGUE, *own)), indent=1) + "\n")
    else:
        drop_ins = {"For a model of your own (--model)": (DROP_IN, *DROP_INS)}
        toggles = {"Toggles": TOGGLES, "For several devices (torchrun)": OF_RANKS}
        print_document(variants_document({"Presets": PRESETS, **toggles, **drop_ins, "Yours": own}))
