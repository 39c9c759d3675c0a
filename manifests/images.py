"""Writes an environment's images, by digest, into the one place that names them.

python -m manifests.images staging sha256:… sha256:…
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

OVERLAYS = Path(__file__).resolve().parent / "overlays"


def name_images(file: Path, digests: dict[str, str]) -> None:
    """Replace the digest of each image; raise ValueError for what is no digest, or no image of the file."""
    text = file.read_text()
    for image, digest in digests.items():
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ValueError(f"{digest!r} is no digest: sha256: and 64 hexadecimal digits")
        text, found = re.subn(
            rf"(name: {re.escape(image)}\n(?:.*\n)*?\s+digest: )\S+", rf"\g<1>{digest}", text, count=1
        )
        if not found:
            raise ValueError(f"{file} names no image {image}")
    file.write_text(text)


def main(arguments: list[str]) -> int:
    """Write the digests of pipeline and serving; return the exit code."""
    file = OVERLAYS / arguments[0] / "images" / "kustomization.yaml" if arguments else OVERLAYS
    if len(arguments) != 3 or not file.is_file():
        print("use: make images ENV=staging PIPELINE=sha256:… SERVING=sha256:…", file=sys.stderr)
        return 2
    try:
        name_images(
            file, dict(zip(("jackpot-optimiser/pipeline", "jackpot-optimiser/serving"), arguments[1:], strict=True))
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
