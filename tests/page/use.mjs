// Uses the live page in headless Chromium as a person would, and prints what the page then shows as one JSON object.
//   node use.mjs URL CHROMIUM [FOLDER-FOR-SCREENSHOTS]
import puppeteer from "puppeteer-core";

const [url, executablePath, folder] = process.argv.slice(2);
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const said = { complaints: [], requests: [] };
const page = await browser.newPage();
page.on("console", (message) => message.type() === "error" && said.complaints.push(message.text()));
page.on("pageerror", (error) => said.complaints.push(error.message));
page.on("request", (request) => said.requests.push(new URL(request.url()).origin));

const text = (selector) => page.$eval(selector, (found) => found.textContent);
const classes = (selector) => page.$$eval(selector, (found) => found.map((span) => span.className.replace("span ", "")));

async function ask(question, document) {
    const answered = (await page.$$("#requests details")).length + 1;
    await page.$eval("#document", (field, value) => { field.value = value; }, document);
    await page.$eval("#question", (field) => { field.value = ""; });
    await page.type("#question", question);
    await page.click("#send");
    await page.waitForFunction((count) => document.querySelectorAll("#receipt .span").length > 0
        && document.querySelectorAll("#requests details").length >= count, { timeout: 20000 }, answered);
    return { answer: await text("#answer"), spans: await classes("#receipt .span"), summary: await text("#receipt .quiet") };
}

const story = "The King had a wife with golden hair. She lived in a tower by the sea, and nobody had ever seen her. "
    + "One morning a boat came to the shore.\n\nIn it sat a boy who could not speak.";
await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
await page.setViewport({ width: 1200, height: 900 });
await page.goto(url, { waitUntil: "networkidle0" });
said.title = await page.title();
said.models = await text("#about");
said.before = await text("#hit-rate");
said.hostile = await ask("<img src=x onerror=document.title='broken'>", "<script>document.title='broken'</script>");
said.titleAfter = await page.title();
said.first = await ask("Who had golden hair?", story);
said.second = await ask("Who sat in the boat?", story);
said.tiles = await page.$$eval(".tile p", (found) => found.map((tile) => tile.textContent));
said.recent = await page.$$eval("#requests summary .question", (found) => found.map((question) => question.textContent));
await page.click("#requests details:nth-child(1) summary");
await page.waitForSelector("#requests details[open] .span");
said.opened = await classes("#requests details[open] .span");
await page.waitForFunction(() => document.querySelectorAll("#rate-chart polyline").length > 0, { timeout: 20000 });
said.lines = (await page.$$("#lookup-chart polyline")).length;

const width = () => page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
if (folder) await page.screenshot({ path: `${folder}/page.png`, fullPage: true });
said.wide = await width();
await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
await page.setViewport({ width: 390, height: 844 });
await page.waitForFunction(() => innerWidth === 390);
said.dark = await page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
said.phone = await width();
await page.evaluate(() => scrollTo(0, 0));
if (folder) await page.screenshot({ path: `${folder}/page-phone.png` });
await browser.close();
console.log(JSON.stringify(said));
