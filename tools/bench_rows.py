"""Rows of a benchmark that outlive an interruption: measured once, for one version of the program."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]


def processor() -> str:
    """The processor's name and what of it matters to a network."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = next((x.partition(":")[2].strip() for x in text.splitlines() if x.startswith("model name")), "a processor")
    has = [flag for flag in ("avx512_bf16", "avx512_vnni", "amx_bf16") if flag in text]
    return f"{name} ({', '.join(has) or 'none of avx512_bf16, avx512_vnni, amx_bf16'})"


class Rows:
    """A file with a line for each row; those of other code or another machine do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        digest = hashlib.sha256(f"{torch.__version__} {torch.get_num_threads()} {processor()}".encode())
        for file in sorted([*ROOT.glob("tools/bench_*.py"), *ROOT.glob("colorizer/**/*.py")]):
            digest.update(file.read_bytes())
        self._version = digest.hexdigest()[:16]
        self._found: dict[str, Any] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                version, key, found = json.loads(line)
            except ValueError:
                continue  # cut short by the interruption
            if version == self._version:
                self._found[key] = found

    def row(self, key: str, measure: Callable[[], Any]) -> Any:
        """What `measure` found when it was first called for this key."""
        if key not in self._found:
            self._found[key] = measure()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps([self._version, key, self._found[key]]))
        print(f"{time.strftime('%H:%M:%S')} {key}: {json.dumps(self._found[key])}", flush=True)
        return self._found[key]

    def forget(self) -> None:
        """The page is written."""
        self.path.unlink(missing_ok=True)
