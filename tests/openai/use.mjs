// Uses a daemon as a program written for OpenAI would, with OpenAI's own client, and prints what came as one JSON object.
//   node use.mjs URL [KEY]
import OpenAI from "openai";

const [baseURL, apiKey = "unused"] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const prompt = "The King had a wife with golden hair.";
const messages = [
    { role: "system", content: prompt },
    { role: "user", content: "Who had golden hair?" },
];
const sampling = { model: "tiny", temperature: 0, max_tokens: 16 };
const said = {};

async function refusal(call) {
    try {
        await call();
        return null;
    } catch (error) {
        return { kind: error.constructor.name, status: error.status, code: error.code, param: error.param, message: error.message };
    }
}

said.models = (await client.models.list()).data.map((model) => model.id);
said.completion = await client.completions.create({ ...sampling, prompt });
said.completionStream = "";
for await (const chunk of await client.completions.create({ ...sampling, prompt, stream: true }))
    said.completionStream += chunk.choices[0].text;

said.chat = await client.chat.completions.create({ ...sampling, messages });
said.chatStream = "";
for await (const chunk of await client.chat.completions.create({
    ...sampling, messages, stream: true, stream_options: { include_usage: true },
})) {
    said.chatStream += chunk.choices[0]?.delta?.content ?? "";
    said.usage = chunk.usage;
}
const stream = client.chat.completions.stream({ ...sampling, messages });
said.chatHelper = (await stream.finalChatCompletion()).choices[0].message.content;

// The client asks for base64 by itself and decodes it; or it is asked for numbers.
said.embedding = (await client.embeddings.create({ model: "tiny", input: prompt })).data[0].embedding;
said.embeddingFloat = (await client.embeddings.create({ model: "tiny", input: [prompt], encoding_format: "float" })).data[0].embedding;

said.refused = await refusal(() => client.completions.create({ ...sampling, prompt, n: 2 }));
said.unknown = await refusal(() => client.chat.completions.create({ ...sampling, messages, model: "gpt-9" }));
said.stranger = await refusal(() => new OpenAI({ baseURL, apiKey: "somebody-else", maxRetries: 0 }).models.list());

const aborted = await client.chat.completions.create({ ...sampling, temperature: 0.9, max_tokens: 200, messages, stream: true });
for await (const chunk of aborted) {
    if (chunk.choices[0].delta.content) break; // leaving the loop closes the connection
}
console.log(JSON.stringify(said));
