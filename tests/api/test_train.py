"""Training: the loss falls, results are reproducible, and interrupted runs resume."""

import numpy as np
import pytest
import torch
from helpers.repeating import Copying, Network

import interp
from interp.api.loading import save_weights
from interp.api.train import batches_in_time
from interp.errors import OptionError, WeightsError
from interp.training.loop import checkpoint_budget


def fresh():
    torch.manual_seed(3)
    return Network()


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_the_loss_falls_and_the_model_is_left_in_eval_mode():
    model = fresh()
    history = interp.train(model, Copying(), seed=0, budget=500, learning_rate=2e-2, progress=False)
    assert history.loss.dims == ("batch",)
    assert history.loss[-10:].mean() < 0.5 * history.loss[:10].mean()
    assert not model.training


def test_the_same_seed_gives_the_same_bytes_and_the_callers_generator_is_untouched():
    one, two, other = fresh(), fresh(), fresh()
    before = torch.get_rng_state()
    for model, seed in ((one, 1), (two, 1), (other, 2)):
        interp.train(model, Copying(), seed=seed, budget=12, progress=False)
    assert torch.equal(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(other))
    assert torch.equal(before, torch.get_rng_state())


def test_an_interrupted_run_resumes_with_identical_results(tmp_path):
    uninterrupted, stopped = fresh(), fresh()
    interp.train(uninterrupted, Copying(), seed=1, budget=23, progress=False)
    path = tmp_path / "run.checkpoint"

    class Stops(Copying):
        calls = 0

        def loss(self, output, batch):
            Stops.calls += 1
            if Stops.calls == 12:
                raise KeyboardInterrupt
            return super().loss(output, batch)

    with pytest.raises(KeyboardInterrupt):
        interp.train(stopped, Stops(), seed=1, budget=23, checkpoint=path, every=4, progress=False)
    resumed = fresh()
    history = interp.train(resumed, Copying(), seed=1, budget=23, checkpoint=path, every=4, progress=False)
    assert torch.equal(weights(uninterrupted), weights(resumed))
    assert history.sizes["batch"] == 23
    assert checkpoint_budget(path) == 23


def test_a_checkpoint_of_another_run_is_rejected(tmp_path):
    path = tmp_path / "run.checkpoint"
    interp.train(fresh(), Copying(), seed=1, budget=4, checkpoint=path, progress=False)
    with pytest.raises(WeightsError, match=r"run\.checkpoint is a checkpoint of another run"):
        interp.train(fresh(), Copying(), seed=2, budget=4, checkpoint=path, progress=False)
    path.write_bytes(b"not a checkpoint at all")
    with pytest.raises(WeightsError, match="is not a checkpoint"):
        interp.train(fresh(), Copying(), seed=1, budget=4, checkpoint=path, progress=False)


@pytest.mark.parametrize("options", [{"budget": 0}, {"budget": 3, "precision": "float8"}])
def test_invalid_options_are_rejected(options):
    with pytest.raises(OptionError):
        interp.train(fresh(), Copying(), seed=0, progress=False, **options)


def test_a_split_without_batches_is_an_error():
    task = Copying()
    task.batches = lambda split, *, limit=None, seed=0: []
    with pytest.raises(OptionError, match="no batches"):
        interp.train(fresh(), task, seed=0, budget=3, progress=False)


def test_a_time_budget_is_a_number_of_batches_and_does_not_change_the_model():
    model = fresh()
    before = weights(model).clone()
    short, long = (batches_in_time(model, Copying(), seconds=seconds, batches=5) for seconds in (1, 100))
    assert 1 <= short < long
    assert torch.equal(before, weights(model))


def test_saved_weights_are_what_the_model_has(tmp_path):
    from safetensors.numpy import load_file

    model = fresh()
    save_weights(model, tmp_path / "w.safetensors")
    tensors = load_file(tmp_path / "w.safetensors")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(tensors[name], value.numpy())
