"""Selection after the screening, and matching of snapshots."""

import json

import pytest
from study.protocol import ARMS, BASELINE, TrainingRun
from study.stages import matched_snapshot, select_strength

import interp


def test_the_best_outcome_among_accurate_networks_is_selected():
    outcomes = {
        0.1: {"cer": 0.010, "log_k80": 3.9},
        0.3: {"cer": 0.011, "log_k80": 3.7},
        1.0: {"cer": 0.020, "log_k80": 2.0},
    }
    assert select_strength(outcomes, 0.013) == 0.3
    assert select_strength(outcomes, 0.005) == 0.1


def test_the_snapshot_with_the_nearest_error_rate_is_matched(tmp_path):
    run, baseline = TrainingRun("confirm", ARMS[0], 0.1, 11), TrainingRun("confirm", BASELINE, 0.0, 11)
    (tmp_path / f"{run.name}.errors.json").write_text(json.dumps({"cer": 0.031}))
    with pytest.raises(interp.CorpusError, match="no snapshots"):
        matched_snapshot(tmp_path, run)
    (tmp_path / "snapshots").mkdir()
    for batches, cer in ((50, 0.05), (100, 0.03), (150, 0.02)):
        path = tmp_path / "snapshots" / f"{baseline.name}-{batches:05d}.safetensors"
        path.touch()
        path.with_suffix(".errors.json").write_text(json.dumps({"cer": cer}))
    assert matched_snapshot(tmp_path, run).stem == f"{baseline.name}-00100"
