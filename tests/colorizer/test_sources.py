"""Photographs from everywhere, in one list that any process can read from."""

import http.server
import io
import os
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorizer.data import scan_photos
from colorizer.motifs import near_duplicate_groups
from colorizer.photos import PhotoError, open_photo
from colorizer.prior import compute_prior
from colorizer.rebalancing import PriorError, load_prior, smoothed_prior
from colorizer.sources import list_photos

from .conftest import make_photo


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    make_photo(seed).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three WebDataset shards: pictures with their labels beside them."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(3):
        with tarfile.open(folder / f"photos-{shard:03d}.tar", "w") as archive:
            for i in range(4):
                for name, content in ((f"{shard}{i}.png", png(4 * shard + i)), (f"{shard}{i}.cls", b"7")):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
    return folder


def test_tar_shards_are_read_by_name_pattern_and_at_random(shards: Path) -> None:
    """`photos-{000..002}.tar` is three shards; each picture is readable on its own, labels are left alone."""
    photos = list_photos(str(shards / "photos-{000..002}.tar"))
    assert [p.name for p in photos] == [f"{s}{i}.png" for s in range(3) for i in range(4)]
    assert photos[9].read_bytes() == png(9)
    found, refused = scan_photos([shards / "photos-001.tar"], longest_px=64, shortest_px=16, workers=1)
    assert (len(found), refused) == (4, [])


def test_shards_by_address_are_fetched_once(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An http address of a shard: fetched into the cache, then read like any other, also when the server is gone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shards))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/photos-{{000..001}}.tar"
        first = list_photos(url)
        server.shutdown()
        thread.join()
    assert [p.name for p in first] == [f"{s}{i}.png" for s in range(2) for i in range(4)]
    assert [p.read_bytes() for p in list_photos(url)] == [png(i) for i in range(8)]
    with pytest.raises(PhotoError, match=r"expected the address of a \.tar or \.zip"):
        list_photos("http://127.0.0.1/x.html")


def test_torchvisions_data_sets_are_sources_by_name(tmp_path: Path) -> None:
    """`torchvision:FakeData:5` has five pictures; an unknown name and a missing folder say what to do."""
    photos = list_photos("torchvision:FakeData:5")
    assert len(photos) == 5
    assert open_photo(photos[3].read_bytes()).size == (48, 48)
    with pytest.raises(PhotoError, match="NAME of CIFAR10"):
        list_photos("torchvision:Nothing:x")
    with pytest.raises(PhotoError, match="download it first"):
        list_photos(f"torchvision:CIFAR10:{tmp_path}")


def test_broken_archives_and_entries_are_named(tmp_path: Path) -> None:
    """A damaged archive is one error; a damaged entry is one refusal."""
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(PhotoError, match=r"x\.tar: expected a folder"):
        list_photos(tmp_path / "x.tar")
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr("a.png", png(1))
        archive.writestr("__MACOSX/._a.png", b"")
    content = bytearray((tmp_path / "y.zip").read_bytes())
    content[60:80] = bytes(20)
    (tmp_path / "y.zip").write_bytes(bytes(content))
    photos, refused = scan_photos([tmp_path / "y.zip"], longest_px=64, shortest_px=16)
    assert (photos, [(r.name, r.reason) for r in refused]) == ([], [("a.png", "unreadable")])


def test_grouping_by_bands_finds_what_comparing_all_finds() -> None:
    """Random hashes with planted neighbours: the same groups as the transitive closure over all pairs."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 1 << 63, size=120, dtype=np.uint64).tolist()
    for i in range(60):
        h = hashes[i]
        for bit in rng.choice(64, size=int(rng.integers(0, 9)), replace=False):
            h ^= 1 << int(bit)
        hashes.append(h)
    n = len(hashes)
    near = np.array([[(a ^ b).bit_count() <= 6 for b in hashes] for a in hashes])
    while True:
        wider = near @ near
        if (wider == near).all():
            break
        near = wider
    groups = near_duplicate_groups(hashes)
    assert ((groups[:, None] == groups[None]) == near).all()
    assert len(set(groups.tolist())) < n


def test_the_prior_of_a_data_set_is_its_colours_smoothed(tmp_path: Path) -> None:
    """One flat colour: its mass is spread by the Gaussian over the bins around, nothing is lost, and it loads."""
    counts = np.zeros(313)
    prior = load_prior()
    counts[int(prior.argmax())] = 10.0
    import torch

    smooth = smoothed_prior(torch.from_numpy(counts))
    assert float(smooth.sum()) == pytest.approx(1.0)
    top = smooth.topk(5).values
    # neighbours 10 units away: exp(-100 / 50) of the middle (sigma 5)
    assert float(top[1] / top[0]) == pytest.approx(np.exp(-2), rel=1e-3)
    with pytest.raises(PriorError, match="sum above 0"):
        smoothed_prior(torch.zeros(313))
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4):
        soft = Image.blend(make_photo(seed), Image.new("RGB", (72, 64), (128, 128, 128)), 0.8)
        soft.save(folder / f"{seed}.png")
    (folder / "broken.png").write_bytes(b"x")
    report = compute_prior([folder], tmp_path / "prior.npy", sigma=5.0)
    assert (report.n_photos, report.n_refused) == (4, {"unreadable": 1})
    assert float(load_prior(tmp_path / "prior.npy").sum()) == pytest.approx(1.0)


def test_a_pipe_among_photographs_is_left_alone(tmp_path: Path) -> None:
    """Reading it would wait for ever; a link to nothing is listed, so that it is refused by name."""
    (tmp_path / "a.png").write_bytes(png(1))
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert [p.name for p in list_photos(tmp_path)] == ["a.png", "gone.png"]


def test_a_torchvision_set_gets_its_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`torchvision:STL10:test:FOLDER` asks for the test part; without a split torchvision's own default holds."""
    import torchvision.datasets

    asked: list[dict[str, object]] = []
    monkeypatch.setattr(torchvision.datasets, "STL10", lambda **options: (asked.append(options), [])[1])
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", lambda **options: (asked.append(options), [])[1])
    for text in ("STL10:test", "STL10", "CIFAR100:test", "CIFAR100"):
        assert list_photos(f"torchvision:{text}:{tmp_path}") == []
    assert asked == [
        {"root": str(tmp_path), "split": "test"}, {"root": str(tmp_path)},
        {"root": str(tmp_path), "train": False}, {"root": str(tmp_path), "train": True},
    ]  # fmt: skip


def test_small_and_missing_photographs_are_refused_by_reason(tmp_path: Path) -> None:
    """Each with its size and what is needed; a prior of nothing says what was there instead."""
    make_photo(1, size=(40, 15)).save(tmp_path / "small.png")
    make_photo(2, size=(40, 16)).save(tmp_path / "enough.png")
    photos, refused = scan_photos([tmp_path], longest_px=64, shortest_px=16)
    assert [p.name for p in photos] == ["enough.png"]
    assert [(r.name, r.reason, r.detail) for r in refused] == [("small.png", "too_small", "40 x 15, needs 16")]
    (tmp_path / "enough.png").unlink()
    make_photo(3).convert("L").save(tmp_path / "small.png")
    with pytest.raises(PriorError, match=r"expected colour photographs in .*, got none \(\{'grey': 1\}\)"):
        compute_prior([tmp_path], tmp_path / "prior.npy", sigma=5.0)
    assert not (tmp_path / "prior.npy").exists()
