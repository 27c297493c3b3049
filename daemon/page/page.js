"use strict";

const POLL_MILLISECONDS = 2000;
const HISTORY = 150; // samples that the charts show
const OUTCOMES = {
    memory: "reused, from memory", disk: "reused, from disk", remote: "reused, from another daemon", joined: "reused, was just being encoded",
    new: "encoded, never seen before", evicted: "encoded, had been evicted", expired: "encoded, had expired",
    encoder: "encoded, known only to another encoder", corrupt: "encoded, its record was damaged",
};

const element = (id) => document.getElementById(id);

/** Makes an element; everything that comes from elsewhere goes through textContent. */
function make(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
}

/* --- figures --- */

function short(number) {
    for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
        if (number >= size) return (number / size).toFixed(number >= 100 * size ? 0 : 1) + " " + unit;
    return String(Math.round(number));
}

const percent = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "–";

function duration(seconds) {
    if (!(seconds >= 0)) return "–";
    if (seconds < 1) return (1000 * seconds).toFixed(seconds < 0.1 ? 1 : 0) + " ms";
    if (seconds < 120) return seconds.toFixed(1) + " s";
    return seconds < 7200 ? (seconds / 60).toFixed(0) + " min" : (seconds / 3600).toFixed(1) + " h";
}

/* --- requests to the daemon --- */

class Refused extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

async function ask(path, options = {}) {
    const token = sessionStorage.getItem("token");
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const reply = await fetch(path, { ...options, headers });
    if (reply.ok) return reply;
    let message = reply.statusText;
    try {
        message = (await reply.json()).error.message;
    } catch { /* the status will do */ }
    throw new Refused(reply.status, message);
}

function showTrouble(error) {
    element("state").textContent = error ? (error instanceof Refused ? error.message : "the daemon does not answer") : "";
    if (error?.status === 401) element("access").hidden = false;
}

/* --- metrics --- */

/** The samples of a page of metrics: name with labels -> value. */
function parseMetrics(text) {
    const samples = new Map();
    for (const line of text.split("\n"))
        if (line && !line.startsWith("#")) {
            const blank = line.lastIndexOf(" ");
            samples.set(line.slice(0, blank), Number(line.slice(blank + 1)));
        }
    return samples;
}

function total(samples, name) {
    let sum = 0;
    for (const [key, value] of samples) if (key === name || key.startsWith(name + "{")) sum += value;
    return sum;
}

/** The quantile of a histogram, interpolated inside its bucket. */
function quantile(samples, name, share) {
    const buckets = [];
    for (const [key, value] of samples) {
        const bound = key.startsWith(`${name}_bucket`) && key.match(/le="([^"]+)"/)[1];
        if (bound) buckets.push([bound === "+Inf" ? Infinity : Number(bound), value]);
    }
    const wanted = share * (buckets.at(-1)?.[1] ?? 0);
    let [below, counted] = [0, 0];
    for (const [bound, count] of buckets) {
        if (wanted > 0 && count >= wanted)
            return bound === Infinity ? below : below + (bound - below) * (wanted - counted) / (count - counted);
        [below, counted] = [bound, count];
    }
    return NaN;
}

function showTiles(samples) {
    const lookups = total(samples, "latentd_span_lookups_total"), hits = total(samples, "latentd_span_hits_total");
    const prompt = total(samples, "latentd_prompt_tokens_total"), cached = total(samples, "latentd_prompt_tokens_cached_total");
    const encoded = total(samples, "latentd_spans_encoded_total"), seconds = total(samples, "latentd_encode_seconds_sum");
    const answers = total(samples, "latentd_time_to_first_token_seconds_count");
    const set = (id, value, detail) => {
        element(id).textContent = value;
        element(`${id === "hit-rate" ? "hit" : id === "token-rate" ? "token" : id}-detail`).textContent = detail;
    };
    set("hit-rate", percent(hits, lookups), `${short(hits)} of ${short(lookups)} looked up`);
    set("token-rate", percent(cached, prompt), `${short(cached)} of ${short(prompt)} tokens`);
    set("first-token", duration(quantile(samples, "latentd_time_to_first_token_seconds", 0.5)),
        answers ? `median of ${short(answers)}; 99 %: ${duration(quantile(samples, "latentd_time_to_first_token_seconds", 0.99))}` : "no answer yet");
    set("saved", encoded ? duration(hits * seconds / encoded) : "–", encoded ? `${short(hits)} spans, at ${duration(seconds / encoded)} each` : "nothing encoded yet");
    set("entries", short(total(samples, "latentd_store_entries")),
        `${short(total(samples, "latentd_store_bytes"))}B of ${short(total(samples, "latentd_store_budget_bytes"))}B`);
}

/* --- charts --- */

const history = []; // {time, hits, misses}: counters as they were

function svg(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
}

/** Lines of {className, values}, newest at the right; a value that is null leaves a gap. */
function draw(id, lines, top, label) {
    const [left, right, high, low] = [62, 592, 14, 136];
    const chart = element(id);
    chart.replaceChildren();
    for (const share of [0, 0.5, 1]) {
        const y = low - share * (low - high);
        chart.append(svg("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
            svg("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, label(share * top)));
    }
    for (const { className, values } of lines) {
        let points = [];
        const flush = () => {
            if (points.length === 1) points.push(points[0]);
            if (points.length) chart.append(svg("polyline", { class: className, points: points.join(" ") }));
            points = [];
        };
        values.forEach((value, index) => {
            if (value === null) return flush();
            const x = right - (values.length - 1 - index) * (right - left) / (HISTORY - 1);
            points.push(`${x.toFixed(1)},${(low - Math.min(value / top, 1) * (low - high)).toFixed(1)}`);
        });
        flush();
    }
    chart.append(svg("text", { x: right, y: 156, "text-anchor": "end" }, "now"),
        svg("text", { x: left, y: 156 }, `${duration(HISTORY * POLL_MILLISECONDS / 1000)} ago`));
}

function showCharts(samples) {
    history.push({ time: performance.now(), hits: total(samples, "latentd_span_hits_total"), misses: total(samples, "latentd_span_misses_total") });
    if (history.length > HISTORY + 1) history.shift();
    const steps = history.slice(1).map((now, index) => {
        const before = history[index], seconds = (now.time - before.time) / 1000;
        return now.hits < before.hits ? { hits: 0, misses: 0 } // the daemon was started again
            : { hits: (now.hits - before.hits) / seconds, misses: (now.misses - before.misses) / seconds };
    });
    draw("rate-chart", [{ className: "hit", values: steps.map(({ hits, misses }) => hits + misses ? hits / (hits + misses) : null) }], 1,
        (share) => `${Math.round(100 * share)} %`);
    const most = Math.max(1, ...steps.map(({ hits, misses }) => Math.max(hits, misses)));
    draw("lookup-chart", [{ className: "hit", values: steps.map((step) => step.hits) }, { className: "miss", values: steps.map((step) => step.misses) }],
        most, short);
}

/* --- receipts --- */

function spansOf(receipt) {
    const spans = make("p", undefined, { class: "spans" });
    for (const span of receipt.spans) {
        const outcome = span.tier ?? span.miss;
        spans.append(make("span", span.text.replaceAll("\n", "↵"), { class: `span ${outcome}`, title: `${OUTCOMES[outcome] ?? outcome} · ${span.tokens} tokens · ${span.key.slice(0, 12)}…` }));
    }
    return spans;
}

function stagesOf(receipt) {
    const table = make("table");
    const row = (...cells) => {
        const made = make("tr");
        made.append(make("th", cells[0]), ...cells.slice(1).map((cell) => make("td", cell)));
        table.append(made);
    };
    for (const stage of ["tokenize", "lookup", "encode", "refine", "mix", "decode"]) {
        const time = receipt.timings[`${stage}_ms`], operations = receipt.ops[stage];
        if (time !== undefined) row(stage, duration(time / 1000), operations === undefined ? "" : `${short(operations)} operations`);
    }
    return table;
}

function summaryOf(receipt) {
    const { span_hits: hits, span_misses: misses, restored_spans: restored } = receipt.usage;
    const first = receipt.timings.ttft_ms;
    return `${hits} of ${hits + misses} spans reused` + (restored ? `, ${restored} mixed before` : "") +
        (first ? ` · first token after ${duration(first / 1000)}` : "");
}

function showReceipt(target, receipt) {
    target.replaceChildren(make("p", summaryOf(receipt), { class: "quiet" }), spansOf(receipt), stagesOf(receipt));
}

/* --- recent requests --- */

let newest = 0;

/** What was asked: the last question if the prompt has one, else all of it. */
function questionOf(spans) {
    const isControl = ({ text }) => /^<\|.*\|>$/.test(text);
    const asked = spans.findLastIndex(({ text }) => text === "<|user|>");
    return spans.slice(asked + 1).filter((span) => !isControl(span)).map((span) => span.text).join("");
}

function addRequest({ number, at, method, result }) {
    const details = make("details"), summary = make("summary"), shown = questionOf(result.spans);
    summary.append(make("span", new Date(1000 * at).toLocaleTimeString(), { class: "figures" }),
        make("span", shown.slice(0, 200), { class: "question" }),
        make("span", `${method} · ${summaryOf(result)}`, { class: "figures" }));
    details.append(summary);
    details.addEventListener("toggle", () => {
        if (!details.open || details.children.length > 1) return;
        const receipt = make("div");
        showReceipt(receipt, result);
        if (result.text !== undefined) details.append(make("p", result.text, { class: "answer" }));
        details.append(receipt);
    });
    element("requests").querySelector(".quiet:not(details *)")?.remove();
    element("requests").prepend(details);
    while (element("requests").children.length > 32) element("requests").lastElementChild.remove();
    newest = Math.max(newest, number);
}

function showLegend() {
    for (const kind of ["reused", "encoded"]) {
        const item = make("li", `${kind}: `);
        for (const [outcome, meaning] of Object.entries(OUTCOMES))
            if (meaning.startsWith(kind)) item.append(make("span", outcome, { class: `span ${outcome}`, title: meaning }), " ");
        element("legend").append(item);
    }
}

/* --- asking --- */

/** Reads server-sent events; yields the JSON of each. */
async function* events(reply) {
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
            const data = part.replace(/^data: /, "");
            if (data === "[DONE]") return;
            yield JSON.parse(data);
        }
    }
}

async function answer(stopping) {
    const documentText = element("document").value.trim();
    const messages = [...(documentText ? [{ role: "system", content: documentText }] : []), { role: "user", content: element("question").value }];
    const reply = await ask("v1/chat/completions", {
        method: "POST", signal: stopping.signal, headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
            model: element("model").value, messages, stream: true, receipt: true,
            max_tokens: Number(element("max-tokens").value), temperature: Number(element("temperature").value),
        }),
    });
    for await (const event of events(reply)) {
        if (event.error) throw new Refused(500, event.error.message);
        element("answer").append(event.choices[0]?.delta?.content ?? "");
        if (event.latentd) showReceipt(element("receipt"), event.latentd);
    }
}

element("ask").addEventListener("submit", async (submission) => {
    submission.preventDefault();
    const stopping = new AbortController();
    element("answer").replaceChildren();
    element("receipt").replaceChildren();
    element("send").disabled = true;
    element("stop").hidden = false;
    element("stop").onclick = () => stopping.abort();
    try {
        await answer(stopping);
    } catch (error) {
        if (error.name !== "AbortError") element("receipt").replaceChildren(make("p", error.message, { class: "quiet" }));
    }
    element("send").disabled = false;
    element("stop").hidden = true;
    refresh();
});

element("access").addEventListener("submit", (submission) => {
    submission.preventDefault();
    sessionStorage.setItem("token", element("token").value);
    element("access").hidden = true;
    start();
});

/* --- life --- */

async function refresh() {
    try {
        const samples = parseMetrics(await (await ask("metrics")).text());
        showTiles(samples);
        showCharts(samples);
        const { requests } = await (await ask(`latentd/requests?after=${newest}`)).json();
        requests.forEach(addRequest);
        showTrouble(null);
    } catch (error) {
        showTrouble(error);
    }
}

async function start() {
    try {
        const { data } = await (await ask("v1/models")).json();
        element("model").replaceChildren(...data.map(({ id }) => make("option", id, { value: id })));
        element("about").textContent = data.map(({ id }) => id).join(", ");
    } catch (error) {
        showTrouble(error);
    }
    refresh();
}

showLegend();
start();
setInterval(() => document.hidden || refresh(), POLL_MILLISECONDS);
