"""Compile the pipelines into files that KFP runs, on a cluster and on a laptop alike."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

PIPELINES = ("weekly",)
"""Modules of this folder, each with a pipeline function of its own name."""

COMPILED = Path(__file__).parent / "compiled"


def compile_pipelines(folder: Path, image: str | None) -> list[Path]:
    """Compile every pipeline into `folder`, with `image` (by digest) in place of the default; return the files.

    The bytes depend on the code and the image alone.
    """
    from kfp.compiler.pipeline_spec_builder import write_pipeline_spec_to_file

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PIPELINES:
        pipeline: Any = getattr(importlib.import_module(f"pipelines.{name}"), name)
        spec = type(pipeline.pipeline_spec)()
        spec.CopyFrom(pipeline.pipeline_spec)
        if image is not None:
            for executor in spec.deployment_spec["executors"].values():
                executor["container"]["image"] = image
        path = folder / f"{name}.yaml"
        write_pipeline_spec_to_file(spec, pipeline.description, pipeline.platform_spec, str(path))
        written.append(path)
    return written
