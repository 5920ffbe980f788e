"""Cohorts: networks of one shape and recipe trained as one. Each comes out as it does alone, to rounding.

A GPU finishes a small network's step before Python has launched the next one. The weights of a cohort are
stacked, so that a step of all its members takes as many launches as a step of one: the forward pass is
`torch.vmap` over the members, the loss is the sum of theirs, and an optimizer that works number by number
does to each what it does to it alone. Images, their order, seeds and batch statistics are a member's own.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call, stack_module_state
from torch.nn import functional as F

from reuselab.experiment import bases, train
from reuselab.experiment import cell as cells_
from reuselab.experiment.cell import Cell
from reuselab.experiment.models import Network
from reuselab.experiment.train import Images, Recipe

LARGEST = 256  # members
BUSY = 2**30  # bytes that a step keeps for its way back: with more, a GPU is busy without company


class Task(NamedTuple):
    """What `train.train` is asked to do."""

    net: Network
    images: Images
    labels: Tensor
    recipe: Recipe
    seed: int


def train_together(tasks: Sequence[Task]) -> list[list[float]]:
    """`train.train` of each of the `tasks`, in place, all at once; a list of mean losses each.

    The networks must have one shape, with as many frozen blocks, and the tasks one recipe and as many images
    each: ValueError where they have not. Dropout is drawn anew for each member. A cohort holds its images, or
    what its frozen blocks make of them, as numbers: `room` says how many members there is memory for.
    """
    recipe = tasks[0].recipe
    if any((task.recipe, _sizes(task)) != (recipe, _sizes(tasks[0])) for task in tasks):
        raise ValueError("a cohort needs networks of one shape, one recipe and equally many images")
    where = train.device(recipe.device)
    inputs, tops = _lifted(tasks, where)
    labels = torch.stack([task.labels.to(where) for task in tasks])
    weights, state = _stacked(tops)
    n, batches = labels.shape[1], max(1, labels.shape[1] // recipe.batch)
    learnt: Any = nn.ParameterList(weights.values())
    optimizer, schedule = train._optimizer(learnt, recipe, recipe.epochs * batches)
    generators = [torch.Generator().manual_seed(task.seed) for task in tasks]
    members = torch.arange(len(tasks), device=where)[:, None]
    logits = _forward(tops[0])

    def losses(batch: Tensor, chances: Tensor | None) -> Tensor:
        """Mean loss of each member on a batch of its own, images [members, B]."""
        x = inputs[members, batch]
        if chances is not None:
            own, along = chances[members, batch].flatten(0, 1), tasks[0].images.halves_along
            x = train.augmented(x.flatten(0, 1), own, along).unflatten(0, batch.shape)
        with torch.autocast(where.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            shown, right = logits(weights, state, x).flatten(0, 1), labels[members, batch].flatten()
            each = F.cross_entropy(shown, right, label_smoothing=recipe.label_smoothing, reduction="none")
        return each.unflatten(0, batch.shape).mean(1)

    history = []
    for _ in range(recipe.epochs if optimizer else 0):
        orders, chances = _drawn(generators, n, where, augment=recipe.augment)
        total = torch.zeros(len(tasks), device=where)
        for batch in orders.tensor_split(batches, dim=1):
            loss = losses(batch, chances)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        history.append((total / batches).tolist())
    for i, top in enumerate(tops):
        top.load_state_dict({name: (weights | state)[name][i] for name in top.state_dict()})
    return [list(own) for own in zip(*history)] or [[] for _ in tasks]


def _sizes(task: Task) -> Any:
    shapes = {name: value.shape for name, value in task.net.state_dict().items()}
    return task.net.frozen, shapes, len(task.labels), task.images.shape


def _lifted(tasks: Sequence[Task], where: torch.device) -> tuple[Tensor, list[nn.Module]]:
    """What the part of each network that trains is shown, [members, images, ...], and that part."""
    inputs, tops = [], []
    for net, images, _, recipe, _ in tasks:
        net.to(where).to(memory_format=torch.channels_last).train()
        images = images.to(where)
        shown, top = (images, net) if recipe.augment else train.lift(net, images)
        inputs.append(torch.cat([shown[i : i + 1024] for i in range(0, len(images), 1024)]))
        tops.append(top)
    return torch.stack(inputs), tops


def _stacked(tops: list[nn.Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights and buffers of all members by name, the member first; what is frozen stays so."""
    weights, state = stack_module_state(tops)
    return {
        name: nn.Parameter(value.detach(), requires_grad=value.requires_grad)
        for name, value in weights.items()
    }, state


def _forward(top: nn.Module) -> Callable[[dict[str, Tensor], dict[str, Tensor], Tensor], Tensor]:
    """(weights, buffers, inputs [members, B, ...]) to logits [members, B, classes]."""

    def one(weights: dict[str, Tensor], state: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(top, (weights, state), (x,))

    def all_(*given: Any) -> Tensor:
        with (
            warnings.catch_warnings()
        ):  # where there is no rule for the whole stack PyTorch takes them in turn
            warnings.filterwarnings("ignore", "There is a performance drop")
            return torch.vmap(one, randomness="different")(*given)

    return all_


def _drawn(
    generators: list[torch.Generator], n: int, where: torch.device, *, augment: bool
) -> tuple[Tensor, Tensor | None]:
    """An epoch's order and, to augment, chances of each member: what `train.train` draws, as it draws it."""
    orders, chances = [], []
    for generator in generators:
        orders.append(torch.randperm(n, generator=generator))
        if augment:
            chances.append(torch.rand(n, 2, 3, generator=generator))
    return torch.stack(orders).to(where), torch.stack(chances).to(where) if augment else None


# Cells. Their rows are made by the code of `experiment`, which a row is named by: it is called as it is, and
# only the training in it is put off, or done already.


@contextmanager
def _instead(module: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """`function` for what is called `name` in `module`. (A worker has one job at a time in a process.)"""
    usual = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, usual)


@contextmanager
def put_off() -> Iterator[list[Task]]:
    """The tasks that `train.train` is given in here: it begins none of them."""
    tasks: list[Task] = []
    with _instead(train, "train", lambda *given: tasks.append(Task(*given))):
        yield tasks


def alices(cells: Sequence[Cell]) -> list[Network]:
    """`cell.train_alice` of each cell."""
    with put_off() as tasks:
        nets = [cells_.train_alice(cell) for cell in cells]
    if tasks:
        train_together(tasks)
    return nets


def rows(cells: Sequence[Cell], alice_nets: Sequence[Network]) -> list[dict[str, Any]]:
    """`cell.run` of each cell, whose Alice is trained. The networks of several cells may be one."""
    with put_off() as tasks:
        bob_nets = [cells_.train_bob(*pair) for pair in zip(cells, alice_nets)]
    train_together(tasks)
    made = []
    for cell, alice_net, bob_net in zip(cells, alice_nets, bob_nets):
        with _instead(cells_, "train_bob", lambda *_, trained=bob_net: trained):
            made.append(cells_.run(cell, alice_net))
    return made


def kind(cell: Cell, who: str) -> tuple[str, Cell] | None:
    """What cells have in common whose Alices, or Bobs, may be of one cohort; None for a Bob who is solved.

    who: "alice" or "bob".
    """
    if who == "bob" and cell.probe:
        return None
    own = {name: getattr(cell, name) for name in ("base", "bob_base", "layout", "network", f"{who}_recipe")}
    own |= {"alice_task": cell.alice_task} if who == "alice" else {"retrain": cell.retrain}
    for name in ("alice_classes", "bob_classes"):
        if task := getattr(cell, name):
            own[name] = "|".join(map(str, range(len(bases.groups(task)))))
    return who, Cell(**own)


def room(cell: Cell, who: str) -> int:
    """How many cells of the kind make a cohort that pays here: on CUDA as many as `fits`, elsewhere 1."""
    where = train.device((cell.alice_recipe if who == "alice" else cell.bob_recipe).device)
    if where.type != "cuda":
        return 1
    with put_off() as tasks:
        if who == "alice":
            cells_.train_alice(cell)
        else:
            cells_.train_bob(cell, cells_.untrained_alice(cell))
    return fits(tasks[0], torch.cuda.mem_get_info(where)[0] // 2) if tasks else 16


def fits(task: Task, memory: int) -> int:
    """How many like `task` keep a GPU busy, or fill `memory` (bytes). Measured with two of its images."""
    net, kept = deepcopy(task.net).to("cpu").train(), 0
    own = {weight.data_ptr() for weight in net.parameters()}

    def count(saved: Tensor) -> Tensor:
        nonlocal kept
        kept += saved.nbytes if saved.data_ptr() not in own else 0
        return saved

    two = task.images[torch.arange(2)]
    with saved_tensors_hooks(count, lambda saved: saved):
        net(two)
    step = max(1, kept // 2 * min(task.recipe.batch, len(task.labels)))
    lifted = net[: net.frozen](two).nbytes // 2 * len(task.labels)
    images = two.nbytes // 2 * len(task.labels) + min(lifted, train.FEATURE_BYTES)
    weights = sum(weight.nbytes for weight in net.parameters())
    return max(1, min(LARGEST, BUSY // step, memory // (2 * step + 2 * images + 6 * weights)))
