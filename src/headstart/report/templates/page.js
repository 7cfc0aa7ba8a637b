(() => {
  "use strict";
  const narrow = matchMedia("(max-width: 60rem)");
  const menu = document.querySelector("nav details");

  function openAt(hash) {
    const target = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
    const fold = target && (target.querySelector("details.fold") || target.closest("details.fold"));
    if (fold) fold.open = true;
    return target;
  }

  function fitMenu() {
    menu.open = !narrow.matches;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    openAt(link.getAttribute("href"));
    if (narrow.matches) menu.open = false;
  });
  addEventListener("hashchange", () => openAt(location.hash));
  narrow.addEventListener("change", fitMenu);
  fitMenu();
  const first = openAt(location.hash);
  if (first) first.scrollIntoView();

  const opened = [];
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("main details:not([open])")) {
      fold.open = true;
      opened.push(fold);
    }
  });
  addEventListener("afterprint", () => {
    while (opened.length) opened.pop().open = false;
  });

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);

  // Sorting: by the leading number where every cell has one, else by the words.
  function valueOf(row, place) {
    const words = row.cells[place].textContent.trim();
    const number = Number.parseFloat(words.replace(/,(?=\d{3})/g, "").replace("\u2212", "-"));
    return { words, number };
  }

  function sort(table, heading, place) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, ...valueOf(row, place) }));
    const numbers = rows.every(({ words, number }) => !Number.isNaN(number) || !/\d/.test(words));
    const order = (a, b) => {
      if (!numbers) return a.words.localeCompare(b.words, undefined, { numeric: true });
      const [x, y] = [a.number, b.number];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return x - y;
    };
    rows.sort((a, b) => (down ? -order(a, b) : order(a, b)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows.map(({ row }) => row));
  }

  for (const table of document.querySelectorAll("main .scroll > table:not(.confusion)")) {
    if (table.tBodies[0].rows.length < 3) continue;
    [...table.tHead.rows[0].cells].forEach((heading, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading, place));
      heading.append(button);
    });
  }
})();
