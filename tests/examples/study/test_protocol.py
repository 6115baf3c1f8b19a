"""Training runs of the plan."""

from study.protocol import ARMS, SEEDS, confirmation_runs, screening_runs


def test_there_are_fifteen_and_thirty_five_runs_with_unique_names():
    runs = [*screening_runs(), *confirmation_runs({arm.name: arm.strengths[1] for arm in ARMS})]
    assert (len(screening_runs()), len(runs)) == (15, 15 + 35)
    assert len({run.name for run in runs}) == len(runs)
    assert {run.seed for run in screening_runs()}.isdisjoint(SEEDS)
    assert len([run for run in runs if run.is_baseline]) == len(SEEDS)
