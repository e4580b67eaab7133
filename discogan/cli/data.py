"""``discogan data render``."""

from pathlib import Path

from cyclopts import App

from discogan.cli.console import progress_bar, say

data = App(name="data", help="Make data.", help_format="plaintext")


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
    """Render things of one kind from known sides; needs the extra discogan[render].

    Parameters
    ----------
    kind
        car, chair or head.
    out
        An empty or new folder; labels.csv in it says name, identity, azimuth and elevation of each image.
    count
        How many different things.
    azimuths
        front (-75 to 75 degrees, 15 apart, as in the paper), full (the whole turn), or degrees as 0,15,30.
    elevations
        Lowest and highest elevation of the viewer in degrees; each image has its own between them.
    image_size
        Side of the images in pixels.
    first
        Number of the first thing; folders whose numbers do not overlap show different things.
    seed
        The same seed and numbers are the same things.
    """
    from discogan.experiments.renders.folder import parse_azimuths, render_folder

    with progress_bar(f"rendering {kind}s") as bar:
        made = render_folder(
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
    say(f"{made:,} images and labels.csv in {out}")
