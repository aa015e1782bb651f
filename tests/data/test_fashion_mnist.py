"""Fashion-MNIST: balanced, disjoint, the same in both sources."""

import hashlib
import struct
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmlib.data import DataError, _store, fashion_mnist, load_fashion_mnist

SPLITS = {"train": 1_800, "validation": 200, "test": 1_000}  # pictures of each class


@pytest.fixture(scope="module")
def splits():
    return {split: load_fashion_mnist(split) for split in SPLITS}


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_its_count_for_every_class(splits, split):
    pictures = splits[split]
    assert pictures.labels.bincount().tolist() == [SPLITS[split]] * 10
    assert len(pictures) == 10 * SPLITS[split]


@pytest.mark.parametrize("split", SPLITS)
def test_shapes_and_types_are_as_documented(splits, split):
    pictures = splits[split]
    assert pictures.images.shape == (len(pictures), 1, 28, 28)
    assert (pictures.images.dtype, pictures.labels.dtype) == (torch.uint8, torch.int64)
    assert len(pictures.class_names) == 10
    assert pictures.source_index.shape == (len(pictures),)


def test_no_picture_is_in_two_splits_or_twice_in_one(splits):
    hashes = [
        hashlib.sha256(image.numpy().tobytes()).digest() for part in splits.values() for image in part.images
    ]
    assert len(set(hashes)) == len(hashes) == 30_000


def test_train_and_validation_come_from_different_places_of_the_original(splits):
    train, validation = (set(splits[name].source_index.tolist()) for name in ("train", "validation"))
    assert not train & validation
    assert max(train | validation) < 60_000


def test_the_test_split_is_the_whole_original_in_order(splits):
    assert splits["test"].source_index.tolist() == list(range(10_000))


def test_the_pictures_are_those_of_the_original_to_the_bit(splits):
    labels = splits["test"].labels.to(torch.uint8).numpy().tobytes()
    head = struct.pack(">HBBI", 0, 8, 1, 10_000)
    assert hashlib.sha256(head + labels).hexdigest() == fashion_mnist.RAW_FILES["t10k-labels-idx1-ubyte"][0]
    head = struct.pack(">HBBIII", 0, 8, 3, 10_000, 28, 28)
    pixels = splits["test"].images.numpy().tobytes()
    assert hashlib.sha256(head + pixels).hexdigest() == fashion_mnist.RAW_FILES["t10k-images-idx3-ubyte"][0]


def test_pictures_look_like_their_class(splits):
    trousers = splits["train"].images[splits["train"].labels == 1].float().mean(0)[0]
    assert trousers[20, 14] < trousers[20, 10]  # a gap between the legs
    assert trousers[20, 14] < trousers[20, 17]


def test_what_a_caller_does_to_the_tensors_does_not_reach_the_next_caller():
    first = load_fashion_mnist("validation")
    first.images.zero_()
    first.labels.zero_()
    assert load_fashion_mnist("validation").images.any()
    assert load_fashion_mnist("validation").labels.any()


def test_loading_twice_gives_the_same():
    first, second = load_fashion_mnist("validation"), load_fashion_mnist("validation")
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)


def test_the_embedded_files_stay_below_twelve_megabytes():
    assert sum(path.stat().st_size for path in (_store.FILES / "fashion_mnist").iterdir()) < 12e6


@pytest.mark.slow
def test_loading_takes_less_than_a_second():
    fashion_mnist._embedded.cache_clear()
    start = time.perf_counter()
    load_fashion_mnist("train")
    assert time.perf_counter() - start < 3  # measured 0.5 s; room for a busy machine


@pytest.mark.parametrize("arguments", [("dev",), ("Train",), ("",), ("train", "web"), ("train", "")])
def test_an_unknown_split_or_source_is_refused_with_the_choices(arguments):
    choices = "'embedded', 'torchvision'" if len(arguments) > 1 else "'train', 'validation', 'test'"
    with pytest.raises(ValueError, match=f"{arguments[-1]!r}: choose one of {choices}"):
        load_fashion_mnist(*arguments)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**31))
def test_a_sample_is_balanced_and_drawn_without_repeats(per_class, seed):
    sample = load_fashion_mnist("validation").sample(per_class, torch.Generator().manual_seed(seed))
    assert sample.labels.bincount().tolist() == [per_class] * 10
    assert len(set(sample.source_index.tolist())) == 10 * per_class


def test_a_sample_depends_on_its_generator_alone(splits):
    def draw(seed):
        return splits["train"].sample(10, torch.Generator().manual_seed(seed)).source_index.tolist()

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


@pytest.mark.parametrize("per_class", [0, -1, True])
def test_a_sample_of_nothing_is_refused(splits, per_class):
    with pytest.raises(ValueError, match="whole number, 1 or more"):
        splits["validation"].sample(per_class)


def test_a_sample_that_is_too_large_names_the_class_and_what_it_has(splits):
    with pytest.raises(ValueError, match="'T-shirt/top' has only 200"):
        splits["validation"].sample(201)


def test_a_subset_keeps_picture_and_label_together(splits):
    pictures = splits["validation"]
    part = pictures.subset(torch.tensor([5, 3, -1]))
    assert torch.equal(part.images, pictures.images[[5, 3, 1999]])
    assert part.labels.tolist() == pictures.labels[[5, 3, 1999]].tolist()


@pytest.fixture(scope="module")
def raw_root(tmp_path_factory):
    """torchvision's folder with a made-up full set: the embedded pictures in their places, black elsewhere."""
    root = tmp_path_factory.mktemp("cache")
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    sums = {}
    for part, count, names in (("train", 60_000, ("train", "validation")), ("t10k", 10_000, ("test",))):
        images, labels = np.zeros((count, 28, 28), np.uint8), np.zeros(count, np.uint8)
        for name in names:
            pictures = load_fashion_mnist(name)
            images[pictures.source_index] = pictures.images[:, 0].numpy()
            labels[pictures.source_index] = pictures.labels.numpy()
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(content)
            sums[f"{part}-{kind}-ubyte"] = (hashlib.sha256(content).hexdigest(), len(content))
    return root, sums


@pytest.fixture
def torchvision_root(raw_root, monkeypatch):
    root, sums = raw_root
    monkeypatch.setattr(fashion_mnist, "RAW_FILES", sums)
    return root


def test_torchvisions_validation_pictures_are_the_embedded_ones(torchvision_root, splits):
    pictures = load_fashion_mnist("validation", "torchvision", root=torchvision_root, download=False)
    assert torch.equal(pictures.source_index, splits["validation"].source_index)
    assert torch.equal(pictures.images, splits["validation"].images)
    assert torch.equal(pictures.labels, splits["validation"].labels)


def test_torchvisions_training_pictures_are_all_but_the_validation_pictures(torchvision_root, splits):
    pictures = load_fashion_mnist("train", "torchvision", root=torchvision_root, download=False)
    assert len(pictures) == 58_000
    assert not set(pictures.source_index.tolist()) & set(splits["validation"].source_index.tolist())
    where = torch.isin(pictures.source_index, splits["train"].source_index)
    assert torch.equal(pictures.images[where], splits["train"].images)
    assert torch.equal(pictures.labels[where], splits["train"].labels)


def test_torchvisions_test_pictures_are_the_embedded_ones(torchvision_root, splits):
    pictures = load_fashion_mnist("test", "torchvision", root=torchvision_root, download=False)
    assert torch.equal(pictures.images, splits["test"].images)
    assert torch.equal(pictures.labels, splits["test"].labels)


def test_torchvisions_folder_is_found_through_the_environment(torchvision_root, monkeypatch):
    monkeypatch.setenv("FMLIB_DATA", str(torchvision_root))
    assert len(load_fashion_mnist("test", "torchvision", download=False)) == 10_000


def test_torchvision_itself_reads_the_same_pictures(torchvision_root, splits):
    from torchvision.datasets import FashionMNIST

    data = FashionMNIST(str(torchvision_root), train=False, download=False)
    assert torch.equal(data.data.unsqueeze(1), splits["test"].images)
    assert tuple(data.classes) == splits["test"].class_names


def test_a_corrupt_torchvision_file_is_refused_by_name(torchvision_root, tmp_path):
    copy = tmp_path / "FashionMNIST" / "raw"
    copy.mkdir(parents=True)
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        content = bytearray((torchvision_root / "FashionMNIST" / "raw" / name).read_bytes())
        content[-1] ^= 1
        (copy / name).write_bytes(content)
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte"):
        load_fashion_mnist("test", "torchvision", root=tmp_path, download=False)


def test_without_the_set_and_without_a_download_the_message_names_the_ways_out(tmp_path):
    with pytest.raises(DataError, match='source="embedded"') as refusal:
        load_fashion_mnist("train", "torchvision", root=tmp_path, download=False)
    assert "train-images-idx3-ubyte" in str(refusal.value)
    assert "download=True" in str(refusal.value)


@pytest.mark.parametrize("error", [RuntimeError("Error downloading"), OSError("Network is unreachable")])
def test_offline_the_message_names_the_ways_out(tmp_path, monkeypatch, error):
    import torchvision.datasets

    def unreachable(*args, **kwargs):
        raise error

    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "download", unreachable)
    with pytest.raises(DataError, match='source="embedded"') as refusal:
        load_fashion_mnist("train", "torchvision", root=tmp_path)
    assert str(error) in str(refusal.value)
    assert "root=" in str(refusal.value)


def test_without_a_home_the_whole_set_is_refused_with_what_helps(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FMLIB_DATA", raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    with pytest.raises(DataError, match=r"no home folder.*set FMLIB_DATA"):
        load_fashion_mnist(source="torchvision")
