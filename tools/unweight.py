"""Take a share of the rebalancing back from a network that was trained without `unweighting` in its recipe.

    python -m tools.unweight --weights OLD.safetensors --share 0.5 --saturation 1.05 --small --out NEW.safetensors

The weights stay, but for the bias of the last layer; the recipe in the file says so, and its list of changes, too.
"""

import argparse
from pathlib import Path

from colorizer.arguments import at_least
from colorizer.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from colorizer.models import ClassifyingColorizer
from colorizer.models.base import MAX_SATURATION
from colorizer.rebalancing import PriorError, unweighting, weights_of


def unweight(weights: Path, model_name: str, *, share: float, saturation: float, small: bool, out: Path) -> str:
    """Write `weights` anew with `share` of the rebalancing taken back; returns the new file's SHA-256."""
    model, checkpoint = load_checkpoint(model_name, weights)
    if not isinstance(model, ClassifyingColorizer) or not checkpoint.recipe:
        raise CheckpointError(f"{weights}: expected a network of ours that classifies, got {checkpoint.name}")
    if checkpoint.recipe.get("objective") == "masked":
        raise CheckpointError(f"{weights}: learnt without rebalancing, so there is nothing to take back")
    if before := checkpoint.recipe.get("unweighting"):
        raise CheckpointError(f"{weights}: has {before:g} of its rebalancing taken back already; take the file before")
    model.shift_logits(unweighting(weights_of(checkpoint.recipe), share=share))
    kept = {"unweighting": share, "shown_saturation": saturation}
    changes = [*checkpoint.results.get("changes", []), kept | {"of": checkpoint.sha256}]
    return save_checkpoint(
        out, model, arguments=checkpoint.arguments, recipe=checkpoint.recipe | kept,
        results=checkpoint.results | {"changes": changes},
        seen_phashes=[h % (1 << 64) for h in checkpoint.seen_phashes.tolist()], small=small, name=checkpoint.name,
    )  # fmt: skip


def main() -> int:
    """Read, shift, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", default="truehue-lite")
    parser.add_argument("--share", type=at_least(0.0, 1.0), required=True)
    parser.add_argument("--saturation", type=at_least(0.0, MAX_SATURATION), default=0.0, help="0: its model's own")
    parser.add_argument("--small", action="store_true", help="int8, as the shipped weights are")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        digest = unweight(
            given.weights, given.model, share=given.share, saturation=given.saturation, small=given.small, out=given.out
        )
    except (CheckpointError, PriorError) as error:
        parser.error(str(error))
    print(f"{given.out}: {digest}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
