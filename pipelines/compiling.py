"""Compile the pipelines into files that KFP runs, on a cluster and on a laptop alike."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from pipelines.tasks import set_up

PIPELINES = ("weekly", "batch", "promote", "policy", "monitor", "backfill")
"""Modules of this folder, each with a pipeline function of its own name."""

COMPILED = Path(__file__).parent / "compiled"


NAMESPACE: Final = "kubeflow"
"""Where the Pipeline objects live: that of the installation."""


def compile_pipelines(folder: Path, image: str | None) -> list[Path]:
    """Compile every pipeline into `folder`, with `image` (by digest) in place of the default; return the files.

    The bytes depend on the code and the image alone.
    """
    from kfp.compiler.pipeline_spec_builder import write_pipeline_spec_to_file

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PIPELINES:
        spec, platform, description = _compiled(name, image)
        path = folder / f"{name}.yaml"
        write_pipeline_spec_to_file(spec, description, platform, str(path))
        written.append(path)
    return written


def compile_manifests(folder: Path, image: str | None) -> list[Path]:
    """Write each pipeline as the Kubernetes objects Pipeline and PipelineVersion; return the files.

    A version cannot be changed, so its name carries the hash of what it holds: applying the same twice does nothing,
    and another content is another version of the same pipeline.
    """
    from kfp.compiler.compiler_utils import KubernetesManifestOptions
    from kfp.compiler.pipeline_spec_builder import write_pipeline_spec_to_file

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PIPELINES:
        spec, platform, description = _compiled(name, image)
        version = f"{name}-{content_hash(spec, platform)[:12]}"
        options = KubernetesManifestOptions(
            pipeline_name=name,
            pipeline_version_name=version,
            pipeline_version_display_name=version,
            namespace=NAMESPACE,
            include_pipeline_manifest=True,
        )
        path = folder / f"{name}.yaml"
        write_pipeline_spec_to_file(
            spec,
            description,
            platform,
            str(path),
            kubernetes_manifest_options=options,
            kubernetes_manifest_format=True,
        )
        written.append(path)
    return written


def content_hash(spec: Any, platform: Any) -> str:
    """Return the SHA-256 of a compiled pipeline's content, however it is written down."""
    from google.protobuf import json_format

    from jackpot.canonical import json_bytes, sha256

    return sha256(json_bytes([json_format.MessageToDict(part) for part in (spec, platform)]))


def _compiled(name: str, image: str | None) -> tuple[Any, Any, str]:
    pipeline: Any = getattr(importlib.import_module(f"pipelines.{name}"), name)
    spec, platform = type(pipeline.pipeline_spec)(), type(pipeline.platform_spec)()
    spec.CopyFrom(pipeline.pipeline_spec)
    platform.CopyFrom(pipeline.platform_spec)
    set_up(spec, platform)
    if image is not None:
        for executor in spec.deployment_spec["executors"].values():
            executor["container"]["image"] = image
            # No image knows its own digest; every record of a run names it.
            executor["container"]["env"] = [{"name": "JACKPOT_IMAGE", "value": image}]
    return spec, platform, pipeline.description
