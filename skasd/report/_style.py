"""The style sheet of a page."""

STYLE = """
:root { --ink: #1c2430; --soft: #4d5866; --paper: #ffffff; --band: #f2f5f8; --line: #ccd4dc; --link: #0b5cad;
  --note: #fff6dd; --bad: #a32c00; --good: #1d6b3a; }
@media (prefers-color-scheme: dark) {
  img { filter: brightness(.88); }
  :root { --ink: #e6eaef; --soft: #aeb8c4; --paper: #15191f; --band: #1f252d; --line: #3a434e; --link: #7db8f2;
    --note: #322b17; --bad: #ff9d76; --good: #7fd09b; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1, h2, h3, h4, p, li, dd, dt, figcaption, summary { overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; }
p { margin: .5rem 0; max-width: 48rem; }
a { color: var(--link); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0; padding: .6rem .9rem;
  background: var(--band); border-radius: .4rem; }
nav a { display: inline-block; padding: .3rem 0; }
.verdict { background: var(--band); border-left: .45rem solid var(--soft); border-radius: .4rem; padding: .5rem 1rem;
  margin: 1rem 0; }
.verdict.bad { border-color: var(--bad); }
.verdict.good { border-color: var(--good); }
.verdict strong { font-size: 1.15rem; line-height: 1.4; font-weight: 600; }
.missing { background: var(--note); border-radius: .4rem; padding: .5rem .8rem; }
dl.key { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
dl.key div { flex: 1 1 8rem; background: var(--band); border-radius: .4rem; padding: .6rem .8rem; }
dl.key dt { color: var(--soft); font-size: .875rem; }
dl.key dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .75rem 0; max-width: 100%; }
:is(.scroll, a, summary, button, input):focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
.caption { color: var(--soft); font-size: .9rem; margin: 1rem 0 .25rem; }
.caption + .scroll { margin-top: 0; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 600; white-space: nowrap; }
td strong { color: var(--bad); }
td.time { white-space: nowrap; }
td.text { min-width: 9rem; max-width: 18rem; overflow-wrap: anywhere; }
.long .scroll { max-height: 40rem; overflow: auto; border-bottom: 1px solid var(--line); }
.long thead th { position: sticky; top: 0; background: var(--paper); box-shadow: 0 2px var(--line); border: 0; }
.long tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 9.5rem; max-width: 36rem; font-weight: 400; }
.long button { font: inherit; font-weight: 600; color: var(--link); background: none; border: 0; padding: .25rem 0;
  cursor: pointer; text-align: inherit; white-space: nowrap; }
.long [aria-sort=ascending] button::after { content: " ▲"; }
.long [aria-sort=descending] button::after { content: " ▼"; }
.search { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; }
.search input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft);
  border-radius: .3rem; padding: .3rem .5rem; width: 16rem; max-width: 100%; }
.search output { color: var(--soft); font-size: .9rem; }
.number { text-align: right; white-space: nowrap; }
.pair { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem;
  align-items: start; }
.clip { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem .9rem .9rem; margin: 1rem 0; }
.note { color: var(--soft); font-size: .875rem; margin: 0; }
.clip h4 { font-size: .95rem; margin: .75rem 0 0; overflow-wrap: anywhere; }
figure { margin: .75rem 0; }
img { display: block; width: auto; max-width: min(100%, 42rem); height: auto; background: #ffffff;
  border-radius: .3rem; }
figcaption { color: var(--soft); font-size: .875rem; margin-top: .3rem; max-width: 48rem; }
audio { display: block; width: 100%; max-width: 32rem; margin: .5rem 0; }
pre { background: var(--band); border-radius: .4rem; padding: .7rem .9rem; font-size: .85rem; line-height: 1.4; }
details { margin: .75rem 0; }
summary { cursor: pointer; padding: .3rem 0; color: var(--link); }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem; }
@media print { body { max-width: none; } audio, nav, .search { display: none; }
  .long .scroll { max-height: none; } .clip, figure { break-inside: avoid; } }
"""
