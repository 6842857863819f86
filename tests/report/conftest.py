"""A real browser, where one is installed, and tables of scored clips."""

import json
import shutil
import urllib.parse

import numpy as np
import pandas as pd
import pytest
import soundfile


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a function ``browser(page, width)`` that opens a file and returns what is wrong with it."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    chromium, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("neither Chromium nor Chrome with chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        "autoplay-policy=no-user-gesture-required",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    window.set_script_timeout(20)
    window.set_page_load_timeout(60)
    yield lambda page, width=1280, dark=False: look_at(window, page, width, dark)
    window.quit()


def look_at(window, page, width, dark=False):
    """Open a page and return what the browser knows of it."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    window.get("about:blank")  # the page before may load itself again
    window.get_log("browser")
    window.get_log("performance")
    window.get(page.resolve().as_uri())
    facts = window.execute_async_script(_FACTS)
    facts["console"] = [
        entry for entry in window.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")
    ]
    facts["requests"] = sorted(set(_requests(window.get_log("performance"))))
    facts["window"] = window
    return facts


def _requests(log):
    for entry in log:
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = urllib.parse.urlsplit(message["params"]["request"]["url"])
            if address.scheme not in ("data", "chrome"):  # the browser's own empty page
                yield f"{address.scheme}:{address.netloc}{urllib.parse.unquote(address.path)}"


_FACTS = """
const done = arguments[arguments.length - 1];
const sounds = [...document.querySelectorAll('audio')];
const ready = sound => new Promise(resolve => {
  if (sound.readyState >= 1 || sound.error) { resolve(); return; }
  sound.addEventListener('loadedmetadata', resolve); sound.addEventListener('error', resolve); });
document.querySelectorAll('details').forEach(box => { box.open = true; });
Promise.all([...sounds.map(ready), ...[...document.images].map(image => image.decode().catch(() => null))]).then(() => {
  const width = document.documentElement.clientWidth + 0.5;
  const beyond = [...document.querySelectorAll('body *')].filter(
    part => !part.parentElement.closest('.scroll') && part.getBoundingClientRect().right > width);
  done({
    title: document.title,
    innerWidth: window.innerWidth,
    scrollWidth: document.documentElement.scrollWidth,
    beyond: beyond.map(part => part.outerHTML.slice(0, 100)),
    images: [...document.images].map(image => [image.naturalWidth, image.getBoundingClientRect().width, image.alt]),
    sounds: sounds.map(sound => sound.duration),
    headings: [...document.querySelectorAll('h1,h2,h3')].map(heading => +heading.tagName[1]),
    contents: [...document.querySelectorAll('nav a')].map(
      link => !!document.getElementById(link.getAttribute('href').slice(1))),
    ids: [...document.querySelectorAll('[id]')].map(part => part.id),
    scripts: document.querySelectorAll('script').length,
    text: document.body.innerText,
    contrast: contrast(),
  });
});
function contrast() {
  const light = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(value => value / 255).map(
      value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]; };
  const ground = part => {
    for (; part; part = part.parentElement) {
      const colour = getComputedStyle(part).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour; }
    return 'rgb(255, 255, 255)'; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 21;
  while (walker.nextNode()) {
    const part = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const [a, b] = [light(getComputedStyle(part).color), light(ground(part))].sort((x, y) => y - x);
    least = Math.min(least, (a + 0.05) / (b + 0.05)); }
  return least;
}
"""


def sounds(folder, n, seconds=0.5, rate=16000, seed=0):
    """Write clips and return their paths; every third has a tone."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    paths = []
    for i in range(n):
        clip = rng.normal(scale=0.05, size=t.size)
        if i % 3 == 2:
            clip += 0.1 * np.sin(2 * np.pi * 2000 * t)
        paths.append(str(folder / f"clip_{i:02d}.wav"))
        soundfile.write(paths[-1], clip, rate)
    return paths


@pytest.fixture
def scored(tmp_path):
    """A table of 24 scored clips of one machine in two domains, with their files."""
    return scored_clips(tmp_path / "sounds")


def scored_clips(folder):
    """Write 24 clips of one machine in two domains, and return a table of their scores."""
    paths = sounds(folder, 24)
    rng = np.random.default_rng(1)
    y = np.where(np.arange(24) % 3 == 2, -1, 1)
    score = rng.normal(size=24) + 1.5 * (y == -1)
    return pd.DataFrame(
        {
            "path": paths,
            "anomaly_score": score,
            "decision": np.where(score > 1, "anomalous", "normal"),
            "threshold": 1.0,
            "machine": "fan",
            "section": "00",
            "domain": np.where(np.arange(24) % 2, "target", "source"),
            "y": y,
            "error": "",
        }
    )
