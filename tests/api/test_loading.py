"""Loading of models, tasks and weights, including weights that are missing, altered, or of another network."""

import json
from hashlib import sha256
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

import interp
from interp.api import loading
from interp.errors import OptionError, UnknownNameError, WeightsError
from interp.registry import Registry


def module_with(**hooks):
    """Return a module with these hook implementations."""
    module = ModuleType("mine")
    vars(module).update(hooks)
    return module


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """Install a registry with one small model, and return the path of its weights."""
    path = tmp_path / "toy.safetensors"
    save_file(torch.nn.Linear(3, 2).state_dict(), path)
    spec = interp.ModelSpec("toy", lambda: torch.nn.Linear(3, 2), path, sha256(path.read_bytes()).hexdigest())

    @interp.hookimpl
    def register_models(register):
        register(spec)

    monkeypatch.setattr(
        loading, "active_registry", lambda: Registry({"mine": module_with(register_models=register_models)})
    )
    return path


def test_a_model_comes_in_eval_mode_with_its_weights(toy):
    from safetensors.torch import load_file

    model = interp.load_model("toy")
    assert not model.training
    assert torch.equal(model.weight, load_file(toy)["weight"])


def test_untrained_weights_follow_the_seed_alone(toy):
    torch.manual_seed(0)
    one = interp.load_model("toy", random_init=4)
    torch.manual_seed(1)
    two = interp.load_model("toy", random_init=4)
    assert torch.equal(one.weight, two.weight)
    assert not torch.equal(one.weight, interp.load_model("toy", random_init=5).weight)


def test_missing_weights_are_named(toy):
    toy.unlink()
    with pytest.raises(WeightsError, match=r"'toy' are missing.*toy\.safetensors"):
        interp.load_model("toy")


def test_one_altered_byte_is_rejected(toy):
    data = bytearray(toy.read_bytes())
    data[-1] ^= 1
    toy.write_bytes(data)
    with pytest.raises(WeightsError, match="altered"):
        interp.load_model("toy")


def test_weights_of_another_network_and_pickles_are_rejected(toy, tmp_path):
    other = tmp_path / "other.safetensors"
    save_file(torch.nn.Linear(5, 2).state_dict(), other)
    with pytest.raises(WeightsError, match=r"other\.safetensors does not contain weights of 'toy'"):
        interp.load_model("toy", weights=other)
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "pickled.pt")
    with pytest.raises(WeightsError, match=r"pickled\.pt looks like a checkpoint of torch\.save"):
        interp.load_model("toy", weights=tmp_path / "pickled.pt")


def test_unknown_names_and_options_are_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'armenian-bilstm'"):
        interp.load_model("armenian-bilst")
    with pytest.raises(OptionError, match="no option 'lang'; it has language"):
        interp.load_task("transliteration", lang="hy")


def test_the_shipped_model_has_the_alphabets_of_the_language_pack():
    import interp_models

    description = json.loads((interp_models.FOLDER / "armenian-bilstm/model.json").read_text(encoding="utf-8"))
    pack = interp.load_task("transliteration").pack
    assert description["inputs"] == list(pack.inputs)
    assert description["outputs"] == list(pack.outputs)
    assert len(pack.inputs) <= 110
    assert len(pack.outputs) <= 190
