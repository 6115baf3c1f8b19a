"""The other packages write Armenian if they are installed."""

import pytest

from interp_transliteration.baselines.other_packages import OTHER_PACKAGES, installed_packages


@pytest.mark.parametrize("name", OTHER_PACKAGES)
def test_installed_packages_write_armenian(name):
    module, _ = OTHER_PACKAGES[name]
    pytest.importorskip(module)
    write = dict(installed_packages("hy"))[name]
    assert write("ban").startswith("բ")
    assert len(write("es ban em R").split(" ")) == 4
