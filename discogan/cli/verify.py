"""``discogan verify`` and ``discogan trust``."""

from __future__ import annotations

from discogan.cli.console import print_json_alone, print_table, say, write_result
from discogan.cli.parameters import JsonFile, RunPath


def verify(run: RunPath, *, json_file: JsonFile = None) -> int:
    """Check the digests, records, weights and sample sheets of a run.

    The exit status is 1 if anything is damaged. Nothing is changed.

    Example: discogan verify runs/one
    """
    from dataclasses import asdict

    from discogan.verification import verify_run

    print_json_alone(json_file)
    checks = verify_run(run)
    damaged = [check for check in checks if check.status == "damaged"]
    shown = [check for check in checks if check.status != "intact"]
    if shown:
        print_table(str(run), ["", "", ""], [[check.path, check.status, check.problem] for check in shown])
    say(f"{len(checks)} files and checkpoints checked: {len(damaged)} damaged.")
    write_result(json_file, {"run": str(run), "damaged": len(damaged), "checks": [asdict(check) for check in checks]})
    return 1 if damaged else 0


def trust(run: RunPath) -> None:
    """Allow all commands to open the image folders that a run names. Only for runs whose origin you trust.

    The image folders of a run that was trained by somebody else, or on another machine, are not opened: its config.json
    could name any folder. Resuming a run allows them too.

    Example: discogan trust runs/one
    """
    from discogan.run_folder import RunFolder, trust_images

    description = RunFolder(run).describe_for_training()
    trust_images(description)
    config = description.config
    named = [f"{key} {value}" for key, value in config.source.items() if key != "name"]
    if config.anchors.file:
        named.append(f"anchors {config.anchors.file}")
    say(f"Image folders of {run} may be opened: {', '.join(named) or 'none'}.")
