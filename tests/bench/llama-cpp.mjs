// llama.cpp as the benchmark measures it: a process that holds one model and does what it is told, so that the two sides
// can take turns. Reads one JSON object a line, {"do": NAME, ...}, and answers each with one.
//   npm install --ignore-scripts --prefix tests/peers
//   node tests/bench/llama-cpp.mjs MODEL.gguf CONTEXT THREADS
// Token ids are arbitrary: speed does not depend on them. `seed` makes one prompt differ from another.
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
const context = await model.createContext({contextSize, batchSize: 512, threads});
const sequence = context.getSequence();

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

const actions = {
    /** Time to the first token of a prompt of which nothing is known. */
    async prefill({tokens, seed}) {
        await sequence.clearHistory();
        return {seconds: await seconds(() => next(sequence, promptOf(tokens, seed)))};
    },

    /** Keeps the state after all tokens of a prompt but the last, for `restore`. */
    async save({tokens, seed}) {
        await sequence.clearHistory();
        await sequence.evaluateWithoutGeneratingNewTokens(promptOf(tokens, seed).slice(0, -1));
        await sequence.saveStateToFile(stateFile);
        return {bytes: fs.statSync(stateFile).size};
    },

    /** Time to the first token of the prompt whose state was saved. */
    async restore({tokens, seed}) {
        const last = promptOf(tokens, seed).at(-1);
        await sequence.clearHistory();
        return {seconds: await seconds(async () => {
            await sequence.loadStateFromFile(stateFile, {acceptRisk: true});
            await next(sequence, [last]);
        })};
    },

    /** Time for `count` tokens of each of `streams` sequences, behind prompts of `tokens`, in one batch a step. */
    async decode({tokens, streams, count}) {
        const many = await model.createContext({contextSize, sequences: streams, batchSize: 512, threads});
        const sequences = Array.from({length: streams}, () => many.getSequence());
        for (const [i, one] of sequences.entries())
            await one.evaluateWithoutGeneratingNewTokens(promptOf(tokens, i));
        const taken = await seconds(() => Promise.all(sequences.map((one) => decode(one, FIRST_TOKEN, count))));
        await many.dispose();
        return {seconds: taken};
    },

    async memory() {
        return {resident_bytes: process.memoryUsage.rss()};
    },
};

console.log(JSON.stringify({ready: true}));
for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    console.log(JSON.stringify(await actions[request.do](request)));
}
fs.rmSync(folder, {recursive: true});
process.exit(0);
