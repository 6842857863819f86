"""The scripts of a page: one sorts and searches long tables and shares sounds, the other reloads live pages."""

SCRIPT = """
for (const player of document.querySelectorAll('audio[data-as]')) {
  player.src = document.getElementById(player.dataset.as).src;
}
for (const box of document.querySelectorAll('.long')) {
  const body = box.querySelector('tbody'), rows = [...body.rows], heads = [...box.querySelectorAll('thead th')];
  const texts = rows.map(row => [...row.cells].map(cell => cell.textContent).join(' ').toLowerCase());
  const input = document.createElement('input'), count = document.createElement('output');
  input.type = 'search';
  input.placeholder = 'name, anomalous ...';
  const label = document.createElement('label');
  label.append('Search ', input);
  const bar = document.createElement('p');
  bar.className = 'search';
  bar.append(label, ' ', count);
  box.querySelector('.scroll').before(bar);
  const search = () => {
    const words = input.value.toLowerCase().split(/\\s+/);
    let shown = 0;
    rows.forEach((row, i) => { row.hidden = !words.every(word => texts[i].includes(word)); shown += !row.hidden; });
    count.textContent = shown + ' of ' + rows.length + ' shown';
  };
  input.addEventListener('input', search);
  search();
  const compare = new Intl.Collator('en', {numeric: true}).compare;
  heads.forEach((head, column) => {
    const number = head.classList.contains('number'), button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const first = number ? 'descending' : 'ascending', other = number ? 'ascending' : 'descending';
      const order = head.getAttribute('aria-sort') === first ? other : first;
      heads.forEach(one => one.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', order);
      const sign = order === 'ascending' ? 1 : -1;
      const keys = new Map(rows.map(row => {
        const text = row.cells[column].textContent;
        return [row, number ? parseFloat(text.replace('\\u2212', '-')) : text === '\\u2013' ? '' : text]; }));
      const empty = key => key === '' || Number.isNaN(key);
      body.append(...[...rows].sort((a, b) => {
        const x = keys.get(a), y = keys.get(b);
        if (empty(x) || empty(y)) return empty(x) - empty(y);
        return sign * (number ? x - y : compare(x, y)); }));
    });
  });
}
"""

# reloads the page, except while a sound is played
RELOAD = """
setInterval(() => {
  if (![...document.querySelectorAll('audio')].some(sound => !sound.paused)) location.reload();
}, $milliseconds);
"""
