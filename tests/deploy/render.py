# SPDX-License-Identifier: Apache-2.0
"""Renders a folder of deploy/kustomize with the first program that can."""
import functools
import json
import pathlib
import shutil
import subprocess

import yaml

import cleave

MODULE = pathlib.Path(__file__).with_name("kustomize")


def version_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=MODULE).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


@functools.cache
def renderer():
    """The command, less the folder; None where there is none. Debian's own kubectl has kustomize 2, which is too old."""
    found = version_of(["kubectl", "version", "--client", "--output=json"])
    if found and json.loads(found).get("kustomizeVersion", "v0") >= "v5":
        return ["kubectl", "kustomize"]
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if version_of(["go", "tool", "kustomize", "version"]):
        return ["go", "tool", "kustomize", "build"]
    return None


@functools.cache
def render(folder):
    """The objects of a folder below deploy/kustomize, a list."""
    if renderer() is None:
        cleave.missing("kubectl, kustomize or go")
    command = [*renderer(), str(cleave.KUSTOMIZE / folder)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=MODULE)
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return list(yaml.safe_load_all(result.stdout))


def one(objects, kind):
    found = [item for item in objects if item["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]
