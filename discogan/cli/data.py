"""``discogan data render``."""

from pathlib import Path

from cyclopts import App

from discogan.cli.console import progress_bar, say

data = App(name="data", help="Generate data sets.", help_epilogue="", help_format="plaintext")


@data.command
def render(
    kind: str,
    *,
    out: Path,
    count: int = 100,
    azimuths: str = "front",
    elevations: tuple[float, float] = (5.0, 25.0),
    image_size: int = 64,
    first: int = 0,
    seed: int = 0,
) -> None:
    """Render 3-D objects from known azimuths. Needs the extra discogan[render].

    Example: discogan data render car --out cars/ --count 200

    Parameters
    ----------
    kind
        car, chair or head.
    out
        A new or empty folder. Its labels.csv lists the name, identity, azimuth and elevation of each image.
    count
        Number of objects.
    azimuths
        front (-75 to 75 degrees in steps of 15, as in the paper), full (all directions), or degrees such as 0,15,30.
    elevations
        Lowest and highest elevation of the viewer in degrees. Each image gets one in between.
    image_size
        Side of the images in pixels.
    first
        Number of the first object. Folders whose numbers do not overlap show different objects.
    seed
        Random seed. The same seed and numbers give the same objects.
    """
    from discogan.experiments.renders.folder import parse_azimuths, render_folder

    with progress_bar(f"rendering {kind}s") as bar:
        count_rendered = render_folder(
            kind,
            out,
            count,
            parse_azimuths(azimuths),
            first=first,
            elevations=elevations,
            image_size=image_size,
            seed=seed,
            progress=lambda done, total: bar.update(bar.task_ids[0], completed=done, total=total),
        )
    say(f"{count_rendered:,} images and labels.csv written to {out}")
