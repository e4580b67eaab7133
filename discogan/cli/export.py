"""``discogan export``."""

from pathlib import Path
from typing import Literal

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import DirectionFlag, JsonFile, RunPath


def export(
    run: RunPath,
    *,
    direction: DirectionFlag,
    out: Path,
    format: Literal["onnx", "torch"] = "onnx",
    pixels: Literal["uint8", "float"] = "uint8",
    images: Path | None = None,
    json_file: JsonFile = None,
) -> None:
    """Write one direction as a file that runs without this package, and compare it with PyTorch on real images.

    Parameters
    ----------
    out
        The file to write.
    format
        onnx, for ONNX Runtime and others (FILE.onnx); or torch, a program for torch.export.load (FILE.pt2).
    pixels
        What the file takes and gives, any number of images of the run's size: uint8 (N, H, W, C), with the
        conversions inside, or float (N, C, H, W) as the network has it.
    images
        Folder of images to compare on; those that the run trains on, unless given.
    """
    from discogan.export import export as write

    print_json_alone(json_file)
    done = write(run, direction, out, format=format, pixels=pixels, images=images)
    difference, count = done.largest_difference, done.images
    write_result(json_file, {"file": str(out), "images": count, "largest_difference": difference})
    say(f"{out} written; on {count} images it differs from PyTorch by at most {difference:.2g} of 255 levels")
