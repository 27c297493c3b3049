// Does llama.cpp run our token-level model file, unchanged, as we do? Compares its tokens and logits with the vectors that
// PyTorch wrote and that the C code is tested against:
//   npm install --ignore-scripts --prefix tests/peers
//   node tests/peers/agreement.mjs tiny-llama     (or tokenwise-s)
// The argument names tests/vectors/NAME.json. Exits with 1 if top 5 or logits differ.
import fs from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {getLlama} from "node-llama-cpp";

const TOLERANCE = 1e-3; // of the greatest logit: llama.cpp keeps keys and values as f16
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const vectors = path.join(root, "tests/vectors");
const name = process.argv[2] ?? "tiny-llama";
const {model: modelFile, cases} = JSON.parse(fs.readFileSync(path.join(vectors, `${name}.json`)));

function floats(place, count) {
    const bytes = fs.readFileSync(path.join(vectors, place.file));
    return new Float32Array(bytes.buffer, bytes.byteOffset + 4 * place.offset, count);
}

/** Ids of the k greatest, the greatest first. */
function top(logits, k) {
    return [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, k);
}

/** Whether the five greatest are the same ones in the same order, but for those that are too close to tell. */
function sameOrder(ours, theirs) {
    const close = 2 * TOLERANCE * Math.abs(ours[top(ours, 1)[0]]), other = top(theirs, 5);
    return top(ours, 5).every((token, i) => Math.abs(ours[token] - ours[other[i]]) <= close);
}

const llama = await getLlama({build: "never", gpu: false, logLevel: "error"});
const model = await llama.loadModel({modelPath: path.join(root, modelFile)});
const vocabulary = model.fileInfo.metadata.llama.vocab_size;
const context = await model.createContext({contextSize: 1024, batchSize: 512});
const sequence = context.getSequence();

let positions = 0, agreeing = 0, greatest = 0, largest = 0, texts = 0, sameTokens = 0;
for (const entry of cases) {
    const expected = floats(entry.logits, entry.logits.positions * vocabulary);
    const tokens = [...entry.tokens, ...entry.continuation];
    const first = entry.tokens.length - 1;
    await sequence.clearHistory();
    const input = tokens.map((token, i) => i < first ? token : [token, {generateNext: {logits: true, options: {temperature: 0}}}]);
    const results = await sequence.controlledEvaluate(input);
    for (let i = first; i < first + entry.logits.positions; i++) {
        const theirs = new Float32Array(vocabulary);
        for (const [token, logit] of results[i].next.logits)
            theirs[token] = logit;
        const ours = expected.subarray((i - first) * vocabulary, (i - first + 1) * vocabulary);
        positions++;
        agreeing += sameOrder(ours, theirs);
        for (let t = 0; t < vocabulary; t++) {
            greatest = Math.max(greatest, Math.abs(ours[t] - theirs[t]));
            largest = Math.max(largest, Math.abs(ours[t]));
        }
    }
    if (entry.text !== undefined) {
        texts++;
        sameTokens += model.tokenize(entry.text).join() === entry.tokens.slice(1).join();
    }
}
console.log(`${modelFile}: ${cases.length} prompts, ${positions} positions`);
console.log(`top 5 agree at ${agreeing} of ${positions}; logits, up to ${largest.toFixed(1)}, differ by at most ${greatest.toExponential(1)} (allowed: ${(TOLERANCE * largest).toExponential(1)})`);
if (texts)
    console.log(`${sameTokens} of ${texts} prompts have the same tokens`);
const good = agreeing === positions && greatest <= TOLERANCE * largest && sameTokens === texts;
console.log(good ? "llama.cpp agrees" : "llama.cpp DIFFERS");
process.exit(good ? 0 : 1);
