"""Every public function on tensors is called with what it cannot take; each refusal must name the argument.

The calls are made from one valid call of each function: every tensor gets another type, rank, length, nothing in it, numbers
that are none where those are refused; every number becomes nan, a text, a truth value, a fraction.
"""

import importlib
import inspect
import math
import pkgutil
import re

import pytest
import torch
from torch import Tensor

import fmlib
from fmlib.augment import (
    color_jitter,
    crop_and_resize,
    gaussian_blur,
    random_affine,
    random_gamma,
    random_horizontal_flip,
    random_resized_crop,
    shift_hue,
    to_gray,
)
from fmlib.evaluate import embed, knn_accuracy, knn_predict, linear_probe, retrieval
from fmlib.llm.adaptation.dpo import dpo_loss, sequence_log_probs
from fmlib.llm.adaptation.fine_tuning import replay_batch
from fmlib.llm.adaptation.in_context import (
    accuracy_by_examples,
    best_possible,
    in_context_batch,
    is_held_out,
)
from fmlib.llm.adaptation.induction import induction_score, previous_token_score, score_heads
from fmlib.llm.adaptation.instructions import answer_loss
from fmlib.llm.family.blanks import make_blanks
from fmlib.llm.family.masking import choose_tokens, hide_tokens, mask_tokens
from fmlib.llm.family.parts import rms_norm
from fmlib.llm.family.relative_bias import distance_buckets
from fmlib.llm.family.rotary import (
    halves_from_pairs,
    pairs_from_halves,
    repeat_heads,
    rotary,
    rotary_angles,
    rotate,
)
from fmlib.llm.family.span_corruption import corrupt_spans, span_corruption
from fmlib.llm.family.t5 import shift_right
from fmlib.llm.family.targets import target_loss
from fmlib.llm.generation.beam import beam_search
from fmlib.llm.generation.decode import generate, may_look, next_logits, stream
from fmlib.llm.generation.measure import distinct_ngrams, surprise
from fmlib.llm.generation.sampling import (
    apply_temperature,
    min_p_filter,
    repetition_penalty,
    sample_token,
    top_k_filter,
    top_p_filter,
)
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.cross_entropy import mean_cross_entropy
from fmlib.llm.gpt.experiments import mean_weight_at_distance
from fmlib.llm.gpt.measure import nats_per_token
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.llm.pretraining.ngrams import discounted_probabilities
from fmlib.llm.pretraining.scaling import power_law_by_line
from fmlib.llm.pretraining.training import surprise_of_text
from fmlib.nn.attention import attention, attention_map, merge_heads, split_heads
from fmlib.nn.transformer import gelu_tanh, quick_gelu
from fmlib.nn.vit import patchify, unpatchify
from fmlib.self_supervised.adaptation.episodes import episode_accuracy, sample_episode, split_episode
from fmlib.self_supervised.adaptation.probe import logistic_regression, standardize
from fmlib.self_supervised.adaptation.prototypes import class_means, nearest_mean
from fmlib.self_supervised.contrastive.information import information_bound
from fmlib.self_supervised.contrastive.moco import enqueue, info_nce
from fmlib.self_supervised.contrastive.simclr import nt_xent
from fmlib.self_supervised.contrastive.taken_apart import alignment, nt_xent_between_classes, uniformity
from fmlib.self_supervised.masked.bert import pretraining_loss, pseudo_surprise
from fmlib.self_supervised.masked.hiding import pick, restore_order, split_patches
from fmlib.self_supervised.masked.pairs import join_pairs, sentence_pairs
from fmlib.self_supervised.masked.plays import Vocabulary, ask
from fmlib.self_supervised.masked.targets import as_pixels, mae_loss, patch_targets, undo_normalization
from fmlib.self_supervised.pretext.colorization import (
    annealed_mean,
    color_loss,
    find_colors,
    nearest_color,
    rebalancing_weights,
    to_lab,
    to_rgb,
)
from fmlib.self_supervised.pretext.cpc import pick_own
from fmlib.self_supervised.pretext.jigsaw import cut_tiles, farthest_order, normalize_tiles, shuffle_tiles
from fmlib.self_supervised.pretext.listening import log_mel, pool_time, voice_folds
from fmlib.self_supervised.pretext.rotation import all_rotations, turn_each
from fmlib.self_supervised.pretext.shortcuts import (
    add_mark,
    cover_border,
    cue_accuracy,
    order_by_edges,
    other_brightness,
)
from fmlib.self_supervised.without_negatives.attention import share_on_objects
from fmlib.self_supervised.without_negatives.byol import prediction_loss
from fmlib.self_supervised.without_negatives.dino import moved_center
from fmlib.self_supervised.without_negatives.redundancy import (
    barlow_loss,
    covariance_term,
    cross_correlation,
    variance_term,
    vicreg_loss,
)
from fmlib.self_supervised.without_negatives.watch import effective_rank, spread


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def draw(*shape, below=8):
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(sum(shape)))


def model():
    torch.manual_seed(0)
    return GPT(GPTConfig.tiny(8)).eval()


def source():
    return torch.Generator().manual_seed(0)


HEADS = (2, 2, 3, 4)  # batch, heads, length, head_dim
PICTURES = noise(2, 3, 6, 6)
LABELED = {"train_features": noise(6, 4), "train_labels": torch.tensor([0, 1] * 3), "features": noise(5, 4)}
MAPS = noise(2, 2, 6, 6)
ODD_MASK = torch.tensor([[True, False, True, False], [False, True, False, True]])
TILES = noise(2, 4, 1, 3, 3)
ORDERS = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0]])
PROMPTS = {"tokens": draw(2, 4), "max_new_tokens": 2}

# function, a valid call, names of tensors in which nan is refused
CALLS = [
    (to_gray, {"images": PICTURES}, ()),
    (shift_hue, {"images": PICTURES, "turns": noise(2, 1, 1, 1)}, ()),
    (
        color_jitter,
        {"images": PICTURES, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
        (),
    ),
    (random_gamma, {"images": PICTURES, "strength": 1.0}, ()),
    (gaussian_blur, {"images": PICTURES, "sigma": (0.1, 2.0)}, ()),
    (crop_and_resize, {"images": PICTURES, "boxes": noise(2, 4) + 1}, ()),
    (random_resized_crop, {"images": PICTURES, "scale": (0.2, 1.0), "ratio": (0.75, 1.3)}, ()),
    (random_horizontal_flip, {"images": PICTURES, "probability": 0.5}, ()),
    (random_affine, {"images": PICTURES, "degrees": 15.0, "shift": 0.1, "fill": 0.0}, ()),
    (embed, {"encoder": torch.nn.Flatten(), "images": PICTURES, "batch_size": 2}, ()),
    (knn_predict, {**LABELED, "k": 2, "temperature": 0.1}, ("train_features", "features")),
    (
        knn_accuracy,
        {**LABELED, "labels": torch.tensor([0, 1, 0, 1, 0]), "k": 2, "temperature": 0.1},
        ("train_features", "features"),
    ),
    (
        linear_probe,
        {**LABELED, "labels": torch.tensor([0, 1, 0, 1, 0]), "strengths": (0.1,)},
        ("train_features", "features"),
    ),
    (
        retrieval,
        {"queries": noise(3, 4), "gallery": noise(5, 4), "targets": draw(3, below=5), "ranks": (1, 2)},
        ("queries", "gallery"),
    ),
    (
        sequence_log_probs,
        {
            "model": model(),
            "tokens": draw(2, 4),
            "answers": (torch.arange(4) > 1).expand(2, 4),
        },
        (),
    ),
    (
        dpo_loss,
        {f"{who}_{which}": noise(3) for who in ("policy", "reference") for which in ("chosen", "rejected")}
        | {"beta": 0.1},
        (),
    ),
    (replay_batch, {"new": draw(2, 4), "old": draw(2, 4), "share": 0.5}, ()),
    (is_held_out, {"mappings": draw(3, 4), "values": 8}, ()),
    (in_context_batch, {"mappings": draw(2, 4), "keys": draw(2, 3, below=4)}, ()),
    (accuracy_by_examples, {"model": model(), "texts": draw(2, 6), "keys": 3}, ()),
    (best_possible, {"texts": draw(2, 6), "values": 4}, ()),
    (induction_score, {"maps": MAPS, "period": 3, "every": 1}, ("maps",)),
    (previous_token_score, {"maps": MAPS, "every": 1}, ("maps",)),
    (score_heads, {"model": model(), "repeated": draw(2, 6)}, ()),
    (answer_loss, {"logits": noise(2, 4, 8), "tokens": draw(2, 4), "answers": ODD_MASK}, ()),
    (make_blanks, {"tokens": draw(40), "count": 3, "length": 8, "span": 1, "generator": source()}, ()),
    (choose_tokens, {"allowed": ODD_MASK, "share": 0.5, "generator": source()}, ()),
    (
        hide_tokens,
        {
            "tokens": draw(2, 4),
            "chosen": ODD_MASK,
            "draws": noise(2, 4),
            "others": draw(2, 4),
            "mask_token": 7,
        },
        (),
    ),
    (
        mask_tokens,
        {
            "tokens": draw(2, 4),
            "mask_token": 7,
            "vocab_size": 8,
            "share": 0.5,
            "special": (9,),
            "generator": source(),
        },
        (),
    ),
    (rms_norm, {"x": noise(2, 4), "weight": noise(4), "eps": 1e-5}, ()),
    (distance_buckets, {"distances": draw(3, 4), "buckets": 8, "max_distance": 12}, ()),
    (rotary_angles, {"positions": draw(2, 3), "head_dim": 4, "theta": 100.0}, ()),
    (rotate, {"x": noise(*HEADS), "angles": noise(2, 3, 2)}, ()),
    (rotary, {"x": noise(*HEADS), "positions": draw(2, 3), "theta": 100.0}, ()),
    (repeat_heads, {"x": noise(*HEADS), "times": 2}, ()),
    (halves_from_pairs, {"weight": noise(8, 3), "heads": 2}, ()),
    (pairs_from_halves, {"weight": noise(8, 3), "heads": 2}, ()),
    (corrupt_spans, {"tokens": draw(4), "missing": ODD_MASK[0], "first_sentinel": 20}, ()),
    (
        span_corruption,
        {"tokens": draw(2, 8), "first_sentinel": 20, "share": 0.3, "mean_span": 2.0, "generator": source()},
        (),
    ),
    (shift_right, {"targets": draw(2, 4), "start": 0}, ()),
    (target_loss, {"logits": noise(2, 4, 8), "targets": draw(2, 4)}, ()),
    (beam_search, {"model": model(), **PROMPTS, "beams": 2, "length_penalty": 1.0, "stop": (1,)}, ()),
    (next_logits, {"model": model(), "tokens": draw(2, 4), "mask": torch.ones(2, 4).bool()}, ()),
    (may_look, {"mask": ODD_MASK, "past": 1}, ()),
    (stream, {"model": model(), **PROMPTS, "mask": torch.ones(2, 4).bool(), "stop": (1,)}, ()),
    (generate, {"model": model(), **PROMPTS, "mask": torch.ones(2, 4).bool(), "stop": (1,)}, ()),
    (surprise, {"model": model(), "tokens": draw(2, 4)}, ()),
    (distinct_ngrams, {"tokens": draw(2, 4), "n": 2}, ()),
    (apply_temperature, {"logits": noise(2, 8), "temperature": 0.5}, ()),
    (top_k_filter, {"logits": noise(2, 8), "k": 2}, ()),
    (top_p_filter, {"logits": noise(2, 8), "p": 0.5}, ()),
    (min_p_filter, {"logits": noise(2, 8), "share": 0.5}, ()),
    (
        repetition_penalty,
        {"logits": noise(2, 8), "tokens": draw(2, 4), "penalty": 1.5, "mask": ODD_MASK},
        (),
    ),
    (sample_token, {"logits": noise(2, 8), "generator": source()}, ("logits",)),
    (mean_cross_entropy, {"logits": noise(4, 8), "targets": draw(4)}, ()),
    (mean_weight_at_distance, {"maps": MAPS, "distance": 1}, ("maps",)),
    (nats_per_token, {"model": model(), "tokens": draw(60), "length": 5, "batch_size": 4}, ()),
    (next_token_loss, {"logits": noise(2, 4, 8), "tokens": draw(2, 4)}, ()),
    (discounted_probabilities, {"counts": draw(4), "shorter": noise(4), "discount": 0.5}, ("shorter",)),
    (power_law_by_line, {"sizes": noise(3) + torch.arange(3), "losses": noise(3)}, ("sizes", "losses")),
    (surprise_of_text, {"model": model(), "tokens": draw(60), "batch_size": 4}, ()),
    (attention_map, {"query": noise(*HEADS), "key": noise(*HEADS), "scale": 0.5}, ()),
    (attention, {"query": noise(*HEADS), "key": noise(*HEADS), "value": noise(*HEADS)}, ()),
    (split_heads, {"x": noise(2, 3, 8), "heads": 2}, ()),
    (merge_heads, {"x": noise(*HEADS)}, ()),
    (quick_gelu, {"x": noise(2, 3)}, ()),
    (gelu_tanh, {"x": noise(2, 3)}, ()),
    (info_nce, {"query": noise(3, 4), "keys": noise(3, 4), "queue": noise(6, 4), "temperature": 0.2}, ()),
    (enqueue, {"queue": noise(6, 4), "keys": noise(3, 4), "start": 0}, ()),
    (nt_xent, {"z1": noise(3, 4), "z2": noise(3, 4), "temperature": 0.2}, ()),
    (prediction_loss, {"prediction": noise(3, 4), "target": noise(3, 4)}, ()),
    (cross_correlation, {"z1": noise(3, 4), "z2": noise(3, 4)}, ()),
    (barlow_loss, {"z1": noise(3, 4), "z2": noise(3, 4), "off_diagonal": 0.1}, ()),
    (variance_term, {"z": noise(3, 4)}, ()),
    (covariance_term, {"z": noise(3, 4)}, ()),
    (
        vicreg_loss,
        {"z1": noise(3, 4), "z2": noise(3, 4), "invariance": 1.0, "variance": 1.0, "covariance": 0.1},
        (),
    ),
    (moved_center, {"center": noise(4), "teacher": noise(3, 4), "momentum": 0.9}, ()),
    (spread, {"z": noise(3, 4)}, ("z",)),
    (effective_rank, {"z": noise(3, 4)}, ("z",)),
    (share_on_objects, {"maps": noise(2, 3, 2, 2), "objects": noise(2, 4, 4) > 0.5}, ()),
    (
        nt_xent_between_classes,
        {"z1": noise(3, 4), "z2": noise(3, 4), "labels": draw(3, below=2), "temperature": 0.2},
        (),
    ),
    (alignment, {"z1": noise(3, 4), "z2": noise(3, 4)}, ()),
    (uniformity, {"z": noise(3, 4)}, ()),
    (information_bound, {"scores": noise(3, 4)}, ()),
    (all_rotations, {"images": PICTURES}, ()),
    (turn_each, {"images": PICTURES, "turns": draw(2, below=4)}, ()),
    (cut_tiles, {"images": PICTURES, "side": 2, "gap": 1, "generator": source()}, ()),
    (normalize_tiles, {"tiles": TILES, "eps": 1e-3}, ()),
    (shuffle_tiles, {"tiles": TILES, "orders": ORDERS, "which": draw(2, below=3)}, ()),
    (farthest_order, {"every": ORDERS, "chosen": torch.tensor([1])}, ()),
    (order_by_edges, {"tiles": TILES, "orders": ORDERS}, ()),
    (to_lab, {"images": PICTURES}, ()),
    (to_rgb, {"lab": PICTURES}, ()),
    (find_colors, {"colors": noise(6, 2), "cell": 10.0, "least": 1}, ("colors",)),
    (nearest_color, {"colors": noise(6, 2), "palette": noise(3, 2)}, ()),
    (rebalancing_weights, {"frequencies": noise(4), "uniform": 0.5}, ("frequencies",)),
    (color_loss, {"logits": noise(2, 4, 3, 3), "targets": draw(2, 3, 3, below=4), "weights": noise(4)}, ()),
    (annealed_mean, {"logits": noise(2, 4, 3, 3), "palette": noise(4, 2), "temperature": 0.38}, ()),
    (add_mark, {"images": PICTURES, "size": 2}, ()),
    (cover_border, {"images": PICTURES, "width": 2}, ()),
    (other_brightness, {"images": PICTURES[:, :1], "generator": source()}, ()),
    (
        cue_accuracy,
        {
            "cue": draw(6, below=3),
            "answers": draw(6, below=3),
            "test_cue": draw(4, below=3),
            "test_answers": draw(4, below=3),
        },
        (),
    ),
    (pick_own, {"predicted": noise(2, 3, 4), "targets": noise(2, 3, 4)}, ()),
    (log_mel, {"waves": noise(2, 600), "bands": 8, "window": 256, "frame": 80}, ()),
    (pool_time, {"features": noise(2, 8, 3), "parts": 2}, ()),
    (voice_folds, {"voices": torch.tensor([0, 1, 1])}, ()),
    (patchify, {"images": PICTURES, "patch_size": 3}, ()),
    (unpatchify, {"patches": noise(2, 4, 27), "patch_size": 3, "channels": 3}, ()),
    (split_patches, {"noise": noise(2, 9), "keep": 3}, ()),
    (pick, {"patches": noise(2, 9, 4), "places": draw(2, 3)}, ()),
    (
        restore_order,
        {"seen": noise(2, 3, 4), "mask_token": noise(4), "restore": torch.arange(9).repeat(2, 1)},
        (),
    ),
    (patch_targets, {"images": PICTURES, "patch_size": 3}, ()),
    (mae_loss, {"painted": noise(2, 4, 3), "target": noise(2, 4, 3), "hidden": ODD_MASK}, ()),
    (undo_normalization, {"painted": noise(2, 4, 3), "patches": noise(2, 4, 3)}, ()),
    (as_pixels, {"painted": noise(2, 4, 27), "images": PICTURES, "patch_size": 3}, ()),
    (
        pretraining_loss,
        {"logits": noise(4, 8), "targets": draw(4), "relation": noise(3, 2), "labels": draw(3, below=2)},
        (),
    ),
    (pseudo_surprise, {"model": model(), "tokens": draw(4), "mask_token": 1}, ()),
    (join_pairs, {"first": draw(2, 3), "second": draw(2, 4), "start_token": 1, "end_token": 2}, ()),
    (
        sentence_pairs,
        {
            "pieces": draw(2, 4),
            "others": draw(2, 4),
            "follows": torch.tensor([True, False]),
            "start_token": 1,
            "end_token": 2,
        },
        (),
    ),
    (
        ask,
        {"text": draw(60), "length": 6, "vocabulary": Vocabulary(8), "count": 3, "generator": source()},
        (),
    ),
    (nearest_mean, LABELED, ("train_features", "features")),
    (class_means, {"features": noise(4, 3), "labels": torch.tensor([0, 1, 1, 2])}, ("features",)),
    (standardize, {"known": noise(4, 3), "features": noise(5, 3)}, ("known", "features")),
    (
        logistic_regression,
        {"features": noise(4, 3), "labels": torch.tensor([0, 1, 1, 2]), "strength": 0.1, "steps": 2},
        ("features",),
    ),
    (
        split_episode,
        {
            "order": torch.tensor([2, 0, 1, 3]),
            "labels": torch.tensor([0, 1, 0, 1]),
            "classes": torch.tensor([1, 0]),
            "shots": 1,
            "queries": 1,
        },
        (),
    ),
    (
        sample_episode,
        {"labels": torch.tensor([0, 1, 0, 1]), "ways": 2, "shots": 1, "queries": 1, "generator": source()},
        (),
    ),
    (
        episode_accuracy,
        {
            "features": noise(4, 3),
            "support": torch.tensor([[0], [1]]),
            "query": torch.tensor([[2], [3]]),
        },
        (),
    ),
]
ELSEWHERE = {  # public functions with tensors that are no pure functions for a reader, or are tested beside what they serve
    "fmlib.augment.draw": {"check_pictures", "uniform"},
    "fmlib.checks": {"check_tensors", "check_finite", "check_likeliest", "as_mask", "check_range"},
    "fmlib.llm.adaptation.fine_tuning": {"fine_tune"},
    "fmlib.llm.adaptation.in_context": {"draw_texts", "train_reader"},
    "fmlib.llm.adaptation.instructions": {"tune_on_instructions"},
    "fmlib.llm.generation.beam": {"search_row"},
    "fmlib.llm.generation.decode": {"check_request"},
    "fmlib.llm.generation.experiments": {"cost_of_repeats"},
    "fmlib.llm.gpt.experiments": {"share_moved", "stream_sizes"},
    "fmlib.llm.gpt.counting": {"next_letter_tables", "table_nats", "shares_elsewhere"},
    "fmlib.llm.gpt.decoder": {"run_blocks"},
    "fmlib.llm.gpt.next_token": {"check_tokens"},
    "fmlib.llm.pretraining.training": {"inputs_and_targets", "train_gpt"},
    "fmlib.llm.tokens.measure": {"unigram_nats", "bigram_nats", "check_token_array", "likeness_to_unused"},
    "fmlib.pretrained": {
        "same",
        "transposed",
        "patches_as_rows",
        "convert",
        "load_tensors",
        "build_model",
        "load_published",
    },
    "fmlib.self_supervised.adaptation.experiments.peeking": {"flattery"},
    "fmlib.self_supervised.adaptation.probe": {"center_and_scale", "choose_strength"},
    "fmlib.self_supervised.adaptation.watching": {"ranks"},
    "fmlib.self_supervised.contrastive.moco": {"check_queue"},
    "fmlib.self_supervised.contrastive.simclr": {"check_pairs", "unit_rows"},
    "fmlib.self_supervised.contrastive.information": {"best_scores"},
    "fmlib.self_supervised.contrastive.taken_apart": {"train_pairs", "aligned_and_spread"},
    "fmlib.self_supervised.contrastive.training": {"two_views", "train_simclr", "train_moco"},
    "fmlib.self_supervised.without_negatives.attention": {"class_attention"},
    "fmlib.self_supervised.without_negatives.byol": {"check_views"},
    "fmlib.self_supervised.without_negatives.collapse": {
        "without_predictor",
        "without_slow_copy",
        "without_stop_gradient",
    },
    "fmlib.self_supervised.without_negatives.dino": {"dino_loss"},
    "fmlib.self_supervised.without_negatives.experiments": {"train_dino_on_two_views"},
    "fmlib.self_supervised.without_negatives.plots": {"plot_attention", "plot_correlations"},
    "fmlib.self_supervised.without_negatives.training": {
        "train_barlow_twins",
        "predicts",
        "train_byol",
        "train_dino",
        "train_vicreg",
    },
    "fmlib.self_supervised.without_negatives.watch": {"entropy_and_divergence"},
    "fmlib.self_supervised.masked.experiments": {
        "asked_nats",
        "painted_out_of_place",
        "painting_errors",
        "paintings",
        "pair_accuracy",
    },
    "fmlib.self_supervised.masked.guesses": {"left_nats", "choose_between"},
    "fmlib.self_supervised.masked.training.bert": {"pair_batch", "train_bert"},
    "fmlib.self_supervised.masked.training.mae": {"train_mae"},
}
ELSEWHERE |= {
    "fmlib.self_supervised.runs": {"as_floats", "fit_recipe"},
    "fmlib.self_supervised.pretext.cpc": {"other_recordings", "other_moments", "cpc_losses"},
    "fmlib.self_supervised.pretext.experiments": {
        *("edges_accuracy", "color_by_gray", "gray_levels", "is_colored", "paint", "painting_measures"),
        *("color_accuracy", "gray_of"),
    },
    "fmlib.self_supervised.pretext.listening": {"hear", "word_and_voice"},
    "fmlib.self_supervised.pretext.rotation": {"check_square"},
    "fmlib.self_supervised.pretext.training.rotation": {"rotation_answers", "train_rotation"},
    "fmlib.self_supervised.pretext.training.jigsaw": {"as_it_is", "jigsaw_accuracy", "train_jigsaw"},
    "fmlib.self_supervised.pretext.training.colorization": {
        *("color_targets", "palette_of", "train_colorizer", "train_regressor"),
    },
    "fmlib.self_supervised.pretext.training.sound": {"train_cpc", "vary"},
}
OUTSIDE = (
    "exercises",
    "viz",
    "data",
    "results",
    "training",
    "compare",
    "__main__",
    "commands",
)
ANY_RANK = {
    (rms_norm, "x"),
    (quick_gelu, "x"),
    (gelu_tanh, "x"),
    (halves_from_pairs, "weight"),
    (pairs_from_halves, "weight"),
}
ANY_TYPE = {
    (add_mark, "images"),
    (cover_border, "images"),
    (embed, "images"),
    (halves_from_pairs, "weight"),
    (pairs_from_halves, "weight"),
    (knn_predict, "train_labels"),
}


def axes(function, name):
    """The axes that a signature names, of one argument."""
    found = inspect.signature(function).parameters[name].annotation
    found = next((part for part in getattr(found, "__args__", (found,)) if hasattr(part, "dim_str")), found)
    return getattr(found, "dim_str", "").split()


def hostile(function, valid, refuses_nan):
    """(argument, what it becomes, why) of every call that must be refused."""
    tensors = {name: value for name, value in valid.items() if isinstance(value, Tensor)}
    named = [axis for name in tensors for axis in axes(function, name)]
    for name, value in tensors.items():
        if (function, name) not in ANY_TYPE:
            yield name, value.long() if value.is_floating_point() else value.double(), "type"
        yield name, value.tolist(), "list"
        yield name, value.to(torch.complex64), "complex"
        if (function, name) not in ANY_RANK:
            yield name, value[None], "one axis more"
            yield name, value[0], "one axis less"
        if function not in (quick_gelu, gelu_tanh):
            yield name, value[:0], "empty"
        for place, axis in enumerate(axes(function, name)):
            if named.count(axis) > 1 and axis.isidentifier() and value.shape[place] > 1:
                yield name, value.narrow(place, 0, value.shape[place] - 1), f"shorter {axis}"
        if name in refuses_nan:
            for bad in (math.nan, math.inf):
                spoiled = value.clone()
                spoiled.view(-1)[-1] = bad
                yield name, spoiled, str(bad)
    for name, value in valid.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, tuple)):
            continue
        for bad in (math.nan, math.inf, "a", True, *((1.5,) if isinstance(value, int) else ())):
            yield name, bad, "number"
        if isinstance(value, tuple):
            yield name, (math.nan,) * len(value), "number"
            yield name, ("a",) * len(value), "number"


@pytest.mark.parametrize(("function", "valid", "refuses_nan"), CALLS, ids=[c[0].__name__ for c in CALLS])
def test_what_a_function_cannot_take_is_refused_by_name(function, valid, refuses_nan, refuses):
    function(**valid)
    for name, bad, why in hostile(function, valid, refuses_nan):
        with refuses((ValueError, TypeError), ".") as caught:
            function(**{**valid, name: bad})
        assert name in str(caught.value), f"{name} ({why}): {caught.value}"
        assert re.search("expected|must", str(caught.value)), f"{name} ({why}): {caught.value}"


def test_every_public_function_on_tensors_is_called_here():
    known = {(f.__module__, f.__name__) for f, _, _ in CALLS}
    known |= {(module, name) for module, names in ELSEWHERE.items() for name in names}
    missing = []
    for info in pkgutil.walk_packages(fmlib.__path__, "fmlib."):
        if any(part in OUTSIDE or part.startswith("_") for part in info.name.split(".")):
            continue
        module = importlib.import_module(info.name)
        for name, function in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != info.name:
                continue
            hints = [str(p.annotation) for p in inspect.signature(function).parameters.values()]
            if (
                any("Tensor" in hint or "ndarray" in hint for hint in hints)
                and (info.name, name) not in known
            ):
                missing.append(f"{info.name}.{name}")
    assert not missing
