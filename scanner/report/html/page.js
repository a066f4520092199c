"use strict";
// The page is whole without this: it only hides, orders and opens what the table already holds. It makes no markup
// from strings, and reads from the JSON beside it what can be compared; text is searched in the table itself.
(() => {
  const [SEVERITY, STATE, NAME, PLACE, WHEN, TIP, CONFIDENCE, RULE, CHANGE] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const WORST_FIRST = new Set([SEVERITY, WHEN, TIP]); // columns whose greatest value is looked for first
  const root = document.documentElement;
  root.classList.add("js");

  const THEMES = ["system", "light", "dark"];
  const remembered = () => {
    try { return localStorage.getItem("deadkey-theme"); } catch { return null; } // no storage for some files on disk
  };
  let theme = THEMES.includes(remembered()) ? remembered() : "system";
  const paint = () => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
  };
  paint();

  const start = () => {
    const at = (id) => document.getElementById(id);
    for (const part of document.querySelectorAll(".scripted")) part.hidden = false;

    const button = at("theme");
    const name = () => { button.textContent = `Theme: ${theme}`; };
    name();
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      try { localStorage.setItem("deadkey-theme", theme); } catch { /* kept for this page only */ }
      paint();
      name();
    });

    const table = at("secrets");
    if (!table) return;
    const { rows, page: size } = JSON.parse(at("keys").textContent);
    const bodies = rows.map((_, number) => at(`s${number}`));
    const texts = new Array(rows.length);
    const text = (number) => (texts[number] ??= bodies[number].textContent.toLowerCase());
    const form = at("filters");
    let order = rows.map((_, number) => number);
    let found = order;
    let page = 0;

    // A row's name becomes the button that opens it, once the row is shown for the first time.
    const openable = (number) => {
      const cell = bodies[number].querySelector(".name");
      if (!cell) return bodies[number].querySelector("th button");
      const toggle = document.createElement("button");
      toggle.type = "button";
      toggle.textContent = cell.textContent;
      toggle.setAttribute("aria-controls", `d${number}`);
      toggle.setAttribute("aria-expanded", "false");
      toggle.addEventListener("click", () => open(number, toggle.getAttribute("aria-expanded") !== "true"));
      cell.replaceWith(toggle);
      return toggle;
    };
    const open = (number, wanted) => {
      const details = at(`d${number}`);
      details.open = wanted;
      details.closest("tr").classList.toggle("opened", wanted);
      openable(number).setAttribute("aria-expanded", String(wanted));
    };

    // Only what is seen has to stand in order: moving all of thousands would take a second.
    const place = (numbers) => {
      const sorted = document.createDocumentFragment();
      for (const number of numbers) sorted.append(bodies[number]);
      table.append(sorted);
    };
    addEventListener("beforeprint", () => place(found));

    const show = () => {
      const pages = Math.max(1, Math.ceil(found.length / size));
      page = Math.min(page, pages - 1);
      const from = page * size;
      for (const body of table.querySelectorAll(".shown")) body.classList.remove("shown");
      const here = found.slice(from, from + size);
      for (const number of here) {
        openable(number);
        bodies[number].classList.add("shown");
      }
      place(here);
      const all = found.length === rows.length ? "" : ` that fit, of ${rows.length}`;
      const part = pages > 1 ? `${from + 1} to ${Math.min(from + size, found.length)} of ` : "";
      at("shown").textContent = `${part}${found.length} ${found.length === 1 ? "secret" : "secrets"}${all}`;
      at("none").hidden = found.length > 0;
      at("pages").hidden = pages === 1;
      at("page").textContent = `Page ${page + 1} of ${pages}`;
      at("before").disabled = page === 0;
      at("after").disabled = page === pages - 1;
    };

    const filter = () => {
      const words = at("text").value.toLowerCase().split(/\s+/).filter(Boolean);
      const severities = new Set([...form.querySelectorAll("[name=severity]:checked")].map((box) => Number(box.value)));
      const state = at("state").value;
      const rule = at("rule").value;
      const confidence = Number(at("confidence").value);
      const change = at("change")?.value ?? "";
      const tip = at("tip").checked;
      const fits = (key, number) =>
        severities.has(key[SEVERITY]) &&
        (state === "" || key[STATE] === Number(state)) &&
        (rule === "" || key[RULE] === rule) &&
        key[CONFIDENCE] >= confidence &&
        (change === "" || key[CHANGE] === change) &&
        (!tip || key[TIP] === true) &&
        words.every((word) => text(number).includes(word));
      found = order.filter((number) => fits(rows[number], number));
      const kept = new Set(found);
      bodies.forEach((body, number) => body.classList.toggle("fits", kept.has(number)));
      page = 0;
      show();
    };

    const collator = new Intl.Collator(undefined, { numeric: true });
    const compared = (a, b) => (typeof a === "string" ? collator.compare(a, b) : Number(a) - Number(b));
    const sort = (key, down) => {
      order = rows.map((_, number) => number);
      order.sort((a, b) => {
        const [x, y] = [rows[a][key], rows[b][key]];
        if (x === null || y === null) return (x === null) - (y === null) || a - b; // what is not known comes last
        return (down ? compared(y, x) : compared(x, y)) || a - b;
      });
      filter();
    };

    for (const heading of table.tHead.rows[0].cells) {
      const key = Number(heading.dataset.key);
      const toggle = document.createElement("button");
      toggle.type = "button";
      toggle.append(...heading.childNodes);
      heading.append(toggle);
      toggle.addEventListener("click", () => {
        const before = heading.getAttribute("aria-sort");
        const down = before ? before === "ascending" : WORST_FIRST.has(key);
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(key, down);
      });
    }

    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter)); // the fields are cleared after this event
    const turn = (by) => {
      page += by;
      show();
      at("findings").scrollIntoView();
      at("findings").focus({ preventScroll: true });
    };
    at("before").addEventListener("click", () => turn(-1));
    at("after").addEventListener("click", () => turn(1));
    at("open").addEventListener("click", () => {
      const wanted = at("open").getAttribute("aria-pressed") !== "true";
      at("open").setAttribute("aria-pressed", String(wanted));
      for (const number of found) open(number, wanted);
    });
    filter(); // a page that is loaded again may come with its fields filled in
  };
  document.addEventListener("DOMContentLoaded", start);
})();
