"""torch.distributed for a group of one process: its rank is 0, and what it collects from all it has itself.

Programs that can run on one process or several run here on one. Any other number of processes is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..tensor import Tensor

__all__ = [
    "Backend", "GroupMember", "P2POp", "ProcessGroup", "ReduceOp", "Work", "all_gather", "all_gather_into_tensor",
    "all_gather_object", "all_reduce", "all_to_all", "all_to_all_single", "barrier", "broadcast",
    "broadcast_object_list", "destroy_process_group", "gather", "gather_object", "get_backend",
    "get_process_group_ranks", "get_rank", "get_world_size", "group", "init_process_group", "is_available",
    "is_gloo_available", "is_initialized", "is_mpi_available", "is_nccl_available", "is_torchelastic_launched",
    "monitored_barrier", "new_group", "recv", "reduce", "reduce_scatter", "reduce_scatter_tensor", "scatter",
    "scatter_object_list", "send",
]  # fmt: skip

_NOT_INITIALIZED = "Default process group has not been initialized, please make sure to call init_process_group."


class Backend:
    """Names of backends; which one is asked for makes no difference."""

    GLOO, NCCL, MPI, UCC, UNDEFINED = "gloo", "nccl", "mpi", "ucc", "undefined"


class _Operation:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<RedOpType.{self.name}: {_OPERATIONS.index(self.name)}>"


_OPERATIONS = ["SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR", "PREMUL_SUM"]


class ReduceOp:
    """How values of all processes are put together. Of one process, each gives the value itself."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = map(_Operation, _OPERATIONS)


class ProcessGroup:
    """A group of processes: this one."""

    def __init__(self, backend: str = "gloo") -> None:
        self.backend = backend

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1


class group:
    """`WORLD` is the default group, once there is one."""

    WORLD: ProcessGroup | None = None


class GroupMember:
    """What `new_group` gives to those who are not in the group."""

    NON_GROUP_MEMBER = -100


class Work:
    """A collective operation, which is done."""

    def wait(self, timeout: Any = None) -> bool:
        """True."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True

    def is_success(self) -> bool:
        """True."""
        return True


def is_available() -> bool:
    """True: for one process."""
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return group.WORLD is not None


def is_nccl_available() -> bool:
    """False."""
    return False


is_mpi_available = is_ucc_available = is_nccl_available


def is_gloo_available() -> bool:
    """True, as far as one process needs it."""
    return True


def is_torchelastic_launched() -> bool:
    """Whether ``torchrun`` started this process."""
    return os.getenv("TORCHELASTIC_RUN_ID") is not None


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Makes the default group, of this process alone.

    The number of processes and the rank are the arguments, or the variables WORLD_SIZE and RANK of the environment, or 1
    and 0. NotImplementedError for more than one process; ValueError if there is a default group already.
    """
    if is_initialized():
        raise ValueError("trying to initialize the default process group twice!")
    size = world_size if world_size >= 0 else int(os.getenv("WORLD_SIZE", "1"))
    own = rank if rank >= 0 else int(os.getenv("RANK", "0"))
    if size != 1:
        raise NotImplementedError(
            f"chainrule runs in one process: a group of {size} processes (WORLD_SIZE or world_size) cannot be made"
        )
    if own != 0:
        raise ValueError(f"rank {own} in a group of one process, whose rank is 0")
    group.WORLD = ProcessGroup(backend or "gloo")


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Ends the default group, or another one."""
    world = _world()
    if group is None or group is world:
        globals()["group"].WORLD = None


def _world() -> ProcessGroup:
    if group.WORLD is None:
        raise ValueError(_NOT_INITIALIZED)
    return group.WORLD


def new_group(ranks: list[int] | None = None, timeout: Any = None, backend: str | None = None, **settings: Any) -> Any:
    """A group of the given ranks: this process, or (for an empty list) nobody."""
    world = _world()
    if ranks is not None and any(r != 0 for r in ranks):
        raise ValueError("the new group's rank should be within the world_size set by init_process_group")
    return GroupMember.NON_GROUP_MEMBER if ranks == [] else ProcessGroup(backend or world.backend)


def get_rank(group: ProcessGroup | None = None) -> int:
    """0. ValueError before `init_process_group`."""
    _world()
    return 0


def get_world_size(group: ProcessGroup | None = None) -> int:
    """1. ValueError before `init_process_group`."""
    _world()
    return 1


def get_backend(group: ProcessGroup | None = None) -> str:
    """The backend that was asked for."""
    return (group or _world()).backend


def get_process_group_ranks(group: ProcessGroup | None = None) -> list[int]:
    """[0]."""
    _world()
    return [0]


# ---------------------------------------------------------------- collectives


def _check_rank(rank: int | None) -> None:
    if rank not in (0, None):
        raise ValueError(f"rank {rank} in a group of one process, whose rank is 0")


def _one(name: str, values: list) -> None:
    if len(values) != 1:
        raise ValueError(f"{name}: a list of {len(values)} in a group of one process")


def _done(async_op: bool) -> Work | None:
    return Work() if async_op else None


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Leaves the tensor as it is: it is the sum (or mean, ...) over one process."""
    _world()
    _check_tensor("all_reduce", tensor)
    return _done(async_op)


def _check_tensor(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `tensor` of type torch.Tensor\n{name}: {type(tensor)}"
        )


def broadcast(
    tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False, group_src: int | None = None
) -> Work | None:
    """Leaves the tensor as it is."""
    _world()
    _check_tensor("broadcast", tensor)
    _check_rank(src)
    return _done(async_op)


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Leaves the tensor as it is."""
    _world()
    _check_tensor("reduce", tensor)
    _check_rank(dst)
    return _done(async_op)


def _copy(target: Tensor, source: Tensor) -> None:
    from ..modes import no_grad

    with no_grad():
        target.copy_(source)


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """Copies the tensor into the list's only one."""
    _world()
    _one("all_gather", tensor_list)
    _copy(tensor_list[0], tensor)
    return _done(async_op)


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """Copies the input into the output."""
    _world()
    _copy(output_tensor, input_tensor.reshape(output_tensor.shape))
    return _done(async_op)


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Copies the tensor into the list's only one."""
    _check_rank(dst)
    return all_gather(gather_list or [], tensor, group, async_op)


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Copies the list's only tensor into `tensor`."""
    _world()
    _check_rank(src)
    _one("scatter", scatter_list or [])
    _copy(tensor, scatter_list[0])  # type: ignore[index]
    return _done(async_op)


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Copies the list's only tensor into the output."""
    return scatter(output, input_list, 0, group, async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Copies the input into the output."""
    return all_gather_into_tensor(output, input, group, async_op)


def all_to_all(
    output_tensor_list: list[Tensor], input_tensor_list: list[Tensor], group: Any = None, async_op: bool = False
) -> Work | None:
    """Copies the only tensor of one list into that of the other."""
    _one("all_to_all", input_tensor_list)
    return all_gather(output_tensor_list, input_tensor_list[0], group, async_op)


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Any = None,
    input_split_sizes: Any = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """Copies the input into the output."""
    return all_gather_into_tensor(output, input, group, async_op)


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """Puts the object into the list's only place."""
    _world()
    _one("all_gather_object", object_list)
    object_list[0] = obj


def gather_object(
    obj: Any, object_gather_list: list | None = None, dst: int | None = None, group: Any = None, group_dst: Any = None
) -> None:
    """Puts the object into the list's only place."""
    _check_rank(dst)
    all_gather_object(object_gather_list or [], obj, group)


def broadcast_object_list(
    object_list: list, src: int | None = None, group: Any = None, device: Any = None, group_src: int | None = None
) -> None:
    """Leaves the list as it is."""
    _world()
    _check_rank(src)


def scatter_object_list(
    scatter_object_output_list: list,
    scatter_object_input_list: list | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """Puts the only object of one list into the other."""
    _world()
    _check_rank(src)
    _one("scatter_object_list", scatter_object_input_list or [])
    scatter_object_output_list[0] = scatter_object_input_list[0]  # type: ignore[index]


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: Any = None) -> Work | None:
    """Waits for nobody."""
    _world()
    return _done(async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Waits for nobody."""
    _world()


def send(tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: Any = None) -> None:
    """ValueError: there is nobody else."""
    _world()
    raise ValueError(
        "Invalid destination rank: destination rank should not be the same as the rank of the current process."
    )


def recv(tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: Any = None) -> int:
    """ValueError: there is nobody else."""
    _world()
    raise ValueError("Invalid source rank: source rank should not be the same as the rank of the current process.")


isend, irecv = send, recv


class P2POp:
    """A message to or from another process, of which there is none."""

    def __init__(self, op: Callable, tensor: Tensor, peer: int | None = None, group: Any = None, tag: int = 0) -> None:
        raise ValueError("there is no other process in a group of one")


def __getattr__(name: str) -> Any:
    if name in ("autograd", "optim", "rpc"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}: chainrule does not have torch.distributed.{name} (yet)"
    )
