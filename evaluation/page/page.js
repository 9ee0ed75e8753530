// Colours: as the system has them, then light, then dark.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement.style, order = ["", "light", "dark"];
  root.colorScheme = order[(order.indexOf(root.colorScheme) + 1) % 3];
});

// A column's title sorts by it; empty values come last, whichever the direction.
const table = document.getElementById("cases");
const heads = [...table.tHead.rows[0].cells];
const key = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent;
heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
  const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  heads.forEach(h => h.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  const isText = head.classList.contains("text");
  rows.sort((a, b) => {
    const x = key(a, i), y = key(b, i);
    if (x === "" || y === "") return (x === "") - (y === "");
    return down * (isText ? x.localeCompare(y) : x - y);
  });
  table.tBodies[0].append(...rows);
}));

// What a dot says is shown beside the pointer, or when it has the focus.
const tip = document.getElementById("tip");
const dots = [...document.querySelectorAll(".chart a")];
for (const dot of dots) {
  const title = dot.querySelector("title");
  dot.dataset.words = title.textContent;
  title.remove();
  const show = event => {
    tip.textContent = dot.dataset.words;
    tip.hidden = false;
    const box = dot.getBoundingClientRect();
    const x = event.clientX || box.right, y = event.clientY || box.top;
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y > 60 ? y - tip.offsetHeight - 8 : y + 16}px`;
  };
  dot.addEventListener("pointerenter", show);
  dot.addEventListener("focus", show);
  dot.addEventListener("pointerleave", () => { tip.hidden = true; });
  dot.addEventListener("blur", () => { tip.hidden = true; });
}
addEventListener("scroll", () => { tip.hidden = true; }, {passive: true});
