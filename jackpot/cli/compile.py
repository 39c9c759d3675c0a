"""jackpot compile: compile the pipelines for Kubeflow."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .output import Output


@click.command("compile")
@click.option("--image", help="The pipeline image, by digest: registry/name@sha256:...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder [pipelines/compiled; with --image out/pipelines].",
)
@click.option(
    "--manifests",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the same as Pipeline and PipelineVersion objects, for kubectl apply.",
)
@options.as_json
def command(image: str | None, out: Path | None, manifests: Path | None, as_json: bool) -> int:
    """Compile every pipeline. On a cluster the image goes by digest: KFP caches by the image's name."""
    from pipelines.compiling import COMPILED, compile_manifests, compile_pipelines

    output = Output(as_json)
    if image is not None and "@sha256:" not in image:
        raise click.UsageError(f"--image {image}: name the image by digest, registry/name@sha256:...")
    with output.working("compiling"):
        written = compile_pipelines(out or (COMPILED if image is None else Path("out/pipelines")), image)
        objects = compile_manifests(manifests, image) if manifests is not None else []
    if as_json:
        output.json([str(path) for path in (*written, *objects)])
    for path in (*written, *objects):
        output.say(f"wrote {path}")
    output.next_step(
        f"kubectl apply --server-side -f {manifests}"
        if manifests is not None
        else f"kfp run create -e weekly -f {written[0]} market=england"
    )
    return 0
