"""torch.hub: models from a directory or a GitHub repository that has a ``hubconf.py``, and files by their address."""

from __future__ import annotations

import builtins
import os
import re
import sys
from typing import Any

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

CONFIG = "hubconf.py"
_HASH_IN_NAME = r"-([a-f0-9]*)\."
_directory: builtins.list[str] = []  # what set_dir set


def get_dir() -> str:
    """Where repositories and files are kept: what `set_dir` set, or ``$TORCH_HOME/hub``, or in the user's cache."""
    if _directory:
        return _directory[0]
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    home = os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))
    return os.path.join(home, "hub")


def set_dir(d: str) -> None:
    """Keeps repositories and files in another directory."""
    _directory[:] = [os.path.expanduser(d)]


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: bool | str | None = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the function `model` of a repository's ``hubconf.py`` returns for `args` and `kwargs`.

    `repo_or_dir` is ``owner/name[:branch or tag]`` on GitHub or, with ``source="local"``, a directory. It runs code of
    that repository: with `trust_repo` False or "check" the user is asked first.
    """
    return _entry(_module(repo_or_dir, source, force_reload, verbose, trust_repo, "load"), model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str | None = "check",
    verbose: bool = True,
) -> builtins.list[str]:
    """The names of the models of a repository on GitHub."""
    module = _module(github, "github", force_reload, verbose, trust_repo, "list")
    return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: bool | str | None = "check",
) -> str | None:
    """The docstring of a model of a repository on GitHub."""
    return _entry(_module(github, "github", force_reload, True, trust_repo, "help"), model).__doc__


def _module(repo: str, source: str, force_reload: bool, verbose: bool, trust_repo, caller: str) -> Any:
    """A repository's hubconf as a module."""
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    directory = repo if source == "local" else _from_github(repo, force_reload, verbose, trust_repo, caller)
    import importlib.util

    sys.path.insert(0, directory)
    try:
        spec = importlib.util.spec_from_file_location(CONFIG, os.path.join(directory, CONFIG))
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    finally:
        sys.path.remove(directory)
    missing = [name for name in getattr(module, "dependencies", ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: Any, name: str) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def _from_github(repo: str, force_reload: bool, verbose: bool, trust_repo, caller: str) -> str:
    """The directory of a repository, downloaded if it was not there."""
    found = re.fullmatch(r"([^/:]+)/([^/:]+)(?::(.+))?", repo)
    if found is None:
        raise ValueError(f"a repository is given as owner/name or owner/name:branch, not {repo!r}")
    owner, name, ref = found.groups()
    _ask(f"{owner}_{name}", trust_repo, caller)
    ref = ref or _default_branch(owner, name)
    hub = get_dir()
    os.makedirs(hub, exist_ok=True)
    place = "_".join([owner, name, ref.replace("/", "_")])
    directory = os.path.join(hub, place)
    if force_reload or not os.path.exists(directory):
        import shutil
        import zipfile

        archive = os.path.join(hub, place + ".zip")
        address = f"https://github.com/{owner}/{name}/zipball/{ref}"
        if verbose:
            sys.stderr.write(f'Downloading: "{address}" to {archive}\n')
        download_url_to_file(address, archive, progress=False)
        with zipfile.ZipFile(archive) as file:
            top = file.infolist()[0].filename.partition("/")[0]
            file.extractall(hub)
        os.remove(archive)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.move(os.path.join(hub, top), directory)
    elif verbose:
        sys.stderr.write(f"Using cache found in {directory}\n")
    return directory


def _default_branch(owner: str, name: str) -> str:
    """``main`` if there is one, else ``master``."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(f"https://github.com/{owner}/{name}/tree/main/"):
            return "main"
    except HTTPError as error:
        if error.code == 404:
            return "master"
        raise


def _ask(repository: str, trust_repo, caller: str) -> None:
    """Lets the user decide about code from a repository that is not trusted yet; the decision is kept in a file."""
    file = os.path.join(get_dir(), "trusted_list")
    trusted = set()
    if os.path.exists(file):
        with open(file, encoding="utf-8") as lines:
            trusted = {line.strip() for line in lines}
    if repository in trusted and trust_repo is not False:
        return
    if trust_repo is not True:
        answer = input(
            f"The repository {repository.replace('_', '/', 1)} does not belong to the list of trusted repositories and as "
            f"such cannot be loaded by torch.hub.{caller} without asking. Do you trust this repository and wish to add it "
            "to the trusted list of repositories (y/N)?"
        )
        if answer.lower() not in ("y", "yes"):
            raise Exception("Untrusted repository.")
    os.makedirs(get_dir(), exist_ok=True)
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(repository + "\n")


# ---------------------------------------------------------------- files


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Downloads a file; RuntimeError if its SHA-256 does not begin with `hash_prefix`."""
    import hashlib
    import shutil
    import tempfile
    from urllib.request import Request, urlopen

    dst = os.path.expanduser(dst)
    digest = hashlib.sha256()
    partial = tempfile.NamedTemporaryFile(delete=False, dir=os.path.dirname(dst) or ".")  # noqa: SIM115
    try:
        with partial, urlopen(Request(url, headers={"User-Agent": "chainrule.hub"})) as source:
            total = int(source.headers.get("Content-Length") or 0)
            done = 0
            while block := source.read(1 << 17):
                partial.write(block)
                digest.update(block)
                done += len(block)
                if progress and total:
                    sys.stderr.write(f"\r{done / total:4.0%} of {total / 2**20:.1f} MB")
            if progress and total:
                sys.stderr.write("\n")
        found = digest.hexdigest()
        if hash_prefix is not None and not found.startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
        shutil.move(partial.name, dst)
    finally:
        if os.path.exists(partial.name):
            os.remove(partial.name)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """`torch.load` of a file that is downloaded if it is not in `model_dir` (default: ``checkpoints`` in `get_dir`).

    With `check_hash`, its name ends in the first digits of its SHA-256: ``name-<digits>.pth``.
    """
    from urllib.parse import urlparse

    from .serialization import load as read

    directory = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(directory, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    file = os.path.join(directory, name)
    if not os.path.exists(file):
        sys.stderr.write(f'Downloading: "{url}" to {file}\n')
        found = re.search(_HASH_IN_NAME, name) if check_hash else None
        download_url_to_file(url, file, found and found.group(1), progress)
    return read(file, map_location, weights_only=weights_only)
