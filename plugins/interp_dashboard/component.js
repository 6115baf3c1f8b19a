// The page of the dashboard. It sends what the reader does to the server, and receives the views as complete HTML pages.
// Each view is in a sandboxed frame: its scripts can't reach this page, and labels never become markup.
const PANES = { overview: "All units", pair: "Pair and text", unit: "One unit" };
const FRAME_STYLE = "\nmain{padding:6px 10px 10px}h1{font-size:18px}figure{margin:10px 0}figcaption{font-size:12px}\n";
const MAX_HEIGHT = 2200;
const POSITION_NOTE = /^sample (\d+), step (\d+)/;

// Create an element. No HTML is parsed, so that names and notes are always text.
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

export function render({ model }) {
  let done = 0, request = { time: performance.now(), serial: 1 };
  const send = message => {
    request = { time: performance.now(), serial: done + 1 };
    model.send_msg(message);
  };
  const choose = values => send({ kind: "choose", values });
  const parameter = name => model.data?.[name] ?? model[name];
  const linked = parameter("linked");
  const start = () => send({ kind: "ready", query: linked ? location.search : "" });
  const board = make("div", { className: "dash" });
  let state = { values: {}, notes: {}, pairs: [], units: [], quantities: [], windows: 1, sample: -1 };
  const views = {}, loading = new Set();

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
    Object.values(views).forEach(view => { if (view.html) load(view); });
  }

  // ---- selection
  const pair = make("select", { ariaLabel: "Pair", onchange: () => choose({ pair: pair.value }) });
  const unitNames = make("datalist", { id: "interp-units" });
  const unit = make("input", { className: "wide", ariaLabel: "Unit", list: "interp-units", spellcheck: false,
    onchange: () => choose({ unit: unit.value }) });
  const pinned = make("span", { className: "pinned" });
  const position = make("input", { type: "range", min: 0, max: 0, ariaLabel: "Position in the corpus",
    onchange: () => choose({ window: +position.value, sample: -1, span: null, text: "" }) });
  const positionText = make("output", { className: "muted" });
  const sample = make("input", { type: "number", min: 0, ariaLabel: "Sample", className: "short",
    onchange: () => choose({ sample: +sample.value, span: null, text: "" }) });
  const step = by => choose({ sample: Math.max(+sample.value + by, 0), span: null, text: "" });
  const sentence = make("input", { className: "sentence", ariaLabel: "A sentence of your own",
    placeholder: "Type a sentence of your own", spellcheck: false });
  const sentenceForm = make("form", { onsubmit: event => { event.preventDefault(); choose({ text: sentence.value, span: null }); } },
    sentence, make("button", { type: "submit" }, "Run"),
    make("button", { type: "button", onclick: () => { sentence.value = ""; choose({ text: "" }); } }, "Corpus"));
  const file = make("input", { type: "file", accept: ".json", hidden: true, onchange: async () => {
    if (file.files[0]) send({ kind: "load", text: await file.files[0].text() });
    file.value = "";
  } });
  const status = make("div", { className: "status", role: "status" });
  const title = make("strong");
  const header = make("header", {},
    title, label("Pair", pair), label("Unit", unit), unitNames,
    button("Pin unit", "Show this unit as a further row of the text", () =>
      choose({ units: [...new Set([...state.values.units, state.values.unit])].filter(Boolean) })), pinned,
    label("Position", position), positionText, label("Sample", button("‹", "Previous sample", () => step(-1)), sample,
      button("›", "Next sample", () => step(1))),
    sentenceForm, theme, button("Save state", "Save the selection to a file", () => send({ kind: "save" })),
    button("Load state", "Load a selection from a file", () => file.click()), file);

  function label(text, ...inside) { return make("label", {}, make("span", {}, text), ...inside); }
  function button(text, title, onclick) { return make("button", { type: "button", title, ariaLabel: title, onclick }, text); }

  // ---- panels
  const panes = Object.fromEntries(Object.entries(PANES).map(([name, text]) =>
    [name, make("section", { className: `pane ${name}`, ariaLabel: text })]));
  const panels = Object.fromEntries(parameter("panels").map(([name, ...rest]) => [name, panel(name, ...rest)]));

  function panel(name, title, pane) {
    const heading = make("h2", {}, title), stage = make("div", { className: "stage" });
    const downloads = ["html", "png", "svg"].map(format =>
      button(format.toUpperCase(), `Download ${title} as ${format}`, () => send({ kind: "download", panel: name, format })));
    const maximise = button("⤢", `Maximise ${title}`, () => {
      element.classList.toggle("maximised");
      board.classList.toggle("covered", element.classList.contains("maximised"));
    });
    const element = make("article", { className: "panel", hidden: true }, make("div", { className: "bar" }, heading,
      ...downloads, maximise), stage);
    element.dataset.panel = name;
    panes[pane].append(element);
    return { name, title, element, stage, heading };
  }
  function restoreSize() {
    board.querySelectorAll(".maximised").forEach(element => element.classList.remove("maximised"));
    board.classList.remove("covered");
  }
  board.addEventListener("keydown", event => { if (event.key === "Escape") restoreSize(); });

  // Messages to the frames: the selected span for the text, the value under the pointer for the histograms.
  const sendToFrame = (name, message) => views[name]?.frame?.contentWindow?.postMessage({ interp: message }, "*");
  const sendSpan = () => sendToFrame("strips", { mark: state.values.span && [state.sample, ...state.values.span] });
  function sendLine(over) {
    const value = over?.values?.[state.values.unit];
    sendToFrame("histogram", { line: value === undefined ? null : { value: +value, words: `${over.words}  ${value}` } });
  }

  // A new frame loads behind the old one and replaces it as soon as its height is known.
  function load(view) {
    const night = dark() ? "(min-width: 0px)" : "(max-width: 0px)";
    const html = view.html.replaceAll("(prefers-color-scheme: dark)", night).replace("</style>", FRAME_STYLE + "</style>")
      .replace('name="color-scheme" content="light dark"', `name="color-scheme" content="${dark() ? "dark" : "light"}"`)
      .replace("color-scheme: light dark", `color-scheme: ${dark() ? "dark" : "light"}`);
    const frame = make("iframe", { sandbox: "allow-scripts", title: view.panel.title, className: "coming", srcdoc: html });
    frame.style.height = (view.frame ? view.frame.clientHeight : 300) + "px";
    if (!view.frame) {
      frame.classList.add("first");
      frame.style.width = view.panel.stage.clientWidth + "px";
    }
    view.coming?.remove();
    view.coming = frame;
    loading.add(view);
    view.panel.stage.append(frame);
  }

  function arrive(view, frame) {
    if (view.coming !== frame) return;
    view.frame?.remove();
    [view.frame, view.coming] = [frame, null];
    frame.classList.remove("coming", "first");
    frame.style.width = "";
    view.panel.stage.querySelector("p")?.remove();
    if (view === views.strips) sendSpan();
    settle(view);
  }

  // When all views of a request are loaded, set attributes with its serial number and its duration in milliseconds.
  function settle(view) {
    loading.delete(view);
    if (loading.size || done < request.serial) return;
    board.dataset.took = performance.now() - request.time;
    board.dataset.settled = done;
  }

  function show({ panel: name, heading, html, missing, title }) {
    const view = views[name] ??= { panel: panels[name] ??= panel(name, heading, "pair") };
    view.panel.element.hidden = false;
    view.panel.element.classList.toggle("empty", !html);
    view.panel.heading.textContent = view.panel.title;
    view.html = html;
    if (html) { load(view); return; }
    view.frame?.remove();
    view.coming?.remove();
    view.frame = view.coming = null;
    view.panel.stage.replaceChildren(make("p", { className: "missing", title }, missing));
    settle(view);
  }

  // Select a place where the pattern recurs as the span of the next search; the browser's Back button returns.
  function visit(sample, step) {
    const [first, stop] = state.values.span;
    choose({ sample, span: [step, step + stop - first] });
  }

  function onFrameMessage(event) {
    const message = event.data?.interp;
    const view = message && Object.values(views).find(each =>
      [each.frame, each.coming].some(frame => frame && frame.contentWindow === event.source));
    if (!view) return;
    const frame = [view.frame, view.coming].find(each => each && each.contentWindow === event.source);
    if (Number.isFinite(message.height)) {
      if (message.height) frame.style.height = Math.min(message.height + 4, MAX_HEIGHT) + "px";  // 0: out of sight, no layout
      if (message.height || !frame.classList.contains("first")) arrive(view, frame);
    } else if (message.escape) {
      restoreSize();
    } else if ("over" in message) {
      sendLine(message.over);
    } else if (view === views.hypothesis && POSITION_NOTE.test(message.note)) {
      visit(...message.note.match(POSITION_NOTE).slice(1).map(Number));
    } else if (Array.isArray(message.span)) {
      choose(state.values.text ? { span: message.span } : { sample: message.sample, span: message.span });
    } else {
      send({ kind: "pick", key: String(message.key ?? ""), note: String(message.note ?? "") });
    }
  }
  addEventListener("message", onFrameMessage);
  addEventListener("popstate", start);
  model.on("remove", () => { removeEventListener("message", onFrameMessage); removeEventListener("popstate", start); });

  // ---- notes
  const unitName = make("input", { ariaLabel: "Name of the unit", placeholder: "Name", maxLength: 200 });
  const unitNote = make("textarea", { ariaLabel: "Note on the unit", placeholder: "What does it do?", rows: 4, maxLength: 100000 });
  const noteList = make("ul", { className: "notes" });
  const notesUnit = make("p", { className: "muted" });
  const notebook = make("article", { className: "panel notebook" }, make("div", { className: "bar" }, make("h2", {}, "Notes")),
    notesUnit, make("form", { onsubmit: event => {
      event.preventDefault();
      send({ kind: "note", unit: state.values.unit, name: unitName.value, note: unitNote.value });
    } }, unitName, unitNote, make("button", { type: "submit" }, "Save note")), noteList);
  panels.histogram.element.after(notebook);

  function showNotes() {
    const entry = state.notes[state.values.unit] ?? {};
    notesUnit.textContent = state.values.unit || "No unit is selected.";
    if (document.activeElement !== unitName) unitName.value = entry.name ?? "";
    unitNote.value = entry.note ?? "";
    noteList.replaceChildren(...Object.entries(state.notes).filter(([, { name, note }]) => name || note).slice(0, 60).map(([key, { name, note }]) =>
      make("li", {}, button(`${name || key}`, key, () => choose({ unit: key })), make("bdi", {}, ` ${note.slice(0, 200)}`))));
  }

  // ---- what if
  const replacement = make("select", { ariaLabel: "Set to" }, ...["zero", "mean", "value"].map(name => make("option", {}, name)));
  const value = make("input", { type: "number", step: "any", value: "0", ariaLabel: "Value", className: "short" });
  const edits = make("ul", { className: "edits" });
  const editForm = make("form", { className: "change", onsubmit: event => {
    event.preventDefault();
    const edit = { unit: state.values.unit, to: replacement.value };
    if (replacement.value === "value") edit.value = +value.value;
    choose({ edits: [...state.values.edits.filter(other => other.unit !== edit.unit), edit] });
  } }, "Set the unit to", replacement, value, make("button", { type: "submit" }, "Apply"),
    button("Undo all", "Undo all edits", () => choose({ edits: [] })), edits);
  panels.edit.element.querySelector(".bar").after(editForm);

  // ---- hypothesis
  const spanText = make("output", { className: "muted" });
  const bounds = ["high", "low"].map(name => make("input", { type: "number", step: "any", className: "short",
    ariaLabel: name === "high" ? "Active above" : "Active below" }));
  const regex = make("input", { ariaLabel: "Regular expression", placeholder: "regular expression" });
  const quantity = make("select", { ariaLabel: "Quantity" });
  const searchForm = make("form", { className: "change", onsubmit: event => {
    event.preventDefault();
    const { high, low, regex: oldRegex, quantity: oldQuantity, ...pattern } = state.values.pattern;
    bounds.forEach((bound, at) => { if (bound.value !== "") pattern[["high", "low"][at]] = +bound.value; });
    if (regex.value) pattern.regex = regex.value;
    if (quantity.value) pattern.quantity = quantity.value;
    choose({ pattern });
  } }, spanText, label("Active above", bounds[0]), label("or below", bounds[1]), label("Quantity", quantity), regex,
    make("button", { type: "submit" }, "Search"), button("Clear span", "Clear the selected span", () => choose({ span: null })));
  panels.hypothesis.element.querySelector(".bar").after(searchForm);

  function showSpan({ span, pattern }, shownSample) {
    spanText.textContent = span ? `Sample ${shownSample}, steps ${span[0]} to ${span[1] - 1}` : "";
    searchForm.classList.toggle("idle", !span);
    bounds[0].value = pattern.high ?? "";
    bounds[1].value = pattern.low ?? "";
    regex.value = pattern.regex ?? "";
    quantity.value = state.quantities.includes(pattern.quantity) ? pattern.quantity : "";
  }

  let hasAddress = false;
  function updateAddress(query) {
    const address = location.pathname + (query ? "?" + query : "");
    const changed = address !== location.pathname + location.search;
    if (hasAddress && changed) history.pushState(null, "", address); else history.replaceState(null, "", address);
    hasAddress = true;
  }

  function showState({ values, query, sample: shownSample }) {
    Object.assign(state, { values, sample: shownSample });
    sendSpan();
    if (linked) updateAddress(query);
    if (!state.pairs.includes(values.pair)) pair.value = ""; else pair.value = values.pair;
    unit.value = values.unit;
    position.value = values.window;
    positionText.textContent = state.windows > 1 ? `${values.window + 1} of ${state.windows}` : "all";
    sample.value = shownSample < 0 ? "" : shownSample;
    pinned.replaceChildren(...values.units.map(name => button(`${name} ×`, `Remove ${name} from the text`, () =>
      choose({ units: values.units.filter(other => other !== name) }))));
    showSpan(values, shownSample);
    if (document.activeElement !== sentence) sentence.value = values.text;
    edits.replaceChildren(...values.edits.map(edit =>
      make("li", {}, `${edit.unit} → ${edit.to === "value" ? edit.value : edit.to}`)));
    showNotes();
  }

  function showChoices(choices) {
    state = { ...state, ...choices };
    title.textContent = `${choices.model}, ${choices.tokens.toLocaleString("en")} tokens`;
    pair.replaceChildren(make("option", { value: "" }, "–"), ...choices.pairs.map(name =>
      make("option", { value: name }, name.replace("=>", " ⇒ "))));
    quantity.replaceChildren(make("option", { value: "" }, "–"), ...state.quantities.map(name => make("option", {}, name)));
    unitNames.replaceChildren();
    position.max = choices.windows - 1;
    position.disabled = choices.windows < 2;
  }

  // A store may have thousands of units, so only those that match the typed text are listed.
  unit.addEventListener("input", () => {
    const typed = unit.value.toLowerCase();
    const matches = state.units.filter(name => name.toLowerCase().includes(typed)
      || (state.notes[name]?.name ?? "").toLowerCase().includes(typed)).slice(0, 30);
    unitNames.replaceChildren(...matches.map(name => make("option", { value: name }, state.notes[name]?.name ?? "")));
  });

  let timer;
  function showStatus({ text, error }) {
    status.textContent = text;
    status.classList.toggle("is-error", !!error);
    clearTimeout(timer);
    if (!error) timer = setTimeout(() => { status.textContent = ""; }, 6000);
  }

  function saveFile({ name, type, content }) {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  const HANDLERS = {
    panel: show, state: showState, choices: showChoices, status: showStatus, file: saveFile,
    notes: message => { state.notes = message.notes; showNotes(); },
    done: message => { done = message.serial; settle(null); },
  };
  model.on("msg:custom", message => HANDLERS[message.kind]?.(message));

  board.append(header, status, ...Object.values(panes));
  repaint();
  start();
  return board;
}
