"""The targets of generated inputs by name. One file for each kind of input."""

from __future__ import annotations

from tests.fuzz.harness import Target
from tests.fuzz.targets import images, names, records, settings, stores, tables, tensors

TARGETS: dict[str, type[Target]] = {
    target.name: target
    for target in (
        images.ImageFiles,
        images.Arrays,
        settings.SettingTexts,
        settings.Configurations,
        settings.Networks,
        settings.CommandWords,
        tables.AnchorFiles,
        tables.LabelFiles,
        records.JsonBytes,
        records.LogBytes,
        records.RunRecords,
        records.Reports,
        stores.CacheFiles,
        names.FileNames,
        tensors.Weights,
        tensors.HostileWeights,
        tensors.TrainingState,
        tensors.HostileTrainingState,
        tensors.OnnxFiles,
    )
}
