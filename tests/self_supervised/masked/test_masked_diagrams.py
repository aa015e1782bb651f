"""The drawings of MAE and of BERT's pretraining say what the code does."""

import pytest
import torch
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly

from fmlib.llm.family import masking
from fmlib.llm.family.bert import BertConfig
from fmlib.nn.vit import ViTConfig
from fmlib.self_supervised.masked import bert, diagrams, hiding, mae, pairs, targets

DRAWINGS = [diagrams.mae, diagrams.bert]
SIZES = {
    "batch": 5,
    "channels": 3,
    "size": 12,
    "patches": 9,
    "dim": 16,
    "keep": 2,
    "tokens": 3,
    "patch_dim": 48,
    "length": 6,
    "joined": 9,
    "asked": 5,
    "vocab": 32,
}


@pytest.fixture
def roots():
    config = mae.MAEConfig(
        ViTConfig(image_size=12, channels=3, layers=2, heads=2, dim=16, sines=True), decoder_dim=8
    )
    models = {
        "MAE": mae.MAE(config),
        "BertPretraining": bert.BertPretraining(BertConfig.tiny(vocab_size=32)),
    }
    return {
        **vars(hiding),
        **vars(targets),
        **vars(mae),
        **vars(bert),
        **vars(pairs),
        **vars(masking),
        **models,
    }


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_name_is_in_the_code(draw, roots):
    check_names(draw(), roots)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_shape_is_what_flows(draw, roots, generator):
    def step():
        images = torch.rand(5, 3, 12, 12)
        painted, hidden = roots["MAE"](images, torch.rand(5, 9))
        targets.mae_loss(painted, targets.patch_targets(images, 4), hidden)
        pieces = torch.randint(3, 32, (5, 6))
        follows = torch.tensor([True, False, True, True, False])
        tokens, types, labels = pairs.sentence_pairs(pieces, pieces.flip(0), follows, 1, 2)
        read, wanted = masking.mask_tokens(tokens, 0, 32, generator=generator, special=(1, 2))
        asked = wanted != -100
        logits, relation = roots["BertPretraining"].forward(read, types=types, asked=asked)
        bert.pretraining_loss(logits, wanted[asked], relation, labels)

    check_shapes(draw(), roots, SIZES, run_quietly(step))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_drawing_can_be_read(draw):
    check_drawing(draw())
    check_every_shape_is_said(draw())
