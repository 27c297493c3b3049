// llama.cpp as the benchmark measures it: a process that holds one model and does what it is told, so that the two sides
// can take turns. Reads one JSON object a line, {"do": NAME, ...}, and answers each with one.
//   npm install --ignore-scripts --prefix tests/peers
//   node tests/bench/llama-cpp.mjs MODEL.gguf CONTEXT THREADS
// Token ids are arbitrary: speed does not depend on them. `seed` makes one prompt differ from another.
//
// More threads are not always faster: a small model's step can be over before two threads have met, and on a machine that
// is busy they wait for each other. So each kind of work is tried with one thread and with THREADS, and gets the faster.
import fs from "node:fs";
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import {fileURLToPath, pathToFileURL} from "node:url";

// The package is installed beside the other peers, not here.
const peers = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../peers");
const {getLlama} = await import(pathToFileURL(createRequire(path.join(peers, "package.json")).resolve("node-llama-cpp")));

const [modelPath, contextSize, threads] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const FIRST_TOKEN = 300; // past control tokens and bytes
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "latentd-bench-llama-"));
const stateFile = path.join(folder, "state");
const llama = await getLlama({build: "never", gpu: false, logLevel: "error"});
const model = await llama.loadModel({modelPath});
const vocabulary = model.fileInfo.metadata.llama.vocab_size ?? model.fileInfo.metadata.tokenizer.ggml.tokens.length;

function promptOf(count, seed) {
    return Array.from({length: count}, (_, i) => FIRST_TOKEN + (i * 7919 + seed * 104729) % (vocabulary - FIRST_TOKEN));
}

/** Evaluates tokens and returns the one that the model says next. */
async function next(of, tokens) {
    for await (const token of of.evaluate(tokens, {temperature: 0, yieldEogToken: true}))
        return token;
}

/** `count` tokens of one stream, after `token`. */
async function decode(of, token, count) {
    let said = 0;
    for await (const _ of of.evaluate([token], {temperature: 0, yieldEogToken: true}))
        if (++said === count)
            return;
}

async function seconds(action) {
    const began = performance.now();
    await action();
    return (performance.now() - began) / 1000;
}

// --- how many threads ---

const chosen = {}; // kind of work: threads

/** The number of threads with which work(threads), which returns seconds, is faster. */
async function threadsFor(kind, work) {
    if (chosen[kind] === undefined) {
        const taken = new Map();
        for (const count of new Set([1, threads]))
            taken.set(count, Math.min(await work(count), await work(count)));
        chosen[kind] = [...taken.keys()].reduce((best, count) => taken.get(count) < taken.get(best) ? count : best);
    }
    return chosen[kind];
}

/** action(sequences) of a context that is there as long as it takes. */
async function withSequences(streams, threads, action) {
    const context = await model.createContext({contextSize, sequences: streams, batchSize: 512, threads});
    const result = await action(Array.from({length: streams}, () => context.getSequence()));
    await context.dispose();
    return result;
}

async function decodeTogether(sequences, tokens, count) {
    for (const [i, sequence] of sequences.entries())
        await sequence.evaluateWithoutGeneratingNewTokens(promptOf(tokens, i));
    return seconds(() => Promise.all(sequences.map((sequence) => decode(sequence, FIRST_TOKEN, count))));
}

const decodeThreads = (streams) => threadsFor(`decoding ${streams} at once`, (count) =>
    withSequences(streams, count, (sequences) => decodeTogether(sequences, 16, 8)));
const prefillThreads = () => threadsFor("prefill", (count) =>
    withSequences(1, count, ([sequence]) => seconds(() => next(sequence, promptOf(256, 0)))));

// Reading a prompt and saying a token after it are different work. Contexts stay, so that nobody measures their making.
const makeSequence = async (threads) => (await model.createContext({contextSize, batchSize: 512, threads})).getSequence();
const reader = await makeSequence(await prefillThreads());
const speaker = await makeSequence(await decodeThreads(1));

// --- what can be asked for ---

const actions = {
    /** Time to the first token of a prompt of which nothing is known. */
    async prefill({tokens, seed}) {
        await reader.clearHistory();
        return {seconds: await seconds(() => next(reader, promptOf(tokens, seed)))};
    },

    /** Keeps the state after all tokens of a prompt but the last, for `restore`. */
    async save({tokens, seed}) {
        await reader.clearHistory();
        await reader.evaluateWithoutGeneratingNewTokens(promptOf(tokens, seed).slice(0, -1));
        await reader.saveStateToFile(stateFile);
        return {bytes: fs.statSync(stateFile).size};
    },

    /** Time to the first token of the prompt whose state was saved. */
    async restore({tokens, seed}) {
        const last = promptOf(tokens, seed).at(-1);
        await speaker.clearHistory();
        return {seconds: await seconds(async () => {
            await speaker.loadStateFromFile(stateFile, {acceptRisk: true});
            await next(speaker, [last]);
        })};
    },

    /** Time for `count` tokens of each of `streams` sequences, behind prompts of `tokens`, in one batch a step. */
    async decode({tokens, streams, count}) {
        const faster = await decodeThreads(streams);
        return {seconds: await withSequences(streams, faster, (sequences) => decodeTogether(sequences, tokens, count))};
    },

    async memory() {
        return {resident_bytes: process.memoryUsage.rss()};
    },

    async threads() {
        return chosen;
    },
};

console.log(JSON.stringify({ready: true}));
for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    console.log(JSON.stringify(await actions[request.do](request)));
}
fs.rmSync(folder, {recursive: true});
process.exit(0);
