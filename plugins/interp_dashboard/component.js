// The page of the dashboard: what a reader does goes to the server, what the server draws comes back as whole pages,
// each in a frame of its own that can reach nothing: no script of a view touches this one, and no label becomes markup.
const PANES = { overview: "All units", pair: "Pair and text", unit: "One unit" };
const PANELS = [
  ["overview", "Overview", "overview"], ["graph", "Layered graph", "pair"], ["strips", "Text", "pair"],
  ["edit", "What if", "pair"], ["hypothesis", "Hypothesis", "pair"], ["ablation", "Ablation", "pair"],
  ["attribution", "Attribution", "pair"], ["reach", "Context reach", "pair"], ["compare", "Two models", "pair"],
  ["saturation", "Gate saturation", "pair"], ["histogram", "Histogram pair", "unit"], ["card", "Unit", "unit"],
];
const FRAMED = "\nmain{padding:6px 10px 10px}h1{font-size:18px}figure{margin:10px 0}figcaption{font-size:12px}\n";
const TALLEST = 2200;
const PLACE = /^sample (\d+), step (\d+)/;

// Elements are made, never parsed: a name or a note is always text.
function make(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

export function render({ model }) {
  let done = 0, asked = { at: performance.now(), serial: 1 };
  const send = message => {
    asked = { at: performance.now(), serial: done + 1 };
    model.send_msg(message);
  };
  const choose = values => send({ kind: "choose", values });
  const linked = model.data?.linked ?? model.linked;
  const start = () => send({ kind: "ready", query: linked ? location.search : "" });
  const board = make("div", { className: "dash" });
  let held = { values: {}, notes: {}, pairs: [], units: [], quantities: [], windows: 1 };
  let frames = {}, waiting = new Set();

  // ---- light and dark
  const night = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => theme.value === "auto" ? night.matches : theme.value === "dark";
  const theme = make("select", { title: "Colours", ariaLabel: "Colours", onchange: repaint },
    ...["auto", "light", "dark"].map(name => make("option", {}, name)));
  night.addEventListener("change", repaint);
  function repaint() {
    board.classList.toggle("dark", dark());
    document.documentElement.style.colorScheme = dark() ? "dark" : "light";
    document.body.style.background = dark() ? "#12151d" : "#ffffff";
    Object.values(frames).forEach(one => { if (one.html) load(one); });
  }

  // ---- what there is to choose
  const pair = make("select", { ariaLabel: "Pair", onchange: () => choose({ pair: pair.value }) });
  const names = make("datalist", { id: "interp-units" });
  const unit = make("input", { className: "wide", ariaLabel: "Unit", list: "interp-units", spellcheck: false,
    onchange: () => choose({ unit: unit.value }) });
  const pinned = make("span", { className: "pinned" });
  const place = make("input", { type: "range", min: 0, max: 0, ariaLabel: "Place in the corpus",
    onchange: () => choose({ window: +place.value, sample: -1, span: null, text: "" }) });
  const where = make("output", { className: "muted" });
  const sample = make("input", { type: "number", min: 0, ariaLabel: "Sample", className: "short",
    onchange: () => choose({ sample: +sample.value, span: null, text: "" }) });
  const step = by => choose({ sample: Math.max(+sample.value + by, 0), span: null, text: "" });
  const sentence = make("input", { className: "sentence", ariaLabel: "A sentence of your own",
    placeholder: "Type a sentence of your own", spellcheck: false });
  const typed = make("form", { onsubmit: event => { event.preventDefault(); choose({ text: sentence.value, span: null }); } },
    sentence, make("button", { type: "submit" }, "Run"),
    make("button", { type: "button", onclick: () => { sentence.value = ""; choose({ text: "" }); } }, "Corpus"));
  const file = make("input", { type: "file", accept: ".json", hidden: true, onchange: async () => {
    if (file.files[0]) send({ kind: "load", text: await file.files[0].text() });
    file.value = "";
  } });
  const said = make("div", { className: "said", role: "status" });
  const title = make("strong");
  const head = make("header", {},
    title, label("Pair", pair), label("Unit", unit), names,
    button("Keep in text", "Keep this unit as a row of the text", () =>
      choose({ units: [...new Set([...held.values.units, held.values.unit])].filter(Boolean) })), pinned,
    label("Place", place), where, label("Sample", button("‹", "Previous sample", () => step(-1)), sample,
      button("›", "Next sample", () => step(1))),
    typed, theme, button("Save state", "Save what is chosen as a file", () => send({ kind: "save" })),
    button("Load state", "Take what is chosen from a file", () => file.click()), file);

  function label(text, ...inside) { return make("label", {}, make("span", {}, text), ...inside); }
  function button(text, title, onclick) { return make("button", { type: "button", title, ariaLabel: title, onclick }, text); }

  // ---- panels
  const panes = Object.fromEntries(Object.entries(PANES).map(([name, text]) =>
    [name, make("section", { className: `pane ${name}`, ariaLabel: text })]));
  const panels = Object.fromEntries(PANELS.map(([name, text, pane]) => [name, panel(name, text, pane)]));

  function panel(name, text, pane) {
    const heading = make("h2", {}, text), stage = make("div", { className: "stage" });
    const saves = ["html", "png", "svg"].map(format =>
      button(format.toUpperCase(), `Download ${text} as ${format}`, () => send({ kind: "download", panel: name, format })));
    const grow = button("⤢", `Maximise ${text}`, () => {
      element.classList.toggle("maximised");
      board.classList.toggle("covered", element.classList.contains("maximised"));
    });
    const element = make("article", { className: "panel", hidden: true }, make("div", { className: "bar" }, heading,
      ...saves, grow), stage);
    element.dataset.panel = name;
    panes[pane].append(element);
    return { name, text, element, stage, heading };
  }
  function shrink() {
    board.querySelectorAll(".maximised").forEach(one => one.classList.remove("maximised"));
    board.classList.remove("covered");
  }
  board.addEventListener("keydown", event => { if (event.key === "Escape") shrink(); });

  // A frame is told what another one is about: the strips which letters are chosen, the histograms which is pointed at.
  const tellFrame = (name, what) => frames[name]?.frame?.contentWindow?.postMessage({ interp: what }, "*");
  const tellSpan = () => tellFrame("strips", { mark: held.values.span && [held.shown, ...held.values.span] });
  function tellLine(over) {
    const said = over?.values?.[held.values.unit];
    tellFrame("histogram", { line: said === undefined ? null : { value: +said, words: `${over.words}  ${said}` } });
  }

  // A new page loads behind the old one, and takes its place when it has its height.
  function load(one) {
    const night = dark() ? "(min-width: 0px)" : "(max-width: 0px)";
    const html = one.html.replaceAll("(prefers-color-scheme: dark)", night).replace("</style>", FRAMED + "</style>")
      .replace('name="color-scheme" content="light dark"', `name="color-scheme" content="${dark() ? "dark" : "light"}"`)
      .replace("color-scheme: light dark", `color-scheme: ${dark() ? "dark" : "light"}`);
    const frame = make("iframe", { sandbox: "allow-scripts", title: one.panel.text, className: "coming", srcdoc: html });
    frame.style.height = (one.frame ? one.frame.clientHeight : 300) + "px";
    if (!one.frame) {
      frame.classList.add("first");
      frame.style.width = one.panel.stage.clientWidth + "px";
    }
    one.coming?.remove();
    one.coming = frame;
    waiting.add(one);
    one.panel.stage.append(frame);
  }

  function arrive(one, frame) {
    if (one.coming !== frame) return;
    one.frame?.remove();
    [one.frame, one.coming] = [frame, null];
    frame.classList.remove("coming", "first");
    frame.style.width = "";
    one.panel.stage.querySelector("p")?.remove();
    if (one === frames.strips) tellSpan();
    settle(one);
  }

  // Everything that was asked for is drawn: said for whoever waits for it, with the milliseconds since the last click.
  function settle(one) {
    waiting.delete(one);
    if (waiting.size || done < asked.serial) return;
    board.dataset.took = performance.now() - asked.at;
    board.dataset.settled = done;
  }

  function show({ panel: name, heading, html, missing, title }) {
    const one = frames[name] ??= { panel: panels[name] ??= panel(name, heading, "pair") };
    one.panel.element.hidden = false;
    one.panel.element.classList.toggle("empty", !html);
    one.panel.heading.textContent = one.panel.text;
    one.html = html;
    if (html) { load(one); return; }
    one.frame?.remove();
    one.coming?.remove();
    one.frame = one.coming = null;
    one.panel.stage.replaceChildren(make("p", { className: "missing", title }, missing));
    settle(one);
  }

  // A place where the pattern comes back is where it is looked for next: the way back is the browser's.
  function visit(sample, step) {
    const [first, stop] = held.values.span;
    choose({ sample, span: [step, step + stop - first] });
  }

  function hear(event) {
    const told = event.data?.interp;
    const one = told && Object.values(frames).find(each =>
      [each.frame, each.coming].some(frame => frame && frame.contentWindow === event.source));
    if (!one) return;
    const frame = [one.frame, one.coming].find(each => each && each.contentWindow === event.source);
    if (Number.isFinite(told.height)) {
      if (told.height) frame.style.height = Math.min(told.height + 4, TALLEST) + "px";  // 0: out of sight, not laid out
      if (told.height || !frame.classList.contains("first")) arrive(one, frame);
    } else if (told.escape) {
      shrink();
    } else if ("over" in told) {
      tellLine(told.over);
    } else if (one === frames.hypothesis && PLACE.test(told.note)) {
      visit(...told.note.match(PLACE).slice(1).map(Number));
    } else if (Array.isArray(told.span)) {
      choose(held.values.text ? { span: told.span } : { sample: told.sample, span: told.span });
    } else {
      send({ kind: "pick", key: String(told.key ?? ""), note: String(told.note ?? "") });
    }
  }
  addEventListener("message", hear);
  addEventListener("popstate", start);
  model.on("remove", () => { removeEventListener("message", hear); removeEventListener("popstate", start); });

  // ---- notes
  const named = make("input", { ariaLabel: "Name of the unit", placeholder: "Name", maxLength: 200 });
  const note = make("textarea", { ariaLabel: "Note on the unit", placeholder: "What does it do?", rows: 4, maxLength: 100000 });
  const list = make("ul", { className: "notes" });
  const about = make("p", { className: "muted" });
  const notebook = make("article", { className: "panel notebook" }, make("div", { className: "bar" }, make("h2", {}, "Notes")),
    about, make("form", { onsubmit: event => {
      event.preventDefault();
      send({ kind: "note", unit: held.values.unit, name: named.value, note: note.value });
    } }, named, note, make("button", { type: "submit" }, "Save note")), list);
  panels.histogram.element.after(notebook);

  function showNotes() {
    const own = held.notes[held.values.unit] ?? {};
    about.textContent = held.values.unit || "No unit is chosen.";
    if (document.activeElement !== named) named.value = own.name ?? "";
    note.value = own.note ?? "";
    list.replaceChildren(...Object.entries(held.notes).filter(([, one]) => one.name || one.note).slice(0, 60).map(([key, one]) =>
      make("li", {}, button(`${one.name || key}`, key, () => choose({ unit: key })), make("bdi", {}, ` ${one.note.slice(0, 200)}`))));
  }

  // ---- what if
  const to = make("select", { ariaLabel: "Hold it at" }, ...["zero", "mean", "value"].map(name => make("option", {}, name)));
  const value = make("input", { type: "number", step: "any", value: "0", ariaLabel: "Value", className: "short" });
  const edits = make("ul", { className: "edits" });
  const change = make("form", { className: "change", onsubmit: event => {
    event.preventDefault();
    const edit = { unit: held.values.unit, to: to.value };
    if (to.value === "value") edit.value = +value.value;
    choose({ edits: [...held.values.edits.filter(one => one.unit !== edit.unit), edit] });
  } }, "Hold the unit at", to, value, make("button", { type: "submit" }, "Apply"),
    button("Undo all", "Take all edits back", () => choose({ edits: [] })), edits);
  panels.edit.element.querySelector(".bar").after(change);

  // ---- hypothesis
  const spanned = make("output", { className: "muted" });
  const bounds = ["high", "low"].map(name => make("input", { type: "number", step: "any", className: "short",
    ariaLabel: name === "high" ? "On above" : "On below" }));
  const regex = make("input", { ariaLabel: "Regular expression", placeholder: "regular expression" });
  const among = make("select", { ariaLabel: "Quantity" });
  const search = make("form", { className: "change", onsubmit: event => {
    event.preventDefault();
    const { high, low, regex: old, quantity: other, ...pattern } = held.values.pattern;
    bounds.forEach((bound, at) => { if (bound.value !== "") pattern[["high", "low"][at]] = +bound.value; });
    if (regex.value) pattern.regex = regex.value;
    if (among.value) pattern.quantity = among.value;
    choose({ pattern });
  } }, spanned, label("On above", bounds[0]), label("or below", bounds[1]), label("Quantity", among), regex,
    make("button", { type: "submit" }, "Search"), button("Forget span", "Take the span back", () => choose({ span: null })));
  panels.hypothesis.element.querySelector(".bar").after(search);

  function showSpan({ span, pattern }, shown) {
    spanned.textContent = span ? `Sample ${shown}, steps ${span[0]} to ${span[1] - 1}` : "";
    search.classList.toggle("idle", !span);
    bounds[0].value = pattern.high ?? "";
    bounds[1].value = pattern.low ?? "";
    regex.value = pattern.regex ?? "";
    among.value = held.quantities.includes(pattern.quantity) ? pattern.quantity : "";
  }

  let begun = false;
  function keepAddress(query) {
    const address = location.pathname + (query ? "?" + query : ""), news = address !== location.pathname + location.search;
    if (begun && news) history.pushState(null, "", address); else history.replaceState(null, "", address);
    begun = true;
  }

  function showState({ values, query, shown }) {
    Object.assign(held, { values, shown });
    tellSpan();
    if (linked) keepAddress(query);
    if (!held.pairs.includes(values.pair)) pair.value = ""; else pair.value = values.pair;
    unit.value = values.unit;
    place.value = values.window;
    where.textContent = held.windows > 1 ? `${values.window + 1} of ${held.windows}` : "all";
    sample.value = shown < 0 ? "" : shown;
    pinned.replaceChildren(...values.units.map(name => button(`${name} ×`, `Take ${name} out of the text`, () =>
      choose({ units: values.units.filter(other => other !== name) }))));
    showSpan(values, shown);
    if (document.activeElement !== sentence) sentence.value = values.text;
    edits.replaceChildren(...values.edits.map(one =>
      make("li", {}, `${one.unit} → ${one.to === "value" ? one.value : one.to}`)));
    showNotes();
  }

  function showChoices(choices) {
    held = { ...held, ...choices };
    title.textContent = `${choices.model}, ${choices.tokens.toLocaleString("en")} tokens`;
    pair.replaceChildren(make("option", { value: "" }, "–"), ...choices.pairs.map(name =>
      make("option", { value: name }, name.replace("=>", " ⇒ "))));
    among.replaceChildren(make("option", { value: "" }, "–"), ...held.quantities.map(name => make("option", {}, name)));
    names.replaceChildren();
    place.max = choices.windows - 1;
    place.disabled = choices.windows < 2;
  }

  // Thousands of options are made for those letters only that are typed.
  unit.addEventListener("input", () => {
    const asked = unit.value.toLowerCase();
    const found = held.units.filter(name => name.toLowerCase().includes(asked)
      || (held.notes[name]?.name ?? "").toLowerCase().includes(asked)).slice(0, 30);
    names.replaceChildren(...found.map(name => make("option", { value: name }, held.notes[name]?.name ?? "")));
  });

  let fading;
  function say({ text, wrong }) {
    said.textContent = text;
    said.classList.toggle("wrong", !!wrong);
    clearTimeout(fading);
    if (!wrong) fading = setTimeout(() => { said.textContent = ""; }, 6000);
  }

  function save({ name, type, content }) {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  const HEARD = {
    panel: show, state: showState, choices: showChoices, said: say, file: save,
    notes: message => { held.notes = message.notes; showNotes(); },
    done: message => { done = message.serial; settle(null); },
  };
  model.on("msg:custom", message => HEARD[message.kind]?.(message));

  board.append(head, said, ...Object.values(panes));
  repaint();
  start();
  return board;
}
