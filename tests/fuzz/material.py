"""The valid files that targets damage: a small run with every record, an ONNX file, and images of every format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

SETTINGS = (
    "generator.width=1",
    "discriminator.width=1",
    "training.batch_size=4",
    "training.log_every_steps=2",
    "training.checkpoint_every_steps=3",
    "training.sample_every_steps=4",
    "training.threads=1",
)
IMAGE_PIXELS = 24
"""Height and width of the images: small files are damaged in more places."""
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F", "PA", "La", "RGBa")


def create(folder: Path) -> None:
    """Write the material into a folder, about 10 s, unless it is there."""
    if (folder / "complete").exists():
        return
    # Imported here, because targets without networks need no PyTorch.
    from discogan import api
    from discogan.exporting import export
    from tests.conftest import write_images

    folder.mkdir(parents=True, exist_ok=True)
    a, b = write_images(folder / "a", 13, 1), write_images(folder / "b", 10, 2)
    lines = [f"{number:03d}.png,{number:03d}.png\n" for number in range(6)]
    (folder / "anchors.csv").write_text("path_a,path_b\n" + "".join(lines))
    api.train(
        a,
        b,
        out=folder / "run",
        image_size=32,
        steps=10,
        seeds_tried=2,
        anchors=folder / "anchors.csv",
        settings=SETTINGS,
    )
    api.evaluate(folder / "run", a, b)
    try:
        export(folder / "run", "a_to_b", folder / "model.onnx")
    except Exception:  # Without the extra, the ONNX target is skipped.
        (folder / "model.onnx").unlink(missing_ok=True)
    (folder / "complete").touch()


@cache
def image_files() -> dict[str, bytes]:
    """Return an image in every format and mode that Pillow writes, by ``FORMAT-MODE``."""
    Image.init()
    files = {}
    for kind in sorted(Image.SAVE):
        for mode in MODES:
            for number, options in enumerate(_save_options(kind)):
                buffer = io.BytesIO()
                try:
                    _picture(mode).save(buffer, kind, **options)
                except Exception:  # Most formats take few modes, and some need a library.
                    continue
                files[f"{kind}-{mode}-{number}"] = buffer.getvalue()
    return files


def _picture(mode: str) -> Image.Image:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (IMAGE_PIXELS, IMAGE_PIXELS, 4), dtype=np.uint8)
    # Two plain halves, so that run lengths and dictionaries of compressed formats are used.
    colours[: IMAGE_PIXELS // 2] = 200
    if mode in ("I", "I;16"):
        return Image.fromarray(colours[:, :, 0].astype(np.uint16) * 200).convert(mode)
    image = Image.fromarray(colours, "RGBA" if mode in ("LA", "RGBA", "RGBa", "La", "PA") else None)
    if mode in ("PA", "La"):
        image = image.convert("LA")
    return image.convert("RGB").convert(mode) if image.mode == "RGBX" else image.convert(mode)


def _save_options(kind: str) -> Iterator[dict[str, object]]:
    """Yield the options of saving that lead to other code when the file is read."""
    yield {}
    if kind == "TIFF":
        for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group4", "tiff_ccitt"):
            yield {"compression": compression}
    if kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif[0x0112] = 6
        yield {"exif": exif}
    if kind in ("GIF", "PNG", "WEBP", "TIFF"):
        yield {"save_all": True, "append_images": [Image.new("L", (IMAGE_PIXELS, IMAGE_PIXELS), 9)]}
    if kind == "JPEG":
        yield {"progressive": True}
    if kind == "WEBP":
        yield {"lossless": True}
