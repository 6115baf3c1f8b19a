"""Browser page of the dashboard that can reach no address but its server."""

import time

UNIT = "lstm.0.backward.h.11"


class Reader:
    """A page of the dashboard, with the errors and the blocked requests on it."""

    def __init__(self, context):
        self.context, self.troubles, self.foreign = context, [], []
        context.route("**/*", self._route)
        self.page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def _route(self, route):
        if route.request.url.startswith(("http://127.0.0.1:", "blob:", "data:")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def open(self, url):
        self.page.goto(url)
        self.page.locator(".dash[data-settled]").wait_for()
        return self.page

    def does(self, act):
        """Call ``act`` and wait until the dashboard has redrawn."""
        before = self.page.locator(".dash").get_attribute("data-settled")
        act()
        self.until(lambda: self.page.locator(".dash").get_attribute("data-settled") != before)

    def until(self, condition):
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, "the condition did not become true within 20 s"
            self.page.wait_for_timeout(20)

    def view(self, panel):
        return self.page.frame_locator(f"[data-panel={panel}] iframe:not(.coming)")

    def choose(self, pair):
        self.does(lambda: self.page.get_by_label("Pair", exact=True).select_option(pair))

    def unit(self):
        return self.page.get_by_label("Unit", exact=True).input_value()
