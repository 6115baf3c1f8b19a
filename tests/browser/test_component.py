"""Controls of the dashboard: contrast, password and comparison of two networks."""

import pytest
from helpers.dashboards import serving

import interp
from interp_dashboard.data import DashboardData

CONTRAST = """
board => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const part = value => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const opaque = color => { const parts = numbers(color); return parts.length < 4 || parts[3] === 1; };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (opaque(color)) return numbers(color);
    }
    return numbers(getComputedStyle(document.body).backgroundColor);
  };
  const ratio = (...two) => {
    const [more, less] = two.map(light).sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const hasText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  const ratios = [];
  for (const element of board.querySelectorAll("*")) {
    if (!element.checkVisibility()) continue;
    const field = element.matches("input:not([type=range]), select, textarea");
    if (!field && !hasText(element)) continue;
    const looks = field && element.placeholder ? [null, "::placeholder"] : [null];
    for (const look of looks) {
      const style = getComputedStyle(element, look);
      const contrast = (style.opacity === "1" ? 1 : 0) * ratio(numbers(style.color), behind(element));
      ratios.push([`${element.tagName} ${element.textContent.slice(0, 30)} ${look ?? ""}`, contrast]);
    }
  }
  return ratios;
}
"""


@pytest.fixture(scope="module")
def url(drawn_acts, drawn_dist):
    """URL of a dashboard with instructions in some panels."""
    with serving(DashboardData(drawn_acts, [drawn_dist])) as served:
        yield served


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_controls_are_readable(chromium, url, scheme):
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/?sample=3&span=[2,5]&unit=lstm.0.forward.h.3&units=[%22lstm.0.forward.h.4%22]&text=")
    board = page.locator(".dash[data-settled]")
    board.wait_for()
    page.get_by_label("Unit", exact=True).fill("none.such")
    page.get_by_label("Unit", exact=True).press("Enter")
    page.locator(".status.is-error").get_by_text("There is no unit").wait_for()
    ratios = board.evaluate(CONTRAST)
    context.close()
    assert len(ratios) > 40
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []


def log_in(page, password):
    page.locator("input:visible:not([type=submit])").first.fill("reader")
    page.locator("input[type=password]").fill(password)
    with page.expect_navigation():
        page.locator("input[type=password]").press("Enter")


def test_the_password_is_required(chromium, drawn_acts):
    with serving(DashboardData(drawn_acts), password="Ayb ben gim") as url:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{url}/?unit=lstm.0.forward.h.3")
        assert "/login" in page.url
        assert "lstm" not in page.content()
        log_in(page, "wrong")
        assert page.locator(".dash").count() == 0
        log_in(page, "Ayb ben gim")
        page.locator(".dash[data-settled]").wait_for(timeout=20_000)
        page.context.clear_cookies()
        page.goto(f"{url}/?unit=lstm.0.forward.h.3")
        log_in(page, "Ayb ben gim")
        page.locator(".dash[data-settled]").wait_for(timeout=20_000)
        assert page.get_by_label("Unit", exact=True).input_value() == "lstm.0.forward.h.3"
        context.close()


def test_two_networks_are_compared(chromium):
    task = interp.load_task("transliteration")
    networks = (interp.load_model("armenian-bilstm"), interp.load_model("armenian-bilstm", random_init=0))
    stores = [
        interp.capture(network, task.batches("demo", limit=6, seed=0), quantities=["h"], progress=False)
        for network in networks
    ]
    with serving(DashboardData(stores[0], [stores[1]])) as url:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(url)
        page.locator(".dash[data-settled]").wait_for()
        comparison = page.frame_locator("[data-panel=compare] iframe:not(.coming)")
        node = comparison.locator(".node").first
        unit = node.get_attribute("data-note").split("\n")[0]
        before = page.locator(".dash").get_attribute("data-settled")
        node.dispatch_event("click")
        if page.get_by_label("Unit", exact=True).input_value() != unit:
            page.locator(f".dash[data-settled]:not([data-settled='{before}'])").wait_for()
        assert page.get_by_label("Unit", exact=True).input_value() == unit
        context.close()
