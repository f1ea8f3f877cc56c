"""torch.compile, torch.jit and torch.export run what they are given; torch.distributed is a group of one; hub, processes."""

import hashlib
import os
import pickle
import sys
import textwrap

import pytest

import chainrule as torch
from chainrule import distributed as dist, multiprocessing, nn
from chainrule.utils import benchmark


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh())


# ---------------------------------------------------------------- compile


def test_a_compiled_module_runs_the_module(model):
    compiled = torch.compile(model, mode="reduce-overhead")
    x = torch.ones(2)
    assert torch.equal(compiled(x), model(x))
    assert compiled._orig_mod is model
    assert next(iter(compiled.state_dict())) == "_orig_mod.0.weight"
    assert [p is q for p, q in zip(compiled.parameters(), model.parameters(), strict=True)] == [True, True]
    assert compiled[0] is model[0] and len(compiled) == 2
    compiled.eval()
    assert not model.training and not compiled.training
    compiled.note = 3
    assert model.note == 3


def test_compiled_functions():
    @torch.compile
    def f(x):
        """Doubles."""
        return x * 2

    @torch.compile(fullgraph=True)
    def g(x):
        return x + 1

    assert (f(torch.ones(1)).item(), g(torch.ones(1)).item()) == (2, 2)
    assert (f.__name__, f.__doc__) == ("f", "Doubles.")
    with pytest.raises(RuntimeError, match="Either mode or options can be specified"):
        torch.compile(f, mode="default", options={})
    with pytest.raises(AssertionError, match=r"A callable function is expected, but <class 'int'> is provided."):
        torch.compile(3)


def test_names_of_the_compiler():
    assert not torch.compiler.is_compiling()
    assert torch._dynamo.reset() is None
    assert torch.compiler.disable(len) is len
    assert torch.compiler.disable()(len) is len
    torch._logging.set_logs(graph_code=True)
    torch._dynamo.config.suppress_errors = True
    with torch.compiler.set_stance("force_eager"):
        assert torch._dynamo.optimize("eager")(len)([1]) == 1


# ---------------------------------------------------------------- jit, export


def test_scripts_and_traces_are_what_they_are_made_of(model):
    def f(x):
        return x * 2 if x.sum() > 0 else x

    assert torch.jit.script(f) is f
    assert torch.jit.trace(f, torch.ones(1)) is f
    assert torch.jit.script(model) is model
    assert torch.jit.trace(model, (torch.ones(2),)) is model
    with pytest.raises(RuntimeError):
        torch.jit.trace(model, torch.ones(7))

    class Scripted(torch.jit.ScriptModule):
        @torch.jit.script_method
        def forward(self, x):
            return torch.jit.annotate(int, 3) * x

        @torch.jit.export
        def other(self):
            return 1

        @torch.jit.ignore(drop=True)
        def ignored(self):
            return 2

        @torch.jit.unused
        def unused(self):
            return 3

    scripted = Scripted()
    assert (scripted(torch.ones(1)).item(), scripted.other(), scripted.ignored(), scripted.unused()) == (3, 1, 2, 3)
    assert torch.jit.isinstance([1], list[int]) and not torch.jit.is_scripting()
    assert torch.jit.wait(torch.jit.fork(f, torch.ones(1))).item() == 2
    with pytest.raises(RuntimeError, match="Freezing is currently only implemented for modules in eval mode"):
        torch.jit.freeze(model)
    assert torch.jit.freeze(model.eval()) is model


def test_saved_modules(model, tmp_path):
    x = torch.ones(2)
    torch.jit.save(torch.jit.script(model), tmp_path / "a.pt")
    torch.jit.trace(model, x).save(str(tmp_path / "b.pt"))
    for name in ("a.pt", "b.pt"):
        assert torch.equal(torch.jit.load(str(tmp_path / name))(x), model(x))
    with pytest.raises(ValueError, match="does not exist"):
        torch.jit.load(str(tmp_path / "c.pt"))


def test_exported_programs(model, tmp_path):
    x = torch.ones(2)
    program = torch.export.export(model, (x,))
    assert torch.equal(program.module()(x), model(x))
    assert [n.op for n in program.graph.nodes] == ["placeholder", "call_module", "call_module", "output"]
    with pytest.raises(RuntimeError, match="Unable to call ExportedProgram directly"):
        program(x)
    with pytest.raises(ValueError, match="Expected `mod` to be an instance of"):
        torch.export.export(len, (x,))
    torch.export.save(program, str(tmp_path / "p.pt2"))
    assert torch.equal(torch.export.load(str(tmp_path / "p.pt2")).module()(x), model(x))


# ---------------------------------------------------------------- what there is not


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch._inductor.aot_compile(None),
        lambda: dist.optim.ZeroRedundancyOptimizer([]),
    ],
)
def test_a_name_that_is_not_there_says_so(ask):
    with pytest.raises(NotImplementedError, match=r"chainrule does not have torch\.\w+"):
        ask()


# ---------------------------------------------------------------- a group of one process


@pytest.fixture
def world(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    dist.init_process_group("gloo")
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_before_and_after():
    assert dist.is_available() and not dist.is_initialized()
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        dist.get_rank()
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        dist.all_reduce(torch.ones(1))
    dist.init_process_group("gloo", rank=0, world_size=1)
    with pytest.raises(ValueError, match="trying to initialize the default process group twice!"):
        dist.init_process_group("gloo")
    dist.destroy_process_group()
    assert not dist.is_initialized()


def test_other_sizes_are_refused(monkeypatch):
    with pytest.raises(NotImplementedError, match="a group of 2 processes"):
        dist.init_process_group("nccl", rank=0, world_size=2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(NotImplementedError, match="a group of 4 processes"):
        dist.init_process_group("nccl")
    assert not dist.is_initialized()


def test_collectives(world):
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    x = torch.arange(3.0)
    for op in (dist.ReduceOp.SUM, dist.ReduceOp.AVG, dist.ReduceOp.MAX):
        assert dist.all_reduce(x, op) is None
    assert dist.all_reduce(x, async_op=True).wait()
    dist.broadcast(x, src=0)
    dist.reduce(x, dst=0)
    dist.barrier()
    assert x.tolist() == [0, 1, 2]
    gathered = [torch.zeros(3)]
    dist.all_gather(gathered, x)
    assert gathered[0].tolist() == [0, 1, 2]
    out = torch.zeros(3)
    dist.scatter(out, [x * 2])
    assert out.tolist() == [0, 2, 4]
    dist.reduce_scatter(out, [x])
    dist.all_gather_into_tensor(out, x)
    assert out.tolist() == [0, 1, 2]
    objects = [None]
    dist.all_gather_object(objects, {"a": 1})
    dist.broadcast_object_list(objects)
    assert objects == [{"a": 1}]
    assert dist.get_world_size(dist.new_group([0])) == 1
    for wrong in (
        lambda: dist.broadcast(x, src=1), lambda: dist.all_gather([], x), lambda: dist.new_group([0, 1]),
        lambda: dist.send(x, 0),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()


# ---------------------------------------------------------------- processes


def succeed(i, queue, x):
    queue.put((i, (x * i).sum().item()))


def fail(i):
    if i == 1:
        raise KeyError("what went wrong")


def leave(i):
    os._exit(3)


@pytest.mark.slow
def test_processes():
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    multiprocessing.spawn(succeed, args=(queue, torch.ones(2)), nprocs=2)
    assert sorted(queue.get() for _ in range(2)) == [(0, 0.0), (1, 2.0)]
    with pytest.raises(multiprocessing.ProcessRaisedException, match="what went wrong") as info:
        multiprocessing.spawn(fail, nprocs=2)
    assert "-- Process 1 terminated with the following error:" in str(info.value)
    with pytest.raises(multiprocessing.ProcessExitedException, match="process 0 terminated with exit code 3"):
        multiprocessing.spawn(leave)


def test_names_of_processes():
    assert multiprocessing.get_start_method() in ("fork", "spawn", "forkserver")
    multiprocessing.set_sharing_strategy("file_system")
    assert multiprocessing.get_sharing_strategy() == "file_system"
    assert multiprocessing.cpu_count() >= 1 and multiprocessing.Process


# ---------------------------------------------------------------- hub


@pytest.fixture
def repository(tmp_path):
    directory = tmp_path / "repo"
    directory.mkdir()
    (directory / "parts.py").write_text("from chainrule import nn\n")
    (directory / "hubconf.py").write_text(
        textwrap.dedent('''
            dependencies = ["chainrule"]
            from parts import nn

            def small(features=2, pretrained=False):
                """A linear layer."""
                return nn.Linear(features, 1)
        ''')
    )
    yield str(directory)
    sys.modules.pop("parts", None)


def test_models_of_a_directory(repository):
    assert torch.hub.load(repository, "small", source="local", features=3).in_features == 3
    assert repository not in sys.path
    with pytest.raises(RuntimeError, match="Cannot find callable large in hubconf"):
        torch.hub.load(repository, "large", source="local")
    with pytest.raises(ValueError, match='Unknown source: "elsewhere"'):
        torch.hub.load(repository, "small", source="elsewhere")
    with open(os.path.join(repository, "hubconf.py"), "a") as file:
        file.write("\ndependencies = ['there_is_no_such_module']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: there_is_no_such_module"):
        torch.hub.load(repository, "small", source="local")


def test_a_repository_that_is_there_already(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.hub, "_directory", [str(tmp_path / "hub")])
    os.makedirs(tmp_path / "hub")
    os.rename(repository, tmp_path / "hub" / "owner_name_v1")
    assert torch.hub.load("owner/name:v1", "small", trust_repo=True).in_features == 2
    assert "Using cache found in" in capsys.readouterr().err
    assert torch.hub.help("owner/name:v1", "small") == "A linear layer."  # it is on the list of those that are trusted
    monkeypatch.setattr("builtins.input", lambda text: "n")
    with pytest.raises(Exception, match=r"Untrusted repository."):
        torch.hub.load("owner/other:v1", "small", trust_repo=False)


def test_files_by_address(tmp_path, model, monkeypatch, capsys):
    monkeypatch.setattr(torch.hub, "_directory", [])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    assert torch.hub.get_dir() == str(tmp_path / "home" / "hub")
    torch.save(model.state_dict(), tmp_path / "model.pt")
    digest = hashlib.sha256((tmp_path / "model.pt").read_bytes()).hexdigest()
    named = tmp_path / f"model-{digest[:8]}.pt"
    os.rename(tmp_path / "model.pt", named)
    state = torch.utils.model_zoo.load_url(named.as_uri(), check_hash=True, progress=False)
    assert torch.equal(state["0.weight"], model[0].weight)
    assert (tmp_path / "home" / "hub" / "checkpoints" / named.name).exists()
    with pytest.raises(RuntimeError, match='invalid hash value \\(expected "00"'):
        torch.hub.download_url_to_file(named.as_uri(), str(tmp_path / "copy.pt"), hash_prefix="00")
    assert not (tmp_path / "copy.pt").exists()


# ---------------------------------------------------------------- timing


def test_timers():
    timer = benchmark.Timer("x.sum()", "import math\nx = torch.ones(3)", label="a", sub_label="b", description="c")
    measured = timer.timeit(20)
    assert (measured.number_per_run, len(measured.times), measured.title) == (20, 1, "a: b")
    assert measured.median == measured.mean == measured.raw_times[0] / 20 > 0
    lines = str(measured).splitlines()
    assert lines[1:7] == ["a: b", "c", "setup:", "  import math", "  x = torch.ones(3)", ""]
    assert lines[8] == "  1 measurement, 20 runs , 1 thread"
    blocks = benchmark.Timer("y = 1").blocked_autorange(min_run_time=0.01)
    assert sum(blocks.raw_times) >= 0.01 and blocks.iqr >= 0
    with pytest.raises(NameError):
        benchmark.Timer("nothing").timeit(1)


def test_a_comparison_of_times():
    def measured(row, column, seconds):
        task = benchmark.Timer("f()", globals={"f": len}, label="Sum", sub_label=row, description=column)._task_spec
        return benchmark.Measurement(10, [seconds * 10], task)

    table = benchmark.Compare([measured("n=1", "a", 2e-6), measured("n=10", "a", 3e-6), measured("n=1", "b", 4e-5)])
    assert str(table) == (
        "[---------- Sum ----------]\n"
        "            |   a   |   b  \n"
        "1 threads: ----------------\n"
        "      n=1   |  2.0  |  40.0\n"
        "      n=10  |  3.0  |      \n"
        "\n"
        "Times are in microseconds (us).\n"
    )


# ---------------------------------------------------------------- modules over devices and processes


def test_data_parallel_is_the_module(model):
    parallel = nn.DataParallel(model)
    x = torch.ones(4, 2)
    assert torch.equal(parallel(x), model(x)) and parallel.module is model and parallel.device_ids == []
    assert next(iter(parallel.state_dict())) == "module.0.weight"
    assert repr(parallel).startswith("DataParallel(\n  (module): Sequential(")
    assert pickle.loads(pickle.dumps(parallel)).module[0].in_features == 2
    with pytest.raises(RuntimeError, match="device type could not be determined"):
        nn.parallel.data_parallel(model, x)


def test_what_holds_no_tensors_is_scattered():
    from chainrule.nn.parallel import gather
    from chainrule.nn.parallel.scatter_gather import scatter, scatter_kwargs

    assert scatter((1, [2, "a"], {"b": 3}), [0, 1]) == [(1, [2, "a"], {"b": 3})] * 2
    assert scatter_kwargs((1,), {"c": 2}, [0, 1]) == (((1,), (1,)), ({"c": 2}, {"c": 2}))
    assert scatter_kwargs((), {"c": 2}, [0]) == (((),), ({"c": 2},))
    with pytest.raises(NotImplementedError, match="no device but the CPU"):
        scatter([torch.ones(4)], [0, 1])
    with pytest.raises(AssertionError, match="not implemented for CPU tensors"):
        gather([torch.ones(2)], 0)


def test_distributed_data_parallel_in_a_group_of_one(model):
    with pytest.raises(ValueError, match="has not been initialized"):
        nn.parallel.DistributedDataParallel(model)
    dist.init_process_group("gloo", rank=0, world_size=1)
    try:
        parallel = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
        with parallel.no_sync():
            assert not parallel.require_backward_grad_sync
            parallel(torch.ones(4, 2)).sum().backward()
        with parallel.join():
            parallel(torch.ones(4, 2)).sum().backward()
        assert model[0].weight.grad is not None and parallel.require_backward_grad_sync
        with pytest.raises(RuntimeError, match="is not needed"):
            nn.parallel.DistributedDataParallel(nn.ReLU())
    finally:
        dist.destroy_process_group()
