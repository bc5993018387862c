"""An evaluation for people: for the terminal, as CSV, as LaTeX, and as a page of before, after and original."""

import csv
import html
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

# metric -> its heading, the factor for print, and the digits.
_HEADINGS: dict[str, tuple[str, float, int]] = {
    "auc_raw": ("AuC, raw (\\%)", 100, 1),
    "auc_rebalanced": ("AuC, rebal.\\ (\\%)", 100, 1),
    "top1_vgg16": ("VGG top-1 (\\%)", 100, 1),
    "top1_efficientnet_lite0": ("EffNet-lite0 top-1 (\\%)", 100, 1),
    "same_class_vgg16": ("VGG same class (\\%)", 100, 1),
    "same_class_efficientnet_lite0": ("EffNet-lite0 same class (\\%)", 100, 1),
    "psnr_db": ("PSNR (dB)", 1, 2),
    "ssim": ("SSIM", 1, 3),
    "lpips": ("LPIPS", 1, 3),
    "fid": ("FID", 1, 2),
    "kid": ("KID ($\\times 10^3$)", 1000, 2),
    "colourfulness": ("colourfulness", 1, 1),
    "colourfulness_difference": ("$\\Delta$ colourfulness", 1, 1),
}


def as_text(result: dict[str, Any]) -> str:
    """The table for a terminal: mean and interval per metric, and what was not run."""
    metrics = list(next(iter(result["models"].values())))
    lines = [f"{result['n_images']} photographs of {', '.join(result['data'])}; {result['interval']}"]
    if refused := ", ".join(f"{n} {reason}" for reason, n in sorted(result["n_refused"].items())):
        lines.append(f"not used: {refused}")
    for metric in metrics:
        lines.append(metric)
        for name, row in result["models"].items():
            e = row[metric]
            interval = "" if e["ci_low"] is None else f"  [{e['ci_low']:.4f}, {e['ci_high']:.4f}]"
            lines.append(f"  {name:<22} {e['mean']:9.4f}{interval}")
    lines += [f"not run: {metric}: {why}" for metric, why in result["not_run"].items()]
    return "\n".join(lines)


def as_csv(result: dict[str, Any]) -> str:
    """One line per model and metric: model, metric, mean, ci_low, ci_high, n_images."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["model", "metric", "mean", "ci_low", "ci_high", "n_images"])
    for name, row in result["models"].items():
        for metric, e in row.items():
            n = result["n_labelled"] if metric.startswith("top1_") else result["n_images"]
            ends = ["" if e[k] is None else repr(e[k]) for k in ("ci_low", "ci_high")]
            writer.writerow([name, metric, repr(e["mean"]), *ends, n])
    return stream.getvalue()


def as_latex(result: dict[str, Any]) -> str:
    """A booktabs table in the manner of the paper's Table 1, half the width of the interval behind each mean."""
    metrics = [m for m in _HEADINGS if m in next(iter(result["models"].values()))]
    lines = [
        f"% {result['n_images']} photographs of {', '.join(map(_escaped, result['data']))}; "
        f"{result['interval'].replace('%', 'percent')}",
        *(f"% not run: {metric}: {why}" for metric, why in result["not_run"].items()),
        "\\begin{tabular}{l" + "r" * len(metrics) + "}",
        "\\toprule",
        "Method & " + " & ".join(_HEADINGS[m][0] for m in metrics) + " \\\\",
        "\\midrule",
    ]
    for name, row in result["models"].items():
        cells = []
        for metric in metrics:
            _, factor, digits = _HEADINGS[metric]
            e = row[metric]
            half = "" if e["ci_low"] is None else f" $\\pm$ {(e['ci_high'] - e['ci_low']) / 2 * factor:.{digits}f}"
            cells.append(f"{e['mean'] * factor:.{digits}f}{half}")
        lines.append(f"{_escaped(name)} & " + " & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "_&%#$" else c for c in text.replace("\\", "/"))


class Gallery:
    """A folder with one page: a row per photograph with grey, every model's picture and the original."""

    def __init__(self, folder: Path, *, n_shown: int = 200) -> None:
        self.folder, self.n_shown = folder, n_shown
        self.rows: dict[str, dict[str, str]] = {}
        self.numbers: dict[tuple[str, str], int] = {}
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def add(self, model: str, photo: str, rgb_HW3: npt.NDArray[np.uint8]) -> None:
        """Take a picture in; beyond `n_shown` photographs they are left out."""
        if photo not in self.rows and len(self.rows) >= self.n_shown:
            return
        row = self.rows.setdefault(photo, {})
        file = f"images/{list(self.rows).index(photo):05d}-{model}.webp"
        Image.fromarray(rgb_HW3).save(self.folder / file, "WEBP", quality=90)
        row[model] = file

    def write(self, result: dict[str, Any]) -> Path:
        """index.html over everything taken in."""
        columns = ["grey", *(m for m in result["models"] if m not in ("gray", "real")), "real"]
        heads = {"grey": "before", "real": "original"}
        body = []
        for photo, row in self.rows.items():
            cells = ""
            for column in columns:
                if column in row:
                    alternative = html.escape(f"{photo}, {heads.get(column, column)}")
                    cells += f'<td><img loading="lazy" src="{html.escape(row[column])}" alt="{alternative}"></td>'
            body.append(f"<tr><th scope=row>{html.escape(photo)}</th>{cells}</tr>")
        head = "".join(f"<th scope=col>{html.escape(heads.get(c, c))}</th>" for c in columns)
        table = html.escape(as_text(result))
        page = _PAGE.format(n=len(self.rows), of=result["n_images"], head=head, body="\n".join(body), table=table)
        path = self.folder / "index.html"
        path.write_text(page, encoding="utf-8")
        return path


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Before, after, original</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
thead th {{ position: sticky; top: 0; background: #fff; padding: .5rem; text-align: left; }}
tbody th {{ font-weight: normal; font-size: .8rem; max-width: 9rem; overflow-wrap: anywhere; text-align: left; }}
td {{ padding: 2px; }}
img {{ display: block; width: min(256px, 28vw); height: auto; background: #ddd; }}
pre {{ overflow-x: auto; font-size: .85rem; }}
</style>
<h1>Before, after, original</h1>
<p>{n} of {of} photographs that were judged.</p>
<div class="scroll" tabindex="0"><table><thead><tr><th scope=col>photograph</th>{head}</tr></thead><tbody>
{body}
</tbody></table></div>
<h2>Numbers</h2>
<pre tabindex="0">{table}</pre>
</html>
"""
