'use strict';
const all = (query, root) => [...(root || document).querySelectorAll(query)];
const value = (row, column) => {
  const cell = row.cells[column];
  return 'v' in cell.dataset ? Number(cell.dataset.v) : cell.textContent.trim();
};
const compare = (a, b) => typeof a === 'number' && typeof b === 'number'
  ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });

all('table.sortable').forEach(table => all('thead th', table).forEach((head, column) => {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    all('th', table).forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column)));
    body.append(...(down ? rows.reverse() : rows));
  });
}));

const tools = document.querySelector('.tools');
if (tools) {
  const words = tools.querySelector('#words');
  const problems = tools.querySelector('#problems');
  const order = tools.querySelector('#order');
  const count = tools.querySelector('#count');
  const items = all('[data-words]');
  const videos = all('details.video');
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) {
      const text = item.dataset.words;
      const fits = wanted.every(word => text.includes(word));
      item.hidden = !fits || (problems.checked && item.dataset.problem === '0');
    }
    const seen = videos.filter(video => !video.hidden).length;
    count.textContent = seen + ' of ' + videos.length + ' videos below';
  };
  const sort = () => {
    const key = order.value;
    const rows = [...videos].sort((a, b) => compare(a.dataset[key], b.dataset[key]));
    document.querySelector('#videos').append(...rows);
  };
  words.addEventListener('input', filter);
  problems.addEventListener('change', filter);
  order.addEventListener('change', sort);
  tools.querySelector('#open').addEventListener('click', event => {
    const open = videos.some(video => !video.hidden && !video.open);
    videos.forEach(video => { video.open = open; });
  });
  tools.hidden = false;
  filter();
}

const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const holder = target && target.closest('details');
  if (holder) {
    holder.hidden = false;
    holder.open = true;
    target.scrollIntoView();
  }
};
addEventListener('hashchange', reveal);
reveal();
