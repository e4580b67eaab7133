"""``discogan export``."""

from pathlib import Path
from typing import Literal

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import Device, DirectionFlag, JsonFile, RunPath, Threads


def export(
    run: RunPath,
    *,
    direction: DirectionFlag,
    out: Path,
    format: str = "onnx",
    pixels: Literal["uint8", "float"] = "uint8",
    images: Path | None = None,
    device: Device = "cpu",
    threads: Threads = 0,
    json_file: JsonFile = None,
) -> None:
    """Write one direction as a file that runs without this package, and compare it with PyTorch on real images.

    Example: discogan export runs/one --direction a_to_b --out model.onnx

    Parameters
    ----------
    out
        The file to write.
    format
        onnx (FILE.onnx), torch (FILE.pt2), or a format of your own; discogan list shows them.
    pixels
        Input and output of the file, with N images: uint8 (N, H, W, C), or the network's float (N, C, H, W).
    images
        Folder of images to compare on; by default the images that the run was trained on.
    """
    import discogan

    print_json_alone(json_file)
    exported = discogan.export(
        run, direction, out, format=format, pixels=pixels, images=images, device=device, threads=threads
    )
    result = {"file": str(out), "images": exported.images, "largest_difference": exported.largest_difference}
    write_result(json_file, result)
    say(
        f"Wrote {out}. On {exported.images} images it differs from PyTorch by at most "
        f"{exported.largest_difference:.2g} of 255 levels."
    )
