"use strict";
(() => {
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const MARKS = {good: "✓", bad: "✕", open: "…", unknown: "?"};
const VIEWS = ["sites", "deploys", "graph", "calendar", "trends"];
let data = null, deploys = [], sites = [], now = 0;

// Elements are made, never parsed: whatever a text holds, it is shown.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    if (name === "onclick") node.addEventListener("click", value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== ""));
  return node;
}
const link = (url, text) => /^https?:\/\//i.test(url) ? el("a", {href: url, rel: "noreferrer noopener", target: "_blank"}, text) : text;
const mark = state => el("span", {class: `mark ${state}`, "aria-hidden": "true"}, MARKS[state]);
const pill = (state, text) => el("span", {class: `pill ${state}`}, text);

function took(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} d`;
}
const ago = at => { const seconds = now - at; return seconds < 60 ? "now" : `${took(seconds)} ago`; };
function clock(at) {
  const time = new Date(at * 1000);
  return `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`;
}
const two = number => String(number).padStart(2, "0");
function moment(at) {
  const time = new Date(at * 1000);
  return `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())} ${two(time.getUTCHours())}:${two(time.getUTCMinutes())} UTC`;
}

async function unpacked() {
  const text = atob($("#data").textContent), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// One object a deploy is made when it is asked for; the columns stay as they are.
class Deploy {
  constructor(number) { this.number = number; }
  get columns() { return data.deploys; }
  get siteNumber() { return this.columns.site[this.number]; }
  get label() { return this.columns.sites[this.siteNumber][0]; }
  get row() { return this.columns.sites[this.siteNumber][1]; }
  get at() { return times[this.number]; }
  get tag() { return this.columns.tag[this.number]; }
  get older() { return before[this.number]; }
  get newer() { return after[this.number]; }
  get previous() { const text = this.columns.previous[this.number]; return text === 0 ? this.columns.tag[this.older] : text; }
  get commit() { return this.columns.commit[this.number]; }
  get source() { return this.columns.source[this.number] || this.tag; }
  get hasSource() { return Boolean(this.columns.source[this.number]) || /^[0-9a-f]{7,40}$/.test(this.tag); }
  get repository() { return this.columns.repositories[this.columns.repository[this.number]]; }
  get who() { return this.columns.whos[this.columns.who[this.number]]; }
  get run() { return this.url(this.columns.run[this.number]); }
  get lead() { return this.columns.lead[this.number]; }
  get more() { return this.columns.more[this.number] || {}; }
  url(known) { return known ? `${this.columns.runs[known[0]]}/${known[1]}` : ""; }
  get endings() {
    return this.columns.endings[this.number].map(([outcome = 0, reason = 0, seconds = 0, later = 0, context = 0, run = 0, message = 0, stages = 0, ...times]) => ({
      outcome: this.columns.outcomes[outcome], state: this.columns.states[outcome],
      reason: this.columns.reasons[reason], message: this.columns.messages[message], seconds, at: this.at + later,
      context: this.columns.contexts[context] || "", run: this.url(run),
      stages: this.columns.stages[stages].map((name, at) => ({name, seconds: times[at] || 0})),
    }));
  }
  // The one that counts.
  get ending() { return this.endings[this.columns.counts[this.number] || 0]; }
  get state() { const ending = this.ending; return ending ? ending.state : "unknown"; }
  get word() { const ending = this.ending; return ending ? ending.outcome : "not noted"; }
  get cause() { const ending = this.ending; return ending && ending.state !== "good" ? ending.reason : this.more.rollbackOf ? "rollback" : ""; }
}
let times = [], before = [], after = [], words = null, takenBack = new Map(), bySite = [], rowNames = [], siteNames = [];

function read() {
  const columns = data.deploys, count = columns.site.length;
  let at = 0;
  times = columns.at.map((value, number) => at = number ? at - value : value);
  before = new Int32Array(count).fill(-1);
  after = new Int32Array(count).fill(-1);
  bySite = columns.sites.map(() => []);
  siteNames = columns.sites.map(([name]) => name);
  rowNames = sites.map(each => each.name);
  for (let number = 0; number < count; number++) {
    const list = bySite[columns.site[number]];
    if (list.length) { const newer = list[list.length - 1]; after[number] = newer; before[newer] = number; }
    list.push(number);
  }
  for (const [number, more] of Object.entries(columns.more)) if (more.rollbackOf) takenBack.set(more.rollbackOf, Number(number));
  deploys = Array.from({length: count}, (_, number) => number);
}
// What a search looks through, made when somebody searches first.
function searched() {
  if (!words) words = deploys.map(number => {
    const each = new Deploy(number);
    return `${each.label} ${each.tag} ${each.commit} ${each.source} ${each.who} ${each.word} ${each.cause} ${each.ending?.message || ""} ${each.more.reason || ""}`.toLowerCase();
  });
  return words;
}

// --- What is shown: all of it stands in the address, so that it can be sent to somebody.
const wanted = {view: "sites", text: "", environment: "", state: "", rows: null, what: "", of: -1};
let shown = [];

// An address is sent to somebody, and names what it opens: the next page has other numbers.
const siteAddress = number => `#site=${encodeURIComponent(sites[number].name)}`;
const deployAddress = deploy => `#deploy=${deploy.commit}-${encodeURIComponent(deploy.label)}`;
// A box of the graph, or those that wait for a site.
function rowsOf(asked) {
  const box = asked.has("box") && $$("a.box").find(node => new URLSearchParams(node.getAttribute("href").split("?")[1]).get("box") === asked.get("box"));
  if (box) return {numbers: $$("[data-row]", box).map(node => Number(node.dataset.row)), what: "one box"};
  const number = asked.has("after") ? rowNames.indexOf(asked.get("after")) : -1;
  return number >= 0 ? {numbers: waitingFor(number), what: `those that wait for ${rowNames[number]}`} : null;
}
function plain(text) { try { return decodeURIComponent(text); } catch { return ""; } }

function parse() {
  const [view, query = ""] = location.hash.slice(1).split("?");
  const detail = /^(site|deploy)=(.+)$/.exec(view);
  if (detail) return open(detail[1], plain(detail[2]));
  if (dialog.open) dialog.close();
  const asked = new URLSearchParams(query);
  wanted.view = VIEWS.includes(view) ? view : "sites";
  const rows = rowsOf(asked);
  wanted.rows = rows && new Set(rows.numbers.filter(number => number >= 0));
  wanted.what = rows ? rows.what : "";
  wanted.of = siteNames.indexOf(asked.get("of"));
  wanted.state = asked.get("state") || "";
  if (asked.has("q")) { wanted.text = asked.get("q"); search.value = wanted.text; }
  show();
}

function show() {
  for (const name of VIEWS) {
    $(`#view-${name}`).classList.toggle("shown", name === wanted.view);
    const tab = $(`nav a[href="#${name}"]`);
    if (name === wanted.view) { tab.setAttribute("aria-current", "page"); tab.scrollIntoView({block: "nearest", inline: "nearest"}); } else tab.removeAttribute("aria-current");
  }
  for (const tile of $$(".tile")) tile.setAttribute("aria-pressed", String(wanted.view === "sites" && tile.dataset.state === wanted.state));
  filter();
}

function filter() {
  const needles = wanted.text.toLowerCase().split(/\s+/).filter(Boolean), list = siteRows();
  let count = 0;
  for (const [number, node] of list.entries()) {
    const text = node.dataset.words;
    const fits = needles.every(needle => text.includes(needle)) && (!wanted.rows || wanted.rows.has(number))
      && (!wanted.environment || ` ${node.dataset.in} `.includes(` ${wanted.environment} `)) && inState(node);
    node.parentNode.hidden = !fits;
    count += fits;
  }
  $("#site-count").textContent = count === list.length ? list.length.toLocaleString("en") : `${count.toLocaleString("en")} of ${list.length.toLocaleString("en")}`;
  $("#no-site").hidden = count > 0;
  const narrowed = [wanted.rows ? `${wanted.rows.size} sites of ${wanted.what}` : "", wanted.of >= 0 && data ? `deploys of ${data.deploys.sites[wanted.of][0]}` : ""].filter(Boolean).join(", ");
  $("#only").hidden = !narrowed;
  $("#only span").textContent = narrowed;
  if (!data) return;
  const source = wanted.of >= 0 ? bySite[wanted.of] : deploys;
  if (needles.length || wanted.environment) {
    const texts = needles.length ? searched() : null;
    shown = source.filter(number => (!texts || needles.every(needle => texts[number].includes(needle))) && inEnvironment(number));
  } else shown = source;
  $("#deploy-count").textContent = shown.length === deploys.length ? deploys.length.toLocaleString("en") : `${shown.length.toLocaleString("en")} of ${deploys.length.toLocaleString("en")}`;
  $("#no-deploy").hidden = shown.length > 0;
  scroller.hidden = shown.length === 0;
  scroller.scrollTop = 0;
  draw(true);
}
const inEnvironment = number => !wanted.environment || (sites[data.deploys.sites[data.deploys.site[number]][1]]?.environments || []).includes(wanted.environment);
function inState(node) {
  if (!wanted.state) return true;
  return wanted.state === "held" || wanted.state === "frozen" ? wanted.state in node.dataset : node.dataset.state === wanted.state;
}
let rowNodes = null;
const siteRows = () => rowNodes || (rowNodes = $$(".site"));

// --- The list of deploys: what is seen of it, and a little more.
const scroller = $(".scroller"), space = $(".space"), pool = [];
let first = -1, height = 44, active = -1;

function draw(afresh = false) {
  if (!data || wanted.view !== "deploys") return;
  height = matchMedia("(max-width: 700px)").matches ? 60 : 44;
  space.style.height = `${shown.length * height}px`;
  const count = Math.min(shown.length, Math.ceil(scroller.clientHeight / height) + 12);
  const start = Math.max(0, Math.min(Math.floor(scroller.scrollTop / height) - 6, shown.length - count));
  if (!afresh && start === first && pool.length >= count) return;
  first = start;
  while (pool.length < count) { const node = deployRow(); pool.push(node); scroller.append(node); }
  pool.forEach((node, slot) => {
    // A row stays with its node, so that scrolling writes what comes into sight and nothing else.
    const at = start + ((slot - start) % pool.length + pool.length) % pool.length;
    node.hidden = at >= Math.min(shown.length, start + pool.length);
    if (node.hidden) { node.at = -1; return; }
    if (node.at === at && !afresh) return;
    node.at = at;
    fill(node, shown[at], at);
  });
}
function deployRow() {
  const fields = ["mark", "name", "tags", "took", "cause", "who", "when"].map(name => el("span", {class: name}));
  const node = el("a", {class: "deploy", role: "listitem"}, fields);
  node.fields = fields;
  return node;
}
function fill(node, number, at) {
  const each = new Deploy(number), ending = each.ending, [markNode, name, tags, tookNode, cause, who, when] = node.fields;
  node.style.transform = `translateY(${at * height}px)`;
  node.href = deployAddress(each);
  markNode.className = `mark ${each.state}`;
  markNode.textContent = MARKS[each.state];
  name.textContent = each.label;
  tags.textContent = `${each.previous || "new"} → ${each.tag}`;
  tags.className = "tags mono";
  tookNode.textContent = ending ? took(ending.seconds) : "";
  cause.textContent = each.state === "good" ? each.cause : `${each.word}${each.cause && each.cause !== each.word ? `: ${each.cause}` : ""}`;
  who.textContent = each.who;
  who.className = "who quiet";
  when.textContent = ago(each.at);
  when.title = moment(each.at);
  node.setAttribute("aria-label", `${each.label} to ${each.tag}, ${each.word}, ${ago(each.at)}`);
  node.setAttribute("aria-posinset", at + 1);
  node.setAttribute("aria-setsize", shown.length);
}

// --- One site, one deploy.
const dialog = $("dialog");
let from = "#sites", opener = null;

function open(kind, key) {
  if (!data) return;
  const end = key.indexOf("-");
  const content = kind === "site" ? sitePage(rowNames.indexOf(key)) : deployPage(key.slice(0, end), siteNames.indexOf(key.slice(end + 1)));
  if (!content) return void (location.hash = "#sites");
  dialog.replaceChildren(...content);
  if (!dialog.open) { opener = document.activeElement; dialog.showModal(); }
  dialog.scrollTop = 0;
  $("h2", dialog).focus();
}
function head(title, state, word, about) {
  return el("div", {class: "head"}, el("div", {}, el("h2", {tabindex: "-1"}, title), el("p", {}, pill(state, word), " ", el("span", {class: "quiet"}, about))),
    el("button", {class: "close", type: "button", "aria-label": "Close", onclick: () => dialog.close()}, "✕"));
}
function facts(rows) {
  return el("dl", {class: "facts"}, rows.filter(([, value]) => value && (!Array.isArray(value) || value.length)).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}
const section = (title, ...children) => el("section", {}, el("h3", {}, title), children);
function command(text) {
  const button = el("button", {type: "button", onclick: () => navigator.clipboard?.writeText(text).then(() => { button.textContent = "Copied"; })}, "Copy");
  return el("div", {class: "next"}, el("code", {}, text), button);
}
function siteLink(number) {
  const each = sites[number];
  return el("a", {class: "row", href: siteAddress(number)}, mark(each.state), el("span", {class: "grow"}, each.name), el("span", {class: "quiet"}, each.word));
}
function some(numbers, most, make, more) {
  const rest = numbers.length - most;
  return [...numbers.slice(0, most).map(make), rest > 0 ? more(rest) : null];
}
function deployLink(number) {
  const each = new Deploy(number);
  return el("a", {class: "row", href: deployAddress(each)}, mark(each.state),
    el("span", {class: "grow"}, el("span", {class: "mono"}, `${each.previous || "new"} → ${each.tag}`), " ", el("span", {class: "quiet"}, each.cause || each.who)),
    el("span", {class: "quiet"}, ago(each.at)));
}
function waitingFor(number) {
  return Object.entries(data.needs).filter(([, numbers]) => numbers.includes(number)).map(([other]) => Number(other));
}
function sitePage(number) {
  const each = sites[number];
  if (!each) return null;
  const own = data.deploys.sites.findIndex(([, row]) => row === number || (row >= 0 && sites[row].identity === each.identity && sites[row].site === each.site));
  const list = own >= 0 ? bySite[own] : [], waits = data.needs[number] || [], waited = waitingFor(number);
  const figures = each.figures, value = (text, name, sample) => el("div", {}, el("b", {}, text), name, el("br"), sample);
  const known = each.seen ? (each.context ? `seen in ${each.context}` : "seen in the cluster") : each.context ? `${each.context} could not be read` : each.at ? `noted ${ago(each.at)}` : "as git and the record say";
  return [head(each.name, each.state, each.word, known), el("div", {class: "body"},
    each.cause ? el("p", {class: `why ${each.state}`}, each.cause) : null,
    each.hint ? command(each.hint) : null,
    each.hold ? el("p", {class: "why hold"}, each.hold) : null,
    each.freeze ? el("p", {class: "why freeze"}, each.freeze) : null,
    (each.drift || []).map(text => el("p", {class: "why open"}, `drift: ${text}`)),
    section("How it stands", facts([
      ["wanted", each.wanted && el("code", {}, each.wanted)], ["runs", (each.running || []).join(", ")], ["applied", each.applied], ["since", each.since],
      ["image", each.image], ["environment", (each.environments || []).join(", ")], ["defined in", each.place], ["Kustomization", each.identity],
      ["not followed", each.notFollowed],
    ])),
    figures ? section("Since the first deploy that is recorded", el("div", {class: "four"},
      value(String(figures.deployFrequency.sampleSize), "became Ready", `${figures.deployFrequency.perDay.toFixed(2)} a day`),
      value(figures.leadTime.seconds.p50 === null ? "none" : took(figures.leadTime.seconds.p50), "lead time", `median of ${figures.leadTime.sampleSize}`),
      value(figures.changeFailureRate.rate === null ? "none" : `${(figures.changeFailureRate.rate * 100).toFixed(1)}%`, "failed", `${figures.changeFailureRate.failed} of ${figures.changeFailureRate.sampleSize}`),
      value(figures.timeToRestore.seconds.p50 === null ? "none" : took(figures.timeToRestore.seconds.p50), "to restore", `median of ${figures.timeToRestore.sampleSize}`))) : null,
    list.length ? section("Deploys", some(list, 10, deployLink, () => el("p", {}, el("br"), el("a", {href: `#deploys?of=${encodeURIComponent(siteNames[own])}`}, `All ${list.length.toLocaleString("en")} deploys`)))) : null,
    waits.length ? section("Waits for", waits.map(siteLink)) : null,
    waited.length ? section(`${waited.length.toLocaleString("en")} wait for it`, some(waited, 12, siteLink, rest => el("p", {}, el("br"), el("a", {href: `#sites?after=${encodeURIComponent(each.name)}`}, `and ${rest.toLocaleString("en")} more`)))) : null,
  )];
}
function deployPage(commit, own) {
  const number = (bySite[own] || []).find(each => data.deploys.commit[each] === commit);
  if (number === undefined) return null;
  const each = new Deploy(number), endings = each.endings, ending = each.ending, back = takenBack.get(each.commit), more = each.more;
  return [head(`${each.label}: ${each.previous || "new"} → ${each.tag}`, each.state, each.word, `${moment(each.at)}, ${ago(each.at)}`), el("div", {class: "body"},
    ending && each.state !== "good" ? el("p", {class: `why ${each.state}`}, el("b", {}, ending.reason || each.word, ending.context ? ` in ${ending.context}` : ""), ending.message ? `: ${ending.message}` : "") : null,
    section("Timeline", bar(each, ending), timeline(each, endings, back)),
    section("What", facts([
      ["who", each.who], ["commit", data.web ? link(`${data.web}/commit/${each.commit}`, el("code", {}, each.commit)) : el("code", {}, each.commit)],
      ["source", each.hasSource && (each.repository ? link(`${each.repository}/commit/${each.source}`, el("code", {}, each.source)) : el("code", {}, each.source))],
      ["run", each.run && link(each.run, each.run)], ["reason", more.reason], ["overridden", (more.forced || []).join(", ")],
      ["takes back", more.rollbackOf && el("code", {}, more.rollbackOf)],
    ])),
    section("Before and after", each.newer >= 0 ? deployLink(each.newer) : el("p", {class: "quiet"}, "It is the newest of its site."), each.older >= 0 ? deployLink(each.older) : null,
      each.row >= 0 ? siteLink(each.row) : el("p", {class: "quiet"}, "Its site does not stand in git any more.")),
  )];
}
function bar(each, ending) {
  const lead = each.lead > 0 ? each.lead : 0, follow = ending ? ending.seconds : 0;
  if (!(lead + follow)) return null;
  const known = ending ? ending.stages.map(({name, seconds}, at) => [at === ending.stages.length - 1 ? ending.state : "", seconds, name]) : [];
  const followed = known.length ? known : ending ? [[ending.state, follow, `from the deploy to ${ending.outcome}`]] : [];
  const parts = [["wait", lead, "from the source commit to the deploy"], ...followed], node = el("div", {class: "times", "aria-hidden": "true"});
  for (const [name, seconds, title] of parts) {
    if (!seconds) continue;
    const piece = el("i", {class: name || null, "data-tip": `${title}: ${took(seconds)}`});
    piece.style.flexGrow = String(Math.sqrt(seconds));
    node.append(piece);
  }
  return node;
}
function timeline(each, endings, back) {
  const items = [], counts = each.columns.counts[each.number] || 0;
  // What the one that counts says stands above.
  const told = ending => ending.message && endings.indexOf(ending) !== counts ? el("p", {class: "quiet"}, ending.message) : null;
  if (each.lead) items.push(["", each.at - each.lead, "Source commit made", each.hasSource ? each.source : ""]);
  items.push(["", each.at, `Committed by ${each.who || "nobody that is named"}`, each.lead > 0 ? `${took(each.lead)} after the source commit` : ""]);
  for (const ending of endings) {
    const where = ending.context ? ` in ${ending.context}` : "";
    items.push([ending.state, ending.at, `${ending.outcome}${where}${ending.state === "good" ? "" : `: ${ending.reason}`}`, `${took(ending.at - each.at)} after the commit, followed for ${took(ending.seconds)}`, ending.run, [told(ending), stages(ending)]]);
  }
  if (!endings.length) items.push(["unknown", null, "Nobody noted how it ended", ""]);
  if (back !== undefined) items.push(["bad", new Deploy(back).at, "Taken back", `by ${new Deploy(back).commit}`]);
  if (each.newer >= 0) items.push(["", new Deploy(each.newer).at, `Replaced by ${new Deploy(each.newer).tag}`, ""]);
  return el("ol", {class: "line"}, items.map(([state, at, text, about, run, more]) => el("li", {class: state || null}, text, el("small", {}, [at === null ? "" : moment(at), about].filter(Boolean).join(", "), run ? [", ", link(run, "run")] : ""), more)));
}
// Each stage begins where the one before ends, and the last one ends with the verdict.
function stages(ending) {
  const all = ending.stages.reduce((sum, {seconds}) => sum + seconds, 0);
  if (!ending.stages.length) return null;
  let began = ending.at - all;
  return el("ol", {class: "stages"}, ending.stages.map(({name, seconds}, number) => {
    const piece = el("i", {class: number === ending.stages.length - 1 ? ending.state : null}), from = began;
    began += seconds;
    piece.style.marginLeft = `${all ? (from - ending.at + all) / all * 100 : 0}%`;
    piece.style.width = `${all ? seconds / all * 100 : 0}%`;
    return el("li", {}, el("span", {}, name), el("span", {class: "track", "aria-hidden": "true"}, piece), el("span", {class: "took"}, took(seconds)),
      el("span", {class: "quiet"}, `${clock(from)} to ${clock(began)}`));
  }));
}
dialog.addEventListener("close", () => {
  if (dialog.open) return; // by now it shows something else
  if (/^#(site|deploy)=/.test(location.hash)) history.replaceState(null, "", from);
  wanted.view = from.slice(1).split("?")[0];
  dialog.replaceChildren();
  show();
  // Browsers give the focus back by themselves, and somebody may have taken it elsewhere since.
  if (document.activeElement === document.body && opener && opener.isConnected) opener.focus({preventScroll: true});
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

// --- Keys, and what a pointer shows.
const search = $("#search");
let waiting = 0;
search.addEventListener("input", () => {
  wanted.text = search.value.trim();
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(filter);
});
$("#environment").addEventListener("change", event => { wanted.environment = event.target.value; filter(); });
$("#only button").addEventListener("click", () => { location.hash = `#${wanted.view}`; });
for (const tile of $$(".tile")) tile.addEventListener("click", () => {
  location.hash = wanted.view === "sites" && wanted.state === tile.dataset.state ? "#sites" : `#sites?state=${tile.dataset.state}`;
});
for (const button of $$(".tabs button")) button.addEventListener("click", () => {
  for (const other of $$(".tabs button")) other.setAttribute("aria-pressed", String(other === button));
  for (const trend of $$(".trend")) trend.hidden = trend.dataset.name !== button.dataset.name;
});
scroller.addEventListener("scroll", () => draw(), {passive: true});
addEventListener("resize", () => draw(true));
addEventListener("hashchange", event => {
  const old = new URL(event.oldURL).hash;
  if (!/^#(site|deploy)=/.test(old)) from = old || "#sites";
  parse();
});
addEventListener("beforeprint", () => { const view = wanted.view; wanted.view = "deploys"; height = 44; printed(); wanted.view = view; });
function printed() {
  for (const number of shown.slice(0, 100)) { const node = deployRow(); fill(node, number, 0); node.classList.add("printed"); scroller.append(node); }
  for (const node of pool) node.hidden = true;
  $("#printed").hidden = shown.length <= 100;
}
addEventListener("afterprint", () => { $$(".printed", scroller).forEach(node => node.remove()); $("#printed").hidden = true; draw(true); });

function focusable() {
  return wanted.view === "deploys" ? pool.filter(node => !node.hidden).sort((a, b) => a.at - b.at) : siteRows().filter(node => !node.parentNode.hidden);
}
function move(step) {
  if (wanted.view === "deploys") {
    const at = document.activeElement.at, next = Math.max(0, Math.min(shown.length - 1, at === undefined ? Math.ceil(scroller.scrollTop / height) : at + step));
    if (next * height < scroller.scrollTop) scroller.scrollTop = next * height;
    if ((next + 1) * height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = (next + 1) * height - scroller.clientHeight;
    draw();
    pool.find(node => !node.hidden && node.at === next)?.focus({preventScroll: true});
  } else if (wanted.view === "sites") {
    const nodes = focusable(), at = nodes.indexOf(document.activeElement);
    nodes[Math.max(0, Math.min(nodes.length - 1, at < 0 ? 0 : at + step))]?.focus();
  } else return false;
  return true;
}
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (event.target.tagName === "SELECT") return;
  const writes = event.target === search;
  if (event.key === "Escape" && writes) { search.value = wanted.text = ""; filter(); search.blur(); }
  else if (event.key === "ArrowDown" || (event.key === "j" && !writes)) { if (move(1)) event.preventDefault(); }
  else if (!writes && (event.key === "ArrowUp" || event.key === "k")) { if (move(-1)) event.preventDefault(); }
  else if (event.key === "Enter" && writes) move(0);
  else if (writes) return;
  else if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
  else if (/^[1-5]$/.test(event.key)) location.hash = `#${VIEWS[event.key - 1]}`;
});
const tip = $(".tip");
addEventListener("pointermove", event => {
  const node = event.target.closest?.("[data-row], [data-tip], .plot [aria-label]");
  const text = !node ? "" : node.dataset.tip || (node.dataset.row !== undefined ? rowTip(Number(node.dataset.row)) : /^from /.test(node.getAttribute("aria-label")) ? node.getAttribute("aria-label") : "");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  tip.style.transform = `translate(${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px, ${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px)`;
}, {passive: true});
const rowTip = number => data && sites[number] ? `${sites[number].name}: ${sites[number].word}${sites[number].cause ? `, ${sites[number].cause}` : ""}` : "";
addEventListener("click", event => {
  const cell = event.target.closest?.("[data-row]");
  if (cell && data && sites[cell.dataset.row]) { event.preventDefault(); location.hash = siteAddress(cell.dataset.row); }
});

document.documentElement.classList.add("js");
const begun = location.hash;
wanted.view = VIEWS.find(name => begun.startsWith(`#${name}`)) || "sites";
show();
// The page is there before its data: the browser paints what stands in it, then this goes on.
requestAnimationFrame(() => setTimeout(async () => {
  try { data = await unpacked(); }
  catch { $("#broken").hidden = false; return; }
  sites = data.sites;
  now = data.now;
  read();
  parse();
  performance.mark("ready");
  document.documentElement.dataset.ready = "";
}, 0));
})();
