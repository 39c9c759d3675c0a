// What moves on a page: amounts and times in the reader's locale, plots, questions, live actions, finding in a list.
"use strict";

const short = (amount, currency) =>
  new Intl.NumberFormat(undefined, { style: "currency", currency, notation: "compact", maximumSignificantDigits: 4 }).format(amount);
const exact = (amount, currency) =>
  new Intl.NumberFormat(undefined, { style: "currency", currency, maximumFractionDigits: 0 }).format(amount);
const share = (value) => new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 }).format(value);
const plain = (value) => new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 }).format(value);
// As a form reads it, whatever the reader's locale.
const grouped = (value) => Number(value).toLocaleString("en-GB");
const day = (text) => Date.parse(`${text.slice(0, 10)}T12:00Z`) / 1000;

function localise() {
  for (const data of document.querySelectorAll("data.money")) data.textContent = (data.classList.contains("short") ? short : exact)(Number(data.value), data.dataset.currency);
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    const zone = time.dataset.zone || "UTC";
    const year = at.getUTCFullYear() === new Date().getUTCFullYear() ? undefined : "numeric";
    const shown = at.toLocaleString(undefined, { year, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: zone, hourCycle: "h23" });
    const name = zone.split("/").pop().replaceAll("_", " ");
    const hours = (at - Date.now()) / 3600000;
    const [value, unit] = Math.abs(hours) < 1 ? [hours * 60, "minute"] : Math.abs(hours) < 48 ? [hours, "hour"] : [hours / 24, "day"];
    const apart = document.createElement("small");
    apart.textContent = `(${relative.format(Math.round(value), unit)})`;
    time.replaceChildren(`${shown} ${name} `, apart);
    time.title = `${at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })} where you are`;
  }
}

function find() {
  for (const field of document.querySelectorAll("input.find")) {
    const rows = document.querySelectorAll(`#${field.dataset.table} tbody tr, #${field.dataset.table} > details`);
    const texts = [...rows].map((row) => row.textContent.toLowerCase());
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      rows.forEach((row, number) => { row.hidden = !texts[number].includes(wanted); });
    });
  }
}

function openLinked() {
  const linked = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (linked && linked.tagName === "DETAILS") linked.open = true;
}

function follow() {
  const shown = document.getElementById("action");
  if (!shown || shown.dataset.state !== "running") return;
  const events = new EventSource(shown.dataset.events);
  events.onmessage = (message) => {
    const action = JSON.parse(message.data);
    document.getElementById("output").textContent = action.output;
    if (action.state === "running") return;
    events.close();
    shown.className = `notice ${action.state === "done" ? "good" : "bad"}`;
    shown.textContent = `${action.state === "done" ? "Done." : "Not done."} ${action.said}`;
  };
}

// Plots

const colour = (name, alpha) => {
  const value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return alpha ? `${value}${alpha}` : value;
};
// A day where ticks are nearer than months, else two of them would bear the same name.
const date = (tick, apart) => new Date(tick * 1000).toLocaleDateString(undefined, { month: "short", timeZone: "UTC", ...(apart < 28 * 86400 ? { day: "numeric" } : { year: "2-digit" }) });
const LOOKS = {
  line: () => ({ stroke: colour("accent"), width: 2.2 }),
  "point-line": () => ({ stroke: colour("muted"), width: 1.6 }),
  edge: () => ({ width: 0 }),
  "edge-point": () => ({ stroke: colour("point"), width: 0.6 }),
  floor: () => ({ stroke: colour("bad"), dash: [6, 4], width: 1.4 }),
  dash: () => ({ stroke: colour("muted"), dash: [2, 4], width: 1.4 }),
};
const drawings = new Map();

function draw(place, plot, mark) {
  const write = { money: (value) => short(value, plot.currency), percent: (value) => `${plain(value)}%`, share, plain }[plot.up];
  const data = [plot.across === "time" ? plot.x.map(day) : plot.x, ...plot.series.map((one) => one.values)];
  const shape = JSON.stringify([plot.across, plot.up, plot.series.map((one) => one.look)]);
  const known = drawings.get(place);
  if (known && known.shape === shape) { known.mark = mark; known.uplot.setData(data); return; }
  if (known) known.uplot.destroy();
  const made = { shape, mark, place, plot };
  drawings.set(place, made);
  const axis = { stroke: colour("muted"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 }, font: "13px system-ui, sans-serif" };
  const bands = plot.series.flatMap((one, index) =>
    one.look === "edge" && plot.series[index + 1]?.look === "edge" ? [{ series: [index + 2, index + 1], fill: colour("accent", "2e") }] : []);
  const across = plot.across === "time" ? { ...axis, values: (_, ticks) => ticks.map((tick) => date(tick, ticks[1] - ticks[0])), space: 70 }
    : { ...axis, values: (_, ticks) => ticks.map((tick) => short(tick, plot.currency)), space: 80 };
  made.uplot = new uPlot({
    width: place.clientWidth || 480, height: 280, legend: { show: false }, cursor: { show: false },
    // Draws are dates: a month begins where UTC says, not at the reader's midnight.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: plot.across === "time" } },
    axes: [across, { ...axis, values: (_, ticks) => ticks.map(write), size: 76 }],
    series: [{}, ...plot.series.map((one) => ({ label: one.label, points: { show: plot.x.length < 3 }, ...LOOKS[one.look]() }))],
    bands,
    hooks: { draw: [(u) => {
      if (made.mark === undefined) return;
      const x = u.valToPos(made.mark, "x", true);
      u.ctx.save(); u.ctx.beginPath(); u.ctx.setLineDash([3, 6]); u.ctx.lineWidth = 2; u.ctx.strokeStyle = colour("muted");
      u.ctx.moveTo(x, u.bbox.top); u.ctx.lineTo(x, u.bbox.top + u.bbox.height); u.ctx.stroke(); u.ctx.restore();
    }] },
  }, data, place);
}

function plots() {
  for (const place of document.querySelectorAll("[data-plot]")) draw(place, JSON.parse(place.dataset.plot));
  const again = () => {
    for (const { uplot, place, plot, mark } of [...drawings.values()]) { uplot.destroy(); drawings.delete(place); draw(place, plot, mark); }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("resize", () => { for (const { uplot, place } of drawings.values()) uplot.setSize({ width: place.clientWidth || 480, height: 280 }); });
}

// Questions

const ROWS = [
  ["expected_value", "Expected value, this draw", "money"],
  ["value_ahead", "Value, this draw and the plan", "money"],
  ["expected_sales", "Expected sales", "money"],
  ["expected_jackpot_payout", "Expected jackpot cost", "money"],
  ["win_probability", "Chance of a jackpot win", "share"],
  ["attainable", "Payout promise: attainable from here", "share"],
  ["kept_under_plan", "Payout promise: kept under the plan", "share"],
  ["cash_kept", "Cash floor kept", "share"],
];

function showAnswer(found, currency, against) {
  const table = document.createElement("table");
  table.createCaption().textContent = `The draw of ${found.draw_date}`;
  const heads = table.createTHead().insertRow();
  const columns = ["Figure", against, "What if", "Change"];
  for (const text of columns) {
    const head = document.createElement("th");
    head.scope = "col"; head.textContent = text; if (text !== "Figure") head.className = "number";
    heads.append(head);
  }
  const body = table.createTBody();
  const write = { money: (value) => short(value, currency), share };
  const add = (...texts) => {
    const row = body.insertRow();
    texts.forEach((text, index) => {
      const cell = document.createElement(index ? "td" : "th");
      cell.textContent = text;
      if (index) { cell.className = "number"; cell.dataset.label = columns[index]; } else cell.scope = "row";
      row.append(cell);
    });
  };
  const both = [found.recommendation, found.answer];
  add("Jackpot", ...both.map((one) => exact(one.jackpots[0], currency)), short(found.difference.jackpot, currency));
  if (found.answer.recommended !== null && found.answer.recommended !== found.answer.jackpots[0])
    add("Best jackpot then", exact(both[0].jackpots[0], currency), exact(found.answer.recommended, currency), "");
  for (const [name, words, kind] of ROWS) {
    if (both.every((one) => one[name] === null)) continue;
    const change = found.difference[name];
    add(words, ...both.map((one) => (one[name] === null ? "" : write[kind](one[name]))),
      change === undefined ? "" : kind === "share" ? `${(Math.round(1000 * change) / 10 || 0).toFixed(1)} points` : short(change, currency));
  }
  add("Breaks", ...both.map((one) => one.breaks.join(", ").replaceAll("_", " ") || "nothing"), "");
  document.getElementById("answer").replaceChildren(table);
}

let firstCurve = null;
function showPictures({ what_if: found, curve, cash }, currency) {
  document.getElementById("pictures").hidden = false;
  const path = found.answer.planned_path;
  const picture = (name, plot, mark) => {
    const place = document.getElementById(`plot-${name}`);
    place.closest("figure").hidden = !plot;
    if (plot) draw(place, { currency, ...plot }, mark);
  };
  firstCurve ??= curve;
  const before = curve.jackpot.map((at) => {
    const next = firstCurve.jackpot.findIndex((one) => one >= at);
    if (next < 1) return next === 0 ? firstCurve.expected_value[0] : null;
    const [low, high] = [firstCurve.jackpot[next - 1], firstCurve.jackpot[next]];
    const along = (at - low) / (high - low);
    return firstCurve.expected_value[next - 1] * (1 - along) + firstCurve.expected_value[next] * along;
  });
  const fan = (low, middle, high) => [
    { label: "low", look: "edge", values: low }, { label: "high", look: "edge", values: high }, { label: "middle", look: "line", values: middle }];
  picture("value", { across: "money", up: "money", x: curve.jackpot, series: [
    { label: "low", look: "edge", values: curve.value_low_90 }, { label: "high", look: "edge", values: curve.value_high_90 },
    { label: "as recommended on", look: "point-line", values: before }, { label: "now", look: "line", values: curve.expected_value }] }, found.answer.jackpots[0]);
  const ends = (name) => ["p05", "p50", "p95"].map((end) => path.map((one) => one[`${name}_${end}`]));
  const days = path.map((one) => one.draw_date);
  picture("path", path.length && { across: "time", up: "money", x: days, series: fan(...ends("jackpot")) });
  picture("ratio", path.some((one) => one.ratio_p50 !== null) && { across: "time", up: "share", x: days, series: fan(...ends("ratio")) });
  picture("cash", cash && { across: "time", up: "money", x: cash.draw_date, series: [
    ...fan(cash.p05, cash.p50, cash.p95), { label: "floor", look: "floor", values: cash.draw_date.map(() => cash.floor) }] });
}

function questions() {
  const form = document.getElementById("questions");
  if (!form) return;
  const { market, draw: drawDate, currency, recommended } = form.dataset;
  const state = document.getElementById("state"), answer = document.getElementById("answer"), asked = document.getElementById("asked");
  const pictures = document.getElementById("pictures"), decided = document.getElementById("decided"), question = document.getElementById("question");
  const slider = form.elements.namedItem("jackpot");
  let chosen = false;
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field) { field.value = value; chosen ||= name === "jackpot"; }
  }
  let number = 0, timer = 0, waiting = null;
  const ask = async () => {
    const mine = ++number;
    const fields = new URLSearchParams([...new FormData(form)].filter(([name, value]) => value !== "" && (chosen || name !== "jackpot")));
    document.getElementById("share").href = `?${fields}#what-if`;
    if (question) question.value = fields.toString();
    for (const place of [answer, pictures]) place.classList.add("stale");
    if ([...fields.keys()].some((name) => name !== "jackpot")) state.textContent = "A new plan is being made; the old picture is shown meanwhile.";
    fields.set("draw", drawDate);
    waiting?.abort();
    waiting = new AbortController();
    try {
      const reply = await fetch(`/markets/${market}/what-if?${fields}`, { signal: waiting.signal });
      const found = reply.headers.get("content-type")?.startsWith("application/json") ? await reply.json() : { error: await reply.text() };
      if (mine !== number) return;
      if (!reply.ok) { state.textContent = found.error; return; }
      const told = found.what_if;
      if (!chosen) { slider.value = told.answer.jackpots[0]; asked.textContent = exact(told.answer.jackpots[0], currency); }
      // The engine fits anew to the same draws; the champion's own fit may have recommended another jackpot.
      const fitted = told.recommendation.jackpots[0] === Number(recommended) ? "" : exact(told.recommendation.jackpots[0], currency);
      showAnswer(told, currency, fitted ? "Fitted now" : "Recommendation");
      showPictures(found, currency);
      const gain = told.difference.value_ahead;
      state.textContent = Math.abs(gain) < 0.5 && !told.difference.jackpot ? (fitted ? "" : "This is the recommendation.")
        : `Worth ${short(Math.abs(gain), currency)} ${gain > 0 ? "more" : "less"} than ${fitted || "the recommendation"}, over this draw and the plan.`;
      if (fitted) state.textContent += ` The recommendation is ${exact(Number(recommended), currency)}, by the model in use; one fitted now would recommend ${fitted}, and questions are held against that.`;
      for (const place of [answer, pictures]) place.classList.remove("stale");
      document.body.dataset.answered = String(mine);
    } catch (error) {
      if (error.name !== "AbortError" && mine === number) state.textContent = "The console does not answer: is it running?";
    }
  };
  const changed = (event) => {
    if (event?.target === slider) { chosen = true; if (decided) decided.value = grouped(slider.value); }
    asked.textContent = exact(Number(slider.value), currency);
    clearTimeout(timer);
    timer = setTimeout(ask, 40);
  };
  asked.textContent = exact(Number(slider.value), currency);
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => setTimeout(() => { slider.value = recommended; chosen = false; if (decided) decided.value = grouped(recommended); changed(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  ask();
}

localise(); find(); openLinked(); follow(); plots(); questions();
