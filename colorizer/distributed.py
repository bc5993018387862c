"""One process or many: which of them this is, on which device, and what they tell each other.

Started by torchrun, a process finds its place in the environment (RANK, WORLD_SIZE, LOCAL_RANK); otherwise it is alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

T = TypeVar("T")
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """The place of this process among `size`, and its device."""

    rank: int = 0
    size: int = 1
    device: torch.device = _CPU

    @property
    def is_first(self) -> bool:
        """The one process that writes files and talks."""
        return self.rank == 0

    def gather(self, mine: T) -> list[T]:
        """Everybody's object, in the order of ranks, for everybody."""
        if self.size == 1:
            return [mine]
        everyone: list[T] = [mine] * self.size
        dist.all_gather_object(everyone, mine)
        return everyone

    def mean(self, *values: float) -> list[float]:
        """Means over the processes."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return [float(v) / self.size for v in tensor]

    def wait(self) -> None:
        """Until everybody is here."""
        if self.size > 1:
            dist.barrier()

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over the processes; itself, if there is one process."""
        if self.size == 1 or not any(p.requires_grad for p in network.parameters()):
            return network
        ids = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids)


def pick_device(name: str = "auto", local_rank: int = 0) -> torch.device:
    """`auto` is a GPU if there is one; otherwise what is asked for.  Raises ValueError for a GPU that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {name}: torch sees no GPU here; use --device cpu")
    return torch.device("cuda", local_rank) if name == "cuda" else torch.device(name)


@contextmanager
def joined(device: str = "auto") -> Iterator[World]:
    """The world of this run: torchrun's, if it started us, else a world of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    place = pick_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield World(device=place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()
