// Sends each chosen file to /api/classify and shows what the model says of it. Names of files and
// everything else that comes from outside is set as text, never as HTML.

const element = (id) => document.getElementById(id);
const RETRIES = 5;
const HEAT_NOTE =
  "A heat map shows where the network found what speaks for a class. It cannot show that the " +
  "network is right, or that there is a disease: it may well point at a marker or the border.";

// What somebody needs who reads a decision; versions, splits and settings are for who checks them.
const CARD_FIRST = [
  "Purpose",
  "Data",
  "Participants",
  "Reference standard",
  "Decision",
  "Performance",
  "External test",
];

const entries = []; // {file, state: "waiting" | "working" | "done" | "failed", found, error}
let shown = null;
let following = true; // what is being classified is shown, until a person picks another file
let working = false;
let about = null;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function percent(probability) {
  const value = 100 * probability;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed(1)} %`;
}

// --- what the model is ---

async function showModel() {
  const answer = await fetch("/api/model");
  about = await answer.json();
  element("name").textContent = about.name;
  element("offers").textContent = `This model tells: ${about.labels.join(", ")}.`;
  const card = element("card");
  if (!about.card) {
    card.append(make("p", "note", "This model was exported without a model card."));
    return;
  }
  const { card: items = {}, ...rest } = about.card;
  const all = Object.entries({ ...items, ...rest });
  const first = all.filter(([name]) => CARD_FIRST.includes(name));
  const others = all.filter(([name]) => !CARD_FIRST.includes(name));
  card.append(listOf(Object.fromEntries(first)));
  if (others.length === 0) return;
  const more = make("details");
  more.append(make("summary", "", "How it was made"), listOf(Object.fromEntries(others)));
  card.append(more);
}

function listOf(fields) {
  const list = make("dl");
  for (const [name, value] of Object.entries(fields)) {
    list.append(make("dt", "", name.replaceAll("_", " ")));
    const cell = make("dd");
    cell.append(written(value));
    list.append(cell);
  }
  return list;
}

function written(value) {
  if (Array.isArray(value)) {
    const flat = value.every((part) => typeof part !== "object" || part === null);
    const sentences = value.some((part) => String(part).length > 40);
    if (flat && !sentences) return document.createTextNode(value.map(plain).join(", "));
    const box = make("div");
    for (const part of value) {
      const line = make("p");
      line.append(written(part));
      box.append(line);
    }
    return box;
  }
  if (typeof value === "object" && value !== null) return listOf(value);
  return document.createTextNode(plain(value));
}

function plain(value) {
  if (value === null) return "unknown";
  if (typeof value === "number" && !Number.isInteger(value)) return value.toFixed(3);
  return String(value);
}

// --- files, one after the other ---

function add(files) {
  for (const file of files) entries.push({ file, state: "waiting" });
  following = true;
  showList();
  work();
}

async function work() {
  if (working) return;
  working = true;
  for (let entry; (entry = entries.find((one) => one.state === "waiting")); ) {
    entry.state = "working";
    if (following) show(entry);
    showList();
    await classify(entry);
    if (entry === shown) show(entry);
    showList();
  }
  working = false;
}

async function classify(entry) {
  try {
    if (entry.file.size > about.max_body_bytes) {
      const limit = about.max_body_bytes / 2 ** 20;
      throw new Error(`the file is longer than ${limit} MiB, which this server takes`);
    }
    entry.found = await ask(entry.file);
    entry.state = "done";
    const sure = entry.found.classes.map((one) => `${one.name} ${percent(one.probability)}`);
    const told = [...entry.found.warnings, ruleInWords(entry.found)].join(". ");
    say("status", `${entry.file.name}: ${entry.found.decision}. ${sure.join(", ")}. ${told}`);
  } catch (error) {
    entry.error = error instanceof TypeError ? "the server does not answer" : error.message;
    entry.state = "failed";
    say("alert", `${entry.file.name}: ${entry.error}`);
  }
}

async function ask(file) {
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch("/api/classify", {
      method: "POST",
      body: file,
      headers: { "Content-Type": "application/octet-stream" },
    });
    const busy = answer.status === 503 && attempt < RETRIES;
    if (busy) {
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds * 2 ** attempt));
      continue;
    }
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }
}

function say(where, text) {
  element(where).textContent = text;
}

function showList() {
  const list = element("list");
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.replaceChildren(...entries.map(listItem));
  if (focused >= 0) list.children[focused].firstChild.focus();
  element("list-box").hidden = entries.length < 2;
}

function listItem(entry) {
  const item = make("li");
  const button = make("button");
  button.type = "button";
  button.setAttribute("aria-current", String(entry === shown));
  const states = { waiting: "waiting", working: "reading…", failed: "not classified" };
  button.append(
    make("span", "list-name", entry.file.name),
    make("span", "list-state", entry.found ? entry.found.decision : states[entry.state]),
  );
  if (entry.error) button.append(make("span", "list-error", entry.error));
  button.addEventListener("click", () => {
    following = false;
    show(entry);
    showList();
  });
  item.append(button);
  return item;
}

// --- one file ---

function show(entry) {
  shown = entry;
  const { found, error } = entry;
  document.querySelector("main").classList.toggle("failed", Boolean(error));
  element("welcome").hidden = true;
  element("result").hidden = !found;
  element("problem").hidden = !error;
  element("empty").hidden = Boolean(found);
  element("pictures").hidden = !found;
  element("busy").hidden = entry.state === "done" || entry.state === "failed";
  element("blend-row").hidden = !found || !found.explained;
  element("heat-note").hidden = !found;
  if (error) {
    element("problem-file").textContent = entry.file.name;
    element("problem-reason").textContent = error;
  }
  if (found) showFound(entry, found);
}

function showFound(entry, found) {
  element("decision").textContent = found.decision;
  element("file").textContent = entry.file.name;
  element("why").textContent = ruleInWords(found);
  element("warnings").hidden = found.warnings.length === 0;
  element("warnings").replaceChildren(...found.warnings.map((one) => make("li", "", one)));
  element("lungs").hidden = found.lungs_found !== false;
  element("picture").src = found.picture;
  element("picture").alt = found.explained
    ? "The X-ray as the network saw it"
    : "The X-ray as it was sent";
  entry.chosen ??= mostSpokenFor(found);
  const box = element("classes");
  box.replaceChildren(box.firstElementChild, ...found.classes.map((_, i) => bar(entry, i)));
  showHeat(entry);
}

function ruleInWords({ classes, decision, rule }) {
  const decided = classes.find((one) => one.name === decision);
  const largest = Math.max(...classes.map((one) => one.probability));
  const unlike = !decided || decided.probability === largest ? "" : "Not the most probable class. ";
  return rule ? `${unlike}Decided by the rule that was fixed on validation: ${rule}` : unlike;
}

function mostSpokenFor({ classes, decision }) {
  const decided = classes.findIndex((one) => one.name === decision);
  if (decided >= 0) return decided;
  const probabilities = classes.map((one) => one.probability);
  return probabilities.indexOf(Math.max(...probabilities));
}

function bar(entry, index) {
  const { name, probability } = entry.found.classes[index];
  const row = make("div", "class");
  const input = make("input");
  Object.assign(input, { type: "radio", name: "class", id: `class-${index}`, value: name });
  input.checked = index === entry.chosen;
  input.disabled = !entry.found.explained;
  input.addEventListener("change", () => {
    entry.chosen = index;
    showHeat(entry);
  });
  const label = make("label", "bar-label");
  label.htmlFor = input.id;
  const track = make("span", "bar");
  const filled = make("span");
  filled.style.width = `${100 * probability}%`;
  track.append(filled);
  label.append(
    make("span", "bar-name", name),
    make("span", "bar-value", percent(probability)),
    track,
  );
  row.append(input, label);
  return row;
}

function showHeat(entry) {
  const { found, chosen } = entry;
  const { name, heatmap } = found.classes[chosen];
  const heat = element("heat");
  const note = element("heat-note");
  heat.hidden = !heatmap;
  element("blend").disabled = !heatmap;
  if (!found.explained) {
    note.textContent = "This model has no heat maps: its network keeps no map to draw one from.";
  } else if (heatmap) {
    heat.src = heatmap;
    heat.alt = `Where the evidence for ${name} lies`;
    note.textContent = HEAT_NOTE;
  } else {
    note.textContent = `Nothing in this image speaks for ${name}: its heat map is empty.`;
  }
  blend();
}

function blend() {
  const value = element("blend").value;
  element("heat").style.opacity = value / 100;
  element("blend-value").textContent = `${value} %`;
}

// --- what a person does ---

element("blend").addEventListener("input", blend);
element("files").addEventListener("change", ({ target }) => {
  add([...target.files]);
  target.value = ""; // the same file may be chosen again
});
let depth = 0; // dragenter and dragleave come for every element on the way
const over = (change) => {
  depth = change === 0 ? 0 : depth + change;
  element("frame").classList.toggle("over", depth > 0);
};
document.addEventListener("dragenter", () => over(1));
document.addEventListener("dragleave", () => over(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  over(0);
  add([...event.dataTransfer.files]);
});

await showModel().catch(() => say("alert", "The server does not say what model it has."));
