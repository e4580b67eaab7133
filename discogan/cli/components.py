"""``discogan list``. It does not import PyTorch."""

from discogan.cli.console import print_table


def list_components() -> None:
    """Show what you can choose: presets, and every objective, network, source, metric, tracker and export format.

    Example: discogan list
    """
    from discogan import listing
    from discogan.config import preset_names, read_preset
    from discogan.registry import REGISTRIES

    print_table("presets", ["name", ""], [[name, read_preset(name)["summary"]] for name in preset_names()])
    for registry in REGISTRIES:
        components = listing.list_components(registry)
        rows = [[component.name, component.summary, ", ".join(component.options)] for component in components]
        print_table(f"{registry.kind}s", ["name", "", "options"], rows)
