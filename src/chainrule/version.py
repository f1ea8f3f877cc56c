"""What chainrule is a version of, for programs that ask torch.version."""

from __future__ import annotations

cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = "unknown"
debug = False
