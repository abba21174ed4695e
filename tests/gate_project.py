"""A user's repository for the gate to check: a PaCo-2 model of their own, and commits that make it slower."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["CONFIGURATION", "GateProject", "model_source"]

CONFIGURATION = """
[tool.paco-prof.check]
model = "parts_model:PartsModel"
set = { batch_size = 4, image_size = 64, num_classes = 10 }
"""
_MODEL = '''
"""A model of somebody's own: parts of two views, in as many passes as it is told."""

import torch
from torch import nn

from paco_prof import stage

PASSES = {passes}
PART_PASSES = {part_passes}


class PartsModel(nn.Module):
    def __init__(self, num_classes=10, width={width}):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU(),
        )
        self.parts = nn.Conv2d(2 * width, 2 * width, 3, 1, 1)
        self.classifier = nn.Linear(2 * width, num_classes)
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x1, x2, targets):
        total = 0.0
        for _ in range(PASSES):
            with stage("backbone", x1, x2) as scope:
                maps = scope.outputs([self.backbone(x) for x in (x1, x2)])
            with stage("part_sampling", maps) as scope:
                parts = maps
                for _ in range(PART_PASSES):
                    parts = [torch.relu(self.parts(F)) for F in parts]
                parts = scope.outputs([F.mean(dim=(2, 3)) for F in parts])
            with stage("loss", parts) as scope:
                logits = self.classifier((parts[0] + parts[1]) / 2)
                loss = scope.outputs(self.criterion(logits, targets) + (parts[0] - parts[1]).square().mean())
            total = total + loss / PASSES
        return {{"total": total, "ce": loss.detach()}}
'''


def model_source(passes: int = 20, part_passes: int = 1, width: int = 16) -> str:
    """The model's module: `passes` over the whole network a step, `part_passes` over its parts in each."""
    return _MODEL.format(passes=passes, part_passes=part_passes, width=width)


class GateProject:
    """A git repository with that model and a configuration of the gate.

    Args:
        folder: where to make it.
        configuration: its `pyproject.toml`.
        source: its model's module.
    """

    def __init__(self, folder: Path, configuration: str = CONFIGURATION, source: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.email", "somebody@example.org")
        self.git("config", "user.name", "Somebody")
        self.write("pyproject.toml", configuration)
        self.write(".gitignore", "__pycache__/\n")
        self.write("parts_model.py", source or model_source())
        self.commit("A model")

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self, message: str) -> str:
        """Commit all there is; the commit."""
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def everything(self) -> dict[str, object]:
        """All that a user could see of the checkout, its index and its branches included."""
        files = {
            str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and ".git" not in path.parts
        }
        index = (self.folder / ".git" / "index").read_bytes()
        told = [self.git(*words.split()) for words in ("branch -a", "worktree list", "stash list", "rev-parse HEAD")]
        return {"files": files, "index": index, "told": told}

    def git(self, *arguments: str) -> str:
        """What git prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=kept, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()
