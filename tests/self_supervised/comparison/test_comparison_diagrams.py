"""The drawing of the comparison says what the code does."""

import pytest
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly
from torch import nn

from fmlib.results import ledger
from fmlib.self_supervised.comparison import budget, diagrams, measures
from fmlib.self_supervised.probing import labeled, probes


@pytest.fixture
def roots():
    return {**vars(budget), **vars(measures), "ledger": ledger, "probes": probes, "labeled": labeled}


def test_every_name_is_in_the_code_and_the_drawing_can_be_read(roots):
    check_names(diagrams.comparison(), roots)
    check_drawing(diagrams.comparison())
    check_every_shape_is_said(diagrams.comparison())


def test_every_shape_is_what_flows(roots):
    found = {}

    def step():
        found["queries"], gallery, targets = measures.gray_emoji.__wrapped__()
        embedded = [measures.embed(nn.Flatten(), pictures) for pictures in (found["queries"], gallery)]
        measures.retrieval(*embedded, targets, ranks=(1,))

    flow = run_quietly(step)
    sizes = {"queries": len(found["queries"]), "features": 28 * 28}
    check_shapes(diagrams.comparison(), roots, sizes, flow)
