"""Several single-threaded processes that compute one step's gradients together.

Two processes of one thread each do half as much again as one process of two threads, and where the cores are shared
with other work they wait for each other once per step instead of once per operation.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

import torch
from torch import multiprocessing

WAIT_SECONDS = 900
"""A step that takes longer than this has lost a helper: fail rather than wait for ever."""

ComputeLoss = Callable[[torch.nn.Module], torch.Tensor]
Prepare = Callable[[int], tuple[torch.nn.Module, ComputeLoss]]
"""Gives a helper, by its place, an empty network and its own stream of lessons; picklable."""


@dataclass(frozen=True)
class Desk:
    """What leader and helpers share: weights, one flat gradient and one loss per helper, and the turn-taking."""

    weights: dict[str, torch.Tensor]
    gradients: torch.Tensor
    losses: torch.Tensor
    finished: torch.Tensor
    turn: Barrier


def flatten(network: torch.nn.Module, target: torch.Tensor) -> None:
    """Copy all gradients into one vector; unused weights count as zero."""
    start = 0
    for parameter in network.parameters():
        part = target[start : start + parameter.numel()]
        part.zero_() if parameter.grad is None else part.copy_(parameter.grad.flatten())
        start += parameter.numel()


def add(network: torch.nn.Module, gradients: torch.Tensor) -> None:
    """Replace the leader's gradients by the mean of its own and the helpers' [helpers, weights]."""
    start = 0
    for parameter in network.parameters():
        if parameter.grad is not None:
            others = gradients[:, start : start + parameter.numel()].sum(dim=0)
            parameter.grad.add_(others.view_as(parameter)).div_(len(gradients) + 1)
        start += parameter.numel()


def _help(desk: Desk, place: int, prepare: Prepare) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader decides when to stop
    torch.set_num_threads(1)
    network, compute = prepare(place)
    network.load_state_dict(desk.weights, assign=True)
    while True:
        desk.turn.wait(WAIT_SECONDS)
        if desk.finished.item():
            return
        network.zero_grad(set_to_none=True)
        loss = compute(network)
        loss.backward()
        flatten(network, desk.gradients[place - 1])
        desk.losses[place - 1] = loss.detach()
        desk.turn.wait(WAIT_SECONDS)


class Crew:
    """The leader's side: it holds the network whose weights the helpers see."""

    def __init__(self, network: torch.nn.Module, prepare: Prepare, members: int) -> None:
        context = multiprocessing.get_context("spawn")
        weights = sum(parameter.numel() for parameter in network.parameters())
        network.share_memory()
        self._desk = Desk(
            weights=network.state_dict(),
            gradients=torch.zeros(members - 1, weights).share_memory_(),
            losses=torch.zeros(members - 1).share_memory_(),
            finished=torch.zeros(1).share_memory_(),
            turn=context.Barrier(members),
        )
        self._network = network
        _, self._compute = prepare(0)
        for place in range(1, members):
            context.Process(target=_help, args=(self._desk, place, prepare), daemon=True).start()

    def backward(self) -> float:
        """One step's gradients, averaged over the crew, in the leader's weights; returns the mean loss."""
        desk = self._desk
        desk.turn.wait(WAIT_SECONDS)
        loss = self._compute(self._network)
        loss.backward()
        desk.turn.wait(WAIT_SECONDS)
        add(self._network, desk.gradients)
        return (loss.item() + desk.losses.sum().item()) / (len(desk.losses) + 1)

    def dismiss(self) -> None:
        self._desk.finished.fill_(1)
        self._desk.turn.wait(WAIT_SECONDS)
