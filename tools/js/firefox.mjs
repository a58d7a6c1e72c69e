// Opens the page in Firefox, uses it as a person does, and prints what it shows, as JSON.
// node tools/js/firefox.mjs ADDRESS PROGRAM; used by tests/desktop/test_firefox.py.

import puppeteer from "puppeteer-core";

const [, , address, program] = process.argv;
const TIMEOUT = 120_000; // milliseconds: the machine may be busy
const browser = await puppeteer.launch({ browser: "firefox", executablePath: program, headless: true, timeout: TIMEOUT });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  const text = (selector) => page.$eval(selector, (element) => element.textContent);
  const seen = {};

  await page.setViewport({ width: 1280, height: 800 });
  await page.goto(address);
  await page.waitForSelector("#list .tile");
  seen.tiles = await page.$$eval("#list .tile", (tiles) => tiles.length);
  seen.count = await text("#count");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#viewer[open]");
  await page.waitForFunction(() => document.getElementById("large").naturalWidth > 0);
  seen.name = await text("#image-name");
  await page.keyboard.press("z");
  seen.zoom = await text("#zoom-level");
  await page.keyboard.press("0");
  if (await page.$("body.review")) {
    await page.keyboard.press("e");
    await page.waitForSelector("#reasons-list figure");
    seen.reasons = await text("#reasons-list");
    await page.keyboard.press("k");
    await page.waitForFunction(() => document.querySelector("#viewer .progress").textContent.includes("1 of them now"));
    seen.progress = await text("#viewer .progress");
    await page.keyboard.press("u");
    await page.waitForFunction(() => document.getElementById("status").textContent.includes("Undone"));
  }
  await page.keyboard.press("Escape");
  await page.waitForSelector("#viewer:not([open])");
  if (await page.$("body.review #tabs [value=groups]")) {
    await page.click("#tabs [value=groups]");
    await page.waitForFunction(() => !document.querySelector("#group-cards .lead").textContent.startsWith("Looking"));
    if (await page.$("#groups-begin")) {
      await page.click("#groups-begin");
      await page.waitForFunction(() => document.querySelectorAll(".member .frame img[src^=image]").length > 1);
      const scales = () => page.$$eval(".member .frame img", (list) => list.map((image) => getComputedStyle(image).transform));
      const whole = await scales();
      await page.keyboard.press("z");
      seen.zoomed = new Set(await scales()).size === 1 && (await scales())[0] !== whole[0];
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("k");
      await page.waitForFunction(() => document.getElementById("group-count").textContent === "1 decided");
      await page.keyboard.press("u");
      await page.waitForFunction(() => document.getElementById("group-count").textContent === "0 decided");
    }
  }
  seen.wide = [];
  for (const width of [2560, 1280, 320]) {
    await page.setViewport({ width, height: 800 });
    for (const tab of await page.$$("#tabs button")) {
      await tab.evaluate((button) => button.click());
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) {
        seen.wide.push([width, await tab.evaluate((button) => button.value)]);
      }
    }
  }
  process.stdout.write(`${JSON.stringify({ ...seen, problems })}\n`);
} finally {
  await browser.close();
}
